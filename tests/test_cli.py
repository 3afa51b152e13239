"""The command line, as people type it."""

import re
import subprocess
import sys

import pytest

from posekit.cli import main
from posekit.reproduce import ROOT


@pytest.fixture
def posekit(monkeypatch, capsys):
    """Runs a command and returns its exit code, output and errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["posekit", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def mistake(posekit):
    """What a mistaken command says: one line, no traceback."""

    def run(*words):
        code, _, errors = posekit(*words)
        assert code == 1
        (line,) = errors.strip().splitlines()
        return line

    return run


def test_status_counts_every_claim_once(posekit, tmp_path):
    _, lines, _ = posekit("status", "--out", tmp_path)
    counts = dict(reversed(m) for m in re.findall(r"^ +(\d+)  (.+)$", lines, re.MULTILINE))
    assert "tran2022: 295 claims" in lines
    assert sum(map(int, counts.values())) == 295 and counts["quoted"] == "241"


def test_why_tells_what_is_behind_a_verdict(posekit, tmp_path):
    _, text, _ = posekit("why", "tran2022-034", "--out", tmp_path)
    assert "Outperforms baseline DNNs" in text and "38.3 < 38.0 fails" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("why", "tran2022-999"), "no claim 'tran2022-999' .*near: tran2022-"),
        (("reproduce", "--size", "huge"), "no size 'huge'; there are smoke, small, gpu, paper"),
        (("reproduce", "tran2023"), "no notebook for paper 'tran2023'; there are tran2022"),
        (("reproduce", "--data", "cmu"), "'cmu' is not of the form NAME=VALUE"),
        (("reproduce", "--data", "cmu=/nowhere"), "there is no folder /nowhere"),
        (("reproduce", "--param", "epochs=3"), "no parameter epochs; it has size"),
        (("data", "check", "human36n", "."), "human36n"),
    ],
)
def test_a_mistake_gets_one_line_that_names_it(mistake, words, says):
    assert re.search(says, mistake(*words))


def test_a_damaged_record_is_named_with_the_remedy(mistake, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "aa.json").write_text('{"id": "aa"')
    assert re.search(
        r"aa.json is not a whole JSON file.*delete it", mistake("status", "--out", tmp_path)
    )


def test_an_empty_data_folder_is_told_what_it_lacks(posekit, tmp_path):
    code, text, errors = posekit("data", "check", "cmu", tmp_path)
    assert code == 1
    assert "mocap.cs.cmu.edu" in text + errors


def test_a_dry_run_prints_the_command_and_runs_nothing(posekit, tmp_path):
    _, text, _ = posekit("reproduce", "--dry-run", "--seeds", 4, "--out", tmp_path / "out")
    assert re.search(r"papermill .*lifting.ipynb .*-p size 'small' -p seeds 4", text)
    assert not (tmp_path / "out").exists()


def start(*words):
    command = [sys.executable, "-c", "from posekit.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_main_command_from_notebook_to_verdicts(tmp_path):
    words = ("reproduce", "tran2022", "--size", "smoke", "--seeds", "1", "--out", tmp_path)
    text = start(*words)
    assert text.rstrip().endswith("tran2022.md")
    assert "tran2022: 295 claims" in text and f"results: {tmp_path / 'README.md'}" in text
    verdicts = re.findall(r"^ +\d+  (.+)$", text, re.MULTILINE)
    assert "inconsistent" in verdicts and "reproduced" not in verdicts  # smoke never counts
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {"README.md", "tran2022.md", "ledger.csv", "index.html", "studio.md"} <= written
    assert {"executed/tran2022.ipynb", "figures/plotly.min.js"} <= written
    assert "figures/tran2022-prediction-beside-truth.png" in written
    for path in tmp_path.rglob("*"):
        if path.suffix in (".md", ".json", ".csv", ".ipynb", ".html"):
            content = path.read_text()
            assert str(tmp_path) not in content and str(ROOT) not in content, path

    records = {p.name: p.read_bytes() for p in (tmp_path / "runs").glob("*.json")}
    start(*words)
    assert {p.name: p.read_bytes() for p in (tmp_path / "runs").glob("*.json")} == records
