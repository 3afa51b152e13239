"""Cameras against Human3.6M's own numbers, an independent projection, and themselves."""

import json
from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera, Intrinsics

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")


@pytest.fixture(scope="module")
def human36m(shared) -> dict[str, list[tuple[dict, dict]]]:
    """VideoPose3D's two dicts of every camera, by subject."""
    path = shared / "h36m_cameras" / "h36m_cameras_videopose3d.json"
    cameras = json.loads(path.read_text())
    lenses = cameras["h36m_cameras_intrinsic_params"]
    places = cameras["h36m_cameras_extrinsic_params"]
    return {s: list(zip(lenses, places[s], strict=True)) for s in SUBJECTS}


@pytest.fixture(scope="module")
def camera() -> Camera:
    """Human3.6M's most distorted camera, looking along y from 5 m, 1.5 m above the ground."""
    rotation = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    return HUMAN36M_INTRINSICS["60457274"].at(rotation, [0, -5000, 1500])


def person(dtype=torch.float64) -> torch.Tensor:
    """Points (world, mm) in the space that a person standing in the middle takes."""
    x, y, z = torch.linspace(-250, 250, 5), torch.linspace(-250, 250, 5), torch.linspace(0, 1700, 7)
    return torch.cartesian_prod(x, y, z).to(dtype)


def metadata_projection(points, focal, principal, radial, p, mixed=1.0) -> np.ndarray:
    """The lens as matrices over columns; `mixed` 2 makes it OpenCV's (its documentation)."""
    xy = points[:, :2].T / points[:, 2]
    r2 = (xy**2).sum(axis=0)
    stretch = 1 + np.asarray(radial) @ np.stack([r2, r2**2, r2**3])
    stretch += mixed * (np.asarray(p)[::-1] @ xy)
    shift = np.outer(np.asarray(p)[::-1], r2)
    return (np.asarray(focal)[:, None] * (stretch * xy + shift)).T + principal


def largest(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b), axis=-1).max())


def as_martinez(c: Camera) -> tuple:
    parts = (c.centre, c.focal, c.principal, c.radial, c.tangential)
    return (c.rotation.numpy(), *(part.numpy()[:, None] for part in parts), c.name)


def as_3dmppe(c: Camera) -> dict:
    return {
        "R": c.rotation.tolist(),
        "t": (-c.rotation @ c.centre).tolist(),
        "f": c.focal.tolist(),
        "c": c.principal.tolist(),
    }


def test_the_three_notations_are_one_camera(human36m):
    for subject in SUBJECTS:
        for lens, place in human36m[subject]:
            first = Camera.from_videopose3d(lens, place)
            moon = Camera.from_3dmppe(as_3dmppe(first), first.name)
            moon = replace(moon, radial=first.radial, tangential=first.tangential)
            world = person()
            pixels = first.project(first.world_to_camera(world))
            for other in (Camera.from_martinez(as_martinez(first)), moon):
                assert (other.name, other.size) == (first.name, first.size)
                assert largest(other.project(other.world_to_camera(world)), pixels) < 1e-8
                assert largest(other.world_to_camera(world), first.world_to_camera(world)) < 1e-8


def test_videopose3d_means_what_its_own_formulas_say(human36m):
    world = person()
    for lens, place in human36m["S9"]:
        camera = Camera.from_videopose3d(lens, place)
        w, x, y, z = place["orientation"]
        to_world = roma.unitquat_to_rotmat(roma.quat_normalize(torch.tensor([x, y, z, w]).double()))
        points = (world - torch.tensor(place["translation"]).double()) @ to_world
        assert largest(camera.world_to_camera(world), points) < 1e-6
        # VideoPose3D, common/camera.py: p meets (x, y) unswapped, so it stores (p2, p1)
        xy = points[:, :2] / points[:, 2:]
        r2 = (xy**2).sum(-1, keepdim=True)
        p = torch.tensor(lens["tangential_distortion"]).double()
        k = torch.tensor(lens["radial_distortion"]).double()
        stretch = 1 + (k * torch.cat([r2, r2**2, r2**3], -1)).sum(-1, keepdim=True)
        stretch = stretch + (p * xy).sum(-1, keepdim=True)
        pixels = (xy * stretch + p * r2) * torch.tensor(lens["focal_length"]).double()
        pixels = pixels + torch.tensor(lens["center"]).double()
        assert largest(camera.project(points), pixels) < 1e-4
        assert camera.tangential.tolist() == lens["tangential_distortion"][::-1]


def test_the_known_intrinsics_are_the_files_to_the_digits_printed(human36m):
    for lens, place in human36m["S1"]:
        exact = Camera.from_videopose3d(lens, place)
        known = HUMAN36M_INTRINSICS[exact.name].at(exact.rotation, exact.centre)
        points = exact.world_to_camera(person())
        assert known.size == exact.size
        assert largest(known.project(points), exact.project(points)) < 2e-4


def test_tangential_is_in_the_order_of_the_metadata():
    # 54138969 in Human3.6M's metadata.xml, rounded: k1 k2 k3 -0.2071 0.2478 -0.0031 and then
    assert HUMAN36M_INTRINSICS["54138969"].tangential == (-0.001424, -0.000976)
    assert list(HUMAN36M_INTRINSICS) == ["54138969", "55011271", "58860488", "60457274"]


def test_human36ms_cameras_stand_around_the_room_and_look_at_its_middle_upright(human36m):
    for subject in SUBJECTS:
        for lens, place in human36m[subject]:
            camera = Camera.from_videopose3d(lens, place)
            middle = torch.tensor([[0.0, 0.0, 900.0], [0.0, 0.0, 1400.0]])
            points = camera.world_to_camera(middle)
            assert ((points[:, 2] > 4000) & (points[:, 2] < 6000)).all()
            (u, v), (above_u, above_v) = camera.project(points).tolist()
            assert 300 < u < 700 and 300 < v < 700
            assert above_v < v - 90 and abs(above_u - u) < 20
            assert 1300 < camera.centre[2] < 1800


def test_projection_is_human36ms_formula(camera):
    points = camera.world_to_camera(person())
    lens = HUMAN36M_INTRINSICS["60457274"]
    expected = metadata_projection(
        points.numpy(), lens.focal, lens.principal, lens.radial, lens.tangential
    )
    assert largest(camera.project(points), expected) < 1e-9


def test_a_point_on_the_axis_is_the_principal_point_and_one_beside_it_is_computed_by_hand():
    lens = Intrinsics("hand", (1000.0, 2000.0), (500.0, 400.0), (0.5, 0.25, 0.125), (0.25, 0.125))
    camera = lens.at(torch.eye(3), torch.zeros(3))
    points = torch.tensor([[0.0, 0.0, 7.0], [2.0, 0.0, 2.0]])
    # x = 1, y = 0, r2 = 1: s = 1 + .5 + .25 + .125 + p2 = 2
    expected = [[500, 400], [1000 * (2 + 0.125) + 500, 2000 * 0.25 + 400]]
    assert camera.project(points).tolist() == expected


@pytest.mark.parametrize("radius", [200, 250])
@pytest.mark.parametrize("name", HUMAN36M_INTRINSICS)
def test_pinhole_and_other_lens_models_are_as_far_off_as_measured(name, radius):
    # On real frames, where people reach this far from the centre: pinhole 1.2 to 2.4 px, OpenCV's
    # formula up to 0.19, p1 and p2 exchanged up to 0.18 (more in camera 58860488).
    camera = HUMAN36M_INTRINSICS[name].at(torch.eye(3), torch.zeros(3))
    angle = torch.linspace(0, 2 * torch.pi, 100).double()
    ring = radius * torch.stack([angle.cos(), angle.sin()], dim=-1) + camera.principal
    points = camera.back_project_pinhole(ring, torch.full_like(angle, 5000))
    pixels = camera.project(points)
    assert 1.2 < largest(ring, pixels) < 2.6
    parts = (camera.focal, camera.principal, camera.radial)
    opencv = metadata_projection(
        points.numpy(), *(part.numpy() for part in parts), camera.tangential, mixed=2
    )
    assert 0.05 < largest(opencv, pixels) < 0.19
    swapped = replace(camera, tangential=camera.tangential.flip(0))
    assert 0.04 < largest(swapped.project(points), pixels) < 0.36


def test_back_projection_undoes_projection_without_distortion(camera):
    pinhole = replace(camera, radial=torch.zeros(3), tangential=torch.zeros(2))
    ticks = torch.arange(-500, 1501, 50).double()
    pixels = torch.cartesian_prod(ticks, ticks)
    depth = torch.linspace(1000, 9000, len(pixels)).double()
    points = pinhole.back_project_pinhole(pixels, depth)
    assert torch.equal(points[:, 2], depth)
    assert largest(pinhole.project(points), pixels) < 1e-9
    assert largest(camera.project(points), pixels) > 10


def test_camera_coordinates_keep_distances_and_have_their_axes(camera):
    world = person()
    points = camera.world_to_camera(world)
    assert torch.allclose(torch.cdist(points, points), torch.cdist(world, world), atol=1e-6)
    assert camera.world_to_camera(camera.centre).abs().max() < 1e-9
    # x right, y down, z forward: a point above, right of and behind the middle of the room
    assert camera.world_to_camera(torch.tensor([100.0, 1.0, 1900.0])).tolist() == [100, -400, 5001]


def test_any_batch_shape_and_float_type_comes_back_as_it_went_in(camera):
    exact = camera.project(camera.world_to_camera(person()))
    for shape in ((175, 3), (7, 25, 3), (5, 5, 7, 3)):
        points = camera.world_to_camera(person(torch.float32).reshape(shape))
        pixels = camera.project(points)
        assert pixels.dtype == torch.float32 and pixels.shape == (*shape[:-1], 2)
        assert largest(pixels.reshape(-1, 2), exact) < 1e-3
        back = camera.back_project_pinhole(pixels, points[..., 2])
        assert back.dtype == torch.float32 and back.shape == shape
    assert camera.project(torch.tensor([0.0, 0.0, 1.0])).shape == (2,)
    assert camera.project(torch.zeros(0, 17, 3)).shape == (0, 17, 2)


def test_gradients_flow_through_the_lens(camera):
    points = camera.world_to_camera(person()[:6]).requires_grad_()
    assert torch.autograd.gradcheck(camera.project, points)


def test_what_is_not_a_camera_is_refused_with_the_reason(camera):
    with pytest.raises(ValueError, match="camera mirror: .* is not a rotation"):
        replace(camera, name="mirror", rotation=torch.diag(torch.tensor([1.0, 1.0, -1.0])))
    with pytest.raises(ValueError, match=r"lacks \['t', 'f'\]"):
        Camera.from_3dmppe({"R": 0, "c": 0}, "x")
    with pytest.raises(ValueError, match="not 3 things"):
        Camera.from_martinez((1, 2, 3))
    with pytest.raises(ValueError, match=r"expected \(3,\) numbers of a camera, got \(2,\)"):
        Camera.from_3dmppe({"R": np.eye(3), "t": [0, 0], "f": [1, 1], "c": [0, 0]}, "x")
