"""Runs on a Slurm cluster: every run is a task of a job array, submitted by submitit.

The nodes share the cache folder of the machine that submits: data sets are written there once and
read from there, and a task's result is its run's record. A task that is preempted or comes to its
time limit is queued again and goes on from its checkpoint.
"""

import contextlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from posekit.system import (
    UNTIL,
    OutOfTime,
    check_folder,
    progress,
    time_is_up,
    write_text,
    write_whole,
)
from posekit.training.code_digest import sources
from posekit.training.runs import SET_CACHE, Engine, Job, cache_folder, versions

ON = "POSEKIT_ON"  # the environment variable that says where runs are done
TICKET = "slurm"  # the file in a run's folder with the id of its Slurm task
FREE = f"free some space there, or {SET_CACHE}"
LONGEST_WAIT = 30.0  # seconds between two questions to Slurm
NOISE = ("submitit", "srun: error", "srun: Terminating", "srun: Force", "slurmstepd: error: ***")
STUCK = (  # in the reasons for which a task waits for ever
    *("held", "BadConstraints", "DependencyNeverSatisfied", "PartitionDown", "InvalidAccount"),
    *("PartitionConfig", "PartitionTimeLimit", "PartitionNodeLimit", "InvalidQOS", "PerJobLimit"),
)


@dataclass(frozen=True)
class Slurm(Engine):
    """How runs are submitted; see `from_words` for the options."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    mem: str = ""  # of a task, such as 16G
    gpus: int = 0  # of a task
    cpus: int = 1
    minutes: int = 60  # time limit of a task, after which it is queued again
    workers: int = 0  # tasks at a time; 0: as many as Slurm lets run
    restarts: int = 50  # time limits that a task may come to
    interrupt: str = "leave"  # what Ctrl-C does to the tasks: "leave" or "cancel"

    def __post_init__(self):
        if self.interrupt not in ("leave", "cancel"):
            raise ValueError(f"interrupt={self.interrupt}: it is leave or cancel")
        if self.minutes < 1 or min(self.gpus, self.workers, self.restarts) < 0 or self.cpus < 1:
            raise ValueError(f"{self}: minutes and cpus are 1 or more, the other numbers 0 or more")

    def run(self, jobs: Sequence[Job]) -> None:
        """Do jobs on the cluster; returns when all their records are in the cache.

        Jobs that an earlier call submitted and that are still queued or running are waited for, not
        submitted again. Raises ValueError before anything is submitted for work that can't be sent,
        and where Slurm refuses the jobs; RuntimeError, naming the run and its log, for the first
        task that ends without a record. KeyboardInterrupt leaves or cancels the tasks.
        """
        cache = cache_folder().resolve()
        state, tickets = queue(), {}
        for job in jobs:
            ticket = job.folder / TICKET
            if ticket.is_file() and (task := ticket.read_text().strip()) in state:
                tickets[task] = job
        known = {job.id for job in tickets.values()}
        new = {job.id: job for job in jobs if job.id not in known}  # each once
        tasks = [_task(job, cache) for job in new.values()]
        if tickets:
            print(f"{len(tickets)} of the runs are in Slurm's queue already", file=sys.stderr)
        if tasks:
            for task, job in zip(self._submit(tasks, cache), new.values(), strict=True):
                write_text(job.folder / TICKET, task)
                tickets[task] = job
        try:
            _wait(tickets, cache)
        except KeyboardInterrupt:
            self._interrupted([task for task, job in tickets.items() if not job.done])
            raise
        except RuntimeError:
            _cancel([task for task, job in tickets.items() if not job.done], "--state=PENDING")
            raise

    def _submit(self, tasks: Sequence["Task"], cache: Path) -> list[str]:
        """The ids of the Slurm tasks."""
        try:
            import submitit
        except ImportError as error:
            raise ModuleNotFoundError(
                'runs on Slurm need submitit: pip install "posekit[slurm]"'
            ) from error
        executor = submitit.SlurmExecutor(cache / "slurm" / "%j", max_num_timeout=self.restarts)
        words = ("partition", "account", "qos", "constraint", "mem")
        asked = {name: getattr(self, name) for name in words if getattr(self, name)}
        if self.gpus:
            asked["gpus_per_node"] = self.gpus
        executor.update_parameters(
            job_name="posekit",
            time=self.minutes,
            cpus_per_task=self.cpus,
            array_parallelism=self.workers or len(tasks),
            signal_delay_s=min(60, 30 * self.minutes),  # before the time limit
            **asked,
        )
        try:
            with contextlib.redirect_stderr(io.StringIO()), executor.batch():
                submitted = [executor.submit(task) for task in tasks]
        except submitit.core.utils.FailedJobError as error:
            told = str(error).strip().splitlines() or ["no reason is known"]
            there = ", ".join(f"{name} ({about})" for name, about in partitions().items())
            raise ValueError(
                f"Slurm refuses the jobs: {told[-1]}; ask for what a partition has: {there}"
            ) from None
        except OSError as error:
            raise OSError(f"can't write in {cache}: {error}; {FREE}") from error
        return [job.job_id for job in submitted]

    def _interrupted(self, tasks: Sequence[str]) -> None:
        if self.interrupt == "cancel":
            _cancel(tasks)
            print(f"{len(tasks)} Slurm tasks were cancelled; runs go on later", file=sys.stderr)
        elif tasks:
            print(
                f"{len(tasks)} Slurm tasks go on; the same command waits for them again, and "
                f"`scancel {' '.join(tasks)}` ends them",
                file=sys.stderr,
            )


def from_words(words: str) -> Slurm | None:
    """Where runs are done: "processes" or "" (None: on this machine), or "slurm:NAME=VALUE,...".

    The names are the fields of `Slurm`. Raises ValueError for another engine or option, and where
    Slurm's commands are not installed.
    """
    name, _, rest = words.partition(":")
    if name in ("", "processes") and not rest:
        return None
    if name != "slurm":
        raise ValueError(f"no engine {words!r}; there are processes, and slurm:partition=NAME,...")
    if not shutil.which("sbatch"):
        raise ValueError("Slurm's sbatch is not on this machine: call posekit on a login node")
    given = dict(word.partition("=")[::2] for word in rest.split(",") if word)
    kinds = {field: type(default) for field, default in vars(Slurm()).items()}
    if unknown := sorted(set(given) - set(kinds)):
        raise ValueError(f"slurm has no option {', '.join(unknown)}; there are {', '.join(kinds)}")
    try:
        made = Slurm(**{option: kinds[option](value) for option, value in given.items()})
    except ValueError as error:
        raise ValueError(f"{words}: {error}") from None
    if made.partition and made.partition not in (there := partitions()):
        raise ValueError(f"{words}: Slurm has no such partition; there are {', '.join(there)}")
    return made


def engine() -> Slurm | None:
    """Where POSEKIT_ON says that runs are done; None: on this machine. Errors as `from_words`."""
    return from_words(os.environ.get(ON, ""))


def queue() -> dict[str, tuple[str, str]]:
    """This user's Slurm tasks that have not ended: id -> state and reason."""
    rows = _ask("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r").splitlines()
    return {task: (state, reason) for task, state, reason in (row.split("|") for row in rows)}


def partitions() -> dict[str, str]:
    """Slurm's partitions, by name, with their GPUs and time limit in words."""
    rows = _ask("sinfo", "--all", "--noheader", "--format=%R|%G|%l").splitlines()
    found = (row.split("|") for row in sorted(rows))
    return {
        name: f"{'no GPUs' if gpus == '(null)' else gpus}, time limit {limit}"
        for name, gpus, limit in found
    }


class Task:
    """A job as a node gets it: without its data sets, which it reads from the cache."""

    def __init__(self, job: Job, cache: Path):
        prints = [about["fingerprint"] for about in job.identity["data"]]
        kept = {p: _keep(d, p, cache) for d, p in zip(job.data, prints, strict=True)}
        self.data = [kept[p] for p in prints]
        self.job, self.cache = replace(job, data=(), out=""), cache
        self.versions, self.sources = versions(), sources(job.work)

    def __call__(self) -> None:
        """Do the job. RuntimeError where this node has other code or versions than the sender."""
        os.environ["POSEKIT_HEADLESS"] = "1"
        os.environ["POSEKIT_CACHE"] = str(self.cache)
        for name in (ON, UNTIL):  # a task's time is Slurm's
            os.environ.pop(name, None)
        here = versions()
        if other := [name for name, wanted in self.versions.items() if here.get(name) != wanted]:
            pairs = ", ".join(f"{n} {here.get(n)} instead of {self.versions[n]}" for n in other)
            raise RuntimeError(f"this node has {pairs}: give it the environment of the sender")
        now = sources(self.job.work, self.sources)
        if other := [name for name, digest in self.sources.items() if now[name] != digest]:
            raise RuntimeError(
                f"{', '.join(other)} changed while this task waited: start the command again"
            )
        prints = [about["fingerprint"] for about in self.job.identity["data"]]
        data = [_kept(path, wanted) for path, wanted in zip(self.data, prints, strict=True)]
        replace(self.job, data=data).run()

    def checkpoint(self):
        """What submitit queues at a time limit: the same task, as the run keeps its own state."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def _task(job: Job, cache: Path) -> Task:
    """The task of a job. ValueError for work that can't be sent to another machine."""
    import cloudpickle

    task = Task(job, cache)
    try:
        cloudpickle.dumps(task)
    except Exception as error:  # pickling runs the objects' own code
        raise ValueError(
            f"{job.identity['job']} can't be sent to another machine ({error}): nothing was "
            "submitted; use functions of a module, and pass what they need by `config` or `data`"
        ) from error
    return task


def _keep(data, fingerprint: str, cache: Path) -> Path:
    """The file in the cache with a data set; one that is there stays."""
    path = cache / "data" / f"{fingerprint}.pickle"
    if not path.exists():
        write_whole(path, lambda part: part.write_bytes(pickle.dumps(data, protocol=5)))
    return path


def _kept(path: Path, fingerprint: str):
    """The data set in a file that `_keep` wrote. RuntimeError for a file that has changed."""
    try:
        data = pickle.loads(path.read_bytes())
        whole = data.fingerprint() == fingerprint
    except Exception:  # noqa: BLE001 (a damaged pickle raises nearly anything)
        whole = False
    if not whole:
        raise RuntimeError(f"{path} is damaged: delete it and start the command again")
    return data


def _wait(tickets: Mapping[str, Job], cache: Path) -> None:
    """Return when all jobs have records. RuntimeError for the first task that can't make one;
    OutOfTime when the time for waiting is up."""
    left, gone, pause = dict(tickets), set(), 0.5
    done = len(left)
    with progress([], "runs on Slurm", done) as bar:
        while left:
            state = queue()
            for task in [task for task, job in left.items() if job.done]:
                del left[task]
            bar.set_postfix_str(
                f"{sum(state.get(task, ('',))[0] == 'PENDING' for task in left)} queued, "
                f"{sum(state.get(task, ('',))[0] == 'RUNNING' for task in left)} running"
            )
            bar.update(done - len(left))
            pause = 0.5 if len(left) < done else min(1.5 * pause, LONGEST_WAIT)
            done = len(left)
            for task, job in left.items():
                held = any(word in state.get(task, ("", ""))[1] for word in STUCK)
                if held or (task in gone and task not in state and not job.done):
                    raise RuntimeError(_failure(task, job, cache))
            gone = {task for task in left if task not in state}  # a record may come a little later
            if left and time_is_up():
                raise OutOfTime("the tasks go on; the same command waits for them again")
            if left:
                time.sleep(pause)


def _failure(task: str, job: Job, cache: Path) -> str:
    """One line on a task that ended, or can't begin, without a record."""
    log = cache / "slurm" / task / f"{task}_0_log.err"
    facts = dict(w.partition("=")[::2] for w in _ask("scontrol", "show", "job", task).split())
    about = f"{facts.get('JobState', 'gone')}, {facts.get('Reason', 'reason unknown')}"
    name = f"{job.identity['job']}, seed {job.identity['seed']}: Slurm task {task} ({about})"
    if facts.get("JobState") == "PENDING":
        has = partitions().get(facts.get("Partition"), "not known")
        held = f"`scontrol release {task}` frees it"
        remedy = held if "held" in about else f"ask for what its partition has: {has}"
        return f"{name} can't begin; {remedy}"
    lines = _lines(log)
    told = [line.strip() for line in lines if line.strip() and not line.startswith((" ", *NOISE))]
    begun = any("submitit" in line for line in _lines(log.with_suffix(".out")) + lines)
    words, remedy = f"its last words: {told[-1]}" if told else _full(cache), ""
    if begun and not words:
        words = "it was killed, or its node was lost"
    if "ModuleNotFoundError" in words:
        remedy = "give the nodes the environment of this machine"
    elif not begun and facts.get("JobState") != "CANCELLED":
        remedy = f"do the nodes see {cache} and {sys.executable}?"
    how = "ended without a record" if begun else "ended before Python began"
    return "; ".join(filter(None, (f"{name} {how}", words, remedy, f"log: {log}")))


def _full(cache: Path) -> str:
    """Why nothing can be written in the cache, in words; empty where it can."""
    try:
        check_folder(cache, FREE)
    except OSError as error:
        return str(error)
    return ""


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.is_file() else []


def _cancel(tasks: Iterable[str], *options: str) -> None:
    if tasks:
        subprocess.run(["scancel", *options, *tasks], check=False, capture_output=True)


def _ask(*command: str) -> str:
    """The output of one of Slurm's commands; it is asked again where the controller is away."""
    for _ in range(20):
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode == 0 or command[0] == "scontrol":
            return told.stdout
        time.sleep(3)
    reason = (told.stderr.strip().splitlines() or ["no answer"])[-1]
    raise RuntimeError(f"{command[0]}: {reason}; is Slurm's controller up?")
