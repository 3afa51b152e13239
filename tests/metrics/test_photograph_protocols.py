"""PCK by the torso and the joints in space that photographs are judged by."""

import math

import pytest
import torch

from posekit.geometry.skeleton import H36M17, LSP14
from posekit.metrics.photographs import LIMBS, PHOTOGRAPH_PROTOCOLS
from posekit.metrics.protocol import PoseProtocol
from posekit.metrics.registry import ALL

PCK = {name: PHOTOGRAPH_PROTOCOLS[name] for name in ("lsp-pck-0.2", "lsp-pck-0.1")}


def people(count: int = 3):
    """Truth with torsos of 50, 100, 150 px, and no error."""
    draw = torch.Generator().manual_seed(0)
    true = 200 * torch.rand(count, 14, 2, generator=draw)
    for k in range(count):
        hip = true[k, LSP14.index("right_hip")]
        true[k, LSP14.index("left_shoulder")] = hip + 50 * (k + 1) * torch.tensor([0.6, -0.8])
    return true, torch.ones(count, 14, dtype=torch.bool)


def test_pck_is_the_share_of_joints_within_a_share_of_the_torso():
    true, known = people()
    pred = true.clone()
    assert [rule.evaluate(pred, true, known)["pck"] for rule in PCK.values()] == [100.0, 100.0]
    # Of torsos of 50, 100 and 150 px: 12 px are 0.24, 0.12 and 0.08.
    pred[:, 0] += torch.tensor([12.0, 0.0])
    known[2, 3] = False  # not labelled: 41 joints count
    got = {name: rule.evaluate(pred, true, known)["pck"] for name, rule in PCK.items()}
    assert got["lsp-pck-0.2"] == pytest.approx(100 * 40 / 41)
    assert got["lsp-pck-0.1"] == pytest.approx(100 * 39 / 41)


def test_pck_against_arithmetic_written_out():
    true, known = people(20)
    draw = torch.Generator().manual_seed(1)
    pred = true + 15 * torch.randn(true.shape, generator=draw)
    known &= torch.rand(20, 14, generator=draw) < 0.8
    right, count = 0, 0
    for k in range(20):
        (hx, hy), (sx, sy) = true[k, 2].tolist(), true[k, 9].tolist()  # LSP's joints 3 and 10
        if not (known[k, 2] and known[k, 9]):
            continue
        for j in range(14):
            if known[k, j]:
                (x, y), (u, v) = true[k, j].tolist(), pred[k, j].tolist()
                right += math.hypot(x - u, y - v) <= 0.2 * math.hypot(hx - sx, hy - sy)
                count += 1
    got = PCK["lsp-pck-0.2"].evaluate(pred, true, known)["pck"]
    assert 0 < got < 100 and got == pytest.approx(100 * right / count)


def test_joints_that_a_network_lacks_do_not_count_and_other_gaps_are_refused():
    true, known = people()
    pred = true.clone()
    pred[:, 13] = math.nan
    pred[0, 0] += 1000
    rule = PCK["lsp-pck-0.2"]
    assert rule.evaluate(pred, true, known)["pck"] == pytest.approx(100 * 38 / 39)
    pred[1, 5] = math.nan
    with pytest.raises(ValueError, match="predictions of some persons are NaN"):
        rule.evaluate(pred, true, known)
    with pytest.raises(ValueError, match=r"predictions \(3, 17, 2\), truth \(3, 14, 2\)"):
        rule.evaluate(torch.zeros(3, 17, 2), true, known)
    with pytest.raises(ValueError, match="no labelled joint is left"):
        rule.evaluate(true, true, torch.zeros_like(known))


def test_in_space_twelve_joints_count_about_the_middle_of_the_hips():
    rule, aligned = (PHOTOGRAPH_PROTOCOLS[n] for n in ("pose2sim-mpjpe", "pose2sim-pa"))
    assert isinstance(rule, PoseProtocol) and len(LIMBS) == 12
    true = 300 * torch.randn(4, 17, 3, generator=torch.Generator().manual_seed(2))
    pred = true + torch.tensor([500.0, -20.0, 900.0])
    for joint in ("head", "neck_nose", "thorax", "spine", "pelvis"):  # do not count
        pred[:, H36M17.index(joint)] = math.nan
    assert rule.errors(pred, true).abs().max() < 1e-3
    knee = H36M17.index("left_knee")
    pred[1, knee, 1] += 60
    assert rule.errors(pred, true).tolist() == pytest.approx([0, 60 / 12, 0, 0], abs=1e-3)
    hip = H36M17.index("left_hip")
    pred[2, hip, 0] += 24  # moves the origin by 12: 11 joints are off by 12, the hip by 12
    assert rule.errors(pred, true)[2].item() == pytest.approx(12, abs=1e-3)
    assert aligned.errors(2 * true, true).abs().max() < 1e-3


def test_the_rules_are_on_the_list_of_all_and_say_what_the_truth_is_worth():
    assert PHOTOGRAPH_PROTOCOLS.items() <= ALL.items()
    assert "good to 20 to 40 mm" in PHOTOGRAPH_PROTOCOLS["pose2sim-mpjpe"].rule
    assert (
        "2001 to 2400" in PCK["lsp-pck-0.1"].rule and "0.1 of the torso" in PCK["lsp-pck-0.1"].rule
    )
