"""Errors and alignments against closed forms, and against SVDs in float64 of other libraries."""

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from posekit.metrics.errors import (
    CPU_CHUNK,
    align,
    auc,
    centre,
    joint_errors,
    mpjpe,
    pck,
    rescale_bones,
)


@pytest.fixture
def random() -> torch.Generator:
    torch.manual_seed(0)  # roma draws its rotations from torch's own generator
    return torch.Generator().manual_seed(0)


def humanlike(*batch: int, random: torch.Generator) -> torch.Tensor:
    """Upright poses of 17 joints, mm, some metres in front of a camera."""
    spread = torch.tensor([120.0, 450.0, 150.0])
    place = torch.tensor([200.0, -100.0, 4500.0])
    return torch.randn(*batch, 17, 3, generator=random) * spread + place


def moved(pose: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """`pose` after a rotation, a translation and a scale, one for each pose."""
    rotation = roma.random_rotmat(pose.shape[:-2])
    return scale * pose @ rotation.mT + torch.randn(*pose.shape[:-2], 1, 3) * 500


def registered(pred: torch.Tensor, true: torch.Tensor, scaled: bool) -> torch.Tensor:
    """What roma's SVD in float64 makes of `pred`."""
    pred, true = pred.double(), true.double()
    rotation, translation, *scale = roma.rigid_points_registration(
        pred, true, compute_scaling=scaled
    )
    size = scale[0][:, None, None] if scaled else 1.0
    return size * pred @ rotation.mT + translation[:, None]


def real_poses(shared) -> torch.Tensor:
    with np.load(shared / "cmu_mocap" / "h36m17_50hz.npz", allow_pickle=False) as motions:
        poses = np.concatenate([motions[name][::5] for name in motions.files])
    return torch.from_numpy(poses).float() * 1000


def test_mpjpe_is_the_mean_of_the_joint_distances():
    true = torch.zeros(2, 2, 3)
    pred = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]], [[2.0, 3.0, 6.0], [0.0, 0.0, 0.0]]])
    assert torch.equal(joint_errors(pred, true), torch.tensor([[5.0, 1.0], [7.0, 0.0]]))
    assert torch.equal(mpjpe(pred, true), torch.tensor([3.0, 3.5]))


def test_centring_puts_the_middle_of_the_roots_at_the_origin():
    pose = torch.tensor([[1.0, 0.0, 0.0], [3.0, 2.0, 0.0], [5.0, 5.0, 5.0]])
    assert torch.equal(centre(pose, [0])[2], torch.tensor([4.0, 5.0, 5.0]))
    assert torch.equal(centre(pose, [0, 1])[2], torch.tensor([3.0, 4.0, 5.0]))


def test_a_joint_at_the_threshold_is_wrong():
    assert pck(torch.tensor([[149.0, 150.0, 151.0, 0.0]]), 150.0).item() == 0.5


def test_auc_equals_its_closed_form(random):
    errors = 200 * torch.rand(500, 1, generator=random, dtype=torch.float64)
    errors[:4, 0] = torch.tensor([0.0, 5.0, 150.0, 150.1])
    closed = (1 - torch.floor(errors / 150 * 30 + 1) / 31).clamp(min=0).squeeze(1)
    assert torch.allclose(auc(errors), closed, atol=1e-12, rtol=0)


def test_a_perfect_auc_is_thirty_of_thirty_one_thresholds():
    assert auc(torch.zeros(3, 14)).tolist() == pytest.approx([30 / 31] * 3)


def test_a_nan_joint_makes_the_scores_of_its_pose_nan_and_of_no_other():
    errors = torch.tensor([[1.0, torch.nan], [1.0, 1.0]])
    for score in (pck(errors, 150.0), auc(errors), errors.mean(dim=-1)):
        assert score.isnan().tolist() == [True, False]


@pytest.mark.parametrize("how", ["rigid", "similarity"])
def test_aligning_undoes_a_rigid_motion(how, random):
    true = humanlike(3, 5, random=random)
    assert mpjpe(align(moved(true), true, how), true).max() < 2e-3  # mm, of 5 m in float32


def test_only_the_similarity_undoes_a_scale(random):
    true = humanlike(20, random=random)
    pred = moved(true, scale=1.3)
    assert mpjpe(align(pred, true, "similarity"), true).max() < 2e-3
    assert mpjpe(align(pred, true, "rigid"), true).min() > 50


@pytest.mark.parametrize("how", ["rigid", "similarity"])
@pytest.mark.parametrize("noise", [1.0, 35.0, 400.0])
def test_aligning_human_poses_agrees_with_an_svd_in_float64(how, noise, shared, random):
    true = real_poses(shared)
    pred = moved(true, 0.9) + noise * torch.randn(true.shape, generator=random)
    expected = registered(pred, true, scaled=how == "similarity")
    assert (align(pred, true, how) - expected).abs().max() < 1e-3  # mm


@pytest.mark.parametrize("how", ["rigid", "similarity"])
def test_aligning_unrelated_poses_agrees_with_an_svd(how, random):
    pred, true = (torch.randn(2000, 5, 3, generator=random, dtype=torch.float64) for _ in "ab")
    expected = registered(pred, true, scaled=how == "similarity")
    assert (align(pred, true, how) - expected).abs().max() < 1e-7


def test_the_rotation_is_that_of_scipy(random):
    true = humanlike(30, random=random).double()
    pred = moved(true.float()).double() + 60 * torch.randn(30, 17, 3, generator=random)
    aligned = align(pred, true, "rigid")
    for before, after, target in zip(pred, aligned, true, strict=True):
        x, y = before - before.mean(0), target - target.mean(0)
        rotation, _ = Rotation.align_vectors(y.numpy(), x.numpy())
        assert np.allclose(rotation.apply(x.numpy()), after - target.mean(0), atol=1e-8)


def test_a_mirror_image_is_never_undone(random):
    true = humanlike(200, random=random)
    mirrored = true * torch.tensor([-1.0, 1.0, 1.0])
    aligned = align(mirrored, true, "rigid")
    assert (aligned - registered(mirrored, true, scaled=False)).abs().max() < 1e-3
    assert mpjpe(aligned, true).min() > 20  # mm
    x, y = centre(mirrored, range(17)), centre(aligned, range(17))
    assert (torch.linalg.det(torch.linalg.lstsq(x, y).solution) > 0.99).all()


def test_a_pose_without_extent_becomes_the_mean_of_its_target(random):
    true = humanlike(4, random=random)
    point = torch.full_like(true, 7.0)
    for how in ("rigid", "similarity"):
        aligned = align(point, true, how)
        assert torch.allclose(aligned, true.mean(dim=1, keepdim=True).expand_as(true))


def test_a_target_without_extent_shrinks_a_similarity_and_leaves_a_rigid_pose_its_size(random):
    pred = humanlike(4, random=random)
    point = torch.full_like(pred, 7.0)
    assert torch.allclose(align(pred, point, "similarity"), point)
    rigid = align(pred, point, "rigid")
    assert torch.allclose(torch.cdist(rigid, rigid), torch.cdist(pred, pred), atol=0.5)
    assert torch.allclose(rigid.mean(dim=1), point[:, 0], atol=1e-2)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_flat_poses_align_onto_their_moved_selves(dimensions, random):
    true = torch.zeros(50, 17, 3)
    true[..., :dimensions] = 400 * torch.randn(50, 17, dimensions, generator=random)
    true = moved(true)
    assert mpjpe(align(moved(true, 1.7), true, "similarity"), true).max() < 2e-3
    assert mpjpe(align(moved(true), true, "rigid"), true).max() < 2e-3


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
def test_poses_close_to_a_tie_between_rotations_still_align_best(gap, random):
    # The products of these poses have singular values proportional to 1, 0.8 and gap - 0.8, so the
    # optimum is known; two rotations tie where the last two cancel.
    size = torch.tensor([1.0, 0.8, gap - 0.8], dtype=torch.float64)
    true = 300 * torch.cat([torch.eye(3), -torch.eye(3)]).double().expand(100, 6, 3)
    pred = true * size @ roma.random_rotmat(100, dtype=torch.float64).mT
    best = 300**2 * (size.square().sum() + 3 - 2 * size.sum()) / 3
    left = joint_errors(align(pred, true, "rigid"), true).square().mean(dim=-1)
    assert torch.allclose(left, best.expand(100), rtol=1e-9)


@pytest.mark.parametrize("how", ["rigid", "similarity"])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_pose_leaves_the_others_alone(how, broken, random):
    true = humanlike(6, random=random)
    pred = moved(true) + 35 * torch.randn(true.shape, generator=random)
    pred[4] = 0.0  # needs the other path
    whole = align(pred, true, how)
    pred[1, 3, 2] = broken
    bent = true.clone()
    bent[2, 0, 0] = broken
    aligned = align(pred, bent, how)
    assert aligned.isfinite().all(dim=(1, 2)).tolist() == [True, False, False, True, True, True]
    assert mpjpe(aligned, bent).isfinite().tolist() == [True, False, False, True, True, True]
    assert torch.allclose(aligned[3:], whole[3:], atol=1e-3)


def test_many_poses_are_aligned_as_each_is_alone(random):
    true = humanlike(CPU_CHUNK + 3, random=random)
    pred = true + 35 * torch.randn(true.shape, generator=random)
    together = align(pred, true, "similarity")
    for row in (0, CPU_CHUNK - 1, CPU_CHUNK, CPU_CHUNK + 2):
        alone = align(pred[row], true[row], "similarity")
        assert torch.allclose(together[row], alone, atol=1e-3)
    assert align(pred[:0], true[:0], "similarity").shape == (0, 17, 3)


def test_an_unknown_alignment_or_other_shapes_are_refused(random):
    pose = humanlike(2, random=random)
    with pytest.raises(ValueError, match="procrustes.*none, rigid, similarity"):
        align(pose, pose, "procrustes")
    for other in (pose[:1], pose[:, :1], pose[..., :2]):  # all but the last would be broadcast
        for call in (mpjpe, joint_errors, lambda a, b: align(a, b, "rigid")):
            with pytest.raises((ValueError, TypeError)):  # TypeError where annotations are checked
                call(pose, other)
    bones = [(0, 1)]
    with pytest.raises((ValueError, TypeError)):
        rescale_bones(pose, pose[:1], bones)


def test_rescaled_bones_have_their_own_direction_and_the_true_length():
    true = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [2.0, 3.0, 0.0], [0.0, 0.0, 9.0]])
    pred = torch.tensor([[1.0, 1.0, 1.0], [1.0, 6.0, 1.0], [1.0, 6.0, 2.0], [1.0, 1.0, 1.0]])
    rescaled = rescale_bones(pred, true, [(0, 1), (1, 2), (0, 3)])
    # 2 along y, then 3 along z; the last bone has no direction and stays without length
    expected = [[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 3.0, 4.0], [1.0, 1.0, 1.0]]
    assert torch.allclose(rescaled, torch.tensor(expected))
