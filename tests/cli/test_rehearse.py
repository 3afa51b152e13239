"""The table of what a size costs."""

import pytest

from posekit.cli import rehearse
from posekit.training.rehearsal import PEAKS, SHARE, Cost


def test_the_table_has_hours_by_device_and_says_what_does_not_fit():
    peak, memory = PEAKS["RTX 4090"]
    small = Cost("small", 1_000_000, 2e9, 1e6, samples=3_600, batch=10, seconds=0.5)
    large = Cost("large", 10, SHARE * peak, memory / 2, samples=7_200, batch=4, seconds=1.0)
    lines = rehearse.table("kim", "large", [small, large]).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("small", "large"))}
    assert rows["small"][1:6] == ["1,000,000", "2", "4", "10", "0.026"]  # 16 MB and 10 MB
    assert rows["large"][-2:] == ["2", "2"]  # one second a sample on the 4090, and here
    assert float(rows["large"][-3]) == pytest.approx(2 * peak / PEAKS["H200"][0], rel=0.1)
    assert any(line.startswith("all 2, one seed") and line.endswith("2.5") for line in lines)
    assert lines[-1] == "does not fit: large needs 48 GB, RTX 4090 has 24; take a smaller batch"
