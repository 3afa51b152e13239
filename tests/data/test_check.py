"""`posekit data check`: a report says what is there, what is missing and where to get it."""

import re

import numpy as np
import pytest
from builders import human36m as make

from posekit.data import folders
from posekit.data.check import check
from posekit.data.human36m import files


def states(report):
    return {item.what: item.state for item in report.items}


def details(report):
    return {item.what: item.detail for item in report.items}


@pytest.fixture
def two_subjects(monkeypatch):
    """Only the two made-up subjects are asked for, so that small files are a complete data set."""
    monkeypatch.setattr(
        "posekit.data.check.READ_TOGETHER",
        dict.fromkeys(files.READERS, (("S9",), ("S11",))),
    )


def test_folders_may_have_any_name(tmp_path):
    for name in ("a, b", "c=d", "mpii=$x, 5%"):
        (tmp_path / name).mkdir()
    text = f"cmu={tmp_path}/a, b,mpii={tmp_path}/mpii=$x, 5%,coco={tmp_path}/c=d"
    found = folders(text, ("cmu", "mpii", "coco"))
    names = {name: folder.name for name, folder in found.items()}
    assert names == {"cmu": "a, b", "mpii": "mpii=$x, 5%", "coco": "c=d"}
    with pytest.raises(ValueError, match="cmu is there twice, .*a, b and .*c=d"):
        folders(f"cmu={tmp_path}/a, b,cmu={tmp_path}/c=d", ("cmu",))
    with pytest.raises(ValueError, match="'cmu=' is not NAME=FOLDER"):  # and not this very folder
        folders("cmu=", ("cmu",))


def test_the_real_motion_capture_is_complete(shared):
    report = check("cmu", shared / "cmu_mocap")
    assert report.ok
    # 120 frames a second; the file of 11_01 has 597.
    assert details(report)["performer 11"] == "1 motions, 597 frames"
    assert "NSF EIA-0196217" in str(report)


def test_a_damaged_motion_does_not_hide_the_others(tmp_path, shared):
    source = shared / "cmu_mocap" / "asfamc" / "02"
    for name in ("02.asf", "02_01.amc", "02_02.amc"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    path = tmp_path / "02_01.amc"
    path.write_bytes(path.read_bytes()[:50_000])
    report = check("cmu", tmp_path)
    assert not report.ok
    assert states(report)["motion 02_01"] == "damaged"
    assert "02_01.amc" in details(report)["motion 02_01"]
    assert details(report)["performer 02"].startswith("1 motions")


@pytest.mark.parametrize("name", ["cmu", "human36m"])
def test_an_empty_folder_says_where_to_get_the_data(tmp_path, name):
    report = check(name, tmp_path)
    assert not report.ok
    assert {"cmu": "mocap.cs.cmu.edu", "human36m": "vision.imar.ro"}[name] in str(report)
    assert check(name, tmp_path / "absent").ok is False


def test_each_preparation_is_recognised_and_found_complete(tmp_path, two_subjects):
    for name, write in (
        ("videopose3d", make.videopose3d),
        ("martinez", make.martinez),
        ("3dmppe", make.moon),
    ):
        report = check("human36m", write(tmp_path / name))
        assert report.ok, str(report)
        assert details(report)["preparation"] == name
        assert details(report)["S9"] == f"120 recordings, {120 * make.FRAMES:,} frames"


def test_missing_subjects_are_listed_one_by_one(tmp_path):
    report = check("human36m", make.moon(tmp_path / "moon"))
    assert not report.ok
    found = states(report)
    assert found["S9"] == found["S11"] == "ok"
    assert found["S1"] == "missing"
    assert "Human36M_subject1_camera.json: get" in details(report)["S1"]


def test_missing_takes_and_damaged_files_are_named(tmp_path, two_subjects):
    folder = make.martinez(tmp_path / "evo", detections=("HRN",))
    table = np.load(folder / "threeDPose_test.npy", allow_pickle=True).item()
    del table[9, "Eating", "Eating.h5"]
    np.save(folder / "threeDPose_test.npy", np.array(table, dtype=object))
    path = folder / "twoDPose_HRN_test.npy"
    path.write_bytes(path.read_bytes()[:9000])
    report = check("human36m", folder)
    assert states(report)["S9"] == "missing"
    assert "116 of 120 recordings; missing Eating 2 54138969" in details(report)["S9"]
    assert states(report)["S11"] == "ok"
    assert states(report)["2D HRN"] == "damaged"
    assert "twoDPose_HRN_test.npy" in details(report)["2D HRN"]


def test_detections_are_read_for_the_subjects_that_are_whole(tmp_path, two_subjects):
    folder = make.martinez(tmp_path / "evo", detections=("HRN",))
    # EvoSkeleton's archive has no view of the damaged video.
    assert details(check("human36m", folder))["2D HRN"] == "239 recordings of S9 S11"
    path = folder / "twoDPose_HRN_test.npy"
    table = np.load(path, allow_pickle=True).item()
    del table[9, "Eating", "Eating.55011271.h5-sh"]
    np.save(path, np.array(table, dtype=object))
    item = details(check("human36m", folder))["2D HRN"]
    assert item == "1 recordings, for example ('S9', 'Eating', 2, '55011271')"


def test_nan_is_counted(tmp_path, two_subjects):
    folder = make.videopose3d(tmp_path / "vp")
    with np.load(folder / "data_3d_h36m.npz", allow_pickle=True) as archive:
        table = archive["positions_3d"].item()
    table["S11"]["Eating"][1:5, 3] = np.nan
    np.savez(folder / "data_3d_h36m.npz", positions_3d=table)
    report = check("human36m", folder)
    assert states(report)["S11"] == "damaged"
    assert "S11 Eating: 4 of 6 frames have NaN" in details(report)["S11"]
    assert states(report)["S9"] == "ok"


def test_another_preparation_is_called_wrong_and_the_known_ones_listed(tmp_path):
    (tmp_path / "h36m_train.npz").write_bytes(b"")
    report = check("human36m", tmp_path)
    assert states(report) == {"preparation": "wrong"}
    assert "MMPose" in str(report) and "data_3d_h36m.npz" in str(report)


def test_the_report_is_a_table_with_one_line_for_each_item(tmp_path):
    lines = str(check("human36m", make.moon(tmp_path / "moon"))).splitlines()
    assert lines[0].endswith("moon: not complete")
    assert len(lines) == 1 + 1 + 7 + 1  # and that there are no pictures
    assert lines[1].split() == ["ok", "preparation", "3dmppe"]


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path):
    known = [
        "cmu",
        "coco",
        "human36m",
        "lsp",
        "lspet",
        "mpi_inf_3dhp",
        "mpii",
        "muco",
        "mupots",
        "pose2sim",
        "published",
        "smpl",
        "spin",
        "threedpw",
        "voc",
    ]
    with pytest.raises(ValueError, match=f"no data set 'h36m'.*{re.escape(str(known))}"):
        check("h36m", tmp_path)
