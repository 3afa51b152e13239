"""The joint orders of the field, and conversion between them by joint name.

The same name is the same anatomical point in every skeleton here, so labels that mean different
points get different names. Where the papers' code takes two of them for the same point, that is a
rule of its own (`SAME_POINT`, `MOON_POINTS`, `SPIN_3DHP_POINTS`), never a shared name:

- "thorax" is Human3.6M's joint 13 (8 of 17), at the base of the neck. MPII's and Moon's "Thorax"
  lies between the shoulders and is "mid_shoulders" here; MPII's "upper neck" and LSP's "neck" are
  "neck". SPIN, Moon et al. and Martinez et al. all take Human3.6M's thorax for that neck.
- "neck_nose" is Human3.6M's "Neck/Nose", joint 14 (9 of 17); SPIN calls it "Jaw (H36M)", and Moon
  et al. fill it with COCO's nose. "nose" is the tip of the nose.
- "head" is Human3.6M's joint 15 (10 of 17), below the "head_top" of LSP and MPII. SPIN keeps them
  apart (18 and 13 of its 24) but evaluates 14 joints with the former; Moon et al. equate them.
- MPI-INF-3DHP's "neck" is "neck_base" and its "head" "mid_head". SPIN takes the first for LSP's
  neck, Moon et al. (who call it "Thorax" in MuCo) for the middle of the shoulders.
- SMPL's own neck, head, spine and extremities are points of its rig and have names of their own.
  Its hips share the name, but SPIN regresses hips for its 24 joints anew.

Sources: 3d-pose-baseline (Human3.6M), 3DMPPE_POSENET_RELEASE (Moon, MPII, MuCo), SPIN (LSP, SPIN,
SMPL order), the MPI-INF-3DHP release, the COCO keypoint format.

Dimensions: J joints, K joints of the target, D numbers a joint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Skeleton:
    """Named joints in a data set's order, and their tree."""

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the root

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> int:
        """The joint without a parent."""
        return self.parents.index(-1)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) for every joint but the root, in the order of the children."""
        return tuple((p, child) for child, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """The index of each joint's twin on the other side, its own for joints in the middle."""
        return tuple(self.index(_other_side(joint)) for joint in self.joints)

    def index(self, joint: str) -> int:
        """The index of `joint`; ValueError names the joints there are."""
        if joint not in self.joints:
            raise ValueError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)


class Conversion(NamedTuple):
    """A pose in the target's order, NaN for missing joints, and the names of these."""

    pose: Float[Tensor, "*batch K D"]
    missing: tuple[str, ...]


MIDPOINTS = {
    "pelvis": ("left_hip", "right_hip"),
    "mid_shoulders": ("left_shoulder", "right_shoulder"),
}
"""Joints that may be computed as the middle of two others."""

SAME_POINT = {
    "thorax": ("neck", "neck_base"),
    "neck": ("thorax", "neck_base"),
    "neck_base": ("thorax", "neck"),
}
"""Stand-ins for a joint that the source lacks, in this order: the base of the neck."""

MOON_POINTS = {
    "thorax": ("neck",),
    "neck": ("thorax",),
    "neck_base": ("mid_shoulders",),
    "mid_shoulders": ("neck_base",),
    "head": ("head_top",),
    "head_top": ("head",),
    "neck_nose": ("nose",),
}
"""The stand-ins of Moon et al. (ICCV 2019), who train on several data sets at once."""

SPIN_3DHP_POINTS = {"neck": ("neck_base",), "neck_nose": ("mid_head",), "head": ("head_top",)}
"""The stand-ins with which SPIN (Kolotouros et al., ICCV 2019) reads MPI-INF-3DHP."""


def convert(
    pose: Float[Tensor, "*batch J D"],
    source: Skeleton,
    target: Skeleton,
    *,
    derive: bool = True,
    stand_ins: Mapping[str, tuple[str, ...]] = SAME_POINT,
) -> Conversion:
    """`pose` in the order of `target`, matched by joint name, and the missing joints.

    A joint that the source lacks is taken from a joint of `stand_ins`, else, if `derive`, from the
    middle of two (`MIDPOINTS`); else it is NaN. Units stay. ValueError when the pose has another
    number of joints than the source.
    """
    if pose.shape[-2] != len(source):
        raise ValueError(f"{source.name} has {len(source)} joints, the pose {pose.shape[-2]}")
    origins = [_origin(joint, source, derive, stand_ins) for joint in target.joints]
    first = [origin[0] if origin else 0 for origin in origins]
    converted = pose[..., first, :]
    for joint, origin in enumerate(origins):
        if len(origin) == 2:
            converted[..., joint, :] = pose[..., list(origin), :].mean(dim=-2)
        elif not origin:
            converted[..., joint, :] = float("nan")
    missing = tuple(j for j, origin in zip(target.joints, origins, strict=True) if not origin)
    return Conversion(converted, missing)


def _origin(
    joint: str, source: Skeleton, derive: bool, stand_ins: Mapping[str, tuple[str, ...]]
) -> tuple[int, ...]:
    """The source joints for `joint`: one, two to take the middle of, or none."""
    for name in (joint, *stand_ins.get(joint, ())):
        if name in source.joints:
            return (source.joints.index(name),)
    ends = MIDPOINTS.get(joint, ()) if derive else ()
    if ends and all(end in source.joints for end in ends):
        return tuple(source.joints.index(end) for end in ends)
    return ()


def _other_side(joint: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if joint.startswith(side):
            return other + joint.removeprefix(side)
    return joint


def _skeleton(name: str, tree: str) -> Skeleton:
    """A skeleton from words "joint<parent" in joint order; the root has no "<parent"."""
    words = [word.partition("<") for word in tree.split()]
    joints = tuple(joint for joint, _, _ in words)
    parents = tuple(joints.index(parent) if parent else -1 for _, _, parent in words)
    return Skeleton(name, joints, parents)


_RIGHT_ARM = "right_shoulder<{} right_elbow<right_shoulder right_wrist<right_elbow "
_LEFT_ARM = "left_shoulder<{} left_elbow<left_shoulder left_wrist<left_elbow "
_RIGHT_LEG = "right_hip<pelvis right_knee<right_hip right_ankle<right_knee "
_LEFT_LEG = "left_hip<pelvis left_knee<left_hip left_ankle<left_knee "
_H36M_UPPER = (
    "spine<pelvis thorax<spine neck_nose<thorax head<neck_nose "
    + _LEFT_ARM.format("thorax")
    + _RIGHT_ARM.format("thorax")
)

H36M17 = _skeleton("Human3.6M-17", "pelvis " + _RIGHT_LEG + _LEFT_LEG + _H36M_UPPER)
"""The 17 joints of Human3.6M (Ionescu et al., 2014) that papers use, right leg first."""

H36M17_LEFT_FIRST = _skeleton(
    "Human3.6M-17, left leg first", "pelvis " + _LEFT_LEG + _RIGHT_LEG + _H36M_UPPER
)
"""The order in which SPIN's `J_regressor_h36m` gives them: the legs change places, not the arms."""

MOON18 = _skeleton(
    "Moon-18",
    "pelvis " + _RIGHT_LEG + _LEFT_LEG + _H36M_UPPER + "mid_shoulders<thorax",
)
"""Human3.6M's 17 and the middle of the shoulders (Moon et al., ICCV 2019)."""

H36M32 = _skeleton(
    "Human3.6M-32",
    "pelvis "
    + _RIGHT_LEG
    + "right_toe_base<right_ankle right_toe_end<right_toe_base "
    + _LEFT_LEG
    + "left_toe_base<left_ankle left_toe_end<left_toe_base "
    + "spine_root<pelvis spine<spine_root thorax<spine neck_nose<thorax head<neck_nose "
    + "left_arm_root<spine "
    + _LEFT_ARM.format("left_arm_root")
    + "left_thumb_root<left_wrist left_thumb_end<left_thumb_root "
    + "left_hand_root<left_wrist left_hand_end<left_hand_root "
    + "right_arm_root<spine "
    + _RIGHT_ARM.format("right_arm_root")
    + "right_thumb_root<right_wrist right_thumb_end<right_thumb_root "
    + "right_hand_root<right_wrist right_hand_end<right_hand_root",
)
"""All 32 joints of Human3.6M's files: `spine_root` lies on the pelvis, the arm roots on the thorax,
the thumb roots on the wrists."""

MPII16 = _skeleton(
    "MPII-16",
    "right_ankle<right_knee right_knee<right_hip right_hip<pelvis left_hip<pelvis "
    "left_knee<left_hip left_ankle<left_knee pelvis mid_shoulders<pelvis neck<mid_shoulders "
    "head_top<neck right_wrist<right_elbow right_elbow<right_shoulder "
    "right_shoulder<mid_shoulders " + _LEFT_ARM.format("mid_shoulders"),
)
"""MPII (Andriluka et al., 2014); "mid_shoulders" is its "thorax", "neck" its "upper neck"."""

_LSP12 = (
    "right_ankle<right_knee right_knee<right_hip right_hip<{0} left_hip<{0} "
    "left_knee<left_hip left_ankle<left_knee right_wrist<right_elbow "
    "right_elbow<right_shoulder right_shoulder<{1} " + _LEFT_ARM.format("{1}")
)

LSP14 = _skeleton("LSP-14", _LSP12.format("neck", "neck") + "neck head_top<neck")
"""Leeds Sports Pose (Johnson and Everingham, 2010). Without a pelvis, the neck is the root."""

COCO17 = _skeleton(
    "COCO-17",
    "nose left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye "
    "left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder "
    "left_wrist<left_elbow right_wrist<right_elbow left_hip<left_shoulder "
    "right_hip<right_shoulder left_knee<left_hip right_knee<right_hip "
    "left_ankle<left_knee right_ankle<right_knee",
)
"""COCO keypoints (Lin et al., 2014); its tree, of no data set, starts at the nose."""

SMPL24 = _skeleton(
    "SMPL-24",
    "pelvis left_hip<pelvis right_hip<pelvis smpl_spine1<pelvis left_knee<left_hip "
    "right_knee<right_hip smpl_spine2<smpl_spine1 left_ankle<left_knee right_ankle<right_knee "
    "smpl_spine3<smpl_spine2 left_foot_ball<left_ankle right_foot_ball<right_ankle "
    "smpl_neck<smpl_spine3 left_collar<smpl_spine3 right_collar<smpl_spine3 "
    "smpl_head<smpl_neck left_shoulder<left_collar right_shoulder<right_collar "
    "left_elbow<left_shoulder right_elbow<right_shoulder left_wrist<left_elbow "
    "right_wrist<right_elbow left_hand_base<left_wrist right_hand_base<right_wrist",
)
"""The rig of SMPL (Loper et al., 2015)."""

_MUCO17 = (
    "head_top<mid_head neck_base<spine "
    + _RIGHT_ARM.format("neck_base")
    + _LEFT_ARM.format("neck_base")
    + _RIGHT_LEG
    + _LEFT_LEG
    + "pelvis spine<pelvis mid_head<neck_base "
)

MPI_INF_3DHP17 = _skeleton("MPI-INF-3DHP-17", _MUCO17)
"""The 17 "relevant" joints of MPI-INF-3DHP (Mehta et al., 2017), also those of MuPoTS-3D."""

MUCO21 = _skeleton(
    "MuCo-21",
    _MUCO17 + "right_hand<right_wrist left_hand<left_wrist right_toe<right_ankle "
    "left_toe<left_ankle",
)
"""MuCo-3DHP as Moon et al. distribute it; "neck_base" is its "Thorax", "mid_head" its "Head"."""

MPI_INF_3DHP28 = _skeleton(
    "MPI-INF-3DHP-28",
    "spine3<spine2 spine4<spine3 spine2<spine spine<pelvis pelvis neck_base<spine4 "
    "mid_head<neck_base head_top<mid_head left_clavicle<neck_base "
    + _LEFT_ARM.format("left_clavicle")
    + "left_hand<left_wrist right_clavicle<neck_base "
    + _RIGHT_ARM.format("right_clavicle")
    + "right_hand<right_wrist "
    + _LEFT_LEG
    + "left_foot<left_ankle left_toe<left_foot "
    + _RIGHT_LEG
    + "right_foot<right_ankle right_toe<right_foot",
)
"""All joints of MPI-INF-3DHP (Mehta et al., 2017)."""

SPIN24 = _skeleton(
    "SPIN-24",
    _LSP12.format("pelvis", "mid_shoulders")
    + "neck<mid_shoulders head_top<neck pelvis mid_shoulders<spine spine<pelvis neck_nose<neck "
    + "head<neck_nose nose<neck left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye",
)
"""SPIN's ground-truth joints: LSP's 14, MPII's pelvis and thorax, Human3.6M's, COCO's face."""

SKELETONS = {each.name: each for each in list(vars().values()) if isinstance(each, Skeleton)}
"""All of them by name."""
