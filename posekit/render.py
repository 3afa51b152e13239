"""Pictures of triangle meshes: a batched z-buffer in plain torch, on the CPU and on a GPU.

`rasterise` says which triangle every pixel of every picture sees; a `Raster` turns that into depth,
silhouettes, part labels, or any attribute of the vertices. The caller projects, with a lens
(`Camera.project`) or without (`project`), and the picture follows; edges are straight between the
projected vertices, so under a lens small triangles are the truth and large ones come near it.
Several people are one mesh, their vertices and triangles concatenated; they hide each other.

Pixels: integer coordinates are pixel centres, x right, y down. The front of a triangle is where
its vertices run counter-clockwise, as in closed meshes whose normals point outwards.

How: no pixel is tested. For each row of a triangle two edges give the first and the last pixel,
and these spans are unrolled into exactly the pixels covered. Corners are rounded to 1/4096 px and
from there on all that decides coverage is whole numbers held exactly in float64 (up to 8192 px
from the upper left corner; beyond, rounding may move an edge, never the frame). So two triangles
share every pixel of their common edge without overlap or gap (Pineda, SIGGRAPH 1988, states the
aim): a pixel belongs to the triangle when its centre lies inside, on a left or on a top edge.
Depth is the perspective-correct 1/z, linear in the picture. All steps are elementwise, or sums and
maxima of integers, so neither the rest of the batch nor the device changes a bit.

Time and memory: O(B F) to sort triangles out, O(rows) + O(pixels painted, hidden ones included)
for the rest, some 100 bytes for each of the latter at the peak; 8 bytes a pixel stay.

Dimensions: B pictures, V vertices, F triangles, H x W pixels, N covered pixels, C channels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped, UInt8
from torch import Tensor

SUBPIXELS = 4096.0
"""Parts of a pixel that corners are rounded to."""

TRIANGLE_BITS = 26
"""Of a pixel's 64 bits, those that hold the triangle; the rest is 1/z, good to 1.5e-8 of it."""

ALL_TRIANGLES = (1 << TRIANGLE_BITS) - 1


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
        face = torch.full_like(self.keys, -1)
        face.view(-1)[self.covered.pixels] = self.covered.face
        return face

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
        triangle = ALL_TRIANGLES - (keys & ALL_TRIANGLES)
        depth = _depth(keys)
        row = pixels // self.keys.shape[2]
        column = pixels - row * self.keys.shape[2]
        face = self.triangles.face.index_select(0, triangle)
        picture = self.triangles.picture.index_select(0, triangle)
        row = row - picture * self.keys.shape[1]
        corners = [
            self.faces[:, i].index_select(0, face) + picture * self.vertices for i in range(3)
        ]
        return Covered(
            pixels=pixels,
            pictures=picture,
            face=face,
            weights=self.triangles.weights(triangle, column, row, depth),
            depth=depth.float(),
            corners=torch.stack(corners),
        )

    def labels(
        self, face_labels: UInt8[Tensor, " F"], background: int = 0
    ) -> UInt8[Tensor, "B H W"]:
        """Of each pixel the label of its triangle."""
        return self.fill(face_labels.index_select(0, self.covered.face)[:, None], background)[
            ..., 0
        ]

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
        s = self.supersample
        total = samples[:, ::s, ::s].float()
        for i in range(1, s * s):
            total = total + samples[:, i // s :: s, i % s :: s]
        return total / (s * s)

    @property
    def coverage(self) -> Float32[Tensor, "B h w"]:
        """Of each pixel the part of its samples that see something."""
        return self.average(self.silhouette)


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
    triangles = _Triangles.facing(_corners(points, near, supersample), faces, cull)
    if len(triangles.face) > ALL_TRIANGLES:
        raise ValueError(
            f"{len(triangles.face):,} triangles face the cameras, more than {ALL_TRIANGLES:,}: "
            "render fewer pictures at a time"
        )
    shape = (len(points), height * supersample, width * supersample)
    return Raster(faces, points.shape[1], supersample, _paint(triangles, *shape), triangles)


def _corners(
    points: Float[Tensor, "B V 3"], near: float, supersample: int
) -> Float64[Tensor, "3 B V"]:
    """x and y of the samples in SUBPIXELS, and 1/z; NaN in x where a point is not to be used."""
    x, y, z = points.double().unbind(-1)
    seen = ~(z < near)
    if (bad := (seen & (x + y + z).isnan() & ~(x.isinf() | y.isinf())).any(1)).any() or (
        bad := z.isnan().any(1)
    ).any():
        pictures = bad.nonzero().squeeze(1).tolist()
        raise ValueError(f"points of batch index {pictures} have NaN")
    usable = seen & (x.abs() + y.abs() + z < torch.inf)
    scale, shift = supersample * SUBPIXELS, (supersample - 1) / 2 * SUBPIXELS
    x = (x * scale + shift).round().masked_fill(~usable, torch.nan)
    return torch.stack([x, (y * scale + shift).round(), 1 / z])


@dataclass(frozen=True)
class _Triangles:
    """The triangles to paint, T of all pictures; x, y in SUBPIXELS, w = 1/z, by corner."""

    picture: Int64[Tensor, " T"]
    face: Int64[Tensor, " T"]
    x: list[Float64[Tensor, " T"]]
    y: list[Float64[Tensor, " T"]]
    w: list[Float64[Tensor, " T"]]
    area: Float64[Tensor, " T"]  # twice it, signed, in square SUBPIXELS

    @classmethod
    def facing(
        cls, corners: Float64[Tensor, "3 B V"], faces: Int64[Tensor, "F 3"], cull: str | None
    ) -> "_Triangles":
        """Those with the side to the camera that is not culled."""
        batch, count = corners.shape[1:]
        offsets = torch.arange(batch, device=faces.device)[:, None] * count
        vertices = [(i + offsets).view(-1) for i in faces.unbind(1)]
        # Selecting from one dimension at a time is several times faster than from rows.
        flat = corners.view(3, -1).unbind(0)
        (x0, y0), (x1, y1), (x2, y2) = ([c.index_select(0, i) for c in flat[:2]] for i in vertices)
        area = _cross(x1 - x0, y1 - y0, x2 - x0, y2 - y0)
        # The comparisons are false for the NaN of points not to be used.
        front = area < 0 if cull == "back" else area > 0 if cull == "front" else area.abs() > 0
        chosen = front.nonzero().squeeze(1)
        picture = chosen // max(len(faces), 1)
        face = chosen - picture * len(faces)
        vertices = [i.index_select(0, chosen) for i in vertices]
        x, y, w = ([c.index_select(0, i) for i in vertices] for c in flat)
        return cls(picture, face, x, y, w, area.index_select(0, chosen))

    def rows(self) -> tuple[list[Tensor], list[Tensor]]:
        """x and y of the corners from the upper to the lower one."""
        x, y = list(self.x), list(self.y)
        for i, j in ((0, 1), (1, 2), (0, 1)):
            swap = y[i] > y[j]
            x[i], x[j] = torch.where(swap, x[j], x[i]), torch.where(swap, x[i], x[j])
            y[i], y[j] = torch.minimum(y[i], y[j]), torch.maximum(y[i], y[j])
        return x, y

    def plane(self) -> tuple[Tensor, Tensor, Tensor]:
        """1/z at the sample (0, 0), and by how much it grows per sample to the right and down."""
        ux, uy, uw = self.x[1] - self.x[0], self.y[1] - self.y[0], self.w[1] - self.w[0]
        vx, vy, vw = self.x[2] - self.x[0], self.y[2] - self.y[0], self.w[2] - self.w[0]
        right = _cross(uw, uy, vw, vy) / self.area
        down = _cross(ux, uw, vx, vw) / self.area
        origin = self.w[0] - right * self.x[0] - down * self.y[0]
        return origin, right * SUBPIXELS, down * SUBPIXELS

    def weights(
        self, triangle: Tensor, column: Tensor, row: Tensor, depth: Tensor
    ) -> Float32[Tensor, "N 3"]:
        """Perspective-correct weights of the corners at samples inside the triangles."""
        (x0, x1, x2), (y0, y1, y2) = self.x, self.y
        x = column * SUBPIXELS - x2.index_select(0, triangle)
        y = row * SUBPIXELS - y2.index_select(0, triangle)
        weights = []
        for w, ex, ey in ((self.w[0], x1 - x2, y1 - y2), (self.w[1], x2 - x0, y2 - y0)):
            w = w / self.area
            ex, ey = (ex * w).index_select(0, triangle), (ey * w).index_select(0, triangle)
            weights.append(_cross(ex, ey, x, y) * -depth)
        return torch.stack([*weights, 1 - weights[0] - weights[1]], dim=1).float()


def _paint(triangles: _Triangles, batch: int, height: int, width: int) -> Int64[Tensor, "B H W"]:
    """The z-buffer: Raster.keys."""
    x, y = triangles.rows()
    first, middle, last = (_ceil(corner, height) for corner in y)
    # A triangle's rows above its middle corner, and those below; each has two edges.
    count = len(triangles.face)
    rows = torch.cat([middle - first, last - middle])
    begin = torch.cat([first, middle])
    half, row = _unroll(rows, begin)
    edges = [(x[0], y[0], x[2] - x[0], y[2] - y[0]), (x[0], y[0], x[1] - x[0], y[1] - y[0])]
    edges.append((x[1], y[1], x[2] - x[1], y[2] - y[1]))
    long, upper, lower = (
        (ox * dy - oy * dx, dx * SUBPIXELS, dy * SUBPIXELS) for ox, oy, dx, dy in edges
    )
    at = row.double()
    one, other = (
        _ceil(
            (a.index_select(0, half) + at * b.index_select(0, half))
            / c.index_select(0, half)
            * SUBPIXELS,
            width,
        )
        for a, b, c in (
            [torch.cat([i, i]) for i in long],
            [torch.cat([i, j]) for i, j in zip(upper, lower, strict=True)],
        )
    )
    start = torch.minimum(one, other)
    span, column = _unroll(torch.maximum(one, other) - start, start)
    triangle = half - (half >= count) * count
    origin, right, down = triangles.plane()
    at = origin.index_select(0, triangle) + at * down.index_select(0, triangle)
    right = right.index_select(0, triangle)
    near = at.index_select(0, span) + right.index_select(0, span) * column
    code = ALL_TRIANGLES - triangle
    keys = (near.view(torch.int64) & ~ALL_TRIANGLES) | code.index_select(0, span)
    place = (triangles.picture.index_select(0, triangle) * height + row) * width
    place = place.index_select(0, span) + column
    buffer = keys.new_zeros(batch * height * width)
    return buffer.scatter_reduce_(0, place, keys, "amax").view(batch, height, width)


def _cross(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    return ax * by - bx * ay


def _ceil(place: Float64[Tensor, " T"], end: int) -> Int64[Tensor, " T"]:
    """The first whole sample at or after a place in SUBPIXELS, within the frame."""
    return (place * (1 / SUBPIXELS)).ceil().clamp(0, end).long()


def _unroll(
    counts: Int64[Tensor, " T"], begin: Int64[Tensor, " T"]
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
    """Every whole number of ranges, given by their lengths and beginnings, and its range."""
    source = torch.repeat_interleave(counts)
    shift = begin - (counts.cumsum(0) - counts)
    return source, torch.arange(len(source), device=counts.device) + shift.index_select(0, source)


def _depth(keys: Int64[Tensor, "*N"]) -> Float64[Tensor, "*N"]:
    return 1 / (keys & ~ALL_TRIANGLES).view(torch.float64)
