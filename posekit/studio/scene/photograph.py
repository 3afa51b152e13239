"""Pixels of a scene: people, occluders and surroundings as a photograph with a person per pixel.

The lens's distortion bends people and their 2D joints alike, never the surroundings. People are
opaque; they hide each other and throw the key light's shadow on each other and on the floor.
Edges are smoothed over 2 x 2 samples a pixel, colours are taken at the nearest of the four.

P people, V vertices and F triangles of the body, H x W pixels, N of them covered by people. World:
mm, z up, floor at 0. Camera: mm, x right, y down, z forward.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int8, Int64, UInt8
from torch import Tensor

from posekit.geometry.body import Body
from posekit.geometry.camera import Camera
from posekit.geometry.crop import crop_affine
from posekit.geometry.render import Covered, Raster, normals, rasterise
from posekit.studio.scene import lens, wardrobe
from posekit.studio.scene.cast import Person, figure, template
from posekit.studio.scene.light import SRGB_TO_LINEAR, Lights
from posekit.studio.scene.shadow import Shadow, cast_on_floor

SAMPLES = 2  # a pixel and direction
NEAR = 100.0  # mm; nobody may stand nearer to the camera


@dataclass(frozen=True)
class Patch:
    """A flat occluder between people and camera, in the photograph's pixels."""

    picture: UInt8[np.ndarray, "h w 4"]  # RGBA
    left: float
    top: float
    scale: float


@dataclass(frozen=True)
class Scene:
    """What a photograph shows."""

    body: Body
    people: tuple[Person, ...]
    camera: Camera
    surroundings: object  # with view(K, rotation, centre, height, width) -> Backdrop
    lights: Lights
    lens: lens.Lens
    patches: tuple[Patch, ...] = ()

    @cached_property
    def surfaces(self) -> Float[Tensor, "P V 3"]:
        """The people's surfaces, world."""
        return torch.stack([person.surface for person in self.people])

    @cached_property
    def in_camera(self) -> Float[Tensor, "P V 3"]:
        """The people's surfaces, camera."""
        return self.camera.world_to_camera(self.surfaces)

    @cached_property
    def pixels(self) -> Float[Tensor, "P V 2"]:
        """The people's surfaces projected, px of the camera."""
        return self.camera.project(self.in_camera)


@dataclass(frozen=True)
class Shot:
    """A photograph, or a crop of one, with what each pixel shows."""

    scene: Scene
    affine: Float[np.ndarray, "3 3"]  # from the camera's pixels to these
    image: UInt8[np.ndarray, "H W 3"]
    boxes: Float[np.ndarray, "P 4"]  # around each person, seen or not: left, top, width, height
    owner: Int8[np.ndarray, "H W"]  # index of the person, -1 for none
    parts: UInt8[np.ndarray, "H W"]  # 0 nobody, 1 to 6 as LSP's
    front: Float[np.ndarray, "H W"]  # mm to the nearest surface; inf for none
    hidden: Float[np.ndarray, "H W"]  # share covered by patches or outside the photograph

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """Of the pixels of this shot, without the lens's distortion."""
        return shot_intrinsics(self.scene.camera, self.affine)


@torch.inference_mode()
def photograph(
    scene: Scene,
    affine: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    frame: tuple[int, int] | None = None,
) -> Shot:
    """The part of a scene's photograph that `affine` (3, 3) maps to height x width pixels.

    With `frame` (width, height of the photograph, px) what lies outside is black, as where a crop
    reaches over the edge of a picture. ValueError names a person who is behind the camera.
    """
    body, camera = scene.body, scene.camera
    for k, depth in enumerate(scene.in_camera[..., 2].amin(1).tolist()):
        if depth < NEAR:
            raise ValueError(f"person {k} reaches behind the camera; move one of them")
    pixels = to_shot(scene.pixels, affine)
    corners = torch.stack([pixels.amin(1), pixels.amax(1)], dim=1)
    faces = _faces(body, len(scene.people))
    points = torch.cat([pixels, scene.in_camera[..., 2:]], dim=2).view(1, -1, 3)
    # Only the rectangle that holds people is drawn: a third of a usual crop.
    left, top = corners[:, 0].amin(0).floor().clamp(min=0).int().tolist()
    right, bottom = corners[:, 1].amax(0).ceil().int().tolist()
    wide = max(min(right + 1, width) - left, 1)
    high = max(min(bottom + 1, height) - top, 1)
    points = points - torch.tensor([left, top, 0.0])
    raster = rasterise(points, faces, high, wide, near=NEAR, supersample=SAMPLES)
    K = shot_intrinsics(camera, affine)
    pose = (torch.from_numpy(K), camera.rotation, camera.centre)
    view = scene.surroundings.view(*pose, height, width)
    covered, pixels, share, front = _resolve(raster, left, top, view.depth.numpy())
    shadow = Shadow(scene.surfaces, faces, scene.lights)
    person = covered.face // len(body.faces)
    light = cast_on_floor(shadow, view, K, camera)
    flat = light.reshape(-1, 3)
    colour = _colour(scene, covered, person, shadow)
    behind = flat.take(pixels, axis=0)
    colour -= behind
    colour *= share[:, None]
    flat[pixels] = behind + colour
    mostly = share >= 0.5
    owner = np.full((height, width), -1, dtype=np.int8)
    owner.reshape(-1)[pixels[mostly]] = person.numpy()[mostly]
    parts = np.zeros((height, width), dtype=np.uint8)
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
    boxes = torch.cat([corners[:, 0], corners[:, 1] - corners[:, 0]], dim=1)
    return Shot(scene, affine, image, boxes.numpy(), owner, parts, front, hidden)


def crop_person(scene: Scene, size: tuple[int, int]) -> Shot:
    """The crop of the first person by the usual rule (`crop_affine`), of `size` (height, width)."""
    affine = crop_affine(tuple(bounding_box(scene, 0).tolist()), size).numpy()
    return photograph(scene, affine, *size, scene.camera.size)


@lru_cache(maxsize=16)
def _faces(body: Body, people: int) -> Int64[Tensor, "F 3"]:
    """The triangles of so many bodies, as indices into their vertices in a row."""
    offsets = torch.arange(people)[:, None, None] * len(body.weights)
    return (body.faces + offsets).view(-1, 3)


def bounding_box(scene: Scene, person: int) -> Float[np.ndarray, "4"]:
    """The box around all of a person, seen or not: left, top, width, height, camera's px."""
    pixels = scene.pixels[person].numpy()
    corner = pixels.min(0)
    return np.concatenate([corner, pixels.max(0) - corner])


def to_shot(
    pixels: Float[Tensor, "*N 2"], affine: Float[np.ndarray, "3 3"]
) -> Float[Tensor, "*N 2"]:
    """Pixels of a shot from pixels of the camera."""
    x, y = pixels.unbind(-1)
    (a, b, c), (d, e, f), _ = affine.tolist()
    return torch.stack([a * x + b * y + c, d * x + e * y + f], dim=-1)


def shot_intrinsics(camera: Camera, affine: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """A camera's intrinsics for the pixels of a shot, without the lens's distortion."""
    (fx, fy), (cx, cy) = camera.focal.tolist(), camera.principal.tolist()
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return affine @ K


def _resolve(
    raster: Raster, left: int, top: int, behind: np.ndarray
) -> tuple[Covered, np.ndarray, np.ndarray, np.ndarray]:
    """What people cover: their nearest samples (N,), flat pixels (N,), shares of the pixels (N,).

    A share counts the samples before what is `behind` (depth, H W). Last comes the depth (H, W) of
    the nearest surface. The raster begins at (left, top) of the picture.
    """
    pixels, samples, count = raster.nearest()
    covered = raster.cover(samples)
    own, whole = raster.keys.shape[2] // SAMPLES, behind.shape[1]
    flat = (pixels // own * (whole - own) + pixels + (top * whole + left)).numpy()
    front = behind.copy()
    depth, before = covered.depth.numpy(), front.reshape(-1)
    share = count.float().numpy() * np.float32(1 / SAMPLES**2) * (depth < before[flat])
    before[flat] = np.minimum(before[flat], depth)
    return covered, flat, share, front


def _colour(scene: Scene, covered: Covered, person: Tensor, shadow: Shadow) -> np.ndarray:
    """Linear light (N, 3) that the covered points of the people send out."""
    body, surfaces = scene.body, scene.surfaces
    count = len(scene.people)
    places = torch.from_numpy(template(body)).expand(count, -1, -1)
    lit = shadow.reached(surfaces.view(-1, 3)).view(count, -1, 1)
    across = torch.cat([places, normals(surfaces, body.faces), lit], dim=2)
    at = covered.interpolate(across.view(1, -1, 7))
    albedo = np.empty((len(at), 3), dtype=np.float32)
    tips = np.empty((len(at), 3), dtype=np.float32)
    where = at[:, :3].numpy()
    for k, someone in enumerate(scene.people):
        own = np.flatnonzero(person.numpy() == k)
        albedo[own], tips[own] = wardrobe.paint(someone.dressed.look, figure(body), where[own])
    normal = at[:, 3:6] + torch.from_numpy(tips)
    normal /= torch.linalg.vector_norm(normal, dim=1, keepdim=True).clamp_(min=1e-12)
    return scene.lights.shade(normal, torch.from_numpy(albedo), at[:, 6:]).numpy()


def _paste(patch: Patch, affine: np.ndarray, light: np.ndarray, hidden: np.ndarray) -> None:
    """Draw a patch over the light (H, W, 3) and the hidden shares (H, W), in place."""
    height, width = hidden.shape
    place = affine @ [[patch.scale, 0, patch.left], [0, patch.scale, patch.top], [0, 0, 1]]
    high, wide = patch.picture.shape[:2]
    corners = place[:2] @ [[0, wide, wide, 0], [0, 0, high, high], [1, 1, 1, 1]]
    left, top = np.floor(corners.min(1)).clip(0, (width, height)).astype(int) - (1, 1)
    right, bottom = np.ceil(corners.max(1)).clip(0, (width, height)).astype(int) + (1, 1)
    left, top = max(left, 0), max(top, 0)
    if left >= min(right, width) or top >= min(bottom, height):
        return
    area = light[top:bottom, left:right]
    place[:2, 2] -= (left, top)
    alpha = patch.picture[..., 3:] * np.float32(1 / 255)
    ink = np.concatenate([SRGB_TO_LINEAR[patch.picture[..., :3]] * alpha, alpha], axis=2)
    ink = cv2.warpAffine(ink, place[:2], area.shape[1::-1], flags=cv2.INTER_LINEAR)
    area *= 1 - ink[..., 3:]
    area += ink[..., :3]
    rows, columns = slice(top, bottom), slice(left, right)
    hidden[rows, columns] = np.maximum(hidden[rows, columns], ink[..., 3])


def _outside(
    affine: np.ndarray, height: int, width: int, frame: tuple[int, int]
) -> Float[np.ndarray, "H W"]:
    """1 where a pixel lies outside the photograph."""
    wide, high = frame
    corners = np.array([[0, wide - 1, wide - 1, 0], [0, 0, high - 1, high - 1], [1, 1, 1, 1]])
    outside = np.ones((height, width), dtype=np.float32)
    cv2.fillConvexPoly(outside, (affine @ corners)[:2].T.round().astype(np.int32), 0)
    return outside
