"""The command line, as people type it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from builders.networks import lifter_file
from test_cmu import motion_text, write

import posekit as package
from posekit.claims.paper import load_paper, slugs
from posekit.cli import reproduce
from posekit.cli.reproduce import NOTEBOOKS
from posekit.data.check import CHECKS
from posekit.inference import trained
from posekit.system import ROOT


def complaint(done):
    """The one line that a mistaken command says; an exception that is none gets through."""
    status, said, complained = done
    assert status == 1 and not said
    (line,) = complained.splitlines()
    return line


def test_status_counts_every_claim_once(command, tmp_path):
    status, said, _ = command("status", "--out", tmp_path)
    _, title, own = said.partition("tran2022: 295 claims\n")
    rows = re.findall(r"^ +(\d+)  (.+)$", own.partition("\n\n")[0], re.MULTILINE)
    counts = {word: int(count) for count, word in rows}
    assert status == 0 and title
    assert sum(counts.values()) == 295 and counts["quoted"] == 241


def test_why_tells_what_is_behind_a_verdict(command, tmp_path):
    status, said, _ = command("why", "tran2022-034", "--out", tmp_path)
    assert status == 0
    assert "Outperforms baseline DNNs" in said and "38.3 < 38.0 fails" in said
    assert len(said.splitlines()) <= 10


def test_what_the_commands_are_is_said_without_torch():
    """It takes seconds to import: too long to wait for `posekit --help` or a mistyped command."""
    check = "import sys, posekit.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("diff /nowhere", "/nowhere is neither a folder of results nor a commit with such: "),
        ("why tran2022-999", "no claim 'tran2022-999' .*near: tran2022-"),
        ("why tran2023-001", "no claim 'tran2023-001'"),
        ("reproduce --size huge", "no size 'huge'; there are smoke, small, medium, large, paper"),
        (
            "reproduce tran2023",
            "no notebook for paper 'tran2023'; there are .*tran2022 .lifting., ",
        ),
        ("reproduce --data cmu", "'cmu' is not NAME=FOLDER with a name of human36m, cmu, "),
        ("reproduce --data cmu=/nowhere", "there is no folder /nowhere"),
        ("reproduce --dry-run --data mocap=/tmp", "'mocap=/tmp' is not NAME=FOLDER with a name of"),
        ("reproduce --dry-run --data cmu=/bin", "cmu=.*bin: skeletons missing"),
        ("reproduce --dry-run --data lspet=/tmp,pose2sim=/bin", "data: lspet=/tmp: .* missing"),
        ("reproduce kim --dry-run --data cmu=/tmp", "hourglass.ipynb: nothing here reads cmu"),
        ("reproduce --dry-run --device tpu", "no device 'tpu'"),
        ("reproduce --param epochs=3", "no parameter epochs; there are size"),
        ("reproduce --param out=here", "the option --out is for"),
        ("data check human36n .", "no data set 'human36n'; .*human36m"),
        ("data convert-smpl nowhere.pkl", "there is no .pkl file .*nowhere.pkl"),
    ],
)
def test_a_mistake_gets_one_line_that_names_it(command, words, says):
    assert re.search(says, complaint(command(*words.split())))


def test_a_damaged_record_is_named_with_the_remedy(command, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "aa.json").write_text('{"id": "aa"')
    line = complaint(command("status", "--out", tmp_path))
    assert re.search(r"aa.json: it is not a whole JSON file.*delete it", line)


def test_published_networks_go_to_the_notebooks_of_their_kind(command, tmp_path):
    given = f"published={lifter_file(tmp_path / 'net.safetensors')}"
    _, said, _ = command("reproduce", "--dry-run", "--data", given)
    assert [given in line for line in said.splitlines()].count(True) == 1
    assert re.search(f"lifting.ipynb .*{given}", said)
    line = complaint(command("reproduce", "kim", "--dry-run", "--data", given))
    assert re.search("net.safetensors is of kind lifting; hourglass.ipynb has heatmaps", line)
    own = f"published={lifter_file(tmp_path / 'own.safetensors', source='')}"
    line = complaint(command("reproduce", "lifting", "--dry-run", "--data", own))
    assert "own.safetensors is not made of published weights: `posekit data convert-ch" in line


@pytest.mark.parametrize("words", ["reproduce --size smoke", "status", "why tran2022-034"])
def test_a_results_folder_that_is_a_file_is_named(command, tmp_path, words):
    (tmp_path / "out").write_text("not a folder")
    status, _, complained = command(*words.split(), "--out", tmp_path / "out")
    assert status == 1 and len(complained.splitlines()) == 1
    assert f"{tmp_path / 'out'}" in complained and "choose another --out" in complained


def test_every_data_set_that_is_documented_can_be_given_and_checked(command, tmp_path):
    """Every NAME of reproduce's --data that README, a notebook's text or its metadata give."""
    lines, read = (ROOT / "README.md").read_text().splitlines(), {}
    text = "\n".join(line for line in lines if "posekit evaluate" not in line)
    for path in NOTEBOOKS.glob("*.ipynb"):
        book = nbformat.read(path, 4)
        text += "\n".join(cell.source for cell in book.cells)
        read |= dict.fromkeys(book.metadata["posekit"]["data"], path.stem)
    text = re.sub("^.*posekit evaluate .*$", "", text, flags=re.MULTILINE)  # has sets of its own
    named = set(re.findall(r"\b([a-z]\w+)=FOLDER", text))
    assert named == read.keys() == set(CHECKS)
    for name, notebook in read.items():
        words = ("reproduce", notebook, "--dry-run", "--data", f"{name}={tmp_path}")
        line = complaint(command(*words))
        assert re.search(rf"data: {name}=\S+: .* missing: ", line), line
        status, said, _ = command("data", "check", name, tmp_path)
        assert status == 1 and "not complete" in said and " missing " in said


def test_every_data_set_that_claims_name_can_be_checked():
    homes = {printed.data for slug in slugs() for printed in load_paper(slug).printed.values()}
    kept_back = {"eth-leaderboard", "industrial"}  # nobody but its owners has them
    assert homes - {"", "reference"} - kept_back <= set(CHECKS)


@pytest.mark.parametrize(("name", "source"), [("cmu", "mocap.cs.cmu.edu"), ("human36m", "")])
def test_an_empty_data_folder_is_told_what_it_lacks(command, tmp_path, name, source):
    status, said, _ = command("data", "check", name, tmp_path)
    assert status == 1
    assert "not complete" in said and "missing" in said and source in said


def test_a_dry_run_prints_the_command_with_every_parameter(command, tmp_path):
    folder = write(tmp_path / "mocap", {"01": motion_text([[0] * 6] * 3)})
    words = ("reproduce", "--dry-run", "--seeds", 4, "--param", "detector=truth")
    status, said, _ = command(*words, "--data", f"cmu={folder}", "--out", tmp_path / "out")
    assert status == 0
    commands = {Path(words[3]).stem: words for words in map(shlex.split, said.splitlines())}
    lifting = commands.pop("lifting")
    assert commands.keys() == {path.stem for path in reproduce.notebooks().values()} - {"lifting"}
    for other in commands.values():
        assert not [word for word in other if "mocap" in word or "detector" in word]  # not its own
    given = {lifting[i + 1]: lifting[i + 2] for i, word in enumerate(lifting) if word == "-p"}
    notebook = str(NOTEBOOKS / "lifting.ipynb")
    assert lifting[:4] == [sys.executable, "-m", "papermill", notebook]
    assert given.keys() == papermill.inspect_notebook(notebook).keys()
    assert given["size"] == "small" and given["seeds"] == "4" and given["detector"] == "truth"
    assert given["data"] == f"cmu={folder}" and given["out"] == str(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_has_what_processes_and_hours_pass_on(command, monkeypatch):
    for name in ("POSEKIT_PROCESSES", "POSEKIT_UNTIL"):  # a run sets them; not for other tests
        monkeypatch.setenv(name, "")
    words = ("reproduce", "kim", "--dry-run", "--processes", 2, "--hours", 1.5)
    status, said, _ = command(*words)
    assert status == 0
    before = 'POSEKIT_PROCESSES=2 POSEKIT_UNTIL="$(($(date +%s) + 5400))" '
    assert said.startswith(f"{before}{sys.executable} -m papermill ")


def test_the_version_is_told(command):
    status, said, _ = command("--version")
    assert (status, said) == (0, f"posekit {package.__version__}\n")


def test_status_of_one_paper_by_its_notebook_s_name(command, tmp_path):
    status, said, _ = command("status", "Lifting", "--out", tmp_path)
    assert status == 0 and re.findall(r"^(\S+): ", said, re.MULTILINE) == ["tran2022"]


def test_less_work_never_replaces_published_results(command, tmp_path, monkeypatch):
    """A smoke run has a folder of its own, and fewer seeds than were published go to another."""
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "results")
    cell = nbformat.v4.new_code_cell('size = "small"\nseeds = 5\n')
    cell.metadata["tags"] = ["injected-parameters"]
    executed = tmp_path / "results" / "executed" / "kim.ipynb"
    executed.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), executed)

    def folder(size, seeds, out=None):
        return reproduce.folder_for(out, ["kim"], size, seeds).name

    assert folder("smoke", 1) == "results-smoke"
    assert folder("small", 3) == "results-small-3-seeds"
    assert folder("small", 5) == folder("large", 1) == "results"
    with pytest.raises(ValueError, match="kim at size small with 5 seeds.*another --out"):
        folder("small", 3, out=tmp_path / "results")


def test_without_the_repository_a_command_says_so(command, tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.cli.ROOT", tmp_path)
    for words in (["status"], ["render"], ["reproduce", "--dry-run"]):
        assert "needs posekit's repository" in complaint(command(*words))


def test_runs_lists_what_predict_can_use_and_what_it_is(command, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(trained, "bundled", list)
    assert "no trained network here: `posekit reproduce" in command("runs")[1]

    def row(error, subject="large", card="h36m-moon-p2"):
        return {"quantity": f"mpjpe/{subject}", "card": card, "data": "studio", "value": error}

    about = {"paper": "choi2021", "size": "small", "seed": 2, "finished": "2026-11-28T10:00:00Z"}
    large = {"subject": "large", "network": "mobile", "shape": {}}
    runs = {
        "mean": about | {"quantities": [row(250.0, "mean-pose")]},  # has no weights
        "good": about | {"job": "good", "config": large, "quantities": [row(120.0)]},
        "near": about | {"job": "near", "config": large, "quantities": [row(245.0)]},
        "worse": about | {"job": "worse", "config": large, "quantities": [row(460.0)]},
        "other": about | {"job": "other", "config": large, "quantities": [row(1.0, card="x")]},
        "kim": {"config": {"network": "original"}, "paper": "kim", "size": "smoke"},
        **{f"odd{k}": odd for k, odd in enumerate([[], 3, {}, {"config": 3}, {"config": {}}])},
    }
    for name, record in runs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps(record))
        if name != "mean":
            (tmp_path / name / "network.pt").touch()
    (tmp_path / "odd3" / "record.json").write_bytes(b"\xff{")
    status, said, complained = command("runs")
    assert not complained
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert status == 0 and lines.keys() == {"good", "near", "worse", "other", "kim"}
    assert re.search(
        r"integral +choi2021, good, small, seed 2, 2026-11-28; 120 mm by", lines["good"]
    )
    assert (
        "near the mean pose: 245 mm by h36m-moon-p2, where the mean pose has 250" in lines["near"]
    )
    assert "worse than the mean pose: 460 mm" in lines["worse"]
    assert lines["other"].endswith("2026-11-28")
    assert "heatmaps  kim, smoke; size smoke: hardly trained" in lines["kim"]
    assert [line.split()[0] for line in command("runs", "hourglass")[1].splitlines()] == ["kim"]


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_of_a_library_is_one_line_that_names_the_file(
    command, monkeypatch, tmp_path, debug
):
    (tmp_path / "a.json").touch()

    def broken(*_):
        return {}["ab\ncd"]

    monkeypatch.setattr("posekit.inference.predict.predict_source", broken)
    status, said, complained = command("predict", tmp_path / "a.json", *["--debug"] * debug)
    *where, line = complained.splitlines()
    assert status == 1 and not said and bool(where) == debug
    assert line.startswith(
        f"posekit: KeyError: 'ab\\ncd' while working on {tmp_path}/a.json: is it"
    )
    if debug:
        assert where[0].startswith("Traceback")


def test_a_library_s_value_error_is_told_from_posekits_own(command, monkeypatch):
    monkeypatch.setattr("posekit.inference.predict.predict_source", lambda *_: json.loads("{"))
    line = complaint(command("predict", "nowhere"))
    assert line.startswith("posekit: JSONDecodeError: Expecting") and "--debug shows where" in line


def test_the_main_command_from_notebook_to_verdicts(command, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEKIT_HEADLESS", "1")  # a run sets it; other tests must not see it
    start, out = [sys.executable, "-c", "from posekit.cli import main; main()"], tmp_path / "out"
    words = ["reproduce", "tran2022", "--size", "smoke", "--seeds", "1", "--out", str(out)]
    words += ["--data", f"published={lifter_file(tmp_path / 'net.safetensors')}"]
    done = subprocess.run(start + words, capture_output=True, text=True, check=True, cwd=ROOT)
    said = done.stdout
    end = said[said.index("tran2022: 295 claims") :]
    assert end.endswith(f"results: {out / 'README.md'}\n         {out / 'tran2022.md'}\n")
    verdicts = re.findall(r"^ +\d+  (.+)$", end, re.MULTILINE)
    assert "not run" in verdicts and "reproduced" not in verdicts  # smoke never counts
    written = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert {"README.md", "tran2022.md", "ledger.csv", "index.html", "studio.md"} <= written
    assert {"executed/tran2022.ipynb", "executed/tran2022.html"} <= written
    assert {"figures/plotly.min.js", "figures/tran2022-prediction-beside-truth.png"} <= written
    for path in out.rglob("*"):
        if path.suffix in (".md", ".json", ".csv", ".ipynb", ".html"):
            text = path.read_text(encoding="utf-8")
            assert str(tmp_path) not in text and str(ROOT) not in text, path

    tables = nbformat.read(out / "executed" / "tran2022.ipynb", 4).cells
    assert any("A-b, published weights" in str(cell.get("outputs")) for cell in tables)
    kept = [*(out / "runs").glob("*.json"), out / "executed" / "tran2022.ipynb"]
    first = {path.name: path.read_bytes() for path in kept}
    assert len(first) > 8
    assert command(*words)[0] == 0
    # Records tell when they were made: the same bytes mean that nothing was trained again.
    assert {path.name: path.read_bytes() for path in kept} == first
