"""Moon et al.'s protocols for networks that see pictures: the rule is the shared one, and who may
look at the true depth of the pelvis is part of it."""

from dataclasses import fields

import pandas as pd
import pytest
import torch

from posekit.geometry.skeleton import H36M17
from posekit.metrics.protocol import Card
from posekit.metrics.protocols import CARDS, MOON_CARDS, PICTURE_CARDS
from posekit.report.measured_tables import RULES

P1, P2 = MOON_CARDS.values()


@pytest.mark.parametrize("name", ["h36m-moon-p1", "h36m-moon-p2"])
def test_the_rule_is_that_of_the_protocols(name):
    for field in fields(Card):
        assert getattr(MOON_CARDS[name], field.name) == getattr(CARDS[name], field.name)
    assert MOON_CARDS[name].root_depth == "true"


def test_pages_know_each_rule_by_one_name():
    assert set(MOON_CARDS) <= set(RULES) and not set(MOON_CARDS) & set(PICTURE_CARDS)
    for name, card in MOON_CARDS.items():
        assert (RULES[name].metric, RULES[name].rule) == (card.metric, card.rule)


def test_frames_and_people_are_moons():
    rows = [(s, "Walking", 1, "c", f) for s in ("S9", "S11") for f in (0, 32, 64, 128, 200)]
    frames = pd.DataFrame(rows, columns=["subject", "action", "take", "camera", "frame"])
    assert frames[P2.select(frames)]["frame"].tolist() == [0, 64, 128] * 2
    assert set(frames[P1.select(frames)]["subject"]) == {"S11"}


def test_depth_is_taken_from_the_truth_and_only_the_first_protocol_forgives_a_turn():
    torch.manual_seed(0)
    true = torch.randn(4, 17, 3) * 300 + torch.tensor([0.0, 0.0, 4000.0])
    intrinsics = torch.tensor([[900.0, 0, 128], [0, 900.0, 128], [0, 0, 1]]).expand(4, 3, 3)
    seen = true @ intrinsics.mT
    root = true[:, H36M17.root, 2]
    pixels, depths = seen[..., :2] / seen[..., 2:], true[..., 2] - root[:, None]
    for card in (P1, P2):
        placed = card.place(pixels, depths, intrinsics, root, per_focal=0.0)
        assert card.errors(placed, true).max() < 0.05
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert P1.errors(true @ turn, true).max() < 0.05
    assert P2.errors(true @ turn, true).min() > 100
