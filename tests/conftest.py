"""What all tests share: shape checks, a cache of their own, and real data where it lies near."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

CHECKS = install_import_hook("posekit", "beartype.beartype").hook


class CheckedModules(MetaPathFinder):
    """Modules of posekit whose functions check the shapes that their signatures promise.

    jaxtyping's own finder gives the checks. It also renames the bytecode files of all libraries
    that a module of posekit imports, so that each process would compile them: not done here.
    Processes that tests start (kernels, commands, workers) do not check, so they start faster.
    """

    def find_spec(self, name, path=None, target=None):
        spec = CHECKS.find_spec(name, path, target)
        if spec:
            spec.loader.exec_module = self.execute
        return spec

    def execute(self, module):
        loader = module.__spec__.loader
        code = loader.source_to_code(loader.get_data(loader.path), loader.path)
        exec(code, vars(module))  # noqa: S102, our own modules


sys.meta_path[sys.meta_path.index(CHECKS)] = CheckedModules()

# Kernels of notebooks inherit these: they leave the user's cache alone, and threads of tests that
# run beside each other do not wait for the same cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["POSEKIT_CACHE"] = tempfile.mkdtemp(prefix="posekit-tests-")
atexit.register(shutil.rmtree, os.environ["POSEKIT_CACHE"], ignore_errors=True)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of small real data sets; tests that need it are skipped where it is not."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not here: this part is checked on real data only")
    return folder


@pytest.fixture(scope="session")
def papers(shared) -> Path:
    """The folder of the papers' tables and claims, to compare posekit's own with."""
    folder = shared.parent / "papers"
    if not folder.is_dir():
        pytest.skip("../shared/papers is not here: the tables are compared with it only")
    return folder


@pytest.fixture
def command(monkeypatch, capsys) -> Callable:
    """Runs a posekit command in this process: (exit status, standard output, the error)."""

    from posekit.cli import main  # after the shape checks are on

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["posekit", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run
