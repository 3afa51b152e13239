"""The picture studio's data card: its page, its measures on hand-made cases, its readers, training."""

import copy
import json
import math
import re

import numpy as np
import pytest
import torch
from builders.batch import make_batch

from posekit.cli import studio_card, studio_card_page
from posekit.cli.studio_card import ENOUGH, LIMBS, MEASURES, SIDE, correct, pooled_share
from posekit.data.albums import Album, single
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.geometry.skeleton import SPIN24
from posekit.metrics.pckh import HEAD
from posekit.studio.wild import PLACES, REACHES

CARD = studio_card_page.STUDIO / studio_card_page.PAGE
PICTURES = studio_card_page.STUDIO / studio_card_page.FOLDER
JOINTS = len(SPIN24)
BOX = SIDE / 1.25  # px, the longer side of a person's box in a crop


def people(count=2, seed=0):
    """Persons with all joints labelled somewhere in the crop."""
    batch = make_batch(count, (SIDE, SIDE), SPIN24, seed=seed)
    batch.joints2d[:] = (SIDE - 1) * torch.rand(count, JOINTS, 2)
    batch.boxes[:] = torch.tensor([12.8, 20.0, BOX, 0.8 * BOX])
    batch.visible[:] = SEEN
    return batch


def moved(persons, joint, by):
    """The labels as a prediction, one joint of the first person `by` px too far right."""
    pred = persons.joints2d.clone()
    pred[0, SPIN24.index(joint), 0] += by
    return pred


# The page


@pytest.fixture
def record():
    return json.loads((PICTURES / "record.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page():
    return CARD.read_text(encoding="utf-8")


def test_the_card_is_what_its_record_says(record, page):
    assert page == studio_card_page.render(record, page)
    for words in (
        f"own {PLACES * len(REACHES)} places",
        f"{HEAD} times the way",
        f"{ENOUGH} of the 12",
    ):
        assert words in " ".join(page.split())


def test_the_card_shows_every_picture_there_is_and_no_other(page):
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    there = [path for path in PICTURES.iterdir() if path.suffix != ".json"]
    assert sorted(CARD.parent / name for name in shown) == sorted(there)
    assert sum(path.stat().st_size for path in there) < 1_500_000


def test_the_links_of_the_card_lead_to_files(page):
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 5
    for link in links:
        assert (CARD.parent / link).is_file(), link


def test_a_run_without_real_pictures_says_so_and_invents_none(record, page):
    record["tests"] = {k: v for k, v in record["tests"].items() if k in studio_card_page.GENERATED}
    text = studio_card_page.render(record, page)
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
def test_the_conclusion_follows_from_the_numbers(record, page, gain, words):
    record = copy.deepcopy(record)
    name = next(reversed(record["tests"]))
    record["tests"][name]["measures"]["PCK@0.1"]["gain"] = gain
    assert words in " ".join(studio_card_page.render(record, page).split())


def test_a_page_without_a_measured_part_is_refused(record, page):
    with pytest.raises(ValueError, match="no part from <!-- measured: joints -->"):
        studio_card_page.render(record, page.replace("measured: joints", "measured: bones"))


def test_real_photographs_leave_no_pixel_in_the_sheets(tmp_path):
    drawn = []
    for seed in (1, 2):
        tests = {name: people(1) for name in ("Wild", "S9", "S11", "MPII")}
        tests["MPII"].images[:] = people(1, seed=seed).images
        pred = {name: batch.joints2d + 3 for name, batch in tests.items()}
        studio_card_page.draw_people(tmp_path, tests, pred)
        drawn.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert drawn[0] == drawn[1] and set(drawn[0]) == {"found.jpg", "real.png"}
    del tests["MPII"]
    studio_card_page.draw_people(tmp_path, tests, pred)
    assert not (tmp_path / "real.png").exists()


# The measures


@pytest.mark.parametrize("measure, limit", [("PCK@0.2", 0.2 * BOX), ("PCK@0.1", 0.1 * BOX)])
def test_a_joint_is_correct_within_a_share_of_the_box(measure, limit):
    persons, column = people(), SPIN24.index("left_knee")
    assert correct(persons, persons.joints2d, measure).mean() == 1
    near = correct(persons, moved(persons, "left_knee", limit - 0.01), measure)
    far = correct(persons, moved(persons, "left_knee", limit + 0.01), measure)
    assert near.mean() == 1
    assert far[0, column] == 0 and far.sum() == far.size - 1


def test_pckh_takes_half_of_mpiis_head_size():
    persons = people()
    ends = [SPIN24.index("neck"), SPIN24.index("head_top")]
    persons.joints2d[0, ends] = torch.tensor([[60.0, 50.0], [60.0, 10.0]])  # a head of 30 px
    persons.visible[1, ends[1]] = UNKNOWN
    near = correct(persons, moved(persons, "left_knee", 14.9), "PCKh@0.5")
    far = correct(persons, moved(persons, "left_knee", 15.1), "PCKh@0.5")
    assert near[0].mean() == 1 and np.isnan(near[1]).all()
    assert far[0].sum() == JOINTS - 1


def test_only_labelled_joints_inside_the_crop_count():
    persons = people()
    persons.visible[0, 3] = UNKNOWN
    persons.visible[0, 4] = HIDDEN
    persons.joints2d[0, 5] = torch.tensor([SIDE - 0.5, 5.0])
    persons.joints2d[0, 6] = torch.tensor([SIDE - 0.6, -0.4])
    hits = correct(persons, persons.joints2d + 1000, "PCK@0.2")
    assert np.isnan(hits[0, [3, 5]]).all() and (hits[0, [4, 6]] == 0).all()
    assert np.isfinite(hits).sum() == hits.size - 2
    shares = studio_card.visibility(persons)
    assert shares["seen"] + shares["covered"] + shares["outside"] == pytest.approx(100, abs=0.2)
    assert shares["covered"] == pytest.approx(100 / 47, abs=0.1) == shares["outside"]


def test_shares_pool_joints_and_draw_persons():
    rows = np.array([[1, 1, 1, 0], [0, np.nan, np.nan, np.nan]])
    mean, low, high = pooled_share(rows)
    assert mean == 3 / 5
    assert (low, high) == (0.0, 0.75)  # both draws the second person, or both the first
    assert pooled_share(np.tile([1.0, 0.0], (50, 1))) == (0.5, 0.5, 0.5)
    assert all(math.isnan(value) for value in pooled_share(np.full((3, 2), np.nan)))


def test_the_intervals_width_is_that_of_the_binomial():
    persons = 400
    rows = (np.arange(persons) % 4 == 0).astype(float)[:, None]
    mean, low, high = pooled_share(rows)
    half = 1.96 * math.sqrt(0.25 * 0.75 / persons)
    assert mean == 0.25 and high - low == pytest.approx(2 * half, rel=0.06)


def test_an_evaluation_puts_the_mean_pose_beside_the_network():
    persons = people(8)
    persons.visible[:, SPIN24.index("nose")] = UNKNOWN
    result = studio_card.evaluate(persons, persons.joints2d, torch.full((JOINTS, 2), -500.0))
    assert (result["persons"], result["joints"]) == (8, 96)
    assert set(result["measures"]) == set(MEASURES)
    for values in result["measures"].values():
        assert values == {"network": [100] * 3, "mean pose": [0] * 3, "gain": [100] * 3}
    eye = {"joints": 16, "network": 100.0, "mean pose": 0.0, "gain": 100.0}
    assert result["joint"]["eye"] == eye
    assert result["joint"]["neck"]["joints"] == 8 and "nose" not in result["joint"]


# The network and the real people


def test_the_network_learns(monkeypatch):
    monkeypatch.setattr(studio_card, "NETWORK", {"stacks": 1, "modules": 1, "channels": 32})
    album = Album("pictures", "1", make_batch(16, (64, 64), SPIN24), single(16))
    _, training = studio_card.train_network(album, epochs=6, seed=0)
    assert training["epochs"] == len(training["loss"]) == 6
    assert training["loss"][-1] < 0.75 * training["loss"][0]
    assert "1 stack and 32 channels" in training["network"]


def test_real_people_need_enough_labelled_limbs(shared, monkeypatch):
    both = studio_card.real_people(shared)
    assert {name: len(batch) for name, batch in both.items()} == {
        "MPII": 5, "COCO": 12, "MPII + COCO": 17
    }  # fmt: skip
    known = studio_card.labelled(both["MPII + COCO"])
    assert known[:, LIMBS].sum() == 56 + 135 and known[:, LIMBS].sum(1).min() >= ENOUGH
    assert both["COCO"].boxes[:, 2:].amax(1).allclose(torch.tensor(BOX), atol=0.01)
    monkeypatch.setattr(studio_card, "ENOUGH", 12)
    assert len(studio_card.real_people(shared)["MPII"]) == 3
    monkeypatch.setattr(studio_card, "ENOUGH", 13)
    with pytest.raises(ValueError, match="mpii: nobody has 13 of 12 joints"):
        studio_card.real_people(shared)
