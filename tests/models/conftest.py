"""Weights of ImageNet: torch.hub's folder, and no web to fetch them from."""

from pathlib import Path
from urllib.error import URLError

import pytest


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """torch.hub's folder of weights, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def nowhere(*_, **__):
        raise URLError("no web here")

    monkeypatch.setattr("torch.hub.urlopen", nowhere)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder
