"""Lifters: parameter counts to the digit, shapes, gradients, and the standardisation."""

import math

import pytest
import torch

from posekit.models.lifter import Cascade, GatedLifter, Lifter, Martinez, MeanPose


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: Cascade(1, 2), 4_293_680),
        (lambda: Cascade(2, 2), 8_587_360),
        (lambda: Cascade(3, 3), 19_190_928),
        (lambda: GatedLifter(), 17_002_896),
        (lambda: GatedLifter(join="channels"), 16_951_344),
        (lambda: GatedLifter(gate="input"), 17_002_896),
        (lambda: Martinez(), 4_293_680 - 2 * 1024),  # one joint fewer in
    ],
)
def test_parameter_counts_equal_the_known_ones(network, count):
    assert parameters(network()) == count


NETWORKS = {
    "cascade": lambda: Cascade(2, 1, channels=16),
    "martinez": lambda: Martinez(channels=16),
    "gated": lambda: GatedLifter(channels=16),
    "gated input": lambda: GatedLifter(channels=16, gate="input"),
    "gated channels": lambda: GatedLifter(channels=16, join="channels"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    network(torch.randn(64, 34)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_gate_is_the_sigmoid_of_the_product_with_the_embedding():
    torch.manual_seed(0)
    network = GatedLifter(channels=8).eval()
    gate, learner, x = network.gate_stage, network.learner_stage, torch.randn(5, 34)
    e = gate.embed(x)
    gated = gate.head(1 / (1 + torch.exp(-gate.layers(e) * e)))
    learned = learner.head(learner.blocks(learner.embed(x)))
    torch.testing.assert_close(network(x), network.final(gated + learned))


def test_martinez_weights_keep_a_norm_of_one_at_most():
    torch.manual_seed(0)
    network = Martinez(channels=64)
    linears = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linears) == 6
    assert all(m.weight.norm() <= 1 + 1e-6 for m in linears)


def test_martinez_starts_and_normalises_as_in_tensorflow():
    """tf.random.truncated_normal leaves out what is 2 deviations away or farther; kaiming() scales
    it by sqrt(2 / shape[0]), of biases too. tf.layers.batch_normalization: epsilon 0.001, momentum
    0.99 of the old averages."""
    torch.manual_seed(0)
    network = Martinez(channels=256)
    linears = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    spread = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))  # variance
    for linear in linears:
        weight = linear.parametrizations.weight.original
        for values, fan_in in ((weight, weight.shape[1]), (linear.bias, len(linear.bias))):
            scaled = values.detach() / math.sqrt(2 / fan_in)
            assert scaled.abs().max() <= 2 and scaled.abs().max() > 1.5
            uncertain = 3 * spread**0.5 / math.sqrt(2 * scaled.numel())
            assert scaled.std().item() == pytest.approx(spread**0.5, abs=uncertain)
    layer = network.net[0]
    x = torch.randn(64, 32)
    layer.train()(x)
    y = layer[0](x).detach()
    torch.testing.assert_close(layer[1].running_mean, 0.01 * y.mean(0))
    torch.testing.assert_close(layer[1].running_var, 0.99 + 0.01 * y.var(0))
    layer.eval()
    mean, variance = layer[1].running_mean, layer[1].running_var
    normalised = (y - mean) / torch.sqrt(variance + 0.001)
    torch.testing.assert_close(layer(x), normalised.clamp(min=0))


def test_martinez_does_not_look_at_the_joint_its_detector_lacks():
    network = Martinez(channels=16).eval()
    x = torch.randn(3, 34)
    changed = x.clone()
    changed[:, 18:20] += 7.0
    torch.testing.assert_close(network(x), network(changed), rtol=0, atol=0)


def test_an_unknown_reading_is_refused():
    with pytest.raises(ValueError, match="gate is"):
        GatedLifter(gate="softmax")


def test_the_mean_pose_is_the_mean_of_the_training_poses():
    torch.manual_seed(0)
    centred = torch.randn(50, 17, 3) * 100
    centred = centred - centred[:, :1]
    lifter = Lifter(MeanPose(), torch.randn(50, 17, 2), centred)
    torch.testing.assert_close(
        lifter(torch.randn(2, 17, 2)), centred.mean(0).expand(2, -1, -1), atol=1e-3, rtol=0
    )


def test_standardised_targets_have_mean_zero_and_deviation_one():
    torch.manual_seed(0)
    centred = torch.randn(500, 17, 3) * 200 + 50
    lifter = Lifter(MeanPose(), torch.randn(500, 17, 2), centred - centred[:, :1])
    targets = lifter.targets(centred - centred[:, :1])
    assert targets.shape == (500, 48)
    torch.testing.assert_close(targets.mean(0), torch.zeros(48), atol=1e-5, rtol=0)
    torch.testing.assert_close(targets.std(0), torch.ones(48), atol=1e-4, rtol=0)


def test_a_restored_lifter_predicts_the_same():
    torch.manual_seed(0)
    pose2d, centred = torch.randn(40, 17, 2), torch.randn(40, 17, 3)
    lifter = Lifter(GatedLifter(channels=8), pose2d, centred - centred[:, :1]).eval()
    twin = Lifter.restored(GatedLifter(channels=8), lifter.state_dict())
    torch.testing.assert_close(twin(pose2d), lifter(pose2d), rtol=0, atol=0)
