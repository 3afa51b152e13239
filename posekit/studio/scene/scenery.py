"""Drawing of generated places: a box shell around the world, decals on it, boxes and balls of leaves.

Every face is planar, so its image is a homography: with P = O + u E_u + v E_v on the face and the
pixel p = (x, y, 1), K R (P - C) = z p gives

    (u, v, 1) / z = H p,    H = (K [R E_u, R E_v, R (O - C)])^-1,

and 1/z, u/z, v/z are affine in the pixel. The area that a pixel covers on the face, in tiles, is
|det H| z^3 (the homography's Jacobian), which chooses the mip level. Faces are painted from far to
near as numbers; colour and depth are then computed once per pixel.

World: millimetres, z up, the floor at z = 0. N boxes, M balls, D decals, P pieces (boxes and balls
that belong together), F faces.
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

CELL = 96  # texels of a side of a light map's cell
STANDOFF = 900.0  # mm around the camera where no piece may stand
HIDE = 0.45  # share of a person (a box 1.7 m tall) in a clear place that a piece may hide
LEANING = 700.0  # mm from a wall within which the middle of a box or ball belongs to that wall
GROUND, TOP, WALLS = 0, 1, range(2, 6)
"""The shell's faces: floor, ceiling, then the walls at low x, high x, low y, high y."""

EVEN, SIDE, BALL = 0, 1, 2
"""Cells of a light map: constant, darker below, a ball lit from above; then the shell's six."""

SHADED = 900.0  # mm above the floor up to which furniture is darker
_AXES = [2, 2, 0, 0, 1, 1]
_OTHERS = np.array([[1, 2], [0, 2], [0, 1]])


@dataclass(frozen=True)
class Backdrop:
    """The surroundings as a camera sees them, without people."""

    colour: Float[Tensor, "H W 3"]  # linear light, 0 to about 1.5
    depth: Float[Tensor, "H W"]  # z, mm; inf: the sky
    floor: Bool[Tensor, "H W"]  # where z = 0 is seen


@dataclass(frozen=True)
class Planes:
    """Textured planes origin + u right + v down, (u, v) counted in tiles."""

    origin: np.ndarray  # (F, 3) mm
    right: np.ndarray  # (F, 3) mm a tile
    down: np.ndarray  # (F, 3) mm a tile
    tile: np.ndarray  # (F,) row of the atlas
    tint: np.ndarray  # (F, 3) times the tile's albedo
    lit: np.ndarray  # (F, 5): texel = (l0 + l1 u, l2 + l3 v) of the light map's cell l4


@dataclass(frozen=True)
class Boxes:
    """Boxes that stand on their bottom, turned about the vertical."""

    centre: np.ndarray  # (N, 3) mm
    half: np.ndarray  # (N, 3) mm
    yaw: np.ndarray  # (N,) radians
    tile: np.ndarray  # (N, 2) of the box, of its front (low y): -1 as the box
    size: np.ndarray  # (N,) mm a tile
    tint: np.ndarray  # (N, 6, 3), low x, high x, low y, ...
    piece: np.ndarray  # (N,) the piece it belongs to


@dataclass(frozen=True)
class Balls:
    """Balls of leaves."""

    place: np.ndarray  # (M, 4) centre and radius, mm
    tile: np.ndarray  # (M,)
    tint: np.ndarray  # (M, 3)
    piece: np.ndarray  # (M,) the piece it belongs to


@dataclass(frozen=True)
class Stage:
    """A place around people, to be seen from anywhere."""

    lights: Lights
    low: np.ndarray  # (3,) the shell, mm
    high: np.ndarray
    sky: bool  # whether walls and ceiling are infinitely far
    planes: Planes  # the six faces of the shell, then the decals on walls and floor
    corners: np.ndarray  # (D, 4, 3) of the decals, mm
    boxes: Boxes
    balls: Balls
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
        """The image of a camera at `centre` (world, mm), `rotation` world to camera.

        A camera outside the room sees it without the wall between. Pieces in the camera's way, or
        that hide most of a `clear` place, are left out.
        """
        K, R, C = (value.double().numpy() for value in (K, rotation, centre))
        box_rows, ball_rows = self._in_sight(K, R, C, height, width)
        boxes, balls = _rows(self.boxes, box_rows), _rows(self.balls, ball_rows)
        sides, side_corners, owner = _box_sides(C, boxes, box_rows)
        shell = _shell(np.minimum(self.low, C - 500), np.maximum(self.high, C + 500))
        outlines, discs = _ball_discs(K, R, C, balls, ball_rows)
        # The plane itself moves with a wall that stepped back behind the camera.
        origin = self.planes.origin.copy()
        origin[range(6), _AXES] = shell[range(6), 0, _AXES]
        planes = _join([replace(self.planes, origin=origin), sides, discs])

        first_side = len(origin)
        first_disc = first_side + len(owner)
        # Decals show on the side from which right x down points away.
        outward = np.cross(self.planes.right, self.planes.down)
        facing = ((self.planes.origin - C) * outward).sum(1) > 0
        order = [*range(6), *(6 + np.flatnonzero(facing[6:])).tolist()]
        of_item = [[] for _ in box_rows] + [[first_disc + k] for k in range(len(ball_rows))]
        for k, item in enumerate(owner.tolist()):
            of_item[item].append(first_side + k)
        middle = np.concatenate([boxes.centre, balls.place[:, :3]])
        half = np.concatenate([boxes.half, 0.9 * balls.place[:, 3:].repeat(3, 1)])
        yaw = np.concatenate([boxes.yaw, np.zeros(len(ball_rows))])
        for item in far_to_near(middle, half, yaw, C):
            order += of_item[item]

        numbers = np.zeros((height, width), np.int32)
        points = project(np.concatenate([shell, self.corners, side_corners]), K, R, C)
        limit = 4.0 * max(height, width)
        whole = (points[..., 2] > NEAR).all(1) & (np.abs(points[..., :2]) < limit).all((1, 2))
        fixed = np.rint(np.where(whole[:, None, None], points[..., :2], 0) * 16).astype(np.int32)
        for face in order:
            if face >= first_disc:
                cv2.fillPoly(numbers, [outlines[face - first_disc]], face, 8, 4)
                continue
            polygon = fixed[face] if whole[face] else clip(points[face], limit)
            if len(polygon) > 2:
                cv2.fillConvexPoly(numbers, polygon, face, 8, 4)
        return self._shade(numbers, planes, K, R, C)

    def _shade(self, numbers: np.ndarray, planes: Planes, K, R, C) -> Backdrop:
        """Colour and depth of every pixel from the number (H, W) of the plane that it shows."""
        height, width = numbers.shape
        matrices = np.stack([planes.right @ R.T, planes.down @ R.T, (planes.origin - C) @ R.T], -1)
        H = np.linalg.inv(K @ matrices)
        finest = np.abs(np.linalg.det(H)) ** -0.5
        light = np.concatenate([planes.lit[:, :4] * (CELL - 1), planes.lit[:, 4:] * CELL], axis=1)
        table = np.column_stack([H.reshape(-1, 9), finest, PITCH * planes.tile, light])
        table = torch.from_numpy(np.ascontiguousarray(table.T, dtype=np.float32))
        which = torch.from_numpy(numbers).flatten().long()
        column = (row.index_select(0, which).numpy().reshape(height, width) for row in table)
        x = np.arange(width, dtype=np.float32)
        y = np.arange(height, dtype=np.float32)[:, None]

        u, v, inverse = (next(column) * x + next(column) * y + next(column) for _ in range(3))
        # An edge's pixel may lie just outside its face, where a plane seen edge-on ends.
        inverse = np.maximum(inverse, 1e-7)
        depth = 1 / inverse
        u, v = u * depth, v * depth
        side = np.clip(next(column) * inverse * np.sqrt(inverse), COARSEST, SIZE)
        # The power of 2 below: the mantissa's bits cleared.
        side.view(np.int32)[...] &= 0x7F800000
        row = (next(column) + v - np.floor(v) + (PITCH / 2 - 0.5)) * side - 0.5
        across = (u - np.floor(u) + (PITCH / 2 - 0.5 - 2 * PITCH)) * side
        across += 2 * PITCH * SIZE - 0.5
        picture = cv2.remap(atlas().texels, across, row, cv2.INTER_LINEAR).astype(np.float32)
        picture *= picture

        left = next(column) + next(column) * u
        top = np.clip(next(column) + next(column) * v, 0, CELL - 1) + next(column)
        light = cv2.remap(self.light_map, left, top, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        tint = torch.from_numpy((planes.tint / 255**2).astype(np.float32))
        picture *= tint.index_select(0, which).numpy().reshape(height, width, 3)
        picture *= cv2.merge([light] * 3)
        ground = (planes.origin[:, 2] == 0) & (planes.right[:, 2] == 0) & (planes.down[:, 2] == 0)
        if self.sky:
            depth[(numbers < 6) & (numbers != GROUND)] = np.inf
        on_floor = torch.from_numpy(ground).index_select(0, which).reshape(height, width)
        return Backdrop(torch.from_numpy(picture), torch.from_numpy(depth), on_floor)

    def _in_sight(self, K, R, C, height, width) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the boxes and balls to draw: near the picture, of pieces not in the way."""
        place = np.concatenate([self.boxes.centre, self.balls.place[:, :3]])
        radius = np.concatenate([np.linalg.norm(self.boxes.half, axis=1), self.balls.place[:, 3]])
        at = (place - C) @ R.T
        slope = np.array([width, height]) / np.diag(K)[:2]  # a generous half of the field of view
        edge = slope * (at[:, 2:] + radius[:, None])
        inside = (np.abs(at[:, :2]) - 1.5 * radius[:, None] < edge).all(1)
        inside &= at[:, 2] > -radius
        piece = np.concatenate([self.boxes.piece, self.balls.piece])
        inside &= ~self._in_the_way(place, piece, C)[piece]
        shown, count = np.flatnonzero(inside), len(self.boxes.centre)
        return shown[shown < count], shown[shown >= count] - count

    def _in_the_way(self, place: np.ndarray, piece: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Mask (P,) of the pieces that stand at the camera or hide most of a clear place."""
        boxes, balls = self.boxes, self.balls.place
        gone = np.zeros(int(piece.max(initial=-1)) + 1, bool)
        x, y = (C - boxes.centre)[:, :2].T
        cos, sin = np.cos(boxes.yaw), np.sin(boxes.yaw)
        beside = np.abs(np.stack([cos * x + sin * y, cos * y - sin * x], 1)) - boxes.half[:, :2]
        to_boxes = np.hypot(*np.maximum(beside, 0).T)
        to_balls = np.hypot(*(balls[:, :2] - C[:2]).T) - balls[:, 3]
        gone[piece[np.concatenate([to_boxes, to_balls]) < STANDOFF]] = True
        # A wall between the camera and the room is left out, with what leans on it.
        leaning = (place - self.low < LEANING) & (self.low > C)
        leaning |= (self.high - place < LEANING) & (self.high < C)
        gone[piece[leaning[:, :2].any(1)]] = True
        wide = np.concatenate([np.hypot(*boxes.half[:, :2].T), balls[:, 3]])
        tall = np.concatenate([boxes.half[:, 2], balls[:, 3]])
        for x, y, _ in self.clear:
            line = np.array([x, y]) - C[:2]
            distance = max(np.hypot(*line), 1.0)
            along = (place[:, :2] - C[:2]) @ line / distance
            aside = (place[:, :2] - C[:2]) @ np.array([-line[1], line[0]]) / distance
            before = (along > 0.3 * STANDOFF) & (along < distance)
            grown = distance / np.maximum(along, 1.0)
            # The part of a 700 mm x 1.7 m person that is covered: width times height.
            left = np.maximum((aside - 0.8 * wide) * grown, -350)
            right = np.minimum((aside + 0.8 * wide) * grown, 350)
            bottom = np.maximum(C[2] + (place[:, 2] - tall - C[2]) * grown, 0)
            top = np.minimum(C[2] + (place[:, 2] + tall - C[2]) * grown, 1700)
            cover = np.maximum(right - left, 0) * np.maximum(top - bottom, 0) / (700 * 1700)
            hidden = np.zeros(len(gone))
            np.add.at(hidden, piece[before], cover[before])
            gone |= hidden > HIDE
        return gone


def _box_sides(
    C: np.ndarray, boxes: Boxes, rows: np.ndarray
) -> tuple[Planes, np.ndarray, np.ndarray]:
    """The S sides of boxes that face the camera, their corners (S, 4, 3), and their boxes (S,).

    `rows` are the boxes' numbers in their place, by which textures are shifted.
    """
    cos, sin, zero = np.cos(boxes.yaw), np.sin(boxes.yaw), 0 * boxes.size
    axes = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, zero + 1], -1).reshape(-1, 3, 3)
    local = np.einsum("nc,nac->na", C - boxes.centre, axes)
    owner, axis = np.nonzero(np.abs(local) > boxes.half)
    sign = np.sign(local[owner, axis])
    i, j = _OTHERS[axis].T
    right, up, out = axes[owner, i], axes[owner, j], axes[owner, axis]
    half_right, half_up = boxes.half[owner, i], boxes.half[owner, j]
    middle = boxes.centre[owner] + (sign * boxes.half[owner, axis])[:, None] * out
    across = half_right[:, None] * right
    along = half_up[:, None] * up
    corners = middle[:, None] + np.stack(
        [along - across, along + across, across - along, -across - along], 1
    )
    tile, front_tile = boxes.tile[owner].T
    front = (axis == 1) & (sign < 0) & (front_tile >= 0)
    wide = np.where(front, 2 * half_right, boxes.size[owner])
    tall = np.where(front, 2 * half_up, boxes.size[owner])
    # A box's texture begins somewhere of its own; a front is centred.
    phase = np.where(front, 0.5, (rows[owner] * 0.377) % 1)
    # Upright, it begins at the foot: a house's storeys stand on the ground.
    rise = np.where(front, half_up, -half_up)
    origin = middle - (phase * wide)[:, None] * right + rise[:, None] * up
    lit = np.zeros((len(owner), 5))
    # Sides darken towards the floor: the cell's row is 1 - z / SHADED.
    upright = axis < 2
    lit[:, 2] = np.where(upright, 1 - origin[:, 2] / SHADED, 0)
    lit[:, 3] = np.where(upright, tall / SHADED, 0)
    lit[:, 4] = np.where(upright, SIDE, EVEN)
    right, down = wide[:, None] * right, -tall[:, None] * up
    tint = boxes.tint[owner, 2 * axis + (sign > 0)]
    return Planes(origin, right, down, np.where(front, front_tile, tile), tint, lit), corners, owner


def _ball_discs(K, R, C, balls: Balls, rows: np.ndarray) -> tuple[np.ndarray, Planes]:
    """Balls as ragged discs that face the camera: outlines (m, 56, 2) in 1/16 px, and planes.

    `rows` are the balls' numbers in their place, by which outlines are chosen.
    """
    middle, radius = balls.place[:, :3], balls.place[:, 3]
    points = project(middle, K, R, C)
    depth = np.maximum(points[:, 2:], NEAR)
    spread = radius[:, None] / depth * np.diag(K)[:2]
    outlines = points[:, None, :2] + spread[:, None] * _ragged()[rows % len(_ragged())]
    corner = middle - 1.2 * radius[:, None] * (R[0] + R[1])
    size = np.full((len(radius), 1), 1400.0)
    lit = np.zeros((len(radius), 5))
    lit[:, 1] = lit[:, 3] = size[:, 0] / (2.4 * radius)
    lit[:, 4] = BALL
    planes = Planes(corner, size * R[0], size * R[1], balls.tile, balls.tint, lit)
    return np.rint(outlines * 16).clip(-(2**18), 2**18).astype(np.int32), planes


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


def _rows(table: Planes | Boxes | Balls, rows: np.ndarray):
    """Some planes, boxes or balls of a table."""
    return type(table)(*(getattr(table, field.name)[rows] for field in fields(table)))


def _join(tables: list[Planes]) -> Planes:
    """All planes in one."""
    names = [field.name for field in fields(Planes)]
    return Planes(*(np.concatenate([getattr(t, name) for t in tables]) for name in names))
