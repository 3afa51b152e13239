"""Pictures of triangle meshes: a batched z-buffer in plain torch, on the CPU and on a GPU.

`rasterise` says which triangle every pixel of every picture sees; a `Raster` turns that into depth,
silhouettes, part labels, or any attribute of the vertices. The caller projects, with a lens
(`Camera.project`) or without (`project`), and the picture follows; edges are straight between the
projected vertices, so under a lens small triangles are the truth and large ones come near it.
Several people are one mesh, their vertices and triangles concatenated; they hide each other.

Pixels: integer coordinates are pixel centres, x right, y down. The front of a triangle is where
its vertices run counter-clockwise, as in closed meshes whose normals point outwards.

How: no pixel is tested. For each row of a triangle two edges give the first and the last pixel,
and these spans are unrolled into exactly the pixels covered. Corners are rounded to 1/16384 px and
from there on all that decides coverage is whole numbers held exactly in float64 (up to 2048 px
from the upper left corner; beyond, rounding may move an edge, never the frame). So two triangles
share every pixel of their common edge without overlap or gap (Pineda, SIGGRAPH 1988, states the
aim): a pixel belongs to the triangle when its centre lies inside, on a left or on a top edge.
Depth is the perspective-correct 1/z, linear in the picture. All steps are elementwise, or sums and
maxima of integers, so neither the rest of the batch nor the device changes a bit.

Time and memory: O(B F) to sort triangles out, O(rows) + O(pixels painted, hidden ones included)
for the rest, some 100 bytes for each of the latter at the peak; 8 bytes a pixel stay.

Dimensions: B pictures, V vertices, F triangles, H x W pixels, N covered pixels, C channels.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped
from torch import Tensor

SUBPIXELS = 16384.0
"""Parts of a pixel that corners are rounded to."""

TRIANGLE_BITS = 26
"""Of a pixel's 64 bits, those that hold the triangle; the rest is 1/z, good to 1.5e-8 of it."""

ALL_TRIANGLES = (1 << TRIANGLE_BITS) - 1

CACHED_TRIANGLES = 8192
"""How many triangles are sorted out at a time on a CPU."""


@dataclass(frozen=True)
class Covered:
    """The pixels that see something, in the order of the pictures, for shading only those."""

    pixels: Int64[Tensor, " N"]  # flat, of B H W
    pictures: Int64[Tensor, " N"]
    face: Int64[Tensor, " N"]
    weights: Float32[Tensor, "N 3"]  # of the face's corners, perspective-correct; they sum to 1
    depth: Float32[Tensor, " N"]  # mm
    corners: Int64[Tensor, "3 N"]  # the face's vertices, flat, of B V

    def interpolate(self, attribute: Float[Tensor, "B V C"]) -> Float[Tensor, "N C"]:
        """An attribute of the vertices (normals, colours, places) at each covered pixel."""
        rows = attribute.flatten(0, 1)
        first, second, third = (rows.index_select(0, corner) for corner in self.corners)
        a, b, c = self.weights.to(attribute.dtype).split(1, dim=1)
        return first * a + second * b + third * c


@dataclass(frozen=True, eq=False)
class Raster:
    """What each pixel sees. With supersampling, H and W count samples: `average` goes back."""

    faces: Int64[Tensor, "F 3"]
    vertices: int
    supersample: int
    keys: Int64[Tensor, "B H W"]  # 1/z above, ALL_TRIANGLES - triangle below; 0: nothing
    triangles: "_Triangles"

    @property
    def silhouette(self) -> Bool[Tensor, "B H W"]:
        """Where anything is seen."""
        return self.keys > 0

    @cached_property
    def face(self) -> Int64[Tensor, "B H W"]:
        """The triangle seen, -1 for nothing."""
        return self._look_up(self.keys, torch.arange(len(self.faces), device=self.keys.device), -1)

    @cached_property
    def depth(self) -> Float32[Tensor, "B H W"]:
        """Millimetres along z, inf for nothing."""
        return _depth(self.keys).float()

    @cached_property
    def weights(self) -> Float32[Tensor, "B H W 3"]:
        """Perspective-correct weights of the triangle's corners, 0 for nothing."""
        return self.fill(self.covered.weights)

    @cached_property
    def covered(self) -> Covered:
        """Only the pixels that see something."""
        pixels = self.keys.view(-1).nonzero().squeeze(1)
        keys = self.keys.view(-1).index_select(0, pixels)
        triangle, depth = _triangle(keys), _depth(keys)
        picture = self.triangles.picture.index_select(0, triangle)
        face = self.triangles.face.index_select(0, triangle)
        # Whole numbers in float64, whose division is faster and here as exact.
        _, height, width = self.keys.shape
        place = pixels.double()
        row = ((place + 0.5) * (1 / width)).floor()
        column = place - row * width
        row = row - (picture * height)
        corners = [i.index_select(0, face) + picture * self.vertices for i in self.faces.unbind(1)]
        return Covered(
            pixels=pixels,
            pictures=picture,
            face=face,
            weights=self.triangles.weights(triangle, column, row, depth),
            depth=depth.float(),
            corners=torch.stack(corners),
        )

    def labels(
        self, face_labels: Shaped[Tensor, " F"], background: int = 0
    ) -> Shaped[Tensor, "B H W"]:
        """Of each pixel (each sample, with supersampling) the label of its triangle."""
        return self._look_up(self.keys, face_labels, background)

    def pixel_labels(
        self, face_labels: Shaped[Tensor, " F"], background: int = 0
    ) -> Shaped[Tensor, "B h w"]:
        """Of each pixel the label of its nearest sample; `background` where under half see any."""
        samples = self._samples(self.keys)
        nearest, seen = samples[0], (samples[0] > 0).int()
        for keys in samples[1:]:
            nearest, seen = torch.maximum(nearest, keys), seen + (keys > 0)
        nearest = nearest * (2 * seen >= len(samples))
        return self._look_up(nearest, face_labels, background)

    def interpolate(
        self, attribute: Float[Tensor, "B V C"], background: float = 0.0
    ) -> Float[Tensor, "B H W C"]:
        """An attribute of the vertices at each pixel."""
        return self.fill(self.covered.interpolate(attribute), background)

    def fill(
        self, values: Shaped[Tensor, "N C"], background: float = 0
    ) -> Shaped[Tensor, "B H W C"]:
        """Values of the covered pixels in their places, `background` elsewhere."""
        picture = values.new_full((*self.keys.shape, values.shape[1]), background)
        picture.view(-1, values.shape[1])[self.covered.pixels] = values
        return picture

    def average(self, samples: Shaped[Tensor, "B H W *C"]) -> Float[Tensor, "B h w *C"]:
        """The mean over each pixel's samples, float32."""
        first, *others = self._samples(samples)
        total = first.float()
        for sample in others:  # one after the other: the order is part of the result
            total = total + sample
        return total / (1 + len(others))

    @property
    def coverage(self) -> Float32[Tensor, "B h w"]:
        """Of each pixel the part of its samples that see something."""
        return self.average(self.silhouette)

    def _samples(self, values: Tensor) -> list[Tensor]:
        s = self.supersample
        return [values[:, i::s, j::s] for i in range(s) for j in range(s)]

    def _look_up(self, keys: Tensor, face_values: Tensor, background: int) -> Tensor:
        values = keys.new_full(keys.shape, background, dtype=face_values.dtype)
        places = keys.flatten().nonzero().squeeze(1)
        face = self.triangles.face[_triangle(keys.flatten().index_select(0, places))]
        values.view(-1)[places] = face_values.index_select(0, face)
        return values


def project(vertices: Float[Tensor, "B V 3"], K: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B V 3"]:
    """Camera points (mm) as (x px, y px, depth mm), without a lens's distortion.

    x and y of points that are not in front of the camera are inf: nothing can be said of them.
    """
    x, y, z = vertices.unbind(-1)
    k = K.to(vertices)[:, :2, :, None].unbind(1)
    rows = [(row[:, 0] * x + row[:, 1] * y) / z + row[:, 2] for row in k]
    points = [row.masked_fill(z <= 0, torch.inf) for row in rows]
    return torch.stack([*points, z], dim=-1)


def rasterise(
    points: Float[Tensor, "B V 3"],
    faces: Int64[Tensor, "F 3"],
    height: int,
    width: int,
    *,
    cull: Literal["back", "front"] | None = "back",
    near: float = 10.0,
    supersample: int = 1,
) -> Raster:
    """Which triangle each pixel of B pictures sees: the nearest, of equally near ones the first.

    `points` are (x px, y px, depth mm). `cull` leaves out triangles seen from that side. Left out
    whole are triangles with a corner nearer than `near` mm, behind the camera or not finite: an
    infinite depth takes a person out of a picture. Triangles without area paint nothing. With
    `supersample` s the raster has s x s samples a pixel, in a regular grid about its centre.

    ValueError when a point has NaN (the batch index is named), a triangle a vertex that is not
    there, or height, width, `near` or `supersample` are not positive.
    """
    if min(height, width, supersample) < 1 or not near > 0:
        raise ValueError(
            f"height {height}, width {width}, near {near} and supersample {supersample} must be > 0"
        )
    if cull not in ("back", "front", None):
        raise ValueError(f"cull is 'back', 'front' or None, not {cull!r}")
    if len(faces) and not (0 <= faces.min() and faces.max() < points.shape[1]):
        raise ValueError(
            f"faces name vertices {int(faces.min())} to {int(faces.max())}, "
            f"but there are {points.shape[1]}"
        )
    shape = (len(points), height * supersample, width * supersample)
    keys = torch.zeros(shape, dtype=torch.int64, device=points.device)
    # What stays in a CPU's cache is faster, and pictures do not know of each other.
    group = max(1, len(points) if points.is_cuda else CACHED_TRIANGLES // max(len(faces), 1))
    found, before = [], 0
    for first in range(0, max(len(points), 1), group):
        corners = _corners(points[first : first + group], first, near, supersample)
        found.append(_Triangles.facing(corners, faces, first, cull))
        _paint(found[-1], before, keys)
        before += len(found[-1].face)
        if before > ALL_TRIANGLES:
            raise ValueError(
                f"more than {ALL_TRIANGLES:,} triangles face the cameras: render fewer pictures "
                "at a time"
            )
    return Raster(faces, points.shape[1], supersample, keys, _Triangles.joined(found))


def _corners(
    points: Float[Tensor, "B V 3"], first: int, near: float, supersample: int
) -> Float64[Tensor, "3 B V"]:
    """x and y of the samples in SUBPIXELS, and 1/z; NaN in x where a point is not to be used."""
    x, y, z = points.detach().double().unbind(-1)
    seen = ~(z < near)
    bad = z.isnan() | (seen & (x.isnan() | y.isnan()))
    if bad.any():
        pictures = (bad.any(1).nonzero().squeeze(1) + first).tolist()
        raise ValueError(f"points of batch index {pictures} have NaN: nothing can be drawn there")
    usable = seen & (x.abs() + y.abs() + z < torch.inf)
    scale, shift = supersample * SUBPIXELS, (supersample - 1) / 2 * SUBPIXELS
    x = (x * scale + shift).round().masked_fill(~usable, torch.nan)
    return torch.stack([x, (y * scale + shift).round(), 1 / z])


@dataclass(frozen=True)
class _Triangles:
    """T triangles of all pictures, to be painted: corners in SUBPIXELS, w = 1/z."""

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
    def facing(cls, corners: Tensor, faces: Tensor, first: int, cull: str | None) -> "_Triangles":
        """Those of pictures `first` and on whose side to the camera is not culled."""
        _, batch, count = corners.shape
        offsets = torch.arange(batch, device=faces.device)[:, None] * count
        vertices = [(i + offsets).view(-1) for i in faces.unbind(1)]
        # Selecting from one dimension at a time is several times faster than from rows.
        flat = corners.view(3, -1).unbind(0)
        (x0, x1, x2), (y0, y1, y2) = ([c.index_select(0, i) for i in vertices] for c in flat[:2])
        area = _cross(x1 - x0, y1 - y0, x2 - x0, y2 - y0)
        # The comparisons are false for the NaN of points not to be used.
        front = area < 0 if cull == "back" else area > 0 if cull == "front" else area.abs() > 0
        chosen = front.nonzero().squeeze(1)
        picture = chosen // max(len(faces), 1)
        vertices = [i.index_select(0, chosen) for i in vertices]
        return cls(
            picture + first,
            chosen - picture * len(faces),
            *(c.index_select(0, i) for c in flat for i in vertices),
            area=area.index_select(0, chosen),
        )

    @classmethod
    def joined(cls, parts: list["_Triangles"]) -> "_Triangles":
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
        """1/z at the sample (0, 0), and by how much it grows per sample to the right and down."""
        ux, uy, uw = self.x1 - self.x0, self.y1 - self.y0, self.w1 - self.w0
        vx, vy, vw = self.x2 - self.x0, self.y2 - self.y0, self.w2 - self.w0
        right, down = _cross(uw, uy, vw, vy) / self.area, _cross(ux, uw, vx, vw) / self.area
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
            _cross(i.index_select(0, triangle), j.index_select(0, triangle), x, y) * depth
            for i, j in opposite
        )
        return torch.stack([a, b, 1 - a - b], dim=1).float()


def _paint(triangles: _Triangles, before: int, keys: Int64[Tensor, "B H W"]) -> None:
    """Puts the triangles, `before` of which are painted already, into Raster.keys."""
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
    left = (origin + row * down).index_select(0, span)
    inverse = left + column * right.index_select(0, span)
    code = (ALL_TRIANGLES - before - triangle).index_select(0, span)
    line = (triangles.picture.index_select(0, triangle) * height + row) * width
    keys.view(-1).scatter_reduce_(
        0,
        line.index_select(0, span) + column,
        (inverse.view(torch.int64) & ~ALL_TRIANGLES) | code,
        "amax",
    )


def _crossing(
    half: Tensor, row: Tensor, width: int, x0: Tensor, y0: Tensor, x1: Tensor, y1: Tensor
) -> Int64[Tensor, " R"]:
    """The first column, within the frame, at or right of where an edge crosses a row."""
    dx, dy = x1 - x0, y1 - y0
    # Numerator and denominator are whole and below 2^53, so the quotient is whole only if it is.
    numerator = _cross(x0, y0, dx, dy).index_select(0, half)
    numerator = numerator + row * (dx * SUBPIXELS).index_select(0, half)
    crossing = numerator / (dy * SUBPIXELS).index_select(0, half)
    return crossing.ceil().clamp(0, width).long()


def _unroll(
    begin: Int64[Tensor, " T"], count: Int64[Tensor, " T"]
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
    """The whole numbers of ranges: of which range each is, and the number."""
    source = torch.repeat_interleave(count)
    shift = begin - (count.cumsum(0) - count)
    return source, torch.arange(len(source), device=count.device) + shift.index_select(0, source)


def _cross(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    return ax * by - bx * ay


def _triangle(keys: Int64[Tensor, "*N"]) -> Int64[Tensor, "*N"]:
    return ALL_TRIANGLES - (keys & ALL_TRIANGLES)


def _depth(keys: Int64[Tensor, "*N"]) -> Float64[Tensor, "*N"]:
    return 1 / (keys & ~ALL_TRIANGLES).view(torch.float64)
