"""Human3.6M's frames as pictures (Ionescu et al., 2014): Moon et al.'s folders, or the raw videos.

Poses and cameras are those of `human36m.load`; where the pictures lie is in `human36m.frames`. Rules
that papers set, and how they are asked for here:

- Bouchiat et al.: BOUCHIAT["train"] and BOUCHIAT["valid"] are the subjects
- Moon et al. (ICCV 2019): `every` 5 to train and 64 to test, `boxes` "moon", `lens` False
- Sun et al. (ECCV 2018), on whose code Bouchiat et al. build: `boxes` "sun", `lens` False

The lens's distortion bends the pictures and is not taken out of them: with `lens` 2D joints lie
where the person is seen (the files' own D2_Positions, or the projection through the lens); without
it where a pinhole camera would see them, as Moon's and Sun's labels do: off by up to 1.2 to 2.4 px
of the picture in four real frames. Intrinsics leave distortion out either way, as evaluations do.

N frames. Pictures: px, the centre of the upper left one at (0, 0). Camera: mm.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from posekit.data import human36m
from posekit.data.batch import SEEN
from posekit.data.human36m.files import SUBJECTS
from posekit.data.human36m.frames import SOURCES, frames_of
from posekit.data.people import People, PeoplePictures, Row, clip, intrinsic_matrices
from posekit.data.poses import PoseSet
from posekit.geometry.camera import HUMAN36M_INTRINSICS
from posekit.geometry.skeleton import H36M17

BOUCHIAT = {"train": ("S1", "S5", "S6", "S7"), "valid": ("S8",)}
BOXES = {"moon": (1.25, "inside"), "sun": (1.0, "stretch")}
"""By how much the crop is wider than the box, and how the box fits it (`crop_affine`)."""
SIDE = 2000.0  # mm, of the square that Sun et al. put round the pelvis


class Human36mPictures(PeoplePictures):
    """One crop a frame; `frames` says which one each is.

    `boxes`: "moon" takes those of Moon et al.'s json, else, by their rule, 1.2 times what the 17
    joints span; cut at the picture's edges, squared, and widened by 1.25. "sun" takes the square of
    2 m round the pelvis, seen at its depth; crops that are no squares show it stretched, as Bouchiat
    et al.'s code does with a box of Human3.6M's, whatever the crop's shape. `lens`: see above. Other arguments are those of
    `human36m.load`, and `partial` also leaves out frames whose picture is not there.

    Joints are SEEN inside picture and crop, HIDDEN outside: which ones the body or a chair covers
    is not labelled. Body and masks are not known. Random access to videos is slow: draw them in
    order first (`draw`).

    ValueError for an unknown option, a preparation without pictures, and whatever `human36m.load`
    raises; FileNotFoundError counts pictures that are missing. When a sample is taken, errors are
    those of `PeoplePictures`.
    """

    def __init__(
        self,
        folder: Path | str,
        subjects: Iterable[str] = SUBJECTS,
        *,
        every: int = 1,
        size: int | Sequence[int] = 256,
        boxes: str = "moon",
        lens: bool = True,
        partial: bool = False,
    ):
        if boxes not in BOXES:
            raise ValueError(f"no boxes {boxes!r}; there are {', '.join(BOXES)}")
        folder = Path(folder)
        preparation = human36m.find_preparation(folder)
        if preparation not in SOURCES:
            raise ValueError(
                f"{folder}: {preparation} has poses only; pictures come with {', '.join(SOURCES)}"
            )
        self.source = SOURCES[preparation](folder)
        poses = human36m.load(folder, subjects=subjects, every=every, partial=partial)
        frames = frames_of(poses.frames)
        present = self.source.present(frames)
        if not present.any() or not (partial or present.all()):
            first = self.source.file(frames[int(present.argmin())])
            raise FileNotFoundError(
                f"{(~present).sum():,} of {len(present):,} pictures are not in {folder}, as "
                f"{first}: {self.source.get}{'' if partial else '; `partial` does without them'}"
            )
        people = self._people(poses.where(present), preparation, boxes, lens)
        context, fit = BOXES[boxes]
        super().__init__(people, folder, size=size, context=context, fit=fit)

    def _people(self, poses: PoseSet, preparation: str, boxes: str, lens: bool) -> People:
        """The frames as labelled people, each with the camera and the person's box."""
        frames = frames_of(poses.frames)
        cameras = [HUMAN36M_INTRINSICS[frame.camera] for frame in frames]
        focal, principal, sizes = (
            torch.tensor([getattr(camera, what) for camera in cameras], dtype=torch.float64)
            for what in ("focal", "principal", "size")
        )
        joints3d = poses.pose3d.double()
        pinhole = joints3d[..., :2] / joints3d[..., 2:] * focal[:, None] + principal[:, None]
        if boxes == "sun":
            sides = focal * SIDE / joints3d[:, H36M17.root, 2:]
            persons = torch.cat([pinhole[:, H36M17.root] - sides / 2, sides], dim=1)
        else:
            stored = self.source.boxes(frames)
            persons = around(pinhole) if stored is None else torch.from_numpy(stored)
            persons = clip(persons, sizes)
        return People(
            "human36m",
            f"{preparation}, {boxes} boxes, {'lens' if lens else 'pinhole'}",
            H36M17,
            poses.frames.assign(
                image=[self.source.file(frame) for frame in frames],
                width=sizes[:, 0].int().numpy(),
                height=sizes[:, 1].int().numpy(),
            ),
            persons,
            poses.pose2d.double() if lens else pinhole.float().double(),
            torch.full(pinhole.shape[:2], SEEN, dtype=torch.uint8),
            intrinsic_matrices(focal, principal),
            joints3d,
        )

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        return self.source.read(*frames_of(self.frames.iloc[[index]]))


def around(joints: Float64[Tensor, "N J 2"]) -> Float64[Tensor, "N 4"]:
    """Moon et al.'s boxes (left, top, width, height): what joints span, less 1 px, times 1.2.

    3DMPPE_POSENET_RELEASE, tool/Human36M; the joints are those of a pinhole camera.
    """
    low, high = joints.amin(1), joints.amax(1)
    sides = (high - low - 1) * 1.2
    return torch.cat([(low + high - sides) / 2, sides], dim=1)


def check_pictures(folder: Path, preparation: str, subjects: Iterable[str]) -> Iterator[Row]:
    """Lines on the pictures of each of these subjects, whose poses are whole.

    Pictures are looked for, not read; videos are opened for their lengths.
    """
    try:
        source = SOURCES[preparation](folder)
    except ValueError as error:
        yield "pictures", "wrong", str(error)
        return
    lines, some = [], False
    for subject in subjects:
        frames = frames_of(human36m.load(folder, subjects=(subject,), partial=True).frames)
        present = source.present(frames)
        some |= present.any()
        state, detail = "ok", f"{len(frames):,} frames"
        if not present.all():
            first = source.file(frames[int(present.argmin())])
            lacking = f"{(~present).sum():,} of {len(frames):,} frames have none, as {first}"
            state, detail = "missing", f"{lacking}: {source.get}"
        elif damage := source.damage(frames):
            state, detail = "damaged", damage
        lines.append((f"pictures {subject}", state, detail))
    none = ("pictures", "note", f"none, only poses; for pictures, {source.get}")
    yield from lines if some or not lines else [none]
