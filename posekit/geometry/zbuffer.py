"""The z-buffer of render.py: spans of pixels of each triangle, and the nearest of each pixel.

For each row of a triangle two edges give the first and the last pixel, and these spans are unrolled
into exactly the pixels covered. Corners are rounded to 1/16384 px, and from there on all numbers
that decide coverage are whole and held exactly in float64 (up to 2048 px from the upper left
corner; beyond, rounding may move an edge by far less than that). So triangles with a common edge
leave no gap and do not overlap: a pixel is a triangle's when its centre lies inside or on a left or
top edge (Direct3D's top-left rule). Depth is 1/z, which is linear in the picture.

A pixel's 64 bits are 1/z, as float64's upper bits, and below it which triangle, the earlier the
greater: their maximum is the nearest triangle, of equally near ones the first. Everything is
elementwise, or sums and maxima of whole numbers, so neither the rest of the batch nor the device
changes a bit.

Dimensions: B pictures, V vertices, F faces, T triangles to paint, R rows, N pixels.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

SUBPIXELS = 16384.0
"""Parts of a pixel that corners are rounded to."""

TRIANGLE_BITS = 26
"""Of a pixel's 64 bits, those that hold the triangle; the rest is 1/z, good to 1.5e-8 of it."""

ALL_TRIANGLES = (1 << TRIANGLE_BITS) - 1


def corners_of(
    points: Float[Tensor, "B V 3"], first: int, near: float, supersample: int
) -> Float64[Tensor, "3 B V"]:
    """x and y of the samples in SUBPIXELS, and 1/z; x is NaN for points that are left out."""
    x, y, z = points.detach().double().unbind(-1)
    seen = (z >= near) & (z < torch.inf)
    bad = z.isnan() | (seen & (x.isnan() | y.isnan()))
    if bad.any():
        pictures = (bad.any(1).nonzero().squeeze(1) + first).tolist()
        raise ValueError(f"points of batch index {pictures} have NaN: nothing can be drawn there")
    usable = seen & (x.abs() + y.abs() < torch.inf)
    scale, shift = supersample * SUBPIXELS, (supersample - 1) / 2 * SUBPIXELS
    x = (x * scale + shift).round().masked_fill(~usable, torch.nan)
    return torch.stack([x, (y * scale + shift).round(), 1 / z])


@dataclass(frozen=True)
class Triangles:
    """T triangles of all pictures to paint: corners in SUBPIXELS, w = 1/z."""

    picture: Int64[Tensor, " T"]
    face: Int64[Tensor, " T"]
    x0: Float64[Tensor, " T"]
    x1: Float64[Tensor, " T"]
    x2: Float64[Tensor, " T"]
    y0: Float64[Tensor, " T"]
    y1: Float64[Tensor, " T"]
    y2: Float64[Tensor, " T"]
    w0: Float64[Tensor, " T"]
    w1: Float64[Tensor, " T"]
    w2: Float64[Tensor, " T"]
    area: Float64[Tensor, " T"]  # twice the signed area

    @classmethod
    def facing(cls, corners: Tensor, faces: Tensor, first: int, cull: bool) -> "Triangles":
        """The triangles to paint in pictures `first` and on; with `cull` only front sides."""
        _, batch, count = corners.shape
        offsets = torch.arange(batch, device=faces.device)[:, None] * count
        vertices = [(i + offsets).view(-1) for i in faces.unbind(1)]
        # Selecting from one dimension at a time is several times faster than from rows.
        flat = corners.view(3, -1).unbind(0)
        (x0, x1, x2), (y0, y1, y2) = ([c.index_select(0, i) for i in vertices] for c in flat[:2])
        area = cross(x1 - x0, y1 - y0, x2 - x0, y2 - y0)
        # The comparisons are false for the NaN of points not to be used.
        chosen = (area < 0 if cull else area.abs() > 0).nonzero().squeeze(1)
        picture = chosen // max(len(faces), 1)
        vertices = [i.index_select(0, chosen) for i in vertices]
        return cls(
            picture + first,
            chosen - picture * len(faces),
            *(c.index_select(0, i) for c in flat for i in vertices),
            area=area.index_select(0, chosen),
        )

    @classmethod
    def joined(cls, parts: list["Triangles"]) -> "Triangles":
        """All of them, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def downwards(self) -> tuple[list[Tensor], list[Tensor]]:
        """x and y of the upper, the middle and the lower corner."""
        x, y = [self.x0, self.x1, self.x2], [self.y0, self.y1, self.y2]
        for i, j in ((0, 1), (1, 2), (0, 1)):
            swap = y[i] > y[j]
            x[i], x[j] = torch.where(swap, x[j], x[i]), torch.where(swap, x[i], x[j])
            y[i], y[j] = torch.minimum(y[i], y[j]), torch.maximum(y[i], y[j])
        return x, y

    def plane(self) -> tuple[Tensor, Tensor, Tensor]:
        """1/z at the sample (0, 0), and its increase per sample to the right and down."""
        ux, uy, uw = self.x1 - self.x0, self.y1 - self.y0, self.w1 - self.w0
        vx, vy, vw = self.x2 - self.x0, self.y2 - self.y0, self.w2 - self.w0
        right, down = cross(uw, uy, vw, vy) / self.area, cross(ux, uw, vx, vw) / self.area
        origin = self.w0 - right * self.x0 - down * self.y0
        return origin, right * SUBPIXELS, down * SUBPIXELS

    def weights(
        self, triangle: Tensor, column: Tensor, row: Tensor, depth: Tensor
    ) -> Float32[Tensor, "N 3"]:
        """Perspective-correct weights of the corners at samples inside the triangles."""
        x = column * SUBPIXELS - self.x2.index_select(0, triangle)
        y = row * SUBPIXELS - self.y2.index_select(0, triangle)
        first, second = self.w0 / self.area, self.w1 / self.area
        opposite = (
            ((self.x2 - self.x1) * first, (self.y2 - self.y1) * first),
            ((self.x0 - self.x2) * second, (self.y0 - self.y2) * second),
        )
        a, b = (
            cross(i.index_select(0, triangle), j.index_select(0, triangle), x, y) * depth
            for i, j in opposite
        )
        return torch.stack([a, b, 1 - a - b], dim=1).float()


def paint(triangles: Triangles, before: int, keys: Int64[Tensor, "B H W"]) -> None:
    """Paint triangles into the pixels' keys (0: nothing yet), after `before` others."""
    _, height, width = keys.shape
    x, y = triangles.downwards()
    # The rows above the middle corner, then those below: two edges bound each of these halves.
    rows = [(corner * (1 / SUBPIXELS)).ceil().clamp(0, height).long() for corner in y]
    begin, end = torch.cat(rows[:2]), torch.cat(rows[1:])
    half, row = _unroll(begin, end - begin)
    crossings = [
        _crossing(half, row, width, *(torch.cat(pair) for pair in pairs))
        for pairs in (
            ((x[0], x[0]), (y[0], y[0]), (x[2], x[2]), (y[2], y[2])),
            (x[:2], y[:2], x[1:], y[1:]),
        )
    ]
    start = torch.minimum(*crossings)
    span, column = _unroll(start, torch.maximum(*crossings) - start)

    count = len(triangles.face)
    triangle = half - (half >= count) * count
    origin, right, down = (i.index_select(0, triangle) for i in triangles.plane())
    # In place, since a cache holds only so many numbers of every pixel.
    inverse = right.index_select(0, span)
    inverse *= column
    inverse += (origin + row * down).index_select(0, span)
    code = inverse.view(torch.int64)
    code &= ~ALL_TRIANGLES
    code |= (ALL_TRIANGLES - before - triangle).index_select(0, span)
    line = (triangles.picture.index_select(0, triangle) * height + row) * width
    column += line.index_select(0, span)
    keys.view(-1).scatter_reduce_(0, column, code, "amax")


def _crossing(
    half: Tensor, row: Tensor, width: int, x0: Tensor, y0: Tensor, x1: Tensor, y1: Tensor
) -> Int64[Tensor, " R"]:
    """The first column, within the frame, at or right of where an edge crosses a row."""
    dx, dy = x1 - x0, y1 - y0
    # Numerator and denominator are whole and below 2^53, so the quotient is whole only if it is.
    crossing = (dx * SUBPIXELS).index_select(0, half)
    crossing *= row
    crossing += cross(x0, y0, dx, dy).index_select(0, half)
    crossing /= (dy * SUBPIXELS).index_select(0, half)
    return crossing.ceil_().clamp_(0, width).long()


def _unroll(
    begin: Int64[Tensor, " T"], count: Int64[Tensor, " T"]
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
    """The integers of T ranges, one after the other: the range of each, and the integer."""
    source = torch.repeat_interleave(count)
    shift = begin - (count.cumsum(0) - count)
    number = torch.arange(len(source), device=count.device)
    number += shift.index_select(0, source)
    return source, number


def cross(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    """Twice the signed area between two vectors, each step rounded by itself on any device."""
    return ax * by - bx * ay


def triangle_of(keys: Int64[Tensor, "*N"]) -> Int64[Tensor, "*N"]:
    """The index among the Triangles that a pixel sees."""
    return ALL_TRIANGLES - (keys & ALL_TRIANGLES)


def depth_of(keys: Int64[Tensor, "*N"]) -> Float64[Tensor, "*N"]:
    """Millimetres, inf where a pixel sees nothing."""
    return 1 / (keys & ~ALL_TRIANGLES).view(torch.float64)
