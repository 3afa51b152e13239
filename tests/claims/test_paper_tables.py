"""A paper's tables in its own shape: printed as in the paper, measured beside it, and marks."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.audit import findings, load_errata
from posekit.claims.ledger import judge_claims
from posekit.claims.numbers import compare, printed_interval
from posekit.claims.paper import FOLDER, load_paper, slugs
from posekit.claims.paper_tables import _places, paper_tables, read_layout
from posekit.claims.table_html import LOST, Column, Measured

TABLES = {"tran2022": 2, "kim": 3, "bouchiat": 7, "choi2021": 10, "bae": 7}
LAYOUTS = sorted(p for p in FOLDER.glob("[a-z]*/tables/*.csv") if p.stem != "index")


def tables(slug: str, records=(), errata=()) -> dict:
    paper = load_paper(slug)
    made = paper_tables(paper, judge_claims(paper, records), records, errata)
    return {table.name: table for table in made}


def cell(table, row: str, column: str):
    cells = dict(table.rows)[row]
    return cells[[c.heading for c in table.columns].index(column)]


def test_every_table_of_every_paper_is_there():
    assert {slug: len(tables(slug)) for slug in slugs()} == TABLES


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_each_printed_number_of_a_table_is_that_of_the_paper(path):
    """A table may print fewer digits than the text does, but no other number."""
    paper = load_paper(path.parts[-3])
    _, columns, rows = read_layout(path)
    numbers = 0
    for _, subject, texts in rows:
        for column, text in zip(columns, texts):
            printed = printed_interval(text)
            if printed and column.quantity:
                name = column.quantity.replace("*", subject)
                entry = paper.find(name, column.card)
                if not entry.value:  # a row that is another table's network
                    entry = paper.find(paper.measured_name(name), column.card)
                shorter = abs(printed.value - entry.value.value) <= printed.high - printed.value
                assert shorter or compare(printed, "=", entry.value) == "holds", (text, entry)
                numbers += 1
    assert numbers or path.stem in ("table-3", "table-4")  # choi's, which are lost


def test_rows_are_in_the_order_of_the_transcribed_tables(papers):
    pairs = {"tran2022/tables/table-1-p1": "tran2022_table1_protocol1"}
    pairs |= {f"choi2021/tables/table-{n}": f"choi2021_table{n}" for n in (7, 8, 9, 10)}
    pairs |= {"bae/tables/table-1": "bae_table1", "bouchiat/tables/table-1": "bouchiat_table1"}
    for own, name in pairs.items():
        _, columns, rows = read_layout(FOLDER / f"{own}.csv")
        with (papers / "tables" / f"{name}.csv").open(newline="") as file:
            transcribed = list(csv.reader(file))[1:]
        rows = [texts for _, _, texts in rows if any(texts)]
        assert len(rows) == len(transcribed)
        for texts, line in zip(rows, transcribed):
            printed = [t for c, t in zip(columns, texts) if c.heading]
            found = [[printed_interval(t) for t in texts] for texts in (printed, line[1:])]
            one, other = ([n.value if n else None for n in numbers] for numbers in found)
            assert one == other[: len(one)]


def test_a_count_is_marked_by_its_claim_and_shown_with_its_evidence():
    bae = PaperUnderTest("bae")
    counts = {"params/resnet50": 26977501, "params/densenet201": 22410246}
    table = tables("bae", bae.records(counts))["Table VI"]
    equal, other = (cell(table, row, "Parameters") for row in ("ResNet50", "DenseNet201"))
    assert (equal.printed, equal.mark, equal.behind) == ("26,977,501", "=", "bae-001")
    assert (equal.here.text, equal.here.basis) == ("26,977,501", "E2")
    assert (other.mark, other.behind) == ("x", "bae-005")
    assert cell(table, "MobileNetV2", "Parameters").mark == "-"


def test_studio_numbers_stand_in_a_column_of_their_own_and_decide_nothing():
    tran = PaperUnderTest("tran2022")
    runs = tran.records({"mpjpe/ours": 65.0, "mpjpe/mean-pose": 220.0}, CARD, "studio")
    table = tables("tran2022", runs)["Table 1, protocol 1"]
    own = cell(table, "Our", "Avg.")
    assert (own.printed, own.mark, own.here.text) == ("50.6", "-", "65.10 ± 0.25")
    text = table.html()
    assert '<th>printed</th><th class="here">studio, mm<br>E3, n = 3</th>' in text
    [row] = re.findall(r"<tr><th>Our</th>.*</tr>", text)
    assert row.endswith(
        '50.6 <b><span title="tran2022-018">-</span></b></td>'
        '<td class="here">65.10 ± 0.25 <small>gain 70 %</small></td></tr>'  # (220.1 - 65.1) / 220.1
    )
    assert '<th class="own"><i>mean pose (floor)</i></th>' in text
    page = table._repr_html_()
    left = 'style="text-align: left;"'  # names of rows and words, not numbers or their heads
    assert f"<tr><th {left}>Our</th>" in page and "<th>printed</th>" in page
    kim = tables("kim", [])["Section V, the six models"]._repr_html_()
    assert f"<th {left}>Optimizer</th>" in kim and f"<td {left}>RMSprop</td>" in kim
    assert "<th>Loss</th>" in kim


def test_the_columns_of_a_protocol_are_of_one_data_set_and_better_evidence_stands_behind():
    tran = PaperUnderTest("tran2022")
    own = {"mpjpe/ours": 65.0, "mpjpe/ours/Eating": 60.0, "mpjpe/ours/Sitting": 70.0}
    runs = tran.records(own, CARD, "studio") + tran.records({"mpjpe/ours": 99.0}, CARD, "cmu")
    table = tables("tran2022", runs)["Table 1, protocol 1"]
    cells = dict(table.rows)["Our"]
    average, behind = cells[-2:]
    assert [c.here.data for c in cells if c.here] == ["studio"] * 3 + ["cmu"]
    assert (average.printed, average.here.data, average.here.text[:2]) == ("50.6", "studio", "65")
    assert (behind.printed, behind.here.data, behind.here.text[:2]) == ("", "cmu", "99")
    assert table.columns[-1].heading == "Avg." and "cmu, mm<br>E4, n = 3" in table.html()


def test_a_row_says_its_size_where_a_table_has_several():
    tran, row = PaperUnderTest("tran2022"), {"mpjpe/ours": 65.0, "mpjpe/ours/Eating": 60.0}
    runs = tran.records(row, CARD, "studio", size="small")
    assert "size small" not in tables("tran2022", runs)["Table 1, protocol 1"].html()
    runs += tran.records({"mpjpe/martinez": 68.0}, CARD, "studio", size="medium")
    text = tables("tran2022", runs)["Table 1, protocol 1"].html()
    assert text.count("size small") == text.count("size medium") == 1
    assert "<th>Our <small>size small</small></th>" in text
    runs += tran.records({"mpjpe/ours/Sitting": 70.0}, CARD, "studio", size="medium")
    text = tables("tran2022", runs)["Table 1, protocol 1"].html()
    assert "<th>Our</th>" in text and text.count("size small</small></td>") == 2


def test_a_gain_stands_beside_the_number_that_it_is_of():
    eth = PaperUnderTest("bouchiat")
    own = {"mpjpe/r50": 100.0}, {"mpjpe/r50": 120.0, "mpjpe/mean-pose": 260.0}
    cards = ("h36m-bouchiat", "h36m-bouchiat-unaided")
    runs = [r for v, card in zip(own, cards) for r in eth.records(v, card, "studio-pictures")]
    aided, unaided, _ = dict(tables("bouchiat", runs)["Table 2"].rows)["Baseline"]
    assert aided.here.gain is None and unaided.here.gain == pytest.approx(0.54, abs=0.005)


@pytest.mark.parametrize(("studio", "shown"), [(80.0, "studio"), (190.0, "studio-others")])
def test_of_two_data_sets_a_table_shows_that_on_which_networks_have_learnt(studio, shown):
    tran = PaperUnderTest("tran2022")
    runs = []
    for data, error in (("studio", studio), ("studio-others", 90.0)):
        runs += tran.records({"mpjpe/ours": error, "mpjpe/mean-pose": 200.0}, CARD, data)
    runs = [replace(r, id=str(i), file=Path(f"{i}.json")) for i, r in enumerate(runs)]
    text = tables("tran2022", runs)["Table 1, protocol 1"].html()
    assert f'<th class="here">{shown},' in text


def test_a_recovered_number_of_a_quoted_method_is_quoted():
    liu = cell(tables("tran2022")["Table 1, protocol 2"], "Liu et al. [24] ECCV'20", "Avg.")
    assert (liu.printed, liu.quoted, liu.mark) == ("[41.2]", True, "")


def test_a_column_of_nothing_is_left_out_and_long_numbers_are_cut():
    table = tables("bouchiat")["Table 4"]
    assert [column.heading for column in table.columns] == ["MPJPE", "Epoch"]
    assert "52.610887…" in table.html() and "52.61088791540997" not in table.html()
    assert "0.00114283" in tables("kim")["Section V, the six models"].html()


def test_a_floor_has_a_row_for_each_size_of_the_networks_above_it():
    tran, runs = PaperUnderTest("tran2022"), []
    for name, size, floor in (("ours", "medium", 200.0), ("martinez", "small", 220.0)):
        values = {f"mpjpe/{name}": 70.0, "mpjpe/mean-pose": floor}
        runs += tran.records(values, CARD, "studio", size=size)
    runs = [replace(r, id=str(i), file=Path(f"{i}.json")) for i, r in enumerate(runs)]
    rows = tables("tran2022", runs)["Table 1, protocol 1"].rows
    floors = [cells[-1].here for name, cells in rows if name == "mean pose (floor)"]
    assert {here.size: here.text[:3] for here in floors} == {"medium": "200", "small": "220"}


def test_a_floor_stands_below_networks_only():
    tran = PaperUnderTest("tran2022")
    runs = tran.records({"mpjpe/mean-pose": 220.0}, CARD, "studio")
    table = tables("tran2022", runs)["Table 1, protocol 1"]
    assert "mean pose (floor)" not in dict(table.rows) and table.basis == ""


def test_quoted_rows_are_told_apart_and_bear_no_mark_but_that_of_a_mistake():
    errata = load_errata("tran2022")
    table = tables("tran2022", errata=errata)["Table 1, protocol 1"]
    assert cell(table, "Martinez et al. [19] ICCV'17", "Avg.").mark == ""
    moon = cell(table, "Moon et al. [23] CVPR'19", "SitD.")
    assert (moon.printed, moon.mark, moon.behind) == ("54.2", "!", "tran2022-e2")
    text = table.html(lambda name: f"errata.md#{name}")
    assert (
        '<td class="quoted"><i>54.2 <b><a href="errata.md#tran2022-e2">!</a></b></i></td>' in text
    )
    assert "mean pose" not in text  # nothing was measured


def test_the_papers_own_data_decides_within_the_margin():
    tran = PaperUnderTest("tran2022")
    runs = tran.records({"mpjpe/ours": 50.5}, CARD, "human36m", size="paper")
    assert cell(tables("tran2022", runs)["Table 1, protocol 1"], "Our", "Avg.").mark == "~"
    runs = tran.records({"mpjpe/ours": 58.0}, CARD, "human36m", size="paper")
    assert cell(tables("tran2022", runs)["Table 1, protocol 1"], "Our", "Avg.").mark == "x"


@pytest.mark.parametrize(
    ("text", "value"),
    [("4.07M", 4.07e6), ("26,977,501", 26977501), ("107.0 ± 0.7", 107.0), ("(5.49G)", 5.49e9)]
    + [("[38.0]", 38.0), ("2.5e-4", 2.5e-4), *((text, None) for text in (*LOST, "RMSprop"))],
)
def test_the_number_in_a_cell(text, value):
    found = printed_interval(text)
    assert (found.value if found else None) == value


def test_a_table_of_ragged_rows_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("Method,subject,Avg.\n(quantity),,mpjpe/*\nOurs,ours\n")
    with pytest.raises(ValueError, match="t.csv: 2 cells in .*'Ours'.*, 3 in its head"):
        read_layout(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("Method,subject,Avg.\n(quantities),,mpjpe/*\n")
    with pytest.raises(ValueError, match=r"\(quantities\) is none of \(quantity\)"):
        read_layout(tmp_path / "t.csv")


CARD = "h36m-martinez-p1"


@pytest.mark.parametrize("slug", TABLES)
def test_errata_name_claims_and_cells_that_there_are_and_leave_out_no_contradiction(slug):
    paper, errata = load_paper(slug), load_errata(slug)
    named = {name for erratum in errata for name in erratum.claims}
    assert named <= {claim.id for claim in paper.claims}
    for erratum in errata:
        for name in erratum.cells:
            assert any(erratum.concerns(q, card) for q, card in paper.printed), name
    inconsistent = [j for j in judge_claims(paper, []) if j.verdict == "inconsistent"]
    assert {judged.claim.id for judged in inconsistent} <= named
    averages = findings(paper).query("what == 'average'")
    for quantity, card in zip(averages["name"], averages["card"]):
        assert any(erratum.concerns(quantity, card) for erratum in errata), quantity


def test_of_data_sets_with_as_many_cells_the_first_by_name_is_shown():
    """The studio before its actors of no split, in whatever order they were measured."""
    column = Column("MPJPE", "mpjpe/ours", "h36m-martinez-p1", "")
    measured = [
        Measured("60.0", 5, "E3", data, "medium", "mm", (60.0,))
        for data in ("studio", *(f"studio-{number}" for number in range(50)))
    ]
    for found in (measured, measured[::-1]):
        assert _places([column], [[found]]) == [(0, "studio", False)]
