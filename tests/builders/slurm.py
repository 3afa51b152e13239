"""A one-node Slurm cluster on the loopback, of the programs that Debian's slurm-wlm and munge install.

It needs no systemd, no cgroups and no network. Partitions: `main`; `spot`, whose tasks are queued
again when `urgent` has some.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from posekit.system import write_text
from posekit.training.runs import Measured

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SlurmctldParameters=preempt_send_user_signal
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=5
MinJobAge=3600
InactiveLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=spot Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def installed() -> bool:
    """Whether this machine has Slurm's and munge's programs."""
    return all(shutil.which(name, path=_path()) for name in PROGRAMS)


def _path() -> str:
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


class Cluster:
    """A cluster in a folder; `environment` has what its commands need."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        munge = folder / "munge"
        munge.chmod(0o755)
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o600)
        files = {name: munge / name for name in ("key", "log", "pid", "seed")}
        options = [f"--{name}-file={path}" for name, path in files.items()]
        self.call("munged", f"--socket={munge / 'socket'}", *options, "--force")
        about = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        text = CONFIGURATION.format(folder=folder, ports=_free_ports(2), **about)
        (folder / "slurm.conf").write_text(text)
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # loads without cgroups
        self.call("slurmctld", "-i")
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon and wait until the node takes tasks."""
        self.call("slurmd")
        self.until(lambda: self.call("sinfo", "--noheader", "--format=%t").split()[0] in _READY)

    def kill_node(self) -> None:
        """Kill the node's daemon without a warning."""
        os.kill(int((self.folder / "slurmd.pid").read_text()), signal.SIGKILL)

    def call(self, *command: str) -> str:
        """The output of one of Slurm's programs."""
        done = subprocess.run(
            command,
            check=False,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def tasks(self, *options: str) -> list[str]:
        """The ids of the tasks in the queue."""
        return self.call("squeue", "--noheader", "--array", "--format=%i", *options).split()

    def until(self, condition, seconds: float = 60.0) -> None:
        """Wait until a condition holds; TimeoutError where it does not come to hold."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s")
            time.sleep(0.2)

    def stop(self) -> None:
        """End all tasks and daemons."""
        for task in self.tasks():
            self.call("scancel", task)
        self.until(lambda: not self.tasks())
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            file = self.folder / name
            if file.is_file():
                os.kill(int(file.read_text()), signal.SIGTERM)


_READY = {"idle", "alloc", "mix", "comp"}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def slow_sum(config: dict, seed: int, folder: Path, data) -> Measured:
    """Work that adds numbers up in steps, keeps how far it is, and notes its starts."""
    with (folder / "starts").open("a") as file:
        file.write("x")
    (folder / "pid").write_text(str(os.getpid()))
    state = folder / "state"
    done, total = map(float, state.read_text().split()) if state.exists() else (0, 0)
    for step in range(int(done), config["steps"]):
        total += (step + 1) * (seed + 1) + sum(each.value for each in data)
        write_text(state, f"{step + 1} {total}")
        time.sleep(config.get("seconds", 0.1))
    return Measured([("mpjpe/ours", "card", "studio", total)])


@dataclass(frozen=True)
class Numbers:
    """A data set of one number."""

    value: int
    name: str = "numbers"
    version: str = "1"

    def fingerprint(self) -> str:
        """The number."""
        return f"{self.value:016d}"
