"""Files are written whole or not at all, whatever they are called; bars stay on one line."""

import os
import re
import resource
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from posekit import system
from posekit.data import coco, lsp, mpi_inf_3dhp, mpii, spin, threedpw
from posekit.data.formats import matlab, npz, text
from posekit.geometry import body_files, crop
from posekit.system import (
    check_folder,
    need_file,
    need_folder,
    plain_path,
    shown,
    write_text,
    write_whole,
)


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


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, ValueError, MemoryError])
def test_nothing_half_written_stays_whatever_the_exception(tmp_path, trouble):
    def stop(part):
        part.write_text("half")
        raise trouble

    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(trouble):
        write_whole(tmp_path / "a.txt", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_names_may_be_as_long_as_the_disk_allows_and_of_any_bytes(tmp_path):
    path = tmp_path / (250 * "a" + ".txt")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a:b, $5 100%d \xff.txt"))
    for each in (path, odd):
        write_text(each, f"of {each.name}")
    assert path.read_text() == f"of {path.name}"
    assert odd.read_text() == "of a:b, $5 100%d ?.txt"
    assert shown(odd.name) == "a:b, $5 100%d \ufffd.txt"
    with plain_path(odd) as link:
        assert Path(link).read_text() == odd.read_text()
        assert re.fullmatch(r"[\w/-]+/file\.txt", link)
    with plain_path(tmp_path / "new:%d", ".mp4") as link:
        Path(link).write_text("new")
    assert (tmp_path / "new:%d").read_text() == "new"


def test_a_folder_that_can_not_be_written_in_is_named(tmp_path):
    check_folder(tmp_path / "new" / "one", "choose another")
    assert not list((tmp_path / "new" / "one").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't write in .*file/in: .*; choose another"):
        check_folder(tmp_path / "file" / "in", "choose another")


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


def test_a_folder_in_the_place_of_a_file_and_the_other_way_round_are_told(tmp_path):
    file = tmp_path / "a"
    file.touch()
    assert need_file(file) == file
    need_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="is a folder, not a picture: name the picture its"):
        need_file(tmp_path, "picture")
    with pytest.raises(FileNotFoundError, match="there is no picture .*b$"):
        need_file(tmp_path / "b", "picture")
    for path, says in (
        (tmp_path, "is a folder, not a file: get"),
        (tmp_path / "b", "b: get it th"),
    ):
        with pytest.raises(FileNotFoundError, match=says):
            need_file(path, source="get it there")
    with pytest.raises(NotADirectoryError, match="data: .*a is a file, not a folder for cmu"):
        need_folder(file, "data: ", " for cmu")
    with pytest.raises(FileNotFoundError, match="there is no folder .*b"):
        need_folder(tmp_path / "b")


@pytest.mark.parametrize(
    "read",
    [
        crop.read_image,
        crop.read_labels,
        body_files.read,
        npz.read,
        npz.read_archive,
        text.read_json,
        partial(matlab.read_cells, fields=("x",), source="here"),
        partial(matlab.read_h5, fields=("x",), source="here"),
        coco.read,
        lsp.read,
        mpi_inf_3dhp.read_intrinsics,
        mpii.read,
        spin.read,
        threedpw.read,
    ],
)
def test_every_reader_tells_a_folder_and_a_file_that_is_not_there(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} is a folder, not a "):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"there is no [A-Za-z ]+ {tmp_path}/gone"):
        read(tmp_path / "gone")


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert system.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert system.cores() == 64


def test_memory_is_that_of_the_device_since_it_is_watched(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", asked.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    assert system.watch_memory("cpu")() > 30 and not asked
    for begun, resets in ((False, []), (True, ["cuda:1"])):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda begun=begun: begun)
        assert system.watch_memory("cuda:1")() == 3 and asked == resets
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert system.watch_memory("cuda")() > 30


def test_memory_is_told_where_it_can_not_be_counted_anew(monkeypatch):
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refused)
    assert system.watch_memory("cpu")() > 30
