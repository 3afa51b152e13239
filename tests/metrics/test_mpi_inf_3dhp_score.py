"""The rules of MPI-INF-3DHP's test set, on poses whose numbers are known beforehand."""

import numpy as np
import pandas as pd
import pytest
import torch

from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.mpi_inf_3dhp import THREEDHP_CARDS, quantities
from posekit.metrics.protocol import evaluate
from posekit.metrics.protocols import CARDS

PELVIS = MPI_INF_3DHP17.index("pelvis")
TAKES = ("TS1", "TS1", "TS2", "TS3", "TS5")
ACTIVITIES = ("Stand/Walk", "Sports", "Sports", "Exercise", "Misc.")
SCENES = ("green screen", "green screen", "green screen", "no green screen", "outdoors")


def frames(**columns) -> pd.DataFrame:
    usual = {"subject": TAKES, "action": ACTIVITIES, "scene": SCENES, "take": 1, "camera": "0"}
    return pd.DataFrame({**usual, "frame": range(5), "valid": True, **columns})


@pytest.fixture
def true() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    away = torch.randn(5, 17, 3, generator=random, dtype=torch.float64) * 300
    return away + torch.tensor([0.0, 0.0, 4000.0])


def moved(true: torch.Tensor, millimetres, joints=slice(None)) -> torch.Tensor:
    """`joints`, all but the pelvis by default, moved by so much, each pose by its own."""
    pred = true.clone()
    pelvis = pred[:, PELVIS].clone()
    pred[:, joints, 1] += torch.as_tensor(millimetres, dtype=torch.float64).expand(5)[:, None]
    pred[:, PELVIS] = pelvis
    return pred


@pytest.mark.parametrize(("away", "share"), [(149.0, 100.0), (150.5, 0.0), (151.0, 0.0)])
def test_a_joint_is_found_below_150_millimetres(true, away, share):
    pck = THREEDHP_CARDS["3dhp-pck"]
    assert evaluate(pck, moved(true, away), true, frames())["pck"] == share


def test_where_the_whole_person_stands_does_not_matter(true):
    for name in ("3dhp-pck", "3dhp-pck-true", "3dhp-mpjpe"):
        card = THREEDHP_CARDS[name]
        here = evaluate(card, true, true, frames())
        there = evaluate(card, true + 5000.0, true, frames())
        assert there == pytest.approx(here, abs=1e-9)


def test_14_joints_count_for_the_share_and_17_for_the_mean(true):
    spine, head = MPI_INF_3DHP17.index("spine"), MPI_INF_3DHP17.index("mid_head")
    pred = moved(true, 170.0, [spine, head])
    assert evaluate(THREEDHP_CARDS["3dhp-pck"], pred, true, frames())["pck"] == 100
    error = evaluate(THREEDHP_CARDS["3dhp-mpjpe"], pred, true, frames())["mpjpe"]
    assert error == pytest.approx(2 * 170 / 17)
    wrist = MPI_INF_3DHP17.index("left_wrist")
    pred = moved(true, 170.0, [wrist])
    assert evaluate(THREEDHP_CARDS["3dhp-pck"], pred, true, frames())["pck"] == pytest.approx(
        100 * 13 / 14
    )


def test_the_area_is_posepiles_closed_form(true):
    away = torch.tensor([0.0, 12.3, 77.7, 149.9, 200.0], dtype=torch.float64)
    numbers = evaluate(THREEDHP_CARDS["3dhp-auc"], moved(true, away), true, frames())
    closed = np.maximum(0, 1 - np.floor(away.numpy() / 150 * 30 + 1) / 31)
    assert numbers["auc"] == pytest.approx(100 * closed.mean())
    assert numbers["auc/Misc."] == 0 and numbers["auc/Stand/Walk"] == pytest.approx(100 * 30 / 31)


def test_each_activity_take_and_scene_has_its_number_and_all_frames_count_alike(true):
    away = torch.tensor([10.0, 20.0, 40.0, 80.0, 160.0])
    numbers = evaluate(THREEDHP_CARDS["3dhp-mpjpe"], moved(true, away), true, frames())
    mean = {key: value * 17 / 16 for key, value in numbers.items()}  # without the pelvis's 0
    assert mean == pytest.approx(
        {
            "mpjpe": 62,
            "mpjpe/Stand/Walk": 10,
            "mpjpe/Sports": 30,
            "mpjpe/Exercise": 80,
            "mpjpe/Misc.": 160,
            "mpjpe/TS1": 15,
            "mpjpe/TS2": 40,
            "mpjpe/TS3": 80,
            "mpjpe/TS5": 160,
            "mpjpe/green screen": 70 / 3,
            "mpjpe/no green screen": 80,
            "mpjpe/outdoors": 160,
        }
    )


def test_frames_that_are_not_valid_do_not_count(true):
    away = torch.tensor([0.0, 0.0, 200.0, 200.0, 200.0])
    rows = frames(valid=[True, True, False, False, True])
    numbers = evaluate(THREEDHP_CARDS["3dhp-pck"], moved(true, away), true, rows)
    assert numbers["pck"] == pytest.approx(200 / 3) and "pck/TS3" not in numbers


def test_each_card_measures_against_its_own_skeleton(true):
    """Who is 10 % smaller than the universal skeleton: known errors on either side."""
    own = true - true[:, PELVIS : PELVIS + 1]
    truths = {
        "true": PoseSet("mpi_inf_3dhp", MPI_INF_3DHP17, own[..., :2], own, frames(), "true"),
        "universal": PoseSet("mpi_inf_3dhp", MPI_INF_3DHP17, own[..., :2], 1.1 * own, frames()),
    }
    found = {(quantity, name): value for quantity, name, _, value in quantities("x", own, truths)}
    assert found["mpjpe/x", "3dhp-mpjpe-true"] == pytest.approx(0, abs=1e-9)
    expected = 0.1 * own.norm(dim=-1).mean().item()
    assert found["mpjpe/x", "3dhp-mpjpe"] == pytest.approx(expected)
    assert found["pck/x/Sports", "3dhp-pck-true"] == 100
    assert {name for _, name in found} == set(THREEDHP_CARDS)
    del truths["true"]
    with pytest.raises(ValueError, match=r"3dhp-pck-true measures against 'true': \['universal'\]"):
        quantities("x", own, truths)
    official = [THREEDHP_CARDS[name] for name in ("3dhp-pck", "3dhp-auc", "3dhp-mpjpe")]
    rows = quantities("x", own, truths, official)
    assert {data for _, _, data, _ in rows} == {"mpi_inf_3dhp"}


def test_the_releases_rules_are_those_of_the_list_of_protocols(true):
    pred = moved(true, torch.tensor([30.0, 90.0, 140.0, 160.0, 10.0]))
    for name in ("3dhp-pck", "3dhp-auc", "3dhp-mpjpe"):
        ours, listed = THREEDHP_CARDS[name], CARDS[name]
        assert (ours.rule, ours.source, ours.unit) == (listed.rule, listed.source, listed.unit)
        plain = frames().drop(columns="scene")
        assert evaluate(ours, pred, true, plain) == evaluate(listed, pred, true, plain)
    assert all(card.rule and card.source for card in THREEDHP_CARDS.values())
