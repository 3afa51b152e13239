"""Pose errors, and the alignments that precede them: one value a pose, in the unit of the inputs.

Nothing here says which joints, root, frames or mean a published number stands for: that is
`posekit.protocols`. PA-MPJPE is `mpjpe(align(pred, true, "similarity"), true)`, and a PCK is
`pck(joint_errors(pred, true), 150.0)`.

NaN in, NaN out: a pose with a NaN (or an infinity) gives NaN for that pose and no other.

Dimensions: *batch poses, J joints, N poses of one chunk, K of them that need an SVD. Inside a chunk
the poses come last, so that every operation runs over contiguous memory.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ALIGNMENTS = ("none", "scale", "rigid", "similarity")
AUC_THRESHOLDS = tuple(float(mm) for mm in range(0, 151, 5))
"""Millimetres, of the area under the PCK curve of MPI-INF-3DHP (Mehta et al., 2017)."""

CPU_CHUNK = 4096  # poses: a chunk in float64 stays in the cache of a core
GPU_CHUNK = 1 << 18
MAX_STEPS = 40  # of Newton; human poses take about 6, the hardest ones that pass about 20
CONVERGED = 1e-9  # relative step; convergence is quadratic, so the next error is near 1e-16
ILL_CONDITIONED = 1e-4  # of zeta / |M|^3; below it the closed form loses digits


def centre(pose: Float[Tensor, "*batch J 3"], root: Sequence[int]) -> Float[Tensor, "*batch J 3"]:
    """`pose` with the middle of the joints `root` at the origin."""
    return pose - pose[..., list(root), :].mean(dim=-2, keepdim=True)


def joint_errors(
    pred: Float[Tensor, "*batch J 3"], true: Float[Tensor, "*batch J 3"]
) -> Float[Tensor, "*batch J"]:
    """The distance of each joint from the truth."""
    return (pred - true).norm(dim=-1)


def mpjpe(
    pred: Float[Tensor, "*batch J 3"], true: Float[Tensor, "*batch J 3"]
) -> Float[Tensor, "*batch"]:
    """Mean per-joint position error of each pose (Ionescu et al., 2014, eq. 8)."""
    return joint_errors(pred, true).mean(dim=-1)


def pck(
    errors: Float[Tensor, "*batch J"], threshold: float, *, inclusive: bool = False
) -> Float[Tensor, "*batch"]:
    """The share of each pose's joints whose error is below `threshold`, from 0 to 1.

    A joint at the threshold itself is wrong (`<`, MPI-INF-3DHP) unless `inclusive` (`<=`, MPII).
    """
    right = errors <= threshold if inclusive else errors < threshold
    return _spread_nan(right.to(errors.dtype).mean(dim=-1), errors)


def auc(
    errors: Float[Tensor, "*batch J"], thresholds: Sequence[float] = AUC_THRESHOLDS
) -> Float[Tensor, "*batch"]:
    """Mean of `pck` over the thresholds, each strict (MPI-INF-3DHP, mpii_compute_3d_pck.m).

    The first threshold of the published 31 is 0, which no joint is below: perfect is 30/31.
    """
    return sum(pck(errors, threshold) for threshold in thresholds) / len(thresholds)


def rescale_bones(
    pred: Float[Tensor, "*batch J 3"],
    true: Float[Tensor, "*batch J 3"],
    bones: Sequence[tuple[int, int]],
) -> Float[Tensor, "*batch J 3"]:
    """`pred` with its bones' directions and the true bones' lengths (mpii_map_to_gt_bone_lengths).

    `bones` are (parent, child), a parent's own bone before its children's; joints that are no
    child stay. A predicted bone without length stays without.
    """
    joints = list(pred.unbind(dim=-2))
    for parent, child in bones:
        bone = pred[..., child, :] - pred[..., parent, :]
        length = (true[..., child, :] - true[..., parent, :]).norm(dim=-1, keepdim=True)
        direction = torch.nn.functional.normalize(bone, dim=-1)
        joints[child] = joints[parent] + direction * length
    return torch.stack(joints, dim=-2)


def align(
    pred: Float[Tensor, "*batch J 3"], true: Float[Tensor, "*batch J 3"], how: str
) -> Float[Tensor, "*batch J 3"]:
    """`pred` after the transform that brings it closest to `true` in the least-squares sense.

    `how`: "none"; "scale" about the origin, so centre on a root first (N-MPJPE, Rhodin et al.,
    2018); "rigid", a rotation and a translation; "similarity", those and a scale (Umeyama, 1991).
    A rotation is never a reflection. A pose whose joints coincide becomes the target's mean at
    every joint. Where several rotations are equally good (all joints on a line) one is taken.

    Raises ValueError for another word, or when the two shapes differ.
    """
    if how not in ALIGNMENTS:
        raise ValueError(f"no alignment {how!r}; there are {', '.join(ALIGNMENTS)}")
    if pred.shape != true.shape or pred.shape[-1] != 3:
        raise ValueError(f"poses of shape {tuple(pred.shape)} and {tuple(true.shape)}")
    if how == "none":
        return pred
    if how == "scale":
        size = pred.square().sum(dim=(-2, -1), keepdim=True)
        return _ratio((pred * true).sum(dim=(-2, -1), keepdim=True), size) * pred
    joints = pred.shape[-2]
    count = math.prod(pred.shape[:-2])
    aligned = torch.empty_like(pred, memory_format=torch.contiguous_format)
    flat_pred, flat_true, flat_aligned = (
        pose.reshape(count, joints, 3) for pose in (pred, true, aligned)
    )
    step = CPU_CHUNK if pred.device.type == "cpu" else GPU_CHUNK
    for start in range(0, count, step):
        chunk = slice(start, start + step)
        flat_aligned[chunk] = _procrustes(
            flat_pred[chunk].permute(1, 2, 0), flat_true[chunk].permute(1, 2, 0), how
        ).permute(2, 0, 1)
    return aligned


def _procrustes(
    pred: Float[Tensor, "J 3 N"], true: Float[Tensor, "J 3 N"], how: str
) -> Float[Tensor, "J 3 N"]:
    # float64: a covariance in float32 costs up to 1e-3 mm on slim poses, and little time is won.
    x = pred.to(torch.float64, memory_format=torch.contiguous_format)
    y = true.to(torch.float64, memory_format=torch.contiguous_format)
    mean = y.mean(dim=0)
    x, y = x - x.mean(dim=0), y - mean
    covariance = x.new_zeros(3, 3, x.shape[-1])
    for pred_joint, true_joint in zip(x, y, strict=True):
        covariance = torch.addcmul(covariance, pred_joint[:, None], true_joint)
    size = (x * x).sum(dim=(0, 1))
    rotation = best_rotation(covariance, (size * (y * y).sum(dim=(0, 1))).sqrt())
    if how == "similarity":
        rotation = _ratio((rotation * covariance).sum(dim=(0, 1)), size) * rotation
    moved = mean
    for axis in range(3):
        moved = torch.addcmul(moved, x[:, axis, None], rotation[axis])
    return moved


def best_rotation(
    covariance: Float[Tensor, "3 3 N"], bound: Float[Tensor, " N"]
) -> Float[Tensor, "3 3 N"]:
    """The rotation R that maximises the trace of R^T M, of each 3x3 covariance M = x^T y.

    Row vectors: x R is closest to y. The closed form of Markley (1993, J. Astronaut. Sci. 41,
    eq. 16-22) with the largest root of its quartic found by Newton's method; an SVD instead
    (Umeyama, 1991) where that is ill-conditioned: flat against a line, or close to a mirror image.
    `bound` is |x| |y|, which the trace can't pass. Expects float64.
    """
    m = covariance
    square = (m * m).sum(dim=(0, 1))
    floor = ILL_CONDITIONED * square * square.sqrt()
    cofactor = torch.linalg.cross(m.roll(-1, dims=0), m.roll(-2, dims=0), dim=1)
    cofactor_square = (cofactor * cofactor).sum(dim=(0, 1))
    det = (m[0] * cofactor[0]).sum(dim=0)
    root = torch.minimum(bound, (3 * square).sqrt())  # from above, Newton's method can't overshoot
    for _ in range(MAX_STEPS):
        kappa, zeta = _kappa_zeta(root, square, det)
        step = (kappa * kappa - 2 * root * det - cofactor_square) / (2 * zeta)
        step = torch.where(zeta > floor, step, 0.0)
        root = root - step
        if not (step > CONVERGED * root).any():
            break
    kappa, zeta = _kappa_zeta(root, square, det)
    gram = (m[:, None] * m[None]).sum(dim=2)
    cubic = (gram[:, :, None] * m[None]).sum(dim=1)  # M M^T M
    rotation = ((kappa + square) * m + root * cofactor - cubic) / zeta
    hard = ~(zeta > floor) & square.isfinite()
    return _replace_by_svd(rotation, m, hard) if hard.any() else rotation


def _kappa_zeta(
    root: Float[Tensor, " N"], square: Float[Tensor, " N"], det: Float[Tensor, " N"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Of the singular values, s3 signed: s1 s2 + s2 s3 + s3 s1; (s1 + s2) (s2 + s3) (s3 + s1)."""
    kappa = (root * root - square) / 2
    return kappa, kappa * root - det


def _replace_by_svd(
    rotation: Float[Tensor, "3 3 N"], covariance: Float[Tensor, "3 3 N"], hard: Bool[Tensor, " N"]
) -> Float[Tensor, "3 3 N"]:
    u, s, vt = torch.linalg.svd(covariance[:, :, hard].permute(2, 0, 1))  # (K, 3, 3)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.linalg.det(u @ vt).sign()  # forbid reflections
    rotation = rotation.clone()
    rotation[:, :, hard] = (u * sign[:, None] @ vt).permute(1, 2, 0)
    return rotation


def _ratio(value: Tensor, size: Tensor) -> Tensor:
    """value / size, and 0 where a pose has no size to scale; NaN stays."""
    return torch.where(size == 0, torch.zeros_like(value), value / size)


def _spread_nan(
    score: Float[Tensor, "*batch"], errors: Float[Tensor, "*batch J"]
) -> Float[Tensor, "*batch"]:
    """The scores, NaN for poses with a NaN error: comparing would count that joint as wrong."""
    return torch.where(errors.isnan().any(dim=-1), torch.nan, score)
