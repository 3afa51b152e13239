"""Soft-argmax: the mean place of a softmax over a volume, as cheap as reading the volume.

The plain definition writes the probabilities and three marginal sums to memory and keeps them for
the backward pass. Here only the gradient has a volume's size: volumes go through the processor's
cache a few at a time, and the backward pass computes their probabilities once more. On CUDA,
kernels do the same where Triton is installed (soft_argmax_cuda says how far they were tested).
`posekit bench` measures speed and memory beside the plain definition.

D x h x w voxels, k volumes of a block.
"""

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHED = 2**18  # voxels that one core works on at a time, 1 MiB of float32
LAUNCHED = 2**24  # voxels at a time where every step is a launch


def soft_argmax(logits: Float[Tensor, "*batch D h w"]) -> Float[Tensor, "*batch 3"]:
    """The mean place (x, y, z) under the softmax over each volume.

    In voxels, counted from the middle of the first; x runs along the last axis of `logits`. Logits
    of any memory layout are read in place (the CUDA kernels copy those whose batch axes need more
    than two strides); those of 16 bits are computed, and their places returned, in float32. -inf
    masks a voxel. The gradient has the logits' type and layout; a second derivative raises
    RuntimeError.

    A volume with NaN, +inf or nothing but -inf has no mean place: ValueError on the CPU; its places
    are NaN on other devices, where a check would have to wait. ValueError for logits without voxels.
    """
    if logits.dim() < 3 or 0 in logits.shape[-3:]:
        raise ValueError(f"logits of shape {tuple(logits.shape)} hold no volume")
    if logits.is_cuda and find_spec("triton"):
        # Triton comes with torch for CUDA only.
        from posekit.models.soft_argmax_cuda import InKernels

        return InKernels.apply(logits)
    places = InCache.apply(logits)
    if logits.device.type == "cpu":
        lost = (~places.isfinite().all(-1)).nonzero()
        if len(lost):
            raise ValueError(
                f"{len(lost)} of the heatmaps, the first at {tuple(lost[0].tolist())}, have no "
                "mean place: they hold NaN, +inf or nothing but -inf (the network has diverged, or "
                "a mask covers everything)"
            )
    return places


class InCache(torch.autograd.Function):
    """Soft-argmax by torch's own operations on blocks of volumes that stay in the cache.

    Each core takes whole volumes. softmax is the fastest exponential that torch has on a CPU; its
    result is dropped with its block.
    """

    @staticmethod
    def forward(ctx, logits):
        kind = torch.promote_types(logits.dtype, torch.float32)
        places = logits.new_empty((*logits.shape[:-3], 3), dtype=kind)
        rows = places.view(-1, 3)
        order, room = memory_order(logits), _room(logits, kind)
        for start, (block,) in _blocks([logits], order):
            means = _means(_probabilities(block, _shaped(room, block)))
            for axis, mean in zip(order, means, strict=True):
                rows[start : start + len(block), 2 - axis] = mean
        ctx.save_for_backward(logits, places)
        return places

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        logits, places = ctx.saved_tensors
        kind = places.dtype
        slopes, places = slopes.reshape(-1, 3), places.view(-1, 3)
        grad = torch.empty_like(logits)
        order = memory_order(logits)
        columns = [2 - axis for axis in order]
        rooms = [_room(logits, kind) for _ in range(2)]
        for start, (block, out) in _blocks([logits, grad], order):
            field, spare = (_shaped(room, block) for room in rooms)
            direct = out.is_contiguous() and out.dtype == kind
            probabilities = _probabilities(block, out if direct else spare)
            rows = slice(start, start + len(block))
            _tilt(slopes[rows, columns], places[rows, columns], field)
            torch.mul(probabilities, field, out=out)
        return grad


def memory_order(logits: Tensor) -> list[int]:
    """The axes of a volume, 0 is D, in the order of memory: the slowest first."""
    return sorted(range(3), key=lambda axis: -logits.stride(axis - 3))


def first_even_axis(logits: Tensor) -> int:
    """The batch axis from which on volumes lie at even distances, so that a view can join them.

    Mostly 0. Not so for channels_last logits whose channels were split into joints and depth: a
    reshape to one axis of volumes would copy them without a word.
    """
    batch, size = logits.shape[:-3], logits.shape[-3:]
    for cut in range(len(batch) - 1):
        try:
            logits.view(*batch[:cut], math.prod(batch[cut:]), *size)
        except RuntimeError:
            continue
        return cut
    return max(len(batch) - 1, 0)


def _together(logits: Tensor) -> int:
    """Number of volumes in a block."""
    on_cpu = logits.device.type == "cpu"
    cores, voxels = (torch.get_num_threads(), CACHED) if on_cpu else (1, LAUNCHED)
    return cores * max(1, voxels // math.prod(logits.shape[-3:]))


def _room(logits: Tensor, kind: torch.dtype) -> Tensor:
    """Uninitialised memory for one block."""
    count = min(_together(logits) * math.prod(logits.shape[-3:]), logits.numel())
    return torch.empty(count, dtype=kind, device=logits.device)


def _shaped(room: Tensor, block: Tensor) -> Tensor:
    return room[: block.numel()].view(block.shape)


def _blocks(tensors: Sequence[Tensor], order: Sequence[int]) -> Iterator[tuple[int, list[Tensor]]]:
    """The first volume's number and views of a few volumes, their axes in memory's order."""
    batch, size = tensors[0].shape[:-3], tensors[0].shape[-3:]
    cut = max(map(first_even_axis, tensors))
    volumes, step = math.prod(batch[cut:]), _together(tensors[0])
    for outer, index in enumerate(product(*map(range, batch[:cut]))):
        stacks = [
            tensor[index].view(volumes, *size).permute(0, *(axis + 1 for axis in order))
            for tensor in tensors
        ]
        for at in range(0, volumes, step):
            yield outer * volumes + at, [stack[at : at + step] for stack in stacks]


def _probabilities(block: Float[Tensor, "k _ _ _"], into: Float[Tensor, "k _ _ _"]) -> Tensor:
    """The softmax of each volume, written to `into`."""
    flat = into.view(len(into), -1)
    if block.is_contiguous() and block.dtype == into.dtype:
        torch.softmax(block.view(flat.shape), dim=1, out=flat)
    else:
        torch.softmax(into.copy_(block).view(flat.shape), dim=1, out=flat)
    return into


def _means(weights: Float[Tensor, "k _ _ _"]) -> Iterator[Float[Tensor, " k"]]:
    """The mean index along each axis after the first.

    Weights are divided by their sum, which is only nearly 1, and indices count from the middle of
    the axis: both keep float32 weights to a millionth of a voxel.
    """
    for _ in range(3):
        marginal = weights[..., None].flatten(2).sum(2).double()
        middle = (marginal.shape[1] - 1) / 2
        steps = torch.arange(marginal.shape[1], device=marginal.device) - middle
        yield middle + (marginal * steps).sum(1) / marginal.sum(1)
        weights = weights.sum(1).double()


def _tilt(slopes: Float[Tensor, "k 3"], places: Float[Tensor, "k 3"], field: Tensor) -> None:
    """Write slope * (index - place), summed over the axes, of every voxel to `field`."""
    lines = []
    for axis, count in enumerate(field.shape[1:]):
        steps = torch.arange(count, dtype=field.dtype, device=field.device)
        line = slopes[:, axis, None] * (steps - places[:, axis, None])
        lines.append(line.view(-1, *(count if axis == at else 1 for at in range(3))))
    torch.add(lines[0], sum(lines[1:]), out=field)
