"""Runs: one identity for one piece of work, records that are whole or not there."""

import json
import mmap
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from posekit.system import UNTIL, OutOfTime, time_is_up
from posekit.training import runs
from posekit.training.runs import Measured


def work(config, seed, folder, data):
    (folder / "calls").open("a").write("x")
    return Measured([("mpjpe/ours", "card", "studio", 10.0 + seed)], {"loss": [1.0, 0.5]}, 7)


def run(work, **about):
    return runs.job(work, **about).run()


JOB = {"paper": "tran2022", "job": "ours", "size": "small", "config": {"width": 4}}


def test_a_finished_run_is_not_done_again():
    first, second = (run(work, seed=0, **JOB) for _ in range(2))
    assert first.record == second.record
    assert (first.folder / "calls").read_text() == "x"


def test_seed_config_and_data_are_part_of_the_identity():
    class Data:
        name, version = "studio", "1"

        def __init__(self, print_):
            self.fingerprint = lambda: print_

    wider = JOB | {"config": {"width": 5}}
    done = [
        run(work, seed=0, **JOB),
        run(work, seed=1, **JOB),
        run(work, seed=0, **wider),
        run(work, seed=0, data=[Data("aa")], **JOB),
        run(work, seed=0, data=[Data("bb")], **JOB),
    ]
    assert len({r.record["id"] for r in done}) == 5


def test_a_record_tells_where_its_numbers_come_from(tmp_path):
    record = run(work, seed=2, out=tmp_path, **JOB).record
    assert json.loads((tmp_path / "runs" / f"{record['id']}.json").read_text()) == record
    assert record["quantities"] == [
        {"quantity": "mpjpe/ours", "card": "card", "data": "studio", "value": 12.0}
    ]
    for name in ("commit", "dirty", "code", "device", "versions", "seconds", "peak_memory_mb"):
        assert name in record
    assert str(tmp_path) not in json.dumps(record)


def test_a_newer_run_takes_the_place_of_an_older_one_of_the_same_job(tmp_path):
    old = run(work, seed=0, out=tmp_path, **JOB).record["id"]
    other_seed = run(work, seed=1, out=tmp_path, **JOB).record["id"]
    new = run(work, seed=0, out=tmp_path, **JOB | {"config": {"width": 9}}).record["id"]
    left = {path.stem for path in (tmp_path / "runs").glob("*.json")}
    assert left == {other_seed, new} and old not in left


def keeping(config, seed, folder, data):
    (folder / "calls").open("a").write("x")
    (folder / "network.pt").write_bytes(bytes(range(100)))
    (folder / "tuned.network.pt").write_bytes(bytes(range(50)))
    return Measured([("mpjpe/ours", "card", "studio", 10.0 + seed)])


def changed(record, **entries):
    return json.dumps(json.loads(record) | entries).encode()


def other_number(record):
    return record.replace(b"10.0", b"11.0")


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: b'{"id": ',
        lambda record: b"{}",
        lambda record: b"[]",
        lambda record: b"\xff\xfe{}",
        lambda record: changed(record, id="0" * 16),
        lambda record: changed(record, seconds=1.0),
        other_number,
    ],
)
def test_a_cached_record_that_is_not_as_written_is_made_again(damage):
    first = run(work, seed=0, **JOB)
    path = first.folder / "record.json"
    path.write_bytes(damage(path.read_bytes()))
    again = run(work, seed=0, **JOB)
    assert again.record["quantities"] == first.record["quantities"]
    assert (again.folder / "calls").read_text() == "xx"


def test_a_folder_in_the_place_of_a_record_is_named():
    first = run(work, seed=0, **JOB)
    (first.folder / "record.json").unlink()
    (first.folder / "record.json").mkdir()
    with pytest.raises(OSError, match="can't write .*record.json"):
        run(work, seed=0, **JOB)


@pytest.mark.parametrize("name", ["network.pt", "tuned.network.pt"])
def test_one_flipped_bit_in_weights_is_named_and_the_run_is_made_again(name, capsys):
    first = run(keeping, seed=0, **JOB)
    content = bytearray((first.folder / name).read_bytes())
    content[17] ^= 4
    (first.folder / name).write_bytes(content)
    again = run(keeping, seed=0, **JOB)
    assert f"{name} is damaged; the run is made again" in capsys.readouterr().err
    assert (again.folder / "calls").read_text() == "xx"
    assert (first.folder / name).read_bytes() != content
    (first.folder / name).unlink()  # to make room: the record stays
    assert (run(keeping, seed=0, **JOB).folder / "calls").read_text() == "xx"


def counted(monkeypatch, name):
    """The first arguments of all calls of a function of `runs`."""
    calls, function = [], getattr(runs, name)
    monkeypatch.setattr(runs, name, lambda path: calls.append(path) or function(path))
    return calls


def test_weights_are_hashed_once_until_they_are_written_again(monkeypatch):
    job = runs.job(keeping, seed=0, **JOB)
    weights = job.run().folder / "network.pt"
    hashed = counted(monkeypatch, "file_digest")
    assert job.done and job.run() and job.done
    assert sorted(path.name for path in hashed) == ["network.pt", "tuned.network.pt"]
    weights.write_bytes(bytes(100))
    os.utime(weights, ns=(1, 1))
    assert not job.done and hashed[2:] == [weights]


def test_of_the_records_of_other_jobs_only_the_head_is_read(tmp_path, monkeypatch):
    others = [JOB | {"job": "other"}, JOB | {"size": "smoke"}, JOB | {"paper": "kim"}]
    ids = [run(work, seed=0, out=tmp_path, **other).record["id"] for other in others]
    ours = run(work, seed=0, out=tmp_path, **JOB).record["id"]
    for name in ids:  # long records, whose end is far from their beginning
        path = tmp_path / "runs" / f"{name}.json"
        path.write_text(path.read_text() + " " * 10_000)
    read = counted(monkeypatch, "_read")
    again = run(work, seed=0, out=tmp_path, **JOB | {"config": {"width": 9}}).record["id"]
    published = [path.stem for path in read if path.parent == tmp_path / "runs"]
    assert sorted(published) == sorted([ours, again])
    read.clear()
    assert [r["job"] for r in runs.finished(paper="tran2022", size="smoke")] == ["ours"]
    assert len(read) == 1


def killed(config, seed, folder, data):
    os.kill(os.getpid(), 9)


def test_a_killed_worker_is_one_line():
    jobs = {seed: runs.job(killed, seed=seed, **JOB) for seed in range(2)}
    with pytest.raises(RuntimeError, match="a worker process was killed.*start the same command"):
        runs.run_all(jobs, workers=2)


def endless(config, seed, folder, data):
    Path(config["begun"], str(seed)).touch()
    time.sleep(3600)


def test_an_interrupt_does_not_wait_for_what_is_being_trained(tmp_path):
    (begun := tmp_path / "begun").mkdir()

    def interrupt():
        while len(list(begun.iterdir())) < 2:
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    config = {"config": {"begun": str(begun)}}
    jobs = {seed: runs.job(endless, seed=seed, **JOB | config) for seed in range(3)}
    threading.Thread(target=interrupt, daemon=True).start()
    # where tests run in the background of a shell, SIGINT is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            runs.run_all(jobs, workers=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert {path.name for path in begun.iterdir()} == {"0", "1"}


def test_a_quantity_that_is_no_number_is_refused():
    def broken(config, seed, folder, data):
        return Measured([("mpjpe/ours", "card", "studio", float("nan"))])

    with pytest.raises(ValueError, match=r"mpjpe/ours \(card on studio\) is nan"):
        run(broken, seed=0, **JOB)


def test_a_config_that_is_not_plain_data_is_refused():
    with pytest.raises(ValueError, match="plain data"):
        run(work, seed=0, **JOB | {"config": {"network": object()}})


def test_a_results_path_that_is_a_file_is_named(tmp_path):
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(OSError, match="can't write .*results"):
        run(work, seed=0, out=tmp_path / "results", **JOB)


def test_a_cache_that_can_not_be_written_is_named_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match="can't write in .*file/cache: .*; set POSEKIT_CACHE to"):
        runs.check_folders()
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(OSError, match="can't write in .*file: .*; choose another folder"):
        runs.check_folders(tmp_path / "file")
    for name in ("POSEKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(runs.Path, "home", nobody)
    with pytest.raises(OSError, match="there is no home folder: set POSEKIT_CACHE"):
        runs.check_folders()


def where(config, seed, folder, data):
    import torch

    numbers = [("pid/x", "", "", os.getpid()), ("threads/x", "", "", torch.get_num_threads())]
    return Measured(numbers)


def fail(config, seed, folder, data):
    raise ValueError("seed 1 is bad" if seed == 1 else "another")


def values(run_):
    return {q["quantity"]: q["value"] for q in run_.record["quantities"]}


def test_many_jobs_run_beside_each_other_on_one_thread_each(tmp_path):
    jobs = {seed: runs.job(where, seed=seed, out=tmp_path, **JOB) for seed in range(3)}
    done = runs.run_all(jobs, workers=2)
    assert list(done) == [0, 1, 2]
    assert all(values(r)["threads/x"] == 1 for r in done.values())
    assert os.getpid() not in {values(r)["pid/x"] for r in done.values()}
    assert len(list((tmp_path / "runs").glob("*.json"))) == 3
    again = runs.run_all(jobs, workers=2)
    assert [values(r) for r in again.values()] == [values(r) for r in done.values()]


def test_there_are_as_many_workers_as_cores_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    jobs = {seed: runs.job(where, seed=seed, **JOB) for seed in range(2)}
    assert {values(each)["pid/x"] for each in runs.run_all(jobs).values()} == {os.getpid()}


def holding(config, seed, folder, data):
    with mmap.mmap(-1, config["megabytes"] << 20) as room:
        for page in range(0, len(room), mmap.PAGESIZE):
            room[page] = 1
    return Measured([])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is that since the process began")
def test_the_memory_of_a_run_is_not_that_of_an_earlier_one():
    many, few = (
        run(holding, seed=0, **JOB | {"config": {"megabytes": megabytes}}).record["peak_memory_mb"]
        for megabytes in (200, 1)
    )
    assert 100 < many - few < 300


def test_one_failing_job_of_many_is_told():
    jobs = {seed: runs.job(fail, seed=seed, **JOB) for seed in range(2)}
    with pytest.raises(ValueError, match="seed 1 is bad|another"):
        runs.run_all(jobs, workers=2)


def which(config, seed, folder, data):
    time.sleep(0.5)
    gpu = int(os.environ.get("CUDA_VISIBLE_DEVICES", "-1"))
    return Measured([("gpu/x", "", "", gpu), ("pid/x", "", "", os.getpid())])


@pytest.mark.parametrize(("visible", "names"), [("", {0, 1}), ("5,3", {5, 3})])
def test_jobs_on_gpus_are_spread_over_them_one_on_each(visible, names, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    jobs = {seed: runs.job(which, seed=seed, device="cuda", **JOB) for seed in range(5)}
    done = [values(each) for each in runs.run_all(jobs).values()]
    places = {(each["gpu/x"], each["pid/x"]) for each in done}
    assert {gpu for gpu, _ in places} == names and len(places) == 2
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_one_gpu_one_run_over_all_of_them_or_one_that_was_chosen_is_one_job_at_a_time(monkeypatch):
    def pids(count=2, device="cuda"):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        jobs = {s: runs.job(where, seed=s, device=device, **JOB) for s in range(2)}
        done = {values(each)["pid/x"] for each in runs.run_all(jobs).values()}
        for each in jobs.values():
            shutil.rmtree(each.folder)
        return done

    assert pids(count=1) == pids(device="cuda:1") == {os.getpid()}
    monkeypatch.setenv("POSEKIT_PROCESSES", "2")
    assert pids() == {os.getpid()}


def until_it_is_up(config, seed, folder, data):
    while not time_is_up():
        time.sleep(0.01)
    if not (folder / "begun").exists():
        (folder / "begun").touch()
        raise OutOfTime("at a checkpoint")
    return Measured([("mpjpe/ours", "card", "studio", 1.0)])


@pytest.mark.parametrize("workers", [1, 2])
def test_when_the_time_is_up_what_is_left_is_told_and_goes_on_later(workers, monkeypatch):
    jobs = {seed: runs.job(until_it_is_up, seed=seed, **JOB) for seed in range(4)}
    monkeypatch.setenv(UNTIL, str(time.time() + 1.0))
    with pytest.raises(OutOfTime, match="4 of 4 runs of this step are left: ours, seed 0; ours,"):
        runs.run_all(jobs, workers=workers)
    begun = [each for each in jobs.values() if (each.folder / "begun").exists()]
    assert len(begun) <= workers  # and none began afterwards
    for each in jobs.values():
        each.folder.mkdir(parents=True, exist_ok=True)
        (each.folder / "begun").touch()
    monkeypatch.setattr(runs, "time_is_up", lambda: False)
    assert len(runs.run_all(jobs, workers=1)) == 4
