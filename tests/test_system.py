"""Files are written whole or not at all; bars stay on one line."""

import resource
import signal

import pytest
import torch

from posekit import system
from posekit.system import write_text, write_whole


@pytest.fixture
def small_files_only():
    """The kernel refuses files above 4 kB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, small_files_only):
    path = tmp_path / "record.json"
    write_text(path, "old")
    with pytest.raises(OSError, match=r"can't write .*record.json.*free some space"):
        write_text(path, "new" * 10_000)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_checkpoint_on_a_full_disk_leaves_the_old_one(tmp_path, small_files_only):
    path = tmp_path / "state.pt"
    write_whole(path, lambda part: torch.save({"step": 1}, part))
    with pytest.raises(OSError, match="Nothing already written was lost"):
        write_whole(path, lambda part: torch.save(torch.zeros(100_000), part))
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "text")
    assert (tmp_path / "a" / "b.txt").read_text() == "text"


def test_nested_bars_of_a_notebook_share_one_line(monkeypatch, capsys):
    """A notebook redraws a line (\\r) and cannot go up to another."""
    monkeypatch.delenv("POSEKIT_HEADLESS", raising=False)
    monkeypatch.setattr(system, "_in_notebook", lambda: True)
    for _ in system.progress(range(3), "outer"):
        list(system.progress(range(3), "inner"))
    said = capsys.readouterr().out
    assert "outer" in said and "inner" in said
    assert "\n" not in said and "\x1b" not in said
