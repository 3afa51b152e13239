"""One photograph: people, light and surroundings become pixels and labels.

The lens's distortion bends people and their 2D joints alike, never the surroundings. People are
opaque; they hide each other and throw the key light's shadow on each other and on the floor.
Edges are smoothed over 2 x 2 samples a pixel, colours are taken at the nearest of the four.

P people, V vertices and F triangles of the body, J joints, S shape numbers, H x W pixels, N of them
covered by people. World: mm, z up, floor at 0. Camera: mm, x right, y down, z forward.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor

from posekit.body import Body, Posed, Rest
from posekit.camera import Camera
from posekit.data import lens, wardrobe
from posekit.data.cast import Person, figure, places
from posekit.data.light import Lights
from posekit.data.shadow import Shadow, cast_on_floor
from posekit.render import Raster, normals, rasterise

_LINEAR = wardrobe.decode(np.arange(256) / 255).astype(np.float32)
_IDENTITY = np.eye(3)
SAMPLES = 2  # a pixel and direction
NEAR = 100.0  # mm; nobody may stand nearer to the camera


@dataclass(frozen=True)
class Patch:
    """Something flat between people and camera, in the photograph's pixels."""

    picture: UInt8[np.ndarray, "h w 4"]  # RGBA
    left: float
    top: float
    scale: float


@dataclass(frozen=True)
class Scene:
    """All that a photograph shows."""

    body: Body
    people: tuple[Person, ...]
    camera: Camera
    surroundings: object  # with view(K, rotation, centre, height, width) -> Backdrop
    lights: Lights
    lens: lens.Lens
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True)
class Shot:
    """The pixels, and whose they are."""

    scene: Scene
    affine: Float[np.ndarray, "3 3"]  # from the camera's pixels to these
    image: UInt8[np.ndarray, "H W 3"]
    owner: Int8[np.ndarray, "H W"]  # which person is seen, -1 for none
    parts: UInt8[np.ndarray, "H W"]  # 0 nobody, 1 to 6 as LSP's
    front: Float[np.ndarray, "H W"]  # mm to the nearest surface; inf for none
    hidden: Float[np.ndarray, "H W"]  # share covered by patches or outside the photograph

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """Of the pixels of this shot, without the lens's distortion."""
        return _intrinsics(self.scene.camera, self.affine)


def shoot(
    scene: Scene,
    affine: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    frame: tuple[int, int] | None = None,
) -> Shot:
    """The scene's photograph, or the part of it that `affine` brings to height x width pixels.

    With `frame` (width, height of the photograph, px) what lies outside is black, as where a crop
    reaches over the edge of a picture. ValueError names a person who is behind the camera.
    """
    body, camera = scene.body, scene.camera
    posed = pose(scene)
    seen = camera.world_to_camera(posed.vertices)
    for k, depth in enumerate(seen[..., 2].amin(1).tolist()):
        if depth < NEAR:
            raise ValueError(f"person {k} reaches behind the camera; move one of them")
    points = torch.cat([pixels_of(camera, seen, affine), seen[..., 2:]], dim=2)
    count = len(scene.people)
    offsets = torch.arange(count)[:, None, None] * points.shape[1]
    faces = (body.faces + offsets).view(-1, 3)
    points = points.view(1, -1, 3)
    raster = rasterise(points, faces, height, width, near=NEAR, supersample=SAMPLES)
    K = _intrinsics(camera, affine)
    view = scene.surroundings.view(K, camera.rotation.numpy(), camera.centre.numpy(), height, width)
    nearest, share, front = _resolve(raster, view.depth.numpy())
    shadow = Shadow(posed.vertices, faces, scene.lights)
    covered = nearest.covered
    person = covered.face // len(body.faces)
    colour = _colour(scene, posed, covered, person, shadow)

    light = cast_on_floor(shadow, view, K, camera)
    owner = np.full((height, width), -1, dtype=np.int8)
    parts = np.zeros((height, width), dtype=np.uint8)
    pixels = _whole(covered.pixels, width).numpy()
    alpha = share.reshape(-1)[pixels]
    flat = light.reshape(-1, 3)
    flat[pixels] += alpha[:, None] * (colour - flat[pixels])
    mostly = alpha >= 0.5
    owner.reshape(-1)[pixels[mostly]] = person.numpy()[mostly]
    part = body.parts[covered.face - person * len(body.faces)]
    parts.reshape(-1)[pixels[mostly]] = part.numpy()[mostly]
    hidden = np.zeros((height, width), dtype=np.float32)
    for patch in scene.patches:
        _paste(patch, affine, light, hidden)
    if frame is not None:
        outside = _outside(affine, height, width, frame)
        hidden = np.maximum(hidden, outside)
    owner[hidden > 0.5] = -1
    parts[hidden > 0.5] = 0
    image = lens.expose(light, scene.lens)
    if frame is not None:
        image[outside > 0.5] = 0
    return Shot(scene, affine, image, owner, parts, front, hidden)


def pose(scene: Scene, naked: bool = False) -> Posed:
    """The scene's people in the world, with what they wear or without."""
    people = scene.people
    rest = Rest(
        torch.cat([p.rest.vertices if naked else p.dressed for p in people]),
        torch.cat([p.rest.joints for p in people]),
    )
    return scene.body.pose(
        rest,
        torch.stack([p.rotations for p in people]),
        torch.stack([p.translation for p in people]),
    )


def outline(
    scene: Scene, who: int, affine: Float[np.ndarray, "3 3"] = _IDENTITY
) -> Float[np.ndarray, "4"]:
    """The box around all of a person, seen or not: left, top, width, height, px."""
    posed = pose(replace(scene, people=(scene.people[who],)))
    surface = scene.camera.world_to_camera(posed.vertices)
    pixels = pixels_of(scene.camera, surface, affine)[0].numpy()
    corner = pixels.min(0)
    return np.concatenate([corner, pixels.max(0) - corner])


def pixels_of(camera: Camera, points: Tensor, affine: np.ndarray) -> Tensor:
    """Camera points in the pixels of a shot."""
    x, y = camera.project(points).unbind(-1)
    (a, b, c), (d, e, f), _ = affine.tolist()
    return torch.stack([a * x + b * y + c, d * x + e * y + f], dim=-1)


def _intrinsics(camera: Camera, affine: np.ndarray) -> np.ndarray:
    (fx, fy), (cx, cy) = camera.focal.tolist(), camera.principal.tolist()
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return affine @ K


def _resolve(raster: Raster, behind: np.ndarray) -> tuple[Raster, np.ndarray, np.ndarray]:
    """The raster with only the nearest sample of each pixel, the share of each pixel's samples in
    front of what is behind, and the depth of the nearest surface."""
    height, width = behind.shape
    keys = raster.keys[0]
    four = torch.stack([keys[i::SAMPLES, j::SAMPLES] for i in range(2) for j in range(2)])
    best, which = four.view(4, -1).max(0)
    pixels = best.nonzero().squeeze(1)
    which = which[pixels]
    row, column = pixels // width, pixels % width
    place = (row * SAMPLES + which // 2) * (width * SAMPLES) + column * SAMPLES + which % 2
    chosen = torch.zeros_like(keys)
    chosen.view(-1)[place] = best[pixels]
    nearest = replace(raster, keys=chosen[None])
    depth = nearest.covered.depth.numpy()
    flat = pixels.numpy()
    front = behind.copy().reshape(-1)
    free = depth < front[flat]
    share = np.zeros(height * width, dtype=np.float32)
    share[flat] = (four.view(4, -1) > 0)[:, pixels].sum(0).numpy() * (free / SAMPLES**2)
    front[flat] = np.minimum(front[flat], depth)
    return nearest, share.reshape(height, width), front.reshape(height, width)


def _whole(samples: Tensor, width: int) -> Tensor:
    """Which pixel a sample lies in."""
    row, column = samples // (width * SAMPLES), samples % (width * SAMPLES)
    return row // SAMPLES * width + column // SAMPLES


def _colour(scene: Scene, posed: Posed, covered, person: Tensor, shadow: Shadow) -> np.ndarray:
    """Light that the covered points of the people send out, (N, 3)."""
    body = scene.body
    count = len(scene.people)
    cut = torch.from_numpy(places(body)).expand(count, -1, -1)
    across = torch.cat([cut, normals(posed.vertices, body.faces), posed.vertices], dim=2)
    at = covered.interpolate(across.view(1, -1, 9))
    albedo = np.empty((len(at), 3), dtype=np.float32)
    tips = np.empty((len(at), 3), dtype=np.float32)
    where = at[:, :3].numpy()
    for k, each in enumerate(scene.people):
        own = np.flatnonzero(person.numpy() == k)
        albedo[own], tips[own] = wardrobe.paint(each.look, figure(body), where[own])
    normal = torch.nn.functional.normalize(at[:, 3:6] + torch.from_numpy(tips), dim=1)
    paint = torch.from_numpy(albedo)
    light = scene.lights.shade(normal, paint)
    dark = shadow.on(at[:, 6:9].double()).nonzero().squeeze(1)
    light[dark] = shadow.shaded.shade(normal[dark], paint[dark])
    return light.numpy()


def _paste(patch: Patch, affine: np.ndarray, light: np.ndarray, hidden: np.ndarray) -> None:
    """Lay a patch over the light, in place, and note what it hides."""
    height, width = hidden.shape
    place = np.array([[patch.scale, 0, patch.left], [0, patch.scale, patch.top], [0, 0, 1]])
    alpha = patch.picture[..., 3:].astype(np.float32) / 255
    ink = np.concatenate([_LINEAR[patch.picture[..., :3]] * alpha, alpha], axis=2)
    ink = cv2.warpAffine(ink, (affine @ place)[:2], (width, height), flags=cv2.INTER_LINEAR)
    light *= 1 - ink[..., 3:]
    light += ink[..., :3]
    np.maximum(hidden, ink[..., 3], out=hidden)


def _outside(
    affine: np.ndarray, height: int, width: int, frame: tuple[int, int]
) -> Float[np.ndarray, "H W"]:
    """1 where a pixel lies outside the photograph."""
    back = np.linalg.inv(affine)[:2]
    y, x = np.mgrid[:height, :width]
    at = back @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    inside = (at > -0.5) & (at < np.array(frame)[:, None] - 0.5)
    return (~inside.all(0)).reshape(height, width).astype(np.float32)
