"""Shadows of people in the key light: on each other, on themselves, and on the floor.

A depth image of the people seen from the light is the shadow map (Williams, "Casting curved shadows
on curved surfaces", SIGGRAPH 1978): a point farther from the light than its depth lies in shadow.

P people, V vertices, N points. World: mm, z up, floor at 0. Camera: mm.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from posekit.geometry.camera import Camera
from posekit.geometry.render import rasterise
from posekit.studio.scene.light import Lights
from posekit.studio.scene.scenery import Backdrop

SIDE = 160  # px of the shadow map
BIAS = 25.0  # mm, so that no surface shades itself
SOFT = 1.5  # px, of the shadow's edge on the floor


class Shadow:
    """The shadow map of people in the key light."""

    def __init__(
        self, vertices: Float[Tensor, "P V 3"], faces: Int64[Tensor, "F 3"], lights: Lights
    ):
        self.lights = lights
        forward = -lights.directions[0]
        right = torch.linalg.cross(forward, torch.tensor([0.0, 0.6, 0.8]))
        right = right / right.norm()
        self.axes = torch.stack([right, torch.linalg.cross(forward, right), forward])
        flat = vertices.reshape(-1, 3)
        places = flat @ self.axes.T
        self.corner = places.amin(0) - 1.0
        self.scale = (SIDE - 1) / float((places.amax(0) - self.corner)[:2].max())
        raster = rasterise(self._points(places)[None], faces, SIDE, SIDE, near=0.5)
        self.depth = raster.depth.view(-1)
        self.silhouette = raster.silhouette[0].float().numpy()

    def reached(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """1 where the key light reaches a world point, 0 where something is in between."""
        at = self._points(points @ self.axes.T)
        column, row = at[:, :2].round().long().clamp(0, SIDE - 1).unbind(1)
        nearest = self.depth.index_select(0, row * SIDE + column)
        return (at[:, 2] <= nearest + BIAS).to(points)

    def _points(self, places: Tensor) -> Tensor:
        """Coordinates in the shadow map, px, px and mm of depth, from points in the light's axes."""
        from_corner = places - self.corner
        return torch.cat([from_corner[:, :2] * self.scale, from_corner[:, 2:]], dim=1)


def cast_on_floor(
    shadow: Shadow, view: Backdrop, K: Float[np.ndarray, "3 3"], camera: Camera
) -> Float[np.ndarray, "H W 3"]:
    """Linear light of the surroundings, darker on the floor where people stand in the key light.

    Nobody is under the floor, so a floor point is dark where the shadow map shows anybody; a
    homography leads from the camera's pixels over the floor to the shadow map.
    """
    light = view.colour.numpy()
    rays = camera.rotation.numpy().T @ np.linalg.inv(K)  # world directions of homogeneous pixels
    centre = camera.centre.numpy()
    # The ray C + s d meets z = 0 at s = -C_z / d_z.
    on_floor = np.outer(centre, rays[2]) - centre[2] * rays
    to_light = shadow.axes.double().numpy()
    across = shadow.scale * (to_light[:2] @ on_floor - np.outer(shadow.corner[:2], rays[2]))
    height, width = view.floor.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    homography = np.vstack([across, rays[2]])
    dark = cv2.warpPerspective(shadow.silhouette, homography, (width, height), flags=flags)
    dark *= view.floor.numpy()
    left, top, wide, high = cv2.boundingRect((dark > 0).astype(np.uint8))
    if not wide:
        return light
    edge = int(3 * SOFT)
    rows = slice(max(top - edge, 0), top + high + edge)
    columns = slice(max(left - edge, 0), left + wide + edge)
    soft = cv2.GaussianBlur(dark[rows, columns], (0, 0), SOFT)
    up, key = torch.tensor([[0.0, 0.0, 1.0]] * 2), torch.tensor([[0.0], [1.0]])
    shaded, lit = shadow.lights.shade(up, torch.ones(2, 3), key).numpy()
    lost = 1 - shaded / lit
    light[rows, columns] *= 1 - soft[..., None] * lost
    return light
