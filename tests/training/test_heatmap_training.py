"""Heatmap experiments: from pictures to a record's quantities."""

from functools import partial

import pytest
import torch
from builders import mpii as make_mpii

from posekit.data import albums
from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN, unit_range
from posekit.data.mpii import MpiiPictures
from posekit.data.mpii import read as read_mpii
from posekit.geometry.skeleton import MPII16
from posekit.metrics.pckh import PCKH_PROTOCOLS
from posekit.models.hourglass import STEMS, StackedHourglass
from posekit.studio.wild import Wild
from posekit.training.augment import Augmented
from posekit.training.experiment import predict
from posekit.training.heatmaps import Heatmaps, joints, locate, loss_on, targets
from posekit.training.study import Study
from posekit.training.tables import measured

TASK = Heatmaps({stem: partial(StackedHourglass, stem=stem) for stem in STEMS})
SHAPE = {"stacks": 2, "modules": 1, "depth": 2, "channels": 16}
RECIPE = {"epochs": 3, "batch": 8, "rate": 1e-3, "drops": [], "optimiser": "rmsprop"}
PLAIN = {"network": "reduced"}


@pytest.fixture(scope="module")
def people() -> Album:
    return albums.read(Wild("train", 16, size=32, skeleton=MPII16, people=1), workers=0)


def trained(people, configurations, *, augmentation="kim, report", recipe=RECIPE, out=""):
    how = {"augmentation": augmentation, "headline": 2, "shape": SHAPE, "recipe": recipe}
    return Study("kim", out=out).train(
        TASK, configurations, people, [(people, PCKH_PROTOCOLS)], **how
    )


def augmented(people, augmentation, **about):
    return Augmented(people, augmentation, targets, **about)


def test_an_album_has_its_pictures_and_mpiis_head_sizes(people, tmp_path):
    assert (people.name, len(people), people.heads) == ("studio-wild", 16, None)
    assert people.fingerprint() == people[:].fingerprint() != people[:15].fingerprint()
    made = make_mpii.people()
    make_mpii.write_h5(tmp_path / "valid.h5", made)
    make_mpii.write_pictures(tmp_path / "images", made)
    pictures = MpiiPictures(read_mpii(tmp_path / "valid.h5"), tmp_path / "images", size=32)
    real = albums.read(pictures, workers=0)
    torch.testing.assert_close(real.heads, pictures.heads_in(real.batch).float())


def test_losses_are_recorded_epoch_by_epoch_and_again_at_the_headline(people, tmp_path):
    runs = trained(people, {"a": PLAIN, "b": {"network": "original"}}, out=tmp_path)
    assert list(runs) == [("a", 0), ("b", 0)]
    rows = measured(runs)
    loss = rows[(rows["metric"] == "loss") & (rows["network"] == "a")]
    for card, series in (("kim-train-loss", "loss"), ("kim-test-loss", "test_loss")):
        values = loss[loss["card"] == card].set_index("slice")["value"]
        recorded = runs["a", 0].record["series"][series]
        assert [values[f"epoch-{k}"] for k in (1, 2, 3)] == recorded
        assert values[""] == recorded[1]
    assert set(rows[rows["metric"] == "pckh"]["card"]) == set(PCKH_PROTOCOLS)
    assert set(rows["data"]) == {"studio-wild"}
    record = runs["a", 0].record
    assert 0 < record["waited_for_data"] < 1 and record["samples_per_second"] > 0


def test_the_test_loss_is_that_of_the_network_that_was_saved(people):
    runs = trained(people, {"a": PLAIN})
    network = TASK.restore(runs["a", 0])
    last = runs["a", 0].record["series"]["test_loss"][-1]
    assert loss_on(network, people) == pytest.approx(last, rel=1e-4)
    maps = predict(network, people.batch.images)
    assert maps.shape == (16, 2, 16, 8, 8)
    points, confidence = locate(maps[3, 1])
    assert points.shape == (16, 2) and torch.equal(confidence, maps[3, 1].flatten(1).amax(1))


def test_a_network_that_draws_the_targets_finds_every_joint(people):
    found = joints(targets(people.batch))
    inside = (people.batch.joints2d > 2).all(-1) & (people.batch.joints2d < 29).all(-1)
    counts = inside & (people.batch.visible != UNKNOWN)
    assert counts.sum() > 100
    assert (found - people.batch.joints2d).abs().amax(-1)[counts].max() <= 2.0  # half a cell


def test_training_lowers_the_loss_of_its_pictures(people):
    runs = trained(people, {"a": PLAIN}, recipe=RECIPE | {"epochs": 12, "rate": 3e-3})
    losses = runs["a", 0].record["series"]["loss"]
    nothing = 2 * (targets(people.batch) ** 2).mean().item()
    assert losses[-1] < 0.8 * nothing < losses[0]


def test_augmentation_changes_with_epoch_and_seed_and_nothing_else(people):
    some = torch.arange(4)
    data = augmented(people, "kim")
    first, again = data.samples(some, 0), data.samples(some, 0)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], data.samples(some, 1)[0])
    assert not torch.equal(first[0], augmented(people, "kim", seed=1).samples(some, 0)[0])
    plain = augmented(people, "kim, report").samples(some)
    assert torch.equal(plain[0], unit_range(people.batch.images[:4]))
    assert torch.equal(plain[1], targets(people.batch[some]))


def test_all_configurations_start_from_the_same_random_numbers_of_a_seed(people):
    drops = {"a": [], "b": [50], "c": [1]}
    adam = {
        name: PLAIN | {"recipe": {"optimiser": "adam", "drops": epochs}}
        for name, epochs in drops.items()
    }
    runs = trained(people, adam)
    never, fifty, first = (runs[name, 0].record["series"] for name in drops)
    assert never == fifty != first
    assert never["loss"][0] == first["loss"][0]
