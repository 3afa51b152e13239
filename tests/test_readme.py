"""What the README and the pages beside it point at is there, and its Python can be run."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders.networks import finished_run

from posekit.geometry.skeleton import H36M17
from posekit.inference.output import ENTRIES, PERSON

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "results/README.md", "results/studio.md", "posekit/studio/STUDIO.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text())
    inside = [link for link in links if "://" not in link]
    assert inside
    missing = [link for link in inside if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def rows(page):
    lines = (ROOT / page).read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = ((re.match(r"\[.*?\]\((?:results/)?(\w+)\.md\)", row[0]), row) for row in cells)
    return {slug[1]: row for slug, row in found if slug and len(row) > 4}


def test_the_table_of_papers_has_the_numbers_of_the_results():
    """Paper, counts, orders decided, mistakes: in results/README.md in columns 4 to 9."""
    results = rows("results/README.md")
    assert set(rows("README.md")) == set(results)
    for slug, (_, counts, in_code, orders, mistakes, _) in rows("README.md").items():
        _, _, _, confirmed, equal, claimed, held, otherwise, errors, _ = results[slug]
        decided = f"{int(held) + int(otherwise)} of {claimed}"
        assert (counts, in_code, orders, mistakes) == (confirmed, equal, decided, errors), slug


def blocks(language):
    found = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [text for own, text in found if own == language]


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(blocks("python")) == 2
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102, our own README


def test_the_commands_in_the_readme_are_commands(command):
    """Every `posekit COMMAND` has a help text that names the options it is called with."""
    lines = [line.split("#")[0] for block in blocks("") for line in block.splitlines()]
    called = [line.split("bin/posekit ")[1].split() for line in lines if "bin/posekit " in line]
    assert len(called) > 6
    for words in called:
        names = [words[0]] + ([words[1]] if words[0] == "data" else [])
        status, text, _ = command(*names, "--help")
        assert status == 0
        assert all(word in text for word in words if word.startswith("--")), words


def test_the_commands_that_predict_run(tmp_path, monkeypatch, command):
    """Each line that begins with posekit predict or runs, with files in the place of capitals."""
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    finished_run(tmp_path / "net")
    lifter = finished_run(tmp_path / "lifter", "martinez", channels=16)
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((120, 100, 3), np.uint8))
    pose = lifter(torch.full((1, 17, 2), 500.0))[0].detach()
    seen = {"joints2d": (50 + 100 * pose[:, :2] / (pose[:, 2:] + 4000)).tolist()}
    joints = {"skeleton": {"name": "", "joints": H36M17.joints, "parents": H36M17.parents}}
    (tmp_path / "joints.json").write_text(json.dumps(joints | {"people": [seen]}))
    files = {"PICTURE": "picture.png", "RUN": "net", "JOINTS.json": "joints.json"}
    files |= {"LIFTER": "lifter", "FOLDER": "again"}
    monkeypatch.chdir(tmp_path)
    lines = [line.split("#")[0].split()[1:] for block in blocks("") for line in block.splitlines()]
    lines = [words for words in lines if words and words[0] in ("predict", "runs")]
    assert len(lines) > 4
    for words in lines:
        status, said, error = command(*(files.get(word, word) for word in words))
        assert status == 0 and not error and said, words
    written = json.loads((tmp_path / "sample-people" / "people.json").read_text())
    assert len(written["people"]) == 3 and written["model"]["name"] == "posekit-light"
    readme = (ROOT / "README.md").read_text()
    assert written.keys() == ENTRIES.keys() and written["people"][0].keys() == PERSON.keys()
    for name, text in (ENTRIES | PERSON).items():
        assert f"| `{name}` | {text} |" in readme
