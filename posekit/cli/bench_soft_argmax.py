"""Speed, memory and rounding of soft-argmax beside its plain definition, a part of `posekit bench`.

Volumes of 64^3, forward and backward, as a last convolution leaves them in either memory layout.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
from torch import Tensor

from posekit.models.profile import median_seconds
from posekit.models.soft_argmax import soft_argmax

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
STEPS = 20  # on a GPU, started one after the other and waited for together

# In a process of its own: the most memory it has held, above what it held with the logits made, in
# logits. A small pass comes first, for what torch loads once.
MEMORY = """
import sys, torch
from posekit.cli import bench_soft_argmax as bench
from posekit.system import watch_memory
way, batch, joints, layout, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
bench.step(bench.WAYS[way], bench.volumes(1, int(joints), layout))
logits = bench.volumes(int(batch), int(joints), layout)
most = watch_memory("cpu")
before = most()
bench.step(bench.WAYS[way], logits)
print((most() - before) * 2**20 / (logits.numel() * 4))
"""


def cpu(batches: Sequence[int], rounds: int, *, joints: int = 18, measure_memory=True) -> None:
    """On the CPU in float32, with as many threads as torch is set to."""
    print(f"soft-argmax, CPU, forward and backward, {torch.get_num_threads()} threads")
    for layout, batch in product(LAYOUTS, batches):
        logits = volumes(batch, joints, layout)
        ways = {name: partial(step, way, logits) for name, way in WAYS.items()}
        medians = median_seconds(ways, rounds)
        for name, seconds in medians.items():
            extra = "extra memory not measured (Linux only, not with --quick)"
            if measure_memory and sys.platform.startswith("linux"):
                extra = f"{memory(name, batch, joints, layout):.2f}x the logits in extra memory"
            print(
                f"soft-argmax, {batch} x {joints} x 64^3, {layout}, {name}: {seconds * 1e3:,.0f} "
                f"ms, {medians['plain'] / seconds:.2f}x the plain definition's speed, {extra}"
            )
    logits = volumes(1, joints, "contiguous").detach()
    for name, way in WAYS.items():
        error = (way(logits) - plain(logits.double())).abs().max()
        print(f"soft-argmax, {name}: largest deviation from float64 {error:.1e} voxels")


def gpu(batches: Sequence[int] = (16, 64), joints: int = 18) -> None:
    """Print what `on_gpu` measures."""
    if not torch.cuda.is_available():
        print("soft-argmax, GPU: skipped, torch sees none here")
        return
    print(f"soft-argmax, {torch.cuda.get_device_name()}, forward and backward")
    for row in on_gpu(batches, joints):
        print(
            f"soft-argmax, {row['batch']} x {joints} x 64^3, {row['kind']}, {row['layout']}, "
            f"{row['way']}: {row['ms']:.2f} ms, {row['speed']:.2f}x the plain definition's speed, "
            f"{row['copy']:.0%} of the copy bandwidth, {row['memory']:.2f}x the logits in extra "
            "memory"
        )


def on_gpu(batches: Sequence[int], joints: int, device: str = "cuda") -> Iterator[dict]:
    """On a GPU in float32 and bf16, also as a share of the speed at which memory is copied.

    Three transfers of the logits are counted, the fewest possible: read forward, read and written
    backward. A copy makes two. "speed" is beside the plain definition, "memory" in logits.
    """
    for kind, layout, batch in product((torch.float32, torch.bfloat16), LAYOUTS, batches):
        logits = volumes(batch, joints, layout, kind, device)
        copy, leaf = torch.empty_like(logits), logits.detach()
        ways = {name: partial(step, way, logits) for name, way in WAYS.items()}
        ways["copy"] = partial(copy.copy_, leaf)
        medians = median_seconds({name: partial(_steps, way) for name, way in ways.items()})
        for name in WAYS:
            seconds = medians[name]
            yield {"way": name, "kind": str(kind), "layout": layout, "batch": batch} | {
                "ms": seconds / STEPS * 1e3,
                "speed": medians["plain"] / seconds,
                "copy": 1.5 * medians["copy"] / seconds,
                "memory": _memory_of_gpu(ways[name], leaf),
            }


def plain(logits: Tensor) -> Tensor:
    """Soft-argmax (B, J, 3) by its definition: softmax over the volume, means of the marginals."""
    p = logits.flatten(2).softmax(2).view(logits.shape)
    means = []
    for axis, others in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4))):
        steps = torch.arange(logits.shape[axis], dtype=logits.dtype, device=logits.device)
        means.append((p.sum(others) * steps).sum(-1))
    return torch.stack(means, -1)


WAYS = {"plain": plain, "one pass": soft_argmax}


def volumes(
    batch: int, joints: int, layout: str, kind: torch.dtype = torch.float32, device: str = "cpu"
) -> Tensor:
    """Random logits whose channels were split into joints and depth, after a convolution."""
    torch.manual_seed(0)
    flat = torch.randn(batch, joints * 64, 64, 64, dtype=kind, device=device)
    flat = flat.contiguous(memory_format=LAYOUTS[layout])
    return flat.view(batch, joints, 64, 64, 64).requires_grad_()


def step(way: Callable[[Tensor], Tensor], logits: Tensor) -> None:
    """One pass forward and back, the gradient thrown away."""
    torch.autograd.grad(way(logits).sum(), logits)


def _steps(way: Callable[[], object]) -> None:
    for _ in range(STEPS):
        way()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def memory(name: str, batch: int, joints: int, layout: str) -> float:
    """Peak memory of one pass on the CPU beyond the logits, in logits. Linux only."""
    numbers = map(str, (batch, joints, layout, torch.get_num_threads()))
    command = [sys.executable, "-c", MEMORY, name, *numbers]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _memory_of_gpu(way: Callable[[], object], logits: Tensor) -> float:
    """Peak memory of one pass on the GPU beyond what is held before, in logits."""
    if not torch.cuda.is_available():
        return 0.0
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    way()
    return (torch.cuda.max_memory_allocated() - before) / logits.nbytes
