"""Light map of a generated place: dark corners, lamps, patches of sun, shadows on the floor.

An image of cells CELL texels square: those that all places share, then one for each face of the
shell. Texels multiply the light of `Lights.shade`.

World: millimetres. N boxes, M balls.
"""

from functools import cache

import cv2
import numpy as np

from posekit.studio.scene.scenery import CELL, GROUND

COARSE = 16  # texels of a side to compute a room's soft light at, before it is enlarged to a cell
_CORNERS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


class LightMap:
    """The light map of a place between `low` and `high` with its key light in the direction `key`."""

    def __init__(self, low: np.ndarray, high: np.ndarray, key: np.ndarray, sky: bool):
        self.low, self.high, self.key, self.sky = low, high, key, sky
        # What the floor's cell covers: the whole of a room, some metres outdoors.
        self.lawn = np.array([low[:2], high[:2]])
        if sky:
            self.lawn = self.lawn.clip(-14000, 14000)
        self.floor = np.ones((CELL, CELL), np.float32)

    def beam(self, corners: np.ndarray) -> None:
        """Add sunlight on the floor between corners (4, 2)."""
        patch = np.zeros((CELL, CELL), np.float32)
        cv2.fillConvexPoly(patch, self._texels(corners), 1.0, 8, 4)
        self.floor += 0.9 * cv2.blur(patch, (3, 3))

    def shadows(self, centre, half, yaw, balls, blur, strength) -> None:
        """Darken the floor by the key light's shadow of the pieces, and where they stand.

        Boxes by `centre` (N, 3), `half` (N, 3) and `yaw` (N,), balls (M, 4); `blur` in texels,
        `strength` the share of light that is lost.
        """
        slope = self.key[:2] / max(self.key[2], 0.3)
        cast, contact = np.zeros((2, CELL, CELL), np.float32)
        turned = _CORNERS * half[:, None]
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, _ = np.moveaxis(turned, -1, 0)
        corners = np.stack([cos * x - sin * y, sin * x + cos * y], -1) + centre[:, None, :2]
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
        self.floor *= 1 - strength * _soft(cast, blur)
        texel = CELL * 220 / (self.lawn[1] - self.lawn[0]).mean()
        self.floor *= 1 - 0.5 * _soft(contact, max(texel, 0.6))

    def cells(self, corner, lamp: np.ndarray | None) -> np.ndarray:
        """The light map (9 CELL, CELL).

        `corner` is how much darker a room's edges are, `lamp` (3,) a bright place.
        """
        cells = np.ones((9, CELL, CELL), np.float32)
        cells[:3] = _common_cells()
        if not self.sky:
            grid = (np.arange(COARSE) + 0.5) / COARSE
            span = self.high - self.low
            # The same from both ends, so that walls, whose rows run down, need no other.
            edges = [_edges(grid * length, length, corner) for length in span.tolist()]
            for face in range(6):
                i, j = ((0, 1), (0, 1), (1, 2), (1, 2), (0, 2), (0, 2))[face]
                down = 1 - grid if j == 2 else grid
                a, b = self.low[i] + grid * span[i], self.low[j] + down * span[j]
                cell = np.outer(edges[j], edges[i])
                if lamp is not None:
                    k = 3 - i - j
                    plane = (self.low, self.high)[face % 2][k]
                    apart = (a - lamp[i])[None] ** 2 + (b - lamp[j])[:, None] ** 2
                    cell *= 0.72 + 0.75 / (1 + (apart + (plane - lamp[k]) ** 2) / 2200.0**2)
                cells[3 + face] = cv2.resize(cell.astype(np.float32), (CELL, CELL))
        cells[3 + GROUND] *= self.floor
        return cells.reshape(-1, CELL)

    def _texels(self, points: np.ndarray) -> np.ndarray:
        """Texels of the floor's cell, in sixteenths, from points on the floor (..., 2)."""
        low, high = self.lawn
        return np.rint((points - low) / (high - low) * (CELL - 1) * 16).astype(np.int32)


@cache
def _common_cells() -> np.ndarray:
    """The cells that all places share: even light, a side that darkens down, a ball."""
    grid = np.linspace(0, 1, CELL, dtype=np.float32)
    side = np.repeat((1 - 0.5 * grid**2)[:, None], CELL, 1)
    y, x = np.meshgrid(2 * grid - 1, 2 * grid - 1, indexing="ij")
    ball = np.clip(0.72 - 0.45 * y - 0.12 * x - 0.15 * (x * x + y * y), 0.25, 1.1)
    return np.stack([np.ones_like(side), side, ball])


def _edges(at: np.ndarray, length, depth) -> np.ndarray:
    """Light along a room, less near both ends: 1 - depth exp(-distance / 450 mm)."""
    return (1 - depth * np.exp(-at / 450)) * (1 - depth * np.exp((at - length) / 450))


def _soft(mask: np.ndarray, blur) -> np.ndarray:
    """A mask blurred twice by a box of about the deviation `blur`, texels."""
    side = 2 * round(blur * 1.2) + 1
    return cv2.blur(cv2.blur(mask, (side, side)), (side, side))
