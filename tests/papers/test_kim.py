"""kim as data: all its claims and numbers, and what it gets wrong by its own numbers."""

import math

import pandas as pd
import pytest

from posekit.claims.audit import findings
from posekit.claims.ledger import counts, verdicts
from posekit.claims.paper import load_metrics, load_paper
from posekit.claims.verdict import WORDS

LOSSES = {  # the order of the models in section V
    "rmsprop-original": ("RMSprop", "Original"),
    "radam-original": ("RAdam", "Original"),
    "adam-original": ("Adam", "Original"),
    "scheduled-original": ("Adam with scheduler", "Original"),
    "rmsprop-reduced": ("RMSprop", "Reduced"),
    "adam-reduced": ("Adam", "Reduced"),
}
LAYERS = ["conv1", "conv2", "conv3", "pool", "conv4", "conv5"]
COLUMNS = {  # of Table I
    "input_size": "size_in",
    "output_size": "size_out",
    "kernel": "kernel",
    "stride": "stride",
    "padding": "padding",
    "in_channels": "channels_in",
    "out_channels": "channels_out",
}


@pytest.fixture(scope="module")
def kim() -> pd.DataFrame:
    return verdicts("kim", [])


def printed(quantity: str, card: str = "") -> str:
    return load_paper("kim").printed[quantity, card].text


def test_every_claim_has_a_verdict_of_the_closed_list(kim):
    assert kim["id"].tolist() == [f"kim-{i:03d}" for i in range(1, 41)]
    assert set(kim["verdict"]) <= set(WORDS)
    assert counts(kim).sum() == 40


def test_without_runs_nothing_is_reproduced_and_nothing_measured(kim):
    assert not set(kim["verdict"]) & {"reproduced", "supported", "contradicted", "inconclusive"}
    assert not kim["measured"].any()


def test_all_claims_are_those_of_the_shared_list(kim, papers):
    shared = pd.read_csv(papers / "claims" / "kim.csv", keep_default_na=False)
    for column in ("id", "statement", "where", "kind"):
        assert kim[column].tolist() == shared[column].tolist()


def test_every_loss_is_that_of_the_shared_table(papers):
    table = pd.read_csv(papers / "tables" / "kim_section5_models.csv", dtype=str)
    assert len(table) == len(LOSSES)
    for (subject, (optimizer, network)), (_, row) in zip(LOSSES.items(), table.iterrows()):
        assert (row["optimizer"], row["network"].split()[0]) == (optimizer, network)
        assert printed(f"loss/{subject}", "kim-train-loss") == row["loss_after_5_epochs"]
    values = {q for (q, _), e in load_paper("kim").printed.items() if e.value is not None}
    assert {q for q in values if q.startswith("loss/")} == {f"loss/{name}" for name in LOSSES}


def test_every_layer_is_that_of_the_shared_table(kim, papers):
    table = pd.read_csv(papers / "tables" / "kim_table1.csv", dtype=str)
    *layers, total = table.to_dict("records")
    assert len(layers) == len(LAYERS)
    for number, (name, row) in enumerate(zip(LAYERS, layers), 28):
        cells = [printed(f"{metric}/reduced/{name}") for metric in COLUMNS.values()]
        assert cells == [row[column] for column in COLUMNS]
        assert kim.set_index("id").loc[f"kim-{number:03d}", "printed"] == "; ".join(cells)
    assert printed("stem_params/reduced") == total["conv_params_w+b (derived)"]


def test_every_setting_is_that_of_the_shared_table(papers):
    table = pd.read_csv(papers / "tables" / "kim_table2.csv", dtype=str).set_index("hyperparameter")
    settings = table["value"]
    assert settings["Optimizer"] == "RMSprop" and printed("recipe_rmsprop/reduced") == "1"
    assert settings["Batch size"] == printed("recipe_batch/reduced")
    assert settings["Number of epochs"] == printed("recipe_epochs/reduced")
    assert settings["Learning Rate"] == printed("recipe_lr/reduced")


def test_the_numbers_of_the_prose_are_those_of_the_shared_list(papers):
    shared = pd.read_csv(papers / "claims" / "kim.csv", keep_default_na=False).set_index("id")
    names = {
        "kim-003": ["convs/original"],
        "kim-004": ["residuals/original"],
        "kim-005": ["convs/reduced"],
        "kim-006": ["stem_params/original"],
        "kim-007": ["stem_params/reduced"],
        "kim-009": [f"crop_{name}/reduced" for name in ("above", "left", "height", "width")],
        "kim-016": ["configurations/all", "recipe_compared_epochs/reduced"],
        "kim-027": ["pckh/bulat", "pckh/su", "pckh/sun"],
    }
    for claim, quantities in names.items():
        given = [piece.strip() for piece in shared.loc[claim, "value"].split("/")]
        assert [printed(name) for name in quantities] == given, claim
    assert shared.loc["kim-010", "value"].split()[0] == printed("input_size/reduced")
    assert int(shared.loc["kim-008", "value"]) == int(printed("stem_params/original")) - int(
        printed("stem_params/reduced")
    )


def test_the_audit_finds_the_reports_known_mistakes_by_itself(kim):
    found = findings(load_paper("kim"))
    # 10 epochs against 5, six models against five, no harm with Adam, Model 5 the best, twice
    names = ["kim-015", "kim-016", "kim-022", "kim-023", "kim-025"]
    assert found["name"].tolist() == names and set(found["what"]) == {"claim"}
    assert kim[kim["verdict"] == "inconsistent"]["id"].tolist() == names
    audits = kim.set_index("id")["audit"]
    assert audits["kim-015"] == "5 = 10 fails"
    assert audits["kim-016"] == "5 = 6 fails"
    for number in ("kim-023", "kim-025"):
        assert "fails (against: rmsprop-original 0.00113494; 5 others printed)" in audits[number]
    places = [audits[f"kim-{n:03d}"].split()[1] for n in range(35, 41)]
    assert places == ["1", "4", "3", "5", "2", "6"]


def test_claims_that_hold_on_the_printed_numbers_are_left_open(kim):
    rows = kim.set_index("id")
    for number in (17, 18, 19, 21):
        row = rows.loc[f"kim-{number:03d}"]
        assert row.verdict == "not run" and "holds" in row.audit and "fails" not in row.audit


def test_no_number_of_mpii_is_claimed_without_mpii(kim):
    rows = kim.set_index("id")
    lacking = [f"kim-{n:03d}" for n in (1, 11, *range(35, 41))]
    assert rows[rows["verdict"] == "needs data"].index.tolist() == lacking
    assert rows[rows["verdict"] == "quoted"].index.tolist() == ["kim-027"]


def test_the_margin_of_a_loss_is_what_models_3_and_4_differ_by():
    adam, scheduled = (
        float(printed(f"loss/{name}-original", "kim-train-loss")) for name in ("adam", "scheduled")
    )
    margin = 1.645 * (scheduled - adam) / math.sqrt(2)
    assert load_metrics()["loss", False].margin == math.ceil(margin * 1e5) / 1e5
    share = round(margin / ((adam + scheduled) / 2), 2)
    claims = {claim.id: claim for claim in load_paper("kim").claims}
    for number in ("kim-019", "kim-021", "kim-022"):
        assert f" <= {share} * loss/" in claims[number].parts[-1].text


def test_the_margin_of_pckh_is_what_trainings_of_one_network_differ_by():
    reruns = [90.3, 90.1, 90.1, 90.1, 90.1, 89.9, 89.8]  # of HRNet-W32, as metrics.csv names them
    margin = 1.645 * pd.Series(reruns).std()
    assert load_metrics()["pckh", False].margin == math.ceil(margin * 10) / 10
