"""Soft-argmax on CUDA: kernels that read the logits once, and once more for the gradient.

A volume is cut into tiles, one per program. Forward, each program writes five numbers, and a second
kernel joins those of a volume. Backward, each program reads its tile, recomputes the
probabilities from the volume's maximum and sum, and writes the gradient. Tiles are addressed by
strides: no layout is copied, and threads share the axis nearest in memory.

Tested with Triton 3.9: all of tests/models/test_soft_argmax.py in Triton's interpreter, which runs
on the CPU with numpy; and compiling for sm_90 (an H100 or H200), where the loads and stores of
float32 and bf16 came out 128 bits wide and no register was spilled. Never run on a GPU, so it is not
known whether the launch works there, how fast it is (the aim is 60 % of the copy bandwidth and 3
times the plain definition, which `posekit bench` prints on a GPU), and whether TILE and WARPS are
good. A GPU's float32 exponential is coarser than numpy's: by arithmetic it moves a place in 64^3
voxels by at most 8e-6, when a lone peak weighs as much as an even floor.
"""

import math
from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from posekit.models.soft_argmax import first_even_axis, memory_order

TILE = 8192  # voxels a program, held in registers: 32 a thread
WARPS = 8
WIDEST = 256  # voxels of a tile along the nearest axis
PARTS = tl.constexpr(5)  # numbers a tile leaves: maximum, sum, and the sums weighted by index


class InKernels(torch.autograd.Function):
    """Soft-argmax by the kernels below, for CUDA tensors."""

    @staticmethod
    def forward(ctx, logits):
        logits = _addressable(logits)
        order = memory_order(logits)
        kind = torch.promote_types(logits.dtype, torch.float32)
        batch = logits.shape[:-3]
        volumes = math.prod(batch)
        sizes, tile, pieces = _tiling(logits, order)
        places = logits.new_empty((*batch, 3), dtype=kind)
        scales = logits.new_empty((volumes, 2), dtype=kind)
        parts = logits.new_empty((volumes, pieces, PARTS.value), dtype=torch.float64)
        if volumes:
            with torch.cuda.device_of(logits):
                _sums[(volumes * pieces,)](
                    logits, parts, pieces, *_strides(logits, order), *sizes,
                    **tile, FLOAT64=kind == torch.float64, num_warps=WARPS,
                )  # fmt: skip
                _join[(volumes,)](
                    parts, places, scales, pieces, *sizes, *_columns(order),
                    PIECES=triton.next_power_of_2(pieces),
                )  # fmt: skip
        ctx.save_for_backward(logits, places, scales)
        return places

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        logits, places, scales = ctx.saved_tensors
        grad = torch.empty_like(logits)
        order = memory_order(logits)
        sizes, tile, pieces = _tiling(logits, order)
        if len(scales):
            with torch.cuda.device_of(logits):
                _gradient[(len(scales) * pieces,)](
                    logits, grad, slopes.contiguous(), places, scales, pieces,
                    *_strides(logits, order), *_strides(grad, order), *sizes, *_columns(order),
                    **tile, FLOAT64=places.dtype == torch.float64, num_warps=WARPS,
                )  # fmt: skip
        return grad


def _addressable(logits: Tensor) -> Tensor:
    """The logits, copied only where their batch axes need more than two strides."""
    try:
        for tensor in (logits, torch.empty_like(logits, device="meta")):  # and the gradient
            _strides(tensor, memory_order(logits))
    except RuntimeError:
        return logits.contiguous()
    return logits


def _strides(logits: Tensor, order: list[int]) -> tuple[int, ...]:
    """The length of the inner batch axis, then the strides of both batch axes and of the volume's
    three axes in `order`.
    """
    batch, size = logits.shape[:-3], logits.shape[-3:]
    cut = first_even_axis(logits)
    inner = math.prod(batch[cut:])
    view = logits.view(math.prod(batch[:cut]), inner, *size)
    return inner, *view.stride()[:2], *(logits.stride(axis - 3) for axis in order)


def _columns(order: list[int]) -> list[int]:
    """The coordinate of each axis in `order`: x is the last axis of the volume."""
    return [2 - axis for axis in order]


def _tiling(logits: Tensor, order: list[int]) -> tuple[list[int], dict[str, int], int]:
    """Sizes in memory's order, a tile's shape, and the number of tiles in a volume."""
    sizes = [logits.shape[axis - 3] for axis in order]
    wide = min(WIDEST, triton.next_power_of_2(sizes[2]))
    rows = min(TILE // wide, triton.next_power_of_2(sizes[0] * sizes[1]))
    pieces = triton.cdiv(sizes[0] * sizes[1], rows) * triton.cdiv(sizes[2], wide)
    return sizes, {"ROWS": rows, "WIDE": wide}, pieces


@triton.jit
@no_type_check  # Triton reads the source: no other decorator may wrap it
def _indices(piece, size0, size1, size2, ROWS: tl.constexpr, WIDE: tl.constexpr):
    """The voxels of a tile along the three axes, and which of them exist."""
    across = tl.cdiv(size2, WIDE)
    row = (piece // across) * ROWS + tl.arange(0, ROWS)
    near = (piece % across) * WIDE + tl.arange(0, WIDE)
    inside = (row < size0 * size1)[:, None] & (near < size2)[None, :]
    return row // size1, row % size1, near, inside


@triton.jit
@no_type_check
def _offsets(volume, inner, outer_stride, inner_stride, s0, s1, s2, i0, i1, i2):
    """Where the voxels of a tile lie, in 64 bits: logits may have more than 2^31 voxels."""
    wide = tl.int64
    start = (volume // inner).to(wide) * outer_stride + (volume % inner).to(wide) * inner_stride
    rows = i0.to(wide) * s0 + i1.to(wide) * s1
    return start + rows[:, None] + (i2.to(wide) * s2)[None, :]


@triton.jit
@no_type_check
def _sums(
    logits, parts, pieces, inner, outer_stride, inner_stride, s0, s1, s2, size0, size1, size2,
    ROWS: tl.constexpr, WIDE: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Of one tile: its maximum, the sum of exp(logit - maximum), and that weighted by each index.

    Indices count from the middle of the volume, which keeps the digits of float32.
    """
    program = tl.program_id(0)
    volume, piece = program // pieces, program % pieces
    kind: tl.constexpr = tl.float64 if FLOAT64 else tl.float32
    i0, i1, i2, inside = _indices(piece, size0, size1, size2, ROWS, WIDE)
    at = _offsets(volume, inner, outer_stride, inner_stride, s0, s1, s2, i0, i1, i2)
    tile = tl.load(logits + at, mask=inside, other=-float("inf")).to(kind)
    top = tl.max(tile)
    # A tile may be masked altogether; its volume need not be.
    weights = tl.exp(tile - tl.where(top == -float("inf"), 0.0, top))
    # Short sums in the type of the logits, the long ones in float64: else a peak of 1 swallows a
    # wide floor of 1e-8 voxel by voxel.
    d2 = (i2.to(kind) - (size2 - 1) * 0.5)[None, :]
    near = tl.sum(weights * d2, axis=1).to(tl.float64)
    rows = tl.sum(weights, axis=1).to(tl.float64)
    out = parts + program.to(tl.int64) * PARTS
    tl.store(out, top)
    tl.store(out + 1, tl.sum(rows))
    tl.store(out + 2, tl.sum(rows * (i0 - (size0 - 1) * 0.5)))
    tl.store(out + 3, tl.sum(rows * (i1 - (size1 - 1) * 0.5)))
    tl.store(out + 4, tl.sum(near))


@triton.jit
@no_type_check
def _join(
    parts, places, scales, pieces, size0, size1, size2,
    COLUMN0: tl.constexpr, COLUMN1: tl.constexpr, COLUMN2: tl.constexpr, PIECES: tl.constexpr,
):  # fmt: skip
    """One volume from its tiles: the places, the maximum, and 1 / sum of exp(logit - maximum).

    Not the log-sum-exp: of logits about 1e4 that has three decimals in float32.
    """
    volume = tl.program_id(0).to(tl.int64)
    piece = tl.arange(0, PIECES)
    at = parts + (volume * pieces + piece) * PARTS
    there = piece < pieces
    tops = tl.load(at, mask=there, other=-float("inf"))
    top = tl.max(tops)
    scale = tl.exp(tops - tl.where(top == -float("inf"), 0.0, top))
    total = tl.sum(scale * tl.load(at + 1, mask=there, other=0.0))
    tl.store(scales + volume * 2, top)
    tl.store(scales + volume * 2 + 1, 1.0 / total)
    out = places + volume * 3
    mean = tl.sum(scale * tl.load(at + 2, mask=there, other=0.0)) / total
    tl.store(out + COLUMN0, mean + (size0 - 1) * 0.5)
    mean = tl.sum(scale * tl.load(at + 3, mask=there, other=0.0)) / total
    tl.store(out + COLUMN1, mean + (size1 - 1) * 0.5)
    mean = tl.sum(scale * tl.load(at + 4, mask=there, other=0.0)) / total
    tl.store(out + COLUMN2, mean + (size2 - 1) * 0.5)


@triton.jit
@no_type_check
def _gradient(
    logits, grad, slopes, places, scales, pieces,
    inner, outer_stride, inner_stride, s0, s1, s2,
    out_inner, out_outer_stride, out_inner_stride, o0, o1, o2, size0, size1, size2,
    COLUMN0: tl.constexpr, COLUMN1: tl.constexpr, COLUMN2: tl.constexpr,
    ROWS: tl.constexpr, WIDE: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Of one tile: its probabilities times the slopes' sum over (index - place)."""
    program = tl.program_id(0)
    volume, piece = program // pieces, program % pieces
    kind: tl.constexpr = tl.float64 if FLOAT64 else tl.float32
    i0, i1, i2, inside = _indices(piece, size0, size1, size2, ROWS, WIDE)
    at = _offsets(volume, inner, outer_stride, inner_stride, s0, s1, s2, i0, i1, i2)
    tile = tl.load(logits + at, mask=inside, other=-float("inf")).to(kind)
    first = volume.to(tl.int64) * 3
    slope, place = slopes + first, places + first
    far = tl.load(slope + COLUMN0) * (i0.to(kind) - tl.load(place + COLUMN0))
    far += tl.load(slope + COLUMN1) * (i1.to(kind) - tl.load(place + COLUMN1))
    near = tl.load(slope + COLUMN2) * (i2.to(kind) - tl.load(place + COLUMN2))
    scale = scales + volume.to(tl.int64) * 2
    value = tl.exp(tile - tl.load(scale)) * tl.load(scale + 1) * (far[:, None] + near[None, :])
    at = _offsets(volume, out_inner, out_outer_stride, out_inner_stride, o0, o1, o2, i0, i1, i2)
    tl.store(grad + at, value, mask=inside)
