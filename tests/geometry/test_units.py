"""Poses and pixels in another unit than the one they are taken for."""

import pytest
import torch

from posekit.geometry.skeleton import H36M17
from posekit.geometry.units import check_pixels, check_poses

BABY, GIANT = 500.0, 2400.0  # mm


def people(height, count=5):
    """People as wide as a third of their height, their joints at random in that box."""
    torch.manual_seed(0)
    box = torch.tensor([height / 3, height, height / 3])
    poses = torch.rand(count, len(H36M17), 3) * box
    return poses + torch.tensor([0, 0, 4 * height])


@pytest.mark.parametrize("height", [BABY, 1700.0, GIANT])
def test_people_of_every_size_pass_in_millimetres_and_no_other_unit(height):
    poses = people(height)
    check_poses(poses, "here", camera=True)
    for factor, guess in (
        (1000, "millimetres where metres are expected"),
        (1 / 1000, "metres where millimetres are expected"),
    ):
        with pytest.raises(ValueError, match=f"here: a person spans .* mm: .*in {guess}"):
            check_poses(factor * poses, "here")


def test_centimetres_are_told_as_well():
    for factor, guess in ((100, "centimetres where metres"), (0.1, "centimetres where milli")):
        with pytest.raises(ValueError, match=guess):
            check_poses(factor * people(1700.0), "here")


def test_a_few_wrong_labels_and_unknown_joints_are_no_other_unit():
    poses = people(1700.0)
    poses[0] *= 1000
    known = torch.ones(5, len(H36M17)).bool()
    known[1, 5:] = False  # who is hardly known does not count
    poses[1, :5] = 0
    poses[2, 3:6] = torch.nan
    check_poses(poses, "here", known & poses.isfinite().all(-1))
    check_poses(poses, "here")
    check_poses(poses[:0], "here")
    check_poses(poses, "here", torch.zeros_like(known))


def test_a_joint_behind_the_camera_is_named():
    poses = people(1700.0)
    poses[3, 7, 2] = 0
    with pytest.raises(ValueError, match="here, person or frame 3: a joint lies behind the camera"):
        check_poses(poses, "here", camera=True)
    known = torch.ones(5, len(H36M17)).bool()
    known[3, 7] = False
    check_poses(poses, "here", known, camera=True)
    check_poses(poses, "here")


def test_pixels_are_no_shares_and_no_standardised_numbers():
    pixels = 30 + people(100.0)[..., :2]
    check_pixels(pixels, "here")
    check_pixels(pixels * 20, "here")
    for other in (
        pixels / 500,
        pixels / 250 - 1,
        (pixels - pixels.mean()) / pixels.std(),
        0 * pixels,
    ):
        with pytest.raises(ValueError, match="here: a person spans .* px: pixels are expected"):
            check_pixels(other, "here")
    with pytest.raises(ValueError, match="pixels are expected"):
        check_pixels(1e4 * pixels, "here")
