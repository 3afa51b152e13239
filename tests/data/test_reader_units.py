"""Every reader of 3D joints, and of 2D ones, says so when a file is in another unit than its own."""

import json

import numpy as np
import pytest
import test_threedpw
from builders import human36m as h36m
from builders import mpi_inf_3dhp as tdhp
from builders import muco as composed
from builders import mupots as crowd
from builders import spin as npz
from scipy.io import savemat

from posekit.data import human36m, mpi_inf_3dhp, muco, mupots, spin, threedpw
from posekit.data.human36m.files import READERS

TOO_LARGE = "millimetres where metres are expected"
TOO_SMALL = "metres where millimetres are expected"


def first_of(folder, preparation, detections="gt"):
    return next(human36m.recordings(folder, preparation, detections, ("S9",), partial=True))


@pytest.fixture(scope="module")
def human36m_folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("units")
    h36m.martinez(base / "martinez"), h36m.videopose3d(base / "videopose3d")
    h36m.moon(base / "3dmppe")
    return base


@pytest.mark.parametrize("preparation", ["videopose3d", "martinez", "3dmppe"])
def test_human36m_in_another_unit_is_told(human36m_folders, monkeypatch, preparation):
    first_of(human36m_folders / preparation, preparation)
    factor, guess = (1000, TOO_LARGE) if preparation == "videopose3d" else (0.001, TOO_SMALL)
    read = READERS[preparation]

    def in_another_unit(*arguments):
        for take in read(*arguments):
            yield take._replace(world=factor * take.world)

    monkeypatch.setitem(READERS, preparation, in_another_unit)
    with pytest.raises(ValueError, match=f"camera 54138969: a person spans .*{guess}"):
        first_of(human36m_folders / preparation, preparation)


def test_cameras_in_another_unit_leave_joints_behind_them(human36m_folders):
    folder = human36m_folders / "3dmppe"
    path = folder / "annotations" / "Human36M_subject9_camera.json"
    whole = path.read_text()
    stands = json.loads(whole)
    for stand in stands.values():
        stand["t"] = [value / 1000 for value in stand["t"]]
    path.write_text(json.dumps(stands))
    try:
        with pytest.raises(
            ValueError, match="behind the camera: are poses and cameras in one unit"
        ):
            first_of(folder, "3dmppe")
    finally:
        path.write_text(whole)


def test_normalised_detections_are_no_pixels(human36m_folders):
    folder = human36m_folders / "videopose3d"
    with np.load(folder / "data_2d_h36m_gt.npz", allow_pickle=True) as held:
        tables = {key: held[key].item() for key in held}
    for views in tables["positions_2d"]["S9"].values():
        views[:] = [view / 500 - 1 for view in views]
    np.savez(folder / "data_2d_h36m_norm.npz", **tables)
    with pytest.raises(
        ValueError, match="camera 54138969: a person spans .* px: pixels are expected"
    ):
        first_of(folder, "videopose3d", "norm")


def test_muco_in_metres_is_told(tmp_path):
    path = composed.written(tmp_path, [[composed.NEAR], [composed.FAR]])
    content = json.loads(path.read_text())
    for person in content["annotations"]:
        person["keypoints_cam"] = (np.array(person["keypoints_cam"]) / 1000).tolist()
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=TOO_SMALL):
        muco.read(path)


def test_mupots_in_metres_is_told(tmp_path, monkeypatch):
    real = crowd.joints_of
    monkeypatch.setattr(crowd, "joints_of", lambda *given: real(*given) / 1000)
    crowd.write_take(tmp_path)
    with pytest.raises(ValueError, match=TOO_SMALL):
        mupots.read(tmp_path, takes=["TS1"])


def test_mpi_inf_3dhp_in_metres_is_told(tmp_path, monkeypatch):
    tdhp.write_take(tmp_path, videos=())
    path = tmp_path / "S1" / "Seq1" / "annot.mat"
    held = {"annot2": tdhp.cells([np.full((6, 56), 50.0) + np.arange(56)] * 14)}
    held["annot3"] = tdhp.cells([tdhp.world_joints(6).reshape(6, 84) / 1000 + 4] * 14)
    savemat(path, held | {"cameras": np.arange(14), "frames": np.arange(6)})
    with pytest.raises(ValueError, match=TOO_SMALL):
        mpi_inf_3dhp.read_train(tmp_path, takes=[("S1", 1)], cameras=[0], every=1)


@pytest.mark.parametrize(
    ("key", "change", "says"),
    [
        ("S", lambda S: S * [1000, 1000, 1000, 1], TOO_LARGE),
        (
            "part",
            lambda part: part / [80, 80, 1] - [1, 1, 0],
            "pixels are expected",
        ),  # as SPIN trains
    ],
)
def test_spin_in_another_unit_is_told(tmp_path, key, change, says):
    held = npz.held("mpi_inf_3dhp_train")
    np.savez(tmp_path / "a.npz", **held | {key: change(held[key])})
    with pytest.raises(ValueError, match=says):
        spin.read(tmp_path / "a.npz")


def test_threedpw_in_millimetres_is_told(tmp_path):
    held = test_threedpw.sequence()
    held["jointPositions"] = [1000 * places for places in held["jointPositions"]]
    with pytest.raises(ValueError, match=f"downtown_bar_00.pkl: .*{TOO_LARGE}"):
        threedpw.read(test_threedpw.write(tmp_path, held, pictures=False))
