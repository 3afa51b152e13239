"""The losses of integral regression against their formulas in plain loops."""

import math

import numpy as np
import pytest
import torch

from posekit.models.integral import from_voxels
from posekit.training import integral
from posekit.training.losses import joint_loss, published_volume_loss, volume_loss


def some_joints() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    joints, true = torch.rand(4, 5, 3) - 0.5, torch.rand(4, 5, 3) - 0.5
    known = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]])
    has_depth = torch.tensor([True, False, True, False])
    true[~has_depth, :, 2] = 0
    return joints, true, known.bool(), has_depth


@pytest.mark.parametrize("mean_over", ["joints", "known joints"])
@pytest.mark.parametrize("z_of_2d", ["ignore", "zero"])
def test_the_loss_of_joints_is_its_formula(z_of_2d, mean_over):
    joints, true, known, has_depth = some_joints()
    total = 0.0
    for b in range(4):
        apart = 0.0
        for j in range(5):
            for axis in range(3):
                taught = axis < 2 or has_depth[b] or z_of_2d == "zero"
                if known[b, j] and taught:
                    apart += abs(joints[b, j, axis].item() - true[b, j, axis].item())
        total += apart / (5 if mean_over == "joints" else max(int(known[b].sum()), 1))
    how = {"z_of_2d": z_of_2d, "mean_over": mean_over}
    loss = joint_loss(joints, true, known, has_depth, **how)
    assert loss.item() == pytest.approx(total / 4, rel=1e-5)


def test_the_loss_of_joints_is_the_published_ones_but_for_a_constant():
    """Of pictures with 5, 3, 0 and 3 known joints, as the two published codes weigh them.

    ETH: |difference| times visibility, all of a picture's numbers added up; mean of the pictures.
    MobileHumanPose: ((x + y + z has_depth) / 3) times visibility, mean of all joints and pictures.
    """
    joints, true, known, has_depth = some_joints()
    apart, weights = (joints - true).abs().numpy(), known.numpy()
    apart[:, :, 2] *= has_depth.numpy()[:, None]
    eth = np.mean([(apart[b] * weights[b][:, None]).sum() for b in range(4)])
    mobile = (apart.sum(2) / 3 * weights).mean()
    loss = joint_loss(joints, true, known, has_depth).item()
    assert loss == pytest.approx(eth / 5) == pytest.approx(3 * mobile)
    with_equal_pictures = joint_loss(joints, true, known, has_depth, mean_over="known joints")
    assert with_equal_pictures.item() > 1.2 * loss


def test_depths_nobody_knows_teach_nothing_unless_the_mistake_is_asked_for():
    joints, true, known, has_depth = some_joints()
    joints.requires_grad_()
    true[~has_depth, :, 2] = torch.nan  # what isn't known may be anything
    true[1, 1] = torch.nan

    def taught(has_depth, **how):
        (grad,) = torch.autograd.grad(joint_loss(joints, true, known, has_depth, **how), joints)
        assert torch.isfinite(grad).all()
        return grad[1, 0, 2].item()

    assert taught(has_depth) == 0
    z = joints[1, 0, 2].item()
    assert taught(has_depth, z_of_2d="zero") == pytest.approx(math.copysign(1 / 5 / 4, z))
    # The published code notices a batch that has no depths at all.
    assert taught(torch.zeros(4, dtype=torch.bool), z_of_2d="zero") == 0


def test_the_loss_of_volumes_is_its_formula():
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 4, 5, 6)
    true = torch.tensor([[[0.1, -0.2, 0.3], [0.0, 0.0, 0.0]], [[-0.3, 0.2, 0.0], [0.4, 0.1, 0.0]]])
    known = torch.tensor([[True, False], [True, True]])
    has_depth = torch.tensor([True, False])
    sigma = 1.5

    def density(at, place):
        return math.exp(-0.5 * ((at - place) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))

    errors = torch.zeros(2, 2)
    for b in range(2):
        for j in range(2):
            shares = logits[b, j].double().exp()
            shares = shares / shares.sum()
            px, py, pz = ((true[b, j] + 0.5) * torch.tensor([6, 5, 4]) - 0.5).tolist()
            for y in range(5):
                for x in range(6):
                    flat = density(x, px) * density(y, py)
                    if has_depth[b]:
                        for z in range(4):
                            errors[b, j] += (shares[z, y, x] - flat * density(z, pz)) ** 2
                    else:
                        errors[b, j] += (shares[:, y, x].sum() - flat) ** 2
    loss = volume_loss(logits, true, known, has_depth, sigma=sigma)
    torch.testing.assert_close(loss, (errors[0, 0] + errors[1].sum()) / 4)
    alike = volume_loss(logits, true, known, has_depth, sigma=sigma, mean_over="known joints")
    torch.testing.assert_close(alike, (errors[0, 0] + errors[1].mean()) / 2)


def test_the_loss_of_volumes_is_least_at_the_joint_and_blind_to_unknown_depths():
    steps = torch.arange(16.0)
    x, y, z = ((steps - at) ** 2 / -2 for at in (7.0, 4.0, 9.0))
    logits = (z[:, None, None] + y[:, None] + x)[None, None]
    true = from_voxels(torch.tensor([[[7.0, 4.0, 9.0]]]), (16, 16, 16))
    known = torch.ones(1, 1, dtype=torch.bool)
    deep, flat = known[0], ~known[0]
    assert volume_loss(logits, true, known, deep) < 1e-6
    off = true + torch.tensor([0, 0, 0.25])
    assert volume_loss(logits, off, known, deep) > 0.02
    assert volume_loss(logits, off, known, flat) < 1e-6
    assert volume_loss(logits, off, ~known, deep) == 0


@pytest.mark.parametrize("depths", ["some", "none"])
def test_the_published_loss_of_volumes_is_its_code(depths):
    """l2jointheatmaploss.py, joint by joint: cells count from 0, joints are in -0.5 to 0.5; for (J, 2)
    targets kern_y[None] @ kern_x[:, None] is one number. JointMultiLoss passes (J, 2) only where
    all z of the batch are 0, and adds up half of this and half of the joints' loss."""
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 4, 6, 6)
    true = torch.rand(2, 3, 3) - 0.5
    known = torch.tensor([[True, False, True], [True, True, False]])
    has_depth = torch.tensor([depths == "some", False])

    def kernel(count, at):
        return np.exp(-0.5 * (np.arange(count) - at) ** 2) / math.sqrt(2 * math.pi)

    volumes, places, total = logits.double().numpy(), true.double().numpy(), 0.0
    places[~has_depth.numpy(), :, 2] = 0
    for b in range(2):
        for j in range(3):
            x, y, z = places[b, j]
            if has_depth.any():
                truth = np.einsum("i,j,k->ijk", kernel(4, z), kernel(6, y), kernel(6, x))
                error = ((volumes[b, j] - truth) ** 2).sum()
            else:
                truth = kernel(6, y)[None] @ kernel(6, x)[:, None]
                error = ((volumes[b, j] - truth) ** 2).sum(axis=(1, 2)).min()
            total += error * known[b, j].item()
    loss = published_volume_loss(logits, true, known, has_depth)
    assert 3 * loss.item() == pytest.approx(total, rel=1e-5)
    target = torch.cat([true, known[..., None], has_depth[:, None, None].expand(2, 3, 1)], dim=-1)
    both = integral.cube_loss(logits, target, kind="both, published")
    torch.testing.assert_close(both, (loss + integral.cube_loss(logits, target)) / 2)


def test_an_unknown_switch_is_named():
    joints, true, known, has_depth = some_joints()
    with pytest.raises(ValueError, match="no z_of_2d 'guess'; there are ignore, zero"):
        joint_loss(joints, true, known, has_depth, z_of_2d="guess")
    with pytest.raises(ValueError, match="no mean_over 'all'; there are joints, known joints"):
        joint_loss(joints, true, known, has_depth, mean_over="all")
