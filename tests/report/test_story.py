"""What `posekit why` and `posekit status` print."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from posekit.claims.measurements import Record
from posekit.report.story import status, why

ERRORS = {"ours": (59, 68.9, 78.8), "evoskeleton-3x3": (60, 70, 80), "mean-pose": (220, 220, 220)}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Three seeds of Tran's network and of its baseline, on the studio."""
    return [
        Record(
            file=Path(f"{seed}.json"),
            id=f"run-{seed}",
            paper="tran2022",
            job="lifter",
            size="small",
            seed=seed,
            config="{}",
            trained_on="studio",
            device="cpu",
            threads="1",
            values={
                (f"mpjpe/{name}", "h36m-martinez-p1", "studio"): float(errors[seed])
                for name, errors in ERRORS.items()
            },
        )
        for seed in range(3)
    ]


def test_why_in_full_shows_statement_numbers_seeds_rule_and_verdict(records):
    text = why("tran2022-020", records, full=True)
    for expected in (
        "Error is 0.3 mm lower",
        "mpjpe/li = 50.9 mm, Table 1, quoted",
        "by 0.3, claimed 0.3: holds",
        "68.9 against 70, difference -1.1",
        "1.json (lifter, seed 1, cpu)",
        "measured  -1.100 [-1.348, -0.852], n = 3",
        "t interval, 3 seeds: on the claimed side of zero",
        "mean-pose (mpjpe by h36m-martinez-p1: 220 mm) and 0 that was closed: ours 69 %, ",
        "p = 0.0027, 0.0027 after Holm's correction for 1 comparison of this paper",
        "verdict   supported (E3)",
    ):
        assert expected in text


def test_why_is_told_in_ten_lines(records):
    lines = why("tran2022-020", records).splitlines()
    assert len(lines) <= 10 and max(map(len, lines)) <= 252
    told = {line.split()[0]: line for line in lines}
    assert "(1, ordering)" in lines[0] and "supported (E3)" in told["verdict"]
    assert "mpjpe/ours < mpjpe/li by h36m-martinez-p1" in told["compares"]
    assert "68.90 against 70: -1.1" in told["by"]
    assert "difference -1.10 [-1.35, -0.85], n = 3 on studio" in told["measured"]
    assert "run-0, run-1, run-2; all of this: posekit why tran2022-020 --full" in told["runs"]


def test_why_of_a_claim_that_nothing_was_measured_for_says_why():
    assert "needs data: human36m" in why("tran2022-018", [])


def test_why_of_an_unknown_claim_names_those_near_it():
    with pytest.raises(ValueError, match="no claim 'tran2022-999' .*tran2022-"):
        why("tran2022-999", [])


def test_status_tells_specification_checks_from_what_was_measured(records):
    built = replace(
        records[0], id="s", job="structure", values={("width/ours/gate-stage", "", ""): 1024.0}
    )
    text = status("tran2022", [*records, built])
    assert re.search(r"measured or checked\n +1  supported \(1 E3\)", text)
    assert re.search(r"specification checks: .*\n +1  as specified\n", text)
    assert re.search(r"not judged\n.*\n +241  quoted$", text)
