"""Lifting experiments: from a data set to a record's quantities."""

import numpy as np
import pandas as pd
import pytest
import torch

from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import H36M17
from posekit.models.lifter import Cascade, MeanPose
from posekit.training import lifting, runs
from posekit.training.runs import run
from posekit.training.study import table


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))


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


NETWORKS = {"mean-pose": MeanPose, "cascade": lambda **shape: Cascade(2, 1, **shape)}
CONFIG = {
    "network": "cascade",
    "shape": {"channels": 64, "dropout": 0.0},
    "recipe": {"epochs": 30, "batch": 64, "rate": 3e-3, "drops": [25]},
    "device": "cpu",
    "cards": {"studio": ["h36m-martinez-p1"], "cmu": ["cmu-p1", "cmu-p2"]},
}
JOB = {"paper": "tran2022", "job": "test", "size": "small", "seed": 0}


def experiment(config, seed, folder, data):
    return lifting.experiment(NETWORKS, config, seed, folder, data)


def transfer(config, seed, folder, data):
    return lifting.transfer(NETWORKS, config, seed, folder, data)


def headline(run_, quantity):
    return {q["card"]: q["value"] for q in run_.record["quantities"] if q["quantity"] == quantity}


def test_a_trained_lifter_beats_the_mean_pose_and_can_be_restored():
    learn, test = poses("studio", ["S1", "S5"], 0, 400), poses("studio", ["S9"], 1)
    trained = run(experiment, config=CONFIG, data=[learn, test], **JOB)
    mean = CONFIG | {"network": "mean-pose", "shape": {}}
    base = run(experiment, config=mean, data=[learn, test], **JOB)
    own = headline(trained, "mpjpe/cascade")["h36m-martinez-p1"]
    assert own < 0.5 * headline(base, "mpjpe/mean-pose")["h36m-martinez-p1"]
    lifter = lifting.restore(NETWORKS, trained)
    error = (lifting.lift(lifter, test.pose2d) - test.centred).norm(dim=-1).mean()
    assert error.item() == pytest.approx(own, rel=1e-4)
    assert len(trained.record["series"]["loss"]) == 2 * 30
    assert trained.record["data"]["name"] == "studio"


def test_a_transfer_tests_the_same_weights_elsewhere():
    learn, test = poses("studio", ["S1"], 0), poses("studio", ["S9"], 1)
    trained = run(experiment, config=CONFIG, data=[learn, test], **JOB)
    real = poses("cmu", ["01", "02"], 2)
    config = CONFIG | {"trained": trained.record["id"]}
    moved = run(transfer, config=config, data=[learn, real], **JOB | {"job": "moved"})
    expected = lifting.lift(lifting.restore(NETWORKS, trained), real.pose2d) - real.centred
    assert headline(moved, "mpjpe/cascade")["cmu-p1"] == pytest.approx(
        expected.norm(dim=-1).mean().item(), rel=1e-4
    )
    assert headline(moved, "mpjpe/cascade/01")["cmu-p2"] > 0


def test_leave_one_out_never_tests_on_what_it_learnt(monkeypatch):
    seen = []

    def spy(networks, config, seed, folder, learn):
        seen.append(set(learn.frames["subject"]))
        return original(networks, config, seed, folder, learn)

    original = lifting._trained
    monkeypatch.setattr(lifting, "_trained", spy)

    def work(config, seed, folder, data):
        return lifting.leave_one_out({"mean-pose": MeanPose}, config, seed, folder, data)

    config = CONFIG | {"network": "mean-pose", "shape": {}, "subject": "x", "cards": ["cmu-p1"]}
    real = poses("cmu", ["01", "02", "03"], 2)
    measured = work(config, 0, runs.cache_folder(), [real])
    assert seen == [{"02", "03"}, {"01", "03"}, {"01", "02"}]
    assert {row[0] for row in measured.quantities} >= {"mpjpe/x", "mpjpe/x/01", "mpjpe/x/03"}


def test_weights_that_are_gone_are_named():
    learn, test = poses("studio", ["S1"], 0), poses("studio", ["S9"], 1)
    trained = run(experiment, config=CONFIG, data=[learn, test], **JOB)
    (trained.folder / lifting.WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match="lifter.pt is gone; delete"):
        lifting.restore(NETWORKS, trained)


def test_a_study_trains_transfers_and_compares(tmp_path):
    setting = {"channels": 16, "dropout": 0.0, "epochs": 2, "batch": 64, "drops": [1]}
    networks = {"mean-pose": MeanPose, "cascade": NETWORKS["cascade"]}
    study = lifting.Study("tran2022", networks, setting, "smoke", 2, str(tmp_path / "out"), "cpu")
    learn, test = poses("studio", ["S1", "S5"], 0), poses("studio", ["S9"], 1)
    real = poses("cmu", ["01", "02"], 2)

    trained = study.train(learn, test, ["h36m-martinez-p1"])
    assert list(trained) == [(n, s) for s in (0, 1) for n in networks]
    moved = study.transfer(trained, learn, real, ["cmu-p1"])
    taught = study.leave_one_out("cascade", real, updates=4 * 2 * len(real), cards=["cmu-p1"])
    losses = taught["cascade-on-cmu", 0].record["series"]
    assert {len(v) for v in losses.values()} == {2 * 8}  # two stages, four times the epochs

    rows = table(trained | moved | taught)
    assert set(rows["network"]) == {"mean-pose", "cascade", "cascade-on-cmu"}
    mean = rows[
        (rows["network"] == "mean-pose") & (rows["card"] == "cmu-p1") & (rows["slice"] == "")
    ]
    assert mean["value"].nunique() == 1 and list(mean["seed"]) == [0, 1]

    study.note("distance", [("studio_ratio/cascade", "cmu-p1", "cmu", s, 1.5) for s in (0, 1)])
    records = list((tmp_path / "out" / "runs").glob("*.json"))
    assert len(records) == 4 + 4 + 2 + 2
