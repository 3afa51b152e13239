"""MuPoTS-3D: a made-up take in exactly the release's files, and Moon et al.'s json of the same."""

import json
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from scipy.io import savemat

from posekit.data import mupots
from posekit.data.batch import HIDDEN, SEEN
from posekit.data.check import check
from posekit.data.mupots import fit_intrinsics, load, read, read_json, read_predictions
from posekit.geometry.skeleton import MPI_INF_3DHP17

FOCAL, MIDDLE = np.array([1500.0, 1510.0]), np.array([1000.0, 1040.0])
VALID = np.array([[1, 1], [0, 1], [0, 0]])  # frame, person


def seen(joints):
    return FOCAL * joints[..., :2] / joints[..., 2:] + MIDDLE


def joints_of(valid=VALID, seed=0):
    """(frame, person, 17, 3), mm: persons side by side, 5 m away."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-500, 500, (*valid.shape, 17, 3)) + [0, 0, 5000]
    return joints + np.arange(valid.shape[1])[:, None, None] * [1200, 0, 0]


def universal(joints):
    """As large as everybody, about the pelvis: no camera puts it onto the pixels."""
    pelvis = joints[..., 14:15, :]
    return pelvis + 1.1 * (joints - pelvis)


def cell_array(shape, value):
    array = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        array[place] = value(*place)
    return array


def write_take(folder, take="TS1", valid=VALID):
    """annot.mat, occlusion.mat and img_*.jpg, as Matlab writes cells of structs."""
    (folder / take).mkdir(parents=True)
    joints = joints_of(valid)
    covered = np.random.default_rng(1).integers(0, 2, joints.shape[:3])
    annotations = cell_array(
        valid.shape,
        lambda frame, person: {
            "annot2": seen(joints[frame, person]).T,
            "annot3": joints[frame, person].T,
            "univ_annot3": universal(joints[frame, person]).T,
            "isValidFrame": np.uint8(valid[frame, person]),
        },
    )
    labels = cell_array(valid.shape, lambda *place: covered[place].astype(float)[None])
    savemat(folder / take / "annot.mat", {"annotations": annotations}, do_compression=True)
    savemat(folder / take / "occlusion.mat", {"occlusion_labels": labels})
    width, height = mupots.SIZES[take]
    for frame in np.flatnonzero(valid.any(1)):
        grey = np.full((height, width, 3), 100 + frame, np.uint8)
        cv2.imwrite(str(folder / take / f"img_{frame:06d}.jpg"), grey)
    return joints, covered


def write_json(folder, take="TS1", valid=VALID):
    joints = joints_of(valid)
    width, height = mupots.SIZES[take]
    images, annotations = [], []
    for frame, person in np.ndindex(*valid.shape):
        if person == 0:
            name = f"{take}/img_{frame:06d}.jpg"
            images.append({"id": frame, "file_name": name, "width": width, "height": height})
            images[-1]["intrinsic"] = [*FOCAL, *MIDDLE]
        pixels = seen(joints[frame, person])
        low, high = pixels.min(0), pixels.max(0)
        annotations.append(
            {
                "id": len(annotations),
                "image_id": frame,
                "is_valid": int(valid[frame, person]),
                "bbox": [*low, *(high - low)],
                "keypoints_cam": joints[frame, person].tolist(),
                "keypoints_img": pixels.tolist(),
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MuPoTS-3D.json").write_text(
        json.dumps({"images": images, "annotations": annotations})
    )


def test_the_valid_persons_come_in_the_releases_order(tmp_path):
    joints, covered = write_take(tmp_path)
    found = read(tmp_path, takes=["TS1"])
    assert found.rows[["frame", "take"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 1]]
    assert found.by_picture() == {"TS1/img_000000.jpg": [0, 1], "TS1/img_000001.jpg": [2]}
    assert np.allclose(found.joints3d, joints[VALID == 1])
    assert np.allclose(found.joints2d, seen(joints[VALID == 1]))
    assert np.array_equal(found.visible, np.where(covered[VALID == 1] == 1, HIDDEN, SEEN))
    assert found.skeleton == MPI_INF_3DHP17
    other = read(tmp_path, takes=["TS1"], truth="universal")
    assert np.allclose(other.joints3d, universal(joints[VALID == 1]))
    assert torch.equal(other.joints2d, found.joints2d)
    poses = other.poses()
    assert poses.name == "mupots" and poses.frames["subject"].tolist() == ["TS1"] * 3


def test_intrinsics_are_fitted_to_the_pixels(tmp_path):
    write_take(tmp_path)
    found = read(tmp_path, takes=["TS1"], truth="universal")
    expected = [[FOCAL[0], 0, MIDDLE[0]], [0, FOCAL[1], MIDDLE[1]], [0, 0, 1]]
    assert np.allclose(found.intrinsics, expected)
    points = torch.from_numpy(joints_of()).flatten(0, 1)
    noise = torch.randn(len(points), 17, 2, generator=torch.Generator().manual_seed(0)).double()
    fitted = fit_intrinsics(points, torch.from_numpy(seen(points.numpy())) + noise)
    # numpy's polynomial fit, a second road to the same line.
    ray = (points[..., 0] / points[..., 2]).flatten().numpy()
    pixels = seen(points.numpy())[..., 0].flatten() + noise[..., 0].flatten().numpy()
    assert np.polyfit(ray, pixels, 1) == pytest.approx([fitted[0, 0].item(), fitted[0, 2].item()])
    with pytest.raises(ValueError, match="behind the camera"):
        fit_intrinsics(-points, noise)
    with pytest.raises(ValueError, match="no camera"):
        fit_intrinsics(points, -torch.from_numpy(seen(points.numpy())))


def test_moons_json_says_the_same(tmp_path):
    write_take(tmp_path)
    write_json(tmp_path)
    release, moon = read(tmp_path, takes=["TS1"]), read_json(tmp_path / "MuPoTS-3D.json")
    for field in ("joints2d", "joints3d", "intrinsics", "boxes"):
        assert torch.allclose(getattr(moon, field), getattr(release, field)), field
    same = ["image", "height", "width", "subject", "frame", "camera"]
    assert moon.rows[same].equals(release.rows[same].astype(moon.rows[same].dtypes))
    assert moon.rows["take"].tolist() == [0, 1, 0]  # counted among the valid
    assert (moon.visible == SEEN).all()


def test_pictures_hold_each_of_several_people(tmp_path):
    write_take(tmp_path / "MultiPersonTestSet")
    write_json(tmp_path)
    pictures = load(tmp_path, size=64)
    batch = pictures[:]
    assert pictures.name == "mupots" and pictures.version == "json"
    grey = batch.images.flatten(1).double().amax(1)
    assert grey.tolist() == pytest.approx([100, 100, 101], abs=2)
    placed = batch.joints3d @ batch.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], batch.joints2d, atol=1e-3)
    middle = batch.boxes[:, :2] + batch.boxes[:, 2:] / 2
    assert torch.allclose(middle, torch.full((3, 2), 31.5), atol=1e-3)
    assert pictures.fingerprint() == load(tmp_path, size=64).fingerprint()


def test_without_the_json_the_release_is_taken(tmp_path, monkeypatch):
    write_take(tmp_path)
    monkeypatch.setattr(mupots, "read", partial(read, takes=["TS1"]))
    pictures = load(tmp_path, size=64)
    assert pictures.version == "release, true" and pictures[:].has_joints3d.all()


def test_later_takes_have_wide_pictures(tmp_path):
    write_take(tmp_path, "TS6", VALID[:1])
    found = read(tmp_path, takes=["TS6"])
    assert found.rows[["width", "height"]].to_numpy().tolist() == [[1920, 1080]] * 2
    assert len(mupots.SIZES) == 20 and mupots.SIZES["TS5"] == (2048, 2048)


def test_who_is_outside_the_picture_still_counts(tmp_path):
    far = VALID[:1]
    write_take(tmp_path, valid=far)
    joints = joints_of(far)
    joints[0, 1] += [90_000, 0, 0]
    cells = cell_array(
        far.shape,
        lambda *place: {
            "annot2": seen(joints[place]).T,
            "annot3": joints[place].T,
            "univ_annot3": joints[place].T,
            "isValidFrame": np.uint8(1),
        },
    )
    savemat(tmp_path / "TS1" / "annot.mat", {"annotations": cells})
    found = read(tmp_path, takes=["TS1"])
    assert len(found) == 2 and found.boxes[1, 0] > 2048


def test_predictions_of_moons_evaluation_are_read_and_judged(tmp_path):
    """Written as his MuPoTS.py writes them: lists of persons by the picture's name."""
    joints, _ = write_take(tmp_path, valid=np.ones((2, 2), int))
    named = {f"TS1_img_{frame:06d}": [*joints[frame][::-1]] for frame in (0, 1)}
    named["TS1_img_000001"] = named["TS1_img_000001"][:1]
    flat, deep = tmp_path / "preds_2d_kpt_mupots.mat", tmp_path / "preds_3d_kpt_mupots.mat"
    savemat(flat, {name: [seen(person) for person in people] for name, people in named.items()})
    savemat(deep, named)
    found = read_predictions(flat, deep)
    assert list(found) == ["TS1/img_000000.jpg", "TS1/img_000001.jpg"]
    assert [len(pose3d) for _, pose3d in found.values()] == [2, 1]
    savemat(deep, {"TS1_img_000000": named["TS1_img_000000"]})
    with pytest.raises(ValueError, match="not the same"):
        read_predictions(flat, deep)
    savemat(deep, {name: [person[:14] for person in people] for name, people in named.items()})
    with pytest.raises(ValueError, match=r"TS1_img_000000: \(2, 17, 2\) in .*\(2, 14, 3\)"):
        read_predictions(flat, deep)
    deep.write_bytes(deep.read_bytes()[:200])
    with pytest.raises(ValueError, match="preds_3d_kpt_mupots.mat is no Matlab file"):
        read_predictions(flat, deep)
    with pytest.raises(FileNotFoundError, match="absent.mat"):
        read_predictions(flat, tmp_path / "absent.mat")


# ---- trouble


def test_files_that_are_not_there_say_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="MultiPersonTestSet.zip"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="3DMPPE_POSENET_RELEASE"):
        read_json(tmp_path / "MuPoTS-3D.json")
    write_take(tmp_path)
    (tmp_path / "TS1" / "occlusion.mat").unlink()
    with pytest.raises(FileNotFoundError, match="occlusion.mat"):
        read(tmp_path, takes=["TS1"])
    with pytest.raises(ValueError, match="no takes"):
        read(tmp_path, takes=["TS21"])
    with pytest.raises(ValueError, match="no truth"):
        read(tmp_path, truth="annot3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annot2": np.zeros((2, 14))}, r"frame 0, person 1: annot2 of \(2, 14\)"),
        ({"annot3": np.full((3, 17), np.nan)}, "person 1: annot3 is not finite"),
        ({"univ_annot3": "nothing"}, "univ_annot3"),
        ({"isValidFrame": None}, "no isValidFrame"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, change, message):
    joints, _ = write_take(tmp_path)
    fields = {
        "annot2": seen(joints[0, 1]).T,
        "annot3": joints[0, 1].T,
        "univ_annot3": joints[0, 1].T,
        "isValidFrame": np.uint8(1),
    }
    fields = {name: value for name, value in (fields | change).items() if value is not None}
    cells = cell_array((3, 2), lambda *place: fields)
    cells[0, 0] = {**fields, "isValidFrame": np.uint8(0)}
    savemat(tmp_path / "TS1" / "annot.mat", {"annotations": cells})
    with pytest.raises(ValueError, match=message):
        read(tmp_path, takes=["TS1"], truth="universal")


def test_damaged_files_are_named(tmp_path):
    write_take(tmp_path)
    cover, path = (tmp_path / "TS1" / name for name in ("occlusion.mat", "annot.mat"))
    whole = cover.read_bytes()
    for shape, value, message in (
        ((3, 1), np.zeros(17), "cells"),
        ((3, 2), np.zeros(16), "not 17 times"),
        ((3, 2), np.full(17, 2.0), "not 17 times"),
    ):
        savemat(cover, {"occlusion_labels": cell_array(shape, lambda *place, v=value: v)})
        with pytest.raises(ValueError, match=message):
            read(tmp_path, takes=["TS1"])
    cover.write_bytes(whole)
    savemat(path, {"annotations": np.zeros((3, 2))})
    with pytest.raises(ValueError, match="no cells annotations"):
        read(tmp_path, takes=["TS1"])
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"annot\.mat"):
        read(tmp_path, takes=["TS1"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c["images"][0].update(file_name="TS1_img_0.jpg"), "is not TS1/img"),
        (lambda c: c["images"][0].pop("intrinsic"), "annotation 0 .*None"),
        (lambda c: c["annotations"][1]["keypoints_cam"].pop(), r"annotation 1 .*\(17, 3\)"),
        (lambda c: [a.update(is_valid=0) for a in c["annotations"]], "nobody in it is valid"),
    ],
)
def test_a_wrong_entry_of_the_json_is_named(tmp_path, spoil, message):
    write_json(tmp_path)
    path = tmp_path / "MuPoTS-3D.json"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_json(path)


def test_a_folder_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(mupots, "SIZES", {"TS1": (2048, 2048)})
    assert "MultiPersonTestSet.zip" in str(check("mupots", tmp_path))
    write_take(tmp_path)
    report = check("mupots", tmp_path)
    assert report.ok and "2 pictures, 3 persons" in str(report) and "e-1" in str(report)
    write_json(tmp_path)
    assert "ok" in str(check("mupots", tmp_path)).splitlines()[-1]
    (tmp_path / "MuPoTS-3D.json").write_text("{}")
    (tmp_path / "TS1" / "img_000001.jpg").unlink()
    report = check("mupots", tmp_path)
    assert [item.state for item in report.items] == ["missing", "wrong"]
