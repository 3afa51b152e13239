"""Lifting experiments: from poses to a record's quantities."""

import numpy as np
import pandas as pd
import pytest
import torch

from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import H36M17
from posekit.models.lifter import Cascade, Martinez, MeanPose
from posekit.training.lifting import FOLDS, Folds, Lifting, Transfer, lift, longer
from posekit.training.study import Study
from posekit.training.tables import measured

NETWORKS = {"mean-pose": MeanPose, "cascade": lambda **shape: Cascade(2, 1, **shape)}
BOTH = {"mean-pose": {}, "cascade": {}}
SHAPE = {"channels": 64, "dropout": 0.0}
RECIPE = {"epochs": 30, "batch": 64, "rate": 3e-3, "drops": [25]}
SHORT = {"epochs": 2, "batch": 64, "drops": [1]}


def poses(name, subjects, seed, count=60):
    """Poses whose depth is a function of the picture, so that they can be learnt."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randn(count * len(subjects), 17, 2, generator=generator) * 100
    deep = torch.cat([flat, flat.sum(-1, keepdim=True)], -1)
    pose3d = deep - deep[:, :1] + torch.tensor([0.0, 0.0, 5000.0])
    frames = pd.DataFrame({
        "subject": np.repeat(subjects, count),
        "action": "Walking",
        "take": 1,
        "camera": "54138969",
        "frame": np.tile(np.arange(count), len(subjects)),
    })  # fmt: skip
    return PoseSet(name, H36M17, flat, pose3d, frames)


LEARN, TEST, REAL = (
    poses("studio", ["S1", "S5"], 0),
    poses("studio", ["S9"], 1),
    poses("cmu", ["01", "02"], 2),
)


def trained(study, train=LEARN, recipe=SHORT, configurations=BOTH):
    tests = [(TEST, ["h36m-martinez-p1"])]
    how = {"shape": SHAPE, "recipe": recipe}
    return study.train(Lifting(NETWORKS), configurations, train, tests, **how)


def transferred(study, runs):
    tests, starts = [(REAL, ["cmu-p1", "cmu-p2"])], {"cascade": {"start": "cascade"}}
    how = {"starts": runs, "title": "{} tested on cmu", "shape": SHAPE}
    return study.train(Transfer(NETWORKS), starts, LEARN, tests, **how)


def value(run, quantity, card):
    (found,) = {
        row["value"]
        for row in run.record["quantities"]
        if (row["quantity"], row["card"]) == (quantity, card)
    }
    return found


def test_a_trained_lifter_beats_the_mean_pose_and_can_be_restored():
    runs = trained(Study("tran2022"), poses("studio", ["S1", "S5"], 0, 400), RECIPE)
    own = value(runs["cascade", 0], "mpjpe/cascade", "h36m-martinez-p1")
    assert own < 0.5 * value(runs["mean-pose", 0], "mpjpe/mean-pose", "h36m-martinez-p1")
    lifter = Lifting(NETWORKS).restore(runs["cascade", 0])
    error = (lift(lifter, TEST.pose2d) - TEST.centred).norm(dim=-1).mean()
    assert error.item() == pytest.approx(own, rel=1e-4)
    assert len(runs["cascade", 0].record["series"]["loss"]) == 2 * 30
    assert runs["cascade", 0].record["data"]["name"] == "studio"


def test_a_short_training_leaves_the_statistics_of_the_trained_network():
    """Martinez's move by 0.01 a step: 60 steps leave 0.55 of the variance 1 that they begin with."""
    task = Lifting({"mean-pose": MeanPose, "martinez": Martinez})
    learn, tests = poses("studio", ["S1"], 0, 128), [(TEST, ["h36m-martinez-p1"])]
    recipe = {"epochs": 30, "batch": 64, "rate": 1e-2, "drops": []}
    runs = Study("tran2022").train(
        task, {"mean-pose": {}, "martinez": {}}, learn, tests, shape=SHAPE, recipe=recipe
    )
    floor, own = (
        value(runs[name, 0], f"mpjpe/{name}", "h36m-martinez-p1") for name in task.networks
    )
    assert own < 0.8 * floor
    lifter = task.restore(runs["martinez", 0])
    flat = lifter.inputs(learn.pose2d)
    tested, known = lifter.network(flat), lifter.network.train()(flat)
    assert torch.allclose(tested, known, atol=0.05)


def test_a_transfer_tests_the_same_weights_elsewhere():
    study = Study("tran2022")
    runs = trained(study)
    moved = transferred(study, runs)["cascade", 0]
    expected = lift(Lifting(NETWORKS).restore(runs["cascade", 0]), REAL.pose2d) - REAL.centred
    error = expected.norm(dim=-1).mean().item()
    assert value(moved, "mpjpe/cascade", "cmu-p1") == pytest.approx(error, rel=1e-4)
    assert value(moved, "mpjpe/cascade/01", "cmu-p2") > 0
    assert moved.record["job"] == "cascade tested on cmu"
    assert moved.record["config"]["start"] == runs["cascade", 0].record["id"]


def test_folds_never_test_on_training_poses(monkeypatch):
    seen, original = [], Folds.trained

    def spy(task, session, learn, part=""):
        seen.append(set(learn.frames["subject"]))
        return original(task, session, learn, part)

    monkeypatch.setattr(Folds, "trained", spy)
    real = poses("cmu", ["01", "02", "03"], 2)
    one = {"x": {"network": "mean-pose"}}
    runs = Study("tran2022").train(Folds(NETWORKS), one, real, [(real, ["cmu-p1"])])
    assert seen == [{"02", "03"}, {"01", "03"}, {"01", "02"}]
    rows = measured(runs)
    assert set(rows["network"]) == {"x"} and {"", "01", "03"} <= set(rows["slice"])
    assert [data["name"] for data in runs["x", 0].record["tested_on"]] == ["cmu"]
    seen.clear()
    many = poses("cmu", people := [f"{number:02}" for number in range(1, 7)], 2)
    Study("tran2022").train(Folds(NETWORKS), one, many, [(many, ["cmu-p1"])])
    assert len(seen) == FOLDS == 4
    assert [set(people) - learnt for learnt in seen] == [{"01", "05"}, {"02", "06"}, {"03"}, {"04"}]


def test_one_performer_can_not_be_tested_by_what_others_taught(monkeypatch):
    monkeypatch.setattr(Folds, "trained", lambda *_: pytest.fail("it trains"))
    one, alone = {"x": {"network": "mean-pose"}}, poses("cmu", ["01"], 2)
    with pytest.raises(ValueError, match="cmu: .* two or more, and here is 1; put files of more"):
        Study("tran2022").train(Folds(NETWORKS), one, alone, [(alone, ["cmu-p1"])])


def test_a_stretched_schedule_shows_as_many_poses():
    setting = {"epochs": 2, "batch": 64, "drops": [1], "average": 1}
    stretched = {"epochs": 8, "drops": [4], "average": 4}
    assert longer(setting, 4 * 2 * len(REAL), REAL) == stretched
    assert longer(setting, 1, REAL) == {"epochs": 2, "drops": [1], "average": 1}
    assert longer(setting, 2 * len(REAL) + 1, REAL)["epochs"] == 4  # at least as many


def test_weights_that_are_gone_are_named():
    run = trained(Study("tran2022"), configurations={"cascade": {}})["cascade", 0]
    (run.folder / "network.pt").unlink()
    with pytest.raises(FileNotFoundError, match="network.pt is gone; delete"):
        Lifting(NETWORKS).restore(run)


def test_all_runs_of_a_study_are_recorded_and_done_once(tmp_path):
    study = Study("tran2022", seeds=2, out=tmp_path / "out")
    runs = trained(study)
    assert list(runs) == [(name, seed) for seed in (0, 1) for name in NETWORKS]
    moved = transferred(study, runs)
    how = {"title": "cascade taught by cmu", "shape": SHAPE, "recipe": SHORT}
    on_cmu = {"cascade-on-cmu": {"network": "cascade"}}
    taught = study.train(Folds(NETWORKS), on_cmu, REAL, [(REAL, ["cmu-p1"])], **how)
    losses = taught["cascade-on-cmu", 0].record["series"]
    assert {name: len(values) for name, values in losses.items()} == {"loss": 4, "loss1": 4}
    rows = measured(runs | moved | taught)
    assert set(rows["network"]) == {"mean-pose", "cascade", "cascade-on-cmu"}
    mean = rows[(rows["network"] == "mean-pose") & (rows["slice"] == "")]
    assert mean["value"].nunique() == 1 and list(mean["seed"]) == [0, 1]
    records = list((tmp_path / "out" / "runs").glob("*.json"))
    assert len(records) == 4 + 2 + 2
    assert [run.record for run in trained(study).values()] == [r.record for r in runs.values()]
