"""Soft-argmax: the mean place of a softmax over a heatmap, as cheap as reading the heatmap.

The plain definition writes the probabilities and three marginal sums to memory and keeps them for
the backward pass. Here only the gradient has a heatmap's size: volumes go through the processor's
cache a few at a time, and the backward pass computes their probabilities once more. On CUDA,
kernels do the same where Triton is installed (soft_argmax_cuda says how far they were tested).
`posekit bench` measures speed and memory beside the plain definition.
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


def soft_argmax(logits: Float[Tensor, "..."], dims: int = 3) -> Float[Tensor, "... {dims}"]:
    """The mean place under the softmax over the last `dims` axes: (x), (x, y) or (x, y, z).

    In voxels, counted from the middle of the first. x runs along the last axis of `logits`, y
    along the one before, z along the third from the end; all axes before are batch. Logits of any
    memory layout are read in place (the CUDA kernels copy those whose batch axes need more than two
    strides); those of 16 bits are computed, and their places returned, in float32. -inf masks a
    voxel. The gradient has the logits' type and layout; a second derivative raises RuntimeError.

    A volume with NaN, +inf or nothing but -inf has no mean place: ValueError on the CPU; its places
    are NaN on other devices, where a check would have to wait. ValueError for other `dims`, or
    logits without voxels.
    """
    if dims not in (1, 2, 3):
        raise ValueError(f"soft-argmax is over 1, 2 or 3 axes, not {dims}")
    if logits.dim() < dims or 0 in logits.shape[-dims:]:
        raise ValueError(f"logits of shape {tuple(logits.shape)} hold no {dims}D heatmap")
    if logits.is_cuda and find_spec("triton"):
        # Triton comes with torch for CUDA only.
        from posekit.models.soft_argmax_cuda import InKernels

        return InKernels.apply(logits, dims)
    places = InCache.apply(logits, dims)
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
    def forward(ctx, logits, dims):
        kind = torch.promote_types(logits.dtype, torch.float32)
        places = logits.new_empty((*logits.shape[:-dims], dims), dtype=kind)
        rows = places.view(-1, dims)
        order = axes(logits, dims)
        room = _room(logits, dims, kind)
        for start, (block,) in _blocks([logits], dims, order):
            means = _means(_probabilities(block, _shaped(room, block)))
            for axis, mean in zip(order, means, strict=True):
                rows[start : start + len(block), dims - 1 - axis] = mean
        ctx.dims = dims
        ctx.save_for_backward(logits, places)
        return places

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        logits, places = ctx.saved_tensors
        dims, kind = ctx.dims, places.dtype
        slopes, places = slopes.reshape(-1, dims), places.view(-1, dims)
        grad = torch.empty_like(logits)
        order = axes(logits, dims)
        columns = [dims - 1 - axis for axis in order]
        rooms = [_room(logits, dims, kind) for _ in range(2)]
        for start, (block, out) in _blocks([logits, grad], dims, order):
            field, spare = (_shaped(room, block) for room in rooms)
            direct = out.is_contiguous() and out.dtype == kind
            probabilities = _probabilities(block, out if direct else spare)
            rows = slice(start, start + len(block))
            _tilt(slopes[rows, columns], places[rows, columns], field)
            torch.mul(probabilities, field, out=out)
        return grad, None


def axes(logits: Tensor, dims: int) -> list[int]:
    """The last `dims` axes, 0 the first of them, in the order of memory: the slowest first."""
    return sorted(range(dims), key=lambda axis: -logits.stride(axis - dims))


def first_even_axis(logits: Tensor, dims: int) -> int:
    """The batch axis from which on volumes lie at even distances, so that a view can join them.

    Mostly 0. Not so for channels_last logits whose channels were split into joints and depth: a
    reshape to one axis of volumes would copy them without a word.
    """
    batch, size = logits.shape[:-dims], logits.shape[-dims:]
    for cut in range(len(batch) - 1):
        try:
            logits.view(*batch[:cut], math.prod(batch[cut:]), *size)
        except RuntimeError:
            continue
        return cut
    return max(len(batch) - 1, 0)


def _together(logits: Tensor, dims: int) -> int:
    """Number of volumes in a block."""
    volume = math.prod(logits.shape[-dims:])
    on_cpu = logits.device.type == "cpu"
    cores, voxels = (torch.get_num_threads(), CACHED) if on_cpu else (1, LAUNCHED)
    return cores * max(1, voxels // volume)


def _room(logits: Tensor, dims: int, kind: torch.dtype) -> Tensor:
    """Uninitialised memory for one block."""
    volume = math.prod(logits.shape[-dims:])
    count = min(_together(logits, dims) * volume, logits.numel())
    return torch.empty(count, dtype=kind, device=logits.device)


def _shaped(room: Tensor, block: Tensor) -> Tensor:
    return room[: block.numel()].view(block.shape)


def _blocks(
    tensors: Sequence[Tensor], dims: int, order: Sequence[int]
) -> Iterator[tuple[int, list[Tensor]]]:
    """The first volume's number and views of a few volumes, their axes in memory's order."""
    batch, size = tensors[0].shape[:-dims], tensors[0].shape[-dims:]
    cut = max(first_even_axis(tensor, dims) for tensor in tensors)
    volumes, step = math.prod(batch[cut:]), _together(tensors[0], dims)
    for outer, index in enumerate(product(*map(range, batch[:cut]))):
        stacks = [
            tensor[index].view(volumes, *size).permute(0, *(axis + 1 for axis in order))
            for tensor in tensors
        ]
        for at in range(0, volumes, step):
            yield outer * volumes + at, [stack[at : at + step] for stack in stacks]


def _probabilities(block: Float[Tensor, "k ..."], into: Float[Tensor, "k ..."]) -> Tensor:
    """The softmax of each volume, written to `into`."""
    flat = into.view(len(into), -1)
    if block.is_contiguous() and block.dtype == into.dtype:
        torch.softmax(block.view(flat.shape), dim=1, out=flat)
    else:
        torch.softmax(into.copy_(block).view(flat.shape), dim=1, out=flat)
    return into


def _means(weights: Float[Tensor, "k ..."]) -> Iterator[Float[Tensor, " k"]]:
    """The mean index along each axis after the first.

    Weights are divided by their sum, which is only nearly 1, and indices count from the middle of
    the axis: both keep float32 weights to a millionth of a voxel.
    """
    for _ in range(weights.dim() - 1):
        marginal = weights[..., None].flatten(2).sum(2).double()
        middle = (marginal.shape[1] - 1) / 2
        steps = torch.arange(marginal.shape[1], device=marginal.device) - middle
        yield middle + (marginal * steps).sum(1) / marginal.sum(1)
        weights = weights.sum(1).double()


def _tilt(slopes: Float[Tensor, "k dims"], places: Float[Tensor, "k dims"], field: Tensor) -> None:
    """Write slope * (index - place), summed over the axes, of every voxel to `field`."""
    lines = []
    for axis, count in enumerate(field.shape[1:]):
        steps = torch.arange(count, dtype=field.dtype, device=field.device)
        line = slopes[:, axis, None] * (steps - places[:, axis, None])
        lines.append(line.view(-1, *(count if axis == at else 1 for at in range(field.dim() - 1))))
    first, *rest = lines
    torch.add(first, sum(rest) if rest else 0, out=field)
