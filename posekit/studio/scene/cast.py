"""People in the pictures: bodies with clothes and hair, at rest and posed.

V vertices of the body, S shape numbers. World: mm, z up, floor at 0. Rest frame: mm, x left, y up,
z forward.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.pictures import dice
from posekit.geometry.body import Body, Rest
from posekit.geometry.render import normals
from posekit.geometry.skeleton import SMPL24
from posekit.studio import poses
from posekit.studio.motion.anatomy import EVERYBODY
from posekit.studio.motion.anatomy import body as skeleton_of
from posekit.studio.scene import wardrobe


@dataclass(frozen=True, eq=False)
class DressedBody:
    """A body at rest, with its clothes and hair."""

    body: Body
    skin: Rest
    surface: Rest  # with clothes and hair
    look: wardrobe.Look
    shape: Float[Tensor, " S"]

    def pose(
        self,
        rotations: Float[Tensor, "24 3 3"],
        translation: Float[Tensor, "3"],
        markers: Float[Tensor, "17 3"] | None = None,
    ) -> "Person":
        """This body posed in the world, its root joint at `translation`."""
        posed = self.body.pose(self.surface, rotations[None], translation[None])
        return Person(self, rotations, translation, posed.vertices[0], posed.joints[0], markers)


@dataclass(frozen=True, eq=False)
class Person:
    """A dressed body posed in the world."""

    dressed: DressedBody
    rotations: Float[Tensor, "24 3 3"]  # of the joints to their parents; the root's to the world
    translation: Float[Tensor, "3"]  # of the root joint
    surface: Float[Tensor, "V 3"]  # with clothes and hair
    joints: Float[Tensor, "24 3"]
    markers: Float[Tensor, "17 3"] | None = None  # Human3.6M's joints, of the studio's actors

    @cached_property
    def skin(self) -> Float[Tensor, "1 V 3"]:
        """The surface without clothes and hair."""
        dressed, at = self.dressed, self.translation[None]
        return dressed.body.pose(dressed.skin, self.rotations[None], at).vertices

    def moved(self, by: Float[Tensor, "3"]) -> "Person":
        """The person translated in the world."""
        names = ("translation", "surface", "joints", "markers")
        places = {name: getattr(self, name) for name in names}
        return replace(self, **{n: at + by for n, at in places.items() if at is not None})


@lru_cache(maxsize=8)
def figure(body: Body) -> wardrobe.Figure:
    """The landmarks that clothes are cut by, from the surface, so that any SMPL body will do."""
    vertices, joints = template(body), body.rest(torch.zeros(1, body.shapes)).joints[0].numpy()
    top = vertices[:, 1].max()
    head = vertices[vertices[:, 1] > joints[SMPL24.index("smpl_head"), 1]]
    middle = head[np.abs(head[:, 0]) < 12]
    nose = middle[middle[:, 2].argmax()]
    # Eyes: a quarter of the way from the tip of the nose to the top of the head, 63 mm apart (the
    # mean distance of pupils in ANSUR II), sunk behind the tip.
    height = top - nose[1]
    eyes = nose + np.float32([[31.5, 0.25 * height, -28.0], [-31.5, 0.25 * height, -28.0]])
    return wardrobe.Figure(joints, eyes, nose, float(top))


@lru_cache(maxsize=8)
def template(body: Body) -> Float[np.ndarray, "V 3"]:
    """The vertices of the mean shape at rest: the coordinates in which clothes are cut."""
    return body.rest(torch.zeros(1, body.shapes)).vertices[0].numpy()


def dress(body: Body, rest: Rest, look: wardrobe.Look, shape: Float[Tensor, " S"]) -> DressedBody:
    """A body at rest with the clothes and hair of a look."""
    off = wardrobe.bulk(look, figure(body), template(body))
    surface = rest.vertices + torch.from_numpy(off)[:, None] * normals(rest.vertices, body.faces)
    return DressedBody(body, rest, Rest(surface, rest.joints), look, shape)


@lru_cache(maxsize=32)
def actor(subject: str, body: Body) -> DressedBody:
    """An actor of the studio: the body fitted to his or her bones, always in the same clothes."""
    offsets = torch.from_numpy(skeleton_of(subject).offsets @ poses.SMPL_AXES).float()
    shape, rest = body.tailor(offsets)
    return dress(body, rest, wardrobe.draw(dice(4, EVERYBODY.index(subject))), shape)
