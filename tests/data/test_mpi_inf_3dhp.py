"""MPI-INF-3DHP: made-up takes in exactly the release's two kinds of files."""

from functools import partial

import cv2
import h5py
import numpy as np
import pytest
import torch
from builders.mpi_inf_3dhp import (
    FOCAL,
    HEIGHT,
    WIDTH,
    camera_block,
    cells,
    write_take,
    write_test,
)
from scipy.io import loadmat, savemat

from posekit.data import mpi_inf_3dhp
from posekit.data.batch import SEEN
from posekit.data.check import check
from posekit.data.formats.video import open_video
from posekit.data.mpi_inf_3dhp import (
    ACTIVITIES,
    FRAMES,
    TEST_CAMERAS,
    load,
    read_intrinsics,
    read_test,
    read_train,
)
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.protocols import PROTOCOLS

# The release's "relevant" joints, by place (datasets.md, 2.1): written down there independently.
RELEVANT = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
# ---- training


def test_28_joints_become_17_by_name_and_every_camera_sees_the_same_world(tmp_path):
    world = write_take(tmp_path)
    found = read_train(tmp_path, takes=[("S1", 1)], every=1)
    assert len(found) == 8 * 6 and found.skeleton == MPI_INF_3DHP17
    lenses = read_intrinsics(tmp_path / "S1" / "Seq1" / "camera.calibration")
    assert list(lenses) == [str(number) for number in range(14)]
    for camera in ("0", "4", "8"):
        mine = found[(found.rows["camera"] == camera).to_numpy()]
        _, rotation, move = camera_block(int(camera))
        assert np.allclose(mine.joints3d, world[:, RELEVANT] @ rotation.T + move, atol=1e-4)
        assert lenses[camera].focal == (FOCAL, FOCAL) and lenses[camera].size == (WIDTH, HEIGHT)
    placed = found.joints3d @ found.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], found.joints2d)


def test_cameras_takes_and_frames_are_chosen(tmp_path):
    write_take(tmp_path, "S1", 1, frames=6)
    write_take(tmp_path, "S1", 2, frames=7)
    both = [("S1", 1), ("S1", 2)]
    found = read_train(tmp_path, takes=both, cameras=[0, 13], every=3)
    rows = found.rows
    assert rows.groupby(["take", "camera"]).size().tolist() == [2, 2, 3, 3]
    assert rows["frame"].unique().tolist() == [0, 3, 6]
    assert rows["image"][1] == "S1/Seq1/imageSequence/video_0.avi"
    assert found.name == "mpi_inf_3dhp" and found.version == "train, true"


def test_the_box_holds_the_hands_and_toes_too(tmp_path):
    world = write_take(tmp_path)
    found = read_train(tmp_path, takes=[("S1", 1)], cameras=[0], every=1)
    _, rotation, move = camera_block(0)
    seen = world @ rotation.T + move
    pixels = FOCAL * seen[..., :2] / seen[..., 2:] + [WIDTH / 2, HEIGHT / 2]
    low, high = pixels.min(1), pixels.max(1)
    assert low.min() > 0 and (high < [WIDTH, HEIGHT]).all()
    # Cut at the first and at the last pixel, as coco.clip has it.
    assert np.allclose(found.boxes, np.concatenate([low, high - low - 1], axis=1), atol=1e-5)
    assert (found.joints2d.amin(1).numpy() > low + 1e-3).any()


def test_nobody_in_the_picture_is_left_out_of_training(tmp_path):
    write_take(tmp_path, shift=30_000.0)
    found = read_train(tmp_path, takes=[("S1", 1)], cameras=[0, 4], every=1)
    # Beside camera 0's picture; straight ahead or behind in none of the others is asked for.
    assert "0" not in set(found.rows["camera"])


def test_who_is_partly_behind_the_camera_is_left_out_of_training(tmp_path):
    write_take(tmp_path, videos=())
    path = tmp_path / "S1" / "Seq1" / "annot.mat"
    held = loadmat(path)
    whole = read_train(tmp_path, takes=[("S1", 1)], cameras=[0], every=1)
    held["annot3"][0, 0].reshape(6, 28, 3)[2, 9, 2] = -5
    savemat(path, {key: value for key, value in held.items() if not key.startswith("_")})
    people = read_train(tmp_path, takes=[("S1", 1)], cameras=[0], every=1)
    assert len(whole) - len(people) == 1 and 2 not in people.rows["frame"].tolist()


def test_the_shorter_video_of_s6_ends_its_frames(tmp_path, monkeypatch):
    write_take(tmp_path, "S6", 2, frames=6)
    monkeypatch.setitem(mpi_inf_3dhp.CUT_SHORT, ("S6", 2, 2), 4)
    found = read_train(tmp_path, takes=[("S6", 2)], cameras=[1, 2], every=1)
    assert found.rows.groupby("camera").size().tolist() == [6, 4]
    # Annotations may go on after the video's end.
    monkeypatch.setitem(FRAMES, ("S6", 2), 5)
    found = read_train(tmp_path, takes=[("S6", 2)], cameras=[1, 2], every=1)
    assert found.rows.groupby("camera").size().tolist() == [5, 4]


def test_pictures_are_the_videos_frames_or_the_stills_beside_them(tmp_path):
    write_take(tmp_path)
    people = read_train(tmp_path, takes=[("S1", 1)], cameras=[0, 1], every=2)
    pictures = mpi_inf_3dhp.VideoPictures(people, tmp_path, size=32)
    batch = pictures[:]
    assert batch.images.shape == (6, 3, 32, 32) and batch.has_joints3d.all()
    red, _, blue = batch.images.flatten(2).double().amax(2).unbind(1)
    assert red.tolist() == pytest.approx([0, 80, 160, 4, 84, 164], abs=3)
    assert (blue <= 3).all()
    placed = batch.joints3d @ batch.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], batch.joints2d, atol=1e-3)
    stills = tmp_path / "S1" / "Seq1" / "imageFrames" / "video_0"
    stills.mkdir(parents=True)
    cv2.imwrite(str(stills / "frame_000003.jpg"), np.full((HEIGHT, WIDTH, 3), 250, np.uint8))
    people = read_train(tmp_path, takes=[("S1", 1)], cameras=[0, 1], every=2)
    assert people.rows["image"][1] == "S1/Seq1/imageFrames/video_0/frame_000003.jpg"
    changed = mpi_inf_3dhp.VideoPictures(people, tmp_path, size=32)[[1, 3]]
    assert changed.images.flatten(2).double().amax(2)[:, 2].tolist() == pytest.approx(
        [250, 0], abs=3
    )


def test_videos_that_are_absent_or_too_short_are_named(tmp_path):
    write_take(tmp_path, videos=(0,))
    people = read_train(tmp_path, takes=[("S1", 1)], cameras=[0, 1], every=5)
    pictures = mpi_inf_3dhp.VideoPictures(people, tmp_path, size=32)
    with pytest.raises(FileNotFoundError, match=r"person 2 .*video_1.avi.*3dhp-dataset"):
        pictures.sample(2)
    video = tmp_path / "S1" / "Seq1" / "imageSequence" / "video_0.avi"
    people.rows.loc[1, "frame"] = 60
    with pytest.raises(ValueError, match="video_0.avi ends or is damaged after 6 frames, frame 60"):
        pictures.sample(1)
    open_video.cache_clear()
    video.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="video_0.avi is a text, no picture and no video"):
        pictures.sample(0)


# ---- the test set


def test_valid_frames_come_with_their_activity(tmp_path):
    true = write_test(tmp_path)
    found = read_test(tmp_path, takes=["TS1"])
    assert found.rows["frame"].tolist() == [0, 2, 3]
    assert found.rows["action"].tolist() == ["Stand/Walk", "Sports", "Sports"]
    assert np.allclose(found.joints3d, 1.1 * true[[0, 2, 3]])
    placed = found.joints3d @ found.intrinsics.mT  # the made universal skeletons lie on the rays
    assert torch.allclose(placed[..., :2] / placed[..., 2:], found.joints2d)
    assert len(ACTIVITIES) == 7
    assert len(FRAMES) == 16 and FRAMES["S5", 1] == 12820 and FRAMES["S8", 2] == 6054


def test_the_test_cameras_are_what_their_sensors_say():
    """A ray that leaves the lens at X/Z, Y/Z meets the sensor at f times that from its middle."""
    studio, outdoors = TEST_CAMERAS["TS1"], TEST_CAMERAS["TS6"]
    # The left edge of the sensor, 5 mm from its middle: X/Z = -(5 - 0.0322884) / 7.32506.
    left = -(5 - 0.0322884) / 7.32506
    assert studio.focal[0] * left + studio.principal[0] == pytest.approx(0)
    # Nearly square pixels near the middle of the picture, and a right angle's half to each side.
    assert studio.focal[1] / studio.focal[0] == pytest.approx(1.00044)
    assert studio.focal[0] == pytest.approx(1500.17, abs=0.01)
    assert outdoors.focal == pytest.approx((1683.98, 1672.59), abs=0.01)
    for lens in (studio, outdoors):
        assert np.abs(np.array(lens.principal) - np.array(lens.size) / 2).max() < 25


def test_joints_outside_the_picture_are_told(tmp_path):
    write_test(tmp_path)
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "r+") as file:
        file["annot2"][2, 0, 5] = [2048, 10]
    found = read_test(tmp_path, takes=["TS1"])
    assert found.rows["inside"].tolist() == [True, False, True]
    assert (found.visible == SEEN).all()


def test_who_is_outside_the_picture_still_counts_in_the_test(tmp_path):
    write_test(tmp_path)
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "r+") as file:
        file["annot2"][2] = -500.0
    assert len(read_test(tmp_path, takes=["TS1"])) == 3


def test_the_test_pictures_are_found_where_the_zip_puts_them(tmp_path):
    inside = tmp_path / "mpi_inf_3dhp_test_set"
    write_test(inside, "TS1")
    write_test(inside, "TS5")
    people = read_test(tmp_path, takes=["TS1", "TS5"])
    assert people.rows["width"].unique().tolist() == [2048, 1920]
    pictures = mpi_inf_3dhp.VideoPictures(people, inside, size=48)
    batch = pictures[[0, 2, 4]]
    grey = batch.images.flatten(1).double().amax(1)
    assert grey.tolist() == pytest.approx([0, 60, 40], abs=2)


# ---- trouble


def test_files_that_are_not_there_say_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="3dhp-dataset"):
        read_train(tmp_path)
    with pytest.raises(FileNotFoundError, match="3dhp-dataset"):
        read_test(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"takes": [("S9", 1)]}, "no takes"),
        ({"takes": []}, "no takes"),
        ({"cameras": [14]}, "0 to 13"),
        ({"every": 0}, "every 0"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read_train(tmp_path, **options)
    with pytest.raises(ValueError, match="no takes"):
        read_test(tmp_path, takes=["TS7"])
    with pytest.raises(ValueError, match="'train' or 'test'"):
        load(tmp_path, "valid")


def test_damaged_training_files_are_named(tmp_path):
    write_take(tmp_path)
    path = tmp_path / "S1" / "Seq1" / "annot.mat"
    whole = path.read_bytes()
    for damaged in (whole[:3000], whole[:2000] + b"x" * 500 + whole[2500:], b"nothing", b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"annot\.mat"):
            read_train(tmp_path, takes=[("S1", 1)])
    savemat(path, {"annot2": cells([np.zeros((3, 34))] * 14), "annot3": np.zeros((3, 84))})
    with pytest.raises(ValueError, match="no cells annot3"):
        read_train(tmp_path, takes=[("S1", 1)])
    threes = cells([np.zeros((3, 84))] * 14)
    savemat(path, {"annot2": cells([np.zeros((3, 34))] * 14), "annot3": threes})
    with pytest.raises(ValueError, match=r"annot2 of camera 0: shape \(3, 34\)"):
        read_train(tmp_path, takes=[("S1", 1)])
    savemat(path, {"annot2": cells([np.full((3, 56), np.nan)] * 14), "annot3": threes})
    with pytest.raises(ValueError, match="not finite"):
        read_train(tmp_path, takes=[("S1", 1)])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("radial      0", "radial      1 0.5", "distortion"),
        ("intrinsic   100 0", "intrinsic   100", "camera '0'"),
        ("size        160 120", "size        160", "camera '0'"),
        ("name          5", "nobody", "camera 5 is not calibrated"),
    ],
)
def test_a_wrong_calibration_is_named(tmp_path, old, new, message):
    write_take(tmp_path)
    path = tmp_path / "S1" / "Seq1" / "camera.calibration"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_train(tmp_path, takes=[("S1", 1)])


def test_damaged_test_files_are_named(tmp_path):
    write_test(tmp_path)
    path = tmp_path / "TS1" / "annot_data.mat"
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        del file["valid_frame"]
        file["valid_frame"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(ValueError, match="valid_frame.*in the file itself"):
        read_test(tmp_path, takes=["TS1"])
    for change, message in (
        (lambda f: f["activity_annotation"].__setitem__(0, 8), "not 1 to 7"),
        (lambda f: f["valid_frame"].__setitem__(slice(None), 0), "no valid frame"),
        (lambda f: f["univ_annot3"].__setitem__(0, np.nan), "not finite"),
        (lambda f: f.__delitem__("annot2"), "annot2"),
    ):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(ValueError, match=message):
            read_test(tmp_path, takes=["TS1"])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"annot_data\.mat"):
        read_test(tmp_path, takes=["TS1"])


def test_a_folder_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(mpi_inf_3dhp, "FRAMES", {("S1", 1): 6})
    monkeypatch.setattr(mpi_inf_3dhp, "TEST_TAKES", ("TS1",))
    monkeypatch.setattr(mpi_inf_3dhp, "TEST_VALID", 3)
    monkeypatch.setattr(mpi_inf_3dhp, "read_test", partial(read_test, takes=("TS1",)))
    states = [item.state for item in check("mpi_inf_3dhp", tmp_path).items]
    assert states == ["missing"]  # one line where nothing is there
    write_take(tmp_path, videos=(0, 1, 2, 4, 5, 6, 7))
    write_test(tmp_path)
    report = check("mpi_inf_3dhp", tmp_path)
    assert not report.ok and "1 of 8 not in" in str(report) and "video_8.avi" in str(report)
    (tmp_path / "S1" / "Seq1" / "imageSequence" / "video_8.avi").write_bytes(b"RIFF")
    report = check("mpi_inf_3dhp", tmp_path)
    assert report.ok and "3 persons, test, universal" in str(report)
    (tmp_path / "TS1" / "imageSequence" / "img_000003.jpg").unlink()
    assert "1 of 3 not in" in str(check("mpi_inf_3dhp", tmp_path))
    (tmp_path / "TS1" / "annot_data.mat").write_bytes(b"MATLAB 7.3")
    assert "annot_data.mat" in str(check("mpi_inf_3dhp", tmp_path))


def test_one_call_opens_each_part(tmp_path, monkeypatch):
    """What `--data mpi_inf_3dhp=FOLDER` asks for."""
    write_take(tmp_path)
    write_test(tmp_path)
    monkeypatch.setattr(mpi_inf_3dhp, "read_test", partial(read_test, takes=("TS1",)))
    monkeypatch.setattr(mpi_inf_3dhp, "read_train", partial(read_train, takes=[("S1", 1)]))
    train = load(tmp_path, "train", every=5, size=32)
    assert len(train) == 8 * 2 and train.frames["frame"].tolist() == [0, 5] * 8
    test = load(tmp_path, "test", size=32)
    assert len(test) == 3 and test.name == train.name == "mpi_inf_3dhp"
    truth = test[:].joints3d
    numbers = PROTOCOLS["3dhp-pck"].evaluate(truth, truth, test.frames)
    assert numbers["pck"] == 100 and numbers["pck/Sports"] == 100
