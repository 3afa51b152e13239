"""Losses of integral regression (distances of joints, or of volumes) and of heatmap regression.

Joints are in the cube of posekit.models.integral. Some pictures have no depths (MPII's): there x
and y alone count. Bouchiat et al.'s published code means to do so, but looks at a batch as a
whole: in one that has both kinds, the target of z of the pictures without depths is 0.

B pictures, S stacks, J joints, D x h x w voxels or h x w cells.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional

from posekit.models.integral import to_voxels

Z_OF_2D = ("ignore", "zero")
MEANS = ("joints", "known joints")
Number = int | float


def joint_loss(
    joints: Float[Tensor, "B J 3"],
    true: Float[Tensor, "B J 3"],
    known: Bool[Tensor, "B J"],
    has_depth: Bool[Tensor, " B"],
    *,
    z_of_2d: str = "ignore",
    mean_over: str = MEANS[0],
) -> Float[Tensor, ""]:
    """Absolute differences of x, y and z, added up; unknown joints 0; mean of joints and pictures.

    Bouchiat et al.'s code adds up the joints (l1jointregressionloss.py: J times this), Choi et al.'s
    (MobileHumanPose, main/model.py) takes the mean of x, y and z, too (a third of this). With
    `mean_over` "known joints" the sum of a picture is divided by the number of its known joints:
    then pictures weigh alike, however many joints are labelled. A picture without a known joint
    counts as 0 either way.

    `has_depth` says whose z is known. `z_of_2d` says what z of the other pictures is taught:
    nothing ("ignore"), or 0, unless the whole batch is without depths ("zero": Bouchiat et al.'s
    mistake). ValueError for another word.
    """
    if z_of_2d not in Z_OF_2D:
        raise ValueError(f"no z_of_2d {z_of_2d!r}; there are {', '.join(Z_OF_2D)}")
    deep = has_depth[:, None]
    x, y, z = (joints.float() - true).abs().unbind(-1)
    if z_of_2d == "zero":
        unknown = joints[..., 2].float().abs() * has_depth.any()
    else:
        unknown = torch.zeros_like(z)
    return _mean(x + y + torch.where(deep, z, unknown), known, mean_over)


def volume_loss(
    logits: Float[Tensor, "B J D h w"],
    true: Float[Tensor, "B J 3"],
    known: Bool[Tensor, "B J"],
    has_depth: Bool[Tensor, " B"],
    *,
    sigma: Number = 1.0,
    mean_over: str = MEANS[0],
) -> Float[Tensor, ""]:
    """Squared distance of a joint's probabilities from a Gaussian of `sigma` voxels about it.

    Over the voxels the sum, over joints and pictures the mean, with `mean_over` as in `joint_loss`.
    Where there are no depths, the probabilities added up along z are compared with a Gaussian in x
    and y. What Bouchiat et al. may have meant; `published_volume_loss` is what they ran.
    """
    volume = logits.shape[2:]
    shares = logits.float().flatten(2).softmax(2).unflatten(2, volume)
    places = to_voxels(true, volume).unbind(-1)
    x, y, z = (
        _density(place, count, sigma) for place, count in zip(places, reversed(volume), strict=True)
    )
    flat = torch.einsum("bjy,bjx->bjyx", y, x)
    solid = torch.einsum("bjz,bjyx->bjzyx", z, flat)
    apart3d = (shares - solid).square().sum((2, 3, 4))
    apart2d = (shares.sum(2) - flat).square().sum((2, 3))
    return _mean(torch.where(has_depth[:, None], apart3d, apart2d), known, mean_over)


def published_volume_loss(
    logits: Float[Tensor, "B J D h w"],
    true: Float[Tensor, "B J 3"],
    known: Bool[Tensor, "B J"],
    has_depth: Bool[Tensor, " B"],
) -> Float[Tensor, ""]:
    """The loss of volumes as Bouchiat et al. published it (l2jointheatmaploss.py), mistakes included.

    It compares the logits themselves, and takes the cube's coordinates for voxels: wherever a joint
    is, its Gaussian lies at the first voxel. In a batch without depths the Gaussians of x and y
    make one number for all cells, an inner product instead of an outer one, and the best of the D
    slices counts; in others, a picture without depths has those of the root. Over voxels and
    pictures the sum, over joints the mean, as `joint_loss` counts them. The paper found it harmful
    with MPII beside Human3.6M (section 2).
    """
    logits, (x, y, z) = logits.float(), true.unbind(-1)
    z = z.where(has_depth[:, None], 0)
    x, y, z = (_density(at, n, 1) for at, n in zip((x, y, z), logits.shape[:1:-1], strict=True))
    solid = torch.einsum("bjz,bjy,bjx->bjzyx", z, y, x)
    even = (x * y).sum(-1)[..., None, None, None]
    apart3d = (logits - solid).square().sum((2, 3, 4))
    apart2d = (logits - even).square().sum((3, 4)).amin(2)
    apart = torch.where(has_depth.any(), apart3d, apart2d)  # an `if` would wait for the device
    return len(logits) * _mean(apart, known, MEANS[0])


def _density(at: Float[Tensor, "B J"], count: int, sigma: Number) -> Float[Tensor, "B J n"]:
    steps = torch.arange(count, dtype=at.dtype, device=at.device)
    return Normal(at[..., None], sigma, validate_args=False).log_prob(steps).exp()


def _mean(apart: Float[Tensor, "B J"], known: Bool[Tensor, "B J"], over: str) -> Float[Tensor, ""]:
    """Over the joints of each picture, the unknown ones 0 or left out, then over all pictures."""
    if over not in MEANS:
        raise ValueError(f"no mean_over {over!r}; there are {', '.join(MEANS)}")
    apart = apart.masked_fill(~known, 0)
    if over == "joints":
        return apart.mean()
    return (apart.sum(1) / known.sum(1).clamp(min=1)).mean()


def heatmap_loss(
    heatmaps: Float[Tensor, "B S J h w"], target: Float[Tensor, "B J h w"]
) -> Float[Tensor, ""]:
    """The mean squared error of each stack's heatmaps, summed over the stacks (the base project)."""
    return sum(functional.mse_loss(each.float(), target) for each in heatmaps.unbind(1))
