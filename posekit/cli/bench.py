"""posekit's own speed, side by side with the usual way of doing the same.

Each row is the median of interleaved rounds. Rates depend on the machine; the ratio travels.
"""

import resource
import time
from functools import partial

import cv2
import numpy as np
import torch

from posekit.cli import bench_soft_argmax
from posekit.data.pictures import Pictures
from posekit.geometry import body, render
from posekit.metrics.errors import align
from posekit.models.profile import median_seconds
from posekit.studio.pictures import StudioPictures
from posekit.studio.poses import load
from posekit.studio.scene.occluders import shapes
from posekit.studio.wild import Wild
from posekit.training.augment import augment
from posekit.training.augmentations import RECIPES


def main() -> None:
    """Print every benchmark."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    alignment()
    frames()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("one thread from here on")
    raster()
    pictures()
    augmentations()
    bench_soft_argmax.cpu()  # last: its volumes would be the peak memory of the others
    torch.set_num_threads(threads)
    print(f"{threads} threads again")
    bench_soft_argmax.cpu()
    bench_soft_argmax.gpu()


def alignment(poses: int = 200_000) -> None:
    """Similarity alignment of 17 joints: the closed form against a batched SVD."""
    torch.manual_seed(0)
    true = torch.randn(poses, 17, 3) * 300
    pred = true + torch.randn(poses, 17, 3) * 40
    ways = {
        "align": lambda: align(pred, true, "similarity"),
        "batched SVD": lambda: _svd(pred, true),
    }
    medians = median_seconds(ways)
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
    poses = load(frames=count)
    seconds = time.perf_counter() - start
    print(
        f"studio: {len(poses):,} camera frames in {seconds:.1f} s, "
        f"{len(poses) / seconds:,.0f} frames/s, peak memory of the process {_peak():.2f} GB"
    )


def raster(size: int = 256, batch: int = 8) -> None:
    """The bare z-buffer of a person filling the picture, at both resolutions of the body."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        count = batch if device == "cpu" else 256
        for model in (body.free(), body.free(full=True)):
            points, faces = _standing(model, size, count, device)

            def draw(points=points, faces=faces, device=device):
                keys = render.rasterise(points, faces, size, size).keys
                return keys if device == "cpu" else torch.cuda.synchronize()

            seconds = median_seconds({"": draw})[""]
            print(
                f"raster, {len(model.faces):,} faces, {size} px, {device}: "
                f"{count / seconds:,.0f} pictures/s"
            )


def _standing(
    model: body.Body, size: int, count: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Projected bodies in the T pose, nine tenths of the picture high."""
    turns = torch.eye(3).repeat(count, 24, 1, 1)
    turns[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # upright in camera axes
    place = torch.tensor([[0.0, 0.0, 2700.0]]).repeat(count, 1)
    posed = model(turns, torch.zeros(count, model.shapes), place)
    K = torch.tensor([[1.35 * size, 0, size / 2], [0, 1.35 * size, size / 2], [0, 0, 1]])
    points = render.project(posed.vertices, K.repeat(count, 1, 1))
    return points.to(device), model.faces.to(device)


def pictures(count: int = 100) -> None:
    """Finished pictures with labels, 256 px: of the studio's frames, and of strangers anywhere."""
    for model in (body.free(), body.free(full=True)):
        kinds = {
            "studio frames": StudioPictures(("S1",), frames=100, every=50, body=model),
            "strangers, one": Wild(body=model, people=1),
            "strangers, up to four": Wild(body=model),
        }

        def draw(kind: Pictures):
            for index in range(count):
                kind.sample(index)

        rounds = {name: partial(draw, kind) for name, kind in kinds.items()}
        for name, seconds in median_seconds(rounds).items():
            rate = count / seconds
            print(f"pictures, {name}, {len(model.weights):,} vertices: {rate:,.0f} pictures/s")
    print(f"pictures: peak memory of the process {_peak():.2f} GB")


def augmentations(count: int = 64) -> None:
    """The augmentations of each paper on finished pictures, labels included."""
    batch = Wild(people=1)[range(count)]
    things = shapes(np.random.default_rng(0), 50)
    ways = {
        name: partial(augment, batch, recipe, seed=0, occluders=things)
        for name, recipe in RECIPES.items()
        if not {",", ":"} & set(name)  # a paper's whole recipe as its code has it
    }
    for name, seconds in median_seconds(ways).items():
        print(f"augmentation, {name}: {count / seconds:,.0f} pictures/s")


def _peak() -> float:
    """Gigabytes of memory this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
