"""Batches whose labels hold together: joints project, the body's root lies where it should."""

import roma
import torch

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.geometry.skeleton import H36M17


def smooth(count, height, width, channels=3):
    """Pictures without hard edges, 0 to 255."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    phase = torch.rand(count, channels, 3, 1, 1) * torch.tensor([0.12, 0.12, 6.28])[:, None, None]
    waves = torch.sin(phase[:, :, 0] * x + phase[:, :, 1] * y + phase[:, :, 2])
    return (127.5 + 127.5 * waves).round().to(torch.uint8)


def make_batch(
    count=4, size=(96, 128), skeleton=H36M17, focal=(150.0, 150.0), seed=0, unknown=False
) -> Batch:
    """Persons some 4 m away whose joints lie in and round the picture, all in one place each.

    With `unknown`, some of them are not labelled.
    """
    torch.manual_seed(seed)
    height, width = size
    joints3d = torch.randn(count, len(skeleton), 3) * 500 + torch.tensor([0.0, 0.0, 4000.0])
    K = torch.tensor([[focal[0], 0, width / 2 - 7], [0, focal[1], height / 2 + 3], [0, 0, 1]])
    K = K.repeat(count, 1, 1)
    joints2d = project(K, joints3d)
    least = UNKNOWN if unknown else HIDDEN
    visible = torch.randint(least, SEEN + 1, joints2d.shape[:2]).to(torch.uint8)
    inside = ((joints2d >= -0.5) & (joints2d <= torch.tensor([width - 0.5, height - 0.5]))).all(-1)
    visible = torch.where((visible == SEEN) & ~inside, HIDDEN, visible).to(torch.uint8)
    low, high = joints2d.amin(1), joints2d.amax(1)
    known = (visible != UNKNOWN)[..., None]
    joints2d, joints3d = joints2d.where(known, 0.0), joints3d.where(known, 0.0)
    return Batch(
        skeleton=skeleton,
        index=torch.arange(count) * 7 + 3,
        images=smooth(count, height, width),
        boxes=torch.cat([low, high - low], dim=-1),
        joints2d=joints2d,
        visible=visible,
        intrinsics=K,
        joints3d=joints3d,
        has_joints3d=torch.ones(count, dtype=torch.bool),
        rotations=roma.random_rotmat((count, 24)),
        shape=torch.randn(count, 10),
        translation=torch.randn(count, 3) * 300 + torch.tensor([0.0, 0.0, 4000.0]),
        has_body=torch.ones(count, dtype=torch.bool),
        masks=(smooth(count, height, width, 1)[:, 0] > 127).to(torch.uint8),
        parts=(smooth(count, height, width, 1)[:, 0] // 40).to(torch.uint8),
    )


def project(K, points):
    """Pixels of camera points, in float64."""
    points = points.double() @ K.double().mT
    return (points[..., :2] / points[..., 2:]).to(K.dtype)
