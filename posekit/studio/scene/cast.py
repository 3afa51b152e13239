"""Who is in the pictures: dressed bodies, the studio's actors and people made up for one picture.

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
from posekit.studio.motion.anatomy import SUBJECTS
from posekit.studio.motion.anatomy import body as skeleton_of
from posekit.studio.scene import wardrobe


@dataclass(frozen=True, eq=False)
class Wearer:
    """A dressed body at rest."""

    body: Body
    naked: Rest
    dressed: Rest
    look: wardrobe.Look
    shape: Float[Tensor, " S"]

    def stand(
        self,
        rotations: Float[Tensor, "24 3 3"],
        translation: Float[Tensor, "3"],
        markers: Float[Tensor, "17 3"] | None = None,
    ) -> "Person":
        """This body in a pose in the world, its root joint at `translation`."""
        posed = self.body.pose(self.dressed, rotations[None], translation[None])
        return Person(self, rotations, translation, posed.vertices[0], posed.joints[0], markers)


@dataclass(frozen=True, eq=False)
class Person:
    """One dressed body in a pose, standing in the world."""

    wearer: Wearer
    rotations: Float[Tensor, "24 3 3"]  # of the joints to their parents; the root's to the world
    translation: Float[Tensor, "3"]  # of the root joint
    surface: Float[Tensor, "V 3"]  # with clothes and hair
    joints: Float[Tensor, "24 3"]
    markers: Float[Tensor, "17 3"] | None = None  # Human3.6M's joints, where the studio knows them

    @cached_property
    def skin(self) -> Float[Tensor, "1 V 3"]:
        """The surface without clothes and hair."""
        wearer, at = self.wearer, self.translation[None]
        return wearer.body.pose(wearer.naked, self.rotations[None], at).vertices

    def moved(self, by: Float[Tensor, "3"]) -> "Person":
        """The person elsewhere in the world."""
        names = ("translation", "surface", "joints", "markers")
        places = {name: getattr(self, name) for name in names}
        return replace(self, **{n: at + by for n, at in places.items() if at is not None})


@lru_cache(maxsize=8)
def figure(body: Body) -> wardrobe.Figure:
    """Where clothes are cut on this body; found on its surface, so that any SMPL body will do."""
    rest = body.rest(torch.zeros(1, body.shapes))
    vertices, joints = rest.vertices[0].numpy(), rest.joints[0].numpy()
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
def places(body: Body) -> Float[np.ndarray, "V 3"]:
    """Where each vertex is on the template: the coordinates in which clothes are cut."""
    return body.rest(torch.zeros(1, body.shapes)).vertices[0].numpy()


def dress(body: Body, rest: Rest, look: wardrobe.Look, shape: Float[Tensor, " S"]) -> Wearer:
    """A naked body at rest, with what it wears."""
    off = wardrobe.bulk(look, figure(body), places(body))
    dressed = rest.vertices + torch.from_numpy(off)[:, None] * normals(rest.vertices, body.faces)
    return Wearer(body, rest, Rest(dressed, rest.joints), look, shape)


@lru_cache(maxsize=32)
def actor(subject: str, body: Body) -> Wearer:
    """An actor of the studio in own clothes."""
    shape, rest = tailored(subject, body)
    return dress(body, rest, wardrobe.draw(dice(4, SUBJECTS.index(subject))), shape)


@lru_cache(maxsize=32)
def tailored(subject: str, body: Body) -> tuple[Float[Tensor, " S"], Rest]:
    """The body's shape that comes nearest to an actor, and the body warped to the actor's bones."""
    offsets = torch.from_numpy(skeleton_of(subject).offsets @ poses.SMPL_AXES).float()
    return body.tailor(offsets)
