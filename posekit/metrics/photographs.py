"""Rules for photographs that any network can be judged on: PCK by the torso, and 12 joints in space.

N persons, J joints.
"""

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

from posekit.geometry.skeleton import H36M17, LSP14
from posekit.metrics.protocol import PoseProtocol, Protocol

LIMBS = tuple(
    f"{side}_{joint}"
    for joint in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
    for side in ("right", "left")
)
"""Joints that data sets agree on: not those of head, neck and spine."""


@dataclass(frozen=True, kw_only=True)
class TorsoPck(Protocol):
    """PCK: the share of joints not farther from their label than a share of the torso's length."""

    metric: str = "pck"
    threshold: float  # of the torso

    def evaluate(
        self,
        pred: Float[Tensor, "N _ 2"],
        true: Float[Tensor, "N _ 2"],
        known: Bool[Tensor, "N _"],
    ) -> dict[str, float]:
        """The share, in %, of the labelled joints; of LSP's 14, px.

        A joint that the network does not have is NaN in all of `pred` and does not count. ValueError
        for other shapes, for a prediction that is NaN for some and not for others, and when no joint
        is left.
        """
        wanted = (len(true), len(LSP14), 2)
        if pred.shape != wanted or true.shape != wanted or known.shape != wanted[:2]:
            raise ValueError(
                f"{self.name}: predictions {tuple(pred.shape)}, truth {tuple(true.shape)}, labels "
                f"{tuple(known.shape)}; wanted {wanted} twice, {wanted[:2]}"
            )
        absent = pred.isnan().any(-1)
        if (absent.any(0) != absent.all(0)).any():
            raise ValueError(f"{self.name}: predictions of some persons are NaN")
        shoulder, hip = (LSP14.index(name) for name in ("left_shoulder", "right_hip"))
        torso = (true[:, shoulder] - true[:, hip]).norm(dim=-1)
        counted = known & ~absent & (known[:, shoulder] & known[:, hip] & (torso > 0))[:, None]
        if not counted.any():
            raise ValueError(f"{self.name}: no labelled joint is left to count")
        near = (pred - true).norm(dim=-1) <= self.threshold * torso[:, None]
        return {"pck": 100 * near[counted].double().mean().item()}


_TORSO = TorsoPck(
    name="lsp-pck-0.2",
    rule="Pictures 2001 to 2400 of a folder in LSP extended's layout, persons in square boxes of 1.2 "
    "times what their labelled joints span: share of all labelled joints of "
    "the 14 that are no farther from their label than 0.2 of the torso, the distance from the left "
    "shoulder to the right hip; persons without both labels are left out, and joints that a network "
    "does not have (its base of the neck counts as the neck, its head as the top of the head).",
    source="PCK: Yang and Ramanan, PAMI 2013; the torso as evaluations of LSP have it",
    threshold=0.2,
)
_SPACE = PoseProtocol(
    name="pose2sim-mpjpe",
    rule="Every picture, the person in a square box of 1.2 times what the labelled joints span: mean "
    "distance of 12 joints (ankles, knees, hips, wrists, elbows, shoulders) "
    "from the truth, relative to the middle of the hips; mean of all pictures. The camera matrix is "
    "known, the depth is not. The truth is triangulated and good to 20 to 40 mm.",
    source="posekit, 2026, on the demo pictures of Pose2Sim (Pagnon et al., JOSS 2022)",
    skeleton=H36M17,
    joints=LIMBS,
    root=("left_hip", "right_hip"),
)
PHOTOGRAPH_PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _TORSO,
        replace(
            _TORSO,
            name="lsp-pck-0.1",
            rule=_TORSO.rule.replace("0.2 of", "0.1 of"),
            threshold=0.1,
        ),
        _SPACE,
        replace(
            _SPACE,
            name="pose2sim-pa",
            rule="As pose2sim-mpjpe, after each prediction is aligned on these 12 joints by a "
            "rotation, a translation and a scale.",
            alignment="similarity",
        ),
    )
}
