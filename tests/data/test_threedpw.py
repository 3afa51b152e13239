"""3DPW: made-up sequences in exactly the release's pickles, and what SPIN made of them."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from test_smpl import Python2

from posekit.data import spin, threedpw
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.check import check
from posekit.data.formats.pickles import Refused
from posekit.geometry.body import free
from posekit.geometry.skeleton import H36M17, SMPL24
from posekit.metrics.protocols import PROTOCOLS

WIDTH, HEIGHT = 108, 192
LENS = np.array([[196.0, 0, 54], [0, 196.0, 96], [0, 0, 1]])


def sequence(name="downtown_bar_00", frames=5, persons=2, seed=0):
    """What one of the release's files holds, of people 4 m before a camera that moves."""
    rng = np.random.default_rng(seed)
    poses = [rng.normal(0, 0.4, (frames, 72)) for _ in range(persons)]
    views = np.tile(np.eye(4), (frames, 1, 1))
    places = []
    for frame in range(frames):
        views[frame, :3, :3] = cv2.Rodrigues(rng.normal(0, 1, 3))[0]
        views[frame, :3, 3] = rng.normal(0, 1, 3)
    for _ in range(persons):
        seen = rng.normal(0, 0.4, (frames, 24, 3)) + [0, 0, 4.0]
        back = np.einsum("tji,tkj->tki", views[:, :3, :3], seen - views[:, None, :3, 3])
        places.append(back.reshape(frames, 72))
    detected = [
        np.concatenate(
            [rng.uniform((30, 40), (80, 150), (frames, 18, 2)), rng.random((frames, 18, 1))], 2
        ).transpose(0, 2, 1)
        for _ in range(persons)
    ]
    for each in detected:
        each[:, :, ::7] = 0
    return {
        "sequence": name,
        "betas": [rng.normal(0, 1, 10 if person else 300) for person in range(persons)],
        "poses": poses,
        "trans": [rng.normal(0, 1, (frames, 3)) for _ in range(persons)],
        "poses_60Hz": [rng.normal(0, 1, (2 * frames, 72)) for _ in range(persons)],
        "genders": ["m", "f"][:persons],
        "texture_maps": [],
        "poses2d": detected,
        "jointPositions": places,
        "img_frame_ids": np.arange(frames) * 2,
        "cam_poses": views,
        "campose_valid": [
            np.array([person == 0 or frame != 2 for frame in range(frames)]).astype(int)
            for person in range(persons)
        ],
        "cam_intrinsics": LENS,
    }


def write(folder, held, split="test", pictures=True):
    """A pickle as Python 2 made it, and its pictures, whose blue tells the frame."""
    place = folder / "sequenceFiles" / split
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{held['sequence']}.pkl"
    path.write_bytes(Python2(2).dump(held))
    if pictures:
        images = folder / "imageFiles" / held["sequence"]
        images.mkdir(parents=True, exist_ok=True)
        for frame in range(len(held["cam_poses"])):
            picture = np.full((HEIGHT, WIDTH, 3), (40 * frame, 0, 0), np.uint8)
            cv2.imwrite(str(images / f"image_{frame:05d}.jpg"), picture)
    return path


def spins(held):
    """SPIN's pw3d.py, in one loop: the rows of 3dpw_test.npz."""
    rows = {key: [] for key in ("imgname", "center", "scale", "pose", "shape", "gender")}
    for person, poses in enumerate(held["poses"]):
        for frame in np.flatnonzero(held["campose_valid"][person]):
            points = held["poses2d"][person][frame].T
            points = points[points[:, 2] > 0, :2]
            low, high = points.min(0), points.max(0)
            pose = poses[frame].copy()
            turn = held["cam_poses"][frame, :3, :3] @ cv2.Rodrigues(pose[:3])[0]
            pose[:3] = cv2.Rodrigues(turn)[0][:, 0]
            rows["imgname"].append(f"imageFiles/{held['sequence']}/image_{frame:05d}.jpg")
            rows["center"].append((low + high) / 2)
            rows["scale"].append(1.2 * (high - low).max() / 200)
            rows["pose"].append(pose)
            rows["shape"].append(held["betas"][person][:10])
            rows["gender"].append(held["genders"][person])
    return rows


# ---- what a sequence says


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_of_python_2_are_read(tmp_path, protocol):
    held = sequence()
    path = tmp_path / "a.pkl"
    path.write_bytes(Python2(protocol).dump(held))
    found = threedpw.read(path)
    assert len(found) == 9 and found.skeleton == SMPL24  # one frame of one person is not valid
    assert found.rows["take"].tolist() == [1] * 5 + [2] * 4
    assert found.rows["frame"].tolist() == [0, 1, 2, 3, 4, 0, 1, 3, 4]
    assert found.rows["gender"].tolist() == ["m"] * 5 + ["f"] * 4
    path.write_bytes(pickle.dumps(held))
    assert torch.equal(threedpw.read(path).joints3d, found.joints3d)


def test_joints_are_where_the_camera_sees_them(tmp_path):
    held = sequence()
    found = threedpw.read(write(tmp_path, held))
    for row, (person, frame) in enumerate(
        zip(found.rows["take"] - 1, found.rows["frame"], strict=True)
    ):
        world = held["jointPositions"][person][frame].reshape(24, 3)
        view = held["cam_poses"][frame]
        pixels, _ = cv2.projectPoints(
            world, cv2.Rodrigues(view[:3, :3])[0], view[:3, 3], LENS, None
        )
        assert np.allclose(found.joints2d[row], pixels[:, 0], atol=1e-6)
        wide = np.concatenate([world, np.ones((24, 1))], axis=1)
        assert np.allclose(found.joints3d[row] / 1000, (wide @ view.T)[:, :3])
    assert torch.equal(found.translation, found.joints3d[:, 0])
    assert (found.visible == SEEN).all() and found.known3d.all()


def test_the_rows_are_those_that_spin_made_of_them(tmp_path):
    held = sequence()
    mine = threedpw.read(write(tmp_path, held))
    np.savez(tmp_path / "3dpw_test.npz", **spins(held))
    theirs = spin.load(tmp_path, "3dpw").people
    assert torch.allclose(mine.boxes, theirs.boxes)
    assert torch.allclose(mine.rotations, theirs.rotations, atol=1e-9)
    assert torch.equal(mine.shape, theirs.shape)
    for column in ("image", "gender", "subject", "frame"):
        assert mine.rows[column].tolist() == theirs.rows[column].tolist()


def test_without_detections_the_joints_make_the_crop(tmp_path):
    held = sequence()
    held["poses2d"][0][1] = 0
    found = threedpw.read(write(tmp_path, held))
    pixels = found.joints2d[1].numpy()
    span = pixels.max(0) - pixels.min(0)
    assert found.boxes[1, 2:].tolist() == pytest.approx([1.2 * span.max()] * 2)
    assert np.allclose(
        found.boxes[1, :2] + found.boxes[1, 2:] / 2, (pixels.max(0) + pixels.min(0)) / 2
    )


def test_joints_behind_the_camera_are_in_no_picture(tmp_path):
    held = sequence()
    view = held["cam_poses"][0]
    behind = view[:3, :3].T @ (np.array([0.1, 0.1, -1.0]) - view[:3, 3])
    held["jointPositions"][0][0, 12:15] = behind
    found = threedpw.read(write(tmp_path, held))
    assert found.visible[0, 4] == UNKNOWN and (found.visible == UNKNOWN).sum() == 1
    assert found.joints3d[0, 4, 2] == pytest.approx(-1000) and found.known3d.all()


# ---- pictures, and what is judged with them


def test_a_split_is_all_of_its_sequences(tmp_path):
    write(tmp_path, sequence())
    write(tmp_path, sequence("office_phoneCall_00", frames=3, persons=1, seed=1))
    write(tmp_path, sequence("courtyard_jacket_00", frames=2), split="train")
    pictures = threedpw.load(tmp_path, size=64)
    assert len(pictures) == 12 and len(threedpw.load(tmp_path, "train")) == 4
    batch = pictures[:]
    assert batch.has_body.all() and batch.has_joints3d.all()
    blue = batch.images[:, 2].flatten(1).amax(1)
    assert blue.tolist() == pytest.approx([40 * f for f in pictures.people.rows["frame"]], abs=3)
    placed = batch.joints3d @ batch.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], batch.joints2d, atol=1e-2)
    assert {HIDDEN, SEEN} == set(batch.visible.unique().tolist())
    assert torch.allclose(batch.translation, batch.joints3d[:, 0])


def test_a_sequence_in_two_files_is_an_error(tmp_path):
    path = write(tmp_path, sequence())
    path.with_name("copy.pkl").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="the sequence downtown_bar_00 is in another file of test"):
        threedpw.load(tmp_path)


def test_the_truth_is_the_mesh_of_each_gender(tmp_path):
    found = threedpw.read(write(tmp_path, sequence()))
    small = free()
    large = replace(
        small,
        template=1.1 * small.template,
        joint_template=1.1 * small.joint_template,
        shape_directions=1.1 * small.shape_directions,
        joint_directions=1.1 * small.joint_directions,
    )
    neutral = threedpw.truth(found, {"m": small, "f": small})
    truth = threedpw.truth(found, {"m": small, "f": large})
    men = torch.tensor([gender == "m" for gender in found.rows["gender"]])
    assert torch.equal(truth[men], neutral[men])
    root = small.rest(found.shape[~men].float()).joints[:, :1]
    assert root.norm() > 0 and truth.shape == (9, 17, 3)
    # A body 1.1 times as large, in the same pose, from the root joint on.
    assert torch.allclose(truth[~men], 1.1 * neutral[~men], atol=1e-2)
    one = small(found.rotations[:1].float(), found.shape[:1].float(), torch.zeros(1, 3))
    assert torch.allclose(small.joints(one.vertices, H36M17)[0], truth[0], atol=1e-3)
    card = PROTOCOLS["3dpw-spin"].evaluate(truth + 7, truth, found.rows)
    assert card["mpjpe"] == pytest.approx(0, abs=1e-3)
    assert PROTOCOLS["3dpw-spin"].evaluate(neutral, truth, found.rows)["mpjpe"] > 10
    with pytest.raises(ValueError, match=r"no body for the genders \['f'\]"):
        threedpw.truth(found, {"m": small})
    with pytest.raises(ValueError, match="does not know everybody's body"):
        threedpw.truth(replace(found, has_body=~found.has_body), {"m": small, "f": small})


# ---- trouble


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": "../x"}, "called '../x', which names no folder"),
        ({"sequence": 3}, "called 3"),
        ({"genders": ["m"]}, "not everything of each person"),
        ({"poses": "text"}, "not everything of each person"),
        ({"genders": ["m", "x"]}, "person 2: gender 'x'"),
        ({"betas": [np.zeros(10), np.zeros(4)]}, "person 2: .*4 betas"),
        ({"poses": [np.zeros((5, 71))] * 2}, r"poses is .*\(5, 71\)"),
        ({"poses2d": [np.zeros((4, 3, 18))] * 2}, r"poses2d is .*\(4, 3, 18\)"),
        ({"cam_poses": np.zeros((5, 4, 4))}, "cam_poses of valid cameras are no rotations"),
        (
            {"cam_intrinsics": np.full((3, 3), np.nan)},
            "intrinsics are not finite|joints2d are not finite",
        ),
        (
            {"jointPositions": [np.full((5, 72), np.inf)] * 2},
            r"person \d of threedpw .*are not finite",
        ),
        ({"campose_valid": [["yes"] * 5] * 2}, "campose_valid is <U3"),
    ],
)
def test_sequences_that_make_no_sense_are_named(tmp_path, change, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(sequence() | change, protocol=2))
    with pytest.raises(ValueError, match=rf"a\.pkl: .*{message}"):
        threedpw.read(path)


def test_what_stands_in_frames_without_a_camera_does_not_matter(tmp_path):
    held = sequence()
    held["poses"][1][2], held["jointPositions"][1][2] = np.nan, np.nan
    held["campose_valid"][0][2] = 0
    held["cam_poses"][2] = 0
    assert len(threedpw.read(write(tmp_path, held))) == 8
    held["campose_valid"][1][:] = 0
    assert set(threedpw.read(write(tmp_path, held)).rows["take"]) == {1}
    held["campose_valid"][0][:] = 0
    assert len(threedpw.read(write(tmp_path, held))) == 0


def test_other_files_are_refused_and_nothing_in_them_is_run(tmp_path):
    path = tmp_path / "a.pkl"
    with pytest.raises(FileNotFoundError, match="virtualhumans"):
        threedpw.read(path)
    with pytest.raises(FileNotFoundError, match="virtualhumans"):
        threedpw.load(tmp_path)
    with pytest.raises(ValueError, match="no split 'valid'"):
        threedpw.load(tmp_path, "valid")
    path.write_bytes(pickle.dumps(sequence() | {"poses": print}, protocol=2))
    with pytest.raises(Refused, match=r"a\.pkl: asks for __builtin__\.print"):
        threedpw.read(path)
    for held, message in (([1], "holds a list"), ({"poses": 1}, "has no betas, cam_intrinsics")):
        path.write_bytes(pickle.dumps(held))
        with pytest.raises(ValueError, match=message):
            threedpw.read(path)
    whole = Python2(2).dump(sequence())
    for content in (whole[:500], b"", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.pkl"):
            threedpw.read(path)


def test_a_folder_is_checked(tmp_path, monkeypatch):
    assert "virtualhumans" in str(check("threedpw", tmp_path))
    write(tmp_path, sequence())
    report = check("threedpw", tmp_path)
    assert (
        report.ok
        and "9 persons, valid cameras, 9 with a body; the whole part has 35,515" in str(report)
    )
    monkeypatch.setattr(threedpw, "TEST_PERSONS", 9)
    assert {item.what: item.state for item in check("threedpw", tmp_path).items}["test"] == "ok"
    (tmp_path / "imageFiles" / "downtown_bar_00" / "image_00001.jpg").unlink()
    assert "1 of 5 not in" in str(check("threedpw", tmp_path))
    write(tmp_path, sequence("x_00"), pictures=False).write_bytes(b"x")
    assert "x_00.pkl: ValueError: no pickle of data begins with" in str(check("threedpw", tmp_path))
