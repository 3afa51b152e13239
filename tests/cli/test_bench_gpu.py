"""The measurements of a GPU, walked through on the CPU with small inputs."""

import json
import time
from pathlib import Path

import pytest
import torch

from posekit.cli import bench_gpu, bench_soft_argmax

RUNS = Path(__file__).resolve().parents[2] / "results" / "runs"


def test_all_of_it_runs_and_is_written_with_its_provenance(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_soft_argmax, "STEPS", 1)
    monkeypatch.setattr(bench_gpu, "kim", lambda size, seconds, device: [size, seconds, device])
    bench_gpu.main(tmp_path / "gpu.json", 10.0, device="cpu", small=True)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["versions"]["torch"] == torch.__version__ and "commit" in found
    twins = [row for row in found["soft-argmax"] if "equal" in row]
    assert [row["kind"] for row in twins] == ["torch.float32", "torch.bfloat16"]
    speeds = [row for row in found["soft-argmax"] if row.get("way") == "one pass"]
    assert len(speeds) == 4  # two types in two layouts
    assert all(row["within"] == (row["copy"] >= 0.6 and row["speed"] >= 3) for row in speeds)
    [drawn], [loop] = found["renderer"], found["loop"]
    assert drawn["equal"] and all(row["equal"] for row in twins)
    assert 0 < loop["share"] == loop["pictures/s"] / loop["forward and backward alone, pictures/s"]
    size, seconds, device = found["kim"]
    assert (size, device) == ("smoke", "cpu") and 400 < seconds < 570
    assert "renderer: faces" in capsys.readouterr().out


def test_other_numbers_than_the_cpus_are_an_error_after_the_file_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_soft_argmax, "on_gpu", lambda *_: [])
    monkeypatch.setattr(bench_gpu, "loop", lambda *_: [])
    made, calls = bench_gpu.soft_argmax, iter(range(9))
    monkeypatch.setattr(bench_gpu, "soft_argmax", lambda logits: made(logits) + 0.01 * next(calls))
    with pytest.raises(RuntimeError, match="cpu computes other numbers than the CPU"):
        bench_gpu.main(tmp_path / "gpu.json", 0.0, device="cpu", small=True)
    assert json.loads((tmp_path / "gpu.json").read_text())["renderer"][0]["equal"]


def test_trainings_end_with_the_time(tmp_path):
    begun = time.monotonic()
    assert bench_gpu.kim("smoke", 1.0, "cpu") == []
    assert time.monotonic() - begun < 40
    named = [row["job"] for row in bench_gpu.trainings(RUNS)]
    assert len(named) > 50
    row = next(row for row in bench_gpu.trainings(RUNS) if row["job"] == "rmsprop-reduced")
    assert row["samples_per_second"] > 0 and len(row["losses"]) == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(tmp_path, capsys):
    bench_gpu.main(tmp_path / "gpu.json", 14.0)
    assert capsys.readouterr().out == "torch sees no GPU here: nothing is measured\n"
    assert not (tmp_path / "gpu.json").exists()
