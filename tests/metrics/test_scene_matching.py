"""Matching and scoring several persons, on scenes whose answers are worked out by hand."""

from dataclasses import replace

import pytest
import torch

from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.mupots import Scene, evaluate_scenes, match
from posekit.metrics.protocols import CARDS


def person(seed: int, x: float = 0.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(17, 3, generator=random) * 200 + torch.tensor([x, 0.0, 4000.0])


def seen(people: torch.Tensor) -> torch.Tensor:
    return 1000 * people[..., :2] / people[..., 2:]


PAIR = torch.stack([person(1, -1500), person(2, 1500)])


def scene(pred: torch.Tensor, true: torch.Tensor = PAIR, sequence: str = "TS1") -> Scene:
    return Scene(sequence, seen(pred), pred, seen(true), true)


def test_persons_find_their_predictions_in_any_order():
    assert match(seen(PAIR.flip(0)), seen(PAIR)) == [1, 0]


def test_a_person_with_nobody_near_and_an_empty_picture_stay_alone():
    assert match(seen(PAIR[1:]), seen(PAIR)) == [-1, 0]
    assert match(torch.zeros(0, 17, 2), seen(PAIR)) == [-1, -1]
    assert match(seen(PAIR), torch.zeros(0, 17, 2)) == []


def test_the_prediction_with_most_joints_near_wins_and_is_then_taken():
    true = torch.zeros(2, 17, 2)
    pred = torch.full((2, 17, 2), 500.0)
    pred[0, 1:4] = 0  # 3 joints near
    pred[1, 1:9] = 0  # 8 joints near
    assert match(pred, true) == [1, 0]  # the second person gets what is left
    assert match(pred[1:], true) == [0, -1]


def test_near_is_below_40_pixels_in_x_and_in_y():
    true = torch.zeros(1, 17, 2)
    for offset, owner in (((39.9, 39.9), 0), ((40.0, 0.0), -1), ((0.0, -40.0), -1)):
        assert match((true + torch.tensor(offset)), true) == [owner]


@pytest.mark.parametrize("joint", ["head_top", "pelvis", "spine", "mid_head"])
def test_four_joints_do_not_vote(joint):
    true = torch.zeros(1, 17, 2)
    pred = torch.full((1, 17, 2), 500.0)
    pred[0, MPI_INF_3DHP17.index(joint)] = 0
    assert match(pred, true) == [-1]


def test_perfect_persons_score_all_and_the_ones_missed_count_only_where_the_card_says():
    everyone, one = scene(PAIR), scene(PAIR[1:])
    assert evaluate_scenes(CARDS["mupots-moon"], [everyone]) == {"pck": 100.0, "pck/TS1": 100.0}
    assert evaluate_scenes(CARDS["mupots-moon"], [everyone, one])["pck"] == 75.0
    assert evaluate_scenes(CARDS["mupots-moon-matched"], [everyone, one])["pck"] == 100.0
    area = evaluate_scenes(CARDS["mupots-moon-auc"], [one])["auc"]
    assert area == pytest.approx(50 * 30 / 31)
    area = evaluate_scenes(CARDS["mupots-moon-matched-auc"], [one])["auc"]
    assert area == pytest.approx(100 * 30 / 31)


def test_the_headline_is_the_mean_of_the_sequences_not_of_the_persons():
    scenes = [scene(PAIR), scene(PAIR), scene(PAIR[:1]), scene(PAIR[:0], sequence="TS2")]
    numbers = evaluate_scenes(CARDS["mupots-moon"], scenes)
    expected = {"pck": (500 / 6 + 0) / 2, "pck/TS1": 500 / 6, "pck/TS2": 0.0}
    assert numbers == pytest.approx(expected)


def test_the_place_and_the_bone_lengths_of_a_prediction_do_not_matter():
    pelvis = PAIR[:, 14:15]
    smaller = replace(scene(PAIR), pred3d=0.6 * (PAIR - pelvis) + pelvis + 900)
    assert evaluate_scenes(CARDS["mupots-moon"], [smaller])["pck"] == 100.0


def test_a_bent_joint_takes_the_joints_beyond_it_along():
    true = PAIR[:1]
    pred = true.clone()
    knee, ankle = (MPI_INF_3DHP17.index(f"left_{joint}") for joint in ("knee", "ankle"))
    hip = MPI_INF_3DHP17.index("left_hip")
    thigh = true[0, knee] - true[0, hip]
    assert thigh.norm() > 75  # so that the knee ends up more than 150 mm away
    pred[0, knee] -= 2 * thigh
    pred[0, ankle] -= 2 * thigh
    score = evaluate_scenes(CARDS["mupots-moon"], [replace(scene(true, true), pred3d=pred)])
    assert score["pck"] == pytest.approx(100 * 12 / 14)


def test_scenes_without_anybody_are_refused():
    nobody = scene(PAIR[:0])
    with pytest.raises(ValueError, match="mupots-moon-matched: no person counts"):
        evaluate_scenes(CARDS["mupots-moon-matched"], [nobody])
