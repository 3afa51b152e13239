"""Draws generated surroundings: a box shell around the world, decals on it, boxes and leafy blobs.

Every face is planar, so its picture is a homography: with P = O + u E_u + v E_v on the face and the
pixel p = (x, y, 1), K R (P - C) = z p gives

    (u, v, 1) / z = H p,    H = (K [R E_u, R E_v, R (O - C)])^-1,

and 1/z, u/z, v/z are affine in the pixel. The area that a pixel covers on the face, in tiles, is
|det H| z^3 (the homography's Jacobian), which chooses the mip level. Faces are painted from far to
near as numbers; colour and depth are then computed once per pixel.

World: millimetres, z up, the floor at z = 0. N boxes, M blobs, D decals, P pieces (things that come
and go together), F faces.
"""

from dataclasses import dataclass, fields, replace
from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from posekit.studio.scene.atlas import COARSEST, PITCH, atlas
from posekit.studio.scene.light import Lights
from posekit.studio.scene.surfaces import SIZE
from posekit.studio.scene.visibility import NEAR, clip, far_to_near, project

CELL = 96
"""Texels of a side of a light map's cell."""

STANDOFF = 900.0
"""Mm around the camera where no piece may stand: photographers step aside."""

HIDE = 0.45
"""How much of the silhouette (as a box 1.7 m tall) in a clear place pieces may hide, each."""

LEANING = 700.0
"""Mm from a wall within which the middle of a thing belongs to that wall."""

GROUND, TOP, WALLS = 0, 1, range(2, 6)
"""The shell's faces: floor, ceiling, then the walls at low x, high x, low y, high y."""

EVEN, SIDE, BALL = 0, 1, 2
"""Cells of every light map: constant, darker below, a ball lit from above; then the shell's six."""

SHADED = 900.0
"""Mm above the floor up to which furniture is darker."""

_AXES = [2, 2, 0, 0, 1, 1]
_OTHERS = np.array([[1, 2], [0, 2], [0, 1]])


@dataclass(frozen=True)
class Backdrop:
    """What the camera sees where no person stands."""

    colour: Float[Tensor, "H W 3"]  # linear light, 0 to about 1.5
    depth: Float[Tensor, "H W"]  # z, mm; inf: the sky
    floor: Bool[Tensor, "H W"]  # where z = 0 is seen


@dataclass(frozen=True)
class Frames:
    """Planes with their texture's axes, a tile, and how they are lit."""

    origin: np.ndarray  # (F, 3) mm
    right: np.ndarray  # (F, 3) mm a tile
    down: np.ndarray  # (F, 3) mm a tile
    tile: np.ndarray  # (F,) row of the atlas
    tint: np.ndarray  # (F, 3) times the tile's albedo
    lit: np.ndarray  # (F, 5): texel = (l0 + l1 u, l2 + l3 v) of the light map's cell l4


@dataclass(frozen=True)
class Decals:
    """Rectangles on walls and floors."""

    frames: Frames
    corners: np.ndarray  # (D, 4, 3) mm


@dataclass(frozen=True)
class Stage:
    """A place around people, to be seen from anywhere."""

    lights: Lights
    low: np.ndarray  # (3,) the shell, mm
    high: np.ndarray
    sky: bool  # whether walls and ceiling are infinitely far
    shell: Frames  # the six faces
    decals: Decals
    centre: np.ndarray  # (N, 3) of the boxes
    half: np.ndarray  # (N, 3)
    yaw: np.ndarray  # (N,) radians
    tile: np.ndarray  # (N, 2) of the box, of its front (low y): -1 as the box
    size: np.ndarray  # (N,) mm a tile
    tints: np.ndarray  # (N, 6, 3), low x, high x, low y, ...
    balls: np.ndarray  # (M, 4) centre and radius
    ball_tile: np.ndarray  # (M,)
    ball_tint: np.ndarray  # (M, 3)
    piece: np.ndarray  # (N + M,) which piece a box or a blob is of
    light_map: np.ndarray  # (9 CELL, CELL) float32
    clear: np.ndarray  # (C, 3) x, y, radius

    def view(
        self,
        K: Float[Tensor, "3 3"],
        rotation: Float[Tensor, "3 3"],
        centre: Float[Tensor, "3"],
        height: int,
        width: int,
    ) -> Backdrop:
        """The picture of a camera at `centre` (world, mm), `rotation` world to camera.

        A camera outside the room sees it without the wall between. What stands in the camera's way,
        or hides most of a `clear` place, is left out.
        """
        K, R, C = (value.double().numpy() for value in (K, rotation, centre))
        boxes, balls = self._in_sight(K, R, C, height, width)
        frames, corners, owner = self._box_faces(C, boxes)
        low, high = np.minimum(self.low, C - 500), np.maximum(self.high, C + 500)
        polygons = [_shell(low, high), self.decals.corners, corners]
        shell = replace(self.shell, origin=self.shell.origin.copy())
        # The plane itself moves with a wall that stepped back behind the camera.
        shell.origin[range(6), _AXES] = polygons[0][range(6), 0, _AXES]
        outlines, round_frames = self._ball_faces(K, R, C, balls)
        frames = _join([shell, self.decals.frames, frames, round_frames])

        seen = _facing(self.decals.frames, C)
        first_box = 6 + len(seen)
        first_ball = first_box + len(owner)
        order = [*range(6), *(6 + np.flatnonzero(seen)).tolist()]
        of_item = [[] for _ in range(len(boxes))] + [[first_ball + k] for k in range(len(balls))]
        for k, item in enumerate(owner.tolist()):
            of_item[item].append(first_box + k)
        middle = np.concatenate([self.centre[boxes], self.balls[balls, :3]])
        half = np.concatenate([self.half[boxes], 0.9 * self.balls[balls, 3:].repeat(3, 1)])
        yaw = np.concatenate([self.yaw[boxes], np.zeros(len(balls))])
        for item in far_to_near(middle, half, yaw, C):
            order += of_item[item]

        numbers = np.zeros((height, width), np.int32)
        points = project(np.concatenate(polygons), K, R, C)
        limit = 4.0 * max(height, width)
        whole = (points[..., 2] > NEAR).all(1) & (np.abs(points[..., :2]) < limit).all((1, 2))
        fixed = np.rint(np.where(whole[:, None, None], points[..., :2], 0) * 16).astype(np.int32)
        for face in order:
            if face >= first_ball:
                cv2.fillPoly(numbers, [outlines[face - first_ball]], face, 8, 4)
            elif whole[face]:
                cv2.fillConvexPoly(numbers, fixed[face], face, 8, 4)
            else:
                polygon = clip(points[face], limit)
                if len(polygon) > 2:
                    cv2.fillConvexPoly(numbers, polygon, face, 8, 4)
        return self._shade(numbers, frames, K, R, C)

    def _shade(self, numbers, frames, K, R, C) -> Backdrop:
        """Colour and depth of every pixel from the number of the face that it shows."""
        height, width = numbers.shape
        texels, _, _ = atlas()
        matrices = np.stack([frames.right @ R.T, frames.down @ R.T, (frames.origin - C) @ R.T], -1)
        H = np.linalg.inv(K @ matrices)
        finest = np.abs(np.linalg.det(H)) ** -0.5
        table = np.concatenate(
            [
                H.reshape(-1, 9),
                finest[:, None],
                PITCH * frames.tile[:, None],
                frames.lit[:, :4] * (CELL - 1),
                frames.lit[:, 4:] * CELL,
            ],
            axis=1,
        )
        table = torch.from_numpy(np.ascontiguousarray(table.T, dtype=np.float32))
        which = torch.from_numpy(numbers).flatten().long()
        column = (row.index_select(0, which).numpy().reshape(height, width) for row in table)
        x = np.arange(width, dtype=np.float32)
        y = np.arange(height, dtype=np.float32)[:, None]

        def affine() -> np.ndarray:
            value = next(column)
            value *= x
            other = next(column)
            other *= y
            value += other
            value += next(column)
            return value

        u, v, inverse = affine(), affine(), affine()
        # An edge's pixel may lie just outside its face, where a plane seen edge-on ends.
        np.maximum(inverse, 1e-7, out=inverse)
        depth = 1 / inverse
        u *= depth
        v *= depth
        side = next(column)
        side *= inverse
        side *= np.sqrt(inverse)
        np.clip(side, COARSEST, SIZE, out=side)
        # The power of 2 below: the mantissa's bits cleared.
        side.view(np.int32)[...] &= 0x7F800000
        row = next(column)
        row += v
        row -= np.floor(v)
        row += PITCH / 2 - 0.5
        row *= side
        row -= 0.5
        across = u - np.floor(u)
        across += PITCH / 2 - 0.5 - 2 * PITCH
        across *= side
        across += 2 * PITCH * SIZE - 0.5
        picture = cv2.remap(texels, across, row, cv2.INTER_LINEAR).astype(np.float32)
        picture *= picture

        left, scale, top, rise = (next(column) for _ in range(4))
        scale *= u
        left += scale
        rise *= v
        top += rise
        np.clip(top, 0, CELL - 1, out=top)
        top += next(column)
        light = cv2.remap(self.light_map, left, top, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        tint = torch.from_numpy((frames.tint / 255**2).astype(np.float32))
        picture *= tint.index_select(0, which).numpy().reshape(height, width, 3)
        picture *= cv2.merge([light] * 3)
        ground = (frames.origin[:, 2] == 0) & (frames.right[:, 2] == 0) & (frames.down[:, 2] == 0)
        if self.sky:
            depth[(numbers < 6) & (numbers != GROUND)] = np.inf
        on_floor = torch.from_numpy(ground).index_select(0, which).reshape(height, width)
        return Backdrop(torch.from_numpy(picture), torch.from_numpy(depth), on_floor)

    def _in_sight(self, K, R, C, height, width) -> tuple[np.ndarray, np.ndarray]:
        """Which boxes and balls are drawn: near the picture, and of pieces not in the way."""
        place = np.concatenate([self.centre, self.balls[:, :3]])
        reach = np.concatenate([np.linalg.norm(self.half, axis=1), self.balls[:, 3]])
        at = (place - C) @ R.T
        slope = np.array([width, height]) / np.diag(K)[:2]  # a generous half of the field of view
        inside = (
            np.abs(at[:, :2]) - 1.5 * reach[:, None] < slope * (at[:, 2:] + reach[:, None])
        ).all(1)
        inside &= at[:, 2] > -reach
        inside &= ~self._in_the_way(place, reach, C)[self.piece]
        shown = np.flatnonzero(inside)
        boxes = shown[shown < len(self.centre)]
        return boxes, shown[len(boxes) :] - len(self.centre)

    def _in_the_way(self, place, reach, C) -> np.ndarray:
        """Per piece, whether it stands at the camera or hides most of a clear place, (P,) bool."""
        pieces = int(self.piece.max(initial=-1)) + 1
        flat = np.concatenate([np.hypot(*self.half[:, :2].T), self.balls[:, 3]])
        gone = np.zeros(pieces, bool)
        x, y = (C - self.centre)[:, :2].T
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        beside = np.abs(np.stack([cos * x + sin * y, cos * y - sin * x], 1)) - self.half[:, :2]
        away = np.hypot(*np.maximum(beside, 0).T)
        round_ = np.hypot(*(self.balls[:, :2] - C[:2]).T) - self.balls[:, 3]
        gone[self.piece[np.concatenate([away, round_]) < STANDOFF]] = True
        # A wall between the camera and the room is left out, with what leans on it.
        leaning = (place - self.low < LEANING) & (self.low > C)
        leaning |= (self.high - place < LEANING) & (self.high < C)
        gone[self.piece[leaning[:, :2].any(1)]] = True
        tall = np.concatenate([self.half[:, 2], self.balls[:, 3]])
        for x, y, _ in self.clear:
            line = np.array([x, y]) - C[:2]
            distance = max(np.hypot(*line), 1.0)
            along = (place[:, :2] - C[:2]) @ line / distance
            aside = (place[:, :2] - C[:2]) @ np.array([-line[1], line[0]]) / distance
            before = (along > 0.3 * STANDOFF) & (along < distance)
            grown = distance / np.maximum(along, 1.0)
            # The part of a 700 mm x 1.7 m person that is covered: width times height.
            left = np.maximum((aside - 0.8 * flat) * grown, -350)
            right = np.minimum((aside + 0.8 * flat) * grown, 350)
            bottom = np.maximum(C[2] + (place[:, 2] - tall - C[2]) * grown, 0)
            top = np.minimum(C[2] + (place[:, 2] + tall - C[2]) * grown, 1700)
            cover = np.maximum(right - left, 0) * np.maximum(top - bottom, 0) / (700 * 1700)
            hidden = np.zeros(pieces)
            np.add.at(hidden, self.piece[before], cover[before])
            gone |= hidden > HIDE
        return gone

    def _box_faces(self, C, boxes) -> tuple[Frames, np.ndarray, np.ndarray]:
        """The boxes' faces turned to the camera, their corners, and which box each is of."""
        centre, half, size = self.centre[boxes], self.half[boxes], self.size[boxes]
        cos, sin, zero = np.cos(self.yaw[boxes]), np.sin(self.yaw[boxes]), 0 * size
        axes = np.stack(
            [
                np.stack([cos, sin, zero], -1),
                np.stack([-sin, cos, zero], -1),
                np.stack([zero, zero, zero + 1], -1),
            ],
            axis=1,
        )  # (n, axis, 3)
        local = np.einsum("nc,nac->na", C - centre, axes)
        owner, axis = np.nonzero(np.abs(local) > half)
        sign = np.sign(local[owner, axis])
        i, j = _OTHERS[axis].T
        right, up, out = axes[owner, i], axes[owner, j], axes[owner, axis]
        half_right, half_up = half[owner, i], half[owner, j]
        middle = centre[owner] + (sign * half[owner, axis])[:, None] * out
        across = half_right[:, None] * right
        along = half_up[:, None] * up
        corners = middle[:, None] + np.stack(
            [along - across, along + across, across - along, -across - along], 1
        )
        front = (axis == 1) & (sign < 0) & (self.tile[boxes][owner, 1] >= 0)
        wide = np.where(front, 2 * half_right, size[owner])
        tall = np.where(front, 2 * half_up, size[owner])
        # A box's texture begins somewhere of its own; a front is centred.
        phase = np.where(front, 0.5, (boxes[owner] * 0.377) % 1)
        # Upright, it begins at the foot: a house's storeys stand on the ground.
        rise = np.where(front, half_up, -half_up)
        origin = middle - (phase * wide)[:, None] * right + rise[:, None] * up
        lit = np.zeros((len(owner), 5))
        # Sides darken towards the floor: the cell's row is 1 - z / SHADED.
        upright = axis < 2
        lit[:, 2] = np.where(upright, 1 - origin[:, 2] / SHADED, 0)
        lit[:, 3] = np.where(upright, tall / SHADED, 0)
        lit[:, 4] = np.where(upright, SIDE, EVEN)
        frames = Frames(
            origin=origin,
            right=wide[:, None] * right,
            down=-tall[:, None] * up,
            tile=np.where(front, self.tile[boxes][owner, 1], self.tile[boxes][owner, 0]),
            tint=self.tints[boxes][owner, 2 * axis + (sign > 0)],
            lit=lit,
        )
        return frames, corners, owner

    def _ball_faces(self, K, R, C, balls) -> tuple[np.ndarray, Frames]:
        """The blobs as ragged discs that face the camera: outlines in 1/16 px, and frames."""
        middle, radius = self.balls[balls, :3], self.balls[balls, 3]
        points = project(middle, K, R, C)
        depth = np.maximum(points[:, 2:], NEAR)
        spread = radius[:, None] / depth * np.diag(K)[:2]
        ragged = _ragged()[balls % len(_ragged())]
        outlines = points[:, None, :2] + spread[:, None] * ragged
        corner = middle - 1.2 * radius[:, None] * (R[0] + R[1])
        size = np.full_like(radius, 1400.0)
        lit = np.zeros((len(balls), 5))
        lit[:, 1] = lit[:, 3] = size / (2.4 * radius)
        lit[:, 4] = BALL
        ones = np.ones((len(balls), 1))
        frames = Frames(
            origin=corner,
            right=size[:, None] * R[0] * ones,
            down=size[:, None] * R[1] * ones,
            tile=self.ball_tile[balls],
            tint=self.ball_tint[balls],
            lit=lit,
        )
        return np.rint(outlines * 16).clip(-(2**18), 2**18).astype(np.int32), frames


@cache
def _ragged() -> np.ndarray:
    """Outlines of foliage: (8, 56, 2) points about the unit circle, lobed and jagged."""
    rng = np.random.default_rng(8)
    angle = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    radius = 1 + 0.0 * rng.random((8, 56))
    for waves, size in ((3, 0.10), (5, 0.08), (9, 0.06)):
        radius += size * np.sin(waves * angle + rng.uniform(0, 6.3, (8, 1)))
    radius += rng.uniform(-0.10, 0.10, (8, 56))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


def _shell(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The corners of the six faces of a box, (6, 4, 3)."""
    (a, b, c), (d, e, f) = low, high
    return np.array(
        [
            [(a, b, c), (d, b, c), (d, e, c), (a, e, c)],
            [(a, b, f), (d, b, f), (d, e, f), (a, e, f)],
            [(a, b, f), (a, e, f), (a, e, c), (a, b, c)],
            [(d, b, f), (d, e, f), (d, e, c), (d, b, c)],
            [(a, b, f), (d, b, f), (d, b, c), (a, b, c)],
            [(a, e, f), (d, e, f), (d, e, c), (a, e, c)],
        ]
    )


def _facing(frames: Frames, C: np.ndarray) -> np.ndarray:
    """Which frames turn the side to the camera on which right x down points away from it."""
    return ((frames.origin - C) * np.cross(frames.right, frames.down)).sum(1) > 0


def _join(frames: list[Frames]) -> Frames:
    """All frames in one."""
    return Frames(
        *(np.concatenate([getattr(f, field.name) for f in frames]) for field in fields(Frames))
    )
