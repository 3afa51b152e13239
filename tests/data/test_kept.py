"""Kept pictures: made once, mapped, told apart, made again where damaged, bounded, never half."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders.batch import make_batch
from filelock import FileLock
from PIL import Image

from posekit.data import albums
from posekit.data.batch import SEEN
from posekit.data.kept import LIMIT, kept, load
from posekit.data.people import People, PeoplePictures
from posekit.data.pictures import Pictures
from posekit.geometry.skeleton import H36M17

PICTURES = make_batch(count=24, size=(32, 48))


class Log:
    """What is no part of a data set."""

    def __init__(self, slow):
        self.asked, self.slow = [], slow


class Few(Pictures):
    """Some of the pictures above; notes which were asked for."""

    name, version, skeleton = "few", "1", PICTURES.skeleton

    def __init__(self, count=24, seed=0, slow=0.0):
        self.count, self.seed, self.log = count, seed, Log(slow)

    def __len__(self):
        return self.count

    @property
    def asked(self):
        return self.log.asked

    def sample(self, index):
        self.asked.append(index)
        time.sleep(self.log.slow)
        return replace(PICTURES[index : index + 1], masks=None, parts=None)


def same(one, other):
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in pairs)


def read(folder, pictures=None, **how):
    return albums.read(pictures or Few(), workers=0, folder=folder, **how)


def places(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir())


def test_what_is_kept_is_what_was_drawn_and_the_second_call_draws_three_for_the_fingerprint(
    tmp_path,
):
    first, second = Few(), Few()
    plain, whole, again = (
        albums.read(Few(), workers=0),
        read(tmp_path, first),
        read(tmp_path, second),
    )
    assert same(whole.batch, plain.batch) and same(again.batch, plain.batch)
    assert again.fingerprint() == plain.fingerprint()
    assert again.frames.equals(plain.frames) and again.share == 1
    assert len(first.asked) == 3 + 24 and second.asked == [0, 12, 23]
    assert len(places(tmp_path)) == 1


def test_other_pictures_other_code_and_another_choice_are_kept_beside_each_other(tmp_path):
    for pictures, how in [
        (Few(), {}),
        (Few(seed=1), {}),
        (Few(20), {}),
        (Few(), {"step": 2}),
        (Few(), {"code": "changed"}),
        (Few(), {"masks": True}),
    ]:
        read(tmp_path, pictures, **how)
    assert len(places(tmp_path)) == 6
    assert len(read(tmp_path, step=2)) == 12


def test_annotations_and_files_that_changed_are_other_pictures(tmp_path):
    rows = pd.DataFrame({"image": [f"{index}.png" for index in range(5)]})
    for name in rows["image"]:
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    boxes = torch.tensor([[4.0, 4, 50, 50]] * 5, dtype=torch.float64)
    joints = torch.linspace(10, 50, 17).double()[None, :, None].repeat(5, 1, 2)
    visible = torch.full((5, 17), SEEN, dtype=torch.uint8)
    people = People("people", "1", H36M17, rows, boxes, joints, visible)
    other = replace(people, boxes=boxes + torch.tensor([0, 1, 0, 0, 0])[:, None])  # the second's
    for number, each in enumerate((people, people, other), start=1):
        pictures = PeoplePictures(each, tmp_path, size=32)
        albums.read(pictures, workers=0, folder=tmp_path / "kept")
        assert len(places(tmp_path / "kept")) == max(1, number - 1)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "1.png")
    albums.read(pictures, workers=0, folder=tmp_path / "kept")
    assert len(places(tmp_path / "kept")) == 3


def test_masks_are_kept_where_they_are_asked_for(tmp_path):
    batch = PICTURES[:5]
    for _ in range(2):
        assert same(kept(tmp_path, "masks", batch.skeleton, lambda: [batch[:2], batch[2:]]), batch)


def test_kept_pictures_travel_as_their_path_and_what_is_made_of_them_does_not(tmp_path):
    batch = read(tmp_path).batch
    for whole in (batch, replace(batch, joints2d=batch.joints2d + 1)):
        sent = pickle.dumps(whole)
        assert len(sent) < 80_000 < batch.images.numel()
        assert same(pickle.loads(sent), whole)
        assert same(pickle.loads(pickle.dumps(pickle.loads(sent))), whole)
    for made in (batch[:7], replace(batch, images=batch.images + 1)):
        assert len(pickle.dumps(made)) > made.images.numel()
        assert same(pickle.loads(pickle.dumps(made)), made)
    plain = albums.read(Few(), workers=0).batch
    assert same(pickle.loads(pickle.dumps(plain)), plain)


@pytest.mark.parametrize("name", ["images", "labels"])
@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
def test_a_damaged_file_is_named_and_made_again(name, how, tmp_path, capsys):
    whole = albums.read(Few(), workers=0).batch
    read(tmp_path)
    path = places(tmp_path)[0] / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    if how == "delete":
        path.unlink()
    else:
        path.write_bytes(content if how == "flip" else content[:-9])
    again = Few()
    assert same(read(tmp_path, again).batch, whole)
    assert len(again.asked) == 27
    assert f"{places(tmp_path)[0]} is damaged" in capsys.readouterr().err
    read(tmp_path)
    assert not capsys.readouterr().err


def test_writing_to_a_kept_batch_changes_no_file(tmp_path):
    read(tmp_path).batch.images.zero_()
    assert same(load(places(tmp_path)[0], PICTURES.skeleton, check=True), read(tmp_path).batch)


def test_a_killed_preparation_leaves_nothing_that_counts(tmp_path):
    script = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:]; import test_kept as t;"
        "t.read(pathlib.Path(sys.argv[1]), t.Few(slow=0.01))"
    )
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", script, str(tmp_path), here, os.path.dirname(here)]
    victim = subprocess.Popen(command)
    while not places(tmp_path) and victim.poll() is None:
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    [part] = places(tmp_path)
    assert part.name.startswith(".")
    assert same(read(tmp_path).batch, albums.read(Few(), workers=0).batch)
    assert [path.name[0] for path in places(tmp_path)] != ["."] and len(places(tmp_path)) == 1


def test_an_error_while_drawing_leaves_nothing(tmp_path):
    def fails():
        yield PICTURES[:2]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        kept(tmp_path, "few", PICTURES.skeleton, fails)
    assert not places(tmp_path)


def test_two_who_ask_at_once_draw_once(tmp_path):
    both = [Few(slow=0.01), Few(slow=0.01)]
    with ThreadPoolExecutor(2) as pool:  # each opens the lock's file anew, as processes do
        list(pool.map(partial(read, tmp_path), both))
    assert sorted(len(pictures.asked) for pictures in both) == [3, 27]


def test_the_pictures_that_nobody_read_for_longest_go_first(tmp_path, monkeypatch):
    for number, key in enumerate("abc"):
        kept(tmp_path, key, PICTURES.skeleton, lambda: [PICTURES])
        os.utime(tmp_path / key, (number, number))
    kept(tmp_path, "a", PICTURES.skeleton, list)  # read: now b is the oldest
    size = sum(file.stat().st_size for file in (tmp_path / "a").iterdir())
    monkeypatch.setenv(LIMIT, str(3.5 * size / 1e9))
    kept(tmp_path, "d", PICTURES.skeleton, lambda: [PICTURES])
    assert [path.name for path in places(tmp_path)] == ["a", "c", "d"]
    monkeypatch.setenv(LIMIT, "0")
    kept(tmp_path, "e", PICTURES.skeleton, lambda: [PICTURES])
    assert [path.name for path in places(tmp_path)] == ["e"]


def test_pictures_that_are_held_being_read_or_being_made_are_not_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "0")
    held = kept(tmp_path, "a", PICTURES.skeleton, lambda: [PICTURES])
    with FileLock(tmp_path / "b.lock"):  # by another process
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        kept(tmp_path, "c", PICTURES.skeleton, lambda: [PICTURES])
        assert [path.name for path in places(tmp_path)] == ["a", "b", "c"]
    assert same(pickle.loads(pickle.dumps(held)), PICTURES)
    del held
    kept(tmp_path, "d", PICTURES.skeleton, lambda: [PICTURES])
    assert [path.name for path in places(tmp_path)] == ["d"]


def test_pictures_that_another_process_deleted_travel_as_they_are(tmp_path):
    batch = read(tmp_path).batch
    shutil.rmtree(places(tmp_path)[0])
    assert same(pickle.loads(pickle.dumps(batch)), batch)


@pytest.mark.parametrize("moment", ["measured", "deleted", "read"])
def test_folders_that_another_process_deletes_meanwhile_are_no_error(moment, tmp_path, monkeypatch):
    kept(tmp_path, "a", PICTURES.skeleton, lambda: [PICTURES])
    monkeypatch.setenv(LIMIT, "0")
    is_dir, rmtree = Path.is_dir, shutil.rmtree

    def gone_after(path):
        answer = is_dir(path)
        if path.name == "a":
            rmtree(path, ignore_errors=True)
        return answer

    def gone_before(path, **how):
        rmtree(path, ignore_errors=True)
        rmtree(path, **how)

    if moment == "deleted":
        monkeypatch.setattr(shutil, "rmtree", gone_before)
    else:
        monkeypatch.setattr(Path, "is_dir", gone_after)
    key = "a" if moment == "read" else "b"
    assert same(kept(tmp_path, key, PICTURES.skeleton, lambda: [PICTURES]), PICTURES)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't keep pictures in .*file.*set POSEKIT_CACHE"):
        read(tmp_path / "file")
