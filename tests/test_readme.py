"""What the README and the pages beside it point at is there, and its Python can be run."""

import re
import sys
from pathlib import Path

import pytest

from posekit.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "results/README.md", "results/studio.md", "posekit/studio/STUDIO.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text())
    inside = [link for link in links if "://" not in link]
    assert inside
    missing = [link for link in inside if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(blocks("python")) == 2
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102, our own README


def test_the_commands_in_the_readme_are_commands(monkeypatch, capsys):
    """Every `posekit COMMAND` has a help text that names the options it is called with."""
    lines = [line.split("#")[0] for block in blocks("") for line in block.splitlines()]
    called = [line.split("bin/posekit ")[1].split() for line in lines if "bin/posekit " in line]
    assert len(called) > 6
    for words in called:
        names = [words[0]] + ([words[1]] if words[0] == "data" else [])
        monkeypatch.setattr(sys, "argv", ["posekit", *names, "--help"])
        with pytest.raises(SystemExit) as end:
            main()
        text = capsys.readouterr().out
        assert end.value.code == 0
        assert all(word in text for word in words if word.startswith("--")), words
