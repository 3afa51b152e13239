"""Predicted bodies compared with true ones: by pose and mask protocols, and surface to surface.

B pictures, V vertices, J joints, S shape coefficients, H x W pixels.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.albums import Album
from posekit.data.batch import Batch
from posekit.data.people import PeoplePictures, uncrop
from posekit.geometry.body import Body
from posekit.metrics import masks, mesh
from posekit.metrics.protocol import Row, measure
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.hmr import Estimate, intrinsics

COMPARED_TOGETHER = 16  # pictures whose meshes are in memory at a time
RENDERED = 224  # px, the side of a crop in which SPIN draws a body for the masks of whole pictures


@dataclass(frozen=True)
class MaskAlbum(Album):
    """An album of Leeds Sports Pose, whose bodies are compared with masks of whole pictures.

    `whole` makes crops of RENDERED px of the same people; the batch's own masks are not counted.
    """

    whole: PeoplePictures | None = None


@dataclass(frozen=True)
class BodyModel:
    """A body as one of a run's data sets: with another body it is another run."""

    body: Body
    version: str = "1"

    @property
    def name(self) -> str:
        return f"body-{self.body.name}"

    def fingerprint(self) -> str:
        """A short hash of the surface and of how it changes with shape and pose."""
        body, digest = self.body, hashlib.sha256()
        for part in (body.template, body.shape_directions, body.weights, body.faces):
            digest.update(part.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Comparison:
    """Predicted bodies of an album beside the true ones."""

    joints: Float[Tensor, "B 17 3"]  # predicted, mm from the root joint
    surface: Float[Tensor, " B"]  # mean distance of the vertices, root joint on root joint, mm
    shape: Float[Tensor, " B"]  # the same with both bodies in the T pose
    counts: dict[str, masks.Counts]  # of pixels, by mask protocol; empty for an album without masks


@torch.no_grad()
def compare(pred: Estimate, test: Album, body: Body) -> Comparison:
    """Compare the predicted bodies of an album's pictures with the true ones."""
    parts = [
        _compare(Estimate(*(values[rows] for values in pred)), test.batch[rows], body)
        for rows in torch.arange(len(test)).split(COMPARED_TOGETHER)
    ]
    joints, surface, shape, counts = zip(*parts, strict=True)
    pooled = {name: masks.Counts.join([part[name] for part in counts]) for name in counts[0]}
    return Comparison(torch.cat(joints), torch.cat(surface), torch.cat(shape), pooled)


def _compare(pred: Estimate, batch: Batch, body: Body) -> tuple:
    """The fields of `Comparison` for some of the pictures."""
    nowhere = torch.zeros_like(pred.camera)
    posed = body(pred.rotations, pred.shape, nowhere)
    true = body(batch.rotations, batch.shape, nowhere)
    rests = [body.rest(shape) for shape in (pred.shape, batch.shape)]
    own, real = (rest.vertices - rest.joints[:, :1] for rest in rests)
    counts = {}
    if batch.masks is not None:
        vertices = posed.vertices + pred.translation[:, None]
        K = intrinsics(len(batch), batch.size)
        drawn = masks.part_maps(body, vertices, K, *batch.size)
        maps = {"lsp-silhouette": batch.masks, "lsp-parts": batch.parts}
        counts = {name: masks.MASK_PROTOCOLS[name].count(drawn, maps[name]) for name in maps}
    far = ((a - b).norm(dim=-1).mean(1) for a, b in ((posed.vertices, true.vertices), (own, real)))
    return mesh.joints(body, posed.vertices), *far, counts


@torch.no_grad()
def whole_counts(pred: Estimate, test: MaskAlbum, body: Body) -> dict[str, masks.Counts]:
    """The pixels of the whole pictures by mask protocol, as eval.py of SPIN counts them.

    Each body is drawn in a crop of RENDERED px, and its parts put back into the picture.
    """
    found: dict[str, list[masks.Counts]] = {name: [] for name in masks.MASK_PROTOCOLS}
    size = (RENDERED, RENDERED)
    for rows in torch.arange(len(test)).split(COMPARED_TOGETHER):
        part = Estimate(*(values[rows] for values in pred))
        vertices = body(part.rotations, part.shape, part.translation).vertices
        drawn = masks.part_maps(body, vertices, intrinsics(len(rows), size), *size)
        for row, labels in zip(rows.tolist(), drawn, strict=True):
            maps = dict(zip(found, test.whole.mask_and_parts(row), strict=True))
            for name, true in maps.items():
                matrix = test.whole.crop(row, tuple(true.shape))[0].matrix
                back = uncrop(labels, matrix, tuple(true.shape))
                found[name].append(masks.MASK_PROTOCOLS[name].count(back[None], true[None]))
    return {name: masks.Counts.join(counts) for name, counts in found.items()}


def quantities(
    subject: str, pred: Estimate, test: Album, body: Body, protocols: Sequence[str]
) -> list[Row]:
    """The errors of predicted bodies: quantity, protocol, data, value.

    The metric of each pose protocol; accuracy and F1 by the mask protocols where the album has
    masks; surface and shape, of no protocol, where all true bodies are known (`Comparison`, mm).
    """
    if isinstance(test, MaskAlbum):
        counts = whole_counts(pred, test, body)
        cards = masks.MASK_PROTOCOLS
        return [row for n in counts for row in measure(subject, [cards[n]], test.name, counts[n])]
    compared, true, rows = compare(pred, test, body), test.batch.joints3d, []
    for protocol in (PROTOCOLS[name] for name in protocols):
        value = protocol.evaluate(compared.joints, true, test.frames)[protocol.metric]
        rows.append((f"{protocol.metric}/{subject}", protocol.name, test.name, value))
    for name, counts in compared.counts.items():
        rows += measure(subject, [masks.MASK_PROTOCOLS[name]], test.name, counts)
    if test.batch.has_body.all():
        for metric in ("surface", "shape"):
            value = getattr(compared, metric).mean().item()
            rows.append((f"{metric}/{subject}", "", test.name, value))
    return rows


def true_bodies(tests: Iterable[tuple[Album, Sequence[str]]], body: Body) -> list[Row]:
    """The errors of the labelled bodies of some albums, as rows of the method "the truth".

    Albums without bodies are left out.
    """
    rows = []
    for test, protocols in tests:
        if not test.batch.has_body.all():
            continue
        camera = torch.tensor([[0.9, 0.0, 0.0]]).expand(len(test), 3)
        true = Estimate(test.batch.rotations, test.batch.shape, camera)
        rows += quantities("the truth", true, test, body, protocols)
    return rows
