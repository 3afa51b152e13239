"""MPJPE, PCK and AUC of 3D poses, and the alignments before them: one value a pose.

Errors are in the unit of the poses. PA-MPJPE is `mpjpe(align(pred, true, "similarity"), true)`, and
3DPCK is `pck(joint_errors(pred, true), 150.0)`. Which joints, root, frames and mean belong to a
published number is a matter of `posekit.metrics.protocols`.

A pose that holds a NaN or an infinity gives NaN and changes no other pose's value. Two poses of
different shapes raise ValueError: they would be broadcast without a word.

Dimensions: *batch poses, J joints, N poses of one chunk, K of them that need an SVD. Inside a chunk
the poses come last, so that every operation runs over contiguous memory.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ALIGNMENTS = ("none", "rigid", "similarity")
AUC_THRESHOLDS = tuple(float(mm) for mm in range(0, 151, 5))
"""Millimetres: the area under the PCK curve of MPI-INF-3DHP (Mehta et al., 3DV 2017)."""

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
    """Euclidean distance of each joint from its true place."""
    _check_shapes(pred, true)
    return (pred - true).norm(dim=-1)


def mpjpe(
    pred: Float[Tensor, "*batch J 3"], true: Float[Tensor, "*batch J 3"]
) -> Float[Tensor, "*batch"]:
    """Mean per-joint position error of each pose (Ionescu et al., 2014, eq. 8)."""
    return joint_errors(pred, true).mean(dim=-1)


def pck(errors: Float[Tensor, "*batch J"], threshold: float) -> Float[Tensor, "*batch"]:
    """Share of each pose's joints whose error is below `threshold` (strictly), 0 to 1."""
    correct = (errors < threshold).to(errors.dtype).mean(dim=-1)
    # A comparison would count a NaN as a wrong joint.
    return torch.where(errors.isnan().any(dim=-1), torch.nan, correct)


def auc(
    errors: Float[Tensor, "*batch J"], thresholds: Sequence[float] = AUC_THRESHOLDS
) -> Float[Tensor, "*batch"]:
    """Mean of `pck` over the thresholds (MPI-INF-3DHP, mpii_compute_3d_pck.m).

    No error is below the first of the 31 published thresholds, 0, so a perfect pose has 30/31.
    """
    return sum(pck(errors, threshold) for threshold in thresholds) / len(thresholds)


def rescale_bones(
    pred: Float[Tensor, "*batch J 3"],
    true: Float[Tensor, "*batch J 3"],
    bones: Sequence[tuple[int, int]],
) -> Float[Tensor, "*batch J 3"]:
    """`pred` with the bone lengths of `true` (MuPoTS-3D, mpii_map_to_gt_bone_lengths.m).

    `bones` are (parent, child), a parent's own bone before its children's. A joint that is no child
    keeps its place; a predicted bone of length 0 keeps that length.
    """
    _check_shapes(pred, true)
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

    `how`: "none"; "rigid", a rotation and a translation; "similarity", those and a scale (Umeyama,
    1991). A rotation is never a reflection. A pose whose joints coincide becomes the target's mean
    at every joint. Where several rotations are equally good (all joints on a line) one is taken.

    Raises ValueError for another word, or when the two shapes differ.
    """
    if how not in ALIGNMENTS:
        raise ValueError(f"no alignment {how!r}; there are {', '.join(ALIGNMENTS)}")
    _check_shapes(pred, true)
    if how == "none":
        return pred
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
    rotation = _best_rotation(covariance, (size * (y * y).sum(dim=(0, 1))).sqrt())
    if how == "similarity":
        scale = (rotation * covariance).sum(dim=(0, 1)) / size
        rotation = torch.where(size == 0, 0.0, scale) * rotation  # joints that coincide: no scale
    moved = mean
    for axis in range(3):
        moved = torch.addcmul(moved, x[:, axis, None], rotation[axis])
    return moved


def _best_rotation(
    covariance: Float[Tensor, "3 3 N"], bound: Float[Tensor, " N"]
) -> Float[Tensor, "3 3 N"]:
    """Rotation R that maximises the trace of R^T M, for each 3x3 covariance M = x^T y.

    Row vectors: x R is closest to y. The closed form of Markley (1993, J. Astronaut. Sci. 41,
    eq. 16-22) with the largest root of its quartic found by Newton's method; an SVD instead
    (Umeyama, 1991) where that is ill-conditioned: flat against a line, or close to a mirror image.
    `bound` is |x| |y|, the largest trace possible. Expects float64.
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
    """s1 s2 + s2 s3 + s3 s1 and (s1 + s2)(s2 + s3)(s3 + s1) of the singular values, s3 signed."""
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


def _check_shapes(pred: Tensor, true: Tensor) -> None:
    if pred.shape != true.shape or pred.shape[-1:] != (3,):
        raise ValueError(
            f"predicted poses of shape {tuple(pred.shape)}, true ones {tuple(true.shape)}; wanted "
            "the same (..., joints, 3) twice"
        )
