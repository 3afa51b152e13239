"""Rehearsals: real shapes, a few samples, and costs that add up."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from builders.batch import make_batch
from test_study import RECIPE, TASK, Points
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import TensorDataset

from posekit.data.albums import Album, single
from posekit.models import costs
from posekit.models.costs import DEVICES, Cost, Device
from posekit.models.pruning import mask
from posekit.studio.scene.occluders import shapes
from posekit.training import integral, rehearsal
from posekit.training.augment import Augmented
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.data_sets import DataSets
from posekit.training.loop import Recipe, _feed, train
from posekit.training.rehearsal import storageless
from posekit.training.study import Study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(rehearsal.ON, str(tmp_path))
    return tmp_path


def cost(**given):
    about = {"subject": "x", "parameters": 10, "operations": 6.0, "traffic": 8.0}
    about |= {"activations": 5.0, "samples": 3600, "batch": 4, "seconds": 1.0}
    return Cost(**about | {"precision": "float32"} | given)


def test_a_training_takes_a_few_steps_and_its_costs_are_of_the_whole_recipe(folder):
    study, train = Study("kim", size="paper"), Points("long")
    recipe = {"epochs": 7, "batch": 5, "drops": []}
    train.share = 0.25  # 6 of 24 samples
    [run] = study.train(TASK, {"line": {}}, train, recipe=recipe, shape={}).values()
    assert len(run.record["series"]["loss"]) == rehearsal.EPOCHS
    [cost] = rehearsal.costs(folder)
    assert (cost.subject, cost.parameters, cost.batch) == ("line", 2 * 2 + 2, 5)
    assert cost.samples == 7 * 24
    # a linear layer: 2 operations for each weight forwards, and as many for the weights' gradient
    assert cost.operations == 2 * 4 + 2 * 4
    assert cost.seconds > 0


def test_memory_is_that_of_weights_gradients_moments_and_activations():
    assert cost().memory == 10 * 4 * 4 + 4 * 5
    assert cost(precision="bfloat16").memory == 10 * 4 * 4 + 4 * 5 / 2


def test_hours_are_those_of_operations_and_of_traffic():
    slow = Device({"float32": 2.0, "bfloat16": 4.0}, 1.0, 8.0, 1.0)
    seconds = 6 / (costs.OPERATIONS * 2) + 8 / (costs.TRAFFIC * 8)
    assert cost().hours(slow) == pytest.approx(seconds)
    halves = 6 / (costs.OPERATIONS * 4) + 4 / (costs.TRAFFIC * 8)
    assert cost(precision="bfloat16").hours(slow) == pytest.approx(halves)
    assert cost(seconds=2.0).hours_here == 2
    assert {*DEVICES["H200"].operations} == {"float32", "bfloat16"}


# ---- steps without storage


def test_a_step_without_storage_counts_what_a_real_one_does():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inputs, targets = torch.rand(4, 3, 8, 8), torch.zeros(4, 8, 8, 8)
    step = storageless(network.eval(), inputs, targets, mse_loss)
    macs = 4 * 8 * 8 * 8 * 3 * 9
    assert step.operations == 2 * macs * 2  # forwards, and the gradient of the weights
    maps, pictures, statistics = 4 * 8 * 64 * 4, 4 * 3 * 64 * 4, 2 * 8 * 4
    # pictures, the convolution's maps, means and deviations, ReLU's maps; and the targets
    assert step.activations == pictures + 3 * maps + statistics
    assert step.traffic > 10 * maps
    assert not network.training and network[0].weight.grad is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_masked_networks_go_through_a_step_without_storage():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    mask(network, 0.5)
    network(torch.rand(1, 3, 8, 8)).sum().backward()
    step = storageless(network, torch.rand(2, 3, 8, 8), torch.zeros(2, 4, 4, 4), mse_loss)
    assert step.operations > 0
    assert network(torch.rand(1, 3, 8, 8)).device.type == "cpu"


def test_a_tensor_that_stays_on_the_cpu_is_found():
    network = nn.Linear(2, 3)
    network.offset = torch.zeros(3)  # neither a parameter nor a buffer
    network.forward = lambda x: nn.functional.linear(x, network.weight) + network.offset
    with pytest.raises(RuntimeError, match=r"add.* gets a tensor of \(3,\) on the CPU"):
        storageless(network, torch.rand(4, 2), torch.zeros(4, 3), mse_loss)
    product = partial(lambda pred, true, by: (pred @ by).sum(), by=torch.zeros(2, 2))
    assert storageless(nn.Linear(2, 2), torch.rand(4, 2), torch.zeros(4), product).operations
    product = partial(lambda pred, true, by: (pred @ by[0]).sum(), by=[torch.zeros(2, 2)])
    with pytest.raises(RuntimeError, match=r"mm.* gets a tensor of \(2, 2\) on the CPU"):
        storageless(nn.Linear(2, 2), torch.rand(4, 2), torch.zeros(4), product)


@pytest.mark.parametrize(
    "loss",
    [
        lambda pred, true: pred.sum() if (true > 0).any() else pred.mean(),
        lambda pred, true: pred[true > 0].sum(),
        lambda pred, true: pred.sum() * true.sum().item(),
    ],
)
def test_an_operation_for_which_a_gpu_would_wait_is_found(loss):
    with pytest.raises(RuntimeError, match="needs a value: here a GPU would wait for the host"):
        storageless(nn.Linear(2, 2), torch.rand(4, 2), torch.zeros(4, 2), loss)


def test_a_tensor_that_is_sent_from_the_cpu_is_found():
    def loss(pred, true):
        return (pred * torch.ones(2).to(pred)).sum()

    with pytest.raises(RuntimeError, match=r"_to_copy.* sends a tensor of \(2,\) from the CPU"):
        storageless(nn.Linear(2, 2), torch.rand(4, 2), torch.zeros(4, 2), loss)


@pytest.mark.parametrize("kinds", ["all in 3D", "some in 2D only", "with parts"])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_no_augmentation_waits_for_the_device(name, kinds):
    batch = make_batch(4, size=(48, 64))
    if kinds == "some in 2D only":
        has = torch.tensor([True, False, True, False])
        batch = replace(batch, has_joints3d=has, masks=None, parts=None)
    things = tuple(shapes(np.random.default_rng(0), 5))
    album = Album("pictures", "1", batch, single(4), occluders=things)
    for whole in (False, True):
        how = {"only_3d": True, "whole": whole, "device": "meta"}
        with rehearsal._Watch(sends=True):
            inputs, _ = Augmented(album, name, integral.targets, **how).samples(torch.arange(4), 1)
        assert inputs.is_meta and inputs.shape == (4, 3, 48, 64)


def test_data_that_wait_for_the_device_are_found(folder):
    class Waiting(Points):
        def on(self, device):
            made = Waiting("p")
            made.tensors = tuple(each.to(device) for each in self.tensors)
            return made

        def samples(self, indices, epoch):
            x, y = (each[indices.to(each.device)] for each in self.tensors)
            return (x if x.sum() > -1e9 else -x), y

    with pytest.raises(RuntimeError, match="needs a value: here a GPU would wait"):
        Study("kim").train(TASK, {"line": {}}, Waiting("p"), recipe=RECIPE, shape={})


class Reads(TorchDispatchMode):
    """Counts the numbers that are read out of tensors."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function.overloadpacket is torch.ops.aten._local_scalar_dense
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("recipe", [{"optimiser": "rmsprop"}, {"average": 1, "clip": 1.0}])
def test_no_step_of_the_loop_reads_a_number(recipe):
    counts = []
    for batch in (6, 2):  # 1 and 3 steps an epoch
        with Reads() as reads:
            how = Recipe(**{"epochs": 2, "batch": batch, "rate": 0.01} | recipe)
            train(nn.Linear(2, 2), Points("p"), how, loss=mse_loss, seed=0)
        counts.append(reads.count)
    assert 0 < counts[0] == counts[1]  # those of the epochs


def test_the_loop_s_indices_are_where_the_data_are():
    data = TensorDataset(torch.empty(6, 2, device="meta"), torch.empty(6, device="meta"))
    with rehearsal._Watch(sends=True):
        parts = list(torch.arange(6).split(4))
        fed = list(_feed(data, parts, 0, torch.device("meta"), ahead=0))
    assert [tuple(inputs.shape) for inputs, _ in fed] == [(4, 2), (2, 2)]


# ---- what is cut


def test_data_sets_keep_a_few_samples_spread_over_all(folder):
    assert rehearsal.kept(5) == [0, 1, 2, 3, 4]
    assert rehearsal.kept(701) == [0, 140, 280, 420, 560, 700]
    data = DataSets({}, workers=0)
    strangers = data.people("train", 64, size=16)
    assert len(strangers) == 6 and strangers.share == 6 / 64
    assert strangers.batch.index.tolist() == [0, 12, 25, 37, 50, 63]
    poses = data.poses(frames=33, every=2, detector="truth")
    assert len(poses) == rehearsal.POSES
    subjects = set(poses.frames["subject"])
    assert subjects == {"S1", "S5", "S6", "S7", "S8", "S9", "S11"}
    train = poses.of(["S1"])
    whole = len(train) / train.share
    assert whole == pytest.approx(15 * 2 * 4 * 17, rel=0.02)  # actions, takes, cameras, frames


def test_without_the_variable_nothing_is_cut(monkeypatch):
    monkeypatch.delenv(rehearsal.ON, raising=False)
    assert rehearsal.kept(701) == list(range(701))
    assert rehearsal.shortened({"rounds": 20}) == {"rounds": 20}


def test_a_training_that_fails_fails_in_the_rehearsal(folder):
    class Broken(nn.Linear):
        def forward(self, x):
            raise RuntimeError("shapes don't fit")

    task = type(TASK)({"line": lambda: Broken(2, 2)})
    with pytest.raises(RuntimeError, match="shapes don't fit"):
        Study("kim").train(
            task, {"line": {}}, Points("p"), recipe={"epochs": 1, "batch": 3, "drops": []}
        )
    assert not (folder / rehearsal.COSTS).exists()


def test_costs_are_read_back_as_written(folder):
    (folder / rehearsal.COSTS).write_text(json.dumps(vars(cost())) + "\n")
    assert list(rehearsal.costs(folder)) == [cost()]
