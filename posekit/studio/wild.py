"""The studio's single pictures of strangers: generated data like MPII, COCO and Leeds Sports Pose.

Every picture has people, clothes, surroundings, camera and light of its own. Poses are moments of
the studio's takes (train and test from its training and test actors), with noise on every joint and
sometimes turned over, on bodies of random shape. Hands may then pass through thighs, seated people
have no chair, and people who jump do so in the middle of walking. The lowest point of a body touches
the floor. The crop follows the usual rule (`crop_affine`): a square around the person's box and some
more, black where it reaches over the photograph's edge.

World: mm, z up, floor at 0. Pictures: px.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posekit.data.batch import Batch, join
from posekit.data.pictures import Pictures, dice, height_width
from posekit.geometry.body import Body, free
from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.crop import crop_affine, take
from posekit.geometry.skeleton import SPIN24, Skeleton
from posekit.studio.poses import (
    FRAMES,
    TEST,
    TRAIN,
    VERSION,
    Takes,
    camera_rotation,
    performance,
)
from posekit.studio.scene import lens, wardrobe
from posekit.studio.scene.backgrounds import Background, pictures_in
from posekit.studio.scene.cast import Person, dress
from posekit.studio.scene.labels import label
from posekit.studio.scene.occluders import shapes
from posekit.studio.scene.photograph import (
    Patch,
    Scene,
    bounding_box,
    crop_person,
    photograph,
    to_shot,
)  # fmt: skip
from posekit.studio.scene.rooms import stage
from posekit.studio.scene.scenery import Stage

SPLITS = {"train": TRAIN, "test": TEST}
EVERY = 10  # frames of a take between two moments
FRAME = (640, 480)  # px, of a photograph in landscape format
JOINT_NOISE = 7.0  # degrees, standard deviation of the rotation that is added to each joint
TURNED_OVER = 0.07  # share of people who lie, hang, or stand on their heads
JUMPING = 0.06  # share of people in the air
APART = 700.0  # mm between two people
PLACES = 200  # for each of the reaches; each is photographed many times, from anywhere
REACHES = (3, 6, 9)  # m from the middle to the camera
ROOM = 1200.0  # mm around the middle where no furniture stands
OCCLUDED = 0.2  # share of pictures with something before the person
VISIBLE = 0.01  # share of the crop in which the person must be seen, else it is drawn anew
ATTEMPTS = 5


class Wild(Pictures):
    """Crops of generated single pictures, one labelled person each.

    `people` is the most there can be in a picture. `backgrounds` (a folder) puts the user's own
    pictures in the place of generated surroundings, `occluders` cut-outs such as Pascal VOC's in
    that of generated shapes. The user's backgrounds have no floor, so nobody throws a shadow there.
    ValueError for another split than "train" and "test", and for numbers that make no picture.
    """

    name, version = "studio-wild", VERSION

    def __init__(
        self,
        split: str = "train",
        count: int = 20_000,
        *,
        size: int | Sequence[int] = 256,
        skeleton: Skeleton = SPIN24,
        body: Body | None = None,
        people: int = 4,
        backgrounds: Path | str | None = None,
        occluders: Sequence[UInt8[np.ndarray, "_ _ 4"]] = (),
        seed: int = 0,
    ):
        if split not in SPLITS:
            raise ValueError(f"no split {split!r} of the wild pictures; there are train and test")
        if count < 1 or people < 1 or seed < 0:
            raise ValueError(f"count {count} and people {people} must be 1 or more, seed {seed} 0")
        self.split, self.count, self.skeleton = split, count, skeleton
        self.size = height_width(size)
        self.body = free() if body is None else body
        self.people, self.occluders, self.seed = people, tuple(occluders), seed
        self.backgrounds = None if backgrounds is None else pictures_in(backgrounds)
        self.poses = Moments(SPLITS[split])

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> Batch:
        for attempt in range(ATTEMPTS):
            shot = crop_person(self._scene(index, attempt), self.size)
            if (shot.owner == 0).mean() > VISIBLE:
                break
        return label(shot, 0, self.skeleton, index)

    def photograph(self, index: int) -> Batch:
        """A whole picture, repeated for every person in it."""
        scene = self._scene(index, 0)
        width, height = scene.camera.size
        shot = photograph(scene, np.eye(3), height, width)
        return join([label(shot, k, self.skeleton, index) for k in range(len(scene.people))])

    def _scene(self, index: int, attempt: int) -> Scene:
        """The scene of a picture; another attempt is another scene."""
        rng = dice(self.seed, 11, list(SPLITS).index(self.split), index, attempt)
        people = [_person(rng, self.body, self.poses)]
        while len(people) < self.people and rng.random() < 0.35:
            people.append(_beside(people, _person(rng, self.body, self.poses), rng))
        frame = FRAME if rng.random() < 0.6 else FRAME[::-1]
        camera = _camera(rng, people[0], frame)
        in_front = [float(camera.world_to_camera(p.translation)[2]) > 1500 for p in people]
        people = [p for k, p in enumerate(people) if k == 0 or in_front[k]]
        away = float(camera.centre[:2].norm()) / 1000
        reach = min(k for k in REACHES if k > away)
        around = _place(self.seed, self.split, reach, int(rng.integers(PLACES)))
        behind = around
        if self.backgrounds is not None:
            behind = Background(self.backgrounds, int(rng.integers(2**31)))
        scene = Scene(self.body, tuple(people), camera, behind, around.lights, lens.draw(rng))
        if rng.random() < OCCLUDED:
            scene = replace(scene, patches=_patches(rng, bounding_box(scene, 0), self.occluders))
        return scene


def crops(people: Batch, side: int) -> Batch:
    """Square crops of `side` px round every person's box, from a photograph repeated per person.

    Boxes are widened as `crop_affine` does it. 3D joints stay, 2D joints and intrinsics become the
    crop's; silhouettes and parts are left out. ValueError for a box outside the photograph.
    """
    rows = []
    for row in range(len(people)):
        person = people[row : row + 1]
        box, name = tuple(person.boxes[0].tolist()), f"person {row + 1}"
        matrix = crop_affine(box, (side, side), picture=people.size, name=name)
        image = person.images[0].permute(1, 2, 0).numpy()
        corner = to_shot(person.boxes[:, :2], matrix.numpy())
        rows.append(
            replace(
                person,
                images=take(image, matrix, (side, side))[None],
                joints2d=to_shot(person.joints2d, matrix.numpy()),
                boxes=torch.cat([corner, person.boxes[:, 2:] * matrix[0, 0].float()], dim=1),
                intrinsics=matrix.float() @ person.intrinsics,
                masks=None,
                parts=None,
            )
        )
    return join(rows)


@lru_cache(maxsize=3 * PLACES)
def _place(seed: int, split: str, reach: int, number: int) -> Stage:
    """Surroundings with room for cameras `reach` m from the middle."""
    rng = dice(seed, 15, list(SPLITS).index(split), reach, number)
    return stage(rng, clear=[(0.0, 0.0, ROOM)], reach=reach * 1000.0)


class Moments:
    """Joint rotations (24, 3, 3) of the subjects, in every `EVERY`-th frame of all their takes.

    A take is made when one of its moments is first asked for: few pictures need few takes.
    """

    def __init__(self, subjects: Sequence[str]):
        self.takes = Takes(subjects).names
        self.each = len(range(0, FRAMES, EVERY))

    def __len__(self) -> int:
        return len(self.takes) * self.each

    def __getitem__(self, index: int) -> Float[Tensor, "24 3 3"]:
        number, moment = divmod(index, self.each)
        return _moments(*self.takes[number])[moment]


@cache
def _moments(subject: str, action: str, take: int) -> Float[Tensor, "M 24 3 3"]:
    """Joint rotations in every `EVERY`-th frame of one take."""
    return torch.from_numpy(performance(subject, action, take).rotations[::EVERY]).float()


def _person(rng: np.random.Generator, body: Body, poses: Moments) -> Person:
    """A person of random shape, clothes, pose and direction, in the middle."""
    shape = torch.from_numpy(rng.normal(0, 0.9, body.shapes).clip(-2.2, 2.2)).float()
    rest, look = body.rest(shape[None]), wardrobe.draw(rng)
    noise = torch.from_numpy(np.radians(JOINT_NOISE) * rng.standard_normal((24, 3))).float()
    rotations = poses[int(rng.integers(len(poses)))] @ roma.rotvec_to_rotmat(noise)
    if rng.random() < TURNED_OVER:
        quaternion = rng.standard_normal(4)
        quaternion = torch.from_numpy(quaternion / np.linalg.norm(quaternion)).float()
        rotations[0] = roma.unitquat_to_rotmat(quaternion)
    yaw = torch.tensor([0.0, 0.0, rng.uniform(0, 2 * np.pi)])
    rotations[0] = roma.rotvec_to_rotmat(yaw) @ rotations[0]
    person = dress(body, rest, look, shape).pose(rotations, torch.zeros(3))
    jump = rng.uniform(50, 500) if rng.random() < JUMPING else 0.0
    return person.moved(torch.tensor([0.0, 0.0, jump - float(person.surface[:, 2].min())]))


def _beside(people: list[Person], person: Person, rng: np.random.Generator) -> Person:
    """The person moved near the others, but apart from all of them."""
    while True:
        angle, far = rng.uniform(0, 2 * np.pi), APART + rng.gamma(2.0, 600.0)
        at = torch.tensor([far * np.cos(angle), far * np.sin(angle), 0.0]).float()
        if all((p.translation - at)[:2].norm() > APART for p in people):
            return person.moved(at)


def _camera(rng: np.random.Generator, person: Person, frame: tuple[int, int]) -> Camera:
    """A camera around the person, who fills a quarter of the frame's height or more than all."""
    away = np.exp(rng.uniform(np.log(1900), np.log(8000)))
    high = rng.normal(1450, 350) if rng.random() < 0.85 else rng.uniform(250, 3600)
    angle = rng.uniform(0, 2 * np.pi)
    width, height = frame
    focal = np.exp(rng.uniform(np.log(0.28), np.log(1.0))) * height * away / 1750
    target = person.translation.double().numpy()
    centre = target + (away * np.cos(angle), away * np.sin(angle), 0)
    centre[2] = np.clip(high, 250, 3600)
    # The person stands off the middle of the frame, more so the smaller it is in it.
    drift = rng.normal(0, 0.1, 2) * (width, height) * away / focal
    forward = target - centre
    right = np.cross(forward, (0.0, 0.0, 1.0))
    forward += drift[0] * (right / np.linalg.norm(right)) + (0, 0, drift[1])
    rotation = camera_rotation(forward / np.linalg.norm(forward), np.radians(rng.normal(0, 3)))
    middle = ((width - 1) / 2, (height - 1) / 2)
    intrinsics = Intrinsics("wild", (focal, focal), middle, size=frame)
    return intrinsics.at(rotation, torch.from_numpy(centre))


def _patches(
    rng: np.random.Generator, box: np.ndarray, cutouts: Sequence[np.ndarray]
) -> tuple[Patch, ...]:
    """One or two occluders that cover some of the box (left, top, width, height)."""
    patches = []
    count = int(rng.integers(1, 3))
    chosen = [cutouts[k] for k in rng.integers(len(cutouts), size=count)] if cutouts else ()
    for picture in chosen or shapes(rng, count):
        high, wide = picture.shape[:2]
        scale = float(box[2:].max() * rng.uniform(0.12, 0.5)) / max(high, wide)
        x, y = (box[:2] + box[2:] * rng.uniform(0.1, 0.9, 2)).tolist()
        patches.append(Patch(picture, x - scale * wide / 2, y - scale * high / 2, scale))
    return tuple(patches)
