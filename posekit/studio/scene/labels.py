"""What is known of a person in a photograph: joints, which of them one sees, box, body and masks.

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
from posekit.studio.scene.photograph import Scene, Shot, moved

# mm that a joint may lie under the skin one sees in its place: half a limb's or the trunk's
# thickness; points of the face lie on the skin, and the head must not be looked through.
UNDER_SKIN = 160.0
ON_SKIN = 35.0
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
REGRESSED = (H36M17, H36M17_LEFT_FIRST, SPIN24)  # asked in this order, as far as the body has them


def joints(scene: Scene, who: int, skeleton: Skeleton) -> Float[Tensor, "J 3"]:
    """One person's joints in the world, NaN where nobody knows one of that name.

    The studio's markers come first, then what the body's regressors give, then SMPL's own joints.
    """
    person = scene.people[who]
    if skeleton == SMPL24:
        return person.joints
    if skeleton == H36M17 and person.markers is not None:
        return person.markers
    known = [(H36M17, person.markers)] if person.markers is not None else []
    for each in REGRESSED:
        if each.name in scene.body.regressors:
            known.append((each, scene.body.joints(person.skin, each)[0]))
    known.append((SMPL24, person.joints))
    union, first = _union(tuple(each for each, _ in known))
    return convert(torch.cat([points for _, points in known])[first], union, skeleton).pose


@cache
def _union(skeletons: tuple[Skeleton, ...]) -> tuple[Skeleton, list[int]]:
    """All names of these skeletons in a row, and where each stands first."""
    names = [name for skeleton in skeletons for name in skeleton.joints]
    first = [k for k, name in enumerate(names) if name not in names[:k]]
    tree = (-1, *[0] * (len(first) - 1))
    return Skeleton("known joints", tuple(names[k] for k in first), tree), first


def label(shot: Shot, who: int, skeleton: Skeleton, index: int) -> Batch:
    """One person of a shot as a batch of one, with silhouette and parts."""
    scene, person = shot.scene, shot.scene.people[who]
    camera = scene.camera
    world = joints(scene, who, skeleton)
    known = world.isfinite().all(1)
    seen = camera.world_to_camera(world.nan_to_num(0.0))
    pixels = moved(camera.project(seen), shot.affine)
    visible = _visible(shot, who, pixels, seen[:, 2], skeleton).where(known, torch.tensor(UNKNOWN))
    turn = camera.rotation.float()
    rotations = person.rotations.clone()
    rotations[0] = turn @ rotations[0]
    mask = shot.owner == who
    return Batch(
        skeleton=skeleton,
        index=torch.tensor([index]),
        images=torch.from_numpy(np.stack(cv2.split(shot.image)))[None],
        boxes=torch.from_numpy(shot.boxes[who : who + 1]),
        joints2d=pixels.where(known[:, None], torch.tensor(0.0))[None],
        visible=visible[None].to(torch.uint8),
        intrinsics=torch.from_numpy(shot.intrinsics).float()[None],
        joints3d=seen.where(known[:, None], torch.tensor(0.0))[None],
        has_joints3d=torch.tensor([True]),
        rotations=rotations[None],
        shape=person.wearer.shape[None],
        translation=camera.world_to_camera(person.translation)[None],
        has_body=torch.tensor([True]),
        masks=torch.from_numpy(mask.astype(np.uint8))[None],
        parts=torch.from_numpy(shot.parts * mask)[None],
    )


def _visible(
    shot: Shot,
    who: int,
    pixels: Float[Tensor, "J 2"],
    depth: Float[Tensor, " J"],
    skeleton: Skeleton,
) -> UInt8[Tensor, " J"]:
    """SEEN where nothing but the body's own thickness lies before the joint, else HIDDEN."""
    height, width = shot.owner.shape
    x, y = pixels.round().long().numpy().T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    gap = depth.numpy() - shot.front[y, x]
    # Another person's skin may be nearer by less than a limb and still be in the way.
    owner = shot.owner[y, x]
    thick = np.where((owner == who) | (owner == -1), _thickness(skeleton), 0.0)
    seen = inside & (gap < thick) & (shot.hidden[y, x] < 0.5)
    return torch.from_numpy(np.where(seen, SEEN, HIDDEN).astype(np.uint8))


@cache
def _thickness(skeleton: Skeleton) -> Float[np.ndarray, " J"]:
    """mm of the own body that may lie before each joint."""
    return np.where(np.isin(skeleton.joints, FACE), ON_SKIN, UNDER_SKIN)
