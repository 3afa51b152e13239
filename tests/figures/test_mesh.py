"""Figures of bodies: over the picture where the camera has them, from the side, and in 3D."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from posekit.figures.mesh import (
    PLANE,
    PREDICTED,
    SIDE,
    mesh_3d,
    mesh_rows,
    over,
    predicted,
    true,
    turned,
)
from posekit.figures.skeleton3d import to_display
from posekit.geometry import body
from posekit.geometry.render import project
from posekit.geometry.skeleton import H36M17
from posekit.models.hmr import Estimate


@pytest.fixture(scope="module")
def free():
    return body.free()


@pytest.fixture(scope="module")
def estimate(people):
    camera = torch.tensor([[0.8, 0.2, -0.1]]).expand(3, 3)
    return Estimate(people.rotations, people.shape, camera)


@pytest.fixture(scope="module")
def scene(people, estimate, free):
    return mesh_3d(people, estimate, 1, free, H36M17, title="one")


def test_true_bodies_cover_the_pixels_of_their_masks(people, free):
    for row in range(3):
        drawn = over(None, true(people, row, free), free, PREDICTED)
        seen = torch.from_numpy((drawn < 255).any(-1)).float()[None, None]
        seen = torch.nn.functional.interpolate(seen, people.size, mode="area")[0, 0] > 0.5
        mask = people.masks[row] > 0
        assert (seen ^ mask).sum() / mask.sum() < 0.1, row


def test_a_body_stays_where_its_joints_are_seen(people, free):
    placed = true(people, 0, free)
    joints = free.joints(placed.vertices[None], H36M17)
    pixels = project(joints, placed.intrinsics[None])[0, :, :2]
    grown = (people.joints2d[0] + 0.5) * SIDE / people.size[1] - 0.5
    torch.testing.assert_close(pixels, grown, atol=0.01, rtol=0)


def test_from_the_side_a_body_is_as_high_and_in_the_middle(estimate, free):
    placed = predicted(estimate, 0, free)
    side = turned(placed)
    heights = [(p.vertices[:, 1].amax() - p.vertices[:, 1].amin()).item() for p in (placed, side)]
    assert heights[0] == pytest.approx(heights[1], rel=1e-4)
    pixels = project(side.vertices[None], side.intrinsics[None])[0, :, :2]
    middle = (pixels.amax(0) + pixels.amin(0)) / 2
    torch.testing.assert_close(middle, torch.full((2,), (SIDE - 1) / 2), atol=1.0, rtol=0)


def test_from_the_side_a_body_that_would_reach_beyond_the_drawing_is_made_smaller(estimate, free):
    placed = predicted(estimate, 0, free)
    near = replace(placed, intrinsics=placed.intrinsics * torch.tensor([3.0, 3.0, 1.0])[:, None])
    side = turned(near)
    pixels = project(side.vertices[None], side.intrinsics[None])[0, :, :2]
    assert pixels.max() - pixels.min() > 0.9 * SIDE
    assert 0 <= pixels.min() and pixels.max() <= SIDE - 1


def test_seen_from_the_front_the_body_lies_over_its_person(scene, estimate, free):
    """Straight on, x and up of the scene are pixels of the picture behind it."""
    named = {trace.name: trace for trace in scene.data}
    plane, mesh = named["picture"], named["predicted"]
    placed = predicted(estimate, 1, free)
    pixels = project(placed.vertices[None], placed.intrinsics[None])[0, :, :2].numpy()
    left, right = min(plane.x), max(plane.x)
    low, top = min(plane.z), max(plane.z)
    across = (np.array(mesh.x) - left) / (right - left) * SIDE - 0.5
    down = (top - np.array(mesh.z)) / (top - low) * SIDE - 0.5
    apart = np.hypot(across - pixels[:, 0], down - pixels[:, 1])
    assert apart.max() < 0.03 * SIDE  # the far camera is not quite at infinity
    assert min(plane.y) > max(mesh.y)


def test_the_picture_behind_a_body_has_its_colours_in_their_places(scene, people):
    plane = scene.data[0]
    assert len(plane.facecolor) == len(plane.i) == 2 * PLANE**2
    x, z = np.array(plane.x), np.array(plane.z)
    middles = np.stack(
        [(x[c] + x[c + 1], z[c] + z[c + PLANE + 1]) for c in (plane.i[0], plane.i[63])]
    )
    assert middles[0, 0] < middles[1, 0] and middles[0, 1] == middles[1, 1]  # a row runs right
    assert z[plane.i[64]] < z[plane.i[0]]  # and the next lies below
    r, g, b = people.images[1, :, 32, 30].tolist()  # PLANE is the size of the picture
    assert plane.facecolor[32 * PLANE + 30] == f"#{r:02x}{g:02x}{b:02x}"


def test_the_scene_has_the_picture_the_skeleton_and_both_bodies(scene, people, free):
    named = {trace.name: trace for trace in scene.data}
    assert set(named) == {"picture", "predicted", "true", "left", "right", "middle"}
    bones = sum(np.isnan(np.array(t.x, float)).sum() for t in scene.data if t.type == "scatter3d")
    assert bones == len(H36M17.bones)
    own = free(people.rotations[1:2], people.shape[1:2], torch.zeros(1, 3)).vertices[0]
    for name in ("predicted", "true"):
        assert np.allclose(named[name].z, to_display(own)[:, 2].numpy(), atol=0.51)


def test_every_person_has_a_row_of_drawings(people, estimate, free):
    drawing = mesh_rows(people, estimate, {"a": 0, "b": 2}, free, title="two")
    assert len(drawing.axes) == 10
    assert [axes.get_ylabel() for axes in drawing.axes[::5]] == ["a", "b"]
