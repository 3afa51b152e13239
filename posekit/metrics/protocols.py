"""`PROTOCOLS`: the published evaluation protocols of 3D poses, by names that cannot be confused.

"Protocol 1" means three things in the papers, PA two, and joints, roots and means differ as well;
on the same predictions MPJPE spreads over 17 %, PA-MPJPE over 16 %. So no number stands in a table
without its protocol. The rules are those of the code that the papers evaluated with; `source` names
it.

A protocol measures poses that are already there: which detections, boxes or root depths went into
them, and which damaged or invalid recordings were left out, is the data set's matter. Subjects or
actions that are absent are left out of the means.
"""

from dataclasses import replace

from posekit.geometry.skeleton import H36M17, MPI_INF_3DHP17
from posekit.metrics.protocol import PoseProtocol

_LSP_OF_H36M = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("thorax", "head"),
)
"""SPIN's J14: LSP's joints, the neck and the head being those of Human3.6M."""


def _aligned(protocol: PoseProtocol, name: str, joints: str) -> PoseProtocol:
    """The same rule after a similarity transform, PA-MPJPE."""
    rule = (
        f"As {protocol.name}, after each prediction is aligned on {joints} by a rotation, a "
        "translation and a scale."
    )
    return replace(protocol, name=name, rule=rule, alignment="similarity")


def _as_p2(protocol: PoseProtocol) -> PoseProtocol:
    """An aligned rule on other people, which is said to be that of h36m-martinez-p2."""
    name = "h36m-martinez-p2"
    return replace(protocol, source=protocol.source.replace(protocol.same_as, name), same_as=name)


_MARTINEZ = PoseProtocol(
    name="h36m-martinez-p1",
    rule="S9 and S11, every frame of every camera: mean distance of 17 joints from the truth, "
    "relative to the pelvis; mean of each action, then mean of the actions.",
    source="Martinez et al., ICCV 2017; 3d-pose-baseline, src/predict_3dpose.py",
    skeleton=H36M17,
    joints=H36M17.joints,
    subjects=("S9", "S11"),
    mean_over="actions",
)
_EVOSKELETON = replace(
    _MARTINEZ,
    name="h36m-evoskeleton-p1",
    rule="As h36m-martinez-p1, from 16 joints without the pelvis and a 17th column of zeros: the "
    "same number.",
    source="Li et al., CVPR 2020; EvoSkeleton, libs/trainer/trainer.py, evaluate",
    joints=H36M17.joints[1:],
    zero_columns=1,
)
_MOON = PoseProtocol(
    name="h36m-moon-p2",
    rule="S9 and S11, every 64th frame of every camera: mean distance of 17 joints from the truth, "
    "relative to the pelvis; mean of all samples.",
    source="Moon et al., ICCV 2019; 3DMPPE_POSENET_RELEASE, data/Human36M/Human36M.py (its P2)",
    skeleton=H36M17,
    joints=H36M17.joints,
    beside=("mid_shoulders",),  # of Moon et al.'s 18
    subjects=("S9", "S11"),
    every=64,
)
_SPIN = PoseProtocol(
    name="h36m-spin-p1",
    rule="S9 and S11, every 5th frame of every camera: mean distance of 14 joints (LSP's, with "
    "Human3.6M's thorax and head) from the truth, relative to the pelvis; mean of all samples.",
    source="Kolotouros et al., ICCV 2019; SPIN, eval.py and datasets/preprocess/h36m.py",
    skeleton=H36M17,
    joints=_LSP_OF_H36M,
    subjects=("S9", "S11"),
    every=5,
)
_3DPW = replace(
    _SPIN,
    name="3dpw-spin",
    rule="Every frame: mean distance of 14 joints (LSP's, with Human3.6M's thorax and head, "
    "regressed from the mesh of the person's gender) from the truth, relative to the pelvis; mean "
    "of all samples.",
    source="Kolotouros et al., ICCV 2019; SPIN, eval.py and datasets/preprocess/pw3d.py",
    subjects=(),
    every=1,
)
_VIBE = replace(
    _3DPW,
    name="3dpw-vibe",
    rule="As 3dpw-spin, but relative to the middle of the hips (and with the truth of the neutral "
    "mesh, a matter of the data).",
    source="Kocabas et al., CVPR 2020; VIBE, lib/core/evaluate.py",
    root=("left_hip", "right_hip"),
)
_3DHP_SPIN = replace(
    _SPIN,
    name="3dhp-spin",
    rule="Every valid frame with all 17 joints inside the picture, universal skeleton: mean "
    "distance of 17 joints (Human3.6M's; the base of the neck, the middle and the top of the head "
    "are taken for its thorax, neck/nose and head) from the truth, relative to the pelvis; mean of "
    "all samples.",
    source="Kolotouros et al., ICCV 2019; SPIN, eval.py and datasets/preprocess/mpi_inf_3dhp.py",
    joints=H36M17.joints,
    subjects=(),
    every=1,
    flag="inside",
)
_3DHP = PoseProtocol(
    name="3dhp-mpjpe",
    rule="Every valid frame, universal skeleton: mean distance of 17 joints from the truth, "
    "relative to the pelvis; mean of all samples.",
    source="Mehta et al., 3DV 2017; mpii_evaluate_errors.m",
    skeleton=MPI_INF_3DHP17,
    joints=MPI_INF_3DHP17.joints,
    flag="valid",
)
_3DPCK = replace(
    _3DHP,
    name="3dhp-pck",
    rule="Every valid frame, universal skeleton: share of 14 joints (no pelvis, spine or head "
    "centre) less than 150 mm from the truth, relative to the pelvis; mean of all samples.",
    metric="pck",
    joints=MPI_INF_3DHP17.joints[:14],
)
_CMU = PoseProtocol(
    name="cmu-p1",
    rule="Every performer, camera and frame that is there: mean distance of 17 joints from the "
    "truth, relative to the pelvis; mean of each motion, then mean of the motions.",
    source="posekit, 2026: the rule of h36m-martinez-p1 on CMU motion capture, whose motions are "
    "the actions",
    skeleton=H36M17,
    joints=H36M17.joints,
    mean_over="actions",
    same_as=_MARTINEZ.name,
)
_OTHERS = replace(
    _CMU,
    name="studio-others-p1",
    rule="Every person, camera and frame that is there: mean distance of 17 joints from the truth, "
    "relative to the pelvis; mean of each action, then mean of the actions.",
    source="posekit, 2026: the rule of h36m-martinez-p1 on the studio's actors S12 to S31",
)
_MOON_ON_OTHERS = replace(
    _MOON,
    name="studio-others-moon-p2",
    rule="Every person, camera and frame that is there: mean distance of 17 joints from the truth, "
    "relative to the pelvis; mean of all samples.",
    source="posekit, 2026: the rule of h36m-moon-p2 on the studio's actors S12 to S31",
    subjects=(),
    every=1,
    same_as="h36m-moon-p2",
)

AREA = "As {}, with the mean over the thresholds 0, 5, ..., 150 mm (a perfect result is 96.77 %)."

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        _MARTINEZ,
        replace(
            _aligned(_MARTINEZ, "h36m-martinez-p2", "all 17 joints"),
            source="Martinez et al., ICCV 2017; 3d-pose-baseline, src/procrustes.py",
        ),
        _EVOSKELETON,
        replace(
            _EVOSKELETON,
            name="h36m-evoskeleton-p2",
            rule="As h36m-martinez-p2, but aligned on 16 joints without the pelvis, and the sum of "
            "their distances divided by 17: 16/17 of the mean over the joints aligned.",
            alignment="similarity",
        ),
        replace(
            _MOON,
            name="h36m-moon-p1",
            rule="S11 alone, every 64th frame of every camera: mean distance of 17 joints from the "
            "truth after each prediction is aligned by a rotation and a translation, without "
            "scale, on these and the middle of the shoulders, the network's own where it has such a "
            "joint (18 of them); mean of all samples.",
            source=_MOON.source.replace("its P2", "its P1; common/utils/pose_utils.py"),
            alignment="rigid",
            aligned_on=(*H36M17.joints, "mid_shoulders"),
            subjects=("S11",),
        ),
        _MOON,
        _SPIN,
        _aligned(_SPIN, "h36m-spin-p1-pa", "its 14 joints"),
        replace(
            _SPIN,
            name="h36m-spin-p2",
            rule="As h36m-spin-p1-pa, of the frontal camera 60457274 alone.",
            alignment="similarity",
            cameras=("60457274",),
        ),
        replace(
            _SPIN,
            name="h36m-spin-p2-mpjpe",
            rule="As h36m-spin-p1, of the frontal camera 60457274 alone.",
            source="Bae, internship report, 2021, Table I: the frames of SPIN's P2 without alignment",
            cameras=("60457274",),
        ),
        _3DPW,
        _aligned(_3DPW, "3dpw-spin-pa", "its 14 joints"),
        _VIBE,
        _aligned(_VIBE, "3dpw-vibe-pa", "its 14 joints"),
        _3DHP_SPIN,
        _aligned(_3DHP_SPIN, "3dhp-spin-pa", "its 17 joints"),
        _3DHP,
        _3DPCK,
        replace(_3DPCK, name="3dhp-auc", rule=AREA.format("3dhp-pck"), metric="auc"),
        _CMU,
        _as_p2(_aligned(_CMU, "cmu-p2", "all 17 joints")),
        _OTHERS,
        _as_p2(_aligned(_OTHERS, "studio-others-p2", "all 17 joints")),
        _MOON_ON_OTHERS,
    )
}
