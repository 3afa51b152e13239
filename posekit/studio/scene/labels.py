"""Labels of a person in a photograph: joints, their visibility, box, body and masks.

J joints. World: mm, z up. Camera: mm. Pixels of the shot.
"""

from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST, SMPL24, SPIN24, Skeleton, convert
from posekit.studio.scene.photograph import Scene, Shot, to_shot

# mm that a joint may lie under the visible skin: half the thickness of a limb or the trunk; points
# of the face lie on the skin, and must not be seen through the head.
UNDER_SKIN = 160.0
ON_SKIN = 35.0
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
REGRESSED = (H36M17, H36M17_LEFT_FIRST, SPIN24)  # in order of preference


def joints(scene: Scene, index: int, skeleton: Skeleton) -> Float[Tensor, "J 3"]:
    """A person's joints in the world, mm; NaN for joints that no source has.

    The studio's markers come first, then those of the body's regressors, then SMPL's own joints.
    """
    person = scene.people[index]
    if skeleton == SMPL24:
        return person.joints
    if skeleton == H36M17 and person.markers is not None:
        return person.markers
    known = [(H36M17, person.markers)] if person.markers is not None else []
    for source in REGRESSED:
        if source.name in scene.body.regressors:
            known.append((source, scene.body.joints(person.skin, source)[0]))
    known.append((SMPL24, person.joints))
    union, first = _union(tuple(source for source, _ in known))
    return convert(torch.cat([points for _, points in known])[first], union, skeleton).pose


@cache
def _union(skeletons: tuple[Skeleton, ...]) -> tuple[Skeleton, list[int]]:
    """A skeleton of all joint names in these, and the index where each name comes first."""
    names = [name for skeleton in skeletons for name in skeleton.joints]
    first = [k for k, name in enumerate(names) if name not in names[:k]]
    tree = (-1, *[0] * (len(first) - 1))
    return Skeleton("known joints", tuple(names[k] for k in first), tree), first


def label(shot: Shot, number: int, skeleton: Skeleton, index: int) -> Batch:
    """Person `number` of a shot as a batch of one, with silhouette and parts."""
    scene, person = shot.scene, shot.scene.people[number]
    camera = scene.camera
    world = joints(scene, number, skeleton)
    known = world.isfinite().all(1)
    seen = camera.world_to_camera(world.nan_to_num(0.0))
    pixels = to_shot(camera.project(seen), shot.affine)
    visible = _visible(shot, number, pixels, seen[:, 2], skeleton)
    visible = visible.where(known, torch.tensor(UNKNOWN))
    rotations = person.rotations.clone()
    rotations[0] = camera.rotation.float() @ rotations[0]
    mask = shot.owner == number
    return Batch(
        skeleton=skeleton,
        index=torch.tensor([index]),
        images=torch.from_numpy(np.stack(cv2.split(shot.image)))[None],
        boxes=torch.from_numpy(shot.boxes[number : number + 1]),
        joints2d=pixels.where(known[:, None], torch.tensor(0.0))[None],
        visible=visible[None].to(torch.uint8),
        intrinsics=torch.from_numpy(shot.intrinsics).float()[None],
        joints3d=seen.where(known[:, None], torch.tensor(0.0))[None],
        has_joints3d=torch.tensor([True]),
        rotations=rotations[None],
        shape=person.dressed.shape[None],
        translation=camera.world_to_camera(person.translation)[None],
        has_body=torch.tensor([True]),
        masks=torch.from_numpy(mask.astype(np.uint8))[None],
        parts=torch.from_numpy(shot.parts * mask)[None],
    )


def _visible(
    shot: Shot, number: int, pixels: Tensor, depth: Tensor, skeleton: Skeleton
) -> UInt8[Tensor, " J"]:
    """SEEN where only the thickness of the own body lies before the joint (depth, mm), or HIDDEN."""
    height, width = shot.owner.shape
    x, y = pixels.round().long().numpy().T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    gap = depth.numpy() - shot.front[y, x]
    # Another person's skin may be nearer by less than a limb and still be in the way.
    owner = shot.owner[y, x]
    thick = np.where(np.isin(skeleton.joints, FACE), ON_SKIN, UNDER_SKIN)
    thick = np.where((owner == number) | (owner == -1), thick, 0.0)
    seen = inside & (gap < thick) & (shot.hidden[y, x] < 0.5)
    return torch.from_numpy(np.where(seen, SEEN, HIDDEN).astype(np.uint8))
