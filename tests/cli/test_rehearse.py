"""The table of what a size costs, on the terminal and on the page of the results."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from builders import real_layouts

from posekit.cli import rehearse, reproduce
from posekit.models.costs import DEVICES, OPERATIONS, Cost
from posekit.report import costs
from posekit.report.overview import render
from posekit.training import rehearsal


def test_the_table_has_hours_by_device_and_says_what_does_not_fit():
    device = DEVICES["RTX 4090"]
    about = {"traffic": 0.0, "precision": "bfloat16"}
    small = Cost(
        "small", 1_000_000, 2e9, activations=2e6, samples=3_600, batch=10, seconds=0.5, **about
    )
    peak = OPERATIONS * device.operations["bfloat16"]
    large = Cost(
        "large", 10, peak, activations=device.memory, samples=7_200, batch=4, seconds=1.0, **about
    )
    lines = rehearse.table([small, large]).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("small", "large"))}
    assert rows["small"][1:6] == ["1,000,000", "2", "4", "10", "0.026"]  # 16 MB and 10 MB
    assert rows["large"][-2:] == ["2", "2"]  # one second a sample on the 4090, and here
    assert float(rows["large"][-3]) == pytest.approx(2 * 165 / 989, rel=0.1)
    assert any(line.startswith("all 2, one seed") and line.endswith("2.5") for line in lines)
    assert lines[-2].endswith("1.00 $ on an RTX 4090")
    assert lines[-1] == "does not fit: large needs 48 GB, RTX 4090 has 24; take a smaller batch"


def test_costs_are_kept_beside_the_results_and_become_a_page(tmp_path, monkeypatch):
    about = {"traffic": 0.0, "activations": 0.0, "batch": 10, "precision": "float32"}
    cost = Cost("line", 3_000_000, OPERATIONS * 494e12, samples=7_200, seconds=1.5, **about)

    def trained(paper, given, out):
        line = json.dumps(asdict(cost)) + "\n"
        (Path(os.environ[rehearsal.ON]) / rehearsal.COSTS).write_text(line)

    monkeypatch.setattr(reproduce, "reproduce", trained)
    for size in ("paper", "large"):
        [told] = rehearse.rehearse(["kim"], {"size": size, "seeds": 1, "data": ""}, tmp_path)
        assert f"kim, size {size}: it runs, in 0.0 minutes" in told
    records = costs.load(tmp_path)
    assert [(r["size"], r["trainings"]) for r in records] == [("large", [cost]), ("paper", [cost])]
    assert records[0]["versions"]["torch"] and records[0]["commit"] is not None
    page = render(tmp_path)[tmp_path / "costs.md"]
    row = next(line for line in page.splitlines() if line.startswith("| kim | large"))
    # one second a sample on an H200 at 3.5 $ an hour; 7,200 samples of 1.5 s here
    assert row.startswith("| kim | large | 1 | 3 | 0.048 | 1,067 | 2 (7.00 $) | ")
    assert "| line | 3,000,000 | 1.48e+05 | 7 | 10 | 0.048 | 2 | 12 | 3 |" in page
    path = costs.path_of(tmp_path, "kim", "large")
    path.write_text(path.read_text().replace("samples", "pictures"))
    with pytest.raises(ValueError, match=r"kim-large.json is no record of a rehearsal .* delete"):
        costs.load(tmp_path)


def test_lifting_runs_at_size_paper_on_human36m_with_hrnets_detections(tmp_path):
    """All seven subjects in EvoSkeleton's files, through the whole notebook."""
    given = {"size": "paper", "seeds": 1, "data": real_layouts.poses(tmp_path)}
    [told] = rehearse.rehearse(["tran2022"], given, tmp_path)
    assert "tran2022, size paper: it runs" in told
    [record] = costs.load(tmp_path)
    assert record["data"] == ["human36m"]
    trainings = record["trainings"]
    assert {cost.subject for cost in trainings} >= {"martinez", "ours", "evoskeleton-3x3"}
    assert {cost.batch for cost in trainings} == {24}
    # 15 actions, 2 takes, 4 cameras, 6 frames of 5 subjects; 210 epochs
    whole = 210 * 15 * 2 * 4 * 6 * 5
    assert all(cost.samples == pytest.approx(whole, rel=0.02) for cost in trainings)
