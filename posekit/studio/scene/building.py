"""Building of a generated place: walls, decals and furniture are collected, lit, and become a `Stage`.

World: millimetres, z up, the floor at z = 0. Colours are linear albedos that multiply a texture's.
"""

import colorsys
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from posekit.studio.scene.atlas import atlas
from posekit.studio.scene.light import Lights
from posekit.studio.scene.lightmap import LightMap
from posekit.studio.scene.scenery import GROUND, TOP, Balls, Boxes, Planes, Stage

_NORMALS = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
_BOX_NORMALS = _NORMALS[[3, 2, 5, 4, 1, 0]]
WHITE = (1.0, 1.0, 1.0)

Number = float | int
Range = tuple[Number, Number]
Colour = tuple[Number, ...] | np.ndarray


class Part(NamedTuple):
    """A box of a piece of furniture, in the piece's own frame: its front looks to low y."""

    x: Range
    y: Range
    z: Range
    tile: str = "plain"
    tint: Colour = WHITE
    front: str = ""
    size: Number = 1000.0  # mm a tile


class Ball(NamedTuple):
    """A ball of leaves of a piece."""

    place: tuple[Number, Number, Number]
    radius: Number
    tile: str = "leaves"
    tint: Colour = WHITE


class _Plane(NamedTuple):
    """A textured rectangle as in `Planes`; it is shaded, or sends out `glow` times its tint."""

    origin: np.ndarray
    right: np.ndarray
    down: np.ndarray
    tile: int
    normal: np.ndarray
    tint: np.ndarray
    glow: Number
    lit: tuple[Number, ...]


def muted(rng: np.random.Generator, low: Number = 0.1, high: Number = 0.8, strong: Number = 0.4):
    """A random colour, as things in homes have it: any hue, mostly greyish."""
    value = rng.uniform(low, high)
    return np.array(colorsys.hsv_to_rgb(rng.random(), strong * rng.random() ** 1.5, value))


def axis_along(face: int) -> int:
    """The axis, 0 or 1, along which a wall runs."""
    return 1 if face < 4 else 0


class Building:
    """A place under construction, between the corners `low` and `high` of its shell."""

    def __init__(self, lights: Lights, low, high, clear, sky: bool = False):
        self.lights, self.sky = lights, sky
        self.low, self.high = np.array(low, float), np.array(high, float)
        self.clear = np.array(clear, float).reshape(-1, 3)
        self.rows = atlas().rows
        self.key = lights.directions[0].numpy().astype(float)
        self.light_map = LightMap(self.low, self.high, self.key, sky)
        self.shell: list = [None] * 6
        self.decals, self.corners, self.boxes, self.balls, self.taken = [], [], [], [], []
        self.pieces = 0

    def face(self, face: int, tile: str, tint: Colour = WHITE, size: Number = 1000.0,
             tall: Number | None = None, glow: Number = 0) -> None:  # fmt: skip
        """Cover a face of the shell; `glow` > 0 makes it send its own light, as the sky does."""
        (a, b, c), (d, e, f) = self.low, self.high
        tall = size if tall is None else tall
        if face in (GROUND, TOP):
            (x0, y0), (x1, y1) = self.light_map.lawn
            frame = [(0, 0, c if face == GROUND else f), (size, 0, 0), (0, size, 0)]
            lit = (-x0 / (x1 - x0), size / (x1 - x0), -y0 / (y1 - y0), size / (y1 - y0))
        else:
            start, end = ((a, d), (b, e))[axis_along(face)]
            right = (0, size, 0) if face < 4 else (size, 0, 0)
            frame = [self.wall_point(face, 0, f), right, (0, 0, -tall)]
            lit = (-start / (end - start), size / (end - start), 0, tall / (f - c))
        tint, lit = np.asarray(tint, float), (*lit, 3 + face)
        self.shell[face] = _Plane(*frame, self.rows[tile], _NORMALS[face], tint, glow, lit)

    def wall_point(self, face: int, along: Number, z: Number) -> tuple[float, float, float]:
        """The point of a wall at `along` (world x or y) and `z`."""
        plane = (self.low, self.high)[face % 2][1 - axis_along(face)].item()
        return (plane, float(along), float(z)) if face < 4 else (float(along), plane, float(z))

    def wall_decal(self, face, along, bottom, wide, tall, tile, tint=WHITE, glow=0.0) -> None:
        """A decal on a wall, centred at `along`. Its light is the wall's, or its own `glow`."""
        # Right as seen from inside the room.
        right = np.array([(0, 1, 0), (0, -1, 0), (-1, 0, 0), (1, 0, 0)][face - 2], float)
        origin = np.array(self.wall_point(face, along, bottom + tall)) - right * wide / 2
        lit = (0, 0, 0, 0, 0)
        if not glow:
            # The wall's own cell at the decal's middle: its corners are darker there too.
            axis = axis_along(face)
            span = self.high - self.low
            lit = ((along - self.low[axis]) / span[axis], 0)
            lit += (1 - (bottom + tall) / span[2], tall / span[2], 3 + face)
        down = np.array([0, 0, -float(tall)])
        self._decal(origin, right * wide, down, 0, tile, face, tint, glow, lit)

    def floor_decal(self, x, y, yaw, wide, deep, tile, tint=WHITE, size=0) -> None:
        """A decal on the floor: a rug, a mat, a path. With a `size` (mm) its tile repeats."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        right, down = np.array([cos, sin, 0]) * wide, np.array([sin, -cos, 0]) * deep
        origin = np.array([x, y, 0]) - right / 2 - down / 2
        lit = (0, 0, 0, 0, 0)
        if abs(sin) < 1e-6 and not size:
            # Where the sides follow the axes, the light map's cell of the floor fits.
            (x0, y0), (x1, y1) = self.light_map.lawn
            lit = ((origin[0] - x0) / (x1 - x0), right[0] / (x1 - x0))
            lit += ((origin[1] - y0) / (y1 - y0), down[1] / (y1 - y0), 3 + GROUND)
        self._decal(origin, right, down, size, tile, GROUND, tint, 0.0, lit)

    def _decal(self, origin, right, down, size, tile, face, tint, glow, lit) -> None:
        self.corners.append((origin, origin + right, origin + right + down, origin + down))
        if size:
            right, down = (side * (size / np.linalg.norm(side)) for side in (right, down))
        row, tint = self.rows[tile], np.asarray(tint, float)
        self.decals.append(_Plane(origin, right, down, row, _NORMALS[face], tint, glow, lit))

    def put(self, x, y, yaw, parts: list[Part], balls: Sequence[Ball] = (), gap=60) -> bool:
        """Put a piece there if it fits: inside, off the clear places and `gap` from other pieces."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        a, b, c, d = _outline(x, y, cos, sin, parts, balls)
        (low_x, low_y, _), (high_x, high_y, _) = self.low, self.high
        if a < low_x or b < low_y or c > high_x or d > high_y:
            return False
        for px, py, radius in self.clear.tolist():
            if math.hypot(max(a - px, 0, px - c), max(b - py, 0, py - d)) < radius:
                return False
        for a2, b2, c2, d2 in self.taken:
            if a < c2 + gap and c > a2 - gap and b < d2 + gap and d > b2 - gap:
                return False
        self.taken.append((a, b, c, d))
        for part in parts:
            u, v, z = ((low + high) / 2 for low, high in part[:3])
            half = [(high - low) / 2 for low, high in part[:3]]
            tiles = (self.rows[part.tile], self.rows[part.front] if part.front else -1)
            centre = (x + cos * u - sin * v, y + sin * u + cos * v, z)
            self.boxes.append((centre, half, yaw, tiles, part.size, part.tint, self.pieces))
        for ball in balls:
            u, v, z = ball.place
            place = (x + cos * u - sin * v, y + sin * u + cos * v, z, ball.radius)
            self.balls.append((place, self.rows[ball.tile], ball.tint, self.pieces))
        self.pieces += 1
        return True

    def sunbeam(self, face: int, along: Number, bottom: Number, wide: Number, tall: Number) -> None:
        """The bright patch on the floor behind a window through which the key light shines."""
        if self.key @ -_NORMALS[face] < 0.15:
            return
        ends = ((-1, bottom), (1, bottom), (1, bottom + tall), (-1, bottom + tall))
        corners = np.array([self.wall_point(face, along + s * wide / 2, z) for s, z in ends])
        self.light_map.beam(corners[:, :2] - self.key[:2] * corners[:, 2:] / self.key[2])

    def build(
        self, corner: Number = 0.35, lamp: np.ndarray | None = None, blur=2.0, strength=0.3
    ) -> Stage:
        """The finished place; `corner`, `lamp`, `blur` and `strength` are the light map's."""
        planes = [*self.shell, *self.decals]
        centre, half, yaw, box_tile, size, box_tint, box_piece = _columns(
            self.boxes, [(3,), (3,), (), (2,), (), (3,), ()]
        )
        place, ball_tile, ball_tint, ball_piece = _columns(self.balls, [(4,), (), (3,), ()])
        self.light_map.shadows(centre, half, yaw, place, blur, strength)
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = _BOX_NORMALS.T
        normals = np.stack([cos * x - sin * y, sin * x + cos * y, z + 0 * cos], -1)
        # All that is to be lit, in one call: planes, the boxes' six sides, balls from above.
        flat = [plane.normal for plane in planes]
        up = np.tile(_NORMALS[GROUND], (len(place), 1))
        albedo = [[plane.tint for plane in planes], box_tint.repeat(6, 0), ball_tint]
        tint = self.lights.shade(
            torch.from_numpy(np.concatenate([flat, normals.reshape(-1, 3), up])),
            torch.from_numpy(np.concatenate(albedo)),
        ).numpy()
        for k, plane in enumerate(planes):
            if plane.glow:
                tint[k] = plane.glow * plane.tint
        first, last = len(planes), len(planes) + 6 * len(centre)
        origin, right, down, tile = (
            np.array(c, float) for c in list(zip(*planes, strict=True))[:4]
        )
        lit = np.array([plane.lit for plane in planes], float)
        sides = tint[first:last].reshape(-1, 6, 3)
        return Stage(
            lights=self.lights,
            low=self.low,
            high=self.high,
            sky=self.sky,
            planes=Planes(origin, right, down, tile, tint[:first], lit),
            corners=np.array(self.corners, float).reshape(-1, 4, 3),
            boxes=Boxes(centre, half, yaw, box_tile, size, sides, box_piece.astype(int)),
            balls=Balls(place, ball_tile, tint[last:], ball_piece.astype(int)),
            light_map=self.light_map.cells(corner, lamp),
            clear=self.clear,
        )


def _outline(x, y, cos, sin, parts, balls) -> tuple[float, float, float, float]:
    """The axis-parallel rectangle (low x, low y, high x, high y) around a turned piece."""
    low_x = [p.x[0] for p in parts] + [b.place[0] - b.radius for b in balls]
    high_x = [p.x[1] for p in parts] + [b.place[0] + b.radius for b in balls]
    low_y = [p.y[0] for p in parts] + [b.place[1] - b.radius for b in balls]
    high_y = [p.y[1] for p in parts] + [b.place[1] + b.radius for b in balls]
    left, right, front, back = min(low_x), max(high_x), min(low_y), max(high_y)
    u, v = (left + right) / 2, (front + back) / 2
    wide, deep = (right - left) / 2, (back - front) / 2
    x, y = float(x + cos * u - sin * v), float(y + sin * u + cos * v)
    a, b = abs(cos) * wide + abs(sin) * deep, abs(sin) * wide + abs(cos) * deep
    return x - a, y - b, x + a, y + b


def _columns(rows: list[tuple], shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Arrays (N, *shape) of the columns of N rows, which may be none."""
    columns = zip(*rows, strict=True) if rows else [[]] * len(shapes)
    return [
        np.array(column, float).reshape(-1, *shape)
        for column, shape in zip(columns, shapes, strict=True)
    ]
