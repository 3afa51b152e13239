"""SPIN's label files: what its own scripts would write, read by name and cropped as it crops."""

import cv2
import numpy as np
import pytest
import torch
from builders import spin as make_spin
from scipy.io import savemat
from test_threedpw import sequence, write

from posekit.data import spin
from posekit.data.batch import HIDDEN, IGNORE, SEEN, UNKNOWN
from posekit.data.check import check
from posekit.data.people import uncrop
from posekit.geometry.skeleton import H36M17, SPIN24, convert
from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.protocols import PROTOCOLS

# SPIN's constants.py, JOINT_NAMES from 25 on, in posekit's words: the two are not made of each other.
J24 = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("neck", "head_top", "pelvis", "mid_shoulders", "spine", "neck_nose", "head"),
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
)
# Its eval.py: of the truth, 14 joints, and 17 on MPI-INF-3DHP; of the mesh's, left leg first.
J24_TO_J14 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18]
J24_TO_J17 = [*J24_TO_J14, 14, 16, 17]
COUNTS = {
    "lsp_dataset_original_train": 2,
    "mpii_train": 6,
    "hr-lspet_train": 4,
    "coco_2014_train": 8,
    "mpi_inf_3dhp_train": 5,
}


def spins_crop(point, centre, scale, size):
    """Where SPIN's get_transform takes a point, without its rounding; its pixels begin at 0, ours
    have their middle there."""
    height = 200 * scale
    return size * ((point - centre) / height + 0.5) - 0.5


# ---- what a file says


@pytest.mark.parametrize("stem", make_spin.KEYS)
def test_every_kind_of_file_is_read(tmp_path, stem):
    held = make_spin.write(tmp_path, stem)
    labels = spin.read(tmp_path / f"{stem}.npz")
    assert len(labels) == 4 and labels.skeleton == SPIN24
    assert np.allclose(labels.boxes[:, :2] + labels.boxes[:, 2:] / 2, held["center"])
    assert np.allclose(labels.boxes[:, 2:], 200 * held["scale"][:, None])
    assert labels.rows["image"].tolist() == held["imgname"].tolist()
    zeros = np.zeros((4, 24, 4))
    assert (labels.joints3d is None) == ("S" not in held)
    if "S" in held:
        assert np.allclose(labels.joints3d, 1000 * held["S"][..., :3])
    assert np.array_equal(labels.known3d, held.get("S", zeros)[..., 3] > 0)
    assert np.allclose(labels.joints2d, held.get("part", zeros)[..., :2])
    assert np.array_equal(labels.visible, np.where(held.get("part", zeros)[..., 2] > 0, 2, 0))
    bodies = {"mpi_inf_3dhp_train": [True, False] * 2, "3dpw_test": [True] * 4}
    assert labels.has_body.tolist() == bodies.get(stem, [False] * 4)
    assert labels.rows["gender"].tolist() == (["m", "f"] * 2 if stem == "3dpw_test" else [""] * 4)


def test_the_24_joints_go_by_name(tmp_path):
    assert SPIN24.joints == J24
    held = make_spin.write(tmp_path, "coco_2014_train")
    labels = spin.read(tmp_path / "coco_2014_train.npz")
    # COCO's second keypoint is the left eye, its sixth the left shoulder: 20 and 9 of SPIN's lists.
    for name, place in (("left_eye", 20), ("left_shoulder", 9), ("right_ankle", 0)):
        assert np.allclose(labels.joints2d[:, SPIN24.index(name)], held["part"][:, place, :2])
    assert (labels.visible[:, SPIN24.index("neck")] == UNKNOWN).all()


def test_bodies_are_rotation_matrices_where_there_are_any(tmp_path):
    held = make_spin.write(tmp_path, "mpi_inf_3dhp_train")
    labels = spin.read(tmp_path / "mpi_inf_3dhp_train.npz")
    for row in (0, 2):
        vectors = held["pose"][row].reshape(24, 3)
        assert np.allclose(labels.rotations[row], [cv2.Rodrigues(v)[0] for v in vectors])
        assert np.allclose(labels.shape[row], held["shape"][row])
    assert not labels.rotations[1].any() and not labels.shape[1].any()
    # What stands where there is no body does not matter; where there is one, it does.
    held["pose"][1] = np.nan
    make_spin.write(tmp_path, "mpi_inf_3dhp_train", pose=held["pose"])
    assert torch.equal(spin.read(tmp_path / "mpi_inf_3dhp_train.npz").rotations, labels.rotations)
    held["pose"][2, 5] = np.nan
    make_spin.write(tmp_path, "mpi_inf_3dhp_train", pose=held["pose"])
    with pytest.raises(ValueError, match=r"person 2 .*frame_000003.jpg.*rotations are not finite"):
        spin.read(tmp_path / "mpi_inf_3dhp_train.npz")


def test_bodies_without_a_flag_are_everybodys(tmp_path):
    """As SPIN's loader has it."""
    make_spin.write(tmp_path, "mpi_inf_3dhp_train", has_smpl=None)
    assert spin.read(tmp_path / "mpi_inf_3dhp_train.npz").has_body.all()


@pytest.mark.parametrize(
    ("stem", "row"),
    [
        ("h36m_valid_protocol1", ("S9", "WalkDog", 1, "60457274", 0)),
        ("h36m_valid_protocol2", ("S11", "Phoning", 1, "60457274", 0)),
        ("mpi_inf_3dhp_valid", ("TS3", "", 1, "0", 0)),
        ("mpi_inf_3dhp_train", ("S2", "Seq1", 1, "4", 0)),
        ("3dpw_test", ("downtown_bar_00", "", 1, "0", 1)),
        ("coco_2014_train", ("", "", 1, "", 0)),
    ],
)
def test_names_tell_which_frame_it_is(tmp_path, stem, row):
    make_spin.write(tmp_path, stem)
    rows = spin.read(tmp_path / f"{stem}.npz").rows
    found = rows[["subject", "action", "take", "camera", "frame"]]
    assert tuple(found.iloc[0]) == row
    assert found["frame"].diff()[1:].tolist() == [1, 1, 1]


# ---- what is judged with it


def spins_error(pred, true, places):
    """SPIN's eval.py: mean distance of joints, both relative to joint 14 of 24, the pelvis."""
    pred, true = pred - pred[:, 14:15], true - true[:, 14:15]
    return np.linalg.norm(pred - true, axis=-1)[:, places].mean()


@pytest.mark.parametrize(
    ("stem", "card", "places"),
    [
        ("h36m_valid_protocol1", "h36m-spin-p1", J24_TO_J14),
        ("mpi_inf_3dhp_valid", "3dhp-spin", J24_TO_J17),
    ],
)
def test_the_published_rules_judge_what_is_read(tmp_path, stem, card, places):
    held = make_spin.write(tmp_path, stem)
    numbers = [f"{make_spin.NAMES[stem]}".format(number) for number in (1, 6, 11, 16)]
    make_spin.write(tmp_path, stem, imgname=np.array(numbers))
    labels = spin.read(tmp_path / f"{stem}.npz")
    known = labels.joints3d.masked_fill(~labels.known3d[..., None], torch.nan)
    true = convert(known, SPIN24, H36M17).pose.float()
    noise = np.random.default_rng(1).normal(0, 50, (4, 24, 3))
    moved = 1000 * held["S"][..., :3] + noise
    order = [J24.index({"thorax": "neck"}.get(name, name)) for name in H36M17.joints]
    pred = torch.from_numpy(moved[:, order]).float()
    found = PROTOCOLS[card].evaluate(pred, true, labels.rows)
    wanted = spins_error(moved, 1000 * held["S"][..., :3], places)
    assert found["mpjpe"] == pytest.approx(wanted, rel=1e-5)


# ---- pictures


def test_crops_are_spins(tmp_path):
    held = make_spin.write(tmp_path, "mpi_inf_3dhp_train")
    pictures = spin.load(tmp_path, "mpi-inf-3dhp", size=64)
    batch = pictures[:]
    assert batch.images.shape == (4, 3, 64, 64) and len(pictures) == 4
    wanted = [
        spins_crop(part[:, :2], centre, scale, 64)
        for part, centre, scale in zip(held["part"], held["center"], held["scale"], strict=True)
    ]
    known = held["part"][..., 2] > 0
    assert np.allclose(batch.joints2d[known], np.stack(wanted)[known], atol=1e-4)
    inside = (np.abs(np.stack(wanted) - 31.5) <= 32).all(-1)
    assert np.array_equal(batch.visible == SEEN, known & inside)
    assert np.array_equal(batch.visible == HIDDEN, known & ~inside)
    assert (known & ~inside).any() and (known & inside).any()
    assert batch.images[:, 0].flatten(1).amax(1).tolist() == pytest.approx(
        [20, 60, 100, 140], abs=3
    )
    assert torch.allclose(batch.boxes, torch.tensor([-0.5, -0.5, 64, 64]))
    assert batch.has_joints3d.all() and batch.has_body.tolist() == [True, False, True, False]
    assert np.allclose(batch.joints3d, 1000 * held["S"][..., :3], atol=1e-3)
    assert batch.masks is None and batch.parts is None


def test_a_batch_marks_3d_joints_known_only_with_their_2d_joints(tmp_path):
    """Human3.6M's evaluation files have no 2D joints: the truth is the labels'."""
    make_spin.write(tmp_path, "h36m_valid_protocol1")
    pictures = spin.load(tmp_path, "h36m-p1", size=32)
    batch = pictures[[0, 1]]
    assert not batch.has_joints3d.any() and not batch.joints3d.any()
    assert (batch.visible == UNKNOWN).all()
    assert pictures.people.known3d.any(1).all()


def test_masks_and_parts_come_with_lsp(tmp_path):
    held = make_spin.write(tmp_path, "lsp_dataset_test", 2)
    assert spin.load(tmp_path, "lsp", size=32)[[0]].masks is None
    parts = np.random.default_rng(0).choice(
        np.array([0, 1, 2, 3, 4, 5, 6, 255], np.uint8), (2, make_spin.HEIGHT, make_spin.WIDTH)
    )
    names = list(zip(held["maskname"], held["partname"], strict=True))
    make_spin.write_masks(tmp_path / "upi-s1h", names, parts)
    pictures = spin.load(tmp_path, "lsp", size=400)
    mask, found = pictures.mask_and_parts(1)
    assert np.array_equal(found, parts[1])
    assert np.array_equal(mask, np.isin(parts[1], range(1, 7)))
    batch = pictures[:]
    assert set(batch.masks.unique().tolist()) == {0, 1}
    assert IGNORE in batch.parts.unique().tolist()
    # In crops finer than the picture every pixel of it is there, and comes back from there.
    back = uncrop(batch.parts[1], batch.intrinsics[1].double(), parts[1].shape)
    (x, y), side = held["center"][1], 200 * held["scale"][1]
    rows, columns = np.indices(parts[1].shape)
    within = (np.abs(columns - x) < side / 2 - 1) & (np.abs(rows - y) < side / 2 - 1)
    assert within.sum() > 1000 and np.array_equal(back[within], parts[1][within])
    beyond = (np.abs(columns - x) > side / 2 + 1) | (np.abs(rows - y) > side / 2 + 1)
    assert not back[beyond].any()


def spins_uncrop(labels, centre, scale, shape):
    """SPIN's imutils.uncrop: corners cut to whole pixels, what is between resized to the nearest."""
    size = len(labels)
    back = np.linalg.inv([[size / 200 / scale, 0], [0, size / 200 / scale]])
    corners = [(back @ (np.array([end, end]) - size / 2) + centre).astype(int) for end in (0, size)]
    (left, top), (right, bottom) = corners
    grown = cv2.resize(labels, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST_EXACT)
    whole = np.zeros(shape, np.uint8)
    rows, columns = (
        slice(max(0, a), min(b, n))
        for a, b, n in ((top, bottom, shape[0]), (left, right, shape[1]))
    )
    whole[rows, columns] = grown[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return whole


def test_a_rendered_crop_comes_back_as_spins_does_but_for_its_whole_pixels(tmp_path):
    held = make_spin.write(tmp_path, "lsp_dataset_test", 4)
    pictures = spin.load(tmp_path, "lsp")
    rows, columns = np.indices((224, 224))
    drawn = (3 * (rows // 75) + columns // 75 % 3).clip(0, 6).astype(np.uint8)
    shape = (make_spin.HEIGHT, make_spin.WIDTH)
    for row in range(4):
        batch = pictures[[row]]
        mine = uncrop(torch.from_numpy(drawn), batch.intrinsics[0].double(), shape).numpy()
        theirs = spins_uncrop(drawn, held["center"][row], held["scale"][row], shape)
        # Half a pixel, for where pixels begin, and up to a whole one of each corner.
        differ = mine != theirs
        edges = cv2.dilate(theirs, np.ones((5, 5))) != cv2.erode(theirs, np.ones((5, 5)))
        assert differ.any() and not (differ & ~edges).any()


def test_the_published_rules_judge_masks_and_parts_as_spin_does(tmp_path):
    """Its eval.py, picture by picture, with the rule of 255."""
    held = make_spin.write(tmp_path, "lsp_dataset_test", 3)
    dice = np.random.default_rng(5)
    true = dice.choice(np.array([*range(7), 255], np.uint8), (3, make_spin.HEIGHT, make_spin.WIDTH))
    names = list(zip(held["maskname"], held["partname"], strict=True))
    make_spin.write_masks(tmp_path / "upi-s1h", names, true)
    pictures = spin.load(tmp_path, "lsp")
    pred = np.where(dice.random(true.shape) < 0.6, true % 255 % 7, dice.integers(0, 7, true.shape))
    pred = pred.astype(np.uint8)
    hits, false, missed, right = np.zeros(7), np.zeros(7), np.zeros(7), 0
    for guess, image in zip(pred, true, strict=True):
        for c in range(7):
            said, so = (guess == c) & (image != 255), image == c
            hits[c] += (so & said).sum()
            false[c] += (~so & said).sum()
            missed[c] += (so & ~said).sum()
        right += (np.where(image == 255, 0, image) == guess).sum()
    masks, parts = (
        torch.stack(each) for each in zip(*map(pictures.mask_and_parts, range(3)), strict=True)
    )
    card = MASK_PROTOCOLS["lsp-parts"]
    found = card.evaluate(card.count(torch.from_numpy(pred), parts))
    assert found["accuracy"] == pytest.approx(100 * right / true.size)
    assert found["f1"] == pytest.approx((2 * hits / (2 * hits + false + missed)).mean())
    card = MASK_PROTOCOLS["lsp-silhouette"]
    found = card.evaluate(card.count(torch.from_numpy(pred), masks))
    person = np.isin(true, range(1, 7))
    assert found["accuracy"] == pytest.approx(100 * (person == (pred > 0)).mean())


def test_masks_that_do_not_fit_are_named(tmp_path):
    held = make_spin.write(tmp_path, "lsp_dataset_test", 1)
    names = [(held["maskname"][0], held["partname"][0])]
    shape = (make_spin.HEIGHT, make_spin.WIDTH)
    for parts, message in (
        (np.zeros((10, 10), np.uint8), r"the mask has \(10, 10\) px"),
        (np.full(shape, 7, np.uint8), "is no map of parts 0 to 6"),
    ):
        make_spin.write_masks(tmp_path / "upi-s1h", names, [parts])
        with pytest.raises(ValueError, match=f"person 0 of lsp .*{message}"):
            spin.load(tmp_path, "lsp")[[0]]
    coloured = np.zeros((*shape, 3), np.uint8)
    coloured[..., 1] = 9
    cv2.imwrite(str(tmp_path / "upi-s1h" / names[0][1]), coloured)
    with pytest.raises(ValueError, match="is no map of parts"):
        spin.load(tmp_path, "lsp")[[0]]
    (tmp_path / "upi-s1h" / names[0][1]).unlink()
    with pytest.raises(FileNotFoundError, match="person 0 of lsp"):
        spin.load(tmp_path, "lsp")[[0]]


# ---- the mixture


def test_baes_mixture_has_six_tenths_from_the_wild_and_no_human36m(tmp_path):
    make_spin.train(tmp_path, COUNTS)
    mixed = spin.mixture(tmp_path, size=16)
    assert np.bincount(mixed.which).tolist() == [5, 2, 6, 4, 8]
    assert [each.name for each in mixed.sets] == [*("mpi_inf_3dhp", "lsp", "mpii", "lspet", "coco")]
    assert mixed.skeleton == SPIN24
    batch = mixed[range(25)]
    assert batch.has_joints3d.tolist() == [True] * 5 + [False] * 20
    assert batch.has_body.any() and not batch.has_body[5:].any()
    # MPI-INF-3DHP .4, then LSP, MPII, LSP extended and COCO: 2, 6, 4 and 8 of 20 persons.
    turns = spin.turns([1000, 200, 600, 400, 800])
    assert len(turns) == 1000  # as many as the largest set
    counts = np.histogram(turns.epoch(0), [0, 1000, 1200, 1800, 2200, 3000])[0].tolist()
    assert counts == [400, 60, 180, 120, 240]


def test_the_releases_own_files_serve_where_spins_are_not_there(tmp_path):
    make_spin.write(tmp_path, "lsp_dataset_test", 2)
    assert spin.load(tmp_path, "lsp", size=16).version == "lsp_dataset_test"
    (tmp_path / "lsp_dataset_test.npz").unlink()
    joints = np.random.default_rng(0).uniform(20, 90, (3, 14, 1001))
    joints[2] = 0
    savemat(tmp_path / "lsp_dataset" / "joints.mat", {"joints": joints})
    pictures = spin.load(tmp_path, "lsp", size=16)
    assert pictures.version == "lsp_dataset" and len(pictures) == 1 and pictures[[0]].boxes.any()
    with pytest.raises(FileNotFoundError, match="3dpw_test.npz.*fetch_data.sh"):
        spin.load(tmp_path, "3dpw")
    write(tmp_path / "3dpw", sequence())
    assert spin.load(tmp_path, "3dpw", size=16).version == "valid cameras"


# ---- trouble


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"center": None}, "has no center"),
        ({"scale": np.zeros(4)}, "entry 0 .*scale is not positive"),
        ({"scale": np.ones(3)}, r"scale has the shape \(3,\)"),
        ({"part": np.zeros((4, 25, 3))}, r"part has the shape \(4, 25, 3\)"),
        ({"part": np.full((4, 24, 3), "x")}, "part has .*<U1"),
        ({"center": np.full((4, 2), np.inf)}, "person 0 .*boxes are not finite"),
        ({"imgname": np.array(["../a.jpg", "b", "c", "d"])}, "entry 0: .*leads out of the folder"),
        ({"imgname": np.array(["a.jpg", "/b", "c", "d"])}, "entry 1: .*leads out of the folder"),
        ({"imgname": np.arange(4)}, "imgname is not 4 texts"),
        ({"maskname": np.array(["a", "..\\b", "c", "d"])}, "entry 1: .*leads out of the folder"),
    ],
)
def test_entries_that_make_no_sense_are_named(tmp_path, changed, message):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    table = make_spin.held("lsp_dataset_test") | changed
    path = folder / "lsp_dataset_test.npz"
    np.savez(path, **{key: value for key, value in table.items() if value is not None})
    with pytest.raises(ValueError, match=f"lsp_dataset_test.npz: .*{message}"):
        spin.read(path)


def test_files_that_are_absent_or_damaged_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="coco_2014_train.npz.*fetch_data.sh"):
        spin.load(tmp_path, "coco")
    with pytest.raises(ValueError, match="no set 'h36m'; there are lsp-orig, mpii"):
        spin.load(tmp_path, "h36m")
    make_spin.write(tmp_path, "coco_2014_train")
    path = tmp_path / "coco_2014_train.npz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="coco_2014_train.npz.*damaged"):
        spin.load(tmp_path, "coco")


def test_labels_in_two_places_are_an_error(tmp_path):
    make_spin.write(tmp_path, "mpii_train")
    make_spin.write(tmp_path / "dataset_extras", "mpii_train")
    with pytest.raises(ValueError, match="labels of mpii twice: .*dataset_extras/mpii_train.npz"):
        spin.load(tmp_path, "mpii")


def test_nothing_in_a_file_is_run(tmp_path):
    table = make_spin.held("coco_2014_train") | {"imgname": np.array([print] * 4, dtype=object)}
    np.savez(tmp_path / "coco_2014_train.npz", **table)
    with pytest.raises(ValueError, match="asks for builtins.print"):
        spin.load(tmp_path, "coco")


def test_a_missing_picture_names_the_person(tmp_path):
    make_spin.write(tmp_path, "coco_2014_train")
    pictures = spin.load(tmp_path, "coco")
    (pictures.folder / pictures.people.rows["image"][2]).unlink()
    with pytest.raises(FileNotFoundError, match="person 2 of coco"):
        pictures.sample(2)
    with pytest.raises(ValueError, match="size 7"):
        spin.load(tmp_path, "coco", size=7)


def test_a_folder_is_checked(tmp_path):
    assert "fetch_data.sh" in str(check("spin", tmp_path))
    inside = tmp_path / "dataset_extras"
    for stem in COUNTS:
        make_spin.write(tmp_path, stem, 1000 if stem == "lsp_dataset_original_train" else 2)
    inside.mkdir()
    for file in tmp_path.glob("*.npz"):
        file.rename(inside / file.name)
    report = check("spin", tmp_path)
    states = {item.what: item.state for item in report.items}
    assert states["lsp-orig"] == states["coco"] == "ok" and states["3dpw"] == "missing"
    assert states["mpi-inf-3dhp"] == "note" and "96,507" in str(report)
    assert "1 with a body" in str(report) and not report.ok
    (tmp_path / "coco" / make_spin.NAMES["coco_2014_train"].format(1)).unlink()
    assert "1 of 2 not in" in str(check("spin", tmp_path))
    held = make_spin.write(tmp_path, "lsp_dataset_test", 1)
    assert "as data/lsp/im1001_segmentation.png: get upi-s1h" in str(check("spin", tmp_path))
    names = [(held["maskname"][0], held["partname"][0])]
    make_spin.write_masks(tmp_path / "upi-s1h", names, [np.zeros((9, 9), np.uint8)])
    states = {item.what: item.state for item in check("spin", tmp_path).items}
    assert states["masks of lsp"] == "ok"
