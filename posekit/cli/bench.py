"""`posekit bench`: speed and memory of posekit beside the usual way to do the same.

A rate is from the median of rounds in which the compared ways take turns. Rates depend on the
machine; ratios carry over.
"""

import resource
import time
from functools import partial

import cv2
import numpy as np
import torch

from posekit.cli import bench_gpu, bench_soft_argmax
from posekit.data.pictures import Pictures
from posekit.geometry import body, render
from posekit.metrics.errors import align
from posekit.models.profile import median_seconds
from posekit.studio.pictures import StudioPictures
from posekit.studio.poses import load
from posekit.studio.scene.occluders import shapes
from posekit.studio.wild import Wild
from posekit.training.augment import augment
from posekit.training.augmentations import AUGMENTATIONS

ROUNDS, QUICK_ROUNDS = 5, 2


def main(quick: bool = False) -> None:
    """Print every benchmark; `quick` takes smaller inputs and fewer rounds."""
    duration = "1 to 2 minutes" if quick else "about 10 minutes (with --quick 1 to 2)"
    threads, rounds = torch.get_num_threads(), QUICK_ROUNDS if quick else ROUNDS
    print(f"torch {torch.__version__}, {threads} threads. This takes {duration} on a free machine.")
    print("On a machine with other work, rates are too low and 2 threads look slower than 1.")
    alignment(200_000, rounds)
    frames(60 if quick else 600)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("one thread from here on")
    bodies = [body.free()] if quick else [body.free(), body.free(full=True)]
    raster(bodies, rounds)
    pictures(bodies, 15 if quick else 100, rounds)
    augmentations(16 if quick else 64, rounds)
    training(8 if quick else 40)
    batches = (4,) if quick else (4, 16)
    soft_argmax = partial(bench_soft_argmax.cpu, batches, rounds, measure_memory=not quick)
    soft_argmax()  # last: its volumes raise the peak memory
    if threads > 1:
        torch.set_num_threads(threads)
        print(f"{threads} threads again")
        soft_argmax()
    bench_soft_argmax.gpu()


def alignment(poses: int, rounds: int) -> None:
    """Similarity alignment of 17 joints: the closed form against a batched SVD."""
    torch.manual_seed(0)
    true = torch.randn(poses, 17, 3) * 300
    pred = true + torch.randn(poses, 17, 3) * 40
    ways = {
        "align": lambda: align(pred, true, "similarity"),
        "batched SVD": lambda: _svd(pred, true),
    }
    medians = median_seconds(ways, rounds)
    error = (align(pred, true, "similarity") - _svd(pred.double(), true.double())).abs().max()
    for name, seconds in medians.items():
        ratio = medians["batched SVD"] / seconds
        print(f"alignment, {name}: {poses / seconds:,.0f} poses/s, {ratio:.1f}x the SVD")
    print(f"alignment: largest deviation from the float64 SVD {error:.1e} mm")


def _svd(pred: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """`pred` aligned to `true` by a batched SVD (Umeyama, 1991)."""
    mean_pred, mean_true = pred.mean(1, keepdim=True), true.mean(1, keepdim=True)
    x, y = pred - mean_pred, true - mean_true
    u, s, vt = torch.linalg.svd(x.mT @ y)
    sign = torch.ones_like(s)
    sign[:, -1] = torch.linalg.det(u @ vt).sign()
    scale = (s * sign).sum(-1) / x.square().sum((1, 2))
    return scale[:, None, None] * x @ (u * sign[:, None]) @ vt + mean_true


def frames(count: int) -> None:
    """Generation of all of the studio's takes with its noisy detector."""
    start = time.perf_counter()
    poses = load(frames=count)
    seconds = time.perf_counter() - start
    print(
        f"studio: {len(poses):,} camera frames in {seconds:.1f} s, "
        f"{len(poses) / seconds:,.0f} frames/s, peak memory of the process {_peak():.2f} GB"
    )


def raster(bodies: list[body.Body], rounds: int, size: int = 256) -> None:
    """The z-buffer alone, of a person who fills the picture."""
    for device, count in (("cpu", 8), ("cuda", 256))[: 1 + torch.cuda.is_available()]:
        for model in bodies:
            points, faces = bench_gpu.standing(model, size, count, device)

            def draw(points=points, faces=faces, device=device):
                keys = render.rasterise(points, faces, size, size).keys
                return keys if device == "cpu" else torch.cuda.synchronize()

            seconds = median_seconds({"": draw}, rounds)[""]
            print(
                f"raster, {len(model.faces):,} faces, {size} px, {device}: "
                f"{count / seconds:,.0f} pictures/s"
            )


def pictures(bodies: list[body.Body], count: int, rounds: int) -> None:
    """Generated pictures with labels, 256 px: of the studio's frames, and of strangers anywhere."""
    for model in bodies:
        kinds = {
            "studio frames": StudioPictures(("S1",), frames=100, every=50, body=model),
            "strangers, one": Wild(body=model, people=1),
            "strangers, up to four": Wild(body=model),
        }

        def draw(kind: Pictures):
            for index in range(count):
                kind.sample(index)

        ways = {name: partial(draw, kind) for name, kind in kinds.items()}
        for name, seconds in median_seconds(ways, rounds).items():
            rate = count / seconds
            print(f"pictures, {name}, {len(model.weights):,} vertices: {rate:,.0f} pictures/s")
    print(f"pictures: peak memory of the process {_peak():.2f} GB")


def augmentations(count: int, rounds: int) -> None:
    """The augmentations of the papers on finished pictures with labels."""
    batch = Wild(people=1)[range(count)]
    things = shapes(np.random.default_rng(0), 50)
    ways = {
        name: partial(augment, batch, recipe, seed=0, occluders=things)
        for name, recipe in AUGMENTATIONS.items()
        if not {",", ":"} & set(name)  # a paper's whole recipe as its code has it
    }
    for name, seconds in median_seconds(ways, rounds).items():
        print(f"augmentation, {name}: {count / seconds:,.0f} pictures/s")


def training(steps: int) -> None:
    """The training loop beside forward and backward passes alone, and its share of waiting."""
    how = {"size": 64, "channels": 32, "batch": 16, "steps": steps}
    for row in bench_gpu.loop(how, "cpu"):
        print(
            f"training, hourglass, 64 px: {row['pictures/s']:,.0f} pictures/s, {row['share']:.0%} "
            f"of forward and backward alone, {row['waited for data']:.1%} of the time waiting for data"
        )


def _peak() -> float:
    """The most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
