"""Every paper as data: all its claims have a verdict, and are those of the shared list."""

import pandas as pd
import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.ledger import COLUMNS, counts
from posekit.claims.paper import slugs
from posekit.claims.verdict import WORDS

OTHER_KINDS = {  # than in the shared list: sums of quoted numbers, and how it was timed
    "choi2021-044": "arithmetic",
    "choi2021-045": "arithmetic",
    "choi2021-055": "structure",
    "choi2021-056": "structure",
}
CLAIMS = {
    "tran2022": 295,
    "kim": 40,
    "bouchiat": 104,
    "choi2021": 453,
    "bae": 239,
}  # ids are for ever
UNCLAIMED = {  # printed counts that no claim names: lost tables, others' sizes, training sets,
    # and a cell that spans three rows, of which one is claimed
    "bae": {f"params/my-mobilenetv2-pruned{again}" for again in ("", "-twice")},
    "choi2021": {
        *(f"{m}/{s}" for m in ("params", "macs") for s in ("resnet18", "resnet50", "mobilenetv3")),
        *(f"{m}/{s}" for m in ("params", "macs") for s in ("mobilenext", "ghostnet")),
        *(f"macs/{s}" for s in ("w1.0-c1024", "w0.75-c1024", "w0.5-c1024", "w0.5-c512")),
        *("params/sun", "params/mehta-30"),
        *("recipe_trained_on/mupots/muco", "recipe_trained_on/mupots/coco"),
    },
}


@pytest.fixture(scope="module", params=slugs())
def one(request) -> PaperUnderTest:
    return PaperUnderTest(request.param)


def test_every_claim_has_a_number_and_a_verdict_of_the_closed_list(one):
    assert list(one.ledger.columns) == COLUMNS
    assert one.ledger["id"].tolist() == [f"{one.slug}-{i + 1:03d}" for i in range(len(one.ledger))]
    assert set(one.ledger["verdict"]) <= set(WORDS)
    assert counts(one.ledger).to_numpy().sum() == CLAIMS.get(one.slug, len(one.ledger))


def test_without_runs_only_sums_are_reproduced_and_nothing_is_measured(one):
    measurable = one.ledger[one.ledger["kind"] != "arithmetic"]
    decided = {"reproduced", "supported", "contradicted", "as specified"}
    assert not set(measurable["verdict"]) & decided
    # printed numbers alone leave open what they fail by a threshold of ours
    open_ones = measurable[measurable["verdict"] == "inconclusive"]
    assert set(open_ones["reason"]) <= {"threshold of ours"}
    assert not one.ledger["measured"].any()


def test_all_claims_are_those_of_the_shared_list(one, papers):
    path = papers / "claims" / f"{one.slug}.csv"
    if not path.is_file():
        pytest.skip(f"no list of {one.slug}'s claims in {path.parent}")
    shared = pd.read_csv(path, keep_default_na=False)
    for column in ("id", "statement", "where"):
        assert one.ledger[column].tolist() == shared[column].tolist()
    kinds = [OTHER_KINDS.get(row.id, row.kind) for row in shared.itertuples()]
    assert one.ledger["kind"].tolist() == kinds


def test_every_printed_number_is_part_of_a_claim(one):
    paper = one.paper
    parts = [part for claim in paper.claims for part in claim.parts]
    used = {(q, p.card) for p in parts for name in p.names for q in p.expanded[name]}
    named = {quantity for quantity, _ in used}
    unclaimed = {
        quantity
        for quantity, card in paper.printed
        if ((quantity, card) not in used if card else quantity not in named)
    }
    assert unclaimed == UNCLAIMED.get(one.slug, set())
