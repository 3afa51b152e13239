"""`posekit evaluate`: networks of every kind on photographs, beside the mean pose."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders.networks import RUN_SHAPE, finished_run
from scipy.io import savemat

from posekit.data.pose2sim import NAMES
from posekit.geometry.skeleton import H36M17, LSP14
from posekit.inference import evaluation
from posekit.inference.adapters import pose_network
from posekit.inference.detectors import Detection
from posekit.inference.evaluation import as_skeleton, evaluate
from posekit.inference.localise import Window
from posekit.inference.predictor import Predictor
from posekit.inference.trained import of_run
from posekit.metrics.photographs import PHOTOGRAPH_PROTOCOLS
from posekit.training.runs import Run
from posekit.training.study import Study

MIDDLE = 200.0


def constant(cube, name="one place") -> Predictor:
    run = lambda pictures: torch.as_tensor(cube).float().expand(len(pictures), 17, 3)
    return Predictor(name, Path(__file__), "integral", (3, 64, 64), run)


@pytest.fixture(scope="module")
def lspet(tmp_path_factory):
    """The layout of LSP extended with pictures 1 to 2402, of which 2001, 2400 and two more have
    joints: random ones in a square of 160 px about the middle of the picture."""
    folder = tmp_path_factory.mktemp("lspet")
    (folder / "images").mkdir()
    joints = np.zeros((14, 3, 2402))
    draw = np.random.default_rng(0)
    for number in (2000, 2001, 2400, 2401):
        places = MIDDLE + draw.uniform(-80, 80, (14, 2))
        places[:2] = [[MIDDLE - 80] * 2, [MIDDLE + 80] * 2]  # the square's corners
        joints[:, :2, number - 1] = places + 1  # Matlab's pixels
        joints[:, 2, number - 1] = 1
        cv2.imwrite(str(folder / f"images/im{number:05d}.jpg"), np.zeros((400, 400, 3), np.uint8))
    savemat(folder / "joints.mat", {"joints": joints})
    return folder, joints


@pytest.fixture(scope="module", autouse=True)
def short_mean():
    """A mean pose of other numbers: the studio's takes seconds to be drawn."""
    own = evaluation.mean_pose
    evaluation.mean_pose = lambda: pose_network(constant(torch.zeros(17, 3), "mean pose"))
    yield own
    evaluation.mean_pose = own


def test_pck_on_lsp_extended_is_that_of_the_places_in_the_picture(lspet):
    folder, joints = lspet
    judged = evaluate(pose_network(constant(torch.tensor([0.05, 0, 0]))), {"lspet": folder})
    rows = judged.table.set_index("rule")
    assert list(rows["pictures"]) == [2, 2] and list(rows["unit"]) == ["%", "%"]
    # Boxes of 1.2 x 160 px, from first to last pixel, then 1.25 times: 0.05 of that to the right.
    side = 1.25 * (1.2 * 160 - 1)
    for column, shift in (("one place", 0.05 * side), ("mean pose", 0.0)):
        for rule, share in (("lsp-pck-0.2", 0.2), ("lsp-pck-0.1", 0.1)):
            right = []
            for number in (2001, 2400):
                own = joints[:, :2, number - 1] - 1
                torso = np.hypot(*(own[9] - own[2]))  # left shoulder, right hip
                place = np.array([MIDDLE + shift, MIDDLE]) - 0.5  # the box loses its last pixel
                right += (np.hypot(*(own - place).T) <= share * torso).tolist()
            assert rows.loc[rule, column] == pytest.approx(100 * np.mean(right))
    assert "2001 to 2400" in str(judged) and "one place" in str(judged)


@pytest.fixture
def demo(tmp_path):
    """Pose2Sim's layout: a person of random joints 4 m away, seen by two cameras."""
    (tmp_path / "images").mkdir()
    draw, images = np.random.default_rng(1), []
    for camera in (1, 2):
        joints = draw.normal(0, 300, (21, 3)) + [0, 0, 4000]
        pixels = 500 * joints[:, :2] / joints[:, 2:] + [100.0, 90.0]
        K = [[500.0, 0, 100.0], [0, 500.0, 90.0], [0, 0, 1.0]]
        name = f"cam{camera}_000.jpg"
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((180, 200, 3), np.uint8))
        about = {"file": name, "K": K, "dist": [0, 0, 0, 0], "kp2d": pixels.tolist()}
        images.append(about | {"kp3d_cam_mm": joints.tolist()})
    (tmp_path / "gt.json").write_text(json.dumps({"joints": list(NAMES), "images": images}))
    return tmp_path, images


def test_errors_in_space_are_those_of_the_true_camera(demo):
    folder, images = demo
    judged = evaluate(pose_network(constant(torch.zeros(17, 3))), {"pose2sim": folder})
    rows = judged.table.set_index("rule")["one place"]
    names, errors = list(NAMES), []
    limbs = [names.index(f"{s}{j}") for j in ("Ankle", "Knee", "Hip", "Wrist", "Elbow", "Shoulder") for s in "RL"]  # fmt: skip
    for each in images:  # all joints at one place: relative to the hips, 0
        true = np.array(each["kp3d_cam_mm"])
        true = true - (true[names.index("RHip")] + true[names.index("LHip")]) / 2
        errors.append(np.linalg.norm(true[limbs], axis=1).mean())
    assert rows["pose2sim-mpjpe"] == pytest.approx(np.mean(errors), rel=1e-4)
    spread = [np.array(each["kp3d_cam_mm"])[limbs] for each in images]
    aligned = [np.linalg.norm(s - s.mean(0), axis=1).mean() for s in spread]
    assert rows["pose2sim-pa"] == pytest.approx(np.mean(aligned), rel=1e-4)


def test_a_lifter_is_measured_in_space_and_heatmaps_in_pictures(demo, lspet):
    folder, images = demo
    names = list(NAMES)
    true = {round(each["kp2d"][0][0], 3): torch.tensor(each["kp3d_cam_mm"]) for each in images}
    order = iter(true.values())

    def run(joints):
        own = next(order)
        pose = own.float().mean(0).repeat(len(joints), 17, 1)
        for k, joint in enumerate(H36M17.joints):
            side, _, part = joint.partition("_")
            if side in ("left", "right"):
                pose[:, k] = own[names.index(side[0].upper() + part.capitalize())].float()
        pelvis = pose[:, [H36M17.index("left_hip"), H36M17.index("right_hip")]].mean(1)
        return pose - pelvis[:, None]

    lifter = Predictor("true", Path(__file__), "lifting", (17, 2), run)
    rows = evaluate(lifter, {"lspet": lspet[0], "pose2sim": folder}).table.set_index("rule")["true"]
    assert (
        rows["pose2sim-pa"] < 0.1
        and rows["pose2sim-mpjpe"] < 1
        and rows[["lsp-pck-0.2", "lsp-pck-0.1"]].isna().all()
    )
    maps = lambda pictures: torch.zeros(len(pictures), 1, 16, 16, 16)
    flat = pose_network(Predictor("flat", Path(__file__), "heatmaps", (3, 64, 64), maps))
    rows = evaluate(flat, {"lspet": lspet[0], "pose2sim": folder}).table.set_index("rule")["flat"]
    assert rows[["pose2sim-mpjpe", "pose2sim-pa"]].isna().all() and rows["lsp-pck-0.2"] >= 0


def test_the_mean_pose_is_an_upright_person_in_the_crop(short_mean):
    mean = short_mean()
    (place,) = mean.people(torch.zeros(1, 3, 256, 256, dtype=torch.uint8), [_whole()], CAMERA)
    pose = dict(zip(H36M17.joints, place.joints2d.tolist(), strict=True))
    x = [p[0] for p in pose.values()]
    assert max(x) - min(x) < 40 and abs(np.mean(x) - 127.5) < 10
    assert pose["head"][1] < pose["thorax"][1] < pose["pelvis"][1] < pose["left_ankle"][1]
    # The joints span about 1 / 1.2 / 1.25 of the crop.
    assert 0.5 < (pose["left_ankle"][1] - pose["head"][1]) / 256 < 0.67


CAMERA = evaluation.camera_of((256, 256))


def _whole():
    return Window(Detection((0, 0, 256, 256)), torch.eye(3).double(), 256.0)


def test_human36ms_joints_stand_for_lsps():
    pose = torch.arange(34.0).view(1, 17, 2)
    own = dict(zip(LSP14.joints, as_skeleton(pose, H36M17, LSP14)[0], strict=True))
    assert torch.equal(own["neck"], pose[0, H36M17.index("thorax")])
    assert torch.equal(own["head_top"], pose[0, H36M17.index("head")])


def test_a_notebooks_runs_are_recorded_with_the_errors_of_the_command(demo, lspet, tmp_path):
    folders, runs = {"lspet": lspet[0], "pose2sim": demo[0]}, {}
    for name, depth in (("ours", 4), ("deeper", 8)):
        finished_run(folder := tmp_path / name, **RUN_SHAPE | {"depth": depth})
        runs[name, 1] = Run(json.loads((folder / "record.json").read_text()), folder)
    data = ",".join(f"{name}={folder}" for name, folder in folders.items())
    study = Study("bouchiat", size="small", data=data, out=tmp_path / "out")
    evaluation.on_photographs(study, runs)
    records = map(json.loads, (p.read_text() for p in (tmp_path / "out/runs").glob("*.json")))
    rows = [row | {"seed": r["seed"]} for r in records for row in r["quantities"]]
    found = {(row["quantity"], row["card"], row["data"], row["seed"]): row["value"] for row in rows}
    for name, _ in runs:
        network = pose_network(of_run(tmp_path / name, "", "cpu"))
        table = evaluate(network, folders).table.set_index("rule")
        for rule, row in table.iterrows():
            metric = PHOTOGRAPH_PROTOCOLS[rule].metric
            assert found.pop((f"{metric}/{name}", rule, row["test set"], 1)) == pytest.approx(
                row[network.name], rel=1e-5
            )
            mean = found.get((f"{metric}/mean-pose", rule, row["test set"], 1))
            assert mean == pytest.approx(row["mean pose"], rel=1e-5)
    assert len(found) == 4  # the mean pose by four rules, once
    evaluation.on_photographs(Study("bouchiat", size="small"), runs)  # without the sets, nothing


def test_the_command_prints_one_small_table(demo, tmp_path, command):
    finished_run(tmp_path / "run")
    words = ("evaluate", tmp_path / "run", "--data")
    status, said, _ = command(*words, f"pose2sim={demo[0]}")
    assert status == 0 and "| pose2sim   | pose2sim-pa" in said and "20 to 40 mm" in said
    status, _, error = command(*words[:2])
    assert status == 1 and "say what to test on: --data lspet=FOLDER,pose2sim=FOLDER" in error
    status, _, error = command(*words, f"mpii={tmp_path}")
    assert status == 1 and "with a name of lspet, pose2sim" in error
