"""Processes of this machine: workers that do a run each, and several that do one training.

Of a training each process, on the CPU or a GPU of its own, computes its part of every batch;
gradients and losses are summed, so that the loss curve is that of one process at the same batch, to
rounding. That holds for losses that are means over samples and networks without batch
normalisation: this sees a process's own part on the CPU (its running statistics are the first
process's), and the whole batch on GPUs (SyncBatchNorm). Dropout differs in every process.

The processes are started by `torch.multiprocessing.spawn`: a training begins inside a notebook, and
torchrun would need a script of its own.
"""

import ctypes
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    spawn,
)
from torch.utils.data import TensorDataset

from posekit.system import keep_freed_memory

PROCESSES = "POSEKIT_PROCESSES"  # environment variable: how many do one training
PATIENCE = timedelta(days=1)  # of a process that waits for the first one, which evaluates


def processes() -> int:
    """How many processes do one training, by POSEKIT_PROCESSES; ValueError for no such number."""
    text = os.environ.get(PROCESSES, "") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{PROCESSES}={text}: it is a number of processes, 1 or more")
    return int(text)


def check(count: int, device: str) -> None:
    """ValueError where a device's machine does not have so many GPUs."""
    there = torch.cuda.device_count()
    if count > 1 and device.startswith("cuda") and (count > there or device != "cuda"):
        raise ValueError(
            f"{count} processes on {device}: each takes a GPU of its own, of {there} here; take "
            "fewer processes and the device cuda, without a number"
        )


def member() -> tuple[int, int]:
    """The number of this process in its training, from 0, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share(part: Tensor, rank: int, count: int) -> tuple[Tensor, float | int]:
    """This process's samples of a part of a batch, and for how many samples they count.

    Of a part too small to be shared (one sample has no variance) every process computes all.
    """
    if len(part) < 2 * count:
        return part, len(part) / count if count > 1 else len(part)
    own = part.tensor_split(count)[rank]
    return own, len(own)


def add_up(network: nn.Module, loss: Tensor) -> None:
    """Sum the gradients of a network, and a loss, over the processes, in place.

    All in one message after the backward pass: with any module, parts of a batch, and shares that
    count differently, at the cost of not sending while the backward pass goes on.
    """
    values = [p.grad for p in network.parameters() if p.grad is not None] + [loss]
    flat = torch.cat([value.flatten().float() for value in values])
    distributed.all_reduce(flat)
    sizes = [value.numel() for value in values]
    for value, summed in zip(values, flat.split(sizes), strict=True):
        value.copy_(summed.view(value.shape))


def train_together(
    train: Callable, network: nn.Module, data, recipe, *, count: int, device: str, loss, **how
):
    """As `train`, by `count` processes. RuntimeError where one was killed, else its own errors."""
    check(count, str(device))
    for module in network.modules():  # weights under a mask are made from others at each use
        made = {k: v.detach() for k, v in vars(module).items() if isinstance(v, Tensor)}
        vars(module).update(made)
    with tempfile.TemporaryDirectory(prefix="posekit-") as name:
        arguments = (train, network, data, recipe, str(device), loss, how)
        about = count, name, torch.get_num_threads(), arguments
        try:
            started = spawn(_member, about, nprocs=count, join=False)
            _wait(started)
        except (ProcessExitedException, ProcessRaisedException) as error:
            # The oldest error: later ones say that the connection to its process was closed. So do
            # all where a process was killed; SIGTERM is what torch and `_wait` send to the others.
            told = sorted(Path(name).glob("error-*"))
            codes = [process.exitcode or 0 for process in started.processes]
            killed = any(code < 0 and code != -signal.SIGTERM for code in codes)
            if told and not killed:
                raise pickle.loads(told[0].read_bytes()) from None
            raise RuntimeError(
                f"one of {count} processes was killed ({error}), perhaps for want of memory; start "
                "the same command again, it goes on from the last checkpoint"
            ) from None
        except Exception as error:
            if "pickle" not in str(error):
                raise
            raise ValueError(f"this training can't be done by several processes: {error}") from None
        history, state = torch.load(Path(name) / "result", weights_only=False)
        network.load_state_dict(state)
        network.to(device).eval()
        return history


def _wait(started: ProcessContext) -> None:
    """Return when all processes have ended; none is left if one failed, or on Ctrl-C."""
    try:
        while not started.join():
            pass
    finally:
        for process in started.processes:
            process.terminate()


def _member(rank: int, count: int, folder: str, threads: int, arguments: tuple) -> None:
    """What one of the processes does."""
    train, network, data, recipe, device, loss, how = arguments
    if rank:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (one of them talks)
        how = how | {"watch": None}
    network = deepcopy(network)  # what was sent lies in memory that the processes share
    torch.set_num_threads(threads)
    backend = "gloo"
    if device == "cuda":
        device, backend = f"cuda:{rank}", "nccl"
        torch.cuda.set_device(rank)
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group(backend, meeting, PATIENCE, count, rank)
    try:
        if isinstance(data, TensorDataset):
            data = TensorDataset(*(each.to(device) for each in data.tensors))
        elif hasattr(data, "on"):
            data = data.on(device)
        history = train(network, data, recipe, loss=moved(loss, device), device=device, **how)
        if rank == 0:
            state = {name: value.cpu() for name, value in network.state_dict().items()}
            torch.save((history, state), Path(folder) / "result")
    except Exception as error:  # noqa: BLE001 (the process that started this one raises it)
        part = Path(folder) / f"part-{rank}"
        name = f"error-{time.monotonic_ns():020}-{rank}"  # files' times are too coarse to compare
        part.write_bytes(pickle.dumps(error))
        part.rename(part.with_name(name))
        sys.stderr.flush()
        os._exit(1)  # without waiting for the others, who wait for this one
    distributed.barrier()
    distributed.destroy_process_group()


def moved(loss: Callable, device: str) -> Callable:
    """A loss whose own arguments, such as a body, lie on the device."""
    if not isinstance(loss, partial):
        return loss
    given = {k: v.to(device) if hasattr(v, "to") else v for k, v in loss.keywords.items()}
    return partial(loss.func, *loss.args, **given)


def gpus_for(devices: Collection[str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that jobs on these devices spread over.

    None for jobs on the CPU; one, "" for as it is, where a job takes a certain GPU or all of them.
    """
    if "cpu" in devices:
        return []
    if processes() > 1 or set(devices) - {"cuda"}:
        return [""]
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    count = torch.cuda.device_count()
    return names[:count] if any(names) else [str(number) for number in range(count)]


def start_worker(parent: int, free: SimpleQueue) -> None:
    """Take a GPU that is free, if there are any, and die with the process that started this one."""
    if gpu := free.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ["POSEKIT_HEADLESS"] = "1"
    keep_freed_memory()
    if sys.platform == "linux":
        die_with_parent = 1  # PR_SET_PDEATHSIG of prctl.h
        ctypes.CDLL(None).prctl(die_with_parent, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """On the CPU torch has one thread meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if device == "cpu" else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
