"""Several processes train as one does: the same curve, each other's checkpoints, one clear error."""

import os
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch
from test_loop import RECIPE, plain, problem, weights
from torch import nn

from posekit.training import loop, processes
from posekit.training.loop import train
from posekit.training.processes import PROCESSES, member, share

MSE = nn.functional.mse_loss
LONG = replace(RECIPE, epochs=6, drops=(4,), accumulate=2, clip=1.0)  # of 8 steps, the last of 8


def curve(checkpoint=None, epochs=LONG.epochs, network=None, **how):
    network = network or plain()
    recipe = replace(LONG, epochs=epochs)
    watch = None if checkpoint else partial(whole, data=problem())
    how = {"loss": MSE, "seed": 3, "watch": watch, "checkpoint": checkpoint} | how
    return train(network, problem(), recipe, **how), weights(network)


@torch.no_grad()
def whole(network, data):
    return MSE(network(data.tensors[0]), data.tensors[1]).item()


def test_two_processes_have_the_curve_of_one_over_fifty_steps(monkeypatch):
    # An epoch is 7 batches of 16 and one of 8 in two parts: too small for two processes to share.
    one, alone = curve(epochs=7)
    monkeypatch.setenv(PROCESSES, "2")
    two, both = curve(epochs=7)
    assert two.losses == pytest.approx(one.losses, rel=1e-6)
    assert two.watched == pytest.approx(one.watched, rel=1e-6)
    assert two.samples == one.samples == 7 * 120
    assert all(torch.allclose(both[name], alone[name], rtol=1e-4, atol=1e-6) for name in alone)


def fails_late(pred, true, calls=[]):  # noqa: B006 (a count of the process's own)
    calls.append(1)
    if len(calls) > 16 * 3 + 5:  # of 16 parts an epoch
        raise KeyError("killed")
    return MSE(pred, true)


@pytest.mark.parametrize(("first", "then"), [("2", "1"), ("1", "2")])
def test_a_checkpoint_goes_on_with_another_number_of_processes(first, then, tmp_path, monkeypatch):
    expected, alone = curve()
    path = tmp_path / "state.pt"
    monkeypatch.setenv(PROCESSES, first)
    with pytest.raises(KeyError, match="killed"):
        curve(path, loss=fails_late, checkpoint_seconds=0.0)
    fails_late.__defaults__[0].clear()
    monkeypatch.setenv(PROCESSES, then)
    resumed, both = curve(path)
    assert resumed.carried > 0 and resumed.samples == 6 * 120
    assert resumed.losses == pytest.approx(expected.losses, rel=1e-6)
    assert all(torch.allclose(both[name], alone[name], rtol=1e-4, atol=1e-6) for name in alone)


def second_fails(pred, true):
    if member()[0] == 1:
        raise KeyError("of the second")
    return MSE(pred, true)


def second_is_killed(pred, true):
    if member()[0] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return MSE(pred, true)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (second_fails, KeyError, "of the second"),
        (second_is_killed, RuntimeError, "was killed .*perhaps for want of memory"),
    ],
)
def test_the_cause_is_told_and_not_that_a_connection_was_closed(loss, error, message, monkeypatch):
    wait = processes._wait

    def late(started):  # when all have ended: the first tells, too, that it lost the second
        for process in started.processes:
            process.join()
        assert started.processes[0].exitcode == 1
        wait(started)

    monkeypatch.setattr(processes, "_wait", late)
    monkeypatch.setenv(PROCESSES, "2")
    with pytest.raises(error, match=message):
        curve(loss=loss)


def test_a_checkpoint_has_the_random_state_of_the_gpu_that_trains_and_of_no_other(monkeypatch):
    state, restored = torch.get_rng_state(), []
    asked = {torch.device("cuda:3"): state}  # of four; where it goes on there is one
    monkeypatch.setattr(torch.cuda, "get_rng_state", asked.__getitem__)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *given: restored.append(given))
    states = loop._random_states(torch.device("cuda:3"))
    for name in ("cpu", "cuda:0"):
        loop._set_random_states(states, torch.device(name))
    assert restored == [(state, torch.device("cuda:0"))]
    loop._set_random_states(loop._random_states(torch.device("cpu")), torch.device("cuda:0"))
    assert len(restored) == 1


def test_every_sample_of_a_part_counts_once():
    for size in range(1, 20):
        for count in (1, 2, 3, 4):
            parts = [share(torch.arange(size), rank, count) for rank in range(count)]
            counts = torch.zeros(size)
            for own, weight in parts:
                assert len(own) >= min(2, size)
                counts[own] += weight / len(own)
            assert torch.allclose(counts, torch.ones(size)), (size, count)


def test_what_can_not_be_sent_to_another_process_is_told(monkeypatch):
    monkeypatch.setenv(PROCESSES, "2")
    with pytest.raises(ValueError, match="can't be done by several processes: .*<lambda>"):
        curve(loss=lambda pred, true: MSE(pred, true))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_processes_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv(PROCESSES, text)
    with pytest.raises(ValueError, match=f"POSEKIT_PROCESSES={text}: it is a number"):
        processes.processes()


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    processes.check(2, "cuda")
    processes.check(64, "cpu")
    for count, device in ((3, "cuda"), (2, "cuda:1")):
        with pytest.raises(ValueError, match="each takes a GPU of its own, of 2 here"):
            processes.check(count, device)
