"""Protocol cards: a fixed list of published evaluation rules, under names that can't be confused.

"Protocol 1" means three things in the papers, PA two, and joints, roots and means differ as well;
on the same predictions MPJPE spreads over 17 %, PA over 16 %. So no number stands in a table
without its card. The rules are those of the code that the papers evaluated with; `source` names it.

A card judges poses that are already there: which detections, boxes or root depths went into them,
and which damaged or invalid recordings were left out, is the data set's matter. On subjects or
actions that are absent a card is silent; the frames that are there are averaged by its rule.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.geometry.skeleton import H36M17, MPI_INF_3DHP17
from posekit.metrics.protocol import Card

_LSP_OF_H36M = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("thorax", "head"),
)
"""SPIN's J14: LSP's joints, the neck and the head being those of Human3.6M."""

_MUPOTS_BONES = (
    *(("pelvis", "spine"), ("spine", "neck_base")),
    *(("neck_base", "head_top"), ("neck_base", "mid_head")),
    *(("neck_base", "right_shoulder"), ("right_shoulder", "right_elbow")),
    *(("right_elbow", "right_wrist"), ("neck_base", "left_shoulder")),
    *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
    *(("pelvis", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle")),
    *(("pelvis", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle")),
)
"""In MuPoTS's script the head's top hangs on the neck, not on the head."""

_MARTINEZ = Card(
    name="h36m-martinez-p1",
    rule="S9 and S11, every frame of every camera: mean distance of 17 joints from the truth after "
    "both pelvises are put on one another; mean of each action, then mean of the actions.",
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

_MOON = Card(
    name="h36m-moon-p2",
    rule="S9 and S11, every 64th frame of every camera: mean distance of 17 joints from the truth "
    "after both pelvises are put on one another; mean of all samples.",
    source="Moon et al., ICCV 2019; 3DMPPE_POSENET_RELEASE, data/Human36M/Human36M.py (its P2)",
    skeleton=H36M17,
    joints=H36M17.joints,
    subjects=("S9", "S11"),
    every=64,
)

_SPIN = Card(
    name="h36m-spin-p1",
    rule="S9 and S11, every 5th frame of every camera: mean distance of 14 joints (LSP's, with "
    "Human3.6M's thorax and head) from the truth relative to the pelvis; mean of all samples.",
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
    "regressed from the mesh of the person's gender) from the truth relative to the pelvis; mean "
    "of all samples.",
    source="Kolotouros et al., ICCV 2019; SPIN, eval.py and datasets/preprocess/pw3d.py",
    subjects=(),
    every=1,
)

_3DHP_SPIN = replace(
    _SPIN,
    name="3dhp-spin",
    rule="Every valid frame with all 17 joints inside the picture, universal skeleton: mean "
    "distance of 17 joints (Human3.6M's; the base of the neck, the middle and the top of the head "
    "are taken for its thorax, neck/nose and head) from the truth relative to the pelvis; mean of "
    "all samples.",
    source="Kolotouros et al., ICCV 2019; SPIN, eval.py and datasets/preprocess/mpi_inf_3dhp.py",
    joints=H36M17.joints,
    subjects=(),
    every=1,
    flag="inside",
)

_VIBE = replace(
    _3DPW,
    name="3dpw-vibe",
    rule="As 3dpw-spin, but relative to the middle of the hips (and with the truth of the neutral "
    "mesh, a matter of the data).",
    source="Kocabas et al., CVPR 2020; VIBE, lib/core/evaluate.py",
    root=("left_hip", "right_hip"),
)

_3DHP = Card(
    name="3dhp-mpjpe",
    rule="Every valid frame, universal skeleton: mean distance of 17 joints from the truth "
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
    "centre) less than 150 mm from the truth relative to the pelvis; mean of all samples.",
    metric="pck",
    joints=MPI_INF_3DHP17.joints[:14],
)

_MUPOTS = Card(
    name="mupots-moon",
    rule="Every annotated person, predictions matched greedily by 2D joints within 40 px and given "
    "the true bone lengths: share of 14 joints less than 150 mm from the universal truth relative "
    "to the pelvis, 0 for persons missed; mean of each sequence, then mean of the sequences.",
    source="Moon et al., ICCV 2019; data/MuPoTS/mpii_mupots_multiperson_eval.m, mode 0, relative",
    skeleton=MPI_INF_3DHP17,
    joints=MPI_INF_3DHP17.joints[:14],
    metric="pck",
    bones=_MUPOTS_BONES,
    mean_over="subjects",
)

_CMU = Card(
    name="cmu-p1",
    rule="Every performer, camera and frame that is there: mean distance of 17 joints from the "
    "truth after both pelvises are put on one another; mean of each motion, then mean of the "
    "motions.",
    source="posekit, 2026: the rule of h36m-martinez-p1 on CMU motion capture, whose motions are "
    "the actions",
    skeleton=H36M17,
    joints=H36M17.joints,
    mean_over="actions",
)

_AREA = "As {}, with the mean over the thresholds 0, 5, ..., 150 mm (a perfect result is 96.77 %)."

CARDS = {
    card.name: card
    for card in (
        _MARTINEZ,
        replace(
            _MARTINEZ,
            name="h36m-martinez-p2",
            rule="As h36m-martinez-p1, after each prediction is aligned on all 17 joints by a "
            "rotation, a translation and a scale.",
            source="Martinez et al., ICCV 2017; 3d-pose-baseline, src/procrustes.py",
            alignment="similarity",
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
            "scale, on these and the middle of the shoulders; mean of all samples.",
            source=_MOON.source.replace("its P2", "its P1; common/utils/pose_utils.py"),
            alignment="rigid",
            aligned_on=(*H36M17.joints, "mid_shoulders"),
            subjects=("S11",),
        ),
        _MOON,
        _SPIN,
        replace(
            _SPIN,
            name="h36m-spin-p1-pa",
            rule="As h36m-spin-p1, after each prediction is aligned on its 14 joints by a "
            "rotation, a translation and a scale.",
            alignment="similarity",
        ),
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
        replace(
            _3DPW,
            name="3dpw-spin-pa",
            rule="As 3dpw-spin, after each prediction is aligned on its 14 joints by a rotation, a "
            "translation and a scale.",
            alignment="similarity",
        ),
        _VIBE,
        replace(
            _VIBE,
            name="3dpw-vibe-pa",
            rule="As 3dpw-vibe, after each prediction is aligned on its 14 joints by a rotation, a "
            "translation and a scale.",
            alignment="similarity",
        ),
        _3DHP_SPIN,
        replace(
            _3DHP_SPIN,
            name="3dhp-spin-pa",
            rule="As 3dhp-spin, after each prediction is aligned on its 17 joints by a rotation, a "
            "translation and a scale.",
            alignment="similarity",
        ),
        _3DHP,
        _3DPCK,
        replace(_3DPCK, name="3dhp-auc", rule=_AREA.format("3dhp-pck"), metric="auc"),
        _CMU,
        replace(
            _CMU,
            name="cmu-p2",
            rule="As cmu-p1, after each prediction is aligned on all 17 joints by a rotation, a "
            "translation and a scale.",
            alignment="similarity",
        ),
        _MUPOTS,
        replace(_MUPOTS, name="mupots-moon-auc", rule=_AREA.format("mupots-moon"), metric="auc"),
        replace(
            _MUPOTS,
            name="mupots-moon-matched",
            rule="As mupots-moon, of the persons that a prediction was matched to.",
            source=_MUPOTS.source.replace("mode 0", "mode 1"),
            misses=False,
        ),
        replace(
            _MUPOTS,
            name="mupots-moon-matched-auc",
            rule=_AREA.format("mupots-moon-matched"),
            source=_MUPOTS.source.replace("mode 0", "mode 1"),
            misses=False,
            metric="auc",
        ),
    )
}
"""All cards by name."""


# FOLDED posekit.picture_cards: Protocol cards of networks that see pictures: what they are given besides, and how they are judged.
#
# Such a network says where in the crop a joint is and how much deeper than the root. Pixels become
# millimetres only with the depth of the root, and cards differ in where that comes from. Everything
# else of a rule is a `posekit.card.Card`.
#
# B pictures, J joints.


@dataclass(frozen=True)
class PictureCard(Card):
    """A card with the help that the prediction is given."""

    root_depth: str = "true"  # or "size": guessed from the size of the crop

    def place(
        self,
        pixels: Float[Tensor, "B J 2"],
        depths: Float[Tensor, "B J"],
        intrinsics: Float[Tensor, "B 3 3"],
        root: Float[Tensor, " B"],
        per_focal: float,
    ) -> Float[Tensor, "B J 3"]:
        """Camera points (mm) of px of the crop and mm from the root.

        `root` are the true depths of the root, mm; `per_focal` is what fits a data set best in
        depth = per_focal * focal length of the crop (`fit_size`): the larger a crop shows things,
        the nearer they are.
        """
        if self.root_depth == "size":
            root = per_focal * intrinsics[:, 0, 0]
        rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        rays = rays @ torch.linalg.inv(intrinsics).mT
        return rays * (depths + root[:, None])[..., None]


def fit_size(root: Float[Tensor, " B"], intrinsics: Float[Tensor, "B 3 3"]) -> float:
    """The median of depth of the root / focal length of the crop, mm a px.

    A crop holds a person's box, so it shows about two metres whatever the distance.
    """
    return (root / intrinsics[:, 0, 0]).median().item()


_BOUCHIAT = PictureCard(
    name="h36m-bouchiat",
    rule="S8, every frame of every camera that is there: x and y of the crop become millimetres by "
    "the true depth of the pelvis and the camera's true intrinsics; mean distance of 17 joints, the "
    "pelvis's 0 among them, after both pelvises are put on one another; mean of all samples.",
    source="Bouchiat et al.; kaufmann-a/ETH_MP-Human-Pose-Prediction, validation on subject 8",
    skeleton=H36M17,
    joints=H36M17.joints,
    subjects=("S8",),
)
_UNAIDED = replace(
    _BOUCHIAT,
    name="h36m-bouchiat-unaided",
    rule="As h36m-bouchiat, but nobody tells the depth of the pelvis: it is guessed from how large "
    "the crop shows things, by one factor fitted on the training pictures.",
    source="posekit, 2026: h36m-bouchiat without its help",
    root_depth="size",
)
PICTURE_CARDS = {card.name: card for card in (_BOUCHIAT, _UNAIDED)}
"""Bouchiat et al.'s, by name. The true depth of the pelvis gives away the size of the person: with
it, an error in depth along the ray is the joints' own only."""

MOON_CARDS = {
    name: PictureCard(**{field.name: getattr(CARDS[name], field.name) for field in fields(Card)})
    for name in ("h36m-moon-p1", "h36m-moon-p2")
}
"""The cards of `posekit.protocols` that Choi et al. are judged by, for networks that see pictures:
the true depth of the pelvis is given, as Moon et al.'s evaluation does it (their `use_gt_info`)."""
