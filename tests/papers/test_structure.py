"""What structure.py counts of each paper: the same numbers as in the committed records."""

import json
from importlib import import_module
from pathlib import Path

import pytest

RUNS = Path(__file__).resolve().parents[2] / "results" / "runs"
JOBS = ("structure", "operations", "training memory", "reference")  # computed without training


def counts() -> dict[tuple[str, str], dict[str, float]]:
    """(paper, job) -> quantity: value, of all records whose job structure.py has a function for."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for path in RUNS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["job"] in JOBS:
            values = {row["quantity"]: row["value"] for row in record["quantities"]}
            found.setdefault((record["paper"], record["job"]), {}).update(values)
    return found


RECORDED = {
    key: v for key, v in counts().items() if key[0] in ("tran2022", "kim", "bouchiat")
}  # TODO


@pytest.mark.parametrize(("paper", "job"), sorted(RECORDED))
def test_counts_are_those_of_the_committed_records(paper, job):
    module = import_module(f"posekit.papers.{paper}.structure")
    counted, recorded = getattr(module, job.replace(" ", "_"))(), RECORDED[paper, job]
    assert set(counted) == set(recorded)
    whole = {name for name, value in recorded.items() if isinstance(value, int)}
    assert {n: counted[n] for n in whole} == {n: recorded[n] for n in whole}
    rest = {name: value for name, value in recorded.items() if name not in whole}
    # Records keep six digits, and errors that are nothing but rounding differ between processors.
    assert {n: counted[n] for n in rest} == pytest.approx(rest, rel=1e-5, abs=1e-6)
