"""Human3.6M: the same poses, written in four preparations, come back the same."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from builders import human36m as make

from posekit.data import human36m
from posekit.data.formats import npz
from posekit.data.human36m.cameras import read_cameras
from posekit.data.human36m.files import take_of
from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera

TEST = ("S9", "S11")
LENGTH = (2 * 30 * 4 - 1) * make.FRAMES  # without the damaged recording


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("human36m")
    return {
        "videopose3d": make.videopose3d(base / "videopose3d"),
        "martinez": make.martinez(base / "martinez"),
        "3dmppe": make.moon(base / "3dmppe"),
        "raw": make.raw(base / "raw"),
    }


@pytest.fixture
def evo(tmp_path):
    return make.martinez(tmp_path / "evo", detections=("HRN",))


@cache
def loaded(folder, subjects=TEST):
    """What tests share that change no file."""
    return human36m.load(folder, subjects=subjects)


def expected(frames):
    """3D and 2D truth of the rows, computed from the made-up poses."""
    pose3d, pose2d = [], []
    for row in frames.itertuples():
        camera = {c.name: c for c in make.cameras(row.subject)}[row.camera]
        points, pixels = make.truth(row.subject, row.action, row.take, camera)
        pose3d.append(points[row.frame])
        pose2d.append(pixels[row.frame])
    return torch.stack(pose3d), torch.stack(pose2d)


@pytest.mark.parametrize("preparation", ["videopose3d", "martinez", "3dmppe", "raw"])
def test_every_preparation_gives_the_poses_that_were_written(folders, preparation):
    poses = loaded(folders[preparation])
    assert poses.version == f"{preparation}/gt"
    # VideoPose3D's file lacks all four views of the damaged take.
    assert len(poses) == LENGTH - (3 * make.FRAMES if preparation == "videopose3d" else 0)
    pose3d, pose2d = expected(poses.frames)
    assert (poses.pose3d - pose3d).abs().max() < 2e-3  # mm: float32 metres keep about 5e-4
    assert (poses.pose2d - pose2d).abs().max() < 2e-3  # px


def test_the_four_preparations_have_the_same_rows_in_the_same_order(folders):
    rows = {name: loaded(folder).frames for name, folder in folders.items()}
    first = rows.pop("raw")
    # VideoPose3D's file lacks the damaged take.
    damaged = first[["subject", "action", "take"]].apply(tuple, axis=1) == human36m.DAMAGED
    short = first[~damaged].reset_index(drop=True)
    assert short.astype(str).equals(rows.pop("videopose3d").astype(str))
    assert list(first["action"].unique()) == make.ACTIONS
    for other in rows.values():
        assert first.astype(str).equals(other.astype(str))


def test_every_fifth_frame_is_counted_from_each_take_s_beginning(folders):
    poses = human36m.load(folders["3dmppe"], subjects=["S9"], every=5)
    assert poses.frames["frame"].tolist() == [0, 5] * 120
    everything = loaded(folders["3dmppe"], ("S9",))
    mask = (everything.frames["frame"] % 5 == 0).to_numpy()
    assert torch.equal(poses.pose3d, everything.where(mask).pose3d)


def test_only_the_damaged_view_of_s11_is_left_out(folders):
    frames = loaded(folders["raw"]).frames
    frames = frames[frames["subject"] == "S11"]
    left = frames[(frames["action"] == "Directions") & (frames["take"] == 2)]
    assert left["camera"].nunique() == 3 and "54138969" not in set(left["camera"])
    assert (
        frames.groupby(["action", "take"], observed=True)["camera"].nunique().value_counts()[4]
        == 29
    )


@pytest.mark.parametrize(
    ("subject", "name", "action", "take"),
    [
        ("S1", "Directions 1", "Directions", 1),
        ("S1", "Directions", "Directions", 2),
        ("S1", "Eating 2", "Eating", 1),
        ("S1", "Sitting 2", "Sitting", 2),
        ("S1", "TakingPhoto 1", "Photo", 1),
        ("S1", "WalkingDog", "WalkDog", 2),
        ("S5", "WalkingTogether_1", "WalkTogether", 1),
        ("S5", "Discussion 3", "Discussion", 2),
        ("S6", "Waiting 3", "Waiting", 1),
        ("S11", "Phoning 3", "Phoning", 1),
        ("S11", "Greeting 2", "Greeting", 1),
    ],
)
def test_names_of_takes_are_those_of_the_metadata(subject, name, action, take):
    assert take_of(subject, name) == (action, take)


def test_an_unknown_action_or_take_is_named():
    with pytest.raises(ValueError, match="'Dancing'"):
        take_of("S1", "Dancing")
    with pytest.raises(ValueError, match="'Sitting 3'"):
        take_of("S1", "Sitting 3")


def test_detections_are_chosen_by_name_and_absent_ones_listed(tmp_path, evo):
    poses = human36m.load(evo, detections="HRN", subjects=TEST)
    _, pixels = expected(poses.frames)
    assert (poses.pose2d - pixels).abs().max() < 2e-3
    with pytest.raises(FileNotFoundError, match=r"no 'SH'; there are \['HRN'\]"):
        human36m.load(evo, detections="SH", subjects=TEST)
    vp = make.videopose3d(tmp_path / "vp", detections=("gt", "cpn_ft_h36m_dbb"))
    assert len(human36m.load(vp, detections="cpn_ft_h36m_dbb", subjects=TEST)) > 0
    with pytest.raises(FileNotFoundError, match="'hrnet'.*cpn_ft_h36m_dbb.*gt"):
        human36m.load(vp, detections="hrnet", subjects=TEST)


def test_joints_that_a_detector_does_not_give_are_nan(tmp_path):
    coco = make.videopose3d(tmp_path / "coco", detections=("detectron_pt_coco",), layout="coco")
    pose2d = human36m.load(coco, detections="detectron_pt_coco", subjects=TEST).pose2d
    spine, left_wrist = 7, 13
    assert pose2d[:, spine].isnan().all()
    stored = npz.read_archive(coco / "data_2d_h36m_detectron_pt_coco.npz")["positions_2d"]
    first = stored["S9"]["Directions 1"][0]
    assert np.array_equal(pose2d[0, left_wrist], first[0, 9])  # COCO: 9 left wrist
    mpii = make.videopose3d(tmp_path / "mpii", detections=("sh_ft_h36m",), layout="", joints=16)
    pose2d = human36m.load(mpii, detections="sh_ft_h36m", subjects=TEST).pose2d
    assert np.array_equal(pose2d[0, left_wrist], first[0, 15])  # MPII: 15 left wrist


def test_joints_that_martinez_detector_leaves_at_zero_are_nan(evo):
    path = evo / "twoDPose_HRN_test.npy"
    table = np.load(path, allow_pickle=True).item()
    for flat in table.values():
        flat[:, 28:30] = 0  # joint 14 of 32: neck/nose
    np.save(path, np.array(table, dtype=object))
    pose2d = human36m.load(evo, detections="HRN", subjects=TEST).pose2d
    assert pose2d[:, 9].isnan().all() and pose2d[:, :9].isfinite().all()


def test_raw_files_without_2d_are_projected(tmp_path):
    folder = tmp_path / "raw"
    for camera in make.cameras("S9"):
        mono = camera.world_to_camera(torch.from_numpy(make.world("S9", "Walking", 2)))
        path = folder / "S9" / "Poses_D3_Positions_mono" / f"Walking.{camera.name}.cdf"
        make.write_cdf(path, mono.reshape(1, -1, 96).numpy())
    poses = human36m.load(folder, subjects=["S9"], partial=True)
    assert (poses.pose2d - expected(poses.frames)[1]).abs().max() < 2e-3


def test_cameras_come_from_any_of_three_files(folders, tmp_path, shared):
    real = shared / "h36m_cameras" / "h36m_cameras_videopose3d.json"
    from_json = read_cameras(real)
    assert len(from_json) == 7 * 4
    tables = json.loads(real.read_text())
    source = tmp_path / "h36m_dataset.py"
    lines = [f"{name} = {table!r}" for name, table in tables.items()]
    source.write_text("\n".join(["import nothing", *lines, "raise SystemExit"]))
    from_source = read_cameras(source)
    point = torch.tensor([[100.0, 200.0, 1000.0]], dtype=torch.float64)
    for key, camera in from_json.items():
        assert torch.equal(from_source[key].project(point), camera.project(point))
    made = read_cameras(folders["martinez"] / "cameras.npy")
    for camera in make.cameras("S9"):
        seen = made["S9", camera.name].world_to_camera(point)
        assert torch.allclose(seen, camera.world_to_camera(point))
    (tmp_path / "h36m_cameras.json").write_text(json.dumps({"cameras": []}))
    with pytest.raises(ValueError, match=r"h36m_cameras\.json: no whole table"):
        read_cameras(tmp_path / "h36m_cameras.json")


def test_the_cameras_of_moon_get_their_lens_back():
    lens = HUMAN36M_INTRINSICS["54138969"]
    camera = lens.at(np.eye(3), np.zeros(3))
    plain = Camera.from_3dmppe(
        {"R": np.eye(3), "t": np.zeros(3), "f": lens.focal, "c": lens.principal}, lens.name
    )
    point = torch.tensor([[900.0, 900.0, 4000.0]], dtype=torch.float64)
    assert (camera.project(point) - plain.project(point)).norm() > 1  # or the next test is void
