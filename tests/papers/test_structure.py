"""What structure.py counts of each paper: the same numbers as in the committed records."""

import json
from importlib import import_module
from pathlib import Path

import pytest

RUNS = Path(__file__).resolve().parents[2] / "results" / "runs"
JOBS = ("structure", "operations", "training memory", "reference")  # computed without training


def recorded() -> dict[tuple[str, str], dict[str, float]]:
    """(paper, job) -> quantity: value, of all records whose job structure.py has a function for."""
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for path in RUNS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        key, values = (record["paper"], record["job"]), record["quantities"]
        if key[1] in JOBS and key != ("choi2021", "operations"):  # of the networks as trained
            counts.setdefault(key, {}).update({row["quantity"]: row["value"] for row in values})
    return counts


RECORDED = recorded()


@pytest.mark.parametrize(("paper", "job"), sorted(RECORDED))
def test_counts_are_those_of_the_committed_records(paper, job):
    module = import_module(f"posekit.papers.{paper}.structure")
    counted, record = getattr(module, job.replace(" ", "_"))(), RECORDED[paper, job]
    assert set(counted) == set(record)
    whole = {name for name, value in record.items() if isinstance(value, int)}
    assert {n: counted[n] for n in whole} == {n: record[n] for n in whole}
    rest = {name: value for name, value in record.items() if name not in whole}
    # Records keep six digits, and errors that are nothing but rounding differ between processors.
    assert {n: counted[n] for n in rest} == pytest.approx(rest, rel=1e-5, abs=1e-6)
