"""Results: generated whole, the same every time, and nothing in them written by hand."""

import csv
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from posekit.claims.ledger import verdicts
from posekit.claims.measurements import load_records
from posekit.claims.paper import FOLDER, slugs
from posekit.claims.verdict import WORDS
from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.mesh import SPIN_PROTOCOLS
from posekit.report.comparisons import _answers, noise_sentence
from posekit.report.glossary import EVIDENCE, MEANING
from posekit.report.overview import render, write
from posekit.report.page import Page
from posekit.report.records import cost_table, made_before

RESULTS = Path(__file__).resolve().parents[2] / "results"
ACTIONS = ("Directions", "Walking")
NOISE = "beyond seed noise"
CARDS = ("h36m-martinez-p1", "h36m-martinez-p2")
ERRORS = {"ours": (50.0, 51.0, 53.0), "martinez": (60.0, 61.0, 62.0)}


def record(model: str, seed: int, **changes) -> dict:
    """A finished run of one model on the studio, 1 mm worse on each further action."""
    rows = [
        {"quantity": name, "card": card, "data": "studio", "value": ERRORS[model][seed] + more}
        for card in CARDS
        for more, name in enumerate(f"mpjpe/{model}{s}" for s in ("", "/Directions", "/Walking"))
    ]
    rows.append({"quantity": f"params/{model}", "card": "", "data": "", "value": 4293680})
    return {
        "id": f"{list(ERRORS).index(model):08x}{seed:08x}",
        "paper": "tran2022",
        "job": f"lifter/{model}",
        "size": "small",
        "seed": seed,
        "config": {},
        "data": {"name": "studio", "version": "1", "fingerprint": "0"},
        "device": "cpu",
        "seconds": 10.0 + seed,
        "samples_per_second": 9000.0,
        "peak_memory_mb": 900.0,
        "quantities": rows,
        "series": {},
    } | changes


@pytest.fixture(scope="module")
def tran(tmp_path_factory) -> Path:
    """A folder of papers with one paper in it."""
    return papers_folder(tmp_path_factory.mktemp("papers"), "tran2022")


def papers_folder(folder: Path, slug: str) -> Path:
    """A folder with the tables of one paper."""
    (folder / slug).mkdir(parents=True)
    for path in [*FOLDER.glob("*.csv"), *FOLDER.glob(f"{slug}/*.csv")]:
        (folder / path.relative_to(FOLDER)).write_bytes(path.read_bytes())
    return folder


def make_results(folder: Path) -> Path:
    """A results folder with three seeds of two models and a figure."""
    for model in ERRORS:
        for seed in range(3):
            keep(folder, record(model, seed))
    (folder / "figures").mkdir()
    for name in ("tran2022-a-pose.png", "tran2022-a-pose.html", "tran2022-loss.png"):
        (folder / "figures" / name).write_text(name)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory, tran) -> Path:
    """A results folder with all its files, to be read only."""
    folder = make_results(tmp_path_factory.mktemp("results"))
    write(folder, tran)
    return folder


@pytest.fixture(scope="module")
def page(written) -> str:
    return (written / "tran2022.md").read_text()


@pytest.fixture
def results(tmp_path) -> Path:
    """A results folder without pages, to change."""
    return make_results(tmp_path)


def keep(folder: Path, run: dict) -> None:
    (folder / "runs").mkdir(exist_ok=True)
    (folder / "runs" / f"{run['id']}.json").write_text(json.dumps(run))


def table_under(markdown: str, title: str) -> list[dict[str, str]]:
    """The first table after a heading, by column."""
    after = markdown.split(title, 1)[1].splitlines()
    start = next(i for i, line in enumerate(after) if line.startswith("|"))
    lines = []
    for line in after[start:]:
        if not line.startswith("|"):
            break
        lines.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]


def test_a_row_of_networks_gives_mean_and_t_interval_over_seeds(written):
    rows = pd.read_csv(written / "networks.csv")
    ours = rows[(rows["network"] == "ours") & (rows["protocol"] == "h36m-martinez-p1")].squeeze()
    low, high = stats.t.interval(0.95, 2, np.mean(ERRORS["ours"]), stats.sem(ERRORS["ours"]))
    assert (ours["mean"], ours["n"]) == (pytest.approx(np.mean(ERRORS["ours"])), 3)
    assert (ours["low"], ours["high"]) == (pytest.approx(low), pytest.approx(high))
    assert (ours["params of the paper's network"], ours["unit"]) == (4293680, "mm")


def test_studio_numbers_never_stand_in_a_column_of_printed_ones(page):
    assert "must not be compared with the printed ones that they stand beside" in page
    for row in table_under(page, "## Claims"):
        if row["Printed"] == "50.6":
            assert row["Measured"] == ""


def test_a_page_tells_verdicts_as_the_ledger_has_them(written, page):
    with (written / "ledger.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["paper"] == "tran2022"]
    ledger = {row["id"]: row for row in rows}
    shown = table_under(page, "## Claims")
    own = [row for row in ledger.values() if row["claim verdict"] != "quoted"]
    ids = [(r["Id"].split("`")[1], r["Verdict"]) for r in shown]
    assert ids == [(r["id"], r["claim verdict"]) for r in own]
    overview = (written / "README.md").read_text()
    counts = {row["Word"]: int(row["tran2022"]) for row in table_under(overview, "## Verdicts")}
    assert sum(counts.values()) == len(ledger)
    assert counts["quoted"] == len(ledger) - len(own)


def test_a_claim_leads_to_the_runs_behind_it(written, page):
    rows = [row for row in table_under(page, "## Claims") if row["Runs"]]
    assert rows
    for row in rows:
        for target in re.findall(r"\]\(([^)#]*)\)", row["Runs"]):
            assert (written / target).is_file()


def test_every_link_of_every_page_leads_somewhere(written):
    for page in written.glob("*.md"):
        text = page.read_text()
        for target in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'href="([^"]+)"', text):
            path, _, part = target.partition("#")
            path = written / (path or page.name)
            assert path.exists(), f"{page.name}: {target}"
            if part:
                there = path.read_text()
                titles = re.findall(r"^#+ (.*)", there, re.MULTILINE)
                anchors = [title.lower().replace(" ", "-") for title in titles]
                anchors += re.findall(r'<a id="([^"]+)">', there)
                assert anchors.count(part) == 1, f"{page.name}: {target}"


def test_the_page_for_browsers_is_whole_and_stays_inside_results(written):
    class Links(HTMLParser):
        def __init__(self):
            super().__init__()
            self.targets, self.open = [], []

        def handle_starttag(self, tag, attrs):
            self.targets += [value for name, value in attrs if name in ("href", "src")]
            if tag not in ("meta", "img", "hr", "br", "input"):
                self.open.append(tag)

        def handle_startendtag(self, tag, attrs):
            self.targets += [value for name, value in attrs if name in ("href", "src")]

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    links = Links()
    text = (written / "index.html").read_text()
    links.feed(text)
    assert links.open == []
    assert "figures/tran2022-a-pose.html" in links.targets
    assert "#tran2022-runs-and-cost" in links.targets
    assert not [target for target in links.targets if target.endswith(".md")]
    for target in links.targets:
        file, _, part = target.partition("#")
        assert not file or (written / file).exists(), target
        assert not part or text.count(f'id="{part}"') == 1, target


def test_writing_twice_changes_nothing(written, tran):
    before = {path: path.read_bytes() for path in written.iterdir() if path.is_file()}
    assert sorted(before) == sorted(write(written, tran))
    assert before == {path: path.read_bytes() for path in before}
    assert b"\r" not in before[written / "ledger.csv"]
    back = pd.read_csv(written / "ledger.csv", dtype=str, keep_default_na=False)
    records = load_records(written / "runs")
    once = back.drop_duplicates("id").set_index("id")["claim verdict"]
    assert once.to_dict() == verdicts("tran2022", records).set_index("id")["verdict"].to_dict()


def test_the_order_of_files_and_their_ids_change_nothing_but_links(written, tran, tmp_path):
    for path in sorted((written / "runs").iterdir()):
        run = json.loads(path.read_text())
        keep(tmp_path, run | {"id": run["id"][::-1]})
    other = render(tmp_path, tran)[tmp_path / "networks.csv"].splitlines()
    there = (written / "networks.csv").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in other] == [
        line.rpartition(",")[0] for line in there
    ]


def test_a_paper_without_runs_has_a_page_all_the_same(tmp_path):
    texts = render(tmp_path)
    for slug in slugs():
        assert f"[{slug}]({slug}.md)" in texts[tmp_path / "README.md"]
        assert "## Comparisons" not in texts[tmp_path / f"{slug}.md"]
        assert "## What the audit found" in texts[tmp_path / f"{slug}.md"]


def test_a_new_paper_needs_nothing_but_its_tables(tmp_path):
    folder = tmp_path / "papers" / "new"
    folder.mkdir(parents=True)
    for path in FOLDER.glob("*.csv"):
        (tmp_path / "papers" / path.name).write_bytes(path.read_bytes())
    for name in ("printed.csv", "claims.csv"):
        head = (FOLDER / "tran2022" / name).read_text().splitlines()[0]
        (folder / name).write_text(head + "\n")
    texts = render(tmp_path / "results", tmp_path / "papers")
    assert texts[tmp_path / "results" / "new.md"].startswith("# new\n")


def test_the_pages_explain_the_rules_they_name_and_how_to_make_the_numbers(results):
    texts = render(results)  # of all papers
    overview, protocols = (texts[results / name] for name in ("README.md", "protocols.md"))
    rules = table_under(protocols, "## The rules")
    rules = {row["Rule"].split("`")[1]: row["In words"] for row in rules}
    printed = {"kim-train-loss", "h36m-bouchiat", "mupots-3dpck-rel"}
    printed |= {*MASK_PROTOCOLS, *SPIN_PROTOCOLS}
    assert set(rules) == {*CARDS, *printed, "h36m-moon-p1", "h36m-moon-p2"}
    assert rules["h36m-martinez-p1"].startswith("S9 and S11, every frame of every camera")
    assert "```\nposekit reproduce tran2022 --size small --seeds 3\n```" in overview


def test_a_command_names_the_folder_of_what_was_tested_on_and_none_of_its_variants(results, tran):
    rows = record("ours", 0)["quantities"]
    rows = [row | {"data": f"cmu{kind}"} for row in rows for kind in ("", "-folds", "-truth-folds")]
    keep(results, record("ours", 0, id="e" * 16, job="on cmu", quantities=rows))
    overview = render(results, tran)[results / "README.md"]
    assert "posekit reproduce tran2022 --size small --seeds 3 --data cmu=FOLDER\n" in overview


def test_changes_of_one_measure_are_one_table_in_whatever_order_they_are_listed(written):
    page = Page("tran2022", load_records(written / "runs"), written, FOLDER)
    first, aligned = (c for c in page.contrasts if (c.one, c.another) == ("ours", "martinez"))
    page.contrasts = [first, aligned, replace(first, name="once more")]
    tables = [(each.data, each.tried[0].measure) for each in page.changes]
    assert len(tables) == len(set(tables)) == 2


def test_a_caption_says_to_play_only_what_plays(results, tran):
    page = render(results, tran)[results / "tran2022.md"]
    assert "To turn it, open the file" in page and "play" not in page
    (results / "figures" / "tran2022-a-pose.html").write_text("Plotly.addFrames(...)")
    assert "To turn and play it, open the file" in render(results, tran)[results / "tran2022.md"]


def test_a_number_that_is_not_in_the_papers_text_is_told_apart_wherever_it_decides(page):
    told = "li 38.0 is not in the text at hand but in the base project's documents"
    [line] = [line for line in page.splitlines() if line.startswith("- Outperforms baseline DNNs")]
    assert "38.3 is not less than 38.0" in line and told in line
    faults = {row["Which"]: row["Finding"] for row in table_under(page, "## What the audit found")}
    assert told in faults["tran2022-034"] and "not in the text" not in faults["tran2022-027"]


def test_the_remark_on_a_claim_stands_in_its_headline(page):
    [line] = [line for line in page.splitlines() if line.startswith("- Best in Table 1 P1 for Sit")]
    assert "68.2 is not less than 54.2" in line and "order of columns of their own table" in line


def test_settings_that_no_run_used_are_counted_as_such(results, tran):
    rows = [("recipe_batch/ours", 24), ("fc_layers/ours/gate-stage", 8)]
    counts = [{"quantity": q, "card": "", "data": "", "value": v} for q, v in rows]
    noted = record("ours", 0, id="e" * 16, job="structure", quantities=counts)
    keep(results, noted)
    page = render(results, tran)[results / "tran2022.md"]
    told = "Settings of size paper, which no recorded run used: 1."
    assert "2 statements about how networks are built" in page and told in page
    keep(results, record("ours", 0, id="d" * 16, size="paper", quantities=[]))
    page = render(results, tran)[results / "tran2022.md"]
    assert "2 statements about how networks are built" in page
    assert "no recorded run used" not in page


def test_numbers_of_one_claim_are_named(results, tran):
    rows = [
        ("inputs/ours", 34),
        ("joints_in/ours", 17),
        ("outputs/ours", 48),
        ("joints_out/ours", 16),
    ]
    counts = [{"quantity": q, "card": "", "data": "", "value": v} for q, v in rows]
    keep(results, record("ours", 0, id="e" * 16, job="structure", quantities=counts))
    page = render(results, tran)[results / "tran2022.md"]
    cells = {row["Id"].split("`")[1]: row for row in table_under(page, "## Claims")}
    assert cells["tran2022-003"]["Measured"] == "inputs 34; outputs 48"
    assert cells["tran2022-015"]["Printed"].endswith("milestone first 170; milestone second 200")


def kim(seed: int, size: str = "small", data: str = "mpii") -> dict:
    """A run of all that one claim of kim compares, and of its scheduler's other reading."""
    losses = {"adam": 1.2, "scheduled": 1.21, "never": 1.2 + (0.01, -0.01, 0.0)[seed]}
    rows = [
        {"quantity": f"loss/{name}-original", "card": "kim-train-loss", "data": data} | {"value": v}
        for name, value in losses.items()
        if (v := (value + seed / 1000) / 1000)
    ]
    tested = [row | {"card": "kim-test-loss"} for row in rows]
    floor = tested[0] | {"quantity": "loss/nothing", "value": 0.01}
    rows += [*tested, floor]
    about = {"paper": "kim", "job": "all", "data": {"name": data, "version": "1"}}
    return record("ours", seed, size=size, quantities=rows, id=f"{seed:016x}", **about)


def test_a_page_says_of_an_order_what_size_it_is_of_and_which_reading_does_not_share_it(tmp_path):
    for seed in range(3):
        keep(tmp_path, kim(seed))
    papers = papers_folder(tmp_path / "papers", "kim")
    page = render(tmp_path, papers)[tmp_path / "kim.md"]
    [line] = [line for line in page.splitlines() if line.startswith("- Adam beats Adam with sch")]
    sides = "adam-original 0.00120 against 0.00121 MSE, difference -0.0000100"
    assert f"**reproduced**, E6, {sides}" in line
    ours = r"the threshold is ours: at most 0.01 \* adam-original"
    assert ", n = 3 on mpii, size small, " in line
    assert (
        f"{ours}, " in line and "the printed numbers fail it by a threshold of ours alone" in line
    )
    assert ", but adam-original: with never" in line
    rows = {row["Id"].split("`")[1]: row for row in table_under(page, "## Claims")}
    assert (rows["kim-037"]["Verdict"], rows["kim-037"]["Measured"]) == ("not run", "")
    assert rows["kim-037"]["Printed"] == "0.00126786"
    assert "- not run at size paper, which alone decides a printed number: 2 claims" in page
    assert "Units: legs lost in %, loss in MSE, latency in ms, yes is 1." in page


def test_smoke_runs_never_enter_a_table(results, page, tran):
    keep(results, record("ours", 0, id="f" * 16, size="smoke"))
    assert render(results, tran)[results / "tran2022.md"] == page


def test_costs_are_means_over_the_runs_of_a_job(written):
    table = cost_table(load_records(written / "runs")).set_index("Job")
    assert table.loc["lifter/ours"].tolist()[3:7] == ["3", "11.0", "9,000", "900"]


def test_a_cost_too_small_to_print_is_left_out(results):
    for seed in range(3):
        run = record("ours", seed, job="noted", id=f"c{seed:015x}", quantities=[])
        keep(results, run | {"seconds": 0.01, "samples_per_second": 0.0})
    table = cost_table(load_records(results / "runs")).set_index("Job")
    assert table.loc["noted"].tolist()[3:7] == ["3", "", "", "900"]


def test_a_results_folder_that_cannot_be_written_is_named(results, tran):
    (results / "index.html").mkdir()  # root may write anywhere, but never a file over a folder
    with pytest.raises(OSError, match=r"index\.html.*choose another folder"):
        write(results, tran)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_without_permission_is_named(results, tran):
    results.chmod(0o500)
    with pytest.raises(OSError, match="choose another folder"):
        write(results, tran)


def test_a_damaged_record_is_named(results):
    (results / "runs" / "broken.json").write_text('{"id": ')
    with pytest.raises(ValueError, match=r"broken\.json"):
        render(results)


def test_every_verdict_word_and_evidence_level_is_explained():
    assert set(MEANING) == set(WORDS)
    assert list(EVIDENCE) == [f"E{level}" for level in range(7)]


@pytest.mark.skipif(not (RESULTS / "ledger.csv").exists(), reason="results/ is not there yet")
def test_the_committed_results_are_what_the_records_give():
    for path, text in render(RESULTS).items():
        there = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert there == text, f"{path} differs: run `posekit render`, or revert what was edited"


def test_a_page_says_which_changes_exceed_seed_noise():
    rows = {
        "less light": (-3.0, -4.0, -2.0, "yes, better"),
        "more light": (1.0, -1.0, 3.0, "no"),
        "no light": (0.0, -8.0, 8.0, "no"),
    }
    found = pd.DataFrame.from_dict(rows, "index", columns=["mean", "low", "high", NOISE])
    assert noise_sentence(found, "mm") == (
        "1 of 3 decided: less light (better). Not decided: 2 not beyond chance. The intervals of those "
        "not beyond chance reach 2.00 to 8.00 mm to either side of the mean; after the correction a "
        "difference has to be larger still."
    )
    assert noise_sentence(found.iloc[1:2], "%").startswith(
        "None of 1 decided. Not decided: 1 not beyond chance. The intervals of those not beyond chance "
        "reach 2.00 % to either side of the mean"
    )
    people = found.iloc[1:2].assign(**{"people low": -3.0, "people high": 7.0})
    assert " reach 5.00 mm to either side" in noise_sentence(people, "mm")  # over persons: wider
    learnt = {"corrected p": 0.0462, "one gain": 0.5013, "another gain": 0.52}
    assert _answers(found.iloc[:1].assign(**learnt), " (but one)") == (
        "the one change that was compared here (but one) is decided: less light (better, corrected p "
        "0.046, gain 50 % or more)"
    )


def test_a_page_says_at_its_head_when_its_runs_were_made(written):
    [run, *_] = load_records(written / "runs")
    runs = [replace(run, finished=day, commit=day[-2:]) for day in ("2026-11-21", "2026-11-30")]
    told = "The runs shown here are of 21 November 2026 to 30 November 2026, made with the commits "
    assert made_before(runs, "Nothing changed.") == told + "`21`, `30`."
    changed = made_before(runs, "all of it in runs before 29 November 2026")
    assert "**1 of 2 were made before rules or settings changed on 29 November 2026;" in changed
    assert "before" not in made_before(runs[1:], "in runs before 29 November 2026")
    assert made_before([run], "") == ""
