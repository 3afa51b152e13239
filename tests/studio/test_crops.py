"""Crops of everybody in a picture: their labels say the same of the same points in space."""

from dataclasses import replace

import pytest
import torch

from posekit.geometry.skeleton import H36M17
from posekit.metrics.pictures import camera_points
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.integral import from_cube
from posekit.studio.wild import Wild, crops
from posekit.training.integral import targets

CARD = PROTOCOLS["h36m-moon-p2"]


@pytest.fixture(scope="module")
def people():
    wild = Wild("test", 40, skeleton=H36M17, people=4)
    groups = (wild.photograph(number) for number in range(40))
    groups = (group[group.masks.flatten(1).amax(1) > 0] for group in groups)
    return next(group for group in groups if len(group) > 1)


def test_nobody_is_cut_out_of_where_no_picture_is(people):
    beside = replace(people, boxes=people.boxes + torch.tensor([2000.0, 0, 0, 0]))
    with pytest.raises(ValueError, match="person 1: the box .* lies outside"):
        crops(beside, 64)


def test_a_crop_holds_its_person_and_the_exact_answer_lands_on_the_truth(people):
    cut = crops(people, 128)
    assert cut.images.shape == (len(people), 3, 128, 128)
    middles = cut.boxes[:, :2] + cut.boxes[:, 2:] / 2
    assert (middles - 63.5).abs().max() < 0.1
    assert (cut.boxes[:, 2:].amax(1) - 128 / 1.25).abs().max() < 0.1
    torch.testing.assert_close(cut.joints3d, people.joints3d)
    pixels, depths = from_cube(targets(cut)[..., :3], cut.size)
    roots = cut.joints3d[:, H36M17.root, 2]
    placed = camera_points(CARD, pixels, depths, cut.intrinsics, roots, per_focal=0.0)
    assert (placed - people.joints3d).norm(dim=-1).median() < 30  # the lens alone


def test_pictures_of_a_crop_are_those_of_the_photograph(people):
    side = 128
    cut = crops(people, side)
    whole = people.images[0].float()
    scale = side / 1.25 / people.boxes[0, 2:].max()
    x, y = (people.boxes[0, :2] + people.boxes[0, 2:] / 2).round().long().tolist()
    if scale < 1.5 and 2 < x < whole.shape[2] - 3 and 2 < y < whole.shape[1] - 3:
        there = whole[:, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2))
        here = cut.images[0].float()[:, 61:67, 61:67].mean((1, 2))
        assert (there - here).abs().max() < 60
