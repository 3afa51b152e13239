"""The layout of the package: floors, sizes of files, mirrored tests, signatures that hold."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from posekit.metrics.errors import mpjpe

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "posekit"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_imports_run_down_the_floors_only():
    """The contract `layers` in pyproject.toml: no import runs up, no packages form a circle."""
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    done = subprocess.run(
        [*lint, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_top_of_the_package_has_at_most_14_names():
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert len(names) <= 14, sorted(names)


def test_no_module_has_more_than_400_lines():
    lengths = {m.relative_to(ROOT): len(m.read_text().splitlines()) for m in MODULES}
    assert not {name: length for name, length in lengths.items() if length > 400}


def test_few_modules_have_under_60_lines():
    own = [m for m in MODULES if m.name != "__init__.py" and m.parent.name != "_template"]
    short = [m for m in own if len(m.read_text().splitlines()) < 60]
    assert len(short) <= 12, [str(m.relative_to(ROOT)) for m in short]


@pytest.mark.parametrize("folder", [p for p in (ROOT / "tests").iterdir() if p.is_dir()])
def test_folders_of_tests_are_named_after_packages(folder):
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folder.name in packages | {"builders", "__pycache__"}


def test_shapes_that_signatures_promise_are_checked():
    pose = torch.zeros(2, 17, 3)
    assert mpjpe(pose, pose).tolist() == [0, 0]
    with pytest.raises(TypeCheckError, match="J=17"):
        mpjpe(pose, torch.zeros(2, 16, 3))
