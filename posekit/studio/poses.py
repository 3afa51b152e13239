"""The studio's poses: a generated motion-capture data set that needs no download.

Seven actors (S1 S5 S6 S7 S8 S9 S11, each with a skeleton and a style of their own) play the fifteen
actions of Human3.6M (Ionescu et al., 2014), two takes each, at 50 frames a second before four
cameras. Everything follows from the seed: a take is the same bytes whatever else is generated
with it. Splits and names are Human3.6M's, so the same code reads either. More actors are in no split:
S12 to S31 (`anatomy.OTHERS`) to test on, enough for an interval over people, and S32 to S71
(`anatomy.MORE`) to train on, where four actors teach too little about a fifth.

What it is: joint trajectories from programs that are random in timing, targets, posture and style,
on skeletons of published proportions. Knees, elbows, trunk and neck stay within published ranges of
motion; hips and ankles are tipped back towards theirs; shoulders are guided but not limited. Feet
are planned first and stay where they are planted. What it is not: recordings of people. There are
no forces and no balance, no contact but that of feet and floor (hands may pass through thighs), no
hands, no faces, no objects, and only nine kinds of posture and two of gait.

How near real motion it comes, measured once by hand against 19 CMU recordings at 50 Hz (four
performers: walking, running, jumping, playground, sword, football), poses centred on the hips
and facing forward: spread of wrists 1.0, elbows 0.9, knees and ankles 1.25, shoulders 0.7 times
the real one; 99th percentile of speed 0.95 at wrists and ankles and 0.84 at the pelvis, of
acceleration 0.35 to 0.7 (recordings carry noise). The generated pose nearest to a real one lies
97 mm away in rms over the joints, bodies unscaled; the nearest pose of another real performer,
73 to 121 mm. The walk is crouched: at 1.3 m/s the knee bends 57 to 68 degrees in swing (65 in
Winter, 1991) but 26 to 30, not 10 to 20, in middle stance. Lying, jumping, climbing and hanging
are missing.

Numbers measured on it compare methods; they don't predict errors on Human3.6M. Its pictures are
described in posekit/studio/STUDIO.md.

T frames, 24 joints of SMPL's rig. World: mm, z up, floor at 0. SMPL's rest frame: x left, y up,
z forward.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.pictures import dice
from posekit.data.poses import Motion, PoseSet, project_motions
from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera
from posekit.geometry.skeleton import H36M17
from posekit.studio.motion.actions import PROGRAMS
from posekit.studio.motion.actor import Actor, draw_style
from posekit.studio.motion.anatomy import EVERYBODY, SIDES, SUBJECTS, body
from posekit.studio.motion.detector import detections
from posekit.studio.motion.rig import solve
from posekit.studio.motion.signals import RATE

VERSION = "1"
FRAMES = 600  # of a take, unless told otherwise
ACTIONS = tuple(PROGRAMS)
TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11")
DETECTORS = ("truth", "noisy")
CAMERAS = tuple(HUMAN36M_INTRINSICS)
VOLUME = 1700.0  # mm from the centre, within which the cameras see a whole person

# Columns: SMPL's axes x (left), y (up), z (forward) in body axes (forward, left, up)
SMPL_AXES = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Performance:
    """One take as rotations of SMPL's rig, from which a body can be posed."""

    subject: str
    action: str
    take: int
    rotations: Float[np.ndarray, "T 24 3 3"]  # to the parent joint; the root's to the world
    translation: Float[np.ndarray, "T 3"]  # root joint in the world, mm
    offsets: Float[np.ndarray, "24 3"]  # joints in their parent's frame at rest, SMPL axes, mm
    joints: Float[np.ndarray, "T 24 3"]  # SMPL24 in the world, mm
    h36m: Float[np.ndarray, "T 17 3"]  # Human3.6M's joints in the world, mm
    planted: Float[np.ndarray, "T 2"]  # 1 where the left, right foot is meant to stand

    def motion(self) -> Motion:
        """The take as the 17 joints that a motion-capture system records."""
        joints = torch.from_numpy(self.h36m).float()
        return Motion(self.subject, self.action, self.take, H36M17, joints, RATE)


def performance(
    subject: str, action: str, take: int, frames: int = FRAMES, seed: int = 0
) -> Performance:
    """One take of so many frames; ValueError names the subjects, actions and takes there are."""
    _check_name("action", action, ACTIONS)
    if take not in (1, 2):
        raise ValueError(f"no take {take!r} in the studio; it has 1 and 2")
    if frames < 2:
        raise ValueError(f"a take needs at least 2 frames, not {frames}")
    skeleton = body(subject)
    number = EVERYBODY.index(subject)
    rng = dice(seed, 1, number, ACTIONS.index(action), take)
    actor = Actor(rng, skeleton, draw_style(dice(seed, 0, number)), frames)
    tracks = PROGRAMS[action](actor, take)
    pose = solve(tracks, skeleton)
    rotations = SMPL_AXES.T @ pose.local() @ SMPL_AXES
    rotations[:, 0] = pose.rotations[:, 0] @ SMPL_AXES
    markers = list(skeleton.markers)
    from_joint = np.einsum("tjab,jb->tja", pose.rotations[:, markers], skeleton.marker_offsets)
    return Performance(
        subject,
        action,
        take,
        rotations=rotations,
        translation=pose.positions[:, 0],
        offsets=skeleton.offsets @ SMPL_AXES,
        joints=pose.positions,
        h36m=pose.positions[:, markers] + from_joint,
        planted=np.stack([tracks.feet[side].planted for side in SIDES], axis=1).astype(float),
    )


class Takes:
    """All takes of these subjects, action by action, each made when it is first asked for.

    `names` are the subjects, actions and takes, in order. ValueError for an unknown subject.
    """

    def __init__(self, subjects: Iterable[str] = SUBJECTS, frames: int = FRAMES, seed: int = 0):
        self.names = list(product(subjects, ACTIONS, (1, 2)))
        for subject, _, _ in self.names:
            _check_name("subject", subject, EVERYBODY)
        self._frames, self._seed, self._made = frames, seed, {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Performance:
        if number not in self._made:
            name = self.names[number]
            self._made[number] = performance(*name, self._frames, self._seed)
        return self._made[number]


@cache
def cameras(subject: str) -> tuple[Camera, ...]:
    """The four cameras as they stood for a subject: Human3.6M's lenses, places of our own."""
    _check_name("subject", subject, EVERYBODY)
    rng = dice(0, 2, EVERYBODY.index(subject))
    return tuple(_camera(name, corner, rng) for corner, name in enumerate(CAMERAS))


def _camera(name: str, corner: int, rng: np.random.Generator) -> Camera:
    azimuth = np.radians(45 + 90 * corner + rng.uniform(-9, 9))
    far, high = rng.uniform(4900, 5600), rng.uniform(1300, 1700)
    centre = np.array([far * np.cos(azimuth), far * np.sin(azimuth), high])
    aim = np.array([*rng.uniform(-120, 120, 2), rng.uniform(820, 980)])
    forward = (aim - centre) / np.linalg.norm(aim - centre)
    rotation = camera_rotation(forward, np.radians(rng.uniform(-1, 1)))
    return HUMAN36M_INTRINSICS[name].at(rotation, torch.from_numpy(centre))


def camera_rotation(forward: Float[np.ndarray, "3"], roll: float = 0.0) -> Float[Tensor, "3 3"]:
    """World-to-camera rotation of a camera that looks along a unit vector, rolled by an angle."""
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return torch.from_numpy(np.stack([c * right + s * down, c * down - s * right, forward]))


def noisy_detector(seed: int = 0) -> Callable[[Tensor, Motion, Camera], Tensor]:
    """A simulated detector: the same errors for the same take, camera and seed."""

    def detect(pixels: Tensor, motion: Motion, camera: Camera) -> Tensor:
        words = f"{motion.subject} {motion.action} {motion.take} {camera.name}".encode()
        rate = motion.rate * len(pixels) / max(len(motion.joints), 1)
        return detections(pixels, dice(seed, 3, *words), rate)

    return detect


def load(
    frames: int = FRAMES,
    every: int = 1,
    detector: str = "noisy",
    subjects: Sequence[str] | None = None,
    seed: int = 0,
) -> PoseSet:
    """2D and 3D poses as the cameras see them: every `every`-th of `frames` frames of all takes.

    `detector` is "noisy" or "truth". ValueError for another one, or for an unknown subject.
    """
    _check_name("detector", detector, DETECTORS)
    detect = noisy_detector(seed) if detector == "noisy" else None
    subjects = SUBJECTS if subjects is None else subjects
    names = Takes(subjects).names  # one at a time, so that one is kept
    takes = (performance(*name, frames, seed).motion() for name in names)
    return project_motions(
        takes, cameras, name="studio", version=VERSION, every=every, detect=detect
    )


def place(motions: Iterable[Motion], *, shortest: int = 25) -> list[Motion]:
    """Foreign motions moved into the studio: onto its floor, about its middle.

    The lowest joint of a clip is put at ankle height. A clip that strays farther than the cameras
    see is cut into pieces, each recentred; pieces shorter than `shortest` frames are left out. The
    pieces keep subject, action and take.
    """
    return [piece for motion in motions for piece in _pieces(motion, shortest)]


def _pieces(motion: Motion, shortest: int) -> Iterable[Motion]:
    joints = motion.joints.clone()
    joints[..., 2] -= joints[..., 2].min() - 60.0
    ground = joints[:, motion.skeleton.root, :2].numpy()
    start = 0
    while start < len(ground):
        low = np.minimum.accumulate(ground[start:])
        high = np.maximum.accumulate(ground[start:])
        fits = np.linalg.norm(high - low, axis=1) / 2 <= VOLUME
        stop = start + (len(fits) if fits.all() else int(np.argmin(fits)))
        if stop - start >= shortest:
            piece = joints[start:stop].clone()
            middle = (low[stop - start - 1] + high[stop - start - 1]) / 2
            piece[..., :2] -= torch.from_numpy(middle).to(piece)
            yield replace(motion, joints=piece)
        start = stop


def _check_name(kind: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise ValueError(f"no {kind} {name!r} in the studio; it has {', '.join(names)}")
