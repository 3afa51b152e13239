"""Each verdict word and rule on an example small enough to check by hand, and bad input."""

import json
from pathlib import Path

import pandas as pd
import pytest

from posekit.claims.audit import findings
from posekit.claims.ledger import counts, verdicts
from posekit.claims.measurements import load_records
from posekit.claims.paper import load_paper
from posekit.claims.verdict import WORDS

CARD = "h36m-martinez-p1"
PRINTED = f"""\
quantity,card,data,value,unit,where,source
mpjpe/ours,{CARD},human36m,50.6,mm,Table 1,own
mpjpe/ours/Eating,{CARD},human36m,46.6,mm,Table 1,own
mpjpe/ours/Photo,{CARD},human36m,59.0,mm,Table 1,own
mpjpe/li,{CARD},human36m,50.9,mm,Table 1,quoted
mpjpe/li/Eating,{CARD},human36m,49.3,mm,Table 1,quoted
mpjpe/li/Photo,{CARD},human36m,58.5,mm,Table 1,quoted
mpjpe/fang,{CARD},human36m,60.4,mm,Table 1,quoted
mpjpe/fang/Eating,{CARD},human36m,57.0,mm,Table 1,quoted
mpjpe/fang/Photo,{CARD},human36m,63.8,mm,Table 1,quoted
layers/ours,,,8,layers,2,prose
layers/code,,,9,layers,the published code,recovered
params/ours,,,4.07e6,parameters,2,prose
params/li,,,,parameters,2,prose
lost/200,,human36m,,%,2,prose
lost/210,,human36m,,%,2,prose
lost/220,,,9,%,2,prose
saved/ours,,,0.3,mm,1,prose
latency_ms/ours,,,,ms,1,prose
latency_ms/li,,,,ms,1,prose
"""
HEAD = "id,where,statement,kind,left,relation,right,by,tolerance,bare,card,needs,note\n"
ALIASES = "printed,measured,other,why\nli,cascade-3,cascade-1,its own setting\n"


@pytest.fixture
def judge(tmp_path):
    """(claim row, records) -> its row of the ledger, for a paper of one claim."""

    def judge(claim: str, *records: dict, aliases: str = ALIASES) -> pd.Series:
        paper = tmp_path / "papers" / "toy"
        paper.mkdir(parents=True, exist_ok=True)
        (paper / "printed.csv").write_text(PRINTED)
        (paper / "claims.csv").write_text(f"{HEAD}toy-1,1,said so,{claim}\n")
        (paper / "aliases.csv").write_text(aliases)
        return verdicts(load_paper("toy", paper.parent), save(tmp_path / "runs", *records)).iloc[0]

    return judge


def save(folder: Path, *records: dict) -> list:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for i, record in enumerate(records):
        (folder / f"{i:016x}.json").write_text(json.dumps({"id": f"{i:016x}"} | record))
    return load_records(folder)


def run(seed: int, data: str, values: dict, *, size="small", job="lifter", device="cpu") -> dict:
    """A run record whose values are keyed by quantity."""
    card = CARD if data else ""
    rows = [
        {"quantity": q, "card": card, "data": data, "value": value} for q, value in values.items()
    ]
    rest = {"paper": "toy", "job": job, "config": {}, "device": device, "quantities": rows}
    return {"size": size, "seed": seed, "data": {"name": data}} | rest


def seeds(data: str, **values: tuple) -> list[dict]:
    """One run a seed; values keyed by subject are its mpjpe."""
    count = len(next(iter(values.values())))
    return [
        run(i, data, {f"mpjpe/{s.replace('_', '-')}": v[i] for s, v in values.items()})
        for i in range(count)
    ]


def at_paper_size(**values: tuple) -> list[dict]:
    return [r | {"size": "paper"} for r in seeds("human36m", **values)]


BETTER = f"ordering,mpjpe/ours,<,mpjpe/li,,,,{CARD},,"
BEST = f"ordering,mpjpe/ours,<,min(mpjpe/*),,,,{CARD},,"
ACCURATE = f"accuracy,mpjpe/ours,=,50.6,,,,{CARD},,"


# Structure


def test_a_count_equal_at_printed_precision_is_reproduced(judge):
    row = judge("structure,params/ours,=,4.07e6,,,,,,", run(0, "", {"params/ours": 4_073_248}))
    assert (row.verdict, row.evidence, row.measured) == ("reproduced", "E1", "4073248")


def test_a_count_that_differs_is_contradicted(judge):
    row = judge("structure,layers/ours,=,8,,,,,,", run(0, "", {"layers/ours": 9}))
    assert (row.verdict, row.printed, row.measured) == ("contradicted", "8", "9")


def test_counts_are_compared_with_the_stand_in_and_its_other_readings_are_told(judge):
    counted = {"params/ours": 17, "params/cascade-3": 19, "params/cascade-1": 4}
    row = judge("structure,params/ours,<,params/li,,,,,,", run(0, "", counted))
    assert row.measured == "-2"
    assert row.readings == "measured with cascade-3 for li; with cascade-1 for li: contradicted, 13"


def test_what_turns_round_with_the_reading_is_open(judge):
    claim = "structure,params/ours,<,params/li,,,,,,"
    counted = {"params/ours": 17, "params/cascade-3": 19, "params/cascade-1": 4}
    row = judge(claim, run(0, "", counted))
    assert (row.verdict, row.evidence) == ("inconclusive", "E1")
    told = "reproduced with cascade-3 for li, contradicted with cascade-1 for li"
    assert f"depends on the reading: {told}" in row.note
    row = judge(claim, run(0, "", counted | {"params/cascade-1": 18}))
    assert (row.verdict, row.measured) == ("reproduced", "-2") and "depends" not in row.note


def test_readings_of_two_subjects_are_taken_one_at_a_time(judge):
    aliases = f"{ALIASES}ours,ours,ours-b,two readings\n"
    values = {"ours": (59, 71, 79), "ours_b": (59, 68.9, 78.8), "cascade_3": (60, 70, 80)}
    row = judge(BETTER, *seeds("studio", **values, cascade_1=(62, 74.1, 82)), aliases=aliases)
    assert row.verdict == "inconclusive"  # a reading may turn a verdict, but not make one
    assert row.readings.split("; ") == [
        "measured with cascade-3 for li",
        "with cascade-1 for li: supported before correction, -3.033 [-3.177, -2.890]",
        "with ours-b for ours: supported before correction, -1.100 [-1.348, -0.852]",
    ]


def test_a_reading_that_nobody_measured_is_not_told(judge):
    claim = f"ordering,mpjpe/ours,<=,min(mpjpe/*),,,,{CARD},,"
    values = {"ours": (59, 58.9, 58.8), "cascade_3": (60, 61, 60.3)}
    assert judge(claim, *seeds("studio", **values)).readings == "measured with cascade-3 for li"
    row = judge(claim, *seeds("studio", **values, cascade_1=(70, 71, 72)))
    assert "with cascade-1 for li: " in row.readings


def test_one_part_that_differs_decides_for_the_whole_claim(judge):
    claim = "structure,layers/ours; params/ours,=,8; 4.07e6,,,,,,"
    row = judge(claim, run(0, "", {"layers/ours": 9, "params/ours": 4_073_248}))
    assert (row.verdict, row.measured) == ("contradicted", "9; 4073248")


def test_a_count_nobody_made_is_not_run_and_named(judge):
    row = judge("structure,layers/ours,=,8,,,,,,")
    assert row.verdict == "not run" and "layers/ours" in row.note


def test_what_the_paper_leaves_open_is_not_derivable_whatever_was_counted(judge):
    claim = "structure,layers/ours,=,8,,,,,not derivable: nobody says; tried 8,"
    row = judge(claim, run(0, "", {"layers/ours": 8}))
    assert (row.verdict, row.measured) == ("not derivable", "8") and "tried 8" in row.note


# Arithmetic and audit


def test_arithmetic_that_holds_on_the_printed_numbers_is_reproduced(judge):
    row = judge(f"arithmetic,mpjpe/li - mpjpe/ours,=,saved/ours,,,,{CARD},,")
    assert (row.verdict, row.evidence) == ("reproduced", "E0")


def test_arithmetic_that_fails_is_inconsistent(judge):
    row = judge(f"arithmetic,mpjpe/fang - mpjpe/ours,=,saved/ours,,,,{CARD},,")
    assert row.verdict == "inconsistent" and "fails" in row.audit


def test_arithmetic_without_printed_numbers_is_not_derivable(judge):
    assert judge("arithmetic,params/ours,<,params/li,,,,,,").verdict == "not derivable"


def test_arithmetic_beyond_the_printed_digits_is_inconclusive(judge):
    row = judge(f"arithmetic,mpjpe/ours,<,mpjpe/ours + 0,,,,{CARD},,")
    assert row.verdict == "inconclusive" and "printed precision" in row.audit


def test_the_papers_own_numbers_overrule_every_measurement(judge):
    claim = f"ordering,mpjpe/ours/Photo,<,mpjpe/li/Photo,,,,{CARD},,"  # 59.0 < 58.5
    names = ("mpjpe/ours/Photo", "mpjpe/cascade-3/Photo")
    runs = [run(i, "human36m", dict(zip(names, (50 + i / 10, 60.0)))) for i in range(3)]
    row = judge(claim, *runs)
    assert (row.verdict, row.evidence) == ("inconsistent", "E0")
    assert "by measurement reproduced (E6)" in row.note and row.measured == "-9.900"


def test_the_audit_names_who_breaks_a_best_of_all(judge):
    row = judge(f"ordering,mpjpe/ours/Photo,<,min(mpjpe/*/Photo),,,,{CARD},,")
    assert row.verdict == "inconsistent" and "against: li 58.5" in row.audit


def test_the_audit_checks_the_amount_a_claim_names(judge):
    assert "claimed 0.3: holds" in judge(BETTER.replace("li,,", "li,0.3,")).audit
    assert judge(BETTER.replace("li,,", "li,0.9,")).verdict == "inconsistent"
    assert "claimed 0.6%: holds" in judge(BETTER.replace("li,,", "li,0.6%,")).audit


def test_averages_are_checked_without_a_claim_that_says_so(tmp_path, judge):
    judge(BETTER)
    found = findings(load_paper("toy", tmp_path / "papers"))
    # ours: (46.6 + 59.0) / 2 = 52.8, not 50.6; li: 53.9, not 50.9; fang: 60.4 as printed
    assert found[found["what"] == "average"]["name"].tolist() == ["mpjpe/ours", "mpjpe/li"]


# Ordering


def test_an_order_on_the_studio_is_supported_by_three_paired_seeds(judge):
    # differences -1.0 -1.1 -1.2 although the seeds themselves lie 10 apart
    row = judge(BETTER, *seeds("studio", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80)))
    assert (row.verdict, row.evidence, row.n, row.data) == ("supported", "E3", "3", "studio")
    assert (row.printed, row.measured) == ("-0.3", "-1.100")
    assert (float(row.low), float(row.high)) == pytest.approx((-1.3484, -0.8516), abs=5e-4)
    assert "t interval, 3 seeds" in row.note
    assert "with 3 seeds only a difference above 0.25 mm can be told from 0" in row.note


def test_real_data_that_is_not_the_papers_supports_and_no_more(judge):
    row = judge(BETTER, *seeds("cmu", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80)))
    assert (row.verdict, row.evidence) == ("supported", "E4")


def test_the_papers_own_data_reproduces(judge):
    row = judge(BETTER, *seeds("human36m", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80)))
    assert (row.verdict, row.evidence) == ("reproduced", "E6")


def test_a_model_trained_elsewhere_is_not_the_papers_experiment(judge):
    runs = seeds("human36m", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80))
    row = judge(BETTER, *(r | {"data": {"name": "studio"}} for r in runs))
    assert (row.verdict, row.evidence) == ("supported", "E4")


def test_two_seeds_are_inconclusive_even_on_the_papers_data(judge):
    row = judge(BETTER, *seeds("human36m", ours=(59, 68.9), cascade_3=(60, 70)))
    assert (row.verdict, row.evidence, row.n) == ("inconclusive", "E5", "2")


def test_an_interval_across_zero_is_inconclusive(judge):
    row = judge(BETTER, *seeds("studio", ours=(59, 71, 79), cascade_3=(60, 70, 80)))
    assert row.verdict == "inconclusive" and "across zero" in row.note


def test_the_other_order_is_contradicted_and_the_data_named(judge):
    row = judge(BETTER, *seeds("studio", ours=(61, 71.1, 81.2), cascade_3=(60, 70, 80)))
    assert (row.verdict, row.data) == ("contradicted", "studio")


def test_the_better_evidence_decides_and_the_rest_is_told(judge):
    studio = seeds("studio", ours=(61, 71.1, 81.2), cascade_3=(60, 70, 80))
    real = seeds("cmu", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80))
    row = judge(BETTER, *studio, *real)
    assert (row.verdict, row.data) == ("supported", "cmu")
    assert "on studio (E3, n = 3): contradicted before correction, 1.100 [0.852, 1.348]" in row.note


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [((-1.0, -1.1, -1.2, -1.1), "supported"), ((-9.0, 0.1, 0.2, -0.1), "inconclusive")],
)
def test_what_hangs_on_one_of_four_test_persons_is_open(judge, differences, verdict):
    runs = seeds("cmu", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80))
    for record in runs:
        for name, difference in zip(("01", "02", "03", "11"), differences):
            about = {"card": CARD, "data": "cmu"}
            record["quantities"] += [
                about | {"quantity": f"mpjpe/ours/{name}", "value": 60.0 + difference},
                about | {"quantity": f"mpjpe/cascade-3/{name}", "value": 60.0},
            ]
    row = judge(BETTER, *runs)
    assert (row.verdict, row.evidence) == (verdict, "E4")
    assert "over 4 test persons" in row.note
    assert row.reason == ("" if verdict == "supported" else "across zero over people")


def test_being_ahead_of_those_measured_leaves_best_of_the_table_open(judge):
    values = {"ours": (59, 68.9, 78.8), "cascade_3": (60, 70, 80)}
    row = judge(BEST, *seeds("studio", **values))
    assert row.verdict == "inconclusive" and "supported against cascade" in row.note
    assert "quoted only, not measured: fang" in row.note
    row = judge(BEST, *seeds("studio", **values, fang=(62, 72.2, 81.9)))
    assert row.verdict == "supported" and "quoted only" not in row.note


def test_best_of_the_table_is_taken_against_the_best_of_each_seed(judge):
    values = {"ours": (59, 68.9, 78.8), "cascade_3": (60, 70, 80), "fang": (57, 66.8, 76.7)}
    row = judge(BEST, *seeds("studio", **values))
    assert (row.verdict, row.measured) == ("contradicted", "2.067")  # 2, 2.1, 2.1 behind fang


def test_what_is_said_of_one_part_alone_says_of_which(judge):
    claim = f"ordering,mpjpe/ours; mpjpe/ours,<,mpjpe/li; mpjpe/fang,,,,{CARD},,"
    values = {"ours": (59, 68.9, 78.8), "cascade_3": (60, 70, 80), "fang": (62, 72.3, 81.9)}
    note = judge(claim, *seeds("studio", **values)).note.split("; ")
    assert note.count("t interval, 3 seeds: on the claimed side of zero") == 1
    assert note.count("size small") == 1
    for rival, least in (("li", 0.25), ("fang", 0.52)):
        told = f"with 3 seeds only a difference above {least} mm can be told from 0"
        assert f"against {rival}: {told}" in note


def test_smoke_runs_decide_nothing(judge):
    runs = seeds("studio", ours=(59, 68.9, 78.8), cascade_3=(60, 70, 80))
    assert judge(BETTER, *(r | {"size": "smoke"} for r in runs)).verdict == "not run"


def test_runs_of_different_sizes_are_never_paired(judge):
    ours = seeds("studio", ours=(59, 68.9, 78.8))
    theirs = [r | {"size": "large"} for r in seeds("studio", cascade_3=(60, 70, 80))]
    row = judge(BETTER, *ours, *theirs)
    assert row.verdict == "not run" and "never at one size" in row.note


def test_networks_that_a_size_does_not_train_are_named_with_the_one_that_does(judge, tmp_path):
    judge(BETTER)  # makes the paper's folder
    path = tmp_path / "papers" / "toy" / "configurations.csv"
    path.write_text(f"configuration,card,sizes\ncascade-3,,large paper\nours,{CARD},paper\n")
    note = judge(BETTER, *seeds("studio", fang=(60, 70, 80))).note
    assert "needs size large, the smallest with cascade-3" in note
    assert "needs size paper, the smallest with ours" in note
    run = seeds("studio", ours=(59, 68.9, 78.8))  # what there is, is not asked for again
    assert "size paper" not in judge(BETTER, *run).note
    path.write_text("configuration,card,sizes\nours,,gpu\n")
    with pytest.raises(ValueError, match="configurations.csv, line 2: unknown size 'gpu'; one of"):
        judge(BETTER)


def test_twenty_seeds_are_bootstrapped_with_test_subjects_as_strata(judge):
    runs = [
        run(
            i,
            "studio",
            {"mpjpe/ours": 59 + i % 3 / 10, "mpjpe/cascade-3": 60.0}
            | {"mpjpe/ours/S9": 58 + i % 3 / 10, "mpjpe/cascade-3/S9": 59.0}
            | {"mpjpe/ours/S11": 60 + i % 3 / 10, "mpjpe/cascade-3/S11": 61.0},
        )
        for i in range(21)
    ]
    row = judge(BETTER, *runs)
    assert row.verdict == "supported" and float(row.measured) == pytest.approx(-0.9)
    assert "bootstrap-t over 21 seeds, 2 test subjects as strata" in row.note


# Counts in order, which have no card and no seed

FEWER = "ordering,lost/210,<,lost/200,,,,,,"


def counted(data: str, fewer: float, more: float, **changes) -> dict:
    rows = (("lost/210", fewer), ("lost/200", more))
    quantities = [{"quantity": q, "card": "", "data": data, "value": v} for q, v in rows]
    return run(0, "", {}) | {"quantities": quantities} | changes


@pytest.mark.parametrize(
    ("data", "fewer", "verdict", "evidence"),
    [
        ("human36m", 3.25, "reproduced", "E5"),
        ("human36m", 4.5, "contradicted", "E5"),  # as many are not fewer
        ("human36m", 5.0, "contradicted", "E5"),
        ("cmu", 3.25, "supported", "E4"),
        ("studio", 3.25, "supported", "E3"),
    ],
)
def test_counts_are_in_the_order_claimed_or_not_by_one_count(judge, data, fewer, verdict, evidence):
    row = judge(FEWER, counted(data, fewer, 4.5))
    assert (row.verdict, row.evidence, row.data) == (verdict, evidence, data)
    assert (row.measured, row.low) == (f"{fewer - 4.5:g}", "") and "seed" not in row.note


def test_a_bound_is_told_as_such_and_not_as_a_difference(judge):
    claim = "structure,layers/ours,>=,8,,,,,,"
    assert judge(claim).printed == ">= 8"
    row = judge(claim, run(0, "", {"layers/ours": 9}))
    assert (row.verdict, row.printed, row.measured) == ("as specified", ">= 8", "9")
    assert judge(claim, run(0, "", {"layers/ours": 7})).verdict == "contradicted"


def test_of_two_printed_numbers_said_to_be_equal_the_first_is_shown(judge):
    row = judge("structure,layers/ours,=,lost/220,,0,,,,", run(0, "", {"layers/ours": 8}))
    assert (row.verdict, row.printed) == (
        "inconsistent",
        "8",
    ) and row.audit == "layers: 8 in 2, 9 in 2"


def test_published_code_contradicts_the_text_by_e2_and_names_both(judge):
    row = judge("structure,layers/ours,=,layers/code,,,,,,", run(0, "", {"layers/ours": 8}))
    assert (row.verdict, row.evidence) == ("inconsistent", "E2")
    assert row.audit == "layers: 8 in the text, 9 in the published code"


def test_what_fails_by_a_threshold_of_ours_alone_is_inconclusive(judge):
    claim = f"ordering,mpjpe/ours,<=,0.5 * mpjpe/fang,,,mpjpe/fang,{CARD},,"
    row = judge(claim, *seeds("studio", ours=(59, 68.9, 78.8), fang=(60, 70, 80)))
    assert (row.verdict, row.reason) == ("inconclusive", "threshold of ours")
    assert "fails by a threshold of ours alone, at most 0.5 * fang" in row.note


# Accuracy and speed


def test_accuracy_on_the_papers_data_is_reproduced_within_its_margin(judge):
    row = judge(ACCURATE, *at_paper_size(ours=(50.5, 50.6, 50.7)))
    assert (row.verdict, row.evidence, row.margin) == ("reproduced", "E6", "1.5")
    assert "TOST within 1.5" in row.note and "could prove 0.17" in row.note


def test_accuracy_beyond_its_margin_is_contradicted(judge):
    assert judge(ACCURATE, *at_paper_size(ours=(53.5, 53.6, 53.7))).verdict == "contradicted"


def test_accuracy_of_two_seeds_is_inconclusive(judge):
    row = judge(ACCURATE, *at_paper_size(ours=(50.5, 50.7)))
    assert (row.verdict, row.evidence) == ("inconclusive", "E5")


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_printed_number_is_not_judged_by_less_than_the_papers_recipe(judge, size):
    runs = [r | {"size": size} for r in seeds("human36m", ours=(50.5, 50.6, 50.7))]
    row = judge(ACCURATE, *runs)
    assert (row.verdict, row.evidence, row.measured, row.runs) == ("not run", "", "", "")
    assert "not run at size paper" in row.note
    told = f"at size {size} on human36m, which doesn't decide: 50.600 [50.352, 50.848], n = 3"
    assert told in row.note
    row = judge(ACCURATE, *runs, *at_paper_size(ours=(53.5, 53.6, 53.7)))
    assert (row.verdict, row.measured) == ("contradicted", "53.600") and told in row.note


def test_data_that_is_there_is_no_longer_said_to_be_needed(judge):
    claim = ACCURATE.removesuffix(",") + "needs data: human36m,"
    assert judge(claim).verdict == "needs data"
    row = judge(claim, *seeds("human36m", ours=(50.5, 50.6, 50.7)))
    assert row.verdict == "not run" and "needs data" not in row.note
    row = judge(claim, *at_paper_size(ours=(50.5, 50.6, 50.7)))
    assert row.verdict == "reproduced" and "human36m" not in row.note


@pytest.mark.parametrize("data", ["studio", "cmu"])
def test_accuracy_never_takes_numbers_of_other_data(judge, data):
    row = judge(ACCURATE, *seeds(data, ours=(50.5, 50.6, 50.7)))
    assert (row.verdict, row.measured, row.runs) == ("needs data", "", "")
    assert "needs data: human36m" in row.note


def test_a_quoted_number_is_kept_and_not_judged(judge):
    claim = f"accuracy,mpjpe/fang,=,60.4,,,,{CARD},quoted: Fang et al.,"
    row = judge(claim, *seeds("human36m", fang=(1.0, 1.0, 1.0)))
    assert (row.verdict, row.printed, row.measured) == ("quoted", "60.4", "")
    assert "average 60.4 is the mean of its 2 cells" in row.audit


def test_a_claim_that_needs_hardware_says_which(judge):
    row = judge("structure,,,,,,,,needs hardware: a GTX 1080Ti,")
    assert row.verdict == "needs hardware" and "GTX 1080Ti" in row.note


SPEED = "speed,latency_ms/ours,<,latency_ms/li,,,,,,"


def test_speed_is_compared_on_one_device_and_supported_at_most(judge):
    pairs = ((6.0, 7.0), (6.1, 7.2), (6.2, 7.1))
    runs = [
        run(i, "", {"latency_ms/ours": a, "latency_ms/cascade-3": b})
        | {"threads": 2, "config": {"batch": 1}}
        for i, (a, b) in enumerate(pairs)
    ]
    row = judge(SPEED, *runs)
    assert (row.verdict, row.evidence) == ("supported", "E1")
    assert "t interval, 3 repeats" in row.note and "seeds" not in row.note
    assert "timed on cpu, threads 2, batch 1" in row.note


def test_times_of_two_devices_are_not_compared(judge):
    ours = [run(i, "", {"latency_ms/ours": 6.0 + i}) for i in range(3)]
    theirs = [
        run(i, "", {"latency_ms/cascade-3": 9.0}, job="other", device="gpu") for i in range(3)
    ]
    assert judge(SPEED, *ours, *theirs).verdict == "not run"


def test_a_printed_time_needs_the_papers_device(judge):
    runs = [run(i, "", {"latency_ms/ours": 6.0}) for i in range(3)]
    assert judge("speed,latency_ms/ours,=,6.0,,,,,,", *runs).verdict == "needs hardware"


# Bad input


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        (
            "structure,layers/our,=,8,,,,,,",
            r"line 2: unknown quantity layers/our .*layers/ours.*add",
        ),
        (f"ordering,mpjpe/ours,<,min(mpjpe/*/Jump),,,,{CARD},,", r"unknown quantity mpjpe/\*/Jump"),
        ("structure,mpjpe/ours,=,8,,,,,,", "unknown quantity mpjpe/ours"),  # not without its card
        ("opinion,layers/ours,=,8,,,,,,", "unknown kind 'opinion'"),
        ("structure,layers/ours,==,8,,,,,,", "unknown relation '=='"),
        ("structure,layers/ours,=,eight,,,,,,", "can't read the expression 'eight'"),
        ("structure,layers/ours,=,8,,,,,perhaps: later,", "unknown reason in the column needs"),
        ("structure,,,,,,,,,", "nothing to compare"),
        ("structure,layers/ours; params/ours,=,8; 9; 10,,,,,,", "3 entries in right for 2"),
        ("structure,layers/ours,=,8,,a bit,,,,", "'a bit' is not a number"),
        ("structure,layers/ours,=,8,,,,,", "cells expected"),
    ],
)
def test_a_faulty_claim_is_refused_with_file_line_and_remedy(judge, claim, fault):
    with pytest.raises(
        ValueError, match=rf"claims\.csv, line 2: .*{fault.removeprefix('line 2: ')}"
    ):
        judge(claim)


def test_an_id_used_twice_is_refused(judge, tmp_path):
    judge(BETTER)
    path = tmp_path / "papers" / "toy" / "claims.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(ValueError, match="line 3: toy-1 is there twice; keep one"):
        load_paper("toy", tmp_path / "papers")


def test_an_unknown_paper_is_refused_with_those_there_are():
    with pytest.raises(FileNotFoundError, match="tran2022"):
        load_paper("tran2023")


def test_two_records_of_one_run_are_refused_with_both_files(tmp_path):
    twice = seeds("studio", ours=(1.0,)) * 2
    with pytest.raises(ValueError, match=r"0000000000000000\.json and .*0000000000000001\.json"):
        save(tmp_path / "runs", *twice)


def test_two_jobs_that_measure_one_thing_differently_are_refused_with_both_files(judge):
    one, other = run(0, "studio", {"mpjpe/ours": 1.0}), run(0, "studio", {"mpjpe/ours": 2.0})
    with pytest.raises(ValueError, match=r"0\.json and .*1\.json both give mpjpe/ours"):
        judge(BETTER, one, other | {"job": "again"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"id": "1", "paper"', "not a whole JSON file"),
        ("", "not a whole JSON file"),
        ("[]", "not a run record"),
        ('{"id": "1"}', "paper is missing"),
        (json.dumps(run(0, "studio", {}) | {"id": "1", "size": "huge"}), "unknown size 'huge'"),
        (json.dumps(run(0, "", {"a/b": float("nan")}) | {"id": "1"}), "a/b is nan, not a number"),
        (json.dumps(run(0, "", {"a/b": "6"}) | {"id": "1"}), "a/b is 6, not a number"),
        (json.dumps(run(0, "", {}) | {"id": "1", "quantities": [{}]}), "lacks quantity"),
        (json.dumps(run(0, "", {}) | {"id": "2"}), "the record of another run, 2"),
        (json.dumps(run(0, "", {}) | {"id": "1", "digest": "0"}), "not those that were written"),
    ],
)
def test_a_damaged_record_is_refused_with_its_file_and_the_remedy(tmp_path, text, fault):
    (tmp_path / "1.json").write_text(text)
    with pytest.raises(ValueError, match=rf"1\.json.*{fault}.*(delete|run)"):
        load_records(tmp_path)


# What is told and written


def test_verdicts_are_counted_by_paper():
    words = ["supported", "supported", "contradicted"]
    table = counts(pd.DataFrame({"paper": ["one", "two", "one"], "verdict": words}))
    assert list(table.index) == list(WORDS[::-1]) and list(table) == ["one", "two"]
    assert table.loc["supported"].tolist() == [1, 1] and table.sum().tolist() == [2, 1]


def test_what_is_the_same_in_every_run_was_counted_and_not_timed(judge):
    for value, word in ((6.0, "reproduced"), (8.0, "contradicted")):
        rows = {"latency_ms/ours": value, "latency_ms/cascade-3": 7.0}
        row = judge(SPEED, *(run(seed, "", rows) for seed in range(3)))
        assert (row.verdict, row.evidence, row.low) == (word, "E1", "")
        assert "repeats" not in row.note and "timed" not in row.note
