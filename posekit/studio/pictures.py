"""The studio's frames as pictures: the same actors, actions, takes and cameras as its poses.

Row by row the pictures are those of `studio.poses.load` with the same arguments: their 3D joints
are that frame's, through the same cameras and lenses. Actors wear the same clothes in all takes, as
Human3.6M's do, and play in one hall; `varied` pictures have clothes and a place of their own each.

The joints are exact. The body's rotations are, too, but its shape is the nearest that ten numbers
come to the actor, and errors of bones add up: posed with them, SMPL's joints lie 22 to 27 mm (55 at
most) from the labelled ones. The lens's distortion bends people and 2D joints by up to 4 px of a crop
of 256 px; the intrinsics leave it out, as evaluations do. Soles may dip into the floor, 12 mm as a
rule and 74 at worst.

Pictures: px. World: mm, z up, floor at 0.
"""

from collections.abc import Sequence
from functools import cache, cached_property, lru_cache

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from posekit.data.batch import Batch
from posekit.data.pictures import Pictures, dice, height_width
from posekit.geometry.body import Body, free
from posekit.geometry.skeleton import H36M17, Skeleton
from posekit.studio import poses
from posekit.studio.scene import lens, wardrobe
from posekit.studio.scene.cast import actor, dress
from posekit.studio.scene.labels import label
from posekit.studio.scene.light import Lights
from posekit.studio.scene.photograph import Scene, crop_person, shot_intrinsics
from posekit.studio.scene.rooms import stage
from posekit.studio.scene.scenery import Backdrop, Stage

HALL = 2_000.0  # mm around the middle that stays free for the actors
SHARP = 0.64  # share of the cameras' resolution at which the hall is drawn: crops are smaller
SMOOTH, NEAREST, EDGE = cv2.INTER_LINEAR, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE


class StudioPictures(Pictures):
    """Crops of the studio's frames, one labelled person each. ValueError for unknown subjects."""

    name, version = "studio-pictures", poses.VERSION

    def __init__(
        self,
        subjects: Sequence[str] = poses.TRAIN,
        *,
        frames: int = 600,
        every: int = 50,
        size: int | Sequence[int] = 256,
        skeleton: Skeleton = H36M17,
        body: Body | None = None,
        varied: bool = False,
        seed: int = 0,
    ):
        if isinstance(subjects, str):
            subjects = (subjects,)
        if frames < 2 or every < 1:
            raise ValueError(f"frames {frames} must be 2 or more, every {every} 1 or more")
        self.size, self.skeleton, self.seed = height_width(size), skeleton, seed
        self.body, self.varied = free() if body is None else body, varied
        self._moments = range(0, frames, every)  # frames of a take that become pictures
        self._takes = poses.Takes(subjects, frames, seed)

    def __len__(self) -> int:
        return len(self._takes) * len(poses.CAMERAS) * len(self._moments)

    @cached_property
    def frames(self) -> pd.DataFrame:
        """Subject, action, take, camera and frame of every picture, as in a `PoseSet`."""
        rows = [
            (*name, camera, frame)
            for name in self._takes.names
            for camera in poses.CAMERAS
            for frame in self._moments
        ]
        return pd.DataFrame(rows, columns=["subject", "action", "take", "camera", "frame"])

    def sample(self, index: int) -> Batch:
        rest, moment = divmod(index, len(self._moments))
        number, camera = divmod(rest, len(poses.CAMERAS))
        take, frame = self._takes[number], self._moments[moment]
        pose = (take.rotations[frame], take.translation[frame], take.h36m[frame])
        pose = (torch.from_numpy(array).float() for array in pose)
        dressed = actor(take.subject, self.body)
        if self.varied:
            look = wardrobe.draw(dice(self.seed, 12, index, 0))
            dressed = dress(self.body, dressed.skin, look, dressed.shape)
        person = dressed.pose(*pose)
        view = poses.cameras(take.subject)[camera]
        if self.varied:
            rng = dice(self.seed, 12, index, 1)
            around = stage(rng, clear=[(*person.translation[:2].tolist(), 450.0)], reach=6_000.0)
            settings = lens.draw(rng)
        else:
            around = _HallView(self.seed, take.subject, camera)
            settings = lens.with_noise_of(studio_lens(self.seed, camera), index)
        scene = Scene(self.body, (person,), view, around, around.lights, settings)
        return label(crop_person(scene, self.size), 0, self.skeleton, index)


@cache
def studio_lens(seed: int, camera: int) -> lens.Lens:
    """The exposure and noise of one of the hall's cameras."""
    return lens.draw(dice(seed, 14, camera))


def studio_hall(seed: int) -> Stage:
    """The hall in which the actors play."""
    return stage(dice(seed, 13), "hall", clear=[(0.0, 0.0, HALL)], reach=6_000.0)


class _HallView:
    """The hall as one of its cameras sees it: drawn once, since neither ever moves."""

    def __init__(self, seed: int, subject: str, camera: int):
        self.lights, self.inverse, self.layers = _drawn_hall(seed, subject, camera)

    def view(self, K: Tensor, _rotation: Tensor, _centre: Tensor, height: int, width: int):
        """The `Backdrop` of a crop with intrinsics `K`."""
        affine = (K.numpy() @ self.inverse)[:2]
        colour, depth = (
            cv2.warpAffine(layer, affine, (width, height), flags=flags, borderMode=EDGE)
            for layer, flags in zip(self.layers, (SMOOTH, NEAREST), strict=True)
        )
        floor = depth < 0
        return Backdrop(*(torch.from_numpy(layer) for layer in (colour, np.abs(depth), floor)))


@lru_cache(maxsize=28)
def _drawn_hall(
    seed: int, subject: str, camera: int
) -> tuple[Lights, np.ndarray, tuple[np.ndarray, ...]]:
    """The hall's lights, inverse intrinsics (3, 3), colour (H, W, 3) and depth, < 0 on the floor."""
    hall = studio_hall(seed)
    view = poses.cameras(subject)[camera]
    K = shot_intrinsics(view, np.diag([SHARP, SHARP, 1.0]))
    width, height = (int(side * SHARP) for side in view.size)
    seen = hall.view(torch.from_numpy(K), view.rotation, view.centre, height, width)
    signed = torch.where(seen.floor, -seen.depth, seen.depth)  # one layer to warp, not two
    return hall.lights, np.linalg.inv(K), (seen.colour.numpy(), signed.numpy())
