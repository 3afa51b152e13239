"""Persons cut out of whole pictures after the augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import muco as make_muco

from posekit.data import albums, muco
from posekit.data.batch import HIDDEN, unit_range
from posekit.geometry.crop import take
from posekit.training.augment import Augmented, apply, matrices
from posekit.training.augmentations import AUGMENTATIONS, Draw, Placed
from posekit.training.warp import warp
from posekit.training.whole_frames import read_frames

SIDE = 48


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Three people of two pictures of noise."""
    folder = tmp_path_factory.mktemp("muco")
    make_muco.written(folder, [[make_muco.NEAR, make_muco.ASIDE], [make_muco.FAR]])
    return albums.read(muco.load(folder, size=SIDE), workers=0)


def frames(album):
    return read_frames(album, range(len(album)), album.batch.images)


def test_nothing_drawn_gives_the_crops(album):
    same = apply(album.batch, [Draw()] * 3, frames=frames(album))
    assert torch.equal(same.images, album.batch.images)
    for name, value in album.batch.tensors():
        assert torch.allclose(value.float(), getattr(same, name).float(), atol=1e-3), name


def test_what_lies_beyond_the_crop_is_the_picture(album):
    """One warp from the whole picture, as Moon et al.'s affine does it."""
    draws = [Draw(turn=40.0, side=1.25), Draw(flip=True, side=0.8), Draw(turn=-60.0, flip=True)]
    seen = apply(album.batch, draws, frames=frames(album))
    moved = matrices(draws, (SIDE, SIDE))
    for row, frame in enumerate(frames(album)):
        expected = take(frame.image, moved[row] @ frame.crop.matrix, (SIDE, SIDE))
        assert torch.equal(seen.images[row], expected)
    of_crops = warp(album.batch, moved)
    for name, value in of_crops.tensors():  # the labels are those of a crop that was moved
        assert name == "images" or torch.equal(value, getattr(seen, name)), name
    turned = (apply(album.batch, draws).images == 0).all(1).sum((1, 2))
    whole = (seen.images == 0).all(1).sum((1, 2))
    assert whole[0] < turned[0] / 2  # corners of the crop were black


def test_a_rectangle_is_erased_before_the_person_turns(album):
    rectangle = (10, 12, 20, 16)  # left, top, width, height in the crop
    seen = apply(album.batch, [Draw(erased=rectangle, noise=1)] * 3, frames=frames(album))
    changed = (seen.images != album.batch.images).any(1)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[11:29, 9:31] = True
    assert not changed[:, ~inside].any() and changed[:, 14:26, 12:28].float().mean() > 0.95
    places = album.batch.joints2d.round()
    within = (places >= torch.tensor([12, 14])) & (places <= torch.tensor([28, 26]))
    assert (seen.visible[within.all(-1)] == HIDDEN).all() and within.all(-1).any()


def test_things_are_pasted_at_the_scale_of_the_whole_picture(album):
    red = np.tile(np.array([255, 0, 0, 255], np.uint8), (64, 64, 1))
    opened = frames(album)
    before = [frame.image.copy() for frame in opened]
    apply(album.batch, [Draw(placed=(Placed(0, 0.5, 0.5, 0.5),))] * 3, [red], opened)
    for frame, old in zip(opened, before, strict=True):
        changed = (frame.image != old).any(-1)
        assert changed.sum() == 32**2  # of 256 px: half of 64 px
        assert changed[112:144, 112:144].all()


def test_rectangles_stay_in_the_picture_and_may_leave_the_crop():
    erasing = AUGMENTATIONS["choi2021"]
    edges = (-8.0, -300.0, 300.0, 300.0)  # the crop lies at the picture's left edge
    draws = [erasing.draw(n, (64, 64), seed=0, edges=edges) for n in range(2000)]
    drawn = np.array([draw.erased for draw in draws if draw.erased[2]])
    left, top, width, height = drawn.T
    assert (left >= -8).all() and (width.max() > 64) == (left.min() < 0)
    assert (top < 0).any() and (top + height > 64).any()  # high ones reach out on both sides
    plain = [erasing.draw(n, (64, 64), seed=0).erased for n in range(200)]
    assert all(a >= 0 and a + c <= 64 and b >= 0 and b + d <= 64 for a, b, c, d in plain)


def test_people_without_a_whole_picture_have_their_crop(album):
    alone = replace(album, origins=())
    how = {"augmentation": "choi2021", "targets": lambda batch: batch, "whole": True}
    pictures, labels = Augmented(alone, **how).samples(torch.arange(3), 5)
    real, same = Augmented(album, **how).samples(torch.arange(3), 5)
    assert pictures.shape == real.shape and not torch.equal(pictures, real)
    assert torch.equal(labels.joints3d, same.joints3d)


def test_a_picture_that_is_shown_twice_in_an_epoch_is_augmented_twice(album):
    even = albums.mix(album, album[:1], even=True)
    how = {"augmentation": "bouchiat: colour", "targets": lambda batch: batch}
    data = Augmented(even, **how)
    assert len(data) == 6
    rows = even.turns.epoch(0)
    pictures, labels = data.samples(torch.arange(6))
    again = pictures[rows == 3]
    assert len(again) == 3 and not torch.equal(again[0], again[1])
    assert torch.equal(labels.joints2d, even.batch.joints2d[rows])
    plain = unit_range(even.batch.images[rows])
    assert (pictures / plain.clamp(min=1 / 255)).median() > 0.7
    assert even.fingerprint() != albums.mix(album, album[:1]).fingerprint()
