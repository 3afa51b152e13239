"""Human3.6M's frames as pictures (Ionescu et al., 2014): Moon et al.'s folders, or the raw videos.

Poses, cameras and the rules on damaged takes are those of `human36m.load`; where the pictures lie
is in `human36m_shots`. Rules that papers set, and how they are asked for here:

- Bouchiat et al.: BOUCHIAT["train"] and BOUCHIAT["valid"] are the subjects
- Moon et al. (ICCV 2019): `every` 5 to train and 64 to test, `boxes` "moon", `lens` False
- Sun et al. (ECCV 2018), on whose code Bouchiat et al. build: `boxes` "sun", `lens` False

The lens's distortion bends the pictures and is not taken out of them: with `lens` 2D joints lie
where the person is seen (the files' own D2_Positions, or the projection through the lens); without
it where a pinhole camera would see them, as Moon's and Sun's labels do: off by up to 1.2 to 2.4 px
of the picture in four real frames. Intrinsics leave distortion out either way, as evaluations do.

N frames, J = 17 joints. Pictures: px, the centre of the upper left one at (0, 0). Camera: mm.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data import human36m
from posekit.data.batch import HIDDEN, SEEN, Batch
from posekit.data.human36m.files import SUBJECTS
from posekit.data.human36m.frames import SOURCES, frames_of
from posekit.data.people import clip
from posekit.data.pictures import Pictures, check_size
from posekit.geometry.camera import HUMAN36M_INTRINSICS
from posekit.geometry.crop import crop_affine, take
from posekit.geometry.skeleton import H36M17

BOUCHIAT = {"train": ("S1", "S5", "S6", "S7"), "valid": ("S8",)}
BOXES = {"moon": 1.25, "sun": 1.0}  # by how much the crop is wider than the box
SIDE = 2000.0  # mm, of the square that Sun et al. put round the pelvis


class Human36mPictures(Pictures):
    """One square crop a frame, black where it reaches over the picture's edge.

    `boxes`: "moon" takes those of Moon et al.'s json, else, by their rule, 1.2 times what the 17
    joints span; cut at the picture's edges, squared, and widened by 1.25. "sun" takes the square of
    2 m round the pelvis, seen at its depth. `lens`: see above. Other arguments are those of
    `human36m.load`, and `partial` also leaves out frames whose picture is not there.

    Joints are SEEN inside picture and crop, HIDDEN outside: what the body or a chair covers nobody
    has labelled. Body and masks are not known. Random access to videos is slow: draw them in order
    first (`draw`).

    ValueError for options there are not, a preparation without pictures, and whatever
    `human36m.load` and the boxes find; FileNotFoundError counts pictures that are missing. When a
    sample is taken, errors name a picture that is gone, damaged, or not of its camera's size.
    """

    name, skeleton = "human36m", H36M17

    def __init__(
        self,
        folder: Path | str,
        subjects: Iterable[str] = SUBJECTS,
        *,
        every: int = 1,
        size: int = 256,
        boxes: str = "moon",
        lens: bool = True,
        partial: bool = False,
    ):
        check_size(size)
        if boxes not in BOXES:
            raise ValueError(f"no boxes {boxes!r}; there are {', '.join(BOXES)}")
        folder = Path(folder)
        preparation = human36m.find_preparation(folder)
        if preparation not in SOURCES:
            raise ValueError(
                f"{folder}: {preparation} has poses only; pictures come with {', '.join(SOURCES)}"
            )
        self.size, self.context = size, BOXES[boxes]
        self.version = f"{preparation}, {boxes} boxes, {'lens' if lens else 'pinhole'}"
        self.source = SOURCES[preparation](folder)
        poses = human36m.load(folder, subjects=subjects, every=every, partial=partial)
        listed = frames_of(poses.frames)
        there = self.source.present(listed)
        if not there.any() or not (partial or there.all()):
            first = self.source.file(listed[int(there.argmin())])
            raise FileNotFoundError(
                f"{(~there).sum():,} of {len(there):,} pictures are not in {folder}, as {first}: "
                f"{self.source.get}{'' if partial else '; `partial` does without them'}"
            )
        poses = poses.where(there)
        self.frames, self.joints3d = poses.frames, poses.pose3d
        pinhole = self._pinhole()
        self.joints2d = poses.pose2d if lens else pinhole.float()
        self.boxes = self._boxes(boxes, pinhole)

    def __len__(self) -> int:
        return len(self.frames)

    def _of_cameras(self, what: str) -> Float64[Tensor, "N 2"]:
        """Each frame's focal lengths, principal point or size (width, height) of picture, px."""
        table = {name: getattr(lens, what) for name, lens in HUMAN36M_INTRINSICS.items()}
        rows = [table[name] for name in self.frames["camera"]]
        return torch.tensor(rows, dtype=torch.float64)

    def _pinhole(self) -> Float64[Tensor, "N 17 2"]:
        """Where cameras without distortion would see the joints, px."""
        rays = self.joints3d.double()
        rays = rays[..., :2] / rays[..., 2:]
        return rays * self._of_cameras("focal")[:, None] + self._of_cameras("principal")[:, None]

    def _boxes(self, rule: str, pinhole: Float64[Tensor, "N 17 2"]) -> Float64[Tensor, "N 4"]:
        """The persons' boxes, px of the pictures."""
        if rule == "sun":
            root = self.skeleton.root
            sides = self._of_cameras("focal") * SIDE / self.joints3d[:, root, 2:].double()
            return torch.cat([pinhole[:, root] - sides / 2, sides], dim=1)
        given = self.source.boxes(frames_of(self.frames))
        boxes = around(pinhole) if given is None else torch.from_numpy(given)
        return clip(boxes, self._of_cameras("size"))

    def sample(self, index: int) -> Batch:
        (shot,) = frames_of(self.frames.iloc[[index]])
        lens = HUMAN36M_INTRINSICS[shot.camera]
        image = self.source.read(shot)
        height, width = image.shape[:2]
        if (width, height) != lens.size:
            raise ValueError(
                f"{self.source.file(shot)} has {width} x {height} px, camera {lens.name} "
                f"{lens.size[0]} x {lens.size[1]}: get pictures that nobody has resized"
            )
        box = tuple(self.boxes[index].tolist())
        crop = (self.size, self.size)
        matrix = crop_affine(
            box, crop, context=self.context, picture=(height, width), name=str(shot)
        )
        joints = self.joints2d[index].double()
        placed = joints @ matrix[:2, :2].T + matrix[:2, 2]
        inside = _within(joints, width, height) & _within(placed, *crop)
        (fx, fy), (cx, cy) = lens.focal, lens.principal
        camera = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
        corner, sides = self.boxes[index].split(2)
        scale = matrix[0, 0]
        return Batch(
            skeleton=H36M17,
            index=torch.tensor([index]),
            images=take(image, matrix, crop)[None],
            boxes=torch.cat([scale * corner + matrix[:2, 2], scale * sides]).float()[None],
            joints2d=placed.float()[None],
            visible=torch.where(inside, SEEN, HIDDEN).to(torch.uint8)[None],
            intrinsics=(matrix @ camera).float()[None],
            joints3d=self.joints3d[index][None],
            has_joints3d=torch.tensor([True]),
            rotations=torch.zeros(1, 24, 3, 3),
            shape=torch.zeros(1, 10),
            translation=torch.zeros(1, 3),
            has_body=torch.tensor([False]),
        )


def around(joints: Float64[Tensor, "N J 2"]) -> Float64[Tensor, "N 4"]:
    """Moon et al.'s boxes (left, top, width, height): what joints span, less 1 px, times 1.2.

    3DMPPE_POSENET_RELEASE, tool/Human36M; the joints are those of a pinhole camera.
    """
    low, high = joints.amin(1), joints.amax(1)
    sides = (high - low - 1) * 1.2
    return torch.cat([(low + high - sides) / 2, sides], dim=1)


def check_pictures(
    folder: Path, preparation: str, subjects: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    """What pictures there are of the poses in `folder`, by subject: (what, state, detail).

    States are those of `posekit.data.check`. Pictures are looked for, not read; videos are opened
    for their lengths. Nothing is said of subjects whose poses can't be read.
    """
    try:
        source = SOURCES[preparation](folder)
    except ValueError as error:
        yield "pictures", "wrong", str(error)
        return
    if not source.any():
        yield "pictures", "note", f"none, only poses; for pictures, {source.get}"
        return
    for subject in subjects:
        what = f"pictures {subject}"
        try:
            poses = human36m.load(folder, subjects=(subject,), partial=True)
        except (OSError, ValueError, ModuleNotFoundError):
            continue
        listed = frames_of(poses.frames)
        there = source.present(listed)
        if not there.all():
            first = source.file(listed[int(there.argmin())])
            detail = f"{(~there).sum():,} of {len(there):,} frames have none, as {first}"
            yield what, "missing", f"{detail}: {source.get}"
        elif trouble := source.damage(listed):
            yield what, "damaged", trouble
        else:
            yield what, "ok", f"{len(listed):,} frames"


def _within(points: Float64[Tensor, "J 2"], width: int, height: int) -> Tensor:
    edge = torch.tensor([width, height]) - 0.5
    return ((points >= -0.5) & (points <= edge)).all(1)
