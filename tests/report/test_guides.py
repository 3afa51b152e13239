"""Errata and protocols: whole, linked, and about papers and rules that there are."""

import re

import pytest

from posekit.claims.measurements import load_records
from posekit.claims.paper import FOLDER, load_paper, read_table, slugs
from posekit.metrics.registry import ALL
from posekit.report.guides import errata_page, protocols_page
from posekit.report.page import Page
from posekit.report.site import site

NAMES = ("paper", "words", "protocol", "remark")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Page]:
    """All papers without a record."""
    empty = tmp_path_factory.mktemp("results")
    return [Page(slug, load_records(empty), empty, FOLDER) for slug in slugs()]


def test_every_erratum_is_there_once_gravest_first(pages):
    text = errata_page(pages)
    heads = re.findall(r"^## (.*) \((\d+)\)$", text, re.MULTILINE)
    assert [head for head, _ in heads] == ["Changes a conclusion", "Misleads", "Slip"]
    assert sum(int(count) for _, count in heads) == sum(len(page.errata) for page in pages)
    for page in pages:
        assert all(text.count(f"{page.slug}.md#{e.id})") == 1 for e in page.errata)


def test_named_protocols_are_rules_and_cover_what_papers_print():
    path = FOLDER / "protocol_names.csv"
    rows = read_table(path, NAMES, lambda row: (tuple(row.values()), row)).values()
    assert {row["protocol"] for row in rows} <= set(ALL)
    for slug in slugs():
        errors = {c for q, c in load_paper(slug).printed if q.startswith("mpjpe/") and c}
        errors &= set(ALL)  # the rule of a closed leaderboard is not known
        assert errors <= {row["protocol"] for row in rows if row["paper"] == slug}, slug


def test_the_two_orders_of_actions_stand_beside_each_other(pages):
    _, _, orders = protocols_page(pages).partition("## Column orders of the action table")
    head, _, *rows = [line.split(" | ") for line in orders.splitlines() if line.startswith("|")]
    assert [len(line) for line in (head, *rows)] == [3] * 16
    assert "choi2021 Table 7; choi2021 Table 8" in head[1] and "tran2022" in head[2]
    assert [row[2].strip(" |") for row in rows[5:7]] == ["Photo", "Posing"]
    assert [row[1] for row in rows[5:7]] == ["Posing", "Purchases"]


def test_the_site_lists_every_own_claim_with_what_the_filter_asks_for(pages):
    text = site({"README.md": "# Results"}, pages)
    rows = re.findall(r'<tr data-paper="(\w+)" data-kind="(\w+)" data-verdict="([^"]+)">', text)
    own = [judged for page in pages for judged in page.own]
    assert rows == [(j.claim.paper, j.claim.kind, j.verdict) for j in own]


def test_a_rule_on_other_people_names_the_rule_that_it_is():
    told = {name: rule for name, rule in ALL.items() if "the rule of" in rule.source}
    assert {"cmu-p1", "cmu-p2", "studio-others-p2"} <= set(told)
    assert all(f"the rule of {rule.same_as} " in rule.source for rule in told.values())


@pytest.mark.parametrize("slug", slugs())
def test_errata_that_texts_name_are_there(pages, slug):
    [page] = [page for page in pages if page.slug == slug]
    texts = [path.read_text(encoding="utf-8") for path in (FOLDER / slug).glob("*.csv")]
    named = set(re.findall(rf"{slug}-e\d+\b", " ".join(texts)))
    assert named == {e.id for e in page.errata}
