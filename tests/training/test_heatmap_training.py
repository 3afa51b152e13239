"""Experiments on heatmap networks: from pictures to a record's quantities."""

from functools import partial

import pandas as pd
import pytest
import torch
from builders import mpii as make_mpii

from posekit.data import albums
from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN
from posekit.data.mpii import MpiiPictures, read
from posekit.geometry.skeleton import MPII16
from posekit.metrics.pckh import PCKH_PROTOCOLS, head_sizes
from posekit.models.hourglass import STEMS, StackedHourglass
from posekit.studio.wild import Wild
from posekit.training import heatmaps as heatmaps_module
from posekit.training.heatmaps import (
    WEIGHTS,
    Lessons,
    Study,
    album,
    differences,
    locate,
    loss_on,
    points,
    restore,
    targets,
)
from posekit.training.study import table

NETWORKS = {stem: partial(StackedHourglass, stem=stem) for stem in STEMS}
SHAPE = {"stacks": 2, "modules": 1, "depth": 2, "channels": 16}
SETTING = {"shape": SHAPE, "epochs": 3, "batch": 8, "rate": 1e-3}
RMSPROP = {"network": "reduced", "optimiser": "rmsprop", "drops": []}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def people() -> Album:
    return album(Wild("train", 16, size=32, skeleton=MPII16, people=1), "pictures", 0)


def study(out="", seeds=1, setting=SETTING) -> Study:
    return Study("kim", NETWORKS, setting, "smoke", seeds, str(out), "cpu")


def taught(people, configurations, *, setting=SETTING, augmentation="kim, report", **about):
    how = {"augmentation": augmentation, "headline": 2}
    return study(setting=setting, **about).train(
        configurations, people, people, list(PCKH_PROTOCOLS), **how
    )


def test_an_album_has_its_pictures_and_head_sizes(people, tmp_path):
    assert (people.name, len(people)) == ("studio-wild", 16)
    known = people.batch.visible != UNKNOWN
    torch.testing.assert_close(people.heads, head_sizes(people.batch.joints2d, known))
    assert people.fingerprint() == people.fingerprint()
    other = Album(people.name, people.version, people.batch[torch.arange(15)], people.heads[:15])
    assert other.fingerprint() != people.fingerprint()
    made = make_mpii.people()
    make_mpii.write_h5(tmp_path / "valid.h5", made)
    make_mpii.write_pictures(tmp_path / "images", made)
    pictures = MpiiPictures(read(tmp_path / "valid.h5"), tmp_path / "images", size=32)
    real = album(pictures, "pictures", 0)
    torch.testing.assert_close(real.heads, pictures.heads_in(real.batch).float())


def test_what_is_measured_is_told_epoch_by_epoch_and_again_at_the_headline(people, tmp_path):
    trained = taught(people, {"a": RMSPROP, "b": RMSPROP | {"network": "original"}}, out=tmp_path)
    assert list(trained) == [("a", 0), ("b", 0)]
    rows = table(trained)
    loss = rows[(rows["metric"] == "loss") & (rows["network"] == "a")]
    for card, series in (("kim-train-loss", "loss"), ("kim-test-loss", "test_loss")):
        told = loss[loss["card"] == card].set_index("slice")["value"]
        recorded = trained["a", 0].record["series"][series]
        assert [told[f"epoch-{k}"] for k in (1, 2, 3)] == recorded
        assert told[""] == recorded[1]
    assert set(rows[rows["metric"] == "pckh"]["card"]) == set(PCKH_PROTOCOLS)
    assert set(rows["data"]) == {"studio-wild"}
    record = trained["a", 0].record
    assert 0 < record["waited_for_data"] < 1 and record["samples_per_second"] > 0


def test_the_test_loss_is_that_of_the_network_that_was_kept(people):
    trained = taught(people, {"a": RMSPROP})
    network = restore(NETWORKS, trained["a", 0])
    last = trained["a", 0].record["series"]["test_loss"][-1]
    assert loss_on(network, people) == pytest.approx(last, rel=1e-4)
    heatmaps = heatmaps_module.heatmaps(network, people.batch.images)
    assert heatmaps.shape == (16, 2, 16, 8, 8)
    found, sure = locate(heatmaps[3, 1])
    assert found.shape == (16, 2) and torch.equal(sure, heatmaps[3, 1].flatten(1).amax(1))


def test_a_network_that_draws_the_targets_finds_every_joint(people):
    truth = targets(people.batch)
    found = points(truth)
    inside = (people.batch.joints2d > 2).all(-1) & (people.batch.joints2d < 29).all(-1)
    counts = inside & (people.batch.visible != UNKNOWN)
    assert counts.sum() > 100
    assert (found - people.batch.joints2d).abs().amax(-1)[counts].max() <= 2.0  # half a cell


def test_learning_lowers_the_loss_of_people_that_were_learnt(people):
    longer = SETTING | {"epochs": 12, "rate": 3e-3}
    trained = taught(people, {"a": RMSPROP}, setting=longer)
    losses = trained["a", 0].record["series"]["loss"]
    nothing = 2 * (targets(people.batch) ** 2).mean().item()
    assert losses[-1] < 0.8 * nothing < losses[0]


def test_every_epoch_is_augmented_otherwise_and_no_two_seeds_alike(people):
    some = torch.arange(4)
    lessons = Lessons(people, "kim", 0, "cpu")
    first, again = lessons.lesson(some, 0), lessons.lesson(some, 0)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], lessons.lesson(some, 1)[0])
    other = Lessons(people, "kim", 1, "cpu")
    assert not torch.equal(first[0], other.lesson(some, 0)[0])
    plain = Lessons(people, "kim, report", 0, "cpu").lesson(some, 0)
    assert torch.equal(plain[0], albums.light(people.batch.images[:4]))
    assert torch.equal(plain[1], targets(people.batch[some]))


def test_both_stems_start_from_the_same_random_numbers_of_a_seed(people):
    one = taught(people, {"a": RMSPROP | {"optimiser": "adam"}})
    never = taught(people, {"b": RMSPROP | {"optimiser": "adam", "drops": [50]}})
    dropped = taught(people, {"c": RMSPROP | {"optimiser": "adam", "drops": [1]}})
    series = [run["abc"[k], 0].record["series"] for k, run in enumerate((one, never, dropped))]
    assert series[0] == series[1] != series[2]
    assert series[0]["loss"][0] == series[2]["loss"][0]


def test_differences_are_paired_and_relative():
    rows = [
        (name, seed, "kim-train-loss", "", value)
        for name, values in {"a": (1.1, 2.2, 3.3), "b": (1.0, 2.0, 3.0), "c": (1, 2.5, 3)}.items()
        for seed, value in enumerate(values)
    ]
    results = pd.DataFrame(rows, columns=["network", "seed", "card", "slice", "value"])
    found = differences(results, {"ab": ("a", "b"), "cb": ("c", "b")}, "kim-train-loss")
    assert found.loc["ab"].tolist() == pytest.approx([10, 10, 10, 3])
    mean, half = 25 / 3, 4.302653 * (625 / 3) ** 0.5 / 3**0.5  # t of 2 degrees of freedom
    assert found.loc["cb"].tolist() == pytest.approx([mean, mean - half, mean + half, 3], rel=1e-5)


def test_weights_that_are_gone_are_named(people):
    trained = taught(people, {"a": RMSPROP})
    (trained["a", 0].folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match="network.pt is gone; delete"):
        restore(NETWORKS, trained["a", 0])
