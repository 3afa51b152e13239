"""What changed between two folders of results, or those of two commits."""

import json
import subprocess
from pathlib import Path

import pytest

from posekit.cli import diff
from posekit.cli.diff import compare

ERRORS = (50.0, 51.0, 52.0)  # mean 51, the t interval reaches 2.48 to either side


def results(folder: Path, shift: float, word: str, evidence: str, seconds: float) -> Path:
    """A ledger of two claims and three runs."""
    (folder / "runs").mkdir(parents=True)
    head = "id,verdict,evidence,claim verdict,reason\n"
    rows = f"kim-001,{word},{evidence},{word},undertrained\nkim-002,inconsistent,{evidence},,\n"
    (folder / "ledger.csv").write_text(head + rows)
    for seed, error in enumerate(ERRORS):
        rows = [("mpjpe/a", "card", "studio", error + shift), ("params/a", "", "", 7 + shift)]
        rows = [dict(zip(("quantity", "card", "data", "value"), row)) for row in rows]
        name = f"{seed:016x}"
        about = {"id": name, "paper": "kim", "job": "train", "size": "small", "seed": seed}
        about |= {"config": {}, "seconds": seconds, "quantities": rows[: 1 + (seed == 0)]}
        (folder / "runs" / f"{name}.json").write_text(json.dumps(about))
    return folder


def test_verdicts_numbers_beyond_their_interval_and_costs_are_told(tmp_path):
    one = results(tmp_path / "one", 0.0, "supported", "E0", 100.0)
    two = results(tmp_path / "two", 3.0, "inconclusive", "E2", 200.0)
    text = compare(str(one), str(two))
    assert "verdicts: 1 of 2 claims changed" in text
    assert "1  supported -> inconclusive (undertrained): kim-001" in text
    assert "1  inconsistent, E0 -> E2: kim-002" in text
    assert "numbers: 2 of 2 beyond the interval of before" in text
    assert "kim mpjpe/a card studio small: 51.00 [48.52, 53.48] n=3 -> 54.00 [51.52, 56.48]" in text
    assert "kim params/a small: 7 -> 10" in text
    assert "kim small: 3 runs, 0.1 hours -> 3 runs, 0.2 hours" in text
    assert "kim train small seconds: 100 -> 200" in text


def test_a_mean_within_the_interval_of_before_has_not_changed(tmp_path):
    one = results(tmp_path / "one", 0.0, "supported", "E3", 100.0)
    two = results(tmp_path / "two", 0.0, "supported", "E3", 110.0)
    for path in (two / "runs").iterdir():
        path.write_text(path.read_text().replace('"value": 51.0', '"value": 52.0'))
    text = compare(str(one), str(two))
    assert "verdicts: 0 of 2" in text and "numbers: 0 of 2" in text and "0 means over runs" in text


def test_two_commits_are_compared_like_folders(tmp_path, monkeypatch):
    def git(*words):
        about = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", tmp_path, *about, *words], check=True, capture_output=True)

    git("init")
    results(tmp_path / "results", 0.0, "supported", "E3", 100.0)
    git("add", "-A")
    git("commit", "-m", "one")
    monkeypatch.setattr(diff, "ROOT", tmp_path)
    two = results(tmp_path / "two", 3.0, "contradicted", "E3", 100.0)
    assert "supported -> contradicted: kim-001" in compare("HEAD", str(two))
    with pytest.raises(ValueError, match="nowhere is neither a folder of results nor a commit"):
        compare("nowhere", "HEAD")


def test_a_folder_without_a_ledger_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="has no ledger.csv: `posekit render --out"):
        compare(str(tmp_path), str(tmp_path))
