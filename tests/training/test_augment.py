"""Augmentations: the papers' ranges, each sample's own fate, and what they do to the labels."""

import math
from dataclasses import fields, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders.batch import make_batch, project

from posekit.data.batch import HIDDEN, SEEN
from posekit.studio.scene.occluders import shapes
from posekit.training import augmentations
from posekit.training.augment import apply, augment, matrices
from posekit.training.augmentations import (
    AUGMENTATIONS,
    Augmentation,
    Draw,
    Erase,
    Normal,
    Paste,
    Placed,
    Uniform,
)
from posekit.training.warp import warp

MANY = 1000


@cache
def drawn(name, size=(256, 256)) -> SimpleNamespace:
    """What a paper's augmentation draws for many samples, field by field."""
    draws = [AUGMENTATIONS[name].draw(sample, size, seed=5) for sample in range(MANY)]
    fields = dict(zip(Draw._fields, zip(*draws, strict=True), strict=True))
    placed = fields.pop("placed")
    tensors = {name: torch.tensor(values) for name, values in fields.items()}
    tensors["side"] = torch.tensor(fields["side"], dtype=torch.float64)
    return SimpleNamespace(**tensors, placed=placed)


def draws_of(augmentation, samples, size=(96, 128), **about):
    return [augmentation.draw(sample, size, **about) for sample in samples]


def about(share, expected):
    """Whether a share of MANY is within four standard deviations of what is expected."""
    return abs(share - expected) <= 4 * math.sqrt(expected * (1 - expected) / MANY) + 1e-12


def share(condition) -> float:
    return float(torch.as_tensor(condition).float().mean())


FLIP = {"kim": 0.5, "bouchiat": 0.5, "bae": 0.5, "choi2021": 0.5, "bouchiat: VOC": 0.0}
TURN = {"kim": 0.4, "bouchiat": 0.0, "bae": 0.4, "choi2021": 0.6, "bouchiat: rotation": 0.6}
COLOUR = {"kim": (0.6, 1), "bouchiat": (0.8, 1.2), "bae": (0.6, 1.4), "choi2021": (0.8, 1.2)}
SIDE = {"bae": (0.75, 1.25), "choi2021": (0.75, 1.25), "bouchiat: zoom": (0.75, 1.25)}
AT_A_LIMIT = 0.3173  # share of a normal distribution beyond one standard deviation


@pytest.mark.parametrize(("name", "probability"), FLIP.items())
def test_pictures_are_mirrored_as_often_as_the_paper_says(name, probability):
    assert about(share(drawn(name).flip), probability)


@pytest.mark.parametrize(("name", "probability"), TURN.items())
def test_pictures_turn_by_up_to_60_degrees_as_often_as_the_paper_says(name, probability):
    turn = drawn(name).turn
    assert about(share(turn != 0), probability)
    if probability:
        assert turn.abs().max() == 60  # 30 degrees times a normal number, cut off at 2
        assert about(share(turn.abs() == 60), 0.0455 * probability)
        assert abs(float(turn[turn != 0].abs().median()) - 0.6745 * 30) < 1.5


@pytest.mark.parametrize(("name", "limits"), SIDE.items())
def test_the_crop_grows_and_shrinks_by_a_quarter_at_most(name, limits):
    side = drawn(name).side
    assert (side.min(), side.max()) == limits
    assert about(share((side == limits[0]) | (side == limits[1])), AT_A_LIMIT)


def test_kims_crop_grows_in_quarter_octaves():
    side = drawn("kim").side
    assert torch.isclose(side.min(), torch.tensor(0.5**0.5).double())
    assert torch.isclose(side.max(), torch.tensor(2**0.5).double())
    assert about(share((side.log2() / 0.25).abs() < 1), 1 - AT_A_LIMIT)


@pytest.mark.parametrize(("name", "limits"), COLOUR.items())
def test_channels_are_scaled_each_by_its_own_factor(name, limits):
    colour = drawn(name).colour
    low, high = limits
    assert low <= colour.min() < low + 0.01 and high - 0.01 < colour.max() <= high
    assert abs(colour.mean() - (low + high) / 2) < 0.01
    assert (colour[:, 0] != colour[:, 1]).all()
    assert abs(torch.corrcoef(colour.T)[0, 1]) < 0.07


@pytest.mark.parametrize(("name", "most"), [("bouchiat", 7), ("bouchiat, report", 8)])
def test_bouchiat_pastes_over_three_quarters_of_the_pictures(name, most):
    placed = drawn(name).placed
    counts = torch.tensor([len(things) for things in placed])
    assert about(share(counts > 0), 0.75)
    assert set(counts.tolist()) == set(range(most + 1))
    assert all(about(share(counts == n), 0.75 / most) for n in range(1, most + 1))
    values = torch.tensor([thing for things in placed for thing in things])
    assert values[:, 1].min() >= 0.2 and values[:, 1].max() <= 1
    assert ((values.mean(0) - torch.tensor([0.5, 0.6, 0.5, 0.5])).abs() < 0.02).all()
    assert len(set(values[:, 0].tolist())) > len(values) * 0.99


def test_mobile_human_pose_erases_half_of_the_pictures():
    size = (256, 192)
    left, top, width, height = drawn("choi2021", size).erased.T
    erased = (width > 0) & (height > 0)
    assert about(share(erased), 0.5) or abs(share(erased) - 0.5) < 0.04  # some are under a pixel
    assert (left >= 0).all() and (top >= 0).all()
    assert (left + width <= 192).all() and (top + height <= 256).all()
    area = (width * height)[erased] / (256 * 192)
    assert area.max() <= 0.7 and area.max() > 0.6 and area.min() < 0.01
    large = (width > 20) & (height > 20)
    ratio = (height / width)[large]
    assert ratio.min() > 0.27 and ratio.max() < 3.6 and ratio.max() > 2.5 and ratio.min() < 0.4


def test_the_report_of_bouchiat_turns_and_zooms_evenly():
    turn = drawn("bouchiat: rotation, report").turn
    assert about(share(turn != 0), 0.6) and 29 < turn.abs().max() <= 30
    side = drawn("bouchiat: zoom, report").side
    assert 0.75 <= side.min() < 0.76 and 1.24 < side.max() <= 1.25


def test_things_shrink_as_the_side_of_the_crop_grows():
    batch = make_batch(count=2)
    moved = apply(batch, [Draw(side=2.0), Draw(side=0.8)])
    grown = moved.boxes[:, 2:] / batch.boxes[:, 2:]
    assert torch.allclose(grown, torch.tensor([[0.5], [1.25]]).expand(2, 2), atol=1e-4)


def test_kims_report_augments_nothing():
    batch = make_batch()
    assert torch.equal(augment(batch, "kim, report", seed=1).images, batch.images)


EVERYTHING = Augmentation(
    flip=0.5,
    turn=Normal(30, 2),
    turned=0.6,
    zoom=Normal(0.25, 1),
    paste=Paste(0.9, (1, 4), Uniform(0.2, 1)),
    erase=Erase(0.5, Uniform(0, 0.3), Uniform(0.3, 3)),
    colour=Uniform(0.6, 1.4),
)


def test_a_sample_is_augmented_alike_in_any_batch():
    batch, things = make_batch(count=8), shapes(np.random.default_rng(0), 5)
    whole = augment(batch, EVERYTHING, seed=3, epoch=2, occluders=things)
    chosen = torch.tensor([6, 1, 3])
    part = augment(batch[chosen], EVERYTHING, seed=3, epoch=2, occluders=things)
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(whole, field.name)[chosen]), field.name


def test_every_epoch_seed_and_sample_has_random_numbers_of_its_own():
    def turns(sample=0, seed=0, epoch=0):
        rotation = Augmentation(turn=Uniform(-180, 180))
        return rotation.draw(sample, (9, 9), seed=seed, epoch=epoch).turn

    drawn_turns = {turns(a, b, c) for a in range(6) for b in range(6) for c in range(6)}
    assert len(drawn_turns) == 216


def test_what_is_drawn_is_that_of_a_new_generator_for_each_part_of_each_sample(monkeypatch):
    def new(seed, epoch, sample, part):
        counter = [0, part, sample, epoch]
        return np.random.Generator(np.random.Philox(key=[seed, 0], counter=counter))

    def drawn():
        names = ("kim", "bouchiat", "bae", "choi2021")
        return [
            AUGMENTATIONS[name].draw(sample, (64, 48), seed=seed, epoch=epoch)
            for name in names
            for sample, seed, epoch in [(0, 0, 0), *((7 * k, 3, k % 5) for k in range(40))]
        ]

    ours = drawn()
    monkeypatch.setattr(augmentations, "_generator", new)
    assert drawn() == ours


def test_a_part_more_changes_nothing_of_the_rest():
    full = draws_of(EVERYTHING, range(20), seed=1)
    nothing = {"paste": {"placed": ()}, "colour": {"colour": (1.0, 1.0, 1.0)}}
    nothing["erase"] = {"erased": (0, 0, 0, 0), "noise": 0}
    for part, unset in nothing.items():
        less = draws_of(replace(EVERYTHING, **{part: None}), range(20), seed=1)
        assert less == [draw._replace(**unset) for draw in full] != full, part


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmented_labels_hold_together_and_can_be_undone(name):
    batch, things = make_batch(count=16), shapes(np.random.default_rng(0), 5)
    draws = draws_of(AUGMENTATIONS[name], batch.index.tolist(), seed=1)
    moved = apply(batch, draws, things)
    off = (project(moved.intrinsics, moved.joints3d) - moved.joints2d).abs()
    assert (off / moved.joints2d.abs().clamp(min=100) < 2e-6).all()
    back = warp(moved, torch.linalg.inv(matrices(draws, batch.size)))
    depth = torch.tensor([draw.depth for draw in draws])[:, None, None]
    back = replace(back, joints3d=back.joints3d / depth)
    for field in ("joints2d", "joints3d", "translation", "intrinsics"):
        assert torch.allclose(getattr(back, field), getattr(batch, field), atol=2e-3), field
    assert torch.allclose(back.rotations, batch.rotations, atol=1e-5)
    assert torch.equal(back.visible == 0, batch.visible == 0)
    # A box that was turned is boxed anew, and grows; it never loses the person.
    low, high = batch.boxes[:, :2], batch.boxes[:, :2] + batch.boxes[:, 2:]
    assert (back.boxes[:, :2] <= low + 1e-3).all()
    assert (back.boxes[:, :2] + back.boxes[:, 2:] >= high - 1e-3).all()
    upright = torch.tensor([draw.turn == 0 for draw in draws])
    assert torch.allclose(back.boxes[upright], batch.boxes[upright], atol=1e-3)


def test_augmenting_leaves_the_batch_as_it_was():
    batch, fresh = make_batch(count=8), make_batch(count=8)
    things = shapes(np.random.default_rng(0), 5)
    moved = augment(batch, EVERYTHING, seed=1, occluders=things)
    assert not torch.equal(moved.images, batch.images)
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(fresh, field.name)), field.name


def test_colours_are_scaled_rounded_and_cut_off():
    batch = make_batch(count=2)
    batch.images[:] = torch.tensor([100, 201, 250], dtype=torch.uint8)[:, None, None]
    factors = ((0.5, 1.0, 1.4), (0.604, 1.1, 0.0))
    moved = apply(batch, [Draw(colour=colour) for colour in factors])
    assert moved.images[0, :, 5, 5].tolist() == [50, 201, 255]
    assert moved.images[1, :, 5, 5].tolist() == [60, 221, 0]


def seen_at(batch, places):
    """The batch with all joints seen, the first ones at `places`."""
    joints = batch.joints2d.clone()
    joints[:] = torch.tensor([2.0, 2.0])
    joints[:, : len(places)] = torch.tensor(places)
    return replace(batch, joints2d=joints, visible=torch.full_like(batch.visible, SEEN))


def test_an_erased_rectangle_is_noise_and_hides_what_it_covers():
    batch = seen_at(make_batch(count=2), [[30.0, 40.0], [49.4, 69.4], [49.6, 69.4], [29.4, 40.0]])
    batch.masks.fill_(1)
    batch.parts.fill_(6)
    moved = apply(batch, [Draw(erased=(30, 40, 20, 30), noise=4), Draw()])
    inside = torch.zeros(96, 128, dtype=torch.bool)
    inside[40:70, 30:50] = True
    assert torch.equal(moved.images[0][:, ~inside], batch.images[0][:, ~inside])
    assert torch.equal(moved.images[1], batch.images[1])
    noise = moved.images[0][:, inside].float()
    assert abs(noise.mean() - 127.5) < 8 and abs(noise.std() - 73.9) < 5
    assert moved.visible[0, :5].tolist() == [HIDDEN, HIDDEN, SEEN, SEEN, SEEN]
    assert (moved.visible[1] == SEEN).all()
    assert torch.equal(moved.masks[0] == 0, inside) and torch.equal(moved.parts[0] == 0, inside)
    assert (moved.masks[1] == 1).all()


def test_pasted_things_blend_by_their_opacity_and_hide_what_they_cover():
    batch = seen_at(make_batch(count=1), [[20.0, 30.0], [24.0, 30.0], [28.0, 30.0]])
    batch.masks.fill_(1)
    thing = np.full((8, 12, 4), 200, np.uint8)
    thing[..., 3] = np.repeat([255, 192, 64], 4)  # columns of 4 px
    # At this scale (min(96, 128) / 256 of 256 / 96) its pixels are the picture's.
    place = Placed(0.0, 256 / 96, (18 + 6) / 128, (26 + 4) / 96)
    moved = apply(batch, [Draw(placed=(place,))], [thing])
    under = batch.images[0, :, 26:34, 18:30].float()
    alpha = torch.tensor([255, 192, 64]).repeat_interleave(4) / 255
    expected = under + (200 - under) * alpha
    assert (moved.images[0, :, 26:34, 18:30] - expected).abs().max() <= 0.5
    outside = torch.ones(96, 128, dtype=torch.bool)
    outside[26:34, 18:30] = False
    assert torch.equal(moved.images[0][:, outside], batch.images[0][:, outside])
    assert moved.visible[0, :4].tolist() == [HIDDEN, HIDDEN, SEEN, SEEN]
    assert int((moved.masks == 0).sum()) == 8 * 8


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.4)])
def test_what_sticks_out_of_the_picture_is_cut_off(x, y):
    batch = make_batch(count=1)
    thing = np.full((20, 30, 4), 255, np.uint8)
    moved = apply(batch, [Draw(placed=(Placed(0.0, 256 / 96, x, y),))], [thing])
    changed = (moved.images != batch.images).any(1)[0].nonzero()
    assert len(changed) and (moved.images == 255).all(1).sum() >= 10 * 15
    centre = torch.tensor([y * 96, x * 128])
    assert ((changed + 0.5 - centre).abs() <= torch.tensor([10.0, 15.0])).all()


def test_larger_pictures_get_larger_things():
    thing = np.full((40, 40, 4), 255, np.uint8)
    for size, side in (((256, 256), 40), ((512, 600), 80), ((128, 300), 20)):
        batch = make_batch(count=1, size=size)
        batch.masks.fill_(1)
        moved = apply(batch, [Draw(placed=(Placed(0.0, 1.0, 0.5, 0.5),))], [thing])
        assert int((moved.masks == 0).sum()) == side**2


def test_without_occluders_there_is_nothing_to_paste():
    batch = make_batch(count=8)
    with pytest.raises(ValueError, match=r"has no occluders; take .*DataSets\.occluders\(seed\)"):
        augment(batch, "bouchiat", seed=0)


def test_an_augmentation_may_be_named():
    batch = make_batch()
    named = augment(batch, "kim", seed=3)
    assert torch.equal(named.images, augment(batch, AUGMENTATIONS["kim"], seed=3).images)
    assert not torch.equal(named.images, batch.images)
    with pytest.raises(ValueError, match='no augmentation "Kim", there are "kim", .*"choi2021"'):
        augment(batch, "Kim", seed=3)
