"""Three people of the bundled body, rendered in one colour before one camera."""

import pytest
import roma
import torch

from posekit.data.batch import SEEN, Batch
from posekit.geometry import body
from posekit.geometry.render import project, rasterise, shaded
from posekit.geometry.skeleton import H36M17

SIZE = 64


@pytest.fixture(scope="session")
def people() -> Batch:
    free, draw = body.free(), torch.Generator().manual_seed(0)
    turns = 0.2 * torch.randn(3, 24, 3, generator=draw)
    turns[:, 0, 0] += torch.pi  # y down, from y up
    rotations = roma.rotvec_to_rotmat(turns)
    shape = torch.randn(3, free.shapes, generator=draw)
    translation = torch.tensor([[0.0, 0.0, 4000.0], [300.0, 100.0, 4500.0], [-200.0, 0.0, 5000.0]])
    K = torch.tensor([[120.0, 0, 31.5], [0, 120, 31.5], [0, 0, 1]]).expand(3, 3, 3)
    vertices = free(rotations, shape, translation).vertices
    joints3d = free.joints(vertices, H36M17)
    points = project(vertices, K)
    colours = torch.tensor([0.8, 0.4, 0.2]).expand(*vertices.shape)
    return Batch(
        skeleton=H36M17,
        index=torch.arange(3),
        images=shaded(vertices, free.faces, K, SIZE, SIZE, colours).permute(0, 3, 1, 2),
        boxes=torch.tensor([[8.0, 8, 48, 48]]).expand(3, 4),
        joints2d=project(joints3d, K)[..., :2],
        visible=torch.full((3, 17), SEEN, dtype=torch.uint8),
        intrinsics=K,
        joints3d=joints3d,
        has_joints3d=torch.ones(3, dtype=torch.bool),
        rotations=rotations,
        shape=shape,
        translation=translation,
        has_body=torch.ones(3, dtype=torch.bool),
        masks=(rasterise(points, free.faces, SIZE, SIZE, supersample=3).coverage > 0.5).byte(),
    )
