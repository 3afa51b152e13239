"""The table of what a size costs."""

import pytest

from posekit.cli import rehearse
from posekit.training.rehearsal import DEVICES, OPERATIONS, Cost


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
    lines = rehearse.table("kim", "large", [small, large]).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("small", "large"))}
    assert rows["small"][1:6] == ["1,000,000", "2", "4", "10", "0.026"]  # 16 MB and 10 MB
    assert rows["large"][-2:] == ["2", "2"]  # one second a sample on the 4090, and here
    assert float(rows["large"][-3]) == pytest.approx(2 * 165 / 989, rel=0.1)
    assert any(line.startswith("all 2, one seed") and line.endswith("2.5") for line in lines)
    assert "1.00 $ on an RTX 4090" in lines[1]
    assert lines[-1] == "does not fit: large needs 48 GB, RTX 4090 has 24; take a smaller batch"
