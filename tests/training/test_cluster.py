"""Runs on a Slurm cluster: a real one of one node, where its programs are installed."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial

import pytest
from builders import slurm
from builders.slurm import Numbers, slow_sum

from posekit.papers.tran2022.structure import NETWORKS
from posekit.studio.poses import load
from posekit.system import check_folder
from posekit.training import cluster
from posekit.training.cluster import Slurm, Task, from_words
from posekit.training.lifting import Lifting
from posekit.training.runs import job, run_all
from posekit.training.study import Study

needs_slurm = pytest.mark.skipif(
    not slurm.installed(), reason="needs Slurm: apt-get install slurm-wlm munge"
)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    made = slurm.Cluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.stop()


@pytest.fixture
def on(node, monkeypatch):
    """The cluster, with this process on its login node."""
    for name, value in node.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    yield node
    for task in node.tasks():
        node.call("scancel", task)
    node.until(lambda: not node.tasks())


def jobs(count=2, steps=4, seconds=0.05, data=(), **about):
    config = {"steps": steps, "seconds": seconds}
    about = {"paper": "tran2022", "job": "sum", "size": "small", "config": config} | about
    return {seed: job(slow_sum, seed=seed, data=data, **about) for seed in range(count)}


def values(runs):
    return {key: run.record["quantities"] for key, run in runs.items()}


def starts(runs):
    return [len((run.folder / "starts").read_text()) for run in runs.values()]


class Background(threading.Thread):
    """A call in a thread of its own; `result` waits for it and raises what it raised."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.value, self.error = call, None, None
        self.start()

    def run(self):
        try:
            self.value = self.call()
        except BaseException as error:  # noqa: BLE001 (`result` raises it)
            self.error = error

    def result(self):
        self.join(120)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.value


def running(node, count=1):
    return lambda: len(node.tasks("--state=RUNNING")) >= count


@needs_slurm
def test_tasks_give_what_this_machine_gives(on, tmp_path, monkeypatch):
    numbers = [Numbers(5)]
    there = run_all(jobs(3, data=numbers), engine=Slurm(partition="main", workers=2))
    assert starts(there) == [1, 1, 1]
    assert len(list((tmp_path / "cache" / "data").iterdir())) == 1  # kept once for all tasks
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "other"))
    assert values(run_all(jobs(3, data=numbers), workers=1)) == values(there)
    quantity = there[1].record["quantities"][0]
    assert quantity["value"] == 2 * (1 + 2 + 3 + 4) + 4 * 5


@needs_slurm
@pytest.mark.parametrize("way", ["scancel", "kill -9"])
def test_a_task_that_is_killed_is_named_and_goes_on_at_the_next_start(way, on):
    todo = jobs(2, steps=100, seconds=0.1)  # longer than the seconds that Slurm leaves to end
    first = Background(lambda: run_all(todo, engine=Slurm()))
    on.until(running(on, 2))
    on.until(lambda: all((each.folder / "state").exists() for each in todo.values()))
    task = (todo[1].folder / cluster.TICKET).read_text()
    if way == "scancel":
        on.call("scancel", task)
    else:
        os.kill(int((todo[1].folder / "pid").read_text()), signal.SIGKILL)
    with pytest.raises(RuntimeError, match=rf"sum, seed 1: Slurm task {task} .* log: .*log.err"):
        first.result()
    again = run_all(todo, engine=Slurm())
    assert [run.record["quantities"][0]["value"] for run in again.values()] == [5050, 10100]
    assert starts(again) == [1, 2]


@needs_slurm
def test_a_node_that_dies_costs_nothing(on):
    todo = jobs(1, steps=30, seconds=0.1)
    first = Background(lambda: run_all(todo, engine=Slurm()))
    on.until(running(on))
    on.until((todo[0].folder / "state").exists)
    on.kill_node()
    on.start_node()
    assert first.result()[0].record["quantities"][0]["value"] == 465


@needs_slurm
def test_a_preempted_task_is_queued_again_and_goes_on(on):
    todo = jobs(1, steps=60, seconds=0.1)
    first = Background(lambda: run_all(todo, engine=Slurm(partition="spot", cpus=2)))
    on.until((todo[0].folder / "state").exists)
    task = (todo[0].folder / cluster.TICKET).read_text()
    on.call("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null", "--wrap=:")
    on.until(lambda: task in on.tasks("--state=PENDING"))
    on.call("scontrol", "update", f"jobid={task}", "starttime=now")  # else after two minutes
    done = first.result()
    assert starts(done) == [2]
    assert done[0].record["quantities"][0]["value"] == 1830


@needs_slurm
def test_a_second_start_waits_for_what_is_queued(on, tmp_path):
    script = tmp_path / "first.py"
    script.write_text(
        textwrap.dedent("""
        import signal
        from builders.slurm import slow_sum
        from posekit.training.cluster import Slurm
        from posekit.training.runs import job, run_all
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
        about = {"paper": "tran2022", "job": "sum", "size": "small"}
        config = {"steps": 120, "seconds": 0.1}
        run_all({0: job(slow_sum, seed=0, config=config, **about)}, engine=Slurm())
        """)
    )
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    todo = jobs(1, steps=120, seconds=0.1)
    on.until((todo[0].folder / "state").exists)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert "1 Slurm tasks go on" in told
    assert len(on.tasks()) == 1
    assert starts(run_all(todo, engine=Slurm())) == [1]


@needs_slurm
def test_a_study_trains_there_and_gets_the_same_numbers(on, tmp_path, monkeypatch):
    poses = load(frames=17, every=16, detector="truth", subjects=("S1", "S9"))
    train, tests = poses.of(("S1",)), [(poses.of(("S9",)), ["h36m-martinez-p1"])]

    def trained():
        study = Study("tran2022", seeds=2)
        shape = study.pick("channels", "dropout")
        runs = study.train(Lifting(NETWORKS), {"ours": {}}, train, tests, shape=shape)
        return {k: (r.record["quantities"], r.record["series"]) for k, r in runs.items()}

    monkeypatch.setenv(cluster.ON, "slurm:partition=main,workers=2")
    there = trained()
    monkeypatch.delenv(cluster.ON)
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "other"))
    assert trained() == there


@needs_slurm
def test_a_partition_that_is_not_there_is_refused(on):
    with pytest.raises(ValueError, match=r"huge.*no such partition; there are main, spot, urgent"):
        from_words("slurm:partition=huge")
    with pytest.raises(
        ValueError, match=r"Invalid partition .* main \(no GPUs, time limit infinite\)"
    ):
        run_all(jobs(), engine=Slurm(partition="huge"))


@needs_slurm
def test_a_task_that_can_never_begin_is_told_at_once(on):
    with pytest.raises(RuntimeError, match=r"PENDING, PartitionConfig\) can't begin; ask for what"):
        run_all(jobs(1), engine=Slurm(partition="main", cpus=64))


@needs_slurm
def test_a_task_that_dies_before_python_begins_is_named(on, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    told = r"seed 0.* before Python began; .*do the nodes see .*cache and /nowhere/python\?"
    with pytest.raises(RuntimeError, match=told):
        run_all(jobs(1), engine=Slurm())


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "without a record; can't write in .*cache: .*; free some space there"),
        ("ModuleNotFoundError: No module named 'torch'", "'torch'; give the nodes the environment"),
    ],
)
def test_what_a_task_could_not_say_is_said(log, told, monkeypatch, tmp_path):
    facts = "JobState=FAILED Reason=NonZeroExitCode"
    monkeypatch.setattr(cluster, "_ask", lambda *command: facts)
    (tmp_path / "slurm" / "7").mkdir(parents=True)
    (tmp_path / "slurm" / "7" / "7_0_log.out").write_text("submitit INFO\n")
    (tmp_path / "slurm" / "7" / "7_0_log.err").write_text(log)
    (tmp_path / "cache").write_text("nothing can be written below a file")
    no_room = partial(check_folder, tmp_path / "cache")
    monkeypatch.setattr(cluster, "check_folder", lambda _, remedy: no_room(remedy))
    assert re.search(told, cluster._failure("7", jobs(1)[0], tmp_path))


def test_work_that_cannot_be_sent_is_refused_before_anything_is_submitted(monkeypatch):
    monkeypatch.setattr(cluster, "queue", dict)
    lock = threading.Lock()

    def work(config, seed, folder, data):
        lock.acquire()

    made = job(lambda *_: None, paper="kim", job="locked", size="small", config={}, seed=0)
    object.__setattr__(made, "work", work)
    monkeypatch.setattr(cluster, "sources", lambda work: {})
    with pytest.raises(ValueError, match=r"locked can't be sent .* nothing was submitted"):
        Slurm().run([made])


def test_a_task_refuses_other_versions_and_changed_code(monkeypatch, tmp_path):
    task = Task(jobs(1)[0], tmp_path)
    task.sources = {"posekit.system": "of yesterday"}
    with pytest.raises(RuntimeError, match=r"posekit.system changed while this task waited"):
        task()
    task.versions = task.versions | {"torch": "1.0"}
    with pytest.raises(RuntimeError, match=r"torch 2\..* instead of 1.0"):
        task()


def test_a_task_refuses_data_that_was_damaged(tmp_path):
    task = Task(jobs(1, data=[Numbers(5)])[0], tmp_path)
    [path] = task.data
    path.write_bytes(path.read_bytes().replace(b"\x05", b"\x06"))
    with pytest.raises(RuntimeError, match=f"{path.name} is damaged"):
        task()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("lsf:queue=long", "no engine 'lsf:queue=long'; there are processes, and slurm"),
        ("slurm:nodes=3", "slurm has no option nodes; there are partition"),
        ("slurm:gpus=many", "invalid literal"),
        ("slurm:minutes=0", "minutes and cpus are 1 or more"),
        ("slurm:interrupt=stop", "leave or cancel"),
    ],
)
def test_words_for_an_engine_that_is_not_there(words, told, monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda name: name)
    with pytest.raises(ValueError, match=told):
        from_words(words)


def test_without_slurm_the_words_say_so(monkeypatch):
    assert from_words("") is None and from_words("processes") is None
    monkeypatch.setattr(cluster.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="sbatch is not on this machine"):
        from_words("slurm:partition=main")
