"""MuPoTS-3D: a made-up take in exactly the release's files, and Moon et al.'s json of the same."""

import numpy as np
import pytest
import torch
from builders.mupots import FOCAL, MIDDLE, VALID, cell_array, joints_of, seen, universal, write_take
from scipy.io import savemat

from posekit.data import mupots
from posekit.data.batch import HIDDEN, SEEN
from posekit.data.check import check
from posekit.data.mupots import fit_intrinsics, load, read
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.mupots import MUPOTS_PROTOCOLS, scenes
from posekit.metrics.pictures import camera_points


def test_the_valid_persons_come_in_the_releases_order(tmp_path):
    joints, covered = write_take(tmp_path)
    found = read(tmp_path, takes=["TS1"])
    assert found.rows[["frame", "take"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 1]]
    assert found.by_picture() == {"TS1/img_000000.jpg": [0, 1], "TS1/img_000001.jpg": [2]}
    assert np.allclose(found.joints3d, universal(joints[VALID == 1]))
    assert np.allclose(found.joints2d, seen(joints[VALID == 1]))
    assert np.array_equal(found.visible, np.where(covered[VALID == 1] == 1, HIDDEN, SEEN))
    assert found.skeleton == MPI_INF_3DHP17
    assert found.name == "mupots" and found.rows["subject"].tolist() == ["TS1"] * 3


def test_intrinsics_are_fitted_to_the_pixels(tmp_path):
    write_take(tmp_path)
    found = read(tmp_path, takes=["TS1"])
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


def test_one_call_opens_the_test_set_for_its_protocols(tmp_path):
    """What `--data mupots=FOLDER` asks for: crops, and scenes of what is predicted in them."""
    joints, _ = write_take(tmp_path / "MultiPersonTestSet")
    pictures = load(tmp_path, takes=["TS1"], size=64)
    batch = pictures[:]
    assert pictures.name == "mupots" and pictures.version == "release, universal"
    assert pictures.frames["subject"].tolist() == ["TS1"] * 3 and batch.has_joints3d.all()
    grey = batch.images.flatten(1).double().amax(1)
    assert grey.tolist() == pytest.approx([100, 100, 101], abs=2)
    middle = batch.boxes[:, :2] + batch.boxes[:, 2:] / 2
    assert torch.allclose(middle, torch.full((3, 2), 31.5), atol=1e-3)
    assert pictures.fingerprint() == load(tmp_path, takes=["TS1"], size=64).fingerprint()
    # A network that finds every pixel and depth, as one that sees the crops says them.
    protocol, root = MUPOTS_PROTOCOLS["mupots-3dpck-rel"], batch.joints3d[:, 14, 2]
    depths = batch.joints3d[..., 2] - root[:, None]
    placed = camera_points(protocol, batch.joints2d, depths, batch.intrinsics, root, 0.0)
    assert protocol.evaluate(scenes(pictures.people, placed))["pck"] == 100
    # Exact predictions of the persons' own skeletons; that the universal ones are larger is forgiven.
    predicted = torch.from_numpy(joints[VALID == 1])
    for protocol in MUPOTS_PROTOCOLS.values():
        best = 100 if protocol.metric == "pck" else 100 * 30 / 31
        numbers = protocol.evaluate(scenes(pictures.people, predicted))
        assert numbers == pytest.approx({protocol.metric: best, f"{protocol.metric}/TS1": best})


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


# ---- trouble


def test_files_that_are_not_there_say_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="MultiPersonTestSet.zip"):
        read(tmp_path)
    write_take(tmp_path)
    (tmp_path / "TS1" / "occlusion.mat").unlink()
    with pytest.raises(FileNotFoundError, match="occlusion.mat"):
        read(tmp_path, takes=["TS1"])
    with pytest.raises(ValueError, match="no takes"):
        read(tmp_path, takes=["TS21"])


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
        read(tmp_path, takes=["TS1"])


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


def test_a_folder_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(mupots, "SIZES", {"TS1": (2048, 2048)})
    assert "MultiPersonTestSet.zip" in str(check("mupots", tmp_path))
    write_take(tmp_path)
    report = check("mupots", tmp_path)
    assert report.ok and "3 persons, release, universal" in str(report)
    (tmp_path / "TS1" / "img_000001.jpg").unlink()
    assert [item.state for item in check("mupots", tmp_path).items] == ["ok", "missing"]
