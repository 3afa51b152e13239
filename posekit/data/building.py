"""Gathers what stands in a generated place, lights it, and makes a `Stage` of it.

World: millimetres, z up, the floor at z = 0. Colours are linear albedos that multiply a tile's.
"""

import colorsys
import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch

from posekit.data.atlas import atlas
from posekit.data.light import Lights
from posekit.data.scenery import CELL, GROUND, TOP, Decals, Frames, Stage

COARSE = 24
"""Texels of a side to compute a room's soft light at, before it is enlarged to a cell."""

_NORMALS = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
_BOX_NORMALS = _NORMALS[[3, 2, 5, 4, 1, 0]]
_CORNERS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


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
        # Where the floor's light map lies: the whole of a room, some metres outdoors.
        self.lawn = np.array([self.low[:2], self.high[:2]])
        if sky:
            self.lawn = np.array([self.lawn[0].clip(-14000), self.lawn[1].clip(None, 14000)])
        self.shell = [None] * 6
        self.decals, self.boxes, self.balls, self.taken = [], [], [], []
        self.pieces = 0
        self.floor_light = np.ones((CELL, CELL), np.float32)

    def face(
        self, face: int, tile: str, tint=(1.0, 1.0, 1.0), size: Number = 1000.0, tall=None, glow=0
    ):
        """Cover a face of the shell; `glow` > 0 makes it send its own light, as the sky does."""
        (a, b, c), (d, e, f) = self.low, self.high
        tall = size if tall is None else tall
        tint = np.asarray(tint, float)
        if face in (GROUND, TOP):
            (x0, y0), (x1, y1) = self.lawn
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
            (x0, y0), (x1, y1) = self.lawn
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
        patch = np.zeros((CELL, CELL), np.float32)
        cv2.fillConvexPoly(
            patch, self._texels(corners[:, :2] - key[:2] * corners[:, 2:] / key[2]), 1.0, 8, 4
        )
        self.floor_light += 0.9 * cv2.blur(patch, (3, 3))

    def _texels(self, points: np.ndarray) -> np.ndarray:
        """Places on the floor (mm) in its cell, in 1/16 texels."""
        low, high = self.lawn
        return np.rint((points - low) / (high - low) * (CELL - 1) * 16).astype(np.int32)

    def _floor_shadows(self, centre, half, yaw, balls, blur: Number, strength: Number) -> None:
        """What the pieces keep from the floor: the key light's shadow, and contact below them."""
        key = self.lights.directions[0].numpy().astype(float)
        slope = key[:2] / max(key[2], 0.3)
        cast, contact = np.zeros((2, CELL, CELL), np.float32)
        turned = _CORNERS * half[:, None]
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        corners = np.stack(
            [
                cos * turned[..., 0] - sin * turned[..., 1],
                sin * turned[..., 0] + cos * turned[..., 1],
            ],
            -1,
        )
        corners += centre[:, None, :2]
        heights = (centre[:, None, 2] + turned[..., 2])[..., None]
        fallen = self._texels(corners - slope * heights)
        standing = self._texels(corners[:, :4])
        for k in range(len(centre)):
            cv2.fillConvexPoly(cast, cv2.convexHull(fallen[k]), 1.0, 8, 4)
            if centre[k, 2] - half[k, 2] < 500:
                cv2.fillConvexPoly(contact, standing[k], 1.0, 8, 4)
        if len(balls):
            texel = (CELL - 1) / (self.lawn[1] - self.lawn[0]).mean()
            places = self._texels(balls[:, :2] - slope * balls[:, 2:3]).tolist()
            for place, radius in zip(places, balls[:, 3].tolist(), strict=True):
                cv2.circle(cast, place, round(16 * radius * texel), 1.0, -1, 8, 4)
        self.floor_light *= 1 - strength * _soft(cast, blur)
        texel = CELL * 220 / (self.lawn[1] - self.lawn[0]).mean()
        self.floor_light *= 1 - 0.5 * _soft(contact, max(texel, 0.6))

    def light_map(self, corner: Number, lamp: np.ndarray | None, blur: Number, strength: Number):
        """The cells: `corner` is how much darker a room's edges are, `lamp` a bright place."""
        cells = np.ones((9, CELL, CELL), np.float32)
        cells[:3] = _common_cells()
        if self.boxes or self.balls:
            centre, half, yaw = (np.array([b[k] for b in self.boxes], float) for k in range(3))
            centre, half = centre.reshape(-1, 3), half.reshape(-1, 3)
            balls = np.array([b[0] for b in self.balls], float)
            self._floor_shadows(centre, half, yaw, balls, blur, strength)
        if not self.sky:
            grid = (np.arange(COARSE) + 0.5) / COARSE
            span = self.high - self.low
            for face in range(6):
                i, j = ((0, 1), (0, 1), (1, 2), (1, 2), (0, 2), (0, 2))[face]
                down = 1 - grid if j == 2 else grid
                a, b = self.low[i] + grid * span[i], self.low[j] + down * span[j]
                cell = np.outer(
                    _edges(b, self.low[j], self.high[j], corner),
                    _edges(a, self.low[i], self.high[i], corner),
                )
                if lamp is not None:
                    k = 3 - i - j
                    plane = (self.low, self.high)[face % 2][k]
                    apart = (a - lamp[i])[None] ** 2 + (b - lamp[j])[:, None] ** 2
                    cell *= 0.72 + 0.75 / (1 + (apart + (plane - lamp[k]) ** 2) / 2200.0**2)
                cells[3 + face] = cv2.resize(cell.astype(np.float32), (CELL, CELL))
        cells[3 + GROUND] *= self.floor_light
        return cells.reshape(-1, CELL)

    def build(
        self, corner: Number = 0.35, lamp: np.ndarray | None = None, blur=2.0, strength=0.3
    ) -> Stage:
        """The finished place."""
        light_map = self.light_map(corner, lamp, blur, strength)
        planes = [*self.shell, *self.decals]
        boxes = list(zip(*self.boxes, strict=True)) or [[]] * 7
        balls = list(zip(*self.balls, strict=True)) or [[]] * 4
        centre, half = (np.array(column, float).reshape(-1, 3) for column in boxes[:2])
        yaw, size = np.array(boxes[2], float), np.array(boxes[4], float)
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
            balls=np.array(balls[0], float).reshape(-1, 4),
            ball_tile=np.array(balls[1], int),
            ball_tint=shaded[last:],
            piece=np.array([*boxes[6], *balls[3]], int),
            light_map=light_map,
            clear=self.clear,
        )


@cache
def _common_cells() -> np.ndarray:
    """The cells that no place changes: even light, a side that darkens down, a ball."""
    grid = np.linspace(0, 1, CELL, dtype=np.float32)
    side = np.repeat((1 - 0.5 * grid**2)[:, None], CELL, 1)
    y, x = np.meshgrid(2 * grid - 1, 2 * grid - 1, indexing="ij")
    ball = np.clip(0.72 - 0.45 * y - 0.12 * x - 0.15 * (x * x + y * y), 0.25, 1.1)
    return np.stack([np.ones_like(side), side, ball])


def _edges(at: np.ndarray, low: Number, high: Number, depth: Number) -> np.ndarray:
    """Less light reaches the corners of a room: 1 - depth exp(-distance / 450 mm), both sides."""
    return (1 - depth * np.exp((low - at) / 450)) * (1 - depth * np.exp((at - high) / 450))


def _soft(mask: np.ndarray, blur: Number) -> np.ndarray:
    """A mask blurred twice by a box of about the deviation `blur`, texels."""
    side = 2 * round(blur * 1.2) + 1
    return cv2.blur(cv2.blur(mask, (side, side)), (side, side))
