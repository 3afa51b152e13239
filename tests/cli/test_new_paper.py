"""`posekit new`: another paper's files run before a word of them is written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from posekit.claims.paper import FOLDER, load_paper, slugs
from posekit.cli.new_paper import create
from posekit.system import ROOT


@pytest.fixture
def repository(tmp_path) -> Path:
    """An empty repository: the folders that files of a paper go to."""
    for folder in ("posekit/papers", "posekit/models", "notebooks", "tests/papers"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_the_template_is_a_paper_and_not_one_of_the_papers():
    assert load_paper("_template").claims and "_template" not in slugs()


def test_another_papers_notebook_and_test_run_as_they_are(tmp_path):
    shutil.copytree(ROOT / "posekit", tmp_path / "posekit")
    for folder in ("notebooks", "tests/papers"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("pyproject.toml", "tests/nbval_sanitize.cfg"):
        shutil.copy(ROOT / name, tmp_path / name)
    written = create("sixth2027", root=tmp_path)
    assert tmp_path / "notebooks" / "sixth2027.ipynb" in written
    for path in written:
        assert "_template" not in path.read_text(encoding="utf-8"), path
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    done = subprocess.run([*run, "tests", "notebooks"], check=False, env=environment, **options)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
    lint = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    done = subprocess.run(lint, check=False, **options)
    assert done.returncode == 0, done.stdout


def test_a_notebook_may_have_a_name_of_its_own(repository):
    create("sixth2027", "gestures", root=repository)
    assert (repository / "notebooks" / "gestures.ipynb").is_file()
    assert "Notebook: gestures" in (repository / "posekit/models/sixth2027.py").read_text()
    own = {path.name for path in (repository / "posekit" / "papers" / "sixth2027").iterdir()}
    usual = {path.name for path in FOLDER.joinpath("tran2022").iterdir() if path.is_file()}
    assert usual <= own


@pytest.mark.parametrize("slug", ["Sixth", "6th", "a-b", "../up", "_six", "class", ""])
def test_a_name_that_no_module_can_have_is_refused(repository, slug):
    with pytest.raises(ValueError, match="take lower-case letters"):
        create(slug, root=repository)
    assert not files(repository)


@pytest.mark.parametrize("there", ["posekit/papers/six/about.csv", "posekit/models/six.py"])
def test_a_paper_that_is_there_is_left_alone(repository, there):
    path = repository / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("kept")
    with pytest.raises(FileExistsError, match="choose another name"):
        create("six", root=repository)
    assert files(repository) == {Path(there)} and path.read_text() == "kept"


def test_where_a_file_cannot_be_written_none_is(repository):
    (repository / "tests" / "papers").rmdir()
    with pytest.raises(FileNotFoundError):
        create("six", root=repository)
    assert not files(repository) and not (repository / "posekit" / "papers" / "six").exists()
