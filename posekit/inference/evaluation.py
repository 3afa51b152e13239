"""Networks of any kind judged on photographs of real people: `posekit evaluate`, and the runs of a
notebook (`on_photographs`).

The network sees people as `posekit predict` shows them to it: their labelled boxes, cut at the
picture's edges, squared and widened. Beside it stands the mean pose, which sees nothing: the mean of
the studio's training actors in the crops of their boxes.

N persons, J joints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data import lsp, pose2sim
from posekit.data.batch import UNKNOWN
from posekit.data.people import People, PeoplePictures, squares_round
from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.crop import crop_affine
from posekit.geometry.skeleton import H36M17, LSP14, SAME_POINT, Skeleton, convert
from posekit.inference import lifting
from posekit.inference.adapters import pose_network
from posekit.inference.detectors import Detection
from posekit.inference.lifting import Joints2d
from posekit.inference.localise import Person, PoseNetwork, camera_of, locate
from posekit.inference.predict import network_of
from posekit.inference.predictor import Predictor
from posekit.metrics.photographs import PHOTOGRAPH_PROTOCOLS
from posekit.models.integral import to_cube
from posekit.studio import poses
from posekit.system import progress
from posekit.training.study import Study
from posekit.training.tables import Runs, measured

SETS = ("lspet", "pose2sim")
HEADS = SAME_POINT | {"head_top": ("head",)}  # points that count as LSP's
SIDE = 256  # px of the crops in which the mean pose is taken


@dataclass(frozen=True)
class Judged:
    """What was measured of a network, with the mean pose beside it."""

    table: pd.DataFrame  # test set, rule, unit, network, mean pose, pictures
    rules: tuple[str, ...]  # the rules that were used, in words

    def __str__(self) -> str:
        shown = self.table.map(lambda value: "-" if value != value else value)  # noqa: PLR0124, NaN
        return "\n".join([shown.to_markdown(index=False, floatfmt=".1f"), "", *self.rules])


def evaluate(network: PoseNetwork | Predictor, folders: Mapping[str, Path]) -> Judged:
    """A network's errors on test sets by name, of `SETS`; a lifter, which sees no picture, gets the
    labelled 2D joints and is measured in space alone.

    Errors as the readers raise them; ValueError for another name.
    """
    rows, used = [], []
    for name, folder in folders.items():
        if name not in SETS:
            raise ValueError(f"no test set {name!r}; there are {', '.join(SETS)}")
        (own, _), (mean, count) = (_errors(n, name, folder) for n in (network, mean_pose()))
        for rule, value in mean.items():
            protocol = PHOTOGRAPH_PROTOCOLS[rule]
            rows.append((name, rule, protocol.unit, own.get(rule, float("nan")), value, count))
            used.append(f"{rule}: {protocol.rule} ({protocol.source})")
    columns = ["test set", "rule", "unit", network.name, "mean pose", "pictures"]
    return Judged(pd.DataFrame(rows, columns=columns), tuple(used))


def on_photographs(study: Study, runs: Runs) -> None:
    """Record and show the errors of trained networks, and of the mean pose, on those of `SETS` that
    `study` has; nothing without them. One network at size smoke. Errors as `evaluate`.
    """
    from IPython.display import display  # here: the command line evaluates without IPython

    folders = {name: study.data.folders[name] for name in SETS if name in study.data}
    tested = list(runs.items())[: 1 if study.brief else None] if folders else []
    smpl = study.data.folders.get("smpl")
    networks = {key: network_of(str(run.folder), study.device, smpl, ()) for key, run in tested}
    for name, folder in folders.items():
        mean, _ = _errors(mean_pose(), name, folder)
        rows = {rule: [] for rule in mean}
        for (subject, seed), network in networks.items():
            own, _ = _errors(network, name, folder)
            for rule, value in own.items():
                metric = PHOTOGRAPH_PROTOCOLS[rule].metric
                rows[rule].append((f"{metric}/{subject}", rule, name, seed, value))
                rows[rule].append((f"{metric}/mean-pose", rule, name, seed, mean[rule]))
        for rule, found in rows.items():
            if found:
                values = measured(study.note(f"photographs, {rule}", found))
                display(study.results(values, metric=PHOTOGRAPH_PROTOCOLS[rule].metric))


def _errors(
    network: PoseNetwork | Predictor, name: str, folder: Path
) -> tuple[dict[str, float], int]:
    """The errors by the rules of a test set, and its number of pictures."""
    return {"lspet": _in_pictures, "pose2sim": _in_space}[name](network, folder)


def _in_pictures(network: PoseNetwork | Predictor, folder: Path) -> tuple[dict[str, float], int]:
    """PCK on LSP extended, and the number of pictures."""
    pictures = lsp.photographs(folder)
    people = pictures.people
    if not isinstance(network, PoseNetwork):
        return {}, len(people)
    found = _people(network, PeoplePictures(people, pictures.folder))
    pred = as_skeleton(torch.stack([each.joints2d for each in found]), network.skeleton, LSP14)
    truth = people.joints2d.float(), people.visible != UNKNOWN
    named = ("lsp-pck-0.2", "lsp-pck-0.1")
    return {n: PHOTOGRAPH_PROTOCOLS[n].evaluate(pred, *truth)["pck"] for n in named}, len(people)


def _in_space(network: PoseNetwork | Predictor, folder: Path) -> tuple[dict[str, float], int]:
    """MPJPE and PA-MPJPE on Pose2Sim's demo, and the number of pictures."""
    people = pose2sim.read(folder)
    if isinstance(network, PoseNetwork):
        found = _people(network, PeoplePictures(people, folder))
    else:
        found = _lifted(network, people)
    if any(person.joints3d is None for person in found):
        return {}, len(people)
    skeleton = network.skeleton if isinstance(network, PoseNetwork) else H36M17
    pred = as_skeleton(torch.stack([each.joints3d for each in found]), skeleton, H36M17)
    true = as_skeleton(people.joints3d.float(), people.skeleton, H36M17)
    named = ("pose2sim-mpjpe", "pose2sim-pa")
    values = {n: PHOTOGRAPH_PROTOCOLS[n].evaluate(pred, true, people.rows)["mpjpe"] for n in named}
    return values, len(people)


def _people(network: PoseNetwork, pictures: PeoplePictures) -> list[Person]:
    """What a network says of every person, from the labelled box."""
    found = []
    for index in progress(range(len(pictures)), network.name):
        picture, who = pictures.picture(index), pictures.people.who(index)
        box = tuple(pictures.people.boxes[index].tolist())
        camera = _camera(pictures.people, index, picture.shape[:2])
        found += locate(picture, [Detection(box)], network, camera, who)
    return found


def _lifted(lifter: Predictor, people: People) -> list[Person]:
    """What a lifter says of every person, from the labelled 2D joints."""
    pixels = lifting.as_human36m(Joints2d(people.skeleton, people.joints2d, None))
    cameras = [_camera(people, index, (0, 0)) for index in range(len(people))]
    rows = zip(pixels, cameras, strict=True)
    return [person for own, camera in rows for person in lifting.lift(lifter, own[None], camera)]


def _camera(people: People, index: int, size: tuple[int, int]) -> Camera:
    if people.intrinsics is None:
        return camera_of(size)
    K = people.intrinsics[index]
    focal, middle = (K[0, 0].item(), K[1, 1].item()), (K[0, 2].item(), K[1, 2].item())
    lens = Intrinsics(people.who(index), focal=focal, principal=middle, size=size[::-1])
    return lens.at(torch.eye(3), torch.zeros(3))


def as_skeleton(
    pose: Float[Tensor, "N J D"], source: Skeleton, target: Skeleton
) -> Float[Tensor, "N K D"]:
    """Joints by name, with stand-ins (`HEADS`); NaN for those that there are none for."""
    return convert(pose, source, target, stand_ins=HEADS).pose


@cache
def mean_pose() -> PoseNetwork:
    """The mean pose of the studio's training actors, in the crops of the boxes round their joints, as
    a network that looks at nothing."""
    actors = poses.load(frames=100, every=25, detector="truth", subjects=poses.TRAIN)
    known = torch.ones(actors.pose2d.shape[:2], dtype=torch.bool)
    boxes = squares_round(actors.pose2d.double(), known).tolist()
    matrices = torch.stack([crop_affine(tuple(box), (SIDE, SIDE)) for box in boxes]).float()
    placed = actors.pose2d * matrices[:, :1, :1] + matrices[:, None, :2, 2]
    depths = actors.pose3d[..., 2] - actors.pose3d[:, :1, 2]
    mean = to_cube(placed, depths, (SIDE, SIDE)).mean(0)
    run = lambda pictures: mean.expand(len(pictures), -1, -1)
    here = Path(__file__)
    return pose_network(
        Predictor("mean pose", here, "integral", (3, SIDE, SIDE), run, skeleton=H36M17)
    )
