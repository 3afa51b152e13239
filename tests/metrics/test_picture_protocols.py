"""Protocols of networks that see pictures: whether the true depth of the pelvis is known is a part of
them."""

import pandas as pd
import pytest
import torch

from posekit.geometry.skeleton import H36M17
from posekit.metrics.pictures import PICTURE_PROTOCOLS, camera_points, depth_per_focal
from posekit.metrics.protocols import PROTOCOLS
from posekit.metrics.registry import ALL

P1, P2 = PROTOCOLS["h36m-moon-p1"], PROTOCOLS["h36m-moon-p2"]


def test_every_protocol_stands_in_the_registry_under_its_own_name():
    assert all(protocol.name == name for name, protocol in ALL.items())
    assert all(protocol.rule.endswith(".") and protocol.source for protocol in ALL.values())
    assert {protocol.unit for protocol in ALL.values()} == {"mm", "%", "MSE"}
    assert not set(PICTURE_PROTOCOLS) & set(PROTOCOLS)


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
    for protocol in (P1, P2):
        placed = camera_points(protocol, pixels, depths, intrinsics, root, per_focal=0.0)
        assert protocol.errors(placed, true).max() < 0.05
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert P1.errors(true @ turn, true).max() < 0.05
    assert P2.errors(true @ turn, true).min() > 100


def test_depths_of_the_root_are_not_broadcast(unchecked):
    """A column of them would be taken for every picture's, and the median be one of nothing."""
    intrinsics = torch.eye(3).expand(4, 3, 3)
    pixels, depths = torch.zeros(4, 17, 2), torch.zeros(4, 17)
    for root in (torch.ones(4, 1), torch.ones(1), torch.ones(())):
        with pytest.raises(ValueError, match="depths of the root of shape .* for 4 pictures"):
            camera_points(P1, pixels, depths, intrinsics, root, per_focal=0.0)
        with pytest.raises(ValueError, match="depths of the root of shape .* for 4 pictures"):
            depth_per_focal(root, intrinsics)
    with pytest.raises(ValueError, match="not of the same pictures and joints"):
        camera_points(P1, pixels[:1], depths, intrinsics, torch.ones(4), per_focal=0.0)
