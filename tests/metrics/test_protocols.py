"""Every pose protocol against numbers worked out by hand, roma's alignment, and ratios measured elsewhere."""

import numpy as np
import pandas as pd
import pytest
import roma
import torch

from posekit.geometry.skeleton import H36M17
from posekit.metrics.errors import align, joint_errors, mpjpe
from posekit.metrics.protocols import PROTOCOLS

ON_H36M17 = [name for name, protocol in PROTOCOLS.items() if protocol.skeleton is H36M17]
SIMILARITY = [name for name, protocol in PROTOCOLS.items() if protocol.alignment == "similarity"]


@pytest.fixture
def random() -> torch.Generator:
    torch.manual_seed(0)
    return torch.Generator().manual_seed(0)


def poses(count: int, random: torch.Generator) -> torch.Tensor:
    return torch.randn(count, 17, 3, generator=random) * 300 + torch.tensor([0.0, 0.0, 4000.0])


def frames(count: int, **columns) -> pd.DataFrame:
    """`count` frames that every protocol takes, but for the columns given."""
    usual = {"subject": "S11", "action": "Eating", "take": 1, "camera": "60457274", "frame": 0}
    return pd.DataFrame({**usual, "valid": True, "inside": True, **columns}, index=range(count))


def one_joint_off(joint: str, protocol: str) -> float:
    """What a protocol says when one joint is 170 mm from where it should be."""
    true = poses(1, torch.Generator().manual_seed(0))
    pred = true.clone()
    pred[0, PROTOCOLS[protocol].skeleton.index(joint), 1] += 170
    return PROTOCOLS[protocol].errors(pred, true).item()


@pytest.mark.parametrize(
    ("protocol", "joint", "expected"),
    [
        ("h36m-martinez-p1", "right_wrist", 10.0),
        ("h36m-evoskeleton-p1", "right_wrist", 10.0),
        ("h36m-moon-p2", "right_wrist", 10.0),
        ("h36m-spin-p1", "right_wrist", 170 / 14),
        ("3dpw-spin", "thorax", 170 / 14),
        ("3dpw-vibe", "head", 170 / 14),
        ("h36m-martinez-p1", "spine", 10.0),  # counts ...
        ("h36m-spin-p1", "spine", 0.0),  # ... or does not
        ("h36m-spin-p1", "neck_nose", 0.0),
        ("h36m-martinez-p1", "pelvis", 160.0),  # moves the 16 others
        ("h36m-evoskeleton-p1", "pelvis", 160.0),
        ("h36m-spin-p1", "pelvis", 170.0),  # moves all 14
        ("3dpw-vibe", "pelvis", 0.0),  # is not the root
        ("3dpw-vibe", "left_hip", (13 * 85 + 85) / 14),  # moves the root by half
        ("3dhp-spin", "spine", 10.0),
        ("3dhp-spin", "pelvis", 160.0),
        ("h36m-spin-p2-mpjpe", "head", 170 / 14),
        ("3dhp-mpjpe", "spine", 10.0),
        ("3dhp-pck", "left_knee", 100 * 13 / 14),
        ("3dhp-pck", "spine", 100.0),
        ("3dhp-auc", "left_knee", 100 * 13 / 14 * 30 / 31),
    ],
)
def test_a_protocol_counts_its_joints_from_its_root(protocol, joint, expected):
    assert one_joint_off(joint, protocol) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_a_perfect_prediction_scores_perfectly_wherever_it_stands(protocol, random):
    true = poses(3, random)
    pred = true + torch.tensor([100.0, -50.0, 800.0])
    best = {"mpjpe": 0.0, "pck": 100.0, "auc": 100 * 30 / 31}[protocol.metric]
    numbers = protocol.evaluate(pred, true, frames(3))
    assert set(numbers) == {protocol.metric, f"{protocol.metric}/Eating", f"{protocol.metric}/S11"}
    assert list(numbers.values()) == pytest.approx([best] * 3, abs=1e-3)


@pytest.mark.parametrize("name", SIMILARITY)
def test_a_similarity_protocol_forgives_place_turn_and_size(name, random):
    true = poses(20, random)
    pred = 0.8 * true @ roma.random_rotmat(20).mT
    assert PROTOCOLS[name].errors(pred, true).max() < 0.01


def test_moon_p1_forgives_a_turn_but_not_a_size(random):
    true = poses(20, random)
    turned = true @ roma.random_rotmat(20).mT
    assert PROTOCOLS["h36m-moon-p1"].errors(turned, true).max() < 0.01
    assert PROTOCOLS["h36m-moon-p1"].errors(0.95 * turned, true).min() > 10


def test_moon_p1_aligns_on_the_middle_of_the_shoulders_too_but_does_not_count_it(random):
    true, pred = poses(20, random), poses(20, random)
    shoulders = [H36M17.index("left_shoulder"), H36M17.index("right_shoulder")]
    more = [torch.cat([p, p[:, shoulders].mean(1, keepdim=True)], 1).double() for p in (pred, true)]
    rotation, translation = roma.rigid_points_registration(*more)
    aligned = pred.double() @ rotation.mT + translation[:, None]
    expected = mpjpe(aligned, true.double()).float()
    assert torch.allclose(PROTOCOLS["h36m-moon-p1"].errors(pred, true), expected, atol=1e-2)
    assert not torch.allclose(mpjpe(align(pred, true, "rigid"), true), expected, atol=1e-2)


def test_moon_p1_aligns_on_the_networks_own_middle_of_the_shoulders(random):
    """3DMPPE and MobileHumanPose, evaluate() and rigid_align(): the predicted 18 joints, relative to
    the pelvis, are turned and moved onto the true 18, whose last is the middle of the shoulders
    (add_thorax); the error is that of the first 17."""
    true, pred = poses(5, random), torch.cat([poses(5, random), poses(5, random)[:, :1]], dim=1)
    pred = pred + 40 * torch.randn(5, 18, 3, generator=random)
    expected = []
    for a, b in zip(pred.double().numpy(), true.double().numpy(), strict=True):
        b = np.concatenate([b, (b[[11]] + b[[14]]) / 2])
        a, b = a - a[0], b - b[0]
        u, _, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
        turn = vt.T @ np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
        aligned = (a - a.mean(0)) @ turn.T + b.mean(0)
        expected.append(np.linalg.norm(aligned - b, axis=1)[:17].mean())
    protocol = PROTOCOLS["h36m-moon-p1"]
    assert protocol.errors(pred, true).tolist() == pytest.approx(expected, abs=1e-3)
    eighteen = torch.cat([true, true[:, [11, 14]].mean(1, keepdim=True)], dim=1)
    assert torch.allclose(protocol.errors(pred, eighteen), protocol.errors(pred, true))
    own = (protocol.errors(pred[:, :17], true) - torch.tensor(expected)).abs()
    assert own.max() > 1  # which of them it is matters
    with pytest.raises(
        ValueError, match="17 joints .Human3.6M-17., or these and mid_shoulders, of"
    ):
        protocol.errors(torch.cat([pred, pred[:, :1]], dim=1), true)
    p2 = PROTOCOLS["h36m-moon-p2"]
    assert torch.equal(p2.errors(pred, true), p2.errors(pred[:, :17], true))
    with pytest.raises(ValueError, match="wants 17 joints .Human3.6M-17. of 3"):
        PROTOCOLS["h36m-martinez-p2"].errors(pred, true)


def test_evoskeleton_p2_is_sixteen_seventeenths_of_the_mean_over_the_joints_it_aligned(random):
    true, pred = poses(20, random), poses(20, random)
    sixteen = joint_errors(align(pred[:, 1:], true[:, 1:], "similarity"), true[:, 1:])
    expected = sixteen.mean(dim=1) * 16 / 17
    assert torch.allclose(PROTOCOLS["h36m-evoskeleton-p2"].errors(pred, true), expected, atol=1e-2)


def test_evoskeleton_p1_is_martinez_p1(random):
    true, pred = poses(20, random), poses(20, random)
    evoskeleton = PROTOCOLS["h36m-evoskeleton-p1"].errors(pred, true)
    assert torch.allclose(evoskeleton, PROTOCOLS["h36m-martinez-p1"].errors(pred, true), atol=1e-2)


def test_a_mean_of_actions_weighs_them_alike_and_a_mean_of_samples_does_not():
    rows = frames(4, subject=["S9", "S9", "S11", "S9"], action=["Eating"] * 3 + ["Posing"])
    errors = torch.tensor([10.0, 20.0, 60.0, 50.0])
    slices = {"mpjpe/Eating": 30.0, "mpjpe/Posing": 50.0, "mpjpe/S11": 60.0}
    actions = PROTOCOLS["h36m-martinez-p1"].average(errors, rows)
    assert actions == pytest.approx(
        {"mpjpe": 40.0, "mpjpe/S9": 32.5, **slices}
    )  # S9: (15 + 50) / 2
    samples = PROTOCOLS["h36m-moon-p2"].average(errors, rows)
    assert samples == pytest.approx({"mpjpe": 35.0, "mpjpe/S9": 80 / 3, **slices})


def test_a_nan_error_makes_its_slices_nan_instead_of_vanishing():
    rows = frames(3, subject=["S9", "S9", "S11"], action=["Eating", "Posing", "Posing"])
    for protocol in ("h36m-martinez-p1", "h36m-moon-p2"):
        numbers = PROTOCOLS[protocol].average(torch.tensor([1.0, torch.nan, 3.0]), rows)
        nan = {part for part, number in numbers.items() if np.isnan(number)}
        assert nan == {"mpjpe", "mpjpe/Posing", "mpjpe/S9"}


def taken(protocol: str, rows: pd.DataFrame) -> list[int]:
    return np.flatnonzero(PROTOCOLS[protocol].select(rows)).tolist()


def test_protocols_take_their_subjects_cameras_and_frames():
    rows = frames(
        6,
        subject=pd.Categorical(["S1", "S9", "S9", "S11", "S11", "S11"]),
        camera=["60457274", "60457274", "54138969", "54138969", "60457274", "60457274"],
        frame=[0, 0, 5, 64, 65, 128],
    )
    assert taken("h36m-martinez-p2", rows) == [1, 2, 3, 4, 5]
    assert taken("h36m-moon-p2", rows) == [1, 3, 5]
    assert taken("h36m-moon-p1", rows) == [3, 5]
    assert taken("h36m-spin-p1", rows) == [1, 2, 4]
    assert taken("h36m-spin-p2", rows) == taken("h36m-spin-p2-mpjpe", rows) == [1, 4]
    assert taken("3dpw-spin", rows) == [0, 1, 2, 3, 4, 5]


def test_invalid_frames_of_3dhp_are_left_out_and_the_column_is_asked_for():
    rows = frames(3, subject="TS1", valid=[True, False, True])
    assert taken("3dhp-pck", rows) == [0, 2]
    with pytest.raises(ValueError, match="3dhp-pck needs a column 'valid'"):
        PROTOCOLS["3dhp-pck"].select(rows.drop(columns="valid"))


def test_a_flag_that_is_not_bool_is_refused():
    """A text or a gap would count as true."""
    for column in (["True", "False", "True"], [1, 2, 0], [True, None, True]):
        with pytest.raises(ValueError, match="the column 'valid' is .*, not bool"):
            PROTOCOLS["3dhp-pck"].select(frames(3, subject="TS1", valid=column))


def test_poses_in_metres_are_no_millimetres(random):
    true = poses(3, random)
    with pytest.raises(ValueError, match="true poses: a person spans .* in metres where milli"):
        PROTOCOLS["h36m-martinez-p1"].evaluate(true / 1000, true / 1000, frames(3))


def test_errors_are_one_a_frame(unchecked):
    with pytest.raises(ValueError, match=r"errors of shape \(3, 1\) for 3 frames"):
        PROTOCOLS["h36m-martinez-p1"].average(torch.ones(3, 1), frames(3))


def test_spin_leaves_out_pictures_of_3dhp_that_cut_a_joint_off():
    rows = frames(3, subject="TS1", inside=[True, False, True])
    assert taken("3dhp-spin", rows) == taken("3dhp-spin-pa", rows) == [0, 2]
    assert taken("3dhp-mpjpe", rows) == [0, 1, 2]
    with pytest.raises(ValueError, match="3dhp-spin needs a column 'inside'"):
        PROTOCOLS["3dhp-spin"].select(rows.drop(columns="inside"))


def test_numbers_come_from_the_frames_a_protocol_takes_alone(random):
    true = poses(3, random)
    pred = true.clone()
    pred[:, 3, 0] += torch.tensor([17.0, 34.0, 51.0])
    rows = frames(3, subject=["S11", "S9", "S11"], frame=[0, 64, 65])
    assert PROTOCOLS["h36m-moon-p2"].evaluate(pred, true, rows) == pytest.approx(
        {"mpjpe": 1.5, "mpjpe/Eating": 1.5, "mpjpe/S11": 1.0, "mpjpe/S9": 2.0}, abs=1e-3
    )


def test_a_selection_that_leaves_nothing_says_what_was_wanted_and_what_is_there():
    rows = frames(2, subject="S9", frame=[1, 64])
    with pytest.raises(ValueError, match="h36m-moon-p1 .*multiple of 64 of S11.*subjects S9"):
        PROTOCOLS["h36m-moon-p1"].select(rows)
    with pytest.raises(ValueError, match="none of the 0 frames"):
        PROTOCOLS["3dpw-spin"].select(rows[:0])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_joints_are_refused_by_the_count_wanted(name):
    with pytest.raises(ValueError, match=f"{name} wants 17 joints .*-17.* not .*16, 3"):
        PROTOCOLS[name].errors(torch.zeros(2, 16, 3), torch.zeros(2, 16, 3))


def test_unequal_lengths_are_refused(random):
    true = poses(3, random)
    with pytest.raises(ValueError, match="3 predictions, 3 true poses, 2 frames"):
        PROTOCOLS["3dpw-spin"].evaluate(true, true, frames(2))
    with pytest.raises(ValueError, match=r"errors of shape \(2,\) for 3 frames"):
        PROTOCOLS["3dpw-spin"].average(torch.zeros(2), frames(3))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_a_protocol_names_joints_of_its_skeleton_and_says_its_rule_and_source(protocol):
    points = {*protocol.skeleton.joints, "mid_shoulders"}
    assert {*protocol.joints, *protocol.root, *protocol.aligned_on} <= points
    assert {*protocol.joints} <= {*(protocol.aligned_on or protocol.joints)}
    assert protocol.rule.endswith(".") and "20" in protocol.source
    assert PROTOCOLS[protocol.name] is protocol


def test_no_two_protocols_of_human36m_but_those_said_to_be_equal_give_the_same_number(random):
    true = poses(50, random)
    pred = true + 40 * torch.randn(true.shape, generator=random)
    numbers = {
        name: round(PROTOCOLS[name].errors(pred, true).mean().item(), 2) for name in ON_H36M17
    }
    kinds = {numbers[name] for name in ON_H36M17}
    same = [
        # differ in frames
        {
            "h36m-martinez-p1",
            "h36m-evoskeleton-p1",
            "h36m-moon-p2",
            "cmu-p1",
            "studio-others-p1",
            "studio-others-moon-p2",
            "3dhp-spin",
        },
        {"h36m-martinez-p2", "cmu-p2", "studio-others-p2", "3dhp-spin-pa"},
        {"h36m-spin-p1", "h36m-spin-p2-mpjpe", "3dpw-spin"},
        {"h36m-spin-p1-pa", "h36m-spin-p2", "3dpw-spin-pa", "3dpw-vibe-pa"},
    ]
    for names in same:
        assert len({numbers[name] for name in names}) == 1
    assert len(kinds) == len(ON_H36M17) - sum(len(names) - 1 for names in same)


def noisy_motion_capture(shared, random) -> tuple[torch.Tensor, torch.Tensor]:
    """CMU poses with 35 mm of noise, a size wrong by 5 % (sd) and a heading wrong by 8 degrees."""
    with np.load(shared / "cmu_mocap" / "h36m17_50hz.npz", allow_pickle=False) as motions:
        poses = np.concatenate([motions[name][::14] for name in motions.files])
    true = torch.from_numpy(poses).float() * 1000
    true = true - true[:, :1]
    yaw = torch.deg2rad(torch.tensor([0.0, 0.0, 8.0]))
    size = 1 + 0.05 * torch.randn(len(true), 1, 1, generator=random)
    noise = 35 * torch.randn(true.shape, generator=random)
    return size * true @ roma.rotvec_to_rotmat(yaw).T + noise, true


def test_the_protocols_are_as_far_apart_on_real_poses_as_measured_elsewhere(shared, random):
    pred, true = noisy_motion_capture(shared, random)
    measured = {  # another implementation, another draw of the noise
        "h36m-martinez-p1": 81.42,
        "h36m-martinez-p2": 51.64,
        "h36m-evoskeleton-p2": 48.44,
        "h36m-moon-p1": 56.34,  # measured on 17 joints
        "h36m-spin-p1": 87.22,
        "h36m-spin-p1-pa": 50.88,
        "3dpw-vibe": 74.27,
    }
    numbers = {name: PROTOCOLS[name].errors(pred, true).mean().item() for name in measured}
    assert numbers == pytest.approx(measured, rel=0.025)
    assert sorted(numbers, key=numbers.get) == sorted(measured, key=measured.get)
    sixteen = joint_errors(pred - pred[:, :1], true)[:, 1:].mean().item()
    assert sixteen == pytest.approx(numbers["h36m-martinez-p1"] * 17 / 16, rel=1e-5)
