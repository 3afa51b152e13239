"""Accuracy and F1 of silhouettes and body parts, from predicted and true pixel maps.

SPIN's evaluation on Leeds Sports Pose (Kolotouros et al., ICCV 2019; eval.py), after UP-3D's
(Lassner et al., CVPR 2017): true maps against a rendering of the predicted body. All pixels of all
pictures are counted together, so that large pictures weigh more. Maps are those of a `Batch`: in
masks 1 is the person, in part maps 1 to 6 are the parts, and IGNORE is an unlabelled pixel.

B pictures, C classes, H x W pixels, V vertices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from posekit.data.batch import IGNORE
from posekit.geometry.body import Body
from posekit.geometry.render import project, rasterise
from posekit.metrics.protocol import Protocol

PARTS = ("left arm", "right arm", "head", "left leg", "right leg", "torso")


@dataclass(frozen=True)
class Counts:
    """Pixels of each picture by class and outcome; every number of a protocol follows from them."""

    correct: Int64[Tensor, " B"]
    pixels: Int64[Tensor, " B"]
    true_positives: Int64[Tensor, "B C"]
    false_positives: Int64[Tensor, "B C"]
    false_negatives: Int64[Tensor, "B C"]

    @staticmethod
    def join(parts: Sequence["Counts"]) -> "Counts":
        """The counts of several batches, whose pictures may differ in size; ValueError for none."""
        if not parts:
            raise ValueError("no counts to join")
        return Counts(*(torch.cat(field) for field in zip(*(vars(p).values() for p in parts))))

    def accuracies(self) -> Float64[Tensor, " B"]:
        """Share of each picture's pixels that are correct, %.

        Their mean is a protocol's accuracy only where all pictures have one size.
        """
        return 100 * self.correct.double() / self.pixels


@dataclass(frozen=True, kw_only=True)
class MaskProtocol(Protocol):
    """A published rule for pixel maps: accuracy (%) and F1 (0 to 1)."""

    metric: str = "accuracy"
    classes: tuple[str, ...]  # by their number in the maps
    united: bool = False  # whatever is not 0 is class 1
    ignores: bool = False  # true maps may have unlabelled pixels

    def count(self, pred: UInt8[Tensor, "B H W"], true: UInt8[Tensor, "_ _ _"]) -> Counts:
        """The pixels of each picture by class and outcome.

        ValueError for maps that differ in shape, or hold numbers that are no class.
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
        outcomes = []
        for number in range(len(self.classes)):
            predicted, actual = (pred == number) & labelled, true == number
            pixels = (predicted & actual, predicted & ~actual, actual & ~predicted)
            outcomes.append(torch.stack([each.sum((1, 2)) for each in pixels]))
        correct = (pred == true.masked_fill(~labelled, 0)).sum((1, 2))
        size = pred.shape[1] * pred.shape[2]
        return Counts(correct, torch.full_like(correct, size), *torch.stack(outcomes, dim=-1))

    def evaluate(self, counts: Counts) -> dict[str, float]:
        """ "accuracy" (%), "f1" (0 to 1, the mean over the classes) and "f1/CLASS" of each class.

        ValueError when there are no pixels, or a class has none in any map: its F1 is 0 / 0.
        """
        pixels = counts.pixels.sum().item()
        if not pixels:
            raise ValueError(f"{self.name}: no pictures were counted")
        positives = 2 * counts.true_positives.sum(0).double()
        either = positives + counts.false_positives.sum(0) + counts.false_negatives.sum(0)
        absent = [name for name, n in zip(self.classes, either.tolist(), strict=True) if not n]
        if absent:
            raise ValueError(
                f"{self.name}: no true or predicted pixel of {', '.join(absent)} in "
                f"{len(counts.correct)} pictures, so F1 is not known; take more of them"
            )
        f1 = positives / either
        numbers = {"accuracy": 100 * counts.correct.sum().item() / pixels, "f1": f1.mean().item()}
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
                + (f", and {IGNORE} where nothing is labelled" if ignores else "")
            )


_SPIN = "Kolotouros et al., ICCV 2019; SPIN, eval.py --dataset=lsp, on the labels of UPi-S1h"

MASK_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        MaskProtocol(
            name="lsp-silhouette",
            rule="Person or background: the share of all pixels of all pictures that agree, and F1, "
            "2 tp / (2 tp + fp + fn) from the counts of all pictures together, mean of person and "
            "background. The body is predicted in a crop of 224 px and compared in the whole "
            "picture, a matter of the data.",
            source=_SPIN,
            classes=("background", "person"),
            united=True,
        ),
        MaskProtocol(
            name="lsp-parts",
            rule="As lsp-silhouette, of six parts and the background, F1 the mean of the seven. An "
            "unlabelled pixel (255) counts in no class's F1; for the accuracy it is "
            "background, where a predicted body is wrong.",
            source=_SPIN,
            classes=("background", *PARTS),
            ignores=True,
        ),
    )
}


def part_maps(
    body: Body,
    vertices: Float[Tensor, "B V 3"],
    K: Float[Tensor, "B 3 3"],
    height: int,
    width: int,
) -> UInt8[Tensor, "B H W"]:
    """Part maps of bodies (camera, mm) in pictures of intrinsics `K`, one sample a pixel.

    Both protocols take them. Triangles behind the camera are not drawn. ValueError for NaN, naming
    the body.
    """
    raster = rasterise(project(vertices, K), body.faces, height, width)
    return raster.labels(body.parts)
