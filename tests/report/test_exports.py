"""Tables of results for other programs: safe to open, one thing a row, no lists in cells."""

import csv
import io
from dataclasses import replace

import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.paper import FOLDER
from posekit.report.exports import comparisons_csv, ledger_csv, networks_csv, safe
from posekit.report.overview import load_records
from posekit.report.page import Page, total
from posekit.report.records import beginning

RESULTS = FOLDER.parents[1] / "results"
TRAINED = '{"recipe": {}, "shape": {"weights": "posekit"}}'


@pytest.fixture(scope="module")
def page() -> Page:
    """Kim's claims with the committed records."""
    return Page("kim", load_records(RESULTS / "runs"), RESULTS, FOLDER)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@SUM(A1)", "- 3", "-1.5 mm"])
def test_what_a_spreadsheet_would_run_is_text(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1.5", "+2e-5", "0.3", "a = b", ""])
def test_numbers_and_other_text_stay_as_they_are(text):
    assert safe(text) == text


def test_a_claim_has_a_row_for_each_comparison(page):
    found = rows(ledger_csv([page]))
    wanted = [(c.claim.id, n) for c in page.claims for n in range(1, 1 + len(c.claim.parts))]
    assert [(row["id"], int(row["part"])) for row in found] == wanted
    assert all(" " not in row["first run"] and ";" not in row["printed"] for row in found)


def test_a_difference_is_that_of_what_is_printed_not_the_distance_to_a_threshold(page):
    [row] = [row for row in rows(ledger_csv([page])) if row["id"] == "kim-021"]
    assert "0.0455" in row["comparison"]
    assert float(row["printed"]) == pytest.approx(0.00114283 - 0.00113494)
    [claim] = [claim for claim in page.claims if claim.claim.id == "kim-021"]
    sample = claim.parts[0].sample
    plain = [a.value - b.value for a, b in zip(sample.left, sample.bare)]
    assert float(row["measured"]) == pytest.approx(sum(plain) / len(plain), abs=1e-6)
    assert float(row["low"]) < float(row["measured"]) < float(row["high"]) < 0


def test_a_change_is_a_row_with_its_p_and_gains(page):
    found = {(r["change"], r["slice"], r["metric"]): r for r in rows(comparisons_csv([page]))}
    row = found["RAdam instead of RMSprop", "", "loss"]
    assert (row["n"], row["unit"], row["beyond seed noise"]) == ("5", "%", "no")
    assert 0.5 < float(row["one gain"]) < float(row["another gain"]) < 1
    assert 0 < float(row["p"]) < 0.05 < float(row["corrected p"]) < 1
    assert float(row["low"]) < float(row["mean"]) < float(row["high"])


def test_a_network_is_a_row_with_its_floor(page):
    found = {(r["network"], r["protocol"]): r for r in rows(networks_csv([page]))}
    row = found["rmsprop-reduced", "kim-train-loss"]
    assert row["floor"] == "nothing" and float(row["mean"]) < float(row["floor value"])
    assert row["began with"] == "random"
    assert (RESULTS / row["first run"]).is_file()


@pytest.mark.parametrize("name", ["networks", "comparisons", "ledger"])
def test_every_cell_is_one_number_or_one_line_of_text(name):
    found = rows((RESULTS / f"{name}.csv").read_text())
    assert not [cell for row in found for cell in row.values() if "\n" in cell]
    for row in found:
        assert not row.get("floor value") or float(row["floor value"]) == float(row["floor value"])
        assert bool(row.get("floor")) or not row.get("floor value")


def test_a_training_says_what_its_network_began_with():
    [count, *_] = PaperUnderTest("bouchiat").records({"params/r50": 1})
    first = replace(count, id="0" * 16, job="start on strangers", config=TRAINED)
    runs = [count, first, replace(count, config=TRAINED, start="0" * 16)]
    runs += [replace(count, config='{"recipe": {}}'), replace(first, start="1" * 16)]
    words = ["", "posekit", "start on strangers", "random", "1" * 16]
    assert [beginning(run, runs) for run in runs] == words


def test_a_score_counts_what_is_printed_and_sums_over_papers(page):
    assert (page.score.printed, page.score.tested) == (6, 0)
    assert (page.score.confirmed, page.score.counts) == (
        3,
        3,
    )  # of the two stems, what they differ by
    assert (page.score.equal, page.score.recovered) == (
        1,
        1,
    )  # all parameters: published code alone
    assert total([page.score, page.score]) == tuple(2 * number for number in page.score)
    tran = Page("tran2022", [], RESULTS, FOLDER).score
    assert tran.printed == 19  # 38.3 is one result, whatever its place among others
    assert tran.orders == 15  # among them that of two numbers of parameters
