"""Human3.6M folders that are not whole: each an error that names the file and the remedy."""

import json
import os
import shutil

import numpy as np
import pytest
from builders import human36m as make

from posekit.data import human36m
from posekit.data.formats import pickles

TEST = ("S9", "S11")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Undamaged folders, of which each test gets a copy."""
    base = tmp_path_factory.mktemp("whole")
    make.martinez(base / "evo"), make.videopose3d(base / "vp"), make.moon(base / "moon")
    return base


@pytest.fixture
def evo(whole, tmp_path):
    return shutil.copytree(whole / "evo", tmp_path / "evo")


@pytest.fixture
def vp(whole, tmp_path):
    return shutil.copytree(whole / "vp", tmp_path / "vp")


@pytest.fixture
def moon(whole, tmp_path):
    return shutil.copytree(whole / "moon", tmp_path / "moon")


def rewrite(path, change):
    """An npy or npz file with `change` applied to its dictionary."""
    if path.suffix == ".npy":
        table = np.load(path, allow_pickle=True).item()
        change(table)
        np.save(path, np.array(table, dtype=object))
    else:
        with np.load(path, allow_pickle=True) as archive:
            parts = {name: archive[name].item() for name in archive}
        change(parts)
        np.savez(path, **parts)


def test_an_empty_or_absent_folder_says_where_to_get_the_data(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"vision\.imar\.ro"):
            human36m.load(folder)


def test_another_preparation_is_recognised_or_the_known_ones_listed(tmp_path):
    (tmp_path / "readme.txt").write_text("poses")
    with pytest.raises(ValueError, match=r"data_3d_h36m\.npz"):
        human36m.load(tmp_path)
    (tmp_path / "fps50").mkdir()
    (tmp_path / "fps50" / "h36m_train.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="MMPose"):
        human36m.load(tmp_path)


def test_packed_archives_are_recognised(tmp_path):
    (tmp_path / "Poses_D3_Positions_mono_S1.tgz").write_bytes(b"")
    with pytest.raises(ValueError, match="unpack"):
        human36m.load(tmp_path)


def test_two_preparations_in_one_folder_are_refused(evo, vp):
    shutil.copy(vp / "data_3d_h36m.npz", evo)
    with pytest.raises(ValueError, match="videopose3d and martinez are both there; give each"):
        human36m.load(evo, subjects=TEST)


def test_half_downloaded_folders_name_what_is_missing(evo, vp, moon, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*threeDPose_train\.npy: Evo"):
        human36m.load(evo)
    assert len(human36m.load(evo, partial=True)) == len(human36m.load(evo, subjects=TEST))
    with pytest.raises(ValueError, match=r"data_3d_h36m\.npz has no \['S1', 'S5'"):
        human36m.load(vp)
    (vp / "data_3d_h36m.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*data_3d_h36m\.npz"):
        human36m.load(vp)
    (moon / "annotations" / "Human36M_subject9_camera.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*subject9_camera\.json"):
        human36m.load(moon, subjects=TEST)
    (tmp_path / "raw" / "S9" / "D3_Positions").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"Poses_D3_Positions_mono_S9\.tgz"):
        human36m.load(tmp_path / "raw", subjects=TEST)


def test_missing_takes_are_an_error_unless_asked_for(evo):
    rewrite(evo / "threeDPose_test.npy", lambda table: table.pop((9, "Eating", "Eating.h5")))
    with pytest.raises(ValueError, match=r"4 recordings are missing.*'S9', 'Eating', 2"):
        human36m.load(evo, subjects=TEST)
    frames = human36m.load(evo, subjects=TEST, partial=True).frames
    assert set(frames[(frames["subject"] == "S9") & (frames["action"] == "Eating")]["take"]) == {1}


def test_without_cameras_the_message_says_which_file_and_where_from(vp):
    (vp / "h36m_cameras.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"h36m_dataset\.py.*VideoPose3D.*cameras\.npy"):
        human36m.load(vp, subjects=TEST)


def test_two_files_of_cameras_are_an_error(vp):
    (vp / "h36m_cameras_other.json").write_bytes((vp / "h36m_cameras.json").read_bytes())
    with pytest.raises(ValueError, match=r"cameras twice: .*h36m_cameras\.json and .*other"):
        human36m.load(vp, subjects=TEST)


def test_a_byte_order_mark_does_no_harm(vp, moon):
    path = vp / "h36m_cameras.json"
    text = path.read_text()
    want = next(human36m.recordings(vp, "videopose3d", subjects=("S9",), partial=True))
    path.write_text(text, encoding="utf-8-sig")
    same = next(human36m.recordings(vp, "videopose3d", subjects=("S9",), partial=True))
    assert same.pose3d.equal(want.pose3d)
    source = "".join(f"{name} = {table!r}\n" for name, table in json.loads(text).items())
    (vp / "h36m_dataset.py").write_text(source, encoding="utf-8-sig")
    path.unlink()
    same = next(human36m.recordings(vp, "videopose3d", subjects=("S9",), partial=True))
    assert same.pose3d.equal(want.pose3d)
    for path in (moon / "annotations").glob("*.json"):
        path.write_text(path.read_text(), encoding="utf-8-sig")
    assert next(human36m.recordings(moon, "3dmppe", subjects=("S9",), partial=True)).subject == "S9"


def test_a_subject_without_cameras_is_named(vp):
    text = (vp / "h36m_cameras.json").read_text().replace('"S11"', '"S12"')
    (vp / "h36m_cameras.json").write_text(text)
    with pytest.raises(ValueError, match="cameras .* of S11"):
        human36m.load(vp, subjects=TEST)


@pytest.mark.parametrize("name", ["cameras.npy", "threeDPose_test.npy"])
def test_truncated_npy_files_are_named(evo, name):
    cut(evo / name)
    with pytest.raises(ValueError, match=name):
        human36m.load(evo, subjects=TEST)


@pytest.mark.parametrize("name", ["data_3d_h36m.npz", "data_2d_h36m_gt.npz", "h36m_cameras.json"])
def test_truncated_videopose3d_files_are_named(vp, name):
    cut(vp / name)
    with pytest.raises(ValueError, match=name):
        human36m.load(vp, subjects=TEST)


def test_truncated_json_and_cdf_files_are_named(moon, tmp_path):
    cut(moon / "annotations" / "Human36M_subject11_joint_3d.json")
    with pytest.raises(ValueError, match=r"subject11_joint_3d\.json.*half downloaded"):
        human36m.load(moon, subjects=TEST)
    path = tmp_path / "raw" / "S9" / "D3_Positions_mono" / "Walking.54138969.cdf"
    make.write_cdf(path, np.zeros((1, 6, 96)))
    cut(path)
    with pytest.raises(ValueError, match=r"Walking\.54138969\.cdf"):
        human36m.load(tmp_path / "raw", subjects=["S9"])


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def test_nan_is_counted_and_its_place_named(evo, vp):
    def spoil(table):
        table[9, "Photo", "Photo 1.h5"][2:4, 0] = np.nan

    rewrite(evo / "threeDPose_test.npy", spoil)
    with pytest.raises(ValueError, match=r"test\.npy S9 Photo 1\.h5: 2 of 6 frames have NaN"):
        human36m.load(evo, subjects=TEST)

    def spoil_2d(parts):
        parts["positions_2d"]["S11"]["Eating"][3][0, 0] = np.inf

    rewrite(vp / "data_2d_h36m_gt.npz", spoil_2d)
    with pytest.raises(ValueError, match=r"gt\.npz S11 Eating 60457274: 1 of 7 frames have NaN"):
        human36m.load(vp, subjects=TEST)


def test_files_that_do_not_belong_together_are_noticed(vp):
    def shorten(parts):
        views = parts["positions_2d"]["S9"]["Eating"]
        parts["positions_2d"]["S9"]["Eating"] = [view[:4] for view in views]

    rewrite(vp / "data_2d_h36m_gt.npz", shorten)
    with pytest.raises(ValueError, match="Eating: 4 2D frames for 6 in 3D"):
        human36m.load(vp, subjects=TEST)


def test_other_contents_under_a_known_name_are_noticed(evo, vp, moon):
    np.savez(vp / "data_3d_h36m.npz", positions=np.zeros((3, 17, 3)))
    with pytest.raises(ValueError, match=r"no dictionary 'positions_3d' but \['positions'\]"):
        human36m.load(vp, subjects=TEST)
    np.save(evo / "threeDPose_test.npy", np.zeros((3, 96)))
    with pytest.raises(ValueError, match=r"threeDPose_test\.npy: no dictionary"):
        human36m.load(evo, subjects=TEST)
    rewrite_joints = {(9, "Eating", "Eating.h5"): np.zeros((4, 96 - 3 * 9))}
    np.save(evo / "threeDPose_test.npy", np.array(rewrite_joints, dtype=object))
    with pytest.raises(ValueError, match="23 joints"):
        human36m.load(evo, subjects=TEST)
    (moon / "annotations" / "Human36M_subject9_joint_3d.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="not laid out as those of 3dmppe"):
        human36m.load(moon, subjects=TEST)


class Trap:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("name", ["cameras.npy", "threeDPose_test.npy", "data_3d_h36m.npz"])
def test_a_file_with_a_payload_is_refused_by_name_and_never_run(tmp_path, evo, vp, name):
    sprung = tmp_path / "sprung"
    trap = Trap(f"touch {sprung}")
    if name.endswith("npz"):
        np.savez(vp / name, positions_3d={"S9": {"Eating": trap}})
    else:
        table = {(9, "Eating", "Eating.h5"): trap, (9, 1): trap}
        np.save(evo / name, np.array(table, dtype=object))
    with pytest.raises(pickles.Refused, match=rf"{name}.*asks for .*system"):
        human36m.load(vp if name.endswith("npz") else evo, subjects=TEST)
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": ["S2"]}, "no subjects"),
        ({"every": 0}, "every=0"),
    ],
)
def test_unknown_options_are_refused_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        human36m.load(tmp_path / "absent", **options)


def test_preparations_without_detections_say_so(moon):
    with pytest.raises(ValueError, match="only 'gt'"):
        human36m.load(moon, detections="cpn", subjects=TEST)
