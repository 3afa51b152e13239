"""MPII's annotations in five forms, made up and real, and its pictures."""

import json
import pickle
import shutil
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from builders import mpii as make_mpii
from scipy.io import loadmat

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.mpii import MpiiPictures, check, leg_loss, load, read
from posekit.data.people import PeoplePictures
from posekit.geometry.skeleton import MPII16
from posekit.training.augment import augment
from posekit.training.warp import warp

NECK, TOP = MPII16.index("neck"), MPII16.index("head_top")
WRITERS = {
    "mat": make_mpii.write_mat,
    "h5": make_mpii.write_h5,
    "hrnet": make_mpii.write_hrnet,
    "bearpaw": make_mpii.write_bearpaw,
    "coco": make_mpii.write_coco,
}
MADE = make_mpii.people()


def written(folder, form, made=MADE):
    path = folder / f"{form}.{form if form in ('mat', 'h5') else 'json'}"
    WRITERS[form](path, made)
    return path


@pytest.fixture(scope="module")
def tompson(shared):
    """The 2,958 validation persons' true joints, counted from 1, which are known, head sizes."""
    held = loadmat(shared / "mpii_val_tompson" / "detections_our_format.mat")
    low, high = held["headboxes_src"]
    poses, missing = held["pos_gt_src"].transpose(2, 0, 1), held["jnt_missing"].T
    return poses, missing == 0, 0.6 * np.linalg.norm(high - low, axis=0)


@pytest.fixture(scope="module")
def valid(shared):
    return read(shared / "mpii_val_tompson" / "valid.h5")


# ---- one meaning


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_means_the_same(tmp_path, form):
    found = read(written(tmp_path, form))
    digits = {"bearpaw": 1e-3, "hrnet": 1e-4}.get(form, 1e-9)
    assert found.version == form and found.rows["image"].tolist() == [p.image for p in MADE]
    visible = np.array([person.visible for person in MADE])
    told = visible if form not in ("hrnet", "coco") else np.where(visible > 0, SEEN, UNKNOWN)
    assert np.array_equal(found.visible, told)
    joints = np.where(visible[..., None] > 0, [person.joints - 1 for person in MADE], 0)
    off = np.abs(found.joints2d.numpy() - joints)
    if form == "h5":
        assert off[:, [NECK, TOP]].max() < 1 and off[:, [NECK, TOP]].max() > 0.5
        off[:, [NECK, TOP]] = 0
    assert off.max() < digits
    scale = np.array([person.scale for person in MADE])
    assert np.abs(found.rows["scale"] - scale).max() < digits
    heads = np.array([0.6 * person.diagonal for person in MADE])
    assert np.abs(found.rows["head"] - heads).max() < 25 * digits
    if form == "coco":
        boxes = [person.joints[person.visible > 0] for person in MADE]
        centre = np.array([(box.min(0) + box.max(0)) / 2 for box in boxes]) - 1
    else:
        centre = np.array([person.centre for person in MADE]) - 1
    assert np.abs(found.rows[["x", "y"]].to_numpy() - centre).max() < digits
    numbered = form in ("mat", "h5", "bearpaw")
    assert found.rows["person"].tolist() == [person.number if numbered else -1 for person in MADE]
    assert ("validation" in found.rows) == (form == "bearpaw")


@pytest.mark.parametrize("names", ["bytes", "text", "codes"])
def test_h5_files_have_names_of_three_kinds(tmp_path, names):
    make_mpii.write_h5(tmp_path / "a.h5", MADE, names=names)
    assert read(tmp_path / "a.h5").rows["image"].tolist() == [person.image for person in MADE]


def test_the_release_may_have_a_single_point_of_a_single_person(tmp_path):
    visible = np.zeros(16, int)
    visible[3] = 1
    found = read(written(tmp_path, "mat", [replace(MADE[0], visible=visible)]))
    assert found.visible.tolist() == [visible.tolist()]
    assert found.joints2d[0, 3].tolist() == (MADE[0].joints[3] - 1).tolist()


def test_without_neck_or_head_top_mks_form_has_the_boxs_scale_and_no_head(tmp_path):
    path = written(tmp_path, "coco")
    content = json.loads(path.read_text())
    content["annotations"][2]["keypoints"][3 * TOP + 2] = 0
    path.write_text(json.dumps(content))
    found = read(path)
    assert found.rows["head"].isna().tolist() == [False, False, True, False, False, False]
    longer = max(content["annotations"][2]["bbox"][2:])
    assert found.rows["scale"][2] == pytest.approx(longer / 200)


def test_who_has_no_centre_is_left_out(tmp_path):
    path = written(tmp_path, "hrnet")
    entries = json.loads(path.read_text())
    entries[3] |= {"center": [-1.0, -1.0], "scale": -1.0}
    path.write_text(json.dumps(entries))
    found = read(path)
    heads = [0.6 * person.diagonal for row, person in enumerate(MADE) if row != 3]
    assert len(found) == 5 and found.rows["head"].tolist() == pytest.approx(heads)


def test_h5_files_mark_persons_without_labels_by_minus_one(tmp_path):
    path = written(tmp_path, "h5")
    with h5py.File(path, "r+") as file:
        file["part"][1] = file["visible"][1] = -1
    found = read(path)
    assert found.visible[0].any() and not found.visible[1].any() and not found.joints2d[1].any()


def test_splits_are_told_apart_where_the_file_does(tmp_path):
    path = written(tmp_path, "bearpaw")
    whole, train, val = read(path), load(tmp_path, "train"), load(tmp_path, "valid")
    assert (len(whole), len(train), len(val)) == (6, 4, 2)
    assert torch.equal(val.joints2d, whole[4:].joints2d)


def test_persons_are_chosen_by_slice_mask_and_index(tmp_path):
    found = read(written(tmp_path, "bearpaw"))
    mask = found.rows["person"].to_numpy() == 1
    for chosen in (mask, torch.tensor(mask), [1, 3, 5], slice(1, None, 2)):
        part = found[chosen]
        assert part.rows.equals(found.rows[1::2].reset_index(drop=True))
        assert torch.equal(part.joints2d, found.joints2d[1::2])
        assert part.rows["validation"].tolist() == [False, False, True]
    assert len(found[found.rows["person"].to_numpy() == 2]) == 0


def test_head_boxes_of_other_persons_are_refused(tmp_path):
    path = written(tmp_path, "hrnet")
    make_mpii.write_hrnet(tmp_path / "other.json", make_mpii.people(seed=1))
    shutil.copy(tmp_path / "gt_other.mat", tmp_path / "gt_hrnet.mat")
    with pytest.raises(ValueError, match="gt_hrnet.mat beside it has other persons"):
        read(path)
    (tmp_path / "gt_hrnet.mat").unlink()
    heads = [0.6 * person.diagonal for person in MADE]
    assert read(path).rows["head"].tolist() == pytest.approx(heads, abs=1e-4)  # from the scale


# ---- real people


def test_real_persons_agree_between_forms(valid, tompson):
    poses, known, heads = tompson
    assert len(valid) == 2958 and valid.rows["image"].nunique() == 2729
    assert np.array_equal(valid.visible != UNKNOWN, known)
    off = np.abs(valid.joints2d.numpy() + 1 - poses)
    off[~known] = 0
    # Of 44,240 labels, 13 of 10 persons have a coordinate 0 in one file and a place in the other.
    wrong = (off > 1).any(-1)
    assert wrong.sum() == 13 and (poses[wrong] == 0).any(-1).all()
    distance = np.linalg.norm(off, axis=-1)[known & ~wrong]
    assert distance.max() < 2**0.5  # whole pixels of neck and head top
    off[:, [NECK, TOP]] = 0
    assert off[~wrong].max() < 1e-3
    assert (distance < 1.1).mean() > 0.98
    assert np.abs(valid.rows["head"] - heads).max() < 1e-4


def test_real_head_sizes_are_25_times_the_scale(valid, tompson):
    poses, known, _ = tompson
    assert (valid.rows["head"] - 25 * valid.rows["scale"]).abs().max() < 1e-9
    both = known[:, NECK] & known[:, TOP]
    way = np.linalg.norm(poses[:, TOP] - poses[:, NECK], axis=1)
    ratio = (0.6 / 0.8 / 25 * way / valid.rows["scale"].to_numpy())[both]
    assert both.sum() == 2932 and (np.abs(ratio - 1) < 0.05).mean() > 0.997


def test_the_same_five_real_persons_in_two_forms(shared, valid):
    found = read(shared / "mpii5" / "test_mpii.json")
    images = valid.rows["image"].tolist()
    same = valid[[images.index(name) for name in found.rows["image"]]]
    assert torch.equal(same.visible != UNKNOWN, found.visible != UNKNOWN)
    assert same.rows[["x", "y"]].equals(found.rows[["x", "y"]])
    assert (same.rows["scale"] - found.rows["scale"]).abs().max() < 1e-6
    assert (same.rows["head"] - found.rows["head"]).abs().max() < 1e-4
    off = (same.joints2d - found.joints2d).abs()
    assert off.max() < 1
    off[:, [NECK, TOP]] = 0
    assert off.max() == 0


def test_210_px_keep_more_leg_joints_of_real_persons_than_200(valid):
    ankles = ("right_ankle", "left_ankle")
    # Counted in another way: joint by joint, in edges instead of distances.
    lost = labelled = 0
    for row, (x, y, scale) in enumerate(valid.rows[["x", "y", "scale"]].to_numpy().tolist()):
        for joint in (MPII16.index(name) for name in ankles):
            if valid.visible[row, joint]:
                u, v = valid.joints2d[row, joint].tolist()
                labelled += 1
                inside = abs(u - x) <= 60 * scale and y - 105 * scale <= v <= y + 105 * scale
                lost += not inside
    assert leg_loss(valid, joints=ankles) == pytest.approx(lost / labelled)
    assert leg_loss(valid, height=200, joints=ankles) == pytest.approx(0.3836, abs=1e-4)
    assert leg_loss(valid, joints=ankles) == pytest.approx(0.3248, abs=1e-4)


def test_leg_loss_by_hand(tmp_path):
    found = read(written(tmp_path, "mat"))[:1]
    joints, visible = torch.zeros(1, 16, 2).double(), torch.zeros(1, 16, dtype=torch.uint8)
    joints[0, :2] = torch.tensor([[59.0, 104.0], [59.0, 106.0]])  # right ankle, right knee
    visible[0, :2] = SEEN
    rows = found.rows.assign(x=0.0, y=0.0, scale=1.0)
    one = replace(found, rows=rows, joints2d=joints, visible=visible)
    assert leg_loss(one) == 0.5 and leg_loss(one, height=214) == 0 and leg_loss(one, width=100) == 1
    with pytest.raises(ValueError, match="none of these joints"):
        leg_loss(one, joints=("left_ankle",))


# ---- pictures


def to_picture(points, batch):
    """Points of crops in pixels of the pictures."""
    back = torch.linalg.inv(batch.intrinsics.double())
    return points.double() @ back[:, :2, :2].mT + back[:, None, :2, 2]


@pytest.fixture
def pictures(tmp_path):
    make_mpii.write_pictures(tmp_path / "images", MADE)
    return MpiiPictures(read(written(tmp_path, "mat")), tmp_path / "images", size=128)


@pytest.mark.parametrize("kind", [MpiiPictures, PeoplePictures])
def test_crops_place_joints_and_bring_them_back(tmp_path, pictures, kind):
    people = pictures.people
    pictures = kind(people, pictures.folder, size=128)
    batch = pictures[:6]
    known = people.visible != UNKNOWN
    back = to_picture(batch.joints2d, batch)
    assert (back - people.joints2d)[known].abs().max() < 1e-4
    assert (batch.joints2d[~known] == 0).all() and (batch.visible[~known] == UNKNOWN).all()
    assert not batch.has_joints3d.any() and not batch.has_body.any()
    # A joint's surroundings are those of the picture, where the crop reaches.
    image = torch.from_numpy(pictures.picture(0)).float()
    for joint in torch.nonzero(batch.visible[0] == SEEN).flatten().tolist():
        u, v = batch.joints2d[0, joint].round().int().tolist()
        (point,) = to_picture(torch.tensor([[[float(u), float(v)]]]), batch[:1])[0]
        x, y = point.round().int().tolist()
        if 1 < x < 398 and 1 < y < 298 and 2 < u < 126 and 2 < v < 126:
            assert (batch.images[0, :, v, u].float() - image[y, x]).abs().max() < 60


def test_kims_crop_has_the_papers_edges(pictures):
    person, batch = MADE[0], pictures[0]
    x, y = person.centre[0] - 1, person.centre[1] - 1
    left, top = max(0, round(x - 60 * person.scale)), max(0, round(y - 105 * person.scale))
    right = min(400, round(x + 60 * person.scale))
    bottom = min(300, round(y + 105 * person.scale))
    factor = 128 / max(right - left, bottom - top)
    box = batch.boxes[0].tolist()
    assert box[2:] == pytest.approx([factor * (right - left), factor * (bottom - top)], rel=1e-5)
    assert pictures.heads_in(batch).item() == pytest.approx(
        factor * 0.6 * person.diagonal, rel=1e-5
    )
    black = batch.images[0].sum(0) == 0
    assert black[:, 0].all() or black[0].all() or right - left == bottom - top


def test_the_usual_crop_is_250_px_times_the_scale_and_lower(pictures):
    pictures = PeoplePictures(pictures.people, pictures.folder, size=128)
    person, batch = MADE[3], pictures[3]
    middle = to_picture(torch.tensor([[[63.5, 63.5]]]), batch)[0, 0].tolist()
    assert middle == pytest.approx(
        [person.centre[0] - 1, person.centre[1] - 1 + 15 * person.scale], abs=1e-3
    )
    assert batch.intrinsics[0, 0, 0].item() == pytest.approx(128 / (250 * person.scale), rel=1e-6)
    # So every head is a tenth of the crop: 25 of 250 px.
    heads = MpiiPictures(pictures.people, pictures.folder, size=128).heads_in(pictures[:])
    assert heads.tolist() == pytest.approx([12.8] * 6, rel=1e-6)


@pytest.mark.parametrize(("rule", "side"), [("moon", 250), ("bouchiat", 312.5)])
def test_other_crops_are_squares_of_their_papers_side(pictures, rule, side):
    """ETH's data/mpii.py: centre[1] += 15 scale; scale *= 1.25; centre -= 1; width = height = scale *
    1.25 * 200."""
    pictures = MpiiPictures(pictures.people, pictures.folder, size=128, rule=rule)
    for index in (0, 3):
        person, batch = MADE[index], pictures[index]
        x, y = person.centre[0] - 1, person.centre[1] + 15 * person.scale - 1
        half = side * person.scale / 2
        edges = to_picture(torch.tensor([[[-0.5, -0.5], [127.5, 127.5]]]), batch)[0].flatten()
        assert edges.tolist() == pytest.approx([x - half, y - half, x + half, y + half], abs=1e-3)
        head = 128 / (side * person.scale) * 0.6 * person.diagonal
        assert pictures.heads_in(batch).item() == pytest.approx(head, rel=1e-5)
    assert pictures.version.endswith(f", {rule} crop")
    with pytest.raises(ValueError, match="no rule 'sun' of MPII's crops; there are kim, moon, bo"):
        MpiiPictures(pictures.people, pictures.folder, rule="sun")


def test_crops_that_are_no_squares_are_narrower_and_as_high(pictures):
    """ETH's data/mpii.py: width = height * patch_width / patch_height."""
    about = pictures.people, pictures.folder
    [batch] = [MpiiPictures(*about, size=(128, 96), rule="bouchiat")[0]]
    person = MADE[0]
    x, y = person.centre[0] - 1, person.centre[1] + 15 * person.scale - 1
    high = 312.5 * person.scale / 2
    edges = to_picture(torch.tensor([[[-0.5, -0.5], [95.5, 127.5]]]), batch)[0].flatten()
    wide = 0.75 * high
    assert edges.tolist() == pytest.approx([x - wide, y - high, x + wide, y + high], abs=1e-3)
    with pytest.raises(ValueError, match="crops are squares, not of"):
        MpiiPictures(*about, size=(128, 96))


def test_joints_outside_the_crop_are_hidden(pictures):
    people = pictures.people
    for index in range(6):
        batch = pictures[index]
        left, top, width, height = batch.boxes[0].tolist()
        for joint in range(16):
            u, v = batch.joints2d[0, joint].tolist()
            inside = (
                left - 1e-3 <= u <= left + width + 1e-3 and top - 1e-3 <= v <= top + height + 1e-3
            )
            told = people.visible[index, joint].item()
            assert batch.visible[0, joint] == (HIDDEN if told == SEEN and not inside else told)


def test_pictures_go_to_workers_and_can_be_augmented(pictures):
    alone = pictures[[4, 0]]
    loaded = pickle.loads(pickle.dumps(pictures))[[4, 0]]
    assert all(
        torch.equal(a, b) for (_, a), (_, b) in zip(alone.tensors(), loaded.tensors(), strict=True)
    )
    turned = augment(alone, "choi2021", seed=0)
    assert turned.images.shape == alone.images.shape and turned.joints2d.isfinite().all()
    assert pictures.fingerprint() == pictures.fingerprint()


def test_head_sizes_follow_an_augmentation(pictures):
    batch = pictures[:2]
    turn = torch.tensor([[0.0, -2, 127], [2, 0, 0], [0, 0, 1]]).double().expand(2, 3, 3)
    mirror = torch.tensor([[-0.5, 0, 127], [0, 0.5, 0], [0, 0, 1]]).double().expand(2, 3, 3)
    for matrix, factor in ((turn, 2), (mirror, 0.5)):
        moved = warp(batch, matrix)
        assert torch.allclose(pictures.heads_in(moved), factor * pictures.heads_in(batch))


def test_real_pictures_show_their_persons(shared):
    folder = shared / "mpii5"
    pictures = MpiiPictures(read(folder / "test_mpii.json"), folder)
    batch = pictures[:]
    assert batch.images.shape == (5, 3, 256, 256)
    # The second's ankles lie below 210 px times scale, the last one's right wrist beside 120.
    hidden = [
        [MPII16.joints[j] for j in row.nonzero().flatten()] for row in batch.visible == HIDDEN
    ]
    assert hidden == [[], ["right_ankle", "left_ankle"], [], [], ["right_wrist"]]
    assert ((batch.visible == SEEN).sum(1) >= 13).all()


# ---- what is wrong is named


def test_pictures_that_are_missing_or_damaged_are_named(pictures):
    name = pictures.people.rows["image"][2]
    content = (pictures.folder / name).read_bytes()
    (pictures.folder / name).write_bytes(content[:500])
    with pytest.raises(ValueError, match=rf"person 2 of mpii \({name}\).*cut off or damaged"):
        pictures[2]
    (pictures.folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"person 2 of mpii.*human-pose\.mpi-inf\.mpg\.de"):
        pictures[2]
    with pytest.raises(ValueError, match="size 7"):
        MpiiPictures(pictures.people, pictures.folder, size=7)


def test_persons_outside_their_picture_are_named(pictures):
    people = pictures.people
    rows = people.rows.assign(x=people.rows["x"] + 5000)
    far = replace(people, rows=rows, boxes=people.boxes + 5000)
    for kind in (MpiiPictures, PeoplePictures):
        with pytest.raises(ValueError, match=r"person 0 of mpii \(000000000\.jpg\).*outside"):
            kind(far, pictures.folder)[0]


def change(entry, key, value):
    entry[key] = value


WRONG = {
    "NaN joint": (
        lambda e: change(e["joints"], 8, [float("nan"), 1.0]),
        "person 1 of mpii .*joints2d are not finite",
    ),
    "few joints": (
        lambda e: (e["joints"].pop(), e["joints_vis"].pop()),
        r"joints of shape \(15, 2\)",
    ),
    "NaN centre": (
        lambda e: change(e, "center", [1.0, float("nan")]),
        "person 1 of mpii .*boxes are not finite",
    ),
    "no centre": (lambda e: change(e, "center", None), "entry 1"),
    "NaN scale": (lambda e: change(e, "scale", float("nan")), "scale nan is not a positive"),
    "zero scale": (lambda e: change(e, "scale", 0), "scale 0.0 is not a positive"),
    "words": (lambda e: change(e, "scale", "large"), "entry 1"),
    "key": (lambda e: e.pop("joints_vis"), "after entry 0.*joints_vis"),
    "path": (lambda e: change(e, "image", "../../etc/passwd"), "leads out of the folder"),
    "absolute": (lambda e: change(e, "image", "/etc/passwd"), "leads out of the folder"),
    "windows": (lambda e: change(e, "image", r"..\a.jpg"), "leads out of the folder"),
    "parent": (lambda e: change(e, "image", ".."), "leads out of the folder"),
    "nul": (lambda e: change(e, "image", "a\0.jpg"), "no name"),
    "no text": (lambda e: change(e, "image", 7), "no name"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_entries_that_make_no_sense_are_named(tmp_path, kind):
    spoil, message = WRONG[kind]
    path = tmp_path / "valid.json"
    make_mpii.write_hrnet(path, MADE, head_boxes=False)
    entries = json.loads(path.read_text())
    spoil(entries[1])
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=rf"valid\.json.*{message}"):
        read(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    cases = {
        "a.json": (b"[1, 2]", "none of MPII's json forms"),
        "b.json": (b"{", "neither .mat, .h5 nor json"),
        "c.json": (b"[" * 100_000, "neither .mat, .h5 nor json"),
        "d.json": (b'[{"image": "a.jpg", "center": [1, 1], "scale": 1}]', "no joints"),
        "e.json": (b'{"images": [], "annotations": []}', "nobody"),
        "f.mat": (b"MATLAB 5.0 MAT-file" + bytes(200), "f.mat"),
        "g.mat": (b"MATLAB 7.3 MAT-file" + bytes(200), "release's own file"),
        "h.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "h.h5"),
        "i.jpg": (b"\xff\xd8\xff", "neither .mat, .h5 nor json"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message) as raised:
            read(tmp_path / name)
        assert name in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"no file of annotations .*mpi-inf\.mpg\.de"):
        read(tmp_path / "nowhere.h5")


@pytest.mark.parametrize("form", ["mat", "h5"])
def test_files_that_are_cut_off_are_refused(tmp_path, form):
    path = written(tmp_path, form)
    whole = path.read_bytes()
    for length in range(140, len(whole), len(whole) // 15):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=path.name):
            read(path)


def test_other_matlab_files_are_refused(tmp_path):
    written(tmp_path, "hrnet")
    with pytest.raises(ValueError, match="no struct RELEASE"):
        read(tmp_path / "gt_hrnet.mat")


def test_h5_files_that_reach_elsewhere_or_claim_too_much_are_refused(tmp_path):
    path = written(tmp_path, "h5")
    spare = tmp_path / "spare.h5"
    shutil.copy(path, spare)

    def spoiled(name, put):
        shutil.copy(spare, path)
        with h5py.File(path, "r+") as file:
            del file[name]
            put(file)
        return path

    def huge(file):
        file.create_dataset("part", shape=(10**12, 16, 2), dtype="f8", chunks=(1024, 16, 2))

    spoils = {
        "it lacks 'scale'": ("scale", lambda file: None),
        "'part' is not an array in the file itself": (
            "part",
            lambda file: file.__setitem__("part", h5py.ExternalLink(str(spare), "part")),
        ),
        "'center' is not an array": ("center", lambda file: file.create_group("center")),
        "'part' of shape": ("part", huge),
        "scale: not one for each of the 6": (
            "scale",
            lambda file: file.__setitem__("scale", np.ones(5)),
        ),
        "not an array in the file itself": (
            "normalize",
            lambda file: file.create_dataset(
                "normalize", (6,), "f8", external=[("/etc/hostname", 0, 48)]
            ),
        ),
    }
    for message, (name, put) in spoils.items():
        with pytest.raises(ValueError, match=message):
            read(spoiled(name, put))


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = written(tmp_path, "h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match=r"posekit\[data\]"):
        read(path)


# ---- what is in a folder


def test_a_folder_is_looked_through(tmp_path, pictures):
    (tmp_path / "mat.mat").rename(tmp_path / "images" / "x.mat")
    annot = tmp_path / "annot"
    annot.mkdir()
    make_mpii.write_hrnet(annot / "valid.json", MADE)
    (annot / "odd.json").write_text("[]")
    (tmp_path / "images" / MADE[2].image).unlink()
    items = {what: (state, detail) for what, state, detail in check(tmp_path)}
    assert items.keys() == {"valid.json", "pictures of valid.json", "odd.json"}
    assert items["odd.json"][0] == "wrong"
    assert items["valid.json"][0] == "ok" and "6 persons" in items["valid.json"][1]
    state, detail = items["pictures of valid.json"]
    assert state == "missing" and "1 of 3" in detail
    make_mpii.write_pictures(tmp_path / "images", MADE)
    assert ("pictures of valid.json", "ok") in [item[:2] for item in check(tmp_path)]
    ((what, state, detail),) = check(tmp_path / "images" / "none")
    assert (what, state) == ("valid.h5", "missing") and "mpi-inf.mpg.de" in detail


def test_a_split_is_the_file_of_its_name_or_told_by_its_persons(tmp_path):
    make_mpii.write_hrnet(tmp_path / "valid.json", MADE)
    assert len(load(tmp_path, "valid")) == len(MADE)
    with pytest.raises(FileNotFoundError, match=r"split 'train' in .*valid.json.*mpi-inf.mpg.de"):
        load(tmp_path, "train")
    (tmp_path / "annot").mkdir()
    make_mpii.write_bearpaw(tmp_path / "annot" / "persons.json", MADE)
    told = read(tmp_path / "annot" / "persons.json")
    assert len(load(tmp_path, "train")) == int((~told.rows["validation"]).sum()) > 0
    make_mpii.write_hrnet(tmp_path / "annot" / "valid.json", MADE)
    with pytest.raises(
        ValueError, match=r"split 'valid' twice: .*annot/valid.json and .*valid.json"
    ):
        load(tmp_path, "valid")
