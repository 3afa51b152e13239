"""The losses against their formulas in plain loops, and a body fitted through the whole chain."""

from dataclasses import replace

import pytest
import roma
import torch
from builders.batch import make_batch

from posekit.data.batch import SEEN, UNKNOWN, Batch
from posekit.geometry.body import free
from posekit.geometry.render import project
from posekit.geometry.skeleton import H36M17, SMPL24, SPIN24
from posekit.models.hmr import Estimate, hmr, intrinsics, start_from
from posekit.studio.poses import ACTIONS, performance
from posekit.training.loop import Recipe, train
from posekit.training.mesh_loss import (
    PAPER_WEIGHTS,
    MeshWeights,
    body_joints,
    body_pixels,
    mesh_loss,
    mesh_terms,
)

SIZE = (224, 224)


def guess(count: int = 4) -> Estimate:
    torch.manual_seed(3)
    camera = torch.tensor([0.9, 0.05, -0.1]) + 0.05 * torch.randn(count, 3)
    return Estimate(roma.random_rotmat((count, 24)), torch.randn(count, 10), camera)


def some() -> Batch:
    """Four persons: all is known of the first, 2D of all, 3D of two, body parameters of two."""
    batch = make_batch(4, SIZE)
    visible = batch.visible.clone()
    hips = [H36M17.index("left_hip"), H36M17.index("right_hip")]
    visible[0], visible[1:, hips] = SEEN, SEEN
    return replace(
        batch,
        visible=visible,
        has_joints3d=torch.tensor([True, False, True, False]),
        has_body=torch.tensor([True, True, False, False]),
    )


def test_each_term_is_its_formula():
    pred, batch, body = guess(), some(), free()
    posed = body(pred.rotations, pred.shape, torch.zeros(4, 3))
    points = body.joints(posed.vertices, H36M17)
    sums = {"2d": [], "3d": [], "rotations": [], "shape": []}
    left, right = H36M17.index("left_hip"), H36M17.index("right_hip")
    for b in range(4):
        scale, tx, ty = pred.camera[b].tolist()
        middle = (points[b, left] + points[b, right]) / 2
        true_middle = (batch.joints3d[b, left] + batch.joints3d[b, right]) / 2
        flat, deep = [], []
        for j in range(17):
            known = batch.visible[b, j] != UNKNOWN
            x, y, z = (points[b, j] / 1000).tolist()
            z += 2 * 5000 / (224 * scale)
            for axis, value in enumerate((5000 * (x + tx) / z, 5000 * (y + ty) / z)):
                true = batch.joints2d[b, j, axis] - 111.5
                flat.append(((value - true) / 112) ** 2 if known else 0)
            gap = (points[b, j] - middle - batch.joints3d[b, j] + true_middle) / 1000
            deep += (gap**2).tolist() if known else [0] * 3
        sums["2d"].append(sum(flat) / (17 * 2))
        if batch.has_joints3d[b]:
            sums["3d"].append(sum(deep) / (17 * 3))
        if batch.has_body[b]:
            gap = pred.rotations[b] - batch.rotations[b]
            sums["rotations"].append((gap**2).sum() / (24 * 9))
            sums["shape"].append(((pred.shape[b] - batch.shape[b]) ** 2).sum() / 10)
    found = mesh_terms(pred, batch, body)
    assert [len(v) for v in sums.values()] == [4, 2, 2, 2]
    for term, values in zip(found, sums.values(), strict=False):
        assert term.item() == pytest.approx(float(sum(values) / len(values)), rel=1e-3)
    camera = (torch.exp(-10 * pred.camera[:, 0]) ** 2).mean()
    torch.testing.assert_close(found.camera, camera)


def test_the_sum_has_spins_weights():
    pred, batch, body = guess(), some(), free()
    one, two, rotations, shape, camera = mesh_terms(pred, batch, body)
    # Over SPIN's 49 joints, 25 of which weigh 0, the mean is 24/49 of that over 24.
    expected = 60 * (5 * one * 24 / 49 + 5 * two + rotations + 0.001 * shape + camera)
    torch.testing.assert_close(mesh_loss(pred, batch, body), expected)
    assert mesh_loss(pred, batch, body, MeshWeights(0, 0, 0, 2, 0, 3)) == 6 * shape


def test_what_is_not_known_teaches_nothing_and_may_be_anything():
    pred, batch, body = guess(), some(), free()
    parts = [part.clone().requires_grad_() for part in pred]
    before = mesh_terms(pred, batch, body)
    unknown = batch.visible == UNKNOWN
    spoiled = replace(
        batch,
        joints2d=batch.joints2d.masked_fill(unknown[..., None], torch.nan),
        joints3d=batch.joints3d.masked_fill(
            (unknown | ~batch.has_joints3d[:, None])[..., None], torch.nan
        ),
        rotations=batch.rotations.masked_fill(~batch.has_body[:, None, None, None], torch.nan),
        shape=batch.shape.masked_fill(~batch.has_body[:, None], torch.nan),
    )
    after = mesh_terms(Estimate(*parts), spoiled, body)
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old)
    sum(after).backward()
    assert all(part.grad.isfinite().all() for part in parts)
    nobody = replace(
        spoiled,
        visible=torch.full_like(batch.visible, UNKNOWN),
        has_joints3d=torch.zeros(4, dtype=torch.bool),
        has_body=torch.zeros(4, dtype=torch.bool),
    )
    assert mesh_terms(pred, nobody, body)[:4] == (0, 0, 0, 0)
    # Without both hips nobody knows where a body's middle is.
    hipless = batch.visible.clone()
    hipless[:, H36M17.index("left_hip")] = UNKNOWN
    assert mesh_terms(pred, replace(batch, visible=hipless), body).joints3d == 0


def test_a_negative_scale_is_finite_and_finds_out_of_it():
    pred, batch = guess(), some()
    camera = torch.tensor([[-0.01, 0.0, 0.0]]).repeat(4, 1).requires_grad_()
    loss = mesh_loss(pred._replace(camera=camera), batch, free())
    loss.backward()
    assert loss.isfinite() and camera.grad.isfinite().all()
    assert mesh_terms(pred._replace(camera=camera), batch, free()).camera > 1


def test_bfloat16_does_not_reach_the_body():
    pred, batch = guess(), some()
    plain = body_joints(pred, free(), batch)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(body_joints(pred, free(), batch), plain)


def test_any_body_will_do():
    pred, batch = guess(), replace(some(), skeleton=H36M17)
    coarse, fine = (body_joints(pred, body, batch) for body in (free(), free(full=True)))
    assert (coarse - fine).norm(dim=-1).mean() < 15
    with pytest.raises(ValueError, match="no joint 'left_hip'|has no regressor"):
        odd = replace(H36M17, joints=tuple(f"{name}s" for name in H36M17.joints))
        mesh_terms(pred, replace(batch, skeleton=odd), free())


class Lessons:
    """A batch as a data set of pictures and labels."""

    def __init__(self, batch: Batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch)

    def __getitem__(self, indices):
        chosen = self.batch[indices]
        return chosen.images.float() / 255, chosen


def test_pixels_are_those_of_a_pinhole_camera_and_go_on_where_scales_are_0():
    torch.manual_seed(0)
    points = 500 * torch.randn(3, 5, 3)
    camera = torch.tensor([[0.9, 0.1, -0.2], [0.3, 0.0, 0.4], [1.4, -0.3, 0.0]])
    pred = Estimate(torch.eye(3).expand(3, 24, 3, 3), torch.zeros(3, 10), camera)
    expected = project(points + pred.translation[:, None], intrinsics(3, (64, 48)))[..., :2]
    torch.testing.assert_close(body_pixels(pred, points, (64, 48)), expected, atol=1e-3, rtol=0)
    still = camera.clone()
    still[:, 0] = 0
    still.requires_grad_()
    found = body_pixels(pred._replace(camera=still), points, (64, 48))
    assert (found == torch.tensor([23.5, 31.5])).all()  # infinitely far away
    found.sum().backward()
    assert still.grad.isfinite().all() and still.grad[:, 0].abs().max() < 1e3


@pytest.mark.parametrize("scale", [-1.5, -5.0, -50.0])
def test_no_scale_is_too_far_off_for_the_loss(scale):
    pred, batch = guess(), some()
    camera = torch.tensor([[scale, 0.0, 0.0]]).repeat(4, 1).requires_grad_()
    mesh_terms(pred._replace(camera=camera), batch, free()).camera.backward()
    # each picture's slope is that of a scale of 0: it finds back, and drowns nothing else
    torch.testing.assert_close(camera.grad, torch.tensor([[-5.0, 0.0, 0.0]]).expand(4, 3))


def test_a_network_learns_a_few_bodies_by_heart():
    torch.manual_seed(0)
    poses = performance("S1", "Walking", 1, frames=100)
    rotations = torch.from_numpy(poses.rotations[[10, 30, 50, 70]]).float()
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    shape, body = torch.randn(4, 10), free()
    still = Estimate(rotations, shape, torch.tensor([[0.9, 0.0, 0.0]]).expand(4, 3))
    batch = replace(make_batch(4, (64, 64), SPIN24), rotations=rotations, shape=shape)
    points = body_joints(still, body, batch)
    batch = replace(
        batch,
        joints3d=points,
        joints2d=body_pixels(still, points, (64, 64)),
        visible=torch.full((4, 24), SEEN, dtype=torch.uint8),
    )
    net = hmr("shufflenetv2", width=0.5, start=start_from(rotations, torch.zeros(4, 10)))
    recipe = Recipe(epochs=40, batch=4, rate=5e-5)  # the paper's rate
    history = train(net, Lessons(batch), recipe, loss=lambda a, b: mesh_loss(a, b, body), seed=0)
    assert history.losses[-1] < 0.2 * history.losses[0]


def seen(count: int = 2) -> tuple[Estimate, Batch]:
    """Bodies of the studio, seen by the network's camera, with their joints."""
    torch.manual_seed(0)
    body, takes = free(), (("Walking", 60, 0.4), ("Sitting", 150, -0.9))
    down = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # z up to y down
    rotations = []
    for action, frame, yaw in takes[:count]:
        pose = torch.from_numpy(performance("S9", action, 1, frames=300).rotations[frame])
        pose = pose.float()
        pose[0] = down @ roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, yaw])) @ pose[0]
        rotations.append(pose)
    camera = torch.tensor([[0.9, 0.02, 0.05], [1.0, -0.05, 0.0]])[:count]
    true = Estimate(torch.stack(rotations), 0.8 * torch.randn(count, 10), camera)
    batch = make_batch(count, SIZE, SMPL24)
    points = body_joints(true, body, batch)
    batch = replace(
        batch,
        joints3d=points,
        joints2d=body_pixels(true, points, SIZE),
        visible=torch.full((count, 24), SEEN, dtype=torch.uint8),
        has_body=torch.zeros(count, dtype=torch.bool),  # pose and shape are what is looked for
    )
    return true, batch


def vertices(estimate: Estimate) -> torch.Tensor:
    return free()(estimate.rotations, estimate.shape, torch.zeros(len(estimate.shape), 3)).vertices


def test_a_body_fitted_to_joints_is_near_the_true_one():
    true, batch = seen()
    assert mesh_loss(true, batch, free(), replace(PAPER_WEIGHTS, camera=0)) < 1e-6
    takes = [performance("S1", a, 1, frames=300).rotations[::20] for a in ACTIONS]
    known = torch.cat([torch.from_numpy(take).float() for take in takes])
    start = start_from(known, torch.zeros(len(known), 10))
    mean = roma.special_gramschmidt(start.pose.view(24, 3, 2))
    numbers = [part.expand(2, -1).clone().requires_grad_() for part in start]

    def estimate() -> Estimate:
        pose, shape, camera = numbers
        return Estimate(roma.special_gramschmidt(pose.view(-1, 24, 3, 2)), shape, camera)

    def apart() -> torch.Tensor:
        with torch.no_grad():
            return (vertices(estimate()) - vertices(true)).norm(dim=-1).mean(1)

    assert apart().min() > 150
    solver = torch.optim.LBFGS(
        numbers, max_iter=150, history_size=30, line_search_fn="strong_wolfe"
    )
    for prior in (1.0, 0.1, 0.01, 0.001):

        def closure(prior=prior):
            solver.zero_grad()
            pred = estimate()
            far = (pred.rotations - mean)[:, 1:].square().mean() + 0.01 * pred.shape.square().mean()
            loss = mesh_loss(pred, batch, free()) + prior * far
            loss.backward()
            return loss

        solver.step(closure)
    assert (apart() < 10).all(), apart()
    torch.testing.assert_close(numbers[2], true.camera, atol=0.02, rtol=0)
