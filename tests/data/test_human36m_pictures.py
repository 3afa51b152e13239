"""Human3.6M's pictures, in folders and in videos, of made-up poses in the real layouts.

Where a joint lies a disc is painted, so that pixels themselves say whether labels are right.
"""

import json
import os
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from builders import human36m as make
from builders import human36m_pictures as made

from posekit.data import human36m
from posekit.data.batch import HIDDEN, SEEN
from posekit.data.check import check
from posekit.data.human36m.pictures import BOUCHIAT, Human36mPictures, around, check_pictures, clip
from posekit.data.pictures import draw, loader
from posekit.data.poses import COLUMNS
from posekit.studio import pictures as studio_pictures
from posekit.studio import poses as poses_module
from posekit.studio.scene.photograph import photograph

SHOTS = 11 * make.FRAMES  # the damaged take has three cameras
SIZE = 512


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    return made.write_folders(tmp_path_factory.mktemp("moon"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return made.write_videos(tmp_path_factory.mktemp("raw"))


@pytest.fixture(params=["moon", "raw"])
def folder(request):
    return request.getfixturevalue(request.param)


def pictures_of(folder, subjects=make.SUBJECTS, **options):
    return Human36mPictures(folder, subjects, partial=True, **{"size": SIZE} | options)


@cache
def kept(folder, **options):
    """The same for tests that change neither pictures nor files."""
    return pictures_of(folder, **options)


def rows_of(pictures, batch):
    """Subject, action, take, camera and frame of each picture."""
    chosen = pictures.frames[list(COLUMNS)].iloc[batch.index.tolist()]
    for subject, action, take, name, frame in chosen.itertuples(index=False, name=None):
        yield subject, action, take, {c.name: c for c in make.cameras(subject)}[name], frame


def affine(pictures, batch):
    """From pixels of the picture to pixels of the crop, (B, 3, 3), out of the intrinsics."""
    plain = []
    for *_, camera, _ in rows_of(pictures, batch):
        (fx, fy), (cx, cy) = camera.focal.tolist(), camera.principal.tolist()
        plain.append([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return batch.intrinsics.double() @ torch.linalg.inv(torch.tensor(plain, dtype=torch.float64))


def truth(pictures, batch):
    """Camera points and pixels of the whole picture through the lens, as they were made."""
    points, pixels = [], []
    for subject, action, take, camera, frame in rows_of(pictures, batch):
        seen = make.truth(subject, action, take, camera)
        points.append(seen[0][frame])
        pixels.append(seen[1][frame])
    return torch.stack(points), torch.stack(pixels)


def moved(matrix, points):
    return points @ matrix[:, :2, :2].mT + matrix[:, None, :2, 2]


# ---- labels


def test_frames_are_all_that_have_a_picture(folder):
    pictures = kept(folder)
    assert len(pictures) == len(pictures.frames) == SHOTS
    rows = pictures.frames
    assert list(rows.columns)[:5] == list(COLUMNS)
    takes = rows[["subject", "action", "take"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(takes) == made.TAKES
    damaged = rows[(rows.subject == "S11") & (rows.camera == "54138969")]
    assert not len(damaged)
    assert rows.frame.tolist() == list(range(make.FRAMES)) * 11


def test_every_fifth_frame_counts_from_the_beginning_of_the_take(folder):
    pictures = kept(folder, every=5)
    assert pictures.frames.frame.tolist() == [0, 5] * 11
    whole = kept(folder)
    chosen = np.flatnonzero(whole.frames.frame % 5 == 0)
    assert torch.equal(pictures[[3, 8]].images, whole[chosen[[3, 8]].tolist()].images)


def test_the_json_s_poses_reproject_onto_the_joints_of_the_crop(moon):
    """From R, t, f and c of the json, without the code under test; lens off, as its authors do."""
    pictures = kept(moon, lens=False)
    batch = pictures[range(0, SHOTS, 7)]
    for row, (subject, action, take, view, frame) in enumerate(rows_of(pictures, batch)):
        start = moon / "annotations" / f"Human36M_subject{subject[1:]}"
        cameras = json.loads(start.with_name(start.name + "_camera.json").read_text())
        poses = json.loads(start.with_name(start.name + "_joint_3d.json").read_text())
        order = [camera.name for camera in make.cameras(subject)]
        camera = cameras[str(order.index(view.name) + 1)]
        act = str(make.ACTIONS.index(action) + 2)
        world = np.array(poses[act][str(take)][str(frame)])
        points = world @ np.array(camera["R"]).T + camera["t"]
        assert np.abs(points - batch.joints3d[row].numpy()).max() < 2e-3
        flat = points @ batch.intrinsics[row].double().numpy().T
        off = flat[:, :2] / flat[:, 2:] - batch.joints2d[row].numpy()
        assert np.abs(off).max() < 2e-3


def test_with_the_lens_joints_lie_where_the_files_2d_poses_say(folder):
    pictures = kept(folder)
    batch = pictures[range(0, SHOTS, 5)]
    points, pixels = truth(pictures, batch)
    assert (batch.joints3d - points).abs().max() < 2e-3
    assert (batch.joints2d - moved(affine(pictures, batch), pixels)).abs().max() < 2e-3
    plain = kept(folder, lens=False)[batch.index]
    off = (batch.joints2d - plain.joints2d).norm(dim=-1) / affine(pictures, batch)[:, None, 0, 0]
    assert 0.3 < off.max() < 5  # px of the picture: what distortion does
    assert torch.equal(batch.images, plain.images)


def test_pixels_show_the_joint_where_the_label_says(folder):
    """The pelvis's white disc, found in the crop, against its label."""
    pictures = kept(folder)
    batch = pictures[range(0, SHOTS, 6)]
    found = 0
    for image, joint, visible in zip(
        batch.images, batch.joints2d[:, 0], batch.visible[:, 0], strict=True
    ):
        white = (image.float().mean(0) - 150).clamp(min=0)
        if visible == SEEN and white.sum() > 0:
            y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
            centroid = torch.stack([(x * white).sum(), (y * white).sum()]) / white.sum()
            # Other discs may lie near, never over it; a video is coarser than a JPEG.
            assert (centroid - joint).norm() < 0.25
            found += 1
    assert found >= 8


def test_folder_and_video_agree_on_the_same_frames(moon, raw):
    one, other = kept(moon), kept(raw)
    assert one.frames[list(COLUMNS)].astype(str).equals(other.frames[list(COLUMNS)].astype(str))
    assert one.version != other.version and one.name == other.name == "human36m"
    a, b = one[range(SHOTS)], other[range(SHOTS)]
    for name in ("boxes", "joints2d", "intrinsics", "joints3d"):
        assert (getattr(a, name) - getattr(b, name)).abs().max() < 5e-3, name
    assert torch.equal(a.visible, b.visible)
    apart = (a.images.float() - b.images.float()).abs().flatten(1).mean(1)
    assert apart.max() < 3.5  # the video's colours are coarser
    # Of the frame before, the discs lie elsewhere.
    assert (a.images[1:].float() - b.images[:-1].float()).abs().flatten(1).mean(1).min() > 4.5


def test_nothing_is_made_up_about_bodies(folder):
    batch = kept(folder)[[0, 1]]
    assert batch.has_joints3d.all() and not batch.has_body.any()
    assert batch.masks is None and batch.parts is None
    assert batch.size == (SIZE, SIZE) and batch.images.dtype == torch.uint8


def test_joints_outside_the_crop_are_hidden(folder):
    """A box of half the person's size leaves joints outside."""
    pictures = pictures_of(folder)
    boxes = pictures.people.boxes
    x, y, w, h = boxes[0].tolist()
    boxes[0] = torch.tensor([x + w / 3, y + h / 3, w / 3, h / 3])
    batch = pictures[0]
    inside = ((batch.joints2d >= -0.5) & (batch.joints2d <= SIZE - 0.5)).all(-1)
    assert 0 < inside.sum() < 17
    assert torch.equal(batch.visible == SEEN, inside) and torch.equal(
        batch.visible == HIDDEN, ~inside
    )


# ---- boxes


def test_moon_s_box_is_squared_and_widened_by_a_quarter(folder):
    """Against the rule written out in plain numbers."""
    pictures = kept(folder)
    batch = pictures[range(0, SHOTS, 9)]
    matrices = affine(pictures, batch)
    for row, (subject, action, take, camera, frame) in enumerate(rows_of(pictures, batch)):
        x, y, w, h = made.span(subject, action, take, camera, frame)
        x1, y1 = max(0, x), max(0, y)
        x2, y2 = min(camera.size[0] - 1, x1 + w - 1), min(camera.size[1] - 1, y1 + h - 1)
        side = max(x2 - x1, y2 - y1) * 1.25
        assert abs(SIZE / side - matrices[row, 0, 0]) < 1e-5
        middle = matrices[row, :2, :2] @ torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2]).double()
        assert (middle + matrices[row, :2, 2] - (SIZE - 1) / 2).abs().max() < 5e-3
        left, _, width, height = batch.boxes[row].tolist()
        assert abs(max(width, height) - SIZE / 1.25) < 1e-2
        assert abs(left + width / 2 - (SIZE - 1) / 2) < 1e-2
        assert abs(width / height - (x2 - x1) / (y2 - y1)) < 1e-4


def test_a_box_beyond_the_edge_is_cut_as_moon_et_al_cut_it():
    boxes = torch.tensor([[-20.0, 10, 100, 50], [950, 990, 100, 40]], dtype=torch.float64)
    sizes = torch.tensor([[1000.0, 1002], [1000, 1002]], dtype=torch.float64)
    assert clip(boxes, sizes).tolist() == [[0, 10, 99, 49], [950, 990, 49, 11]]


def test_a_box_without_a_json_is_what_the_json_says():
    camera = make.cameras("S9")[2]
    points = make.truth("S9", "Eating", 1, camera)[0]
    pixels = points[..., :2] / points[..., 2:] * camera.focal + camera.principal
    told = torch.tensor([made.span("S9", "Eating", 1, camera, f) for f in range(make.FRAMES)])
    assert (around(pixels) - told).abs().max() < 1e-4


def test_sun_s_box_shows_two_metres_round_the_pelvis(folder):
    """So the crop's focal length tells the pelvis's depth: size = f 2000 / Z."""
    pictures = kept(folder, boxes="sun", lens=False)
    batch = pictures[range(0, SHOTS, 8)]
    depth = batch.joints3d[:, 0, 2]
    assert (batch.intrinsics[:, 0, 0] * 2000 / depth / SIZE - 1).abs().max() < 2e-3
    assert (batch.joints2d[:, 0] - (SIZE - 1) / 2).abs().max() < 1e-2


def test_crops_that_are_no_squares_show_sun_s_box_stretched_and_moon_s_whole(moon):
    """Bouchiat et al.'s affine maps the box's middle, right and lower edges onto the crop's."""
    square, tall = (kept(moon, boxes="sun", lens=False, size=size)[:] for size in (96, (128, 96)))
    assert tall.images.shape[2:] == (128, 96)
    drop = 128 / 96  # how much more of the crop's pixels a box has downwards
    moved = (square.joints2d + 0.5) * torch.tensor([1, drop]) - 0.5
    assert (tall.joints2d - moved).abs().max() < 1e-3
    focal = tall.intrinsics[:, [0, 1], [0, 1]] / square.intrinsics[:, [0, 1], [0, 1]]
    assert (focal - torch.tensor([1, drop])).abs().max() < 1e-5
    seen = tall.joints3d @ tall.intrinsics.mT
    assert (seen[..., :2] / seen[..., 2:] - tall.joints2d).abs().max() < 1e-2
    whole = kept(moon, size=(128, 96))[:]
    boxes = whole.boxes[:, 2:] / torch.tensor([96, 128])
    assert (boxes.amax(1) - 1 / 1.25).abs().max() < 1e-5  # one side fills the crop, widened
    assert (whole.intrinsics[:, 0, 0] / whole.intrinsics[:, 1, 1] - 1).abs().max() < 1e-2


# ---- the contract of picture data sets


def test_bytes_depend_on_the_index_alone(folder):
    pictures, again = pictures_of(folder, size=64), pictures_of(folder, size=64)
    order = [12, 3, 65, 4, 3, 0]
    mixed = pictures[order]
    for place, index in reversed(list(enumerate(order))):
        alone = again[index]
        assert torch.equal(alone.images[0], mixed.images[place])
        assert torch.equal(alone.joints2d[0], mixed.joints2d[place])
    assert pictures.fingerprint() == again.fingerprint()
    assert pictures.fingerprint() != pictures_of(folder, size=64, every=5).fingerprint()
    with pytest.raises(IndexError, match="no picture 66"):
        pictures[66]


def test_workers_give_the_same_bytes(raw):
    pictures = kept(raw, size=64)
    whole = draw(pictures, "drawn", workers=2)
    again = next(loader(pictures, [list(range(SHOTS))]))
    for name, value in whole.tensors():
        assert torch.equal(value, getattr(again, name)), name


def test_the_studio_s_photographs_come_back_as_the_studio_s_crops(tmp_path, monkeypatch):
    """Whole photographs of the studio in Moon et al.'s layout, against its own crops of them."""
    scenes, crop_person = [], studio_pictures.crop_person
    watched = lambda scene, size: scenes.append(scene) or crop_person(scene, size)
    monkeypatch.setattr(studio_pictures, "crop_person", watched)
    actors = studio_pictures.StudioPictures(("S9",), frames=100, every=50, size=192)
    true = actors[range(8)]
    (tmp_path / "annotations").mkdir()
    stands, images, people = {}, [], []
    take = actors._takes[0]
    for number, camera in enumerate(poses_module.cameras("S9"), start=1):
        stands[str(number)] = {
            "R": camera.rotation.tolist(),
            "t": (-camera.rotation @ camera.centre).tolist(),
            "f": camera.focal.tolist(),
            "c": camera.principal.tolist(),
        }
        name = made.names("S9", take.action, 1, number)
        (tmp_path / "images" / name).mkdir(parents=True)
        for frame in (0, 50):
            scene = scenes[2 * (number - 1) + frame // 50]
            shot = photograph(scene, np.eye(3), camera.size[1], camera.size[0])
            path = tmp_path / "images" / name / f"{name}_{frame + 1:06d}.jpg"
            cv2.imwrite(str(path), shot.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 97])
            place = {"action_idx": make.ACTIONS.index(take.action) + 2, "subaction_idx": 1}
            place |= {"cam_idx": number, "frame_idx": frame, "id": len(images)}
            images.append(place)
            people.append({"image_id": place["id"], "bbox": shot.boxes[0].tolist()})
    poses = {"2": {"1": {str(f): take.h36m[f].tolist() for f in (0, 50)}}}
    for part, content in (
        ("camera", stands),
        ("joint_3d", poses),
        ("data", {"images": images, "annotations": people}),
    ):
        path = tmp_path / "annotations" / f"Human36M_subject9_{part}.json"
        path.write_text(json.dumps(content))
    batch = pictures_of(tmp_path, ("S9",), size=192)[range(8)]
    assert (batch.joints3d - true.joints3d).abs().max() < 0.01
    across = true.intrinsics.double() @ torch.linalg.inv(batch.intrinsics.double())
    assert (moved(across, batch.joints2d.double()) - true.joints2d).abs().max() < 0.01
    for row in range(8):
        matrix = across[row, :2].numpy()
        image = batch.images[row].permute(1, 2, 0).numpy()
        seen = cv2.warpAffine(image, matrix, (192, 192), borderValue=(255, 0, 255))
        other = true.images[row].permute(1, 2, 0).numpy()
        body = true.masks[row].numpy() > 0
        apart = np.abs(seen.astype(float) - other)[body].mean()
        shifted = np.abs(np.roll(seen, 3, axis=1).astype(float) - other)[body].mean()
        assert apart < 9 and apart < 0.7 * shifted


def test_bouchiat_s_split_is_by_subject():
    assert BOUCHIAT == {"train": ("S1", "S5", "S6", "S7"), "valid": ("S8",)}
    assert not set(BOUCHIAT["train"]) & set(BOUCHIAT["valid"])


# ---- what can be wrong


def test_a_whole_subject_is_read_without_partial(tmp_path):
    folder = made.plain_subject(tmp_path)
    pictures = Human36mPictures(folder, ["S9"], every=64)
    assert len(pictures) == 120 and pictures[119].size == (256, 256)
    (folder / "images/s_09_act_16_subact_02_ca_04/s_09_act_16_subact_02_ca_04_000001.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 120 pictures .*act_16_subact_02_ca_04_0000"):
        Human36mPictures(folder, ["S9"], every=64)
    assert len(Human36mPictures(folder, ["S9"], every=64, partial=True)) == 119


def test_missing_pictures_are_counted_and_the_remedy_named(moon, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"of 714 pictures .*ca_01_000001.jpg.*images.tar"):
        Human36mPictures(moon, ["S11"])
    folder = made.write_poses(tmp_path / "raw")
    with pytest.raises(FileNotFoundError, match="Videos_S"):
        Human36mPictures(folder, ["S9"], partial=True)


def test_a_video_that_ends_early_is_named(tmp_path):
    path = made.video_subject(tmp_path, frames=4)
    pictures = pictures_of(tmp_path, ["S9"], size=64)
    assert pictures[3].size == (64, 64)
    with pytest.raises(ValueError, match=rf"{path.name}.* after 4 frames, frame 4 is wanted"):
        pictures[4]
    # The reading goes on where it should.
    assert torch.equal(pictures[2].images, pictures_of(tmp_path, ["S9"], size=64)[2].images)


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = made.video_subject(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"Eating 1.54138969.mp4 is no video"):
        pictures_of(tmp_path, ["S9"])[0]


def test_a_video_of_no_known_action_is_named(tmp_path):
    path = made.video_subject(tmp_path)
    os.rename(path, path.with_name("Juggling.54138969.mp4"))
    with pytest.raises(ValueError, match=r"Juggling.54138969.mp4: .*remove or rename"):
        pictures_of(tmp_path, ["S9"])


def test_two_videos_of_one_take_are_an_error(tmp_path):
    path = made.video_subject(tmp_path)
    path.with_name("Eating1.54138969.mp4").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="are of one take: remove one of them"):
        pictures_of(tmp_path, ["S9"])


@pytest.fixture
def one_take(tmp_path):
    """A folder of its own with the pictures of one recording."""
    make.moon(tmp_path)
    made.write_boxes(tmp_path, "S9")
    name = made.names("S9", "Directions", 1, 1)
    (tmp_path / "images" / name).mkdir(parents=True)
    picture = made.photograph("S9", "Directions", 1, make.cameras("S9")[0], 0)
    for frame in range(2):
        cv2.imwrite(str(tmp_path / "images" / name / f"{name}_{frame + 1:06d}.jpg"), picture)
    return tmp_path


def test_resized_and_damaged_pictures_are_refused(one_take):
    pictures = pictures_of(one_take, ["S9"])
    assert len(pictures) == 2
    first, second = sorted((one_take / "images").glob("*/*.jpg"))
    cv2.imwrite(str(first), np.zeros((500, 500, 3), np.uint8))
    second.write_bytes(second.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"000001.jpg\): the picture has \(500, 500\) px"):
        pictures[0]
    with pytest.raises(ValueError, match=r"000002.jpg is cut off or damaged"):
        pictures[1]
    second.unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*000002.jpg: get all parts"):
        pictures[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda held: held["annotations"].clear(),
            "has no box of S9 Directions 1",
        ),
        (lambda held: held.pop("images"), "no whole table of pictures"),
        (lambda held: held["annotations"][0].update(bbox=[1, 2, 3]), "is no box"),
        (lambda held: held["annotations"][0].update(bbox=[1, 2, float("nan"), 4]), "is no box"),
        (lambda held: held["images"][0].pop("cam_idx"), "no whole table of pictures"),
    ],
)
def test_a_spoilt_json_is_named(one_take, spoil, message):
    path = one_take / "annotations" / "Human36M_subject9_data.json"
    held = json.loads(path.read_text())
    spoil(held)
    path.write_text(json.dumps(held))
    with pytest.raises(ValueError, match=rf"subject9_data.json.*{message}"):
        pictures_of(one_take, ["S9"])


def test_a_json_that_is_cut_off_or_gone_is_named(one_take):
    path = one_take / "annotations" / "Human36M_subject9_data.json"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"subject9_data.json"):
        pictures_of(one_take, ["S9"])
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"there is no file .*subject9_data.json: get the annot"
    ):
        pictures_of(one_take, ["S9"])
    assert len(pictures_of(one_take, ["S9"], boxes="sun")) == 2  # needs no json


def test_names_in_the_json_lead_nowhere(one_take):
    path = one_take / "annotations" / "Human36M_subject9_data.json"
    text = path.read_text().replace('"file_name": "s_09', '"file_name": "../../../etc/s_09')
    path.write_text(text)
    assert pictures_of(one_take, ["S9"])[0].size == (SIZE, SIZE)


def test_options_that_there_are_not_are_refused(moon, tmp_path):
    with pytest.raises(ValueError, match="no boxes 'tight'; there are moon, sun"):
        pictures_of(moon, boxes="tight")
    with pytest.raises(ValueError, match="size 8"):
        pictures_of(moon, size=8)
    with pytest.raises(ValueError, match="no subjects"):
        pictures_of(moon, ["S2"])
    with pytest.raises(ValueError, match="martinez has poses only; pictures come with 3dmppe, raw"):
        pictures_of(make.martinez(tmp_path / "evo"))


# ---- what `posekit data check human36m` says


@pytest.fixture
def one_subject(monkeypatch):
    monkeypatch.setattr("posekit.data.check.READ_TOGETHER", {"3dmppe": (("S9",),)})


def test_the_check_finds_pictures_complete_or_counts_what_lacks(tmp_path, one_subject):
    folder = made.plain_subject(tmp_path, every=1)
    report = check("human36m", folder)
    assert report.ok, str(report)
    last = report.items[-1]
    assert (last.what, last.state, last.detail) == ("pictures S9", "ok", "720 frames")
    (folder / "images/s_09_act_03_subact_01_ca_02/s_09_act_03_subact_01_ca_02_000004.jpg").unlink()
    report = check("human36m", folder)
    assert not report.ok and report.items[-1].state == "missing"
    assert "1 of 720 frames have none, as " in report.items[-1].detail
    assert "act_03_subact_01_ca_02_000004.jpg: get all parts" in report.items[-1].detail


def test_the_check_reads_the_boxes(tmp_path, one_subject):
    folder = made.plain_subject(tmp_path, every=1)
    (folder / "annotations" / "Human36M_subject9_data.json").unlink()
    item = check("human36m", folder).items[-1]
    assert item.state == "damaged" and "subject9_data.json: get" in item.detail


def test_poses_without_pictures_are_whole_and_said_to_be_so(tmp_path, one_subject):
    report = check("human36m", make.moon(tmp_path))
    assert report.ok
    assert report.items[-1].state == "note" and "none, only poses" in report.items[-1].detail


def test_videos_are_checked_for_their_lengths(tmp_path):
    path = made.video_subject(tmp_path, frames=4)
    rows = list(check_pictures(tmp_path, "raw", ("S9",)))
    what, state, detail = rows[0]
    assert (what, state) == ("pictures S9", "damaged")
    assert f"{path.name} has 4 frames, the poses {make.FRAMES}" in detail
    made.video_subject(tmp_path, frames=make.FRAMES + 2)
    assert list(check_pictures(tmp_path, "raw", ("S9",))) == [("pictures S9", "ok", "6 frames")]
    path.write_bytes(b"nothing")
    assert "no picture and no video" in next(check_pictures(tmp_path, "raw", ("S9",)))[2]
    path.rename(path.with_name("Juggling.54138969.mp4"))
    assert next(check_pictures(tmp_path, "raw", ("S9",)))[1] == "wrong"


def test_the_damaged_view_need_not_be_there(moon):
    """check reads it with the rest: S11's first camera of the second Directions is dropped."""
    dropped = human36m.load(moon, subjects=["S11"], every=64)
    assert ("S11", "Directions", 2) == human36m.DAMAGED and len(dropped) == 119
