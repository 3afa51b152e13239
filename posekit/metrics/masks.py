"""The rules of silhouettes and body parts: which pixels of a picture a predicted body has right.

SPIN's evaluation on Leeds Sports Pose (Kolotouros et al., ICCV 2019; eval.py), after UP-3D's
(Lassner et al., CVPR 2017): true maps against a rendering of the predicted body. All pixels of all
pictures are counted together, so that large pictures weigh more. Maps are those of a `Batch`: in
masks 1 is the person, in part maps 1 to 6 are the parts, and IGNORE is a pixel that nobody labels.

B pictures, C classes, H x W pixels, V vertices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from posekit.data.batch import IGNORE
from posekit.geometry.body import Body
from posekit.geometry.render import project, rasterise

PARTS = ("left arm", "right arm", "head", "left leg", "right leg", "torso")


@dataclass(frozen=True)
class Counts:
    """Pixels of pictures, from which every number of a card follows."""

    right: Int64[Tensor, " B"]
    pixels: Int64[Tensor, " B"]
    hits: Int64[Tensor, "B C"]  # of the class, and predicted so
    false: Int64[Tensor, "B C"]  # predicted so, but of another class
    missed: Int64[Tensor, "B C"]  # of the class, but predicted otherwise

    @staticmethod
    def join(parts: Sequence["Counts"]) -> "Counts":
        """Those of several batches, whose pictures may differ in size; ValueError for none."""
        if not parts:
            raise ValueError("no counts to join")
        return Counts(*(torch.cat(field) for field in zip(*(vars(p).values() for p in parts))))

    def accuracies(self) -> Float64[Tensor, " B"]:
        """Of each picture the share of pixels that are right, %: to find the worst ones.

        Their mean is a card's accuracy only where all pictures have one size.
        """
        return 100 * self.right.double() / self.pixels


@dataclass(frozen=True)
class MaskCard:
    """One published rule: from predicted and true maps to accuracy (%) and F1 (0 to 1)."""

    name: str
    rule: str  # in words
    source: str
    classes: tuple[str, ...]  # by their number in the maps
    united: bool = False  # whatever is not 0 is class 1
    ignores: bool = False  # true maps may have pixels that nobody labels

    def count(self, pred: UInt8[Tensor, "B H W"], true: UInt8[Tensor, "_ _ _"]) -> Counts:
        """The pixels of each picture by class and outcome.

        ValueError for maps that differ in shape, or hold numbers that are no class of the card.
        """
        if pred.shape != true.shape:
            raise ValueError(
                f"{self.name}: predicted maps {tuple(pred.shape)}, true ones {tuple(true.shape)}; "
                "bring the predicted ones to the size of the true ones"
            )
        self._check("predicted", pred, ignores=False)
        self._check("true", true, ignores=self.ignores)
        if self.united:
            pred, true = (pred > 0).to(torch.uint8), (true > 0).to(torch.uint8)
        labelled = true != IGNORE
        hits, false, missed = [], [], []
        for number in range(len(self.classes)):
            said, so = (pred == number) & labelled, true == number
            hits.append((said & so).sum((1, 2)))
            false.append((said & ~so).sum((1, 2)))
            missed.append((so & ~said).sum((1, 2)))
        counts = (torch.stack(each, dim=1) for each in (hits, false, missed))
        right = (pred == true.masked_fill(~labelled, 0)).sum((1, 2))
        return Counts(right, torch.full_like(right, pred[0].numel() if len(pred) else 0), *counts)

    def score(self, counts: Counts) -> dict[str, float]:
        """ "accuracy" (%), "f1" (0 to 1, the mean over the classes) and "f1/CLASS" of each.

        ValueError when there are no pixels, or a class has none in any map: its F1 is 0 / 0.
        """
        pixels = counts.pixels.sum().item()
        if not pixels:
            raise ValueError(f"{self.name}: no pictures were counted")
        hits, false, missed = (
            each.sum(0).double() for each in (counts.hits, counts.false, counts.missed)
        )
        either = 2 * hits + false + missed
        absent = [name for name, n in zip(self.classes, either.tolist(), strict=True) if not n]
        if absent:
            raise ValueError(
                f"{self.name}: no true or predicted pixel of {', '.join(absent)} in "
                f"{len(counts.right)} pictures, so F1 is not known; take more of them"
            )
        f1 = 2 * hits / either
        numbers = {"accuracy": 100 * counts.right.sum().item() / pixels, "f1": f1.mean().item()}
        return numbers | {f"f1/{c}": v for c, v in zip(self.classes, f1.tolist(), strict=True)}

    def _check(self, what: str, maps: Tensor, *, ignores: bool) -> None:
        wrong = maps == IGNORE if self.united else maps >= len(self.classes)
        if ignores:
            wrong = wrong & (maps != IGNORE)
        if wrong.any():
            picture = int(wrong.flatten(1).any(1).nonzero()[0])
            raise ValueError(
                f"{self.name}: the {what} map of picture {picture} holds "
                f"{int(maps[picture][wrong[picture]][0])}; its classes are 0 to "
                f"{len(self.classes) - 1}, {', '.join(self.classes)}"
                + (f", and {IGNORE} where nobody labels" if ignores else "")
            )


_SPIN = "Kolotouros et al., ICCV 2019; SPIN, eval.py --dataset=lsp, on the labels of UPi-S1h"

MASK_CARDS = {
    card.name: card
    for card in (
        MaskCard(
            name="lsp-silhouette",
            rule="Person or background: the share of all pixels of all pictures that agree, and F1, "
            "2 tp / (2 tp + fp + fn) from the counts of all pictures together, mean of person and "
            "background. The body is predicted in a crop of 224 px and compared in the whole "
            "picture, a matter of the data.",
            source=_SPIN,
            classes=("background", "person"),
            united=True,
        ),
        MaskCard(
            name="lsp-parts",
            rule="As lsp-silhouette, of six parts and the background, F1 the mean of the seven. A "
            "pixel that nobody labels (255) counts in no class's F1; for the accuracy it is "
            "background, where a predicted body is wrong.",
            source=_SPIN,
            classes=("background", *PARTS),
            ignores=True,
        ),
    )
}
"""By name."""


def drawn(
    body: Body,
    vertices: Float[Tensor, "B V 3"],
    K: Float[Tensor, "B 3 3"],
    height: int,
    width: int,
) -> UInt8[Tensor, "B H W"]:
    """Part maps of bodies (camera, mm) in pictures of intrinsics `K`: what both cards take.

    One sample a pixel, as SPIN's renderer. Triangles behind the camera are not drawn. ValueError
    for NaN, naming the body.
    """
    raster = rasterise(project(vertices, K), body.faces, height, width)
    return raster.labels(body.parts)


def rows(
    subject: str, counts: Mapping[str, Counts], data: str
) -> list[tuple[str, str, str, float]]:
    """What a record says of the method `subject`: quantity, card, data, value.

    `counts` are by the name of their card. "f1" becomes "f1/SUBJECT", "f1/head" "f1/SUBJECT/head".
    Raises as `MaskCard.score`.
    """
    told = []
    for name, each in counts.items():
        for quantity, value in MASK_CARDS[name].score(each).items():
            metric, _, part = quantity.partition("/")
            told.append(("/".join(filter(None, (metric, subject, part))), name, data, value))
    return told


def quantities(
    subject: str,
    pred: UInt8[Tensor, "B H W"],
    masks: UInt8[Tensor, "B H W"],
    parts: UInt8[Tensor, "B H W"],
    *,
    data: str,
) -> list[tuple[str, str, str, float]]:
    """`rows` of predicted part maps against true masks and part maps of pictures of one size."""
    true = {"lsp-silhouette": masks, "lsp-parts": parts}
    counts = {name: MASK_CARDS[name].count(pred, maps) for name, maps in true.items()}
    return rows(subject, counts, data)
