"""What bodies are examined on: test pictures, the cards that apply to them, and the body model.

B pictures, V vertices, J joints, S shape numbers, H x W pixels.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.albums import Filmed
from posekit.data.batch import Batch
from posekit.data.pictures import DRAWN_TOGETHER
from posekit.geometry.body import Body
from posekit.metrics import masks, mesh
from posekit.metrics.protocol import measure
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.hmr import Estimate, intrinsics

Rows = list[tuple[str, str, str, float]]


@dataclass(frozen=True)
class BodyModel:
    """A body as a data set of a run: another body is another run."""

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
class Exam:
    """Test pictures, and the pose cards that they are judged by; with silhouettes and parts also by
    the mask cards."""

    filmed: Filmed
    cards: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.filmed.name

    @property
    def version(self) -> str:
        return self.filmed.version

    def fingerprint(self) -> str:
        """A short hash of the pictures and of the cards' names."""
        told = f"{self.filmed.fingerprint()} {' '.join(self.cards)}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answers:
    """Bodies that were said of the pictures of an exam."""

    joints: Float[Tensor, "B 17 3"]  # mm, from the root joint
    surface: Float[Tensor, " B"]  # mean distance of the vertices from the true ones, mm
    shape: Float[Tensor, " B"]  # the same with both in the T pose
    counts: dict[str, masks.Counts]  # by mask card; empty where there are no masks


@torch.no_grad()
def answers(found: Estimate, exam: Exam, body: Body) -> Answers:
    """The estimates as joints, distances of surfaces (root joint on root joint), and pixels."""
    batch = exam.filmed.album.batch
    parts = [
        _answers(Estimate(*(each[rows] for each in found)), batch[rows], body)
        for rows in torch.arange(len(batch)).split(DRAWN_TOGETHER)
    ]
    joints, surface, shape, counts = zip(*parts, strict=True)
    pooled = {name: masks.Counts.join([each[name] for each in counts]) for name in counts[0]}
    return Answers(torch.cat(joints), torch.cat(surface), torch.cat(shape), pooled)


def _answers(found: Estimate, batch: Batch, body: Body) -> tuple:
    """The fields of `Answers` of some of the pictures."""
    nowhere = torch.zeros_like(found.camera)
    posed = body(found.rotations, found.shape, nowhere)
    true = body(batch.rotations, batch.shape, nowhere)
    rests = [body.rest(shape) for shape in (found.shape, batch.shape)]
    own, real = (rest.vertices - rest.joints[:, :1] for rest in rests)
    counts = {}
    if batch.masks is not None:
        vertices = posed.vertices + found.translation[:, None]
        K = intrinsics(len(batch), batch.size)
        drawn = masks.part_maps(body, vertices, K, *batch.size)
        maps = {"lsp-silhouette": batch.masks, "lsp-parts": batch.parts}
        counts = {name: masks.MASK_PROTOCOLS[name].count(drawn, maps[name]) for name in maps}
    far = ((a - b).norm(dim=-1).mean(1) for a, b in ((posed.vertices, true.vertices), (own, real)))
    return mesh.joints(body, posed.vertices), *far, counts


def judge(subject: str, found: Estimate, exam: Exam, body: Body) -> Rows:
    """What a record says of the method `subject`: quantity, card, data, value.

    mpjpe by each pose card; accuracy and F1 by the mask cards; surface and shape, of no card, where
    the exam knows the true bodies: mean distance of vertices, posed and in the T pose, mm.
    """
    said, filmed = answers(found, exam, body), exam.filmed
    true, rows = filmed.album.batch.joints3d, []
    for card in (PROTOCOLS[name] for name in exam.cards):
        value = card.evaluate(said.joints, true, filmed.frames)[card.metric]
        rows.append((f"{card.metric}/{subject}", card.name, filmed.name, value))
    for name, counts in said.counts.items():
        rows += measure(subject, [masks.MASK_PROTOCOLS[name]], filmed.name, counts)
    known = filmed.album.batch.has_body
    if known.all():
        for metric, values in (("surface", said.surface), ("shape", said.shape)):
            rows.append((f"{metric}/{subject}", "", filmed.name, values.mean().item()))
    return rows
