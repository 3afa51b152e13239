"""One similarity moves a whole batch: pictures, masks and every label together.

A similarity here is a 3 x 3 matrix that maps pixels by a rotation, a uniform scale, a translation
and perhaps a mirroring; crops, flips and zooms are all of this kind, products of them too, so that
pictures are resampled once. Its inverse undoes it.

What it does to the body: turning the picture by Rz turns the camera space about the optical axis,
mirroring it mirrors that space, x to -x, and left becomes right. With Q the orthogonal part (Rz, or
Rz diag(-1, 1, 1)), a picture matrix A and intrinsics K become X' = Q X and K' = A K Q^T, so that
K' X' is A (K X): the 3D joints still project onto the 2D joints, to the last digit, and scale and
translation change the lens alone, never the person. (A camera whose pixels are not square has a
K' with a small entry left of its fy after a turn that is no multiple of 90 degrees.) A mirrored
body is the body of mirrored rotations M R M, M = diag(-1, 1, 1), its sides exchanged; the shape is
kept, as if bodies were symmetric.

B persons, J joints, H x W pixels.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch, within
from posekit.geometry.skeleton import SMPL24

PART_TWINS = (0, 2, 1, 3, 5, 4, 6)
"""Of a part its other side's: arms 1 and 2, legs 4 and 5."""


def similarities(
    size: tuple[int, int],
    flip: Bool[Tensor, " B"],
    turn: Float[Tensor, " B"],
    scale: Float[Tensor, " B"],
) -> Float64[Tensor, "B 3 3"]:
    """Matrices that mirror, then turn, then scale a picture of `size` about its centre.

    `turn` in degrees, clockwise as one sees it; with `scale` 2 things look twice as large.
    """
    height, width = size
    flip, turn, scale = flip.double(), turn.double().deg2rad(), scale.double()
    cos, sin, side = scale * turn.cos(), scale * turn.sin(), 1 - 2 * flip
    linear = torch.stack([cos * side, -sin, sin * side, cos], dim=-1).unflatten(-1, (2, 2))
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(linear)
    matrices = torch.eye(3).to(linear).repeat(len(linear), 1, 1)
    matrices[:, :2, :2] = linear
    matrices[:, :2, 2] = centre - linear @ centre
    return matrices


def warp(
    batch: Batch,
    matrices: Float64[Tensor, "B 3 3"],
    images: UInt8[Tensor, "B 3 H W"] | None = None,
) -> Batch:
    """The batch seen through one similarity a person, in pictures of the same size.

    With `images`, those have been moved already and the batch's own are not looked at.

    Pictures are resampled bilinearly, masks and parts by the nearest pixel, all 0 outside, and
    without smoothing first (`posekit.geometry.crop.take` has it, for pictures that shrink by 2 or
    more). Joints SEEN that leave the picture become HIDDEN; boxes become the upright box round the
    moved one, not clipped. Joints that are UNKNOWN stay at 0. Pictures on a CPU are done by OpenCV, else by torch, and differ by at
    most a few grey levels.
    """
    kind, host = batch.joints2d.dtype, matrices.device.type == "cpu"
    back = torch.linalg.inv_ex(matrices, check_errors=host).inverse  # a check makes a GPU wait
    orthogonal, flipped = _orthogonal_parts(matrices)
    order = _sides(flipped, batch.skeleton.mirror)
    joints2d = _place(matrices, batch.joints2d.take_along_dim(order[..., None], dim=1))
    joints3d = batch.joints3d.take_along_dim(order[..., None], dim=1).double() @ orthogonal.mT
    visible = batch.visible.take_along_dim(order, dim=1)
    joints2d = joints2d.where((visible != UNKNOWN)[..., None], 0.0)
    turned = (orthogonal @ batch.translation.double()[..., None])[..., 0]
    pixels = _opencv if batch.images.device.type == "cpu" else _torch
    maps = {
        name: pixels(labels[:, None], back, smooth=False)[:, 0]
        for name in ("masks", "parts")
        if (labels := getattr(batch, name)) is not None
    }
    if "parts" in maps:
        twins = torch.arange(256, dtype=torch.uint8, device=flipped.device)
        twins[: len(PART_TWINS)] = twins.new_tensor(PART_TWINS)
        other = twins[maps["parts"].long()]
        maps["parts"] = torch.where(flipped[:, None, None], other, maps["parts"])
    return replace(
        batch,
        images=pixels(batch.images, back, smooth=True) if images is None else images,
        joints2d=joints2d.to(kind),
        visible=visible.masked_fill((visible == SEEN) & ~within(joints2d, batch.size), HIDDEN),
        intrinsics=(matrices @ batch.intrinsics.double() @ orthogonal.mT).to(kind),
        joints3d=joints3d.to(kind),
        rotations=_turn_body(batch.rotations, orthogonal, flipped).to(kind),
        translation=turned.to(kind),
        boxes=_place_boxes(matrices, batch.boxes).to(kind),
        **maps,
    )


def _place(
    matrices: Float64[Tensor, "B 3 3"], points: Float[Tensor, "B N 2"]
) -> Float64[Tensor, "B N 2"]:
    return points.double() @ matrices[:, :2, :2].mT + matrices[:, None, :2, 2]


def _place_boxes(
    matrices: Float64[Tensor, "B 3 3"], boxes: Float[Tensor, "B 4"]
) -> Float64[Tensor, "B 4"]:
    left, top, width, height = boxes.unbind(-1)
    right, bottom = left + width, top + height
    corners = torch.stack([left, top, right, top, left, bottom, right, bottom], dim=-1)
    corners = _place(matrices, corners.unflatten(-1, (4, 2)))
    low, high = corners.amin(1), corners.amax(1)
    return torch.cat([low, high - low], dim=-1)


def _turn_body(
    rotations: Float[Tensor, "B 24 3 3"],
    orthogonal: Float64[Tensor, "B 3 3"],
    flipped: Bool[Tensor, " B"],
) -> Float64[Tensor, "B 24 3 3"]:
    """M R M of the other side's joints where mirrored; Q R M of the root, which sees the camera."""
    order = _sides(flipped, SMPL24.mirror)[..., None, None]
    mirror = torch.ones_like(orthogonal[:, 0])
    mirror[:, 0] = torch.where(flipped, -1.0, 1.0)
    left = torch.diag_embed(mirror)[:, None].repeat(1, len(SMPL24), 1, 1)
    left[:, 0] = orthogonal
    return left @ rotations.take_along_dim(order, dim=1).double() * mirror[:, None, None, :]


def _orthogonal_parts(
    matrices: Float64[Tensor, "B 3 3"],
) -> tuple[Float64[Tensor, "B 3 3"], Bool[Tensor, " B"]]:
    """What the matrices do to camera space, a rotation or a mirroring, and which of them mirror."""
    linear = matrices[:, :2, :2]
    determinant = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    same = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    orthogonal = same.repeat(len(matrices), 1, 1)
    orthogonal[:, :2, :2] = linear / determinant.abs().sqrt()[:, None, None]
    return orthogonal, determinant < 0


def _sides(flipped: Bool[Tensor, " B"], mirror: tuple[int, ...]) -> Int64[Tensor, "B J"]:
    """For every person where each joint's new label is now."""
    same = torch.arange(len(mirror), device=flipped.device)
    return torch.where(flipped[:, None], same.new_tensor(mirror), same)


def _opencv(
    pictures: UInt8[Tensor, "B C H W"], back: Float64[Tensor, "B 3 3"], *, smooth: bool
) -> UInt8[Tensor, "B C H W"]:
    """Resample pictures at the places from which `back` says that their new pixels come."""
    flags = (cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    moved = np.empty(pictures.shape, np.uint8)
    size = pictures.shape[:1:-1]
    for source, matrix, target in zip(pictures.numpy(), back.numpy(), moved, strict=True):
        # Channels last, where OpenCV finds the weights of all three at once.
        picture = cv2.merge(list(np.ascontiguousarray(source)))
        warped = cv2.warpAffine(picture, matrix[:2], size, flags=flags)
        for plane, channel in zip(target, cv2.split(warped), strict=True):
            plane[...] = channel
    return torch.from_numpy(moved)


def _torch(
    pictures: UInt8[Tensor, "B C H W"], back: Float64[Tensor, "B 3 3"], *, smooth: bool
) -> UInt8[Tensor, "B C H W"]:
    """As `_opencv`, on any device."""
    height, width = pictures.shape[2:]
    y, x = torch.meshgrid(*(torch.arange(n).to(back) for n in (height, width)), indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1).flatten(0, 1) @ back[:, :2].mT
    grid = (2 * points + 1) / points.new_tensor([width, height]) - 1
    grid = grid.unflatten(1, (height, width)).float()
    mode = "bilinear" if smooth else "nearest"
    moved = functional.grid_sample(pictures.float(), grid, mode=mode, align_corners=False)
    return moved.round().to(torch.uint8)
