"""The numbers of bouchiat are those of the report, its mistakes are found, runs decide the rest."""

import math

import pandas as pd
import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.audit import findings
from posekit.claims.ledger import verdicts
from posekit.claims.measurements import Record
from posekit.claims.paper import load_metrics

BOUCHIAT = PaperUnderTest("bouchiat")
claim, printed = BOUCHIAT.claim, BOUCHIAT.printed

CARD, BOARD = "h36m-bouchiat", "eth-leaderboard"
TABLES = {  # number of the table -> the printed subjects of its rows
    1: ["r50-flip", "r50-ppm", "r50-ppm2", "r50-ppm3", "r50-ppm4"],
    2: ["r50", "aug-flip", "r50-colour", "r50-zoom", "r50-rotation", "r50-voc"],
    4: ["r50-d72", "r101-d72", "r152-d72"],
    5: ["r152-d72", "r152-d72-large"],
    6: ["r50", "r50-rotation", "r50-zoom"],
    7: ["r50-flip", "r50-aspp", "r50-aspp2", "r50-aspp3"],
}
CELLS = [f"bouchiat-{n:03d}" for n in range(43, 105)]  # the cells of the tables


def measured(errors: dict[str, float]) -> list[Record]:
    """Trainings on the studio that ended at these errors, mm."""
    return BOUCHIAT.records({f"mpjpe/{name}": e for name, e in errors.items()}, CARD, "studio")


def judged(number: int, errors: dict[str, float]) -> pd.Series:
    """The row of a claim after trainings on the studio that ended at these errors."""
    return BOUCHIAT.judged(number, measured(errors))


def same(value: str, other: str) -> bool:
    """Is one the other, with its last digits rounded off?"""
    decimals = min(len(text.partition(".")[2]) for text in (value, other))
    return f"{float(value):.{decimals}f}" == f"{float(other):.{decimals}f}"


@pytest.mark.parametrize("number", TABLES)
def test_every_row_is_that_of_the_shared_table(papers, number):
    table = pd.read_csv(papers / "tables" / f"bouchiat_table{number}.csv", dtype=str)
    errors = [column for column in table if "MPJPE" in column]
    (epochs,) = [c for c in table if "epoch" in c and (number != 4 or "final" in c)]
    for subject, (_, row) in zip(TABLES[number], table.iterrows(), strict=True):
        for column in errors:
            assert same(printed(f"mpjpe/{subject}", CARD), row[column]), (subject, column)
        assert printed(f"epoch/{subject}", CARD) == row[epochs]


def test_the_final_models_errors_are_those_of_the_shared_table(papers):
    table = pd.read_csv(papers / "tables" / "bouchiat_table3.csv", dtype=str)
    train, trainval = table.to_dict("records")
    assert printed("mpjpe/final", CARD) == train["MPJPE (S8)"]
    assert printed("mpjpe/final", BOARD) == train["final_report MPJPE public"].split()[0]
    assert printed("mpjpe/final-trainval", BOARD) == trainval["final_report MPJPE public"]
    paper = BOUCHIAT.paper
    rows = {name for names in TABLES.values() for name in names} | {"final"}
    values = {q for (q, card), e in paper.printed.items() if e.value and card == CARD}
    assert {q for q in values if q.startswith("mpjpe/")} == {f"mpjpe/{name}" for name in rows}


def test_every_cell_claims_what_the_shared_list_has(papers):
    shared = pd.read_csv(papers / "claims" / "bouchiat.csv", keep_default_na=False).set_index("id")
    for name in CELLS:
        given, parts = shared.loc[name, "value"].split()[0], claim(int(name[-3:])).parts
        if given in ("pending", ".."):
            assert not parts
        else:
            left, right = parts[0].text.split(" = ")
            assert float(right) == float(given), name
            assert left.startswith("epoch/" if "epoch" in shared.loc[name, "unit"] else "mpjpe/")


def test_the_settings_that_the_code_has_otherwise_are_those_of_its_configurations(papers):
    table = pd.read_csv(papers / "tables" / "bouchiat_official_configs.csv", dtype=str)
    table = table.set_index("config")
    own = [f"bottleneck/regression{s}.jsonc" for s in ("", "_ppm", "_ppm4", "_aspp", "_aspp3")]
    depths = set(table.loc[own, "depth_dim"])
    assert depths == {printed("recipe_depth/bottlenecks-configured")}
    resnet = "regression/default_regression_resnet{}.jsonc".format
    assert table.loc[resnet("101"), "backbone"] == table.loc[resnet("152"), "backbone"]
    turn, base = table.loc[resnet("50_aug_rotate")], table.loc[resnet("50")]
    assert 2 * int(turn["rotation_factor"]) == int(printed("recipe_turn/rotation-code"))  # cut at 2
    assert (turn["depth_dim"], base["depth_dim"]) == ("72", printed("depth/r50"))
    final = table.loc["best/regression_exp_findings.jsonc"]
    assert final["depth_dim"] == printed("depth/final")
    assert final["batch"] == printed("recipe_batch/final")
    width, height = printed("input_width/final"), printed("input_height/final")
    assert final["image_size"] == f"[{width}, {height}]"
    assert final["voc_p"] == printed("recipe_pasted/r50-voc")


def test_the_counts_of_parameters_differ_by_what_the_text_differs_by():
    r50, ppm, ppm3, ppm4 = (
        int(printed(f"params/r50{name}")) for name in ("", "-ppm", "-ppm3", "-ppm4")
    )
    head = 2048 * 256 * 16  # the first deconvolution on as many channels again
    for bins, channels, count in [(4, 512, ppm), (6, 341, ppm3), (7, 292, ppm4)]:
        pooled = bins * channels * (2048 + 2)  # a convolution of 1 x 1 and a normalisation each
        assert count - r50 == pooled + bins * channels * head // 2048


def test_the_audit_finds_the_reports_mistakes_by_itself():
    found = findings(BOUCHIAT.paper)
    # two convolutions or one, depth 72 or 64, 8 objects or 7, 30 degrees or 60
    names = [f"bouchiat-{n:03d}" for n in (8, 17, 24, 27)]
    assert found["name"].tolist() == names and set(found["what"]) == {"claim"}
    assert BOUCHIAT.ledger.query("verdict == 'inconsistent'").index.tolist() == names
    # rows of one name in two tables, by the text of two depths of the heat maps, contradict nothing
    for number in (55, 56, 70):
        assert BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}", "verdict"] == "needs data"


def test_the_audit_holds_text_and_code_against_each_other():
    told = {
        8: "convolutions: 2 in the text, 1 in the published code",
        17: "depth: 72 voxels in the text, 64 in the published configurations of Tables 1 and 7",
        24: "most: 8 objects in the text, 7 in the published code",
        27: "turn: 30 degrees in the text, 60 in the published code",
    }
    for number, words in told.items():
        row = BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}"]
        assert words in row["audit"] and row["verdict"] == "inconsistent"


def test_differences_are_as_large_as_the_text_says():
    for number in (3, 19, 28, 29, 30, 33, 34):
        audit = BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}", "audit"]
        assert audit.count(": holds") == 1 and "fails" not in audit, audit


def test_orders_that_hold_on_the_printed_numbers_are_left_open():
    for number in (6, 19, 20, 21, *range(28, 33), *range(35, 39), 40):
        row = BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}"]
        assert row.verdict == "not run" and "fails" not in row.audit, number


def test_no_number_of_human36m_is_claimed_without_it():
    closed = [2, 3, 41, 67, 68, 69]  # the leaderboard
    for number in (16, *range(43, 105)):
        row = BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}"]
        if row.verdict == "repeated":
            row = BOUCHIAT.ledger.loc[row.note.split(",")[0].split()[-1]]
        if row.kind == "accuracy" and number not in (*closed, 55, 56, 66, 70, 71):
            assert row.note.startswith("needs data: human36m and mpii"), number
    for number in closed:
        assert "leaderboard" in BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}", "note"]
    for number in (66, 71):  # pending, and two dots
        assert BOUCHIAT.ledger.loc[f"bouchiat-{number:03d}", "verdict"] == "not derivable"


AUGMENTED = ["r50-flip", "r50-colour", "r50-zoom", "r50-rotation"]
COMBINED = ["r50-ppm", "r50-flip", "r50-colour", "r50-voc", "r152-d72", "r152-d72-large"]


@pytest.mark.parametrize(
    ("number", "errors"),
    [
        (6, {"r50-mixed": 50, "r50-mixed-heatmap": 55}),
        (19, {"r50-ppm": 48, "r50-flip": 50}),
        (20, {"r50-ppm2": 48, "r50-ppm3": 49, "r50-flip": 50}),
        (21, {"r50-ppm4": 51, "r50-flip": 50}),
        (28, {"r50-voc": 45, "r50": 53} | dict.fromkeys(AUGMENTED, 54)),
        (29, {"r50": 53, "r50-flip": 50}),
        (30, {"r50": 53, "r50-colour": 50}),
        (31, {"r50": 53, "r50-zoom": 60}),
        (32, {"r50": 53, "r50-rotation": 54}),
        (33, {"r152-d72": 48, "r50-d72": 52}),
        (34, {"r152-d72-large": 47, "r152-d72": 48}),
        (35, {"r152-d72": 48, "r101-d72": 50, "r50-d72": 52}),
        (36, {"final": 42} | dict.fromkeys(COMBINED, 50)),
        (37, {"botnet50": 52, "r50-flip": 50}),
        (38, {"botnet50": 52, "botnet50-ppm": 50}),
        (
            40,
            {"r50-ppm": 48, "r50-flip": 50, "r50-aspp": 51, "r50-aspp2": 49.5, "r50-aspp3": 51},
        ),
    ],
)
def test_every_order_is_decided_by_three_trainings_of_each(number, errors):
    row = judged(number, errors)
    assert (row.verdict, row.evidence) == ("supported", "E3"), row.note
    turned = {name: 100 - error for name, error in errors.items()}
    assert judged(number, turned).verdict == "contradicted"


def test_an_order_that_turns_with_the_depth_of_the_heatmaps_stays_open():
    errors = {"r50": 53.0, "r50-colour": 50.0, "r50-d72-colour": 55.0}
    row = judged(30, errors)
    assert row.verdict == "inconclusive"
    assert "contradicted with r50-d72-colour for r50-colour" in row.note
    assert judged(30, errors | {"r50-d72-colour": 51.0}).verdict == "supported"


def test_two_rows_of_one_network_say_nothing_of_its_layers():
    errors = {"r50-d72": 52.0, "r101-d72": 50.0, "r152-d72": 48.0}
    assert "with r152-d72 for r101-d72: inconclusive, 0" in judged(35, errors).readings


def test_no_studio_error_decides_a_printed_number():
    rows = verdicts(BOUCHIAT.paper, measured({"r50": 53.3, "r50-ppm": 48.46}))
    assert set(rows[rows["kind"] == "accuracy"]["verdict"]) <= {
        "needs data",
        "inconsistent",
        "not derivable",
        "repeated",
    }


def test_the_margin_of_a_best_epoch_is_what_the_printed_ones_differ_by():
    paper = BOUCHIAT.paper
    epochs = [e.value.value for (q, _), e in paper.printed.items() if q.startswith("epoch/")]
    assert len(epochs) == 18
    margin = math.ceil(1.645 * pd.Series(epochs).std())
    told = [c for c in paper.claims if c.id in CELLS and "epoch" in c.statement and c.parts]
    assert {c.parts[0].tolerance for c in told} == {margin}


def test_no_improvement_is_one_within_the_margin_of_an_error():
    margin = load_metrics()["mpjpe", False].margin
    for number in (37, 40):
        bound = [part for part in claim(number).parts if part.relation == ">="]
        assert bound and all(f">= mpjpe/r50-flip - {margin}" in part.text for part in bound)


def test_the_notes_say_what_the_clean_comparisons_are():
    rows = [(29, "aug-flip"), (30, "r50-colour"), (31, "r50-zoom"), (32, "r50-rotation")]
    deep = float(printed("mpjpe/r50-d72", CARD))
    for number, subject in rows:
        apart = abs(deep - float(printed(f"mpjpe/{subject}", CARD)))
        assert f"{deep:.2f} without" in claim(number).note
        assert f"{apart:.2f} mm" in claim(number).note
