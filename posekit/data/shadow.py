"""The shadow that people throw in the key light: on each other, on themselves, and on the floor.

The light takes a picture of the people (the shadow map of Williams, "Casting curved shadows on
curved surfaces", SIGGRAPH 1978): what is farther away than what it sees lies in shadow.

P people, V vertices, N points. World: mm, z up, floor at 0. Camera: mm.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from posekit.camera import Camera
from posekit.data.light import Lights
from posekit.data.rooms import Backdrop
from posekit.render import rasterise

SIDE = 192  # px of the light's picture
BIAS = 25.0  # mm, so that no surface shades itself
SOFT = 1.5  # px, of the shadow's edge on the floor


class Shadow:
    """What the key light does not reach, since somebody is in its way."""

    def __init__(
        self, vertices: Float[Tensor, "P V 3"], faces: Int64[Tensor, "F 3"], lights: Lights
    ):
        self.lit = lights
        self.shaded = replace(lights, directions=lights.directions[1:], colours=lights.colours[1:])
        forward = -lights.directions[0].double()
        right = torch.linalg.cross(forward, torch.tensor([0.0, 0.6, 0.8]).double())
        right = right / right.norm()
        self.axes = torch.stack([right, torch.linalg.cross(forward, right), forward])
        places = vertices.double().view(-1, 3) @ self.axes.T
        self.corner = places.amin(0) - 1.0
        self.scale = (SIDE - 1) / (places.amax(0) - self.corner)[:2].max()
        points = self._points(places)
        raster = rasterise(points[None].float(), faces, SIDE, SIDE, cull=None, near=0.5)
        self.depth = raster.depth.view(-1)

    def on(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        """Which world points lie in the shadow."""
        at = self._points(points @ self.axes.T)
        column, row = at[:, 0].round().long(), at[:, 1].round().long()
        inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
        nearest = self.depth[(row * SIDE + column).where(inside, 0)]
        return inside & (at[:, 2] > nearest + BIAS)

    def _points(self, places: Tensor) -> Tensor:
        """In the light's picture: px, px, mm from where the light enters."""
        return torch.cat(
            [(places[:, :2] - self.corner[:2]) * self.scale, places[:, 2:] - self.corner[2:]], dim=1
        )


def cast_on_floor(
    shadow: Shadow, view: Backdrop, K: Float[np.ndarray, "3 3"], camera: Camera
) -> Float[np.ndarray, "H W 3"]:
    """The surroundings' light, darker on the floor where people stand in the key light."""
    light = view.colour.numpy().copy()
    row, column = np.nonzero(view.floor.numpy())
    pixels = np.stack([column, row, np.ones_like(row)])
    rays = np.linalg.inv(K) @ pixels * view.depth.numpy()[row, column]
    dark = shadow.on(camera.camera_to_world(torch.from_numpy(rays.T))).numpy()
    if not dark.any():
        return light
    soft = np.zeros(tuple(view.floor.shape), dtype=np.float32)
    soft[row[dark], column[dark]] = 1
    soft = cv2.GaussianBlur(soft, (0, 0), SOFT)
    up = torch.tensor([[0.0, 0.0, 1.0]])
    white = torch.ones(1, 3)
    kept = (shadow.shaded.shade(up, white) / shadow.lit.shade(up, white)).numpy()
    light *= 1 - soft[..., None] * (1 - kept)
    return light
