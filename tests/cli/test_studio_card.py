"""The picture studio's data card: its rules against hand-made cases, its readers, its page."""

import copy
import json
import math
import re

import cv2
import numpy as np
import pytest
import torch

from posekit.cli import studio_card, studio_card_page
from posekit.cli.studio_card_people import (
    BOX,
    ENOUGH,
    LIMBS,
    MEASURES,
    SIDE,
    People,
    coco,
    found,
    from_batch,
    mpii,
    share,
    together,
)
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.pictures import draw, loader
from posekit.geometry.skeleton import COCO17, MPII16, SPIN24
from posekit.studio.wild import Wild

JOINTS = len(SPIN24)
CARD = studio_card_page.CARD
PICTURES = CARD.parent / studio_card_page.FOLDER


def people(count=2, name="Wild", seed=0):
    """Persons with all joints labelled somewhere in the crop."""
    dice = torch.Generator().manual_seed(seed)
    joints = SIDE * torch.rand(count, JOINTS, 2, generator=dice)
    images = torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=dice, dtype=torch.uint8)
    return People(name, images, joints, torch.full((count, JOINTS), SEEN, dtype=torch.uint8))


def moved(persons, joint, by):
    """The labels as a guess, one joint of the first person `by` px too far right."""
    guess = persons.joints.clone()
    guess[0, SPIN24.index(joint), 0] += by
    return guess


# The page


def record():
    return json.loads((PICTURES / "record.json").read_text(encoding="utf-8"))


def test_the_card_is_what_its_record_says():
    assert CARD.read_text(encoding="utf-8") == studio_card_page.render(record())


def test_the_card_shows_every_picture_there_is_and_no_other():
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", CARD.read_text(encoding="utf-8"))
    there = [path for path in PICTURES.iterdir() if path.suffix != ".json"]
    assert sorted(CARD.parent / name for name in shown) == sorted(there)
    assert sum(path.stat().st_size for path in there) < 1_500_000


def test_the_card_leads_nowhere_that_is_not_there():
    links = re.findall(r"\]\(([^)]+)\)", CARD.read_text(encoding="utf-8"))
    assert len(links) > 5
    for link in links:
        assert (CARD.parent / link).is_file(), link


def test_a_run_without_real_pictures_says_so_and_invents_none():
    told = record()
    told["tests"] = {k: v for k, v in told["tests"].items() if k in studio_card_page.GENERATED}
    text = studio_card_page.render(told)
    assert "The test on real photographs was skipped" in text
    assert "real.png" not in text and "| MPII |" not in text


@pytest.mark.parametrize(
    "gain, words",
    [
        ([9.0, 2.0, 16.0], "carries over"),
        ([1.0, -6.0, 8.0], "can't tell"),
        ([-9.0, -16.0, -2.0], "worse than not looking"),
    ],
)
def test_the_words_follow_from_the_numbers(gain, words):
    told = copy.deepcopy(record())
    name = next(reversed(told["tests"]))
    told["tests"][name]["measures"]["PCK@0.1"]["gain"] = gain
    assert words in " ".join(studio_card_page.render(told).split())


def test_real_photographs_leave_no_pixel_in_the_sheets(tmp_path):
    drawn = []
    for seed in (1, 2):
        real = people(3, "MPII")
        real = People("MPII", people(3, seed=seed).images, real.joints, real.visible)
        crowd = [people(16), real]
        studio_card_page.draw_people(tmp_path, crowd, {each.name: each.joints for each in crowd})
        drawn.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert drawn[0] == drawn[1] and set(drawn[0]) == {"found.jpg", "real.png"}
    studio_card_page.draw_people(tmp_path, [people(16)], {"Wild": people(16).joints})
    assert not (tmp_path / "real.png").exists()


# The rules


@pytest.mark.parametrize("measure, limit", [("PCK@0.2", 0.2 * BOX), ("PCK@0.1", 0.1 * BOX)])
def test_a_joint_is_found_within_a_share_of_the_box(measure, limit):
    persons, column = people(), SPIN24.index("left_knee")
    assert found(persons.joints, persons, measure).mean() == 1
    near = found(moved(persons, "left_knee", limit - 0.01), persons, measure)
    far = found(moved(persons, "left_knee", limit + 0.01), persons, measure)
    assert near.mean() == 1
    assert far[0, column] == 0 and far.sum() == far.size - 1


def test_pckh_takes_half_of_mpiis_head_size():
    persons = people()
    ends = [SPIN24.index("neck"), SPIN24.index("head_top")]
    persons.joints[0, ends] = torch.tensor([[60.0, 50.0], [60.0, 10.0]])
    persons.visible[1, ends[1]] = UNKNOWN
    assert persons.heads[0] == 30 and persons.heads[1].isnan()
    near = found(moved(persons, "left_knee", 14.9), persons, "PCKh@0.5")
    far = found(moved(persons, "left_knee", 15.1), persons, "PCKh@0.5")
    assert near[0].mean() == 1 and np.isnan(near[1]).all()
    assert far[0].sum() == JOINTS - 1


def test_only_labelled_joints_count():
    persons = people()
    persons.visible[0, 3] = UNKNOWN
    persons.visible[0, 4] = HIDDEN
    hits = found(persons.joints + 1000, persons, "PCK@0.2")
    assert np.isnan(hits[0, 3]) and hits[0, 4] == 0 and np.isfinite(hits).sum() == hits.size - 1


def test_a_measure_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="PCK@0.3.*PCK@0.2"):
        found(people().joints, people(), "PCK@0.3")


def test_shares_pool_joints_and_draw_persons():
    rows = np.array([[1, 1, 1, 0], [0, np.nan, np.nan, np.nan]])
    mean, low, high = share(rows)
    assert mean == 3 / 5
    assert (low, high) == (0.0, 0.75)  # both draws the second person, or both the first
    assert share(np.tile([1.0, 0.0], (50, 1))) == (0.5, 0.5, 0.5)
    assert all(math.isnan(value) for value in share(np.full((3, 2), np.nan)))


def test_the_intervals_width_is_that_of_the_binomial():
    persons = 400
    rows = (np.arange(persons) % 4 == 0).astype(float)[:, None]
    mean, low, high = share(rows)
    half = 1.96 * math.sqrt(0.25 * 0.75 / persons)
    assert mean == 0.25 and high - low == pytest.approx(2 * half, rel=0.06)


def test_a_judgement_puts_the_mean_pose_beside_the_network():
    persons = people(8)
    persons.visible[:, SPIN24.index("nose")] = UNKNOWN
    told = studio_card.judge(persons, persons.joints, torch.full((JOINTS, 2), -500.0))
    assert (told["persons"], told["joints"]) == (8, 96)
    assert set(told["measures"]) == set(MEASURES)
    for values in told["measures"].values():
        assert values == {"network": [100] * 3, "mean pose": [0] * 3, "gain": [100] * 3}
    assert told["joint"]["eye"] == {"joints": 16, "network": 100.0, "mean pose": 0.0}
    assert told["joint"]["neck"]["joints"] == 8 and "nose" not in told["joint"]


def test_joints_outside_the_crop_do_not_count():
    batch = Wild("test", 3, size=SIDE)[[0]]
    batch.joints2d[0, 0] = torch.tensor([SIDE - 0.4, 5.0])
    batch.joints2d[0, 1] = torch.tensor([SIDE - 0.6, -0.4])
    batch.visible[0, :2] = HIDDEN
    assert from_batch("Wild", batch).labelled[0, :2].tolist() == [False, True]


# The network


def test_a_heatmaps_middle_is_a_pixel():
    maps = torch.full((1, JOINTS, 32, 32), -1e4)
    maps[:, :, 5, 9] = 0.0  # row 5, column 9: pixels 20 to 23, 36 to 39
    assert torch.allclose(studio_card.points(maps), torch.tensor([37.5, 21.5]))
    maps[:, :, 5, 10] = math.log(0.5)  # half as likely: a third of the way
    maps[:, :, 20, 10] = math.log(0.8)  # a second place, which is not mixed in
    assert torch.allclose(studio_card.points(maps), torch.tensor([37.5 + 4 / 3, 21.5]))


def test_the_loss_is_least_at_the_label_and_blind_where_there_is_none():
    labels = torch.cat([people(1).joints, torch.ones(1, JOINTS, 1)], dim=2)
    maps = torch.zeros(1, JOINTS, 32, 32, requires_grad=True)
    optimiser = torch.optim.Adam([maps], lr=0.5)
    for _ in range(150):
        value = studio_card.loss(maps, labels)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    inner = ((labels[..., :2] > 10) & (labels[..., :2] < SIDE - 10)).all(2)
    assert (studio_card.points(maps) - labels[..., :2])[inner].norm(dim=1).max() < 1.0
    labels[0, :12, 2] = 0
    (gradient,) = torch.autograd.grad(studio_card.loss(maps, labels), maps)
    assert (gradient[0, :12] == 0).all() and gradient[0, 12:].abs().sum() > 0


def test_the_network_learns_what_it_is_shown():
    batch = Wild("train", 48, size=SIDE)[range(48)]
    network, told = studio_card.learn(batch, studio_card.Settings(), epochs=6)
    assert told["epochs"] == len(told["loss"]) == 6
    assert told["loss"][-1] < 0.85 * told["loss"][0]
    guess = studio_card.predict(network, batch.images)
    assert guess.shape == batch.joints2d.shape and guess.isfinite().all()


def test_epochs_fill_the_minutes():
    batch = Wild("train", 32, size=SIDE)[range(32)]
    _, told = studio_card.learn(batch, studio_card.Settings(minutes=0.001))
    assert told["epochs"] == 1


def test_all_pictures_are_drawn_in_order():
    wild = Wild("test", 34, size=32)
    drawn = draw(wild, "test", workers=0)
    assert drawn.index.tolist() == list(range(34)) and drawn.masks is None
    (some,) = loader(wild, [[4, 33]])
    assert torch.equal(drawn.images[[4, 33]], some.images)


# The readers


@pytest.fixture
def photograph(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((300, 400, 3), 90, dtype=np.uint8))
    return tmp_path


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def mpii_entry(**changes):
    joints = [[200.0 + 3 * k, 120.0 + 5 * k] for k in range(16)]
    entry = {"image": "a.png", "center": [201.0, 151.0], "scale": 1.0}
    return entry | {"joints": joints, "joints_vis": [1] * 16} | changes


def test_mpii_counts_from_one_and_its_box_is_a_square(photograph):
    seen = [1] * 16
    seen[MPII16.index("left_wrist")] = 0
    persons = mpii(write(photograph / "m.json", [mpii_entry(joints_vis=seen)]))
    # Centre (200, 150), 15 px lower; 200 px of the picture are 102.4 px of the crop.
    middle, zoom = (SIDE - 1) / 2, BOX / 200
    right_ankle = persons.joints[0, SPIN24.index("right_ankle")]
    expected = torch.tensor([middle + zoom * (199 - 200), middle + zoom * (119 - 165)])
    assert torch.allclose(right_ankle, expected, atol=1e-4)
    known = {SPIN24.joints[k] for k in persons.labelled[0].nonzero()[:, 0]}
    assert known == set(MPII16.joints) - {"left_wrist"}
    assert (persons.images[0, :, 64, 64] == 90).all()


def coco_file(folder, *, bbox=(100.0, 50.0, 80.0, 200.0), labelled=17, **changes):
    keypoints = [[110.0 + 2 * k, 60.0 + 8 * k, 1 + k % 2] for k in range(17)]
    keypoints[: 17 - labelled] = [[0, 0, 0]] * (17 - labelled)
    flat = [number for joint in keypoints for number in joint]
    entry = {"image_id": 7, "iscrowd": 0, "bbox": list(bbox), "keypoints": flat}
    images = [{"id": 7, "file_name": changes.pop("file_name", "a.png")}]
    everybody = [entry | changes, entry | {"iscrowd": 1}, entry | {"keypoints": [0] * 51}]
    return write(folder / "c.json", {"images": images, "annotations": everybody})


def test_coco_leaves_out_crowds_and_people_without_joints(photograph):
    persons = coco(coco_file(photograph))
    assert len(persons) == 1 and persons.heads.isnan().all()
    middle, zoom = (SIDE - 1) / 2, BOX / 200
    ear = persons.joints[0, SPIN24.index("left_ear")]  # (116, 84); the box's centre is (140, 150)
    expected = torch.tensor([middle + zoom * (116 - 140), middle + zoom * (84 - 150)])
    assert torch.allclose(ear, expected, atol=1e-4)
    assert persons.visible[0, SPIN24.index("left_ear")] == HIDDEN + (3 % 2)
    known = {SPIN24.joints[k] for k in persons.labelled[0].nonzero()[:, 0]}
    assert known == set(COCO17.joints)


def test_people_need_enough_of_the_limbs(photograph):
    assert (
        set(LIMBS) < set(COCO17.joints) and len(coco(coco_file(photograph, labelled=ENOUGH))) == 1
    )
    with pytest.raises(ValueError, match="has nobody"):
        coco(coco_file(photograph, labelled=ENOUGH - 1))


def test_files_of_another_form_are_named(photograph):
    with pytest.raises(FileNotFoundError, match="none.json"):
        mpii(photograph / "none.json")
    with pytest.raises(ValueError, match="m.json is not of MPII's json form"):
        mpii(write(photograph / "m.json", [{"image": "a.png"}]))
    with pytest.raises(ValueError, match="c.json is not of COCO's json form"):
        coco(write(photograph / "c.json", [1, 2]))
    with pytest.raises(ValueError, match="does not lie beside"):
        coco(coco_file(photograph, file_name="../a.png"))
    with pytest.raises(FileNotFoundError, match="b.png"):
        mpii(write(photograph / "m.json", [mpii_entry(image="b.png")]))
    with pytest.raises(ValueError, match="a.png.*no area"):
        coco(coco_file(photograph, bbox=(1.0, 1.0, 0.0, 5.0)))


def test_the_real_people_are_all_found(shared):
    five, twelve = mpii(shared / "mpii5/test_mpii.json"), coco(shared / "coco4/test_coco.json")
    both = together([five, twelve])
    assert (len(five), len(twelve), len(both)) == (5, 12, 17) and both.name == "MPII + COCO"
    limbs = [SPIN24.index(joint) for joint in LIMBS]
    assert both.labelled[:, limbs].sum() == 56 + 135
    inside = ((both.joints > -0.5) & (both.joints < SIDE - 0.5)).all(2)
    assert inside[both.labelled].all()
    assert (five.heads > 0.07 * BOX).all() and (five.heads < 0.25 * BOX).all()
    assert both.images.float().flatten(1).std(1).min() > 20
