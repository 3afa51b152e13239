"""posekit's own speed, side by side with the usual way of doing the same.

Each row is the median of interleaved rounds. Rates depend on the machine; the ratio travels.
"""

import resource
import statistics
import time
from collections.abc import Callable

import torch

from posekit.data import studio
from posekit.metrics import align

ROUNDS = 5


def main() -> None:
    """Print every benchmark."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    alignment()
    frames()


def alignment(poses: int = 200_000) -> None:
    """Similarity alignment of 17 joints: the closed form against a batched SVD."""
    torch.manual_seed(0)
    true = torch.randn(poses, 17, 3) * 300
    pred = true + torch.randn(poses, 17, 3) * 40
    ways = {
        "align": lambda: align(pred, true, "similarity"),
        "batched SVD": lambda: _svd(pred, true),
    }
    medians = _interleaved(ways)
    error = (align(pred, true, "similarity") - _svd(pred.double(), true.double())).abs().max()
    for name, seconds in medians.items():
        ratio = medians["batched SVD"] / seconds
        print(f"alignment, {name}: {poses / seconds:,.0f} poses/s, {ratio:.1f}x the SVD")
    print(f"alignment: largest deviation from the float64 SVD {error:.1e} mm")


def _svd(pred: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """The textbook way (Umeyama, 1991)."""
    mean_pred, mean_true = pred.mean(1, keepdim=True), true.mean(1, keepdim=True)
    x, y = pred - mean_pred, true - mean_true
    u, s, vt = torch.linalg.svd(x.mT @ y)
    sign = torch.ones_like(s)
    sign[:, -1] = torch.linalg.det(u @ vt).sign()
    scale = (s * sign).sum(-1) / x.square().sum((1, 2))
    return scale[:, None, None] * x @ (u * sign[:, None]) @ vt + mean_true


def frames(count: int = 600) -> None:
    """The whole studio with its noisy detector, from nothing to tensors."""
    start = time.perf_counter()
    poses = studio.load(frames=count)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"studio: {len(poses):,} camera frames in {seconds:.1f} s, "
        f"{len(poses) / seconds:,.0f} frames/s, peak memory of the process {peak:.2f} GB"
    )


def _interleaved(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each way, the ways taking turns after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
