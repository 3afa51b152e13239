"""Figures of bodies: over the picture where the camera has them, from the side, and in 3D."""

import numpy as np
import pytest
import torch

from posekit.figures import mesh as mesh_module
from posekit.figures.mesh import FOUND, PLANE, SIDE, body_3d, over, rows, turned
from posekit.figures.skeleton3d import to_display
from posekit.geometry import body
from posekit.geometry.render import project
from posekit.geometry.skeleton import H36M17
from posekit.models.hmr import Estimate
from posekit.studio.wild import Wild


@pytest.fixture(scope="module")
def people():
    return Wild("test", 3, size=64, skeleton=H36M17, people=1)[range(3)]


@pytest.fixture(scope="module")
def said(people):
    camera = torch.tensor([[0.8, 0.2, -0.1]]).expand(3, 3)
    return Estimate(people.rotations, people.shape, camera)


def scene(people, said):
    free = body.free()
    real = mesh_module.true(people, 1, free)
    return body_3d(
        people.images[1],
        said,
        1,
        free,
        H36M17,
        truth=real.vertices - real.root,
        title="one",
    )


def test_true_bodies_cover_the_pixels_of_their_masks(people):
    free = body.free()
    for row in range(3):
        placed = mesh_module.true(people, row, free)
        drawn = over(None, placed, free, FOUND)
        seen = torch.from_numpy((drawn < 255).any(-1)).float()[None, None]
        seen = torch.nn.functional.interpolate(seen, (64, 64), mode="area")[0, 0] > 0.5
        true = people.masks[row] > 0
        missed = (true & ~seen).sum() / true.sum()
        assert missed < 0.2, row  # clothes stand off the body, nothing else


def test_a_body_stays_where_its_joints_are_seen(people):
    free = body.free()
    placed = mesh_module.true(people, 0, free)
    joints = free.joints(placed.vertices[None], H36M17)
    pixels = project(joints, placed.intrinsics[None])[0, :, :2]
    grown = (people.joints2d[0] + 0.5) * SIDE / 64 - 0.5
    assert (pixels - grown).norm(dim=-1).max() < 0.03 * SIDE  # lenses bend


def test_from_the_side_a_body_is_as_high_and_in_the_middle(people, said):
    placed = mesh_module.found(said, 0, body.free())
    side = turned(placed)
    heights = [(p.vertices[:, 1].amax() - p.vertices[:, 1].amin()).item() for p in (placed, side)]
    assert heights[0] == pytest.approx(heights[1], rel=1e-4)
    pixels = project(side.vertices[None], side.intrinsics[None])[0, :, :2]
    middle = (pixels.amax(0) + pixels.amin(0)) / 2
    torch.testing.assert_close(middle, torch.full((2,), (SIDE - 1) / 2), atol=1.0, rtol=0)


def test_seen_from_the_front_the_body_lies_over_its_person(people, said):
    """Straight on, x and up of the scene are pixels of the picture behind it."""
    drawn = scene(people, said)
    named = {trace.name: trace for trace in drawn.data}
    plane, mesh = named["picture"], named["found"]
    placed = mesh_module.found(said, 1, body.free())
    pixels = project(placed.vertices[None], placed.intrinsics[None])[0, :, :2].numpy()
    left, right = min(plane.x), max(plane.x)
    low, top = min(plane.z), max(plane.z)
    across = (np.array(mesh.x) - left) / (right - left) * SIDE - 0.5
    down = (top - np.array(mesh.z)) / (top - low) * SIDE - 0.5
    apart = np.hypot(across - pixels[:, 0], down - pixels[:, 1])
    assert apart.max() < 0.03 * SIDE  # the far camera is not quite at infinity
    assert min(plane.y) > max(mesh.y)


def test_the_scene_has_the_picture_the_skeleton_and_both_bodies(people, said):
    drawn = scene(people, said)
    names = [trace.name for trace in drawn.data]
    assert {"picture", "found", "true", "left", "right", "middle"} == set(names)
    plane = drawn.data[0]
    assert len(plane.facecolor) == len(plane.i) == 2 * PLANE**2
    bones = sum(np.isnan(np.array(t.x, float)).sum() for t in drawn.data if t.type == "scatter3d")
    assert bones == len(H36M17.bones)
    own = body.free()(said.rotations[1:2], said.shape[1:2], torch.zeros(1, 3)).vertices[0]
    found = next(t for t in drawn.data if t.name == "found")
    assert np.allclose(found.z, to_display(own)[:, 2].numpy(), atol=0.51)


def test_a_panel_has_a_row_for_every_person(people, said):
    drawing = rows(people, said, {"a": 0, "b": 2}, body.free(), title="two")
    assert len(drawing.axes) == 10
    assert [axes.get_ylabel() for axes in drawing.axes[::5]] == ["a", "b"]
