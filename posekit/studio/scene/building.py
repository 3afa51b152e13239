"""Gathers what stands in a generated place, lights it, and makes a `Stage` of it.

World: millimetres, z up, the floor at z = 0. Colours are linear albedos that multiply a tile's.
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
from posekit.studio.scene.scenery import GROUND, TOP, Decals, Frames, Stage

_NORMALS = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
_BOX_NORMALS = _NORMALS[[3, 2, 5, 4, 1, 0]]

Number = float | int


class Part(NamedTuple):
    """A box of a piece of furniture, in the piece's own frame: its front looks to low y."""

    x: tuple[Number, Number]
    y: tuple[Number, Number]
    z: tuple[Number, Number]
    tile: str = "plain"
    tint: tuple[Number, ...] | np.ndarray = (1.0, 1.0, 1.0)
    front: str = ""
    size: Number = 1000.0


class Ball(NamedTuple):
    """A blob of leaves or cloth of a piece."""

    place: tuple[Number, Number, Number]
    radius: Number
    tile: str = "leaves"
    tint: tuple[Number, ...] | np.ndarray = (1.0, 1.0, 1.0)


class Footprint(NamedTuple):
    """The rectangle around a piece in its own frame."""

    x: tuple[Number, Number]
    y: tuple[Number, Number]


def muted(rng: np.random.Generator, low: Number = 0.1, high: Number = 0.8, strong: Number = 0.4):
    """A colour as things in homes have it: any hue, mostly greyish."""
    value = rng.uniform(low, high)
    return np.array(colorsys.hsv_to_rgb(rng.random(), strong * rng.random() ** 1.5, value))


def footprint(parts: list[Part], balls: Sequence[Ball] = ()) -> Footprint:
    """The rectangle around `parts` and `balls`."""
    low_x = [p.x[0] for p in parts] + [b.place[0] - b.radius for b in balls]
    high_x = [p.x[1] for p in parts] + [b.place[0] + b.radius for b in balls]
    low_y = [p.y[0] for p in parts] + [b.place[1] - b.radius for b in balls]
    high_y = [p.y[1] for p in parts] + [b.place[1] + b.radius for b in balls]
    return Footprint((min(low_x), max(high_x)), (min(low_y), max(high_y)))


class _Light(NamedTuple):
    """What a plane sends out: shaded as it is turned, or `glow` times its tint."""

    normal: np.ndarray
    tint: np.ndarray
    glow: Number


class Building:
    """A place under construction."""

    def __init__(self, lights: Lights, low, high, clear, sky: bool = False):
        self.lights, self.sky = lights, sky
        self.low, self.high = np.array(low, float), np.array(high, float)
        self.bounds = self.low.tolist(), self.high.tolist()
        self.clear = np.array(clear, float).reshape(-1, 3)
        self.rows, self.means = atlas().rows, atlas().means
        self.glow = LightMap(self.low, self.high, lights.directions[0].numpy().astype(float), sky)
        self.shell = [None] * 6
        self.decals, self.boxes, self.balls, self.taken = [], [], [], []
        self.pieces = 0

    def face(
        self, face: int, tile: str, tint=(1.0, 1.0, 1.0), size: Number = 1000.0, tall=None, glow=0
    ):
        """Cover a face of the shell; `glow` > 0 makes it send its own light, as the sky does."""
        (a, b, c), (d, e, f) = self.low, self.high
        tall = size if tall is None else tall
        tint = np.asarray(tint, float)
        if face in (GROUND, TOP):
            (x0, y0), (x1, y1) = self.glow.lawn
            frame = [(0, 0, c if face == GROUND else f), (size, 0, 0), (0, size, 0)]
            lit = (-x0 / (x1 - x0), size / (x1 - x0), -y0 / (y1 - y0), size / (y1 - y0))
        elif face < 4:
            frame = [(a if face == 2 else d, 0, f), (0, size, 0), (0, 0, -tall)]
            lit = (-b / (e - b), size / (e - b), 0, tall / (f - c))
        else:
            frame = [(0, b if face == 4 else e, f), (size, 0, 0), (0, 0, -tall)]
            lit = (-a / (d - a), size / (d - a), 0, tall / (f - c))
        light = _Light(_NORMALS[face], tint, glow)
        self.shell[face] = (*frame, self.rows[tile], light, (*lit, 3 + face))

    def span(self, face: int) -> tuple[float, float]:
        """Where a wall begins and ends along the floor."""
        axis = 1 if face < 4 else 0
        return self.bounds[0][axis], self.bounds[1][axis]

    def wall_point(self, face: int, along: Number, z: Number) -> tuple[float, float, float]:
        """The point of a wall at `along` (world x or y) and `z`."""
        if face < 4:
            return self.bounds[face - 2][0], float(along), float(z)
        return float(along), self.bounds[face - 4][1], float(z)

    def hang(self, face, along, bottom, wide, tall, tile, tint=(1.0, 1.0, 1.0), glow=0.0):
        """A decal on a wall, centred at `along`. Its light is the wall's, or its own `glow`."""
        # Right as seen from inside the room.
        right = np.array([(0, 1, 0), (0, -1, 0), (-1, 0, 0), (1, 0, 0)][face - 2], float)
        middle = np.array(self.wall_point(face, along, bottom + tall))
        origin = middle - right * wide / 2
        light = _Light(_NORMALS[face], np.asarray(tint, float), glow)
        lit = (0, 0, 0, 0, 0)
        if not glow:
            # The wall's own cell at the decal's middle: its corners are darker there too.
            axis = 1 if face < 4 else 0
            span = self.high - self.low
            lit = ((along - self.low[axis]) / span[axis], 0)
            lit += (1 - (bottom + tall) / span[2], tall / span[2], 3 + face)
        self._decal(origin, right * wide, np.array([0, 0, -float(tall)]), 0, tile, light, lit)

    def spread(self, x, y, yaw, wide, deep, tile, tint=(1.0, 1.0, 1.0), size=0):
        """A decal on the floor: a rug, a mat, a path. With a `size` (mm) its tile repeats."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        right, down = np.array([cos, sin, 0]) * wide, np.array([sin, -cos, 0]) * deep
        origin = np.array([x, y, 0]) - right / 2 - down / 2
        lit = (0, 0, 0, 0, 0)
        if abs(sin) < 1e-6 and not size:
            # Where the sides follow the axes, the light map's cell of the floor fits.
            (x0, y0), (x1, y1) = self.glow.lawn
            lit = ((origin[0] - x0) / (x1 - x0), right[0] / (x1 - x0))
            lit += ((origin[1] - y0) / (y1 - y0), down[1] / (y1 - y0), 3 + GROUND)
        light = _Light(_NORMALS[GROUND], np.asarray(tint, float), 0.0)
        self._decal(origin, right, down, size, tile, light, lit)

    def _decal(self, origin, right, down, size, tile, light, lit) -> None:
        corners = (origin, origin + right, origin + right + down, origin + down)
        if size:
            right, down = (side * (size / np.linalg.norm(side)) for side in (right, down))
        self.decals.append((origin, right, down, self.rows[tile], light, lit, corners))

    def free(self, x, y, yaw, print_: Footprint, gap: Number = 60, walls: bool = True) -> bool:
        """Whether a piece fits there: off the clear places, the other pieces, and inside."""
        a, b, c, d = self._around(x, y, yaw, print_)
        (low_x, low_y, _), (high_x, high_y, _) = self.bounds
        if walls and (a < low_x or b < low_y or c > high_x or d > high_y):
            return False
        for px, py, radius in self.clear.tolist():
            if math.hypot(max(a - px, 0, px - c), max(b - py, 0, py - d)) < radius:
                return False
        return not any(
            a < c2 + gap and c > a2 - gap and b < d2 + gap and d > b2 - gap
            for a2, b2, c2, d2 in self.taken
        )

    def reserve(self, x0, y0, x1, y1) -> None:
        """Keep furniture off a place, such as the way through a door."""
        self.taken.append((x0, y0, x1, y1))

    def put(
        self, x, y, yaw, parts: list[Part], balls: Sequence[Ball] = (), gap=60, walls=True
    ) -> bool:
        """Put a piece there if it fits; whether it did."""
        print_ = footprint(parts, balls)
        if not self.free(x, y, yaw, print_, gap, walls):
            return False
        self.taken.append(self._around(x, y, yaw, print_))
        cos, sin = math.cos(yaw), math.sin(yaw)
        for part in parts:
            u, v = (part.x[0] + part.x[1]) / 2, (part.y[0] + part.y[1]) / 2
            self.boxes.append(
                (
                    (x + cos * u - sin * v, y + sin * u + cos * v, (part.z[0] + part.z[1]) / 2),
                    (
                        (part.x[1] - part.x[0]) / 2,
                        (part.y[1] - part.y[0]) / 2,
                        (part.z[1] - part.z[0]) / 2,
                    ),
                    yaw,
                    (self.rows[part.tile], self.rows[part.front] if part.front else -1),
                    part.size,
                    part.tint,
                    self.pieces,
                )
            )
        for ball in balls:
            u, v, z = ball.place
            place = (x + cos * u - sin * v, y + sin * u + cos * v, z, ball.radius)
            self.balls.append((place, self.rows[ball.tile], ball.tint, self.pieces))
        self.pieces += 1
        return True

    @staticmethod
    def _around(x, y, yaw, print_: Footprint) -> tuple[float, float, float, float]:
        """The axis-parallel rectangle around a turned footprint."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        u, v = (print_.x[0] + print_.x[1]) / 2, (print_.y[0] + print_.y[1]) / 2
        wide, deep = (print_.x[1] - print_.x[0]) / 2, (print_.y[1] - print_.y[0]) / 2
        x, y = float(x + cos * u - sin * v), float(y + sin * u + cos * v)
        a, b = abs(cos) * wide + abs(sin) * deep, abs(sin) * wide + abs(cos) * deep
        return x - a, y - b, x + a, y + b

    def sunbeam(self, face: int, along: Number, bottom: Number, wide: Number, tall: Number) -> None:
        """The bright patch on the floor behind a window through which the key light shines."""
        key = self.lights.directions[0].numpy().astype(float)
        if key @ -_NORMALS[face] < 0.15:
            return
        corners = np.array(
            [
                self.wall_point(face, along + s * wide / 2, z)
                for s, z in ((-1, bottom), (1, bottom), (1, bottom + tall), (-1, bottom + tall))
            ]
        )
        self.glow.beam(corners[:, :2] - key[:2] * corners[:, 2:] / key[2])

    def build(
        self, corner: Number = 0.35, lamp: np.ndarray | None = None, blur=2.0, strength=0.3
    ) -> Stage:
        """The finished place."""
        planes = [*self.shell, *self.decals]
        boxes = list(zip(*self.boxes, strict=True)) or [[]] * 7
        balls = list(zip(*self.balls, strict=True)) or [[]] * 4
        centre, half = (np.array(column, float).reshape(-1, 3) for column in boxes[:2])
        yaw, size = np.array(boxes[2], float), np.array(boxes[4], float)
        places = np.array(balls[0], float).reshape(-1, 4)
        self.glow.shadows(centre, half, yaw, places, blur, strength)
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = _BOX_NORMALS.T
        normals = np.stack([cos * x - sin * y, sin * x + cos * y, z + 0 * cos], -1)
        # All that is to be lit, in one call: planes, the boxes' six sides, blobs from above.
        flat = np.array([plane[4].normal for plane in planes])
        up = np.tile(_NORMALS[GROUND], (len(self.balls), 1))
        tints = [np.array(column, float).reshape(-1, 3) for column in (boxes[5], balls[2])]
        albedo = [[plane[4].tint for plane in planes], tints[0].repeat(6, 0), tints[1]]
        shaded = self.lights.shade(
            torch.from_numpy(np.concatenate([flat, normals.reshape(-1, 3), up])),
            torch.from_numpy(np.concatenate(albedo)),
        ).numpy()
        first, last = len(planes), len(planes) + 6 * len(boxes[0])
        for k, (_, tint, glow) in enumerate(plane[4] for plane in planes):
            if glow:
                shaded[k] = glow * tint
        columns = [
            np.array(column, float)
            for k, column in enumerate(zip(*(plane[:6] for plane in planes), strict=True))
            if k != 4
        ]
        columns.insert(4, shaded[:first])
        frames = [
            Frames(*(column[part] for column in columns)) for part in (slice(6), slice(6, None))
        ]
        corners = np.array([decal[6] for decal in self.decals], float).reshape(-1, 4, 3)
        return Stage(
            lights=self.lights,
            low=self.low,
            high=self.high,
            sky=self.sky,
            shell=frames[0],
            decals=Decals(frames[1], corners),
            centre=centre,
            half=half,
            yaw=yaw,
            tile=np.array(boxes[3], int).reshape(-1, 2),
            size=size,
            tints=shaded[first:last].reshape(-1, 6, 3),
            balls=places,
            ball_tile=np.array(balls[1], int),
            ball_tint=shaded[last:],
            piece=np.array([*boxes[6], *balls[3]], int),
            light_map=self.glow.cells(corner, lamp),
            clear=self.clear,
        )
