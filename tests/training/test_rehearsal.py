"""Rehearsals: real shapes, a few samples, and costs that add up."""

import json

import pytest
from test_study import TASK, Points
from torch import nn

from posekit.training import rehearsal
from posekit.training.data_sets import DataSets
from posekit.training.rehearsal import Cost
from posekit.training.study import Study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(rehearsal.ON, str(tmp_path))
    return tmp_path


def test_a_training_takes_a_few_steps_and_its_costs_are_of_the_whole_recipe(folder):
    study, train = Study("kim", size="paper"), Points("long")
    recipe = {"epochs": 7, "batch": 3, "drops": []}
    train.share = 0.25  # 6 of 24 samples
    [run] = study.train(TASK, {"line": {}}, train, recipe=recipe, shape={}).values()
    assert len(run.record["series"]["loss"]) == 5  # of 7 epochs
    [cost] = rehearsal.costs(folder)
    assert (cost.subject, cost.parameters, cost.batch) == ("line", 2 * 2 + 2, 3)
    assert cost.samples == 7 * 24
    # a linear layer: 2 operations for each weight forwards, and as many for the weights' gradient
    assert cost.operations == 2 * 4 + 2 * 4
    assert cost.hours(16 / 3600 / rehearsal.SHARE) == pytest.approx(7 * 24)


def test_memory_is_that_of_weights_gradients_moments_and_activations():
    cost = Cost(
        "x", parameters=10, operations=0.0, activations=5.0, samples=1, batch=4, seconds=1.0
    )
    assert cost.memory == 10 * 4 * 4 + 4 * 5


def test_data_sets_keep_a_few_samples_spread_over_all(folder):
    assert rehearsal.kept(5) == [0, 1, 2, 3, 4]
    assert rehearsal.kept(701) == [0, 100, 200, 300, 400, 500, 600, 700]
    data = DataSets({}, workers=0)
    strangers = data.people("train", 64, size=16)
    assert len(strangers) == 8 and strangers.share == 8 / 64
    assert strangers.batch.index.tolist() == [0, 9, 18, 27, 36, 45, 54, 63]
    poses = data.poses(frames=33, every=2, detector="truth")
    assert len(poses) == rehearsal.POSES
    subjects = set(poses.frames["subject"])
    assert subjects == {"S1", "S5", "S6", "S7", "S8", "S9", "S11"}
    train = poses.of(["S1"])
    whole = len(train) / train.share
    assert whole == pytest.approx(15 * 2 * 4 * 17, rel=0.02)  # actions, takes, cameras, frames


def test_without_the_variable_nothing_is_cut(monkeypatch):
    monkeypatch.delenv(rehearsal.ON, raising=False)
    assert rehearsal.kept(701) == list(range(701))
    assert rehearsal.shortened({"rounds": 20}) == {"rounds": 20}


def test_a_training_that_fails_fails_in_the_rehearsal(folder):
    class Broken(nn.Linear):
        def forward(self, x):
            raise RuntimeError("shapes don't fit")

    task = type(TASK)({"line": lambda: Broken(2, 2)})
    with pytest.raises(RuntimeError, match="shapes don't fit"):
        Study("kim").train(
            task, {"line": {}}, Points("p"), recipe={"epochs": 1, "batch": 3, "drops": []}
        )
    assert not (folder / rehearsal.COSTS).exists()


def test_costs_are_read_back_as_written(folder):
    cost = Cost("x", 1, 2.0, 3.0, 4, 5, 6.0)
    (folder / rehearsal.COSTS).write_text(json.dumps(vars(cost)) + "\n")
    assert list(rehearsal.costs(folder)) == [cost]
