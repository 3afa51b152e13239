"""What all tests share: shape checks, a cache of their own, and real data where it lies near."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Notebooks' kernels inherit these: they too are checked, and leave the user's cache alone.
os.environ.setdefault("POSEKIT_CHECK_SHAPES", "1")
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
