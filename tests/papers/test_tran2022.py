"""The numbers of tran2022 are those of the paper, and its mistakes are found."""

import pandas as pd
import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.audit import findings

TRAN = PaperUnderTest("tran2022")


ACTIONS = ["Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing"]
ACTIONS += ["Purchases", "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking"]
ACTIONS += ["WalkTogether", ""]


@pytest.mark.parametrize("protocol", ["1", "2"])
def test_every_printed_number_is_that_of_the_shared_tables(papers, protocol):
    table = pd.read_csv(papers / "tables" / f"tran2022_table1_protocol{protocol}.csv", dtype=str)
    printed = TRAN.paper.printed
    seen = 0
    for _, row in table.iterrows():
        subject = row.iloc[0].split()[0].lower().replace("our", "ours")
        for action, text in zip(ACTIONS, row.iloc[1:17]):
            name = f"mpjpe/{subject}/{action}".rstrip("/")
            entry = printed.get((name, f"h36m-martinez-p{protocol}"))
            assert (entry.text if entry else "") == ("" if pd.isna(text) else text), name
            seen += entry is not None
    assert seen == sum(card == f"h36m-martinez-p{protocol}" for _, card in printed)


def test_the_audit_finds_the_papers_known_mistakes_by_itself():
    found = findings(TRAN.paper)
    claims = found[found["what"] == "claim"]["name"].tolist()
    # best for SittingDown and for WalkDog, better than the baseline in P2, no true 2D used
    assert claims == ["tran2022-027", "tran2022-029", "tran2022-034", "tran2022-035"]
    assert set(TRAN.ledger.query("verdict == 'inconsistent'").index) == set(claims)
    audits = TRAN.ledger["audit"]
    assert "moon 54.2" in audits["tran2022-027"]
    assert "moon 42.5, yang 43.6" in audits["tran2022-029"]
    assert "38.3 < 38.0 fails" in audits["tran2022-034"]
    assert "place 3 of 9 printed behind yang 37.7, li 38.0" in audits["tran2022-019"]


def test_the_audit_finds_the_averages_that_are_not_means():
    found = findings(TRAN.paper)
    rows = found[found["what"] == "average"]
    # summed by hand from the table: 907.7, 869.4, 836.6, 808.4 in P1, 621.7 and 555.0 in P2
    means = [907.7 / 15, 869.4 / 15, 836.6 / 15, 808.4 / 15, 621.7 / 15, 555.0 / 15]
    assert [float(text.rsplit(" ", 1)[1]) for text in rows["finding"]] == pytest.approx(
        means, abs=0.006
    )
    subjects = [name.split("/")[1] for name in rows["name"]]
    assert subjects == ["fang", "yang", "pavlakos", "moon", "pavlakos", "yang"]


def test_claims_that_hold_on_the_printed_numbers_are_left_open():
    rows = TRAN.ledger
    for number in (20, 23, 24, 25, 26, 28, 30, 31, 32, 33):
        row = rows.loc[f"tran2022-{number:03d}"]
        assert row.verdict == "not run" and "holds" in row.audit
