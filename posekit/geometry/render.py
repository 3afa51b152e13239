"""Pictures of triangle meshes: a batched z-buffer in plain torch, on the CPU and on a GPU.

`rasterise` finds the triangle that every pixel of every picture sees; a `Raster` makes depth,
silhouettes, part labels, or any attribute of the vertices of it. The caller projects vertices, with
a lens (`Camera.project`) or without (`project`). Edges are straight between projected vertices: with
a lens that is exact for small triangles only. Several people are one mesh, their vertices and
triangles concatenated; they occlude each other.

Pixels: integer coordinates are pixel centres, x right, y down. The front of a triangle is where
its vertices run counter-clockwise, as in closed meshes whose normals point outwards.

A pixel belongs to one of two triangles that share an edge, never to both or none, and neither the
rest of the batch nor the device changes a bit of the result: see zbuffer.py. Gradients do not flow.

Time and memory: O(B F) to select triangles, then O(rows of triangles) and O(pixels painted,
occluded ones too), about 100 bytes for each of these at the peak; 8 bytes per pixel stay.

Dimensions: B pictures, V vertices, F triangles, H x W pixels, N covered pixels, C channels.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float32, Int64, Shaped, UInt8
from torch import Tensor

from posekit.geometry.zbuffer import (
    ALL_TRIANGLES,
    Triangles,
    corners_of,
    cross,
    depth_of,
    paint,
    triangle_of,
)

CACHED_TRIANGLES, CACHED_PIXELS = 1 << 13, 1 << 15
"""Numbers processed at a time on a CPU, so that they stay in its cache."""


@dataclass(frozen=True)
class Covered:
    """Only the pixels that see something, in the order of the pictures."""

    pixels: Int64[Tensor, " N"]  # flat, of B H W
    pictures: Int64[Tensor, " N"]
    face: Int64[Tensor, " N"]
    weights: Float32[Tensor, "N 3"]  # of the face's corners, perspective-correct; they sum to 1
    depth: Float32[Tensor, " N"]  # mm
    faces: Int64[Tensor, "F 3"]

    def interpolate(self, attribute: Float[Tensor, "B V C"]) -> Float[Tensor, "N C"]:
        """An attribute of the vertices (normals, colours, places) at each of these pixels."""
        rows, offset = attribute.flatten(0, 1), self.pictures * attribute.shape[1]
        corners = [i.index_select(0, self.face) + offset for i in self.faces.unbind(1)]
        weights = self.weights.to(attribute.dtype).unbind(1)
        total, *others = (
            rows.index_select(0, i).mul_(weight[:, None])
            for i, weight in zip(corners, weights, strict=True)
        )
        for part in others:
            total += part
        return total


@dataclass(frozen=True, eq=False)
class Raster:
    """What each pixel sees. With supersampling, H and W count samples; `average` gives pixels."""

    faces: Int64[Tensor, "F 3"]
    supersample: int
    keys: Int64[Tensor, "B H W"]  # 1/z above, ALL_TRIANGLES - triangle below; 0: nothing
    triangles: Triangles

    @property
    def silhouette(self) -> Bool[Tensor, "B H W"]:
        """Where anything is seen."""
        return self.keys > 0

    @cached_property
    def depth(self) -> Float32[Tensor, "B H W"]:
        """Millimetres along z, inf for nothing."""
        return depth_of(self.keys).float()

    @cached_property
    def covered(self) -> Covered:
        """All pixels that see something."""
        return self.cover(self.keys.view(-1).nonzero().squeeze(1))

    def cover(self, pixels: Int64[Tensor, " N"]) -> Covered:
        """Chosen pixels (flat, of B H W), all of which must see something."""
        parts = [
            self._cover(some)
            for some in pixels.split(len(pixels) or 1 if pixels.is_cuda else CACHED_PIXELS)
        ]
        return Covered(*(torch.cat(field) for field in zip(*parts, strict=True)), self.faces)

    def labels(
        self, face_labels: Shaped[Tensor, " F"], background: int = 0
    ) -> Shaped[Tensor, "B H W"]:
        """The label of each pixel's triangle (each sample's, with supersampling)."""
        values = face_labels.new_full(self.keys.shape, background)
        places = self.keys.flatten().nonzero().squeeze(1)
        triangle = triangle_of(self.keys.flatten().index_select(0, places))
        face = self.triangles.face.index_select(0, triangle)
        values.view(-1)[places] = face_labels.index_select(0, face)
        return values

    def nearest(self) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"], Int64[Tensor, " N"]]:
        """The pixels that see anything (flat, of B h w), the nearest sample of each (flat, of
        B H W), and its number of samples that see anything; of equally near samples the first."""
        s, wide = self.supersample, self.keys.shape[2]
        best, *others = self._samples(self.keys)
        best = best.contiguous()
        for keys in others:
            torch.maximum(best, keys, out=best)
        best = best.flatten()
        pixels = best.nonzero().squeeze(1)
        best = best.index_select(0, pixels)
        # Rows of pixels are counted through all pictures, each of which is whole rows high.
        first = pixels // (wide // s) * ((s - 1) * wide) + pixels * s
        samples, seen = first, torch.zeros_like(first)
        for step in reversed([i * wide + j for i in range(s) for j in range(s)]):
            keys = self.keys.view(-1).index_select(0, first + step)
            samples = torch.where(keys == best, first + step, samples)
            seen += keys > 0
        return pixels, samples, seen

    def fill(
        self, values: Shaped[Tensor, "N C"], background: float = 0
    ) -> Shaped[Tensor, "B H W C"]:
        """Values of the `covered` pixels in their places, `background` elsewhere."""
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
        """The share of each pixel's samples that see something."""
        return self.average(self.silhouette)

    def _samples(self, values: Tensor) -> list[Tensor]:
        s = self.supersample
        return [values[:, i::s, j::s] for i in range(s) for j in range(s)]

    def _cover(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The first five fields of Covered."""
        keys = self.keys.view(-1).index_select(0, pixels)
        triangle, depth = triangle_of(keys), depth_of(keys)
        picture = self.triangles.picture.index_select(0, triangle)
        face = self.triangles.face.index_select(0, triangle)
        # Whole numbers in float64: their division is faster, and here exact.
        _, height, width = self.keys.shape
        place = pixels.double()
        row = ((place + 0.5) * (1 / width)).floor()
        weights = self.triangles.weights(
            triangle, place - row * width, row - picture * height, depth
        )
        return pixels, picture, face, weights, depth.float()


def project(vertices: Float[Tensor, "B V 3"], K: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B V 3"]:
    """Camera points (mm) as (x px, y px, depth mm), without a lens's distortion.

    x and y of points that are not in front of the camera are inf.
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
    cull: bool = True,
    near: float = 10.0,
    supersample: int = 1,
) -> Raster:
    """The triangle that each pixel of B pictures sees: the nearest, of equally near ones the first.

    `points` are (x px, y px, depth mm). `cull` leaves out triangles seen from the back. Triangles
    with a corner nearer than `near` mm, behind the camera or not finite are left out whole: an
    infinite depth removes a person from a picture. Triangles without area paint nothing. With
    `supersample` s the raster has s x s samples per pixel, in a regular grid around its centre.

    ValueError when a point has NaN (the batch index is named), a triangle names a missing vertex, or
    height, width, `near` or `supersample` are not positive.
    """
    if min(height, width, supersample) < 1 or not near > 0:
        raise ValueError(
            f"height {height}, width {width}, near {near} and supersample {supersample} must be > 0"
        )
    low, high = map(int, faces.aminmax()) if len(faces) else (0, -1)
    if not (low >= 0 and high < points.shape[1]):
        raise ValueError(f"faces name vertices {low} to {high}, but there are {points.shape[1]}")
    shape = torch.Size((len(points), height * supersample, width * supersample))
    keys = torch.zeros(shape, dtype=torch.int64, device=points.device)
    group = len(points)
    if not points.is_cuda:
        group = min(CACHED_TRIANGLES // max(len(faces), 1), 4 * CACHED_PIXELS // shape[1:].numel())
    group = max(group, 1)
    found, before = [], 0
    for first in range(0, max(len(points), 1), group):
        corners = corners_of(points[first : first + group], first, near, supersample)
        found.append(Triangles.facing(corners, faces, first, cull))
        paint(found[-1], before, keys)
        before += len(found[-1].face)
        if before > ALL_TRIANGLES:
            raise ValueError(
                f"more than {ALL_TRIANGLES:,} triangles face the cameras: render fewer pictures "
                "at a time"
            )
    return Raster(faces, supersample, keys, Triangles.joined(found))


def normals(
    vertices: Float[Tensor, "B V 3"], faces: Int64[Tensor, "F 3"]
) -> Float[Tensor, "B V 3"]:
    """Unit normals of the vertices, means of their triangles' weighted by area; 0 without any.

    They point out of the front of the triangles. Summed as whole numbers, a picture's largest
    triangle as 2^40, so that the order of summation does not matter.
    """
    batch, count, _ = vertices.shape
    x, y, z = vertices.detach().double().reshape(-1, 3).T.contiguous()
    offsets = torch.arange(batch, device=faces.device)[:, None] * count
    corners = [(i + offsets).view(-1) for i in faces.unbind(1)]
    origin, *ends = ([c.index_select(0, i) for c in (x, y, z)] for i in corners)
    (ax, ay, az), (bx, by, bz) = ([e - o for e, o in zip(end, origin, strict=True)] for end in ends)
    areas = torch.stack([cross(ay, az, by, bz), cross(az, ax, bz, bx), cross(ax, ay, bx, by)])
    largest = areas.view(3, batch, -1).abs().amax((0, 2)) if len(faces) else x.new_ones(batch)
    scale = (2.0**40 / largest.clamp(min=1e-300))[:, None]
    whole = (areas.view(3, batch, -1) * scale).round().long().view(3, -1)
    sums = whole.new_zeros(3, batch * count)
    for i in corners:
        sums.index_add_(1, i, whole)
    x, y, z = sums.double()
    length = (x * x + y * y + z * z).sqrt().clamp(min=1)
    unit = torch.stack([x / length, y / length, z / length], dim=1)
    return unit.view(vertices.shape).to(vertices.dtype)


def shaded(
    vertices: Float[Tensor, "B V 3"],
    faces: Int64[Tensor, "F 3"],
    K: Float[Tensor, "B 3 3"],
    height: int,
    width: int,
    colours: Float[Tensor, "#B V 3"],
) -> UInt8[Tensor, "B H W 3"]:
    """Pictures for figures: matt `colours` (0 to 1) under one light beside the camera, on white."""
    raster = rasterise(project(vertices, K), faces, height, width, supersample=3)
    x, y, z = normals(vertices, faces).unbind(-1)
    # From the upper left, two thirds of the light; the rest comes from everywhere.
    lit = 1 / 3 + 2 / 3 * (-x / 3 - 2 * y / 3 - 2 * z / 3).clamp(min=0)
    samples = raster.fill(raster.covered.interpolate(colours * lit[..., None]), 1.0)
    return (raster.average(samples).clamp(0, 1) * 255).round().to(torch.uint8)
