"""Leeds Sports Pose and LSP extended: joints.mat of both shapes, and what UPi-S1h adds."""

import cv2
import numpy as np
import pytest
import torch
from builders import spin as make_spin
from scipy.io import savemat

from posekit.data import lsp, spin
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.check import check
from posekit.geometry.skeleton import LSP14

WIDTH, HEIGHT = 150, 180
CHANGED = (1, 1000, 1001, 1500, 2000)  # pictures that the tests look at, numbers from 1


def joints(count, seed=0):
    """(N, 14, 3): as LSP has them, covered ones 1."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((20, 15), (130, 165), (count, 14, 2))
    return np.concatenate([places, rng.integers(0, 2, (count, 14, 1))], axis=2)


def write_lsp(folder, name="lsp_dataset", numbers=CHANGED, table=None):
    """(3, 14, 2000), and these pictures, whose green tells the number."""
    place = folder / name
    (place / "images").mkdir(parents=True)
    table = joints(2000) if table is None else table
    savemat(place / "joints.mat", {"joints": table.transpose(2, 1, 0)}, do_compression=True)
    for number in numbers:
        picture = np.full((HEIGHT, WIDTH, 3), (0, number // 10, 0), np.uint8)
        cv2.imwrite(str(place / "images" / f"im{number:04d}.jpg"), picture)
    return table


def write_extended(folder, name="lspet_dataset", count=6):
    """(14, 3, N): 1 where labelled, and nonsense where not."""
    place = folder / name
    place.mkdir(parents=True)
    table = joints(count, seed=1)
    labelled = table[..., 2] == 1
    table[~labelled, :2] = np.random.default_rng(2).uniform(-200, 0, ((~labelled).sum(), 2))
    savemat(place / "joints.mat", {"joints": table.transpose(1, 2, 0)})
    (place / "images").mkdir()
    for number in range(1, count + 1):
        file = f"im{number:05d}.png" if name == "hr-lspet" else f"images/im{number:05d}.jpg"
        cv2.imwrite(str(place / file), np.full((HEIGHT, WIDTH, 3), 40 * (number - 1), np.uint8))
    return table, labelled


# ---- joints


def test_in_lsp_the_flag_says_covered(tmp_path):
    table = write_lsp(tmp_path)
    found = lsp.read(tmp_path / "lsp_dataset" / "joints.mat")
    assert len(found) == 2000 and found.skeleton == LSP14
    assert np.allclose(found.joints2d, table[..., :2])
    assert np.array_equal(found.visible == HIDDEN, table[..., 2] == 1)
    assert np.array_equal(found.visible == SEEN, table[..., 2] == 0)
    assert found.rows["image"][1000] == "images/im1001.jpg"


def test_in_lsp_extended_it_says_labelled(tmp_path):
    table, labelled = write_extended(tmp_path)
    found = lsp.read(tmp_path / "lspet_dataset" / "joints.mat")
    assert np.array_equal(found.visible == SEEN, labelled)
    assert np.array_equal(found.visible == UNKNOWN, ~labelled)
    assert np.allclose(found.joints2d[labelled], table[labelled][:, :2])
    assert not found.joints2d[~labelled].any()
    assert found.rows["image"].tolist()[:2] == ["images/im00001.jpg", "images/im00002.jpg"]
    for row in range(len(found)):
        mine = table[row][labelled[row]][:, :2]
        span = mine.max(0) - mine.min(0)
        assert found.boxes[row, 2:].tolist() == pytest.approx([1.2 * span.max()] * 2)
        assert np.allclose(
            found.boxes[row, :2] + found.boxes[row, 2:] / 2, (mine.max(0) + mine.min(0)) / 2
        )


def test_who_has_hardly_a_joint_is_left_out(tmp_path):
    place = tmp_path / "lspet_dataset"
    place.mkdir()
    table = joints(3)
    table[..., 2] = 1
    table[1, 1:, 2] = 0
    savemat(place / "joints.mat", {"joints": table.transpose(1, 2, 0)})
    found = lsp.read(place / "joints.mat")
    assert found.rows["image"].tolist() == ["images/im00001.jpg", "images/im00003.jpg"]


def test_the_test_labels_are_those_that_spin_made_of_them(tmp_path):
    """Its lsp_dataset.py, whose npz `spin` reads: names, crops, joints, masks."""
    table = write_lsp(tmp_path, "lsp_dataset")
    mine = lsp.load(tmp_path, "test").people
    places = table[1000:, :, :2]
    low, high = places.min(1), places.max(1)
    part = np.zeros((1000, 24, 3))
    part[:, :14] = np.concatenate([places, np.ones((1000, 14, 1))], axis=2)
    numbers = range(1001, 2001)
    np.savez(
        tmp_path / "lsp_dataset_test.npz",
        imgname=[f"images/im{n:04d}.jpg" for n in numbers],
        maskname=[f"data/lsp/im{n:04d}_segmentation.png" for n in numbers],
        partname=[f"data/lsp/im{n:04d}_part_segmentation.png" for n in numbers],
        center=(low + high) / 2,
        scale=1.2 * (high - low).max(1) / 200,
        part=part,
    )
    theirs = spin.load(tmp_path, "lsp").people
    assert len(mine) == len(theirs) == 1000
    assert torch.allclose(mine.boxes, theirs.boxes)
    assert torch.equal(mine.joints2d, theirs.joints2d[:, :14])
    for column in ("image", "mask", "parts"):
        assert mine.rows[column].tolist() == theirs.rows[column].tolist()


# ---- pictures


def test_the_splits_are_the_two_thousands_halves(tmp_path):
    write_lsp(tmp_path)
    train, test = (lsp.load(tmp_path, split, size=32) for split in ("train", "test"))
    assert len(train) == len(test) == 1000
    assert train[[0, 999]].images[:, 1].flatten(1).amax(1).tolist() == [0, 100]
    greens = test[[0, 499, 999]].images[:, 1].flatten(1).amax(1).tolist()
    assert greens == pytest.approx([100, 150, 200], abs=2)
    assert test[[0]].masks is None
    alone = lsp.load(tmp_path / "lsp_dataset", "test", size=32)
    assert len(alone) == 1000


def test_the_pictures_as_they_were_go_before(tmp_path):
    write_lsp(tmp_path)
    write_lsp(tmp_path, "lsp_dataset_original", table=[2, 2, 1] * joints(2000), numbers=())
    assert lsp.load(tmp_path, "train").folder.name == "lsp_dataset_original"
    assert lsp.load(tmp_path, "test").folder.name == "lsp_dataset"
    write_extended(tmp_path)
    assert lsp.load(tmp_path, "extended").folder.name == "lspet_dataset"
    write_extended(tmp_path, "hr-lspet")
    pictures = lsp.load(tmp_path, "extended", size=32)
    assert pictures.folder.name == "hr-lspet"
    assert pictures.people.rows["image"][0] == "im00001.png"
    assert pictures[:].images.flatten(1).amax(1).tolist() == [0, 40, 80, 120, 160, 200]


def test_masks_and_parts_come_where_upi_s1h_is(tmp_path):
    write_lsp(tmp_path)
    parts = np.zeros((HEIGHT, WIDTH), np.uint8)
    parts[40:100, 30:90], parts[100:150, 40:80], parts[60:70, 50:60] = 6, 4, 255
    names = [("data/lsp/im1001_segmentation.png", "data/lsp/im1001_part_segmentation.png")]
    make_spin.write_masks(tmp_path / "upi-s1h", names, [parts])
    pictures = lsp.load(tmp_path, "test", size=64)
    mask, found = pictures.mask_and_parts(0)
    assert np.array_equal(found, parts) and np.array_equal(mask, np.isin(parts, (4, 6)))
    batch = pictures[[0]]
    assert set(batch.parts.unique().tolist()) == {0, 4, 6, 255}
    # A pixel of the crop has the label of the picture's pixel that it is nearest to.
    back = torch.linalg.inv(batch.intrinsics[0].double())
    for x, y in ((10, 20), (32, 32), (40, 50), (5, 60)):
        column, row, _ = (back @ torch.tensor([x, y, 1.0]).double()).round().int().tolist()
        within = 0 <= row < HEIGHT and 0 <= column < WIDTH
        assert batch.parts[0, y, x] == (parts[row, column] if within else 0)
    with pytest.raises(FileNotFoundError, match="person 999 of lsp"):
        pictures.sample(999)
    with pytest.raises(ValueError, match="opened without its masks"):
        lsp.load(tmp_path, "train").mask_and_parts(0)


# ---- trouble


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lsp_dataset/joints\.mat.*sam\.johnson\.io"):
        lsp.load(tmp_path)
    with pytest.raises(ValueError, match="no split 'valid'"):
        lsp.load(tmp_path, "valid")
    place = tmp_path / "lsp_dataset"
    place.mkdir()
    path = place / "joints.mat"
    fine = joints(4)
    for table, message in (
        ({"joints": np.zeros((3, 16, 5))}, r"shape \(3, 16, 5\)"),
        ({"joints": np.zeros((3, 14))}, r"shape \(3, 14\)"),
        ({"points": np.zeros((3, 14, 5))}, r"shape \(0,\)"),
        ({"joints": np.full((3, 14, 5), "x")}, "shape|numbers"),
        ({"joints": 2 * fine.transpose(2, 1, 0)}, "neither 0 nor 1"),
        (
            {"joints": np.where(np.arange(3) < 2, np.nan, fine).transpose(2, 1, 0)},
            "person 0 of lsp .*are not finite",
        ),
    ):
        savemat(path, table)
        with pytest.raises(ValueError, match=rf"joints\.mat.*{message}"):
            lsp.read(path)
    savemat(path, {"joints": fine.transpose(1, 2, 0)})
    with pytest.raises(ValueError, match="of another set than LSP's 'test'"):
        lsp.load(tmp_path, "test")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"joints\.mat.*half downloaded"):
        lsp.read(path)


def test_a_folder_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(lsp, "TRAINED", 3)
    assert "sam.johnson.io" in str(check("lsp", tmp_path))
    write_lsp(tmp_path, numbers=range(1, 7), table=joints(6))
    report = check("lsp", tmp_path)
    states = {item.what: item.state for item in report.items}
    assert states["train"] == states["test"] == "ok" and states["extended"] == "note"
    assert "upi-s1h.zip" in str(report) and not report.ok
    write_extended(tmp_path)
    assert "6 persons, extended" in str(check("lsp", tmp_path))
    names = [
        (f"data/lsp/im000{n}_segmentation.png", f"data/lsp/im000{n}_part_segmentation.png")
        for n in (4, 5, 6)
    ]
    make_spin.write_masks(tmp_path / "upi-s1h", names, [np.zeros((4, 4), np.uint8)] * 3)
    assert check("lsp", tmp_path).ok
    (tmp_path / "lsp_dataset" / "images" / "im0005.jpg").unlink()
    assert "1 of 3 not in" in str(check("lsp", tmp_path))
