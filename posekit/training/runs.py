"""Runs: work that is done once, known by its identity, and the record of what came out.

A run's identity is the hash of the code it depends on, its config, its seed and its data. Finished
runs are returned at once, interrupted ones go on where they stopped. Files of a run are kept in a
cache outside the tree (POSEKIT_CACHE, or the user's cache folder); records go to `out`/runs.
"""

import contextlib
import functools
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from filelock import FileLock, Timeout

from posekit import system
from posekit.claims.measurements import record_digest
from posekit.metrics.protocol import Row
from posekit.system import OutOfTime, check_folder, file_digest, progress, time_is_up, write_text
from posekit.training.code_digest import code_digest
from posekit.training.processes import gpus_for, one_thread, processes, start_worker

Key = TypeVar("Key")
WEIGHTS = "network.pt"  # how the names of files with a run's weights end
HEAD = 1024  # bytes of a record in which its paper, job and size are
SET_CACHE = "set POSEKIT_CACHE to a folder that you may write in"


@dataclass(frozen=True)
class Measured:
    """The result of a run's work."""

    quantities: Sequence[Row]
    series: Mapping[str, Sequence[float | int]] = field(default_factory=dict)  # losses by name
    samples: int = 0
    carried: float | int = 0.0  # seconds that earlier, interrupted starts had spent
    waited: float | int = 0.0  # seconds in which training waited for its data


Work = Callable[[dict, int, Path, Sequence], Measured]  # of config, seed, folder, data sets


@dataclass(frozen=True)
class Run:
    """A finished run: its record, and the folder with its files (weights, checkpoints)."""

    record: dict
    folder: Path


def cache_folder() -> Path:
    """Where runs are kept: POSEKIT_CACHE, or `posekit` in the user's cache folder."""
    if own := os.environ.get("POSEKIT_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posekit"
    except RuntimeError as error:  # there is neither HOME nor an entry of this user
        raise OSError(f"there is no home folder: {SET_CACHE}") from error


def check_folders(out: str | Path = "") -> None:
    """OSError where runs can't be kept in the cache, or records not written to `out`."""
    check_folder(cache_folder(), SET_CACHE)
    if out:
        check_folder(Path(out), "choose another folder for the results, or mend its permissions")


def finished(**wanted: str) -> Iterator[dict]:
    """The records of the finished runs in the cache with their `folder`, the latest first.

    `wanted` are entries such as paper and size that they have; of other records only the head is
    read. Files that hold no record are left out; entries of others may be missing.
    """
    found = _with(cache_folder().glob("*/record.json"), wanted)
    records = [record | {"folder": str(path.parent)} for path, record in found]
    yield from sorted(records, key=lambda r: str(r.get("finished", "")), reverse=True)


def cached(path: Path) -> dict | None:
    """The record of a run in the cache; None where there is none to be believed.

    A record or a weights file that is not as it was written is named and counts as not there. A
    weights file that was deleted does not.
    """
    record = _read(path)
    if record is None:
        return None
    whole = record.get("id") == path.parent.name and "digest" in record
    reason = damage(path, record) if whole else f"{path} is not as it was written"
    if reason:
        print(f"{reason}; the run is made again", file=sys.stderr)
    return None if reason else record


def damage(path: Path, record: Mapping, *names: str) -> str:
    """Which file of a run is not as it was written, in words; empty where all are.

    `path` is that of its record; `names` are the weights files in question, by default all.
    """
    if record.get("digest", record_digest(record)) != record_digest(record):
        return f"{path} is not as it was written"
    for name, digest in record.get("files", {}).items():
        file = path.parent / Path(name).name
        if (not names or name in names) and file.is_file() and _digest(file) != digest:
            return f"{file} is damaged"
    return ""


def _digest(path: Path) -> str:
    """The SHA-256 of a file, computed again only when the file was written since."""
    now = path.stat()
    return _digest_of(path, now.st_ino, now.st_size, now.st_mtime_ns)


@functools.lru_cache(maxsize=10_000)
def _digest_of(path: Path, *state: int) -> str:
    return file_digest(path)


@dataclass(frozen=True)
class Job:
    """Work with its identity; `run` does it unless it was done before."""

    work: Work
    identity: dict
    data: Sequence
    out: str
    device: str

    @property
    def id(self) -> str:
        plain = json.dumps(self.identity, sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        return cache_folder() / self.id

    @property
    def done(self) -> bool:
        return cached(self.folder / "record.json") is not None

    def run(self) -> Run:
        """The finished run.

        Raises ValueError for a quantity that is not a finite number, and OutOfTime instead of
        beginning when the time is up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "lock", self.identity["job"]), one_thread(self.device):
            record = cached(self.folder / "record.json")
            if record is None:
                if time_is_up():
                    raise OutOfTime(self.identity["job"])
                record = self._record()
                record |= {"digest": record_digest(record)}
                write_text(self.folder / "record.json", _dump(record))
        if self.out:
            _publish(record, Path(self.out) / "runs")
        return Run(record, self.folder)

    def _record(self) -> dict:
        started, peak = time.perf_counter(), system.watch_memory(self.device)
        config, seed, name = (self.identity[key] for key in ("config", "seed", "job"))
        measured = self.work(config, seed, self.folder, self.data)
        fingerprints = self.identity["data"]
        record = {"id": self.id} | self.identity
        record |= {"data": next(iter(fingerprints), None), "tested_on": fingerprints[1:]}
        record |= provenance(self.device) | _cost(measured, started, peak())
        files = {f.name: file_digest(f) for f in sorted(self.folder.glob(f"*{WEIGHTS}"))}
        return record | {"files": files} | _results(measured, name)


def job(
    work: Work,
    *,
    paper: str,
    job: str,
    size: str,
    config: dict,
    seed: int,
    data: Sequence = (),
    out: str | Path = "",
    device: str = "cpu",
) -> Job:
    """The job of doing `work(config, seed, folder, data)` once.

    `data` are the data sets of the work, the training set first: their fingerprints are part of
    the run's identity, the places they lie at are not. With `out` the record is copied to
    `out`/runs, where it replaces an older run of the same job. Raises ValueError for a config that
    isn't plain data.
    """
    identity = {"paper": paper, "job": job, "size": size, "seed": seed, "config": config}
    identity["code"] = code_digest(work)
    identity["data"] = [
        {"name": d.name, "version": d.version, "fingerprint": d.fingerprint()} for d in data
    ]
    try:
        json.dumps(identity)
    except TypeError as error:
        raise ValueError(f"{job}: the config must be plain data (JSON): {error}") from error
    return Job(work, identity, data, str(out), device)


def noted(config: dict, seed: int, folder: Path, data: Sequence) -> Measured:
    """The work of recording values: the config maps quantities to [protocol, data set, value]."""
    return Measured([(name, *row) for name, row in config.items()])


class Engine(ABC):
    """What does jobs on other machines."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> None:
        """Do jobs; returns when all their records are in the cache."""


def run_all(
    jobs: Mapping[Key, Job], *, workers: int = 0, engine: Engine | None = None
) -> dict[Key, Run]:
    """Do many jobs, `workers` at a time (0: one a core or GPU), each in a process of its own.

    An `engine`, such as `training.cluster.Slurm`, does them instead. Jobs on "cuda" have a GPU each.

    On a CPU a job has one thread: its numbers don't depend on how many cores there are. Raises
    OutOfTime, which says what is left, when the time is up; jobs that had begun have checkpoints.
    """
    try:
        return _run_all(jobs, workers, engine)
    except OutOfTime:
        left = [
            f"{j.identity['job']}, seed {j.identity['seed']}" for j in jobs.values() if not j.done
        ]
        shown = "; ".join(left[:8]) + ("; ..." if len(left) > 8 else "")
        raise OutOfTime(f"{len(left)} of {len(jobs)} runs of this step are left: {shown}") from None


def _run_all(jobs: Mapping[Key, Job], workers: int, engine: Engine | None) -> dict[Key, Run]:
    todo = [job for job in jobs.values() if not job.done]
    if engine and todo:
        engine.run(todo)
        return {key: job.run() for key, job in jobs.items()}
    gpus = gpus_for({job.device for job in todo})
    workers = workers or max(1, len(gpus) or system.cores() // processes())
    workers = min(workers, len(todo))
    if workers < 2:
        return {key: job.run() for key, job in progress(jobs.items(), "runs", len(jobs))}
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit torch's dead threads
    free, stopped = spawn.SimpleQueue(), None
    for number in range(workers):
        free.put(gpus[number % len(gpus)] if gpus else "")
    with ProcessPoolExecutor(workers, spawn, start_worker, (os.getpid(), free)) as pool:
        submitted = [pool.submit(job.run) for job in todo]
        try:
            for finished in progress(as_completed(submitted), "runs", len(todo)):
                if not isinstance(error := finished.exception(), OutOfTime | None):
                    raise error
                stopped = stopped or error  # the others stop by themselves, at their checkpoints
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker process was killed, perhaps for want of memory; start the same "
                "command again, it goes on from the last checkpoints"
            ) from None
        except KeyboardInterrupt:  # not to wait until what is being trained is done
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if stopped:
        raise stopped
    return {key: job.run() for key, job in jobs.items()}


def _locked(path: Path, job: str) -> contextlib.AbstractContextManager:
    """A lock that one process at a time holds, released when that process ends or is killed."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"{job}: another process is at this run; waiting for it", file=sys.stderr)
        return lock.acquire()


def _read(path: Path) -> dict | None:
    """The JSON object at `path`; None where there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, a folder, no UTF-8, no JSON
        return None
    return record if isinstance(record, dict) else None


def _with(paths: Iterable[Path], wanted: Mapping[str, str]) -> Iterator[tuple[Path, dict]]:
    """Paths and records of those that have the entries `wanted`, which `_dump` writes first."""
    entries = [json.dumps({key: value})[1:-1].encode() for key, value in wanted.items()]
    for path in paths:
        with contextlib.suppress(OSError), path.open("rb") as file:
            head = file.read(HEAD)
            if all(entry in head for entry in entries) and (record := _read(path)):
                yield path, record


def _dump(record: dict) -> str:
    """JSON with one quantity a line, so that two runs can be compared line by line."""
    rest = {key: value for key, value in record.items() if key not in ("quantities", "series")}
    text = json.dumps(rest, indent=1).removesuffix("\n}")
    lines = ",\n".join("  " + json.dumps(row) for row in record["quantities"])
    series = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in record["series"].items())
    return text + f',\n "quantities": [\n{lines}\n ],\n "series": {{\n{series}\n }}\n}}\n'


def _publish(record: dict, folder: Path) -> None:
    """Put the record beside the others, in place of older runs of the same job."""

    def key(record: dict) -> tuple:
        data = record["data"]["name"] if record.get("data") else ""
        return (record["paper"], record["job"], record["size"], record["seed"], data)

    write_text(folder / f"{record['id']}.json", _dump(record))
    alike = {name: record[name] for name in ("paper", "job", "size")}
    for path, other in _with(folder.glob("*.json"), alike):
        if path.stem != record["id"] and key(other) == key(record):
            path.unlink()


def _results(measured: Measured, job: str) -> dict:
    rows = []
    for quantity, card, data, value in measured.quantities:
        if not np.isfinite(value):
            raise ValueError(f"{job}: {quantity} ({card} on {data}) is {value}, not a number")
        value = int(value) if isinstance(value, int) else float(f"{value:.6g}")
        rows.append({"quantity": quantity, "card": card, "data": data, "value": value})
    series = {name: [float(f"{v:.6g}") for v in values] for name, values in measured.series.items()}
    return {"quantities": rows, "series": series}


def _cost(measured: Measured, started: float, peak: float) -> dict:
    seconds = time.perf_counter() - started + measured.carried
    return {
        "seconds": round(seconds, 2),
        "samples_per_second": round(measured.samples / seconds, 1),
        "waited_for_data": round(measured.waited / seconds, 3),  # share of the seconds
        "peak_memory_mb": round(peak),  # of the process, since the run began
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def provenance(device: str) -> dict:
    def git(*words: str) -> str:
        try:
            command = ["git", "-C", str(system.ROOT), *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return ""  # not a clone: the code digest still tells which code it was

    changed = git("status", "--porcelain", "--", "posekit", "notebooks", "pyproject.toml")
    cuda = str(device).startswith("cuda") and torch.cuda.is_available()
    return {
        "commit": git("rev-parse", "HEAD").strip(),
        "dirty": bool(changed.strip()),
        "device": torch.cuda.get_device_name(device) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "processes": processes(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions that a run's numbers depend on, by library."""
    return {"python": platform.python_version(), "torch": torch.__version__} | {
        "numpy": np.__version__,
        "posekit": sys.modules["posekit"].__version__,
    }


@functools.cache
def _processor() -> str:
    """The processor's features matter more for the numbers than its marketing name."""
    return f"cpu, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
