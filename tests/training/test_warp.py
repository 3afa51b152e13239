"""A warp moves pictures and labels alike: projections hold, bodies follow, and it can be undone."""

from dataclasses import fields, replace

import pytest
import torch
from builders.batch import make_batch, project, smooth

from posekit.data.batch import HIDDEN, IGNORE, SEEN, UNKNOWN
from posekit.geometry.skeleton import COCO17, H36M17, LSP14, SMPL24
from posekit.training import warp as module
from posekit.training.warp import similarities, warp


def matrices(size, count=4, flip=None, turn=None, scale=None, seed=1):
    """Random similarities, or the ones asked for."""
    torch.manual_seed(seed)
    flips = torch.rand(count) < 0.5 if flip is None else torch.full((count,), flip)
    turns = torch.rand(count) * 360 - 180 if turn is None else torch.full((count,), float(turn))
    scales = torch.rand(count) + 0.6 if scale is None else torch.full((count,), float(scale))
    return similarities(size, flips, turns, scales)


def same(a, b, but=()):
    """The tensors of two batches that are not the same bytes."""
    tensors = [f.name for f in fields(a) if isinstance(getattr(a, f.name), torch.Tensor)]
    return [n for n in tensors if n not in but and not torch.equal(getattr(a, n), getattr(b, n))]


@pytest.mark.parametrize("focal", [(150.0, 150.0), (150.0, 130.0)])
@pytest.mark.parametrize("seed", range(5))
def test_joints_still_project_onto_their_pixels(focal, seed):
    batch = make_batch(count=8, focal=focal, seed=seed)
    assert torch.allclose(project(batch.intrinsics, batch.joints3d), batch.joints2d, atol=1e-4)
    shift = torch.eye(3).double().repeat(8, 1, 1)
    shift[:, :2, 2] = torch.randn(8, 2) * 20
    moved = warp(batch, shift @ matrices(batch.size, 8, seed=seed))
    assert not torch.allclose(moved.joints2d, batch.joints2d, atol=5)
    # Far outside the picture float32 pixels have fewer digits.
    off = (project(moved.intrinsics, moved.joints3d) - moved.joints2d).abs()
    assert (off / moved.joints2d.abs().clamp(min=100) < 2e-6).all()


def test_the_camera_stays_upright_and_depths_stay_as_they_are():
    batch = make_batch(count=8)
    moved = warp(batch, matrices(batch.size, 8))
    K = moved.intrinsics
    assert (K[:, [1, 2, 2], [0, 0, 1]].abs() < 1e-4).all() and (K[:, 2, 2] == 1).all()
    assert (K[:, 0, 0] > 0).all() and (K[:, 1, 1] > 0).all()
    order = [sorted(row) for row in moved.joints3d[..., 2].tolist()]
    assert order == [sorted(row) for row in batch.joints3d[..., 2].tolist()]


@pytest.mark.parametrize("skeleton", [H36M17, COCO17, LSP14, SMPL24], ids=lambda s: s.name)
def test_mirroring_twice_is_nothing(skeleton):
    batch = make_batch(skeleton=skeleton)
    mirror = matrices(batch.size, flip=True, turn=0, scale=1)
    once, twice = warp(batch, mirror), warp(warp(batch, mirror), mirror)
    labels = ("joints2d", "boxes", "intrinsics")
    assert same(batch, twice, but=labels) == []
    for name in labels:
        assert torch.allclose(getattr(twice, name), getattr(batch, name), atol=1e-3)
    changed = {"images", "masks", "parts", "visible", "joints3d", "rotations", "translation"}
    assert changed <= set(same(batch, once)) and not {"shape", "index"} & set(same(batch, once))


def test_mirroring_exchanges_columns_and_sides():
    batch = make_batch()
    moved = warp(batch, matrices(batch.size, flip=True, turn=0, scale=1))
    assert torch.equal(moved.images, batch.images.flip(-1))
    assert torch.equal(moved.masks, batch.masks.flip(-1))
    left, right = (H36M17.index(f"{side}_wrist") for side in ("left", "right"))
    assert torch.allclose(moved.joints2d[:, left, 0], 127 - batch.joints2d[:, right, 0], atol=1e-4)
    assert torch.equal(moved.joints2d[:, left, 1], batch.joints2d[:, right, 1])
    assert torch.equal(moved.visible[:, left], batch.visible[:, right])
    head = H36M17.index("head")
    assert torch.equal(moved.joints3d[:, head, 0], -batch.joints3d[:, head, 0])
    twins = {0: 0, 1: 2, 2: 1, 3: 3, 4: 5, 5: 4, 6: 6, IGNORE: IGNORE}
    batch.parts[0, 0, :8] = torch.tensor(list(twins), dtype=torch.uint8)
    moved = warp(batch, matrices(batch.size, flip=True, turn=0, scale=1))
    assert moved.parts[0, 0, -8:].tolist() == list(twins.values())[::-1]


def posed(batch, offsets):
    """The body's joints in the camera, by a chain of rotations down the tree."""
    rotations, joints = [batch.rotations[:, 0]], [batch.translation]
    for child, parent in enumerate(SMPL24.parents[1:], start=1):
        rotations.append(rotations[parent] @ batch.rotations[:, child])
        joints.append(joints[parent] + rotations[parent] @ offsets[child])
    return torch.stack(joints, dim=1)


def test_the_posed_body_goes_where_its_joints_go():
    offsets = torch.randn(24, 3) * 150
    mirror = torch.tensor(SMPL24.mirror)
    across = torch.tensor([-1.0, 1.0, 1.0])
    offsets = (offsets + (offsets * across)[mirror]) / 2  # a body of two equal sides
    batch = make_batch(count=8, skeleton=SMPL24)
    batch = replace(batch, joints3d=posed(batch, offsets))
    moved = warp(batch, matrices(batch.size, 8))
    assert torch.allclose(posed(moved, offsets), moved.joints3d, atol=0.02)
    assert torch.allclose(torch.linalg.det(moved.rotations), torch.ones(()), atol=1e-4)


def test_a_quarter_turn_goes_clockwise():
    batch = make_batch(size=(64, 64))
    moved = warp(batch, matrices(batch.size, flip=False, turn=90, scale=1))
    turned = torch.rot90(batch.images, -1, (2, 3))
    assert (moved.images.int() - turned.int()).abs().max() <= 1
    centre = torch.tensor([31.5, 31.5])
    x, y = (batch.joints2d - centre).unbind(-1)
    assert torch.allclose(moved.joints2d, torch.stack([-y, x], -1) + centre, atol=1e-3)
    left, top, width, height = batch.boxes.unbind(-1)
    box = torch.stack([63 - top - height, left, height, width], dim=-1)
    assert torch.allclose(moved.boxes, box, atol=1e-3)


def test_a_pixel_goes_where_its_joint_goes():
    batch = make_batch(count=1, size=(65, 65))
    batch.images.zero_()
    batch.images[0, :, 20, 40] = 255
    batch.joints2d[0, 0] = torch.tensor([40.0, 20.0])
    for seed in range(6):
        moved = warp(batch, matrices(batch.size, 1, scale=1.2, seed=seed))
        y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
        weight = moved.images[0, 0] / moved.images[0, 0].sum()
        spot = torch.stack([(weight * x).sum(), (weight * y).sum()])
        joint = moved.joints2d[0, H36M17.mirror[0]]
        assert (spot - joint).abs().max() < 0.15


def test_unknown_joints_stay_at_0():
    batch = make_batch(count=8, unknown=True)
    moved = warp(batch, matrices(batch.size, 8))
    unknown = moved.visible == UNKNOWN
    assert unknown.sum() == (batch.visible == UNKNOWN).sum() > 9
    assert not moved.joints2d[unknown].any() and not moved.joints3d[unknown].any()
    assert moved.joints2d[~unknown].any(-1).all()


def test_the_inverse_undoes_a_warp():
    batch = make_batch(count=8, size=(120, 120), unknown=True)
    there = matrices(batch.size, 8)
    back = warp(warp(batch, there), torch.linalg.inv(there))
    assert torch.allclose(back.joints2d, batch.joints2d, atol=1e-3)
    assert torch.allclose(back.joints3d, batch.joints3d, atol=1e-3)
    assert torch.allclose(back.translation, batch.translation, atol=1e-3)
    assert torch.allclose(back.rotations, batch.rotations, atol=1e-5)
    assert torch.allclose(back.intrinsics, batch.intrinsics, atol=1e-3)
    # SEEN joints that once left the picture stay HIDDEN; nothing else changes.
    assert torch.equal(back.visible == UNKNOWN, batch.visible == UNKNOWN)
    assert not ((back.visible == SEEN) & (batch.visible != SEEN)).any()
    y, x = torch.meshgrid(torch.arange(120) - 59.5, torch.arange(120) - 59.5, indexing="ij")
    middle = (x**2 + y**2).sqrt() < 35  # in the picture at every scale and turn
    off = (back.images.int() - batch.images.int()).abs()[:, :, middle]
    assert off.float().mean() < 2 and off.max() < 16
    assert (back.masks == batch.masks)[:, middle].float().mean() > 0.97


def test_two_warps_are_their_product():
    batch = make_batch(count=8)
    first, second = matrices(batch.size, 8, seed=1), matrices(batch.size, 8, seed=2)
    twice, once = warp(warp(batch, first), second), warp(batch, second @ first)
    for name in ("joints2d", "joints3d", "rotations", "translation", "intrinsics"):
        assert torch.allclose(getattr(twice, name), getattr(once, name), atol=2e-3), name


def test_joints_that_leave_the_picture_are_hidden_and_unknown_ones_stay_unknown():
    batch = make_batch(count=1)
    joints = torch.zeros(17, 2) + torch.tensor([64.0, 48.0])
    joints[1], joints[2], joints[3] = torch.tensor([[0, 0], [127, 95], [torch.nan, 3]])
    visible = torch.full((1, 17), SEEN, dtype=torch.uint8)
    visible[0, 3], visible[0, 4] = UNKNOWN, HIDDEN
    batch = replace(batch, joints2d=joints[None], visible=visible)
    still = warp(batch, matrices(batch.size, 1, flip=False, turn=0, scale=1))
    assert torch.equal(still.visible, visible)
    zoomed = warp(batch, matrices(batch.size, 1, flip=False, turn=0, scale=1.1))
    assert zoomed.visible[0, :6].tolist() == [SEEN, HIDDEN, HIDDEN, UNKNOWN, HIDDEN, SEEN]


def test_the_picture_ends_half_a_pixel_beyond_the_last_centres():
    batch = make_batch(count=1)
    joints = torch.full((17, 2), 20.0)
    joints[:4] = torch.tensor([[127.4, 95.4], [127.5, 50], [50, 95.5], [-0.6, 50]])
    batch = replace(batch, joints2d=joints[None], visible=torch.full((1, 17), SEEN).byte())
    still = warp(batch, matrices(batch.size, 1, flip=False, turn=0, scale=1))
    assert still.visible[0, :5].tolist() == [SEEN, HIDDEN, HIDDEN, HIDDEN, SEEN]


def test_outside_of_the_picture_all_is_zero():
    batch = make_batch(size=(64, 64))
    batch.images.fill_(200)
    batch.masks.fill_(1)
    batch.parts.fill_(IGNORE)
    moved = warp(batch, matrices(batch.size, turn=0, scale=0.5))
    for pixels in (moved.images[:, 0], moved.masks, moved.parts):
        assert (pixels[:, :15] == 0).all() and (pixels[:, :, 49:] == 0).all()
        assert (pixels[:, 17:47, 17:47] != 0).all()


def test_opencv_and_torch_warp_alike():
    torch.manual_seed(0)
    pictures = smooth(8, 96, 128)
    back = torch.linalg.inv(matrices((96, 128), 8))
    a = module._opencv(pictures, back, smooth=True)
    b = module._torch(pictures, back, smooth=True)
    assert a.shape == b.shape == pictures.shape and a.float().std() > 50
    off = (a.int() - b.int()).abs()
    # Only where black begins may OpenCV's 1/32 px be seen.
    assert (off <= 2).float().mean() > 0.995 and off.max() <= 8
    a = module._opencv(pictures, back, smooth=False)
    b = module._torch(pictures, back, smooth=False)
    assert (a == b).float().mean() > 0.97


def test_the_accelerator_warps_as_the_processor_does():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    batch = make_batch(count=8)
    there = matrices(batch.size, 8)
    here, away = warp(batch, there), warp(batch.to("cuda"), there.cuda())
    for field in ("joints2d", "joints3d", "intrinsics", "rotations", "boxes", "visible"):
        assert torch.allclose(getattr(here, field), getattr(away, field).cpu(), atol=1e-3), field
    off = (here.images.int() - away.images.cpu().int()).abs()
    assert (off <= 2).float().mean() > 0.995


def test_a_warp_leaves_the_batch_as_it_was():
    batch, fresh = make_batch(), make_batch()
    moved = warp(batch, matrices(batch.size))
    moved.images.zero_()
    assert same(batch, fresh) == []


def test_batches_without_masks_stay_without():
    batch = replace(make_batch(), masks=None, parts=None)
    moved = warp(batch, matrices(batch.size))
    assert moved.masks is None and moved.parts is None
