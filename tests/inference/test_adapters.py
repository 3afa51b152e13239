"""People in a picture from the output of networks of every kind, against closed forms."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from posekit.geometry.body import free
from posekit.geometry.skeleton import H36M17, LSP14, MPII16
from posekit.inference.adapters import pose_network
from posekit.inference.detectors import Detection
from posekit.inference.drawing import draw_bodies
from posekit.inference.localise import Person, camera_of, locate, window
from posekit.inference.predictor import Predictor
from posekit.metrics import mesh
from posekit.models.hmr import FOCAL, Estimate

HERE, SIDE = Path(__file__), 64
BLANK = np.zeros((300, 400, 3), np.uint8)
CAMERA = camera_of((300, 400), focal=450.0)


def predictor(kind: str, run, **more) -> Predictor:
    return Predictor(kind, HERE, kind, (3, SIDE, SIDE), run, **more)


# Boxes


@pytest.mark.parametrize(
    "box", [(300, 100, 200, 150), (-50, -20, 100, 100), (100, 250, 80, 200), (50, 60, 120, 90)]
)
def test_a_box_is_cut_at_the_pictures_edges_before_it_is_squared(box):
    """3DMPPE_POSENET_RELEASE, data/dataset.py and common/utils/pose_utils.py, process_bbox:
    x1 = max(0, x); x2 = min(width - 1, x1 + max(0, w - 1)); then the aspect ratio, then 1.25."""
    x, y, w, h = box
    x1, y1 = max(0, x), max(0, y)
    x2, y2 = min(399, x1 + max(0, w - 1)), min(299, y1 + max(0, h - 1))
    side = 1.25 * max(x2 - x1, y2 - y1)
    found = window(Detection(box), SIDE, (300, 400), "here")
    assert found.side == pytest.approx(side)
    middle = found.in_picture(torch.tensor([[(SIDE - 1) / 2, (SIDE - 1) / 2]]).double())
    assert middle[0].tolist() == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2])


def test_a_box_of_which_no_pixel_is_in_the_picture_is_refused():
    for box in ((399, 100, 50, 50), (100, 299, 50, 50)):
        with pytest.raises(ValueError, match=r"a.jpg, person 1: less than two pixels of the box"):
            window(Detection(box), SIDE, (300, 400), "a.jpg, person 1")


# Heatmaps


def test_heatmaps_give_joints_in_the_picture_and_nothing_in_space():
    maps = torch.zeros(1, 2, 16, 16, 16)  # two stacks, 16 joints
    maps[:, :, :, 5, 9] = 0.5
    maps[:, 1, :, 5, 9] = 0.8  # the last stack counts
    maps[:, 1, :, 5, 10] = 0.2  # a quarter of a cell to the right
    run = lambda pictures: maps.expand(len(pictures), -1, -1, -1, -1)
    network = pose_network(predictor("heatmaps", run))
    assert network.skeleton is MPII16 and network.kind == "heatmaps"
    (person,) = locate(BLANK, [Detection((100, 50, 101, 201), 0.9)], network, CAMERA, "here")
    # Cell c of 4 px has its middle at 4 c + 1.5; the crop shows 250 px of the picture from
    # (150 - 125, 150 - 125) on, whose first pixel's left edge is the crop's.
    x, y = 4 * 9.25 + 1.5, 4 * 5 + 1.5
    place = [150 + (x - 31.5) * 250 / 64, 150 + (y - 31.5) * 250 / 64]
    assert person.joints2d[3].tolist() == pytest.approx(place, abs=1e-3)
    assert person.scores.tolist() == pytest.approx([0.8] * 16)
    assert person.joints3d is None and person.depth is None and person.body is None
    plain = person.plain()
    assert plain["joints3d"] is None and plain["depth"] is None and plain["body"] is None
    assert torch.equal(Person.read(plain).scores, torch.tensor([0.8] * 16))
    moved = pose_network(predictor("heatmaps", run, offset=(-1.5, 2.0)))
    (other,) = locate(BLANK, [Detection((100, 50, 101, 201))], moved, CAMERA, "here")
    gap = (other.joints2d - person.joints2d) * 64 / 250
    assert gap[0].tolist() == pytest.approx([-1.5, 2.0], abs=1e-3)


def test_the_number_of_joints_or_the_network_says_the_skeleton():
    run = lambda pictures: torch.zeros(len(pictures), 1, 14, 16, 16)
    assert pose_network(predictor("heatmaps", run)).skeleton is LSP14
    with pytest.raises(ValueError, match=r"has 14 joints; 16 \(MPII-16\) are known"):
        pose_network(predictor("heatmaps", run, skeleton=MPII16))


# Bodies


def estimate(scale: float, x: float = 0.0, y: float = 0.0) -> Estimate:
    upright = roma.rotvec_to_rotmat(torch.tensor([[np.pi, 0.0, 0.0]])).float()
    rotations = torch.eye(3).repeat(1, 24, 1, 1)
    rotations[:, 0] = upright
    return Estimate(rotations, torch.zeros(1, 10), torch.tensor([[scale, x, y]]))


def bodies(one: Estimate):
    run = lambda pictures: Estimate(*(part.expand(len(pictures), *part.shape[1:]) for part in one))
    return pose_network(predictor("mesh", run))


def test_a_body_stands_where_the_crop_and_its_scale_say():
    found = [Detection((100, 50, 101, 201))]  # a crop of 250 px about (150, 150)
    (person,) = locate(BLANK, found, bodies(estimate(0.8, 0.1, -0.05)), CAMERA, "here")
    # 0.8 half crops a metre: a metre is 100 px of the picture, so it is 450 px / 100 px/m away.
    root = [150 + 10 - 199.5, 150 - 5 - 149.5]
    posed = free()(*estimate(0.8)[:2], torch.zeros(1, 3))
    place = torch.tensor([root[0] * 10.0, root[1] * 10.0, 4500.0])
    assert (person.body.vertices - posed.vertices[0] - place).abs().max() < 1
    around = mesh.joints(free(), posed.vertices)[0]
    assert (person.joints3d - around - place).abs().max() < 1
    assert person.depth == pytest.approx(person.joints3d[0, 2].item())
    # Pixels are those that SPIN's camera sees: nearly parallel rays, focal length 5000 of 224.
    seen = around + torch.tensor([100.0, -50.0, 2000 * FOCAL / 0.8])
    pixels = seen[:, :2] / seen[:, 2:] * FOCAL * 250 + 150
    assert (person.joints2d - pixels).abs().max() < 0.05
    assert person.joints2d[H36M17.index("head"), 1] < person.joints2d[0, 1]
    plain = person.plain()["body"]
    assert np.allclose(np.abs(plain["pose"][0]), [np.pi, 0, 0], atol=1e-3)
    assert len(plain["pose"]) == 24 and plain["shape"] == [0.0] * 10


def test_a_body_is_drawn_where_its_vertices_are():
    found = [Detection((100, 50, 101, 201))]
    network = bodies(estimate(0.8))
    people = locate(BLANK, found, network, CAMERA, "here")
    drawn = draw_bodies(BLANK, people, network.body, CAMERA)
    ys, xs = np.nonzero(drawn.any(-1))
    pixels = people[0].body.vertices[:, :2] / people[0].body.vertices[:, 2:] * 450
    pixels = pixels + torch.tensor([199.5, 149.5])
    for own, axis in ((xs, 0), (ys, 1)):
        assert own.min() == pytest.approx(pixels[:, axis].min().item(), abs=1.5)
        assert own.max() == pytest.approx(pixels[:, axis].max().item(), abs=1.5)


def test_a_body_far_beyond_its_crop_is_no_prediction():
    with pytest.raises(ValueError, match="scale 0.001, so that its crop would be more than 40 m"):
        locate(BLANK, [Detection((100, 50, 100, 200))], bodies(estimate(0.001)), CAMERA, "here")


def test_a_network_that_sees_no_pictures_is_refused():
    lifter = Predictor("L", HERE, "lifting", (17, 2), lambda x: x)
    with pytest.raises(
        ValueError, match="L is a network of kind 'lifting' .* a lifter takes a json"
    ):
        pose_network(lifter)
