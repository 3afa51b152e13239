"""What all notebooks' experiments share: latencies, notes, tables."""

import json

import pytest
from torch import nn
from torch.nn.utils import parametrizations

from posekit.training.study import Study, table


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    networks = {"small": lambda: nn.Linear(4, 4), "large": large, "none": nn.Identity}
    return Study("tran2022", networks, {}, "smoke", 2, str(tmp_path / "out"), "cpu")


def large():
    return nn.Sequential(nn.Linear(4, 2000), parametrizations.weight_norm(nn.Linear(2000, 2000)))


def test_latencies_are_of_what_learns_and_once_a_seed(study):
    rows = table(study.latency((64, 4), rounds=5))
    assert sorted(zip(rows["network"], rows["seed"], strict=True)) == [
        ("large", 0), ("large", 1), ("small", 0), ("small", 1)
    ]  # fmt: skip
    assert set(rows["metric"]) == {"latency_ms"}
    ms = rows.groupby("network")["value"].min()
    assert ms["large"] > ms["small"] > 0
    parts = study.latency((1, 4), rounds=2, networks={"stem": large}, metric="stem_ms")
    assert set(table(parts)["network"]) == {"stem"}


def test_notes_are_records_of_their_seed(study, tmp_path):
    study.note("counted", [("params/a", "", "", 0, 7), ("mpjpe/a", "cmu-p1", "cmu", 1, 2.5)])
    records = [json.loads(p.read_text()) for p in (tmp_path / "out" / "runs").glob("*.json")]
    found = {r["seed"]: r["quantities"] for r in records}
    assert found[0] == [{"quantity": "params/a", "card": "", "data": "", "value": 7}]
    assert found[1][0]["value"] == 2.5


def test_only_a_cpu_trains_several_at_a_time(study):
    sizes = {("smoke", "cpu"): 1, ("small", "cpu"): 0, ("small", "cuda"): 1}
    for (size, device), workers in sizes.items():
        own = Study("tran2022", study.networks, {}, size, 1, "", device)
        assert own.workers == workers
