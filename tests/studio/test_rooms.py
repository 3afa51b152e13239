"""Generated places against closed forms: rays, planes, projections, and clear places."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from posekit.studio.scene import rooms, scenery
from posekit.studio.scene.atlas import COARSEST, PITCH, atlas
from posekit.studio.scene.surfaces import SIZE

SIDE = 96


def camera(seed=0, centre=None, target=(0.0, 0.0, 900.0), focal=110.0):
    """K, rotation and centre of a level camera that looks at `target`."""
    rng = np.random.default_rng(seed)
    if centre is None:
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(3000, 5500)
        centre = (away * np.cos(angle), away * np.sin(angle), rng.uniform(1000, 2200))
    forward = np.subtract(target, centre)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    middle = (SIDE - 1) / 2
    K = np.array([[focal, 0, middle], [0, focal * 1.02, middle - 3], [0, 0, 1]])
    return tuple(torch.from_numpy(np.asarray(part, float)) for part in (K, R, centre))


def rays(K, R):
    """World directions with depth 1 of every pixel, (SIDE, SIDE, 3)."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).double()
    return pixels @ torch.linalg.inv(K).mT @ R


def draw(kind, seed, clear=((0.0, 0.0, 700.0),)):
    return rooms.stage(np.random.default_rng(seed), kind, clear, 4000.0)


@pytest.mark.parametrize("kind", rooms.KINDS)
def test_the_same_generator_gives_the_same_bytes(kind):
    one, two = draw(kind, 3), draw(kind, 3)
    for first, second in ((one, two), (one, one)):
        a, b = (place.view(*camera(5), SIDE, SIDE) for place in (first, second))
        for left, right in zip(vars(a).values(), vars(b).values(), strict=True):
            assert torch.equal(left, right)
    assert not torch.equal(a.colour, draw(kind, 4).view(*camera(5), SIDE, SIDE).colour)


@pytest.mark.parametrize("kind", rooms.KINDS)
def test_colours_are_light_and_depths_lie_before_the_camera(kind):
    for seed in range(6):
        seen = draw(kind, seed).view(*camera(seed), SIDE, SIDE)
        assert seen.colour.shape == (SIDE, SIDE, 3) and seen.depth.shape == (SIDE, SIDE)
        assert seen.colour.dtype == seen.depth.dtype == torch.float32
        assert seen.colour.isfinite().all() and seen.colour.min() >= 0 and seen.colour.max() < 3
        assert (seen.depth > 0).all()
        assert 0.02 < seen.colour.mean() < 0.9


@pytest.mark.parametrize("kind", rooms.KINDS)
def test_floor_pixels_lie_on_the_plane_that_their_rays_meet(kind):
    found = 0
    for seed in range(6):
        K, R, C = camera(seed)
        seen = draw(kind, seed).view(K, R, C, SIDE, SIDE)
        down = rays(K, R)[..., 2]
        floor = seen.floor
        # Below the horizon, but for the pixel that an edge may touch.
        assert (down[floor] < 0.01).all()
        near = floor & (-C[2] / down < 20000) & (down < 0)
        expected = (-C[2] / down)[near].float()
        assert torch.allclose(seen.depth[near], expected, rtol=2e-3)
        found += int(near.sum())
    assert found > 5000


def test_walls_and_ceiling_are_where_the_room_has_them():
    place = draw("room", 11)
    K, R, C = camera(0, (0.5 * place.low[0], 0.5 * place.low[1], 1500.0))
    seen = place.view(K, R, C, SIDE, SIDE)
    point = C + rays(K, R) * seen.depth[..., None]
    low, high = (torch.from_numpy(v) for v in (place.low, place.high))
    # A pixel on the edge of a face may lie on the face's plane just beyond it.
    within = (point > low - 5).all(-1) & (point < high + 5).all(-1)
    assert within.double().mean() > 0.98
    # Most pixels show the shell itself, the rest what stands before it.
    gap = torch.minimum(point - low, high - point).min(-1).values
    assert (gap.abs() < 5).double().mean() > 0.4


def test_a_marked_floor_point_appears_where_the_camera_projects_it():
    place = draw("sweep", 0)
    black = scenery.Planes(
        origin=np.array([[-400.0, 900.0, 0]]),
        right=np.array([[300.0, 0, 0]]),
        down=np.array([[0, -300.0, 0]]),
        tile=np.array([0.0]),
        tint=np.zeros((1, 3)),
        lit=np.zeros((1, 5)),
    )
    corners = np.array([[-400, 900, 0], [-100, 900, 0], [-100, 600, 0], [-400, 600, 0]], float)
    shell = scenery._rows(place.planes, np.arange(6))
    marked = replace(place, planes=scenery._join([shell, black]), corners=corners[None])
    K, R, C = camera(2)
    dark = marked.view(K, R, C, SIDE, SIDE).colour.sum(-1) == 0
    projected = (torch.from_numpy(corners) - C) @ R.mT @ K.mT
    projected = projected[:, :2] / projected[:, 2:]
    y, x = dark.nonzero().double().unbind(1)
    for pixel, axis in ((x, 0), (y, 1)):
        assert abs(pixel.min() - projected[:, axis].min()) < 1.1
        assert abs(pixel.max() - projected[:, axis].max()) < 1.1
    # And the shape between: each dark pixel's floor point lies in the square.
    direction = rays(K, R)[dark]
    point = C + direction * (-C[2] / direction[:, 2])[:, None]
    step = 1.2 * float((C[2] / direction[:, 2] ** 2).max()) / 110
    assert (point[:, 0] > -400 - step).all() and (point[:, 0] < -100 + step).all()
    assert (point[:, 1] > 600 - step).all() and (point[:, 1] < 900 + step).all()


@pytest.mark.parametrize("kind", rooms.KINDS)
def test_nothing_stands_in_the_clear_places(kind):
    clear = ((0.0, 0.0, 800.0), (1500.0, -700.0, 600.0))
    pieces = 0
    for seed in range(25):
        place = draw(kind, seed, clear)
        boxes, balls = place.boxes, place.balls.place
        pieces += len(boxes.centre)
        cos, sin = np.cos(boxes.yaw), np.sin(boxes.yaw)
        for x, y, radius in clear:
            dx, dy = x - boxes.centre[:, 0], y - boxes.centre[:, 1]
            away = np.hypot(
                np.maximum(np.abs(cos * dx + sin * dy) - boxes.half[:, 0], 0),
                np.maximum(np.abs(cos * dy - sin * dx) - boxes.half[:, 1], 0),
            )
            assert (away > radius - 1e-6).all()
            away = np.hypot(*(balls[:, :2] - (x, y)).T) - balls[:, 3]
            assert (away > radius - 1e-6).all()
    assert pieces > 0 or kind in ("sweep", "texture", "field")


def test_no_ray_to_a_clear_place_from_above_meets_furniture():
    for seed in range(10):
        K, R, C = camera(0, (1.0, 0.0, 2200.0), (0.0, 0.0, 0.0), 130.0)
        seen = draw("room", seed).view(K, R, C, SIDE, SIDE)
        point = C + rays(K, R) * seen.depth[..., None]
        inside = point[..., :2].norm(dim=-1) < 690
        assert inside.sum() > 500 and seen.floor[inside].all()


def test_a_camera_outside_sees_the_room_without_the_wall_between():
    place = draw("room", 2)
    C = (place.high[0] + 2500.0, 0.0, 1500.0)
    K, R, C = camera(0, C, (0.0, 0.0, 900.0))
    seen = place.view(K, R, C, SIDE, SIDE)
    assert seen.depth[SIDE // 2 - 10 : SIDE // 2].max() > 2500 + place.high[0]
    assert seen.floor.any()
    point = C + rays(K, R) * seen.depth[..., None]
    # Nothing that leans on the wall between hangs there without it.
    between = (point[..., 0] > place.high[0] - 150) & (point[..., 2] > 30)
    between &= (point[..., 2] < place.high[2] - 30) & (point[..., 1].abs() < 800)
    assert not between.any()


def test_nearer_boxes_hide_farther_ones_whatever_their_order():
    place = draw("hall", 7)
    rng = np.random.default_rng(0)
    count = 14
    centre = np.stack([*rng.uniform(-1800, 1800, (2, count)), np.full(count, 500.0)], -1)
    half = np.stack([*rng.uniform(80, 160, (2, count)), np.full(count, 500.0)], -1)
    # Apart from each other, or two could share a place and no order would be right.
    keep = [
        k
        for k in range(count)
        if all(np.hypot(*(centre[k] - centre[j])[:2]) > 480 for j in range(k))
    ]
    assert len(keep) > 7
    boxes = scenery.Boxes(
        centre=centre[keep],
        half=half[keep],
        yaw=rng.uniform(0, 3, len(keep)),
        tile=np.tile([0, -1], (len(keep), 1)),
        size=np.full(len(keep), 1000.0),
        tint=np.ones((len(keep), 6, 3)),
        piece=np.arange(len(keep)),
    )
    parts = {
        "boxes": boxes,
        "balls": scenery._rows(place.balls, np.arange(0)),
        "planes": scenery._rows(place.planes, np.arange(6)),
        "corners": np.zeros((0, 4, 3)),
        "clear": np.zeros((0, 3)),
    }
    K, R, C = camera(1, (4200.0, 300.0, 1700.0))
    seen = replace(place, **parts).view(K, R, C, SIDE, SIDE)
    direction = rays(K, R).numpy()
    nearest = np.full((SIDE, SIDE), np.inf)
    for c, h, yaw in zip(boxes.centre, boxes.half, boxes.yaw, strict=True):
        turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        d, o = direction @ turn.T, turn @ (C.numpy() - c)
        with np.errstate(divide="ignore"):
            a, b = (-h - o) / d, (h - o) / d
        enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        nearest = np.where((enter < leave) & (enter > 0), np.minimum(nearest, enter), nearest)
    hit = np.isfinite(nearest)
    assert hit.mean() > 0.05
    # All but pixels on edges.
    close = np.abs(seen.depth.numpy() - nearest)[hit] < 30
    assert close.mean() > 0.93


def test_pieces_step_out_of_the_camera_s_way():
    for seed in range(12):
        place = draw("room", seed)
        if not len(place.boxes.centre):
            continue
        C = (*place.boxes.centre[0, :2], 1500.0)
        K, R, C = camera(0, C, (0.0, 0.0, 900.0))
        seen = place.view(K, R, C, SIDE, SIDE)
        inside = (C.numpy()[:2] > place.low[:2]).all() and (C.numpy()[:2] < place.high[:2]).all()
        assert inside
        point = (C + rays(K, R) * seen.depth[..., None]).numpy()
        # What is seen nearer than that lies on the room's own faces.
        near = np.hypot(*(point - C.numpy())[..., :2].transpose(2, 0, 1)) < 0.9 * scenery.STANDOFF
        gap = np.minimum(point - place.low, place.high - point).min(-1)
        assert (np.abs(gap[near]) < 30).all()


def test_unknown_kinds_and_places_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="no place 'moon'; there are room, hall"):
        draw("moon", 0)
    with pytest.raises(ValueError, match="must be finite mm"):
        draw("room", 0, ((np.nan, 0.0, 1.0),))
    with pytest.raises(ValueError, match="reach above 0"):
        rooms.stage(np.random.default_rng(0), "room", reach=0.0)


def test_the_atlas_repeats_tiles_without_a_seam_and_holds_their_smaller_copies():
    texels, rows, means = atlas()
    assert texels.nbytes < 60e6 and len(rows) == len(means)
    for name in ("oak", "bricks", "grass", "plaster", "leaves"):
        side = SIZE
        while side >= COARSEST:
            margin = side // 16
            top = int(PITCH * side * rows[name])
            left = int(2 * PITCH * (SIZE - side))
            tile = texels[top : top + side + 2 * margin, left : left + side + 2 * margin].astype(
                int
            )
            inner = tile[margin:-margin, margin:-margin]
            assert np.array_equal(tile[:margin, margin:-margin], inner[-margin:])
            assert np.array_equal(tile[margin:-margin, :margin], inner[:, -margin:])
            linear = np.square(inner / 255).mean((0, 1))
            assert linear == pytest.approx(means[rows[name]], abs=0.004)
            side //= 2
