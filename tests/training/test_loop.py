"""Training: it learns, it resumes after `kill -9` with the same numbers, it says what is wrong."""

import io
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from posekit.system import OutOfTime, pick_device, read_sealed, write_sealed
from posekit.training import loop
from posekit.training.loop import OPTIMISERS, Recipe, _feed, _low, train
from posekit.training.runs import Measured, job

RECIPE = Recipe(epochs=4, batch=16, rate=1e-2, drops=(2,))


EVERYTHING = replace(
    RECIPE, drops=(), schedule="one-cycle", average=2, clip=0.5, accumulate=3, optimiser="adamw"
)


def problem():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 6, generator=generator)
    return TensorDataset(x, x @ torch.randn(6, 2, generator=generator))


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2)
    )


def plain():
    """A network whose samples do not see each other."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 2))


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_training_lowers_the_loss():
    history = train(
        network(), problem(), replace(RECIPE, epochs=20), loss=nn.functional.mse_loss, seed=0
    )
    assert len(history.losses) == 20
    assert history.losses[-1] < 0.3 * history.losses[0]
    assert history.samples == 20 * 120


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    results = []
    for seed in (0, 0, 1):
        net = network()
        train(net, problem(), RECIPE, loss=nn.functional.mse_loss, seed=seed)
        results.append(weights(net))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_the_rate_drops_where_the_recipe_says(monkeypatch):
    rates = []

    class Spy(torch.optim.Adam):
        def step(self, *args):
            rates.append(self.param_groups[0]["lr"])
            return super().step(*args)

    monkeypatch.setitem(OPTIMISERS, "adam", Spy)
    whole = replace(RECIPE, batch=120)
    train(network(), problem(), whole, loss=nn.functional.mse_loss, seed=0)
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3])


def test_every_optimiser_is_torchs_own_with_its_defaults():
    for name, optimiser in OPTIMISERS.items():
        net, by_hand = network(), network()
        whole = replace(RECIPE, epochs=1, batch=120, drops=(), optimiser=name)
        train(net, problem(), whole, loss=nn.functional.mse_loss, seed=0)
        inputs, targets = problem().tensors
        order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
        own = optimiser(by_hand.parameters(), lr=RECIPE.rate)
        by_hand.train()
        torch.manual_seed(0)
        nn.functional.mse_loss(by_hand(inputs[order]), targets[order]).backward()
        own.step()
        assert same(weights(net), weights(by_hand)), name
    with pytest.raises(ValueError, match="no optimiser 'sgd'; there are adam, adamw, radam"):
        train(net, problem(), replace(RECIPE, optimiser="sgd"), loss=nn.functional.mse_loss, seed=0)


def test_a_schedule_that_never_fires_equals_none():
    runs = []
    for drops in ((), (50,), (2,)):
        net = network()
        train(net, problem(), replace(RECIPE, drops=drops), loss=nn.functional.mse_loss, seed=0)
        runs.append(weights(net))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_data_gets_the_epoch_and_the_network_is_watched_after_each():
    asked, modes = [], []

    class Augmented:
        def __len__(self):
            return 120

        def samples(self, indices, epoch):
            asked.append((epoch, len(indices)))
            time.sleep(0.002)
            return problem()[indices]

    def watch(net):
        modes.append(net.training)
        return float(len(modes))

    whole = replace(RECIPE, epochs=3, batch=60, drops=())
    history = train(network(), Augmented(), whole, loss=nn.functional.mse_loss, seed=0, watch=watch)
    assert asked == [(epoch, 60) for epoch in range(3) for _ in range(2)]
    assert history.watched == [1.0, 2.0, 3.0] and modes == [False] * 3
    assert 6 * 0.002 <= history.waited <= history.seconds


def close(a, b):
    return all(torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6) for name in a)


def test_losses_are_those_of_the_loop_written_out():
    net, by_hand, losses = network(), network().train(), []
    history = train(net, problem(), RECIPE, loss=nn.functional.mse_loss, seed=0)
    inputs, targets = problem().tensors
    own = torch.optim.Adam(by_hand.parameters(), lr=1e-2)
    torch.manual_seed(0)
    for epoch in range(4):
        own.param_groups[0]["lr"] = 1e-2 if epoch < 2 else 1e-3
        order = torch.randperm(120, generator=torch.Generator().manual_seed(epoch))
        losses.append(0.0)
        for part in order.split(16):
            loss = nn.functional.mse_loss(by_hand(inputs[part]), targets[part])
            own.zero_grad()
            loss.backward()
            own.step()
            losses[-1] += loss.item() * len(part) / 120
    assert history.losses == pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 16, 50])
def test_a_batch_in_parts_gives_the_numbers_of_the_whole(parts):
    whole, split = plain(), plain()
    history = train(whole, problem(), RECIPE, loss=nn.functional.mse_loss, seed=0)
    recipe = replace(RECIPE, accumulate=parts)
    again = train(split, problem(), recipe, loss=nn.functional.mse_loss, seed=0)
    assert again.losses == pytest.approx(history.losses, rel=1e-6)
    assert close(weights(split), weights(whole))


def test_one_cycle_goes_up_for_three_tenths_of_the_steps_and_down_to_nearly_nothing(monkeypatch):
    rates = []

    class Spy(torch.optim.Adam):
        def step(self, *args):
            rates.append(self.param_groups[0]["lr"])
            assert self.param_groups[0]["betas"] == (0.9, 0.999)
            return super().step(*args)

    monkeypatch.setitem(OPTIMISERS, "adam", Spy)
    recipe = replace(RECIPE, drops=(), epochs=5, batch=12, schedule="one-cycle")
    train(network(), problem(), recipe, loss=nn.functional.mse_loss, seed=0)
    top = 0.3 * 50 - 1
    up = [(1 - math.cos(math.pi * k / top)) / 2 for k in range(15)]
    down = [(1 + math.cos(math.pi * (k - top) / (49 - top))) / 2 for k in range(15, 50)]
    expected = [1e-2 * (1 / 25 + share * (1 - 1 / 25)) for share in up]
    expected += [1e-2 * (4e-6 + share * (1 - 4e-6)) for share in down]
    assert rates == pytest.approx(expected, rel=1e-6)


def test_the_network_ends_with_the_mean_of_its_last_epochs_steps(monkeypatch):
    seen, watched, net = [], [], network()

    class Spy(torch.optim.Adam):
        def step(self, *args):
            super().step(*args)
            seen.append(weights(net))

    monkeypatch.setitem(OPTIMISERS, "adam", Spy)
    recipe = replace(RECIPE, average=2)
    watch = lambda network: watched.append(weights(network)) or 0.0
    train(net, problem(), recipe, loss=nn.functional.mse_loss, seed=0, watch=watch)
    assert len(seen) == 4 * 8
    last = {name: [state[name].double() for state in seen[16:]] for name in seen[0]}
    mean = {name: torch.stack(values).mean(0).float() for name, values in last.items()}
    mean["1.num_batches_tracked"] = seen[-1]["1.num_batches_tracked"]
    assert close(weights(net), mean) and not close(weights(net), seen[-1])
    assert same(watched[-1], weights(net)) and same(watched[-2], seen[23])


def test_a_gradient_is_clipped_to_its_largest_norm(monkeypatch):
    norms = []

    class Spy(torch.optim.Adam):
        def step(self, *args):
            grads = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
            norms.append(torch.cat(grads).norm().item())
            return super().step(*args)

    monkeypatch.setitem(OPTIMISERS, "adam", Spy)
    for clip in (0.0, 0.5, 1e9):
        whole = replace(RECIPE, clip=clip, epochs=1)
        train(network(), problem(), whole, loss=nn.functional.mse_loss, seed=0)
    free, clipped, loose = norms[:8], norms[8:16], norms[16:]
    assert min(free) > 0.5 and max(clipped) <= 0.5 + 1e-5
    assert clipped[0] == pytest.approx(0.5, rel=1e-5) and loose == free


def test_batches_that_a_thread_prepares_are_the_same_in_the_same_order():
    class Augmented:
        def samples(self, indices, epoch):
            if 77 in indices:
                raise IndexError("no sample 77")
            return indices * epoch, indices

    parts, device = list(torch.arange(70).split(16)), torch.device("cpu")
    alone, thread = (list(_feed(Augmented(), parts, 3, device, ahead=n)) for n in (0, 2))
    assert len(alone) == len(thread) == 5
    assert all(torch.equal(a, b) for a, b in zip(sum(alone, ()), sum(thread, ()), strict=True))
    with pytest.raises(IndexError, match="no sample 77"):
        list(_feed(Augmented(), [*parts, torch.tensor([77])], 3, device, ahead=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "cosine"}, "no schedule 'cosine'; there are drops, one-cycle"),
        (
            {"precision": "float16"},
            "no precision 'float16'; there are auto, amx, float32, bfloat16",
        ),
        ({"schedule": "one-cycle"}, r"'one-cycle' has no drops, and here are \(2,\)"),
        ({"accumulate": 0}, "accumulate from 1 on"),
        ({"average": 5}, "average 0 to epochs"),
        ({"clip": -1.0}, "clip from 0 on"),
    ],
)
def test_a_recipe_that_is_not_possible_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **change)


@pytest.mark.parametrize(
    ("precision", "amx", "dims", "low"),
    [
        ("auto", True, 4, False),
        ("amx", True, 4, True),
        ("amx", False, 4, False),  # where bfloat16 is emulated it is slower
        ("amx", True, 2, False),
        ("bfloat16", False, 2, True),
        ("float32", True, 4, False),
    ],
)
def test_a_cpu_computes_pictures_in_bfloat16_where_it_has_amx(
    monkeypatch, precision, amx, dims, low
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    inputs = torch.zeros([2] * dims)
    assert _low(replace(RECIPE, precision=precision), torch.device("cpu"), inputs) is low


@pytest.mark.parametrize("recipe", [RECIPE, EVERYTHING], ids=["drops", "everything"])
def test_an_interruption_inside_an_epoch_changes_nothing(recipe, tmp_path):
    class Killed(Exception):
        pass

    def interrupted(after):
        calls = 0

        def loss(*args):
            nonlocal calls
            calls += 1
            if calls > after:
                raise Killed
            return nn.functional.mse_loss(*args)

        return loss

    whole, parts = network(), network()
    history = train(whole, problem(), recipe, loss=nn.functional.mse_loss, seed=3)
    options = {"seed": 3, "checkpoint": tmp_path / "state.pt", "checkpoint_seconds": 0.0}
    with pytest.raises(Killed):
        train(parts, problem(), recipe, loss=interrupted(recipe.accumulate * 21), **options)
    parts = network()
    resumed = train(parts, problem(), recipe, loss=nn.functional.mse_loss, **options)
    assert resumed.losses == history.losses
    assert resumed.carried > 0
    assert resumed.samples == history.samples
    assert same(weights(whole), weights(parts))


def test_when_the_time_is_up_training_stops_at_a_checkpoint_and_nothing_is_lost(
    tmp_path, monkeypatch
):
    whole, spent = network(), []
    history = train(whole, problem(), RECIPE, loss=nn.functional.mse_loss, seed=3)

    def loss(*args):
        spent.append(1)
        return nn.functional.mse_loss(*args)

    options = {"loss": loss, "seed": 3, "checkpoint": tmp_path / "state.pt"}
    for stop in (3, 8, 20):  # steps of 8 an epoch, 32 in all
        monkeypatch.setattr(loop, "time_is_up", lambda stop=stop: len(spent) >= stop)
        parts = network()
        with pytest.raises(OutOfTime, match=f"epoch {stop // 8 + 1} of 4, step {stop % 8}"):
            train(parts, problem(), RECIPE, **options)
        assert len(spent) == stop
    parts = network()
    monkeypatch.setattr(loop, "time_is_up", lambda: len(spent) >= 32)  # too late to stop
    assert train(parts, problem(), RECIPE, **options).losses == history.losses
    assert len(spent) == 32 and same(weights(whole), weights(parts))


def slow(*args):
    time.sleep(0.002)
    return nn.functional.mse_loss(*args)


def work(config, seed, folder, data):
    net, often = network(), {"checkpoint": folder / "state.pt", "checkpoint_seconds": 0.05}
    recipe = Recipe(epochs=config["epochs"], batch=16)
    history = train(net, problem(), recipe, loss=slow, seed=seed, **often)
    total = sum(float(v.double().sum()) for v in net.state_dict().values())
    found = [("sum/net", "", "", total)]
    return Measured(found, {"loss": history.losses}, history.samples, history.carried)


def killed_job():
    return job(work, paper="test", job="kill", size="small", config={"epochs": 40}, seed=5)


def test_kill_9_and_a_second_start_end_in_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "whole"))
    whole = killed_job().run().record
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "killed"))
    folder = killed_job().folder
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_loop as t; t.killed_job().run()"
    )
    victim = subprocess.Popen([sys.executable, "-c", script, os.path.dirname(__file__)])
    while not (folder / "state.pt").exists() and victim.poll() is None:
        time.sleep(0.01)
    time.sleep(0.1)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (folder / "record.json").exists(), "killed too late to show anything"
    again = killed_job().run().record
    assert [again["quantities"], again["series"]] == [whole["quantities"], whole["series"]]


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_one_flipped_bit_in_a_checkpoint_is_named_and_the_training_starts_again(
    part, tmp_path, capsys
):
    path = tmp_path / "state.pt"
    options = {"loss": nn.functional.mse_loss, "seed": 0, "checkpoint": path}
    whole = train(network(), problem(), RECIPE, **options)
    flip(path, int(part * 8 * path.stat().st_size))
    again, net = network(), network()
    history = train(again, problem(), RECIPE, **options)
    assert "state.pt is damaged" in capsys.readouterr().err
    assert history.losses == whole.losses and history.carried == 0
    train(net, problem(), RECIPE, **options | {"checkpoint": None})
    assert same(weights(net), weights(again))


@pytest.mark.parametrize(
    "change", [{"epoch": -5}, {"epoch": 10**9}, {"step": 99}, {"total": float("nan")}, {"epoch": 1}]
)
def test_a_checkpoint_of_no_possible_state_is_not_believed(change, tmp_path, capsys):
    path = tmp_path / "state.pt"
    options = {"loss": nn.functional.mse_loss, "seed": 0, "checkpoint": path}
    whole = train(network(), problem(), RECIPE, **options)
    state = torch.load(io.BytesIO(read_sealed(path)), weights_only=True)
    content = io.BytesIO()
    torch.save(state | change, content)
    write_sealed(path, content.getvalue())
    assert train(network(), problem(), RECIPE, **options).losses == whole.losses
    assert "state.pt is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"half a file", b"PK\n"])
def test_what_is_no_checkpoint_is_named(content, tmp_path, capsys):
    path = tmp_path / "state.pt"
    path.write_bytes(content)
    options = {"loss": nn.functional.mse_loss, "seed": 0, "checkpoint": path}
    assert len(train(network(), problem(), RECIPE, **options).losses) == RECIPE.epochs
    assert "state.pt is damaged" in capsys.readouterr().err


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    train(network(), problem(), RECIPE, loss=nn.functional.mse_loss, seed=0, checkpoint=path)
    with pytest.raises(ValueError, match="another recipe"):
        changed = replace(RECIPE, rate=1.0)
        train(network(), problem(), changed, loss=nn.functional.mse_loss, seed=0, checkpoint=path)


def test_a_loss_that_is_not_finite_stops_the_training():
    data = TensorDataset(torch.full((8, 6), torch.nan), torch.zeros(8, 2))
    with pytest.raises(ValueError, match="the loss is nan after epoch 1"):
        train(network(), data, RECIPE, loss=nn.functional.mse_loss, seed=0)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no device 'cuda:77'"):
        pick_device("cuda:77")
    assert pick_device().type in ("cpu", "cuda")
