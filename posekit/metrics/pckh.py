"""PCKh@0.5 of MPII: the share of joints near enough to their label, by three published evaluations.

A joint is correct when it lies within half the head size of its label. Head sizes are MPII's, 0.6
of the head box's diagonal. Labelled joints of persons whose head size is known count, but never
pelvis and mid_shoulders (MPII's thorax). Poses and head sizes are in the same pixels, of the
pictures or of crops. The rules differ in their means and at the threshold itself.

N persons, 16 joints in the order of MPII16.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from posekit.geometry.skeleton import MPII16, Skeleton
from posekit.metrics.protocol import Protocol, check_flags

THRESHOLD = 0.5  # of the head size
HEAD = 0.75  # MPII's head size, as a share of the way from "neck" to "head_top"
PARTS = {
    "head": ("head_top",),
    "shoulder": ("right_shoulder", "left_shoulder"),
    "elbow": ("right_elbow", "left_elbow"),
    "wrist": ("right_wrist", "left_wrist"),
    "hip": ("right_hip", "left_hip"),
    "knee": ("right_knee", "left_knee"),
    "ankle": ("right_ankle", "left_ankle"),
}
COUNTED = [joint not in ("pelvis", "mid_shoulders") for joint in MPII16.joints]


@dataclass(frozen=True, kw_only=True)
class PckhProtocol(Protocol):
    """A published rule of PCKh@0.5."""

    metric: str = "pckh"
    inclusive: bool = True  # a joint at the threshold itself is correct
    mean_over: str = "labels"  # or "joints": the mean of the joints' rates
    alone: bool = True  # a person counts with a single labelled joint
    slant: float = 0.0  # of a joint's column that is added to its row

    def evaluate(
        self,
        pred: Float[Tensor, "N 16 2"],
        true: Float[Tensor, "N 16 2"],
        known: Bool[Tensor, "N 16"],
        head: Float[Tensor, " N"],
    ) -> dict[str, float]:
        """ "pckh", and "pckh/head" to "pckh/ankle": the mean of the left rate and the right one, %.

        `known`: which joints are labelled; `head`: head sizes, NaN for a person who does not count.
        A part without a label is NaN. ValueError, naming the person, for a prediction or a label
        that is not finite and for a head size that is not positive; ValueError when nobody counts.
        """
        correct = self._correct(pred, true, known, head)
        rates = correct.nanmean(dim=0)
        if rates[COUNTED].isnan().all():
            raise ValueError(f"{self.name}: nobody has both a head size and a labelled joint")
        mean = rates[COUNTED] if self.mean_over == "joints" else correct[:, COUNTED].flatten()
        numbers = {"pckh": mean.nanmean().item()}
        for part, joints in PARTS.items():
            sides = rates[[MPII16.index(joint) for joint in joints]]
            numbers[f"pckh/{part}"] = sides.nanmean().item()
        return numbers

    def _correct(
        self, pred: Tensor, true: Tensor, known: Tensor, head: Tensor
    ) -> Float64[Tensor, "N 16"]:
        """100 where a joint is correct, 0 where not, NaN where it does not count."""
        _check(self.name, pred, true, known, head)
        if self.slant:
            pred, true, head = self._slanted(pred, true, known, head)
        errors = (pred.double() - true.double()).norm(dim=-1) / head.double()[:, None]
        near = errors <= THRESHOLD if self.inclusive else errors < THRESHOLD
        counts = known & head.isfinite()[:, None]
        if not self.alone:
            counts = counts & _two_places(true, known)[:, None]
        return (100.0 * near.double()).where(counts, math.nan)

    def _slanted(self, pred: Tensor, true: Tensor, known: Tensor, head: Tensor) -> tuple:
        """Poses whose rows have a share of their columns added, and head sizes in their pixels.

        The published code converts head sizes by the first two labelled joints at different places:
        by how far apart these are in its heatmaps and in the picture.
        """
        shear = torch.tensor([[1, self.slant], [0, 1]], dtype=torch.float64, device=true.device)
        pred, slanted, true = pred.double() @ shear, true.double() @ shear, true.double()
        rows = torch.arange(len(true), device=true.device)
        first = known.int().argmax(dim=1)
        apart = true - true[rows, first][:, None]
        second = (known & (apart != 0).any(-1)).int().argmax(dim=1)  # 0 where there is none
        before = apart[rows, second].norm(dim=-1)
        after = (slanted[rows, second] - slanted[rows, first]).norm(dim=-1)
        return pred, slanted, head.double() * (after / before).where(_two_places(true, known), 1.0)


def _two_places(true: Float[Tensor, "N 16 2"], known: Bool[Tensor, "N 16"]) -> Bool[Tensor, " N"]:
    """Which persons have labelled joints at two places or more."""
    inf = torch.tensor(math.inf, dtype=true.dtype, device=true.device)
    high = true.where(known[..., None], -inf).amax(dim=1)
    low = true.where(known[..., None], inf).amin(dim=1)
    return (high > low).any(dim=-1)


def _check(name: str, pred: Tensor, true: Tensor, known: Tensor, head: Tensor) -> None:
    shape = (len(head), len(MPII16), 2)
    check_flags(name, known)
    if pred.shape != shape or true.shape != shape or known.shape != shape[:2]:
        raise ValueError(
            f"{name}: predictions {tuple(pred.shape)}, truth {tuple(true.shape)}, labels "
            f"{tuple(known.shape)} and {len(head)} head sizes; wanted {shape} twice, {shape[:2]}"
        )
    for what, wrong in (
        ("the prediction is not finite", ~pred.isfinite().all(-1).all(-1)),
        ("a labelled joint is not finite", (known & ~true.isfinite().all(-1)).any(-1)),
        ("the head size is not positive; NaN says that it is not known", head <= 0),
        ("the head size is infinite", head.isinf()),
    ):
        if wrong.any():
            raise ValueError(f"{name}, person {wrong.nonzero()[0].item()}: {what}")


def head_sizes(
    joints: Float[Tensor, "N J 2"], known: Bool[Tensor, "N J"], skeleton: Skeleton = MPII16
) -> Float[Tensor, " N"]:
    """MPII's head sizes from labelled joints, for data without head boxes; NaN where one is not
    labelled or both are at one place.

    ValueError for joints and flags of different shapes.

    MPII's own is 0.6 of the head box's diagonal. For its validation persons this gives 0.992 to 1.007
    times that (1st and 99th percentile): upper neck and top of the head lie 0.8 diagonals apart.
    """
    if joints.shape != (*known.shape, 2) or known.shape[1:] != (len(skeleton),):
        raise ValueError(
            f"joints of shape {tuple(joints.shape)}, flags {tuple(known.shape)}; wanted "
            f"(persons, {len(skeleton)}, 2) and (persons, {len(skeleton)}) for {skeleton.name}"
        )
    check_flags("head sizes", known)
    ends = [skeleton.index("neck"), skeleton.index("head_top")]
    neck, top = joints[:, ends].unbind(1)
    sizes = HEAD * (top - neck).norm(dim=1)
    return sizes.where(known[:, ends].all(1) & (sizes > 0), torch.tensor(math.nan))


PCKH_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        PckhProtocol(
            name="mpii-bearpaw-pckh",
            rule="Nearer than half the head size (strictly); mean of the 14 joints' rates, whatever "
            "their labels; pelvis and thorax do not count.",
            source="bearpaw/pytorch-pose, evaluation/eval_PCKh.py",
            inclusive=False,
            mean_over="joints",
        ),
        PckhProtocol(
            name="mpii-hrnet-pckh",
            rule="No farther than half the head size; mean of the 14 joints' rates, weighted by how "
            "many have them labelled; pelvis and thorax do not count.",
            source="Sun et al., CVPR 2019; deep-high-resolution-net.pytorch, lib/dataset/mpii.py, "
            "evaluate; mmpose's is the same",
        ),
        PckhProtocol(
            name="mpii-naman-pckh",
            rule="No farther than half the head size; share of all labelled joints but pelvis and "
            "thorax, of persons with joints at two places or more. In the published code truth and "
            "predictions are maxima of heatmaps, whole cells of 64 x 64, whose rows it divides in "
            "floating point, so that (32, 10) is (32, 10.5); a joint in the first column does not "
            "count: for that, give both as cells. As there, a 64th of the column is added to the row "
            "(not in runs before 29 November 2026).",
            source="Naman-ntc/Pytorch-Human-Pose-Estimation, metrics.py, PCKh; what Kim et al. built "
            "on, who print no PCKh",
            alone=False,
            slant=1 / 64,
        ),
    )
}
"""Weighted by labels, a mean of rates is the share of all labels: the second and the third rule
differ in the persons they count and in the slant, not in their mean."""
