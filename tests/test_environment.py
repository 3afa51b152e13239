"""Three files name the dependencies; they must not drift apart."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def requirements():
    extras = [r for rs in PROJECT["optional-dependencies"].values() for r in rs]
    found = [Requirement(r) for r in PROJECT["dependencies"] + extras]
    return [r for r in found if r.name != "posekit"]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pairs}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_inside_its_range():
    pinned = pins()
    for requirement in requirements():
        version = pinned[normal(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_what_is_installed_here_is_what_is_pinned():
    command = [sys.executable, "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    here = {normal(name): version.split("+")[0] for name, version in here.items()}
    wrong = {n: (here[n], v) for n, v in pins().items() if n in here and here[n] != v}
    assert not wrong, f"installed against constraints.txt: {wrong}"


def test_conda_leaves_the_versions_to_pyproject_and_constraints():
    *conda, pip = CONDA["dependencies"]
    for spec in conda:
        MatchSpec(spec, strict=True)
    assert [MatchSpec(s).name.normalized for s in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[test]"]}


def test_conda_and_pyproject_want_the_same_python():
    (python,) = [s for s in CONDA["dependencies"] if isinstance(s, str) and s.startswith("python")]
    assert python.removeprefix("python") == PROJECT["requires-python"]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert MatchSpec(python).version and Version(running) >= Version("3.11")


@pytest.mark.parametrize("name", ["torch", "numpy"])
def test_ranges_admit_the_versions_of_the_gpu_box(name):
    box = {"torch": "2.11.0", "numpy": "2.5.2"}
    (requirement,) = [r for r in requirements() if r.name == name]
    assert requirement.specifier.contains(box[name])
