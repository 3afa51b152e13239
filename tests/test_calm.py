"""Layers that learn at a share of the rate, and compute what they did."""

import pytest
import torch

from posekit.calm import calmed, plain
from posekit.models.hmr import hmr


def network():
    torch.manual_seed(0)
    return hmr("mobilenetv2", width=0.35, size=32).eval()


def test_calmed_layers_compute_what_they_did_also_when_plain_again():
    own, picture = network(), torch.rand(2, 3, 32, 32)
    names, said = set(own.state_dict()), own(picture)
    for change in (lambda: calmed(own.step, 0.03), lambda: plain(own.step)):
        change()
        for one, another in zip(said, own(picture), strict=True):
            torch.testing.assert_close(one, another)
    assert set(own.state_dict()) == names


@pytest.mark.parametrize("share", [0.1, 1])
def test_adam_moves_calmed_weights_at_a_share_of_the_rate_and_others_at_the_whole(share):
    own = network()
    encoder, step = own.encoder.net.classifier[-1], own.step.fc1
    before = [layer.weight.detach().clone() for layer in (encoder, step)]
    calmed(own.step, share)
    optimiser = torch.optim.Adam(own.parameters(), lr=1e-3)
    found = own(torch.rand(4, 3, 32, 32))
    (1e9 * sum(part.sum() for part in found)).backward()  # far above Adam's epsilon
    optimiser.step()
    moved = [
        (layer.weight - old).abs().max().item()
        for layer, old in zip((encoder, step), before, strict=True)
    ]
    assert moved[0] == pytest.approx(1e-3, rel=0.02)  # Adam's first step is the rate itself
    assert moved[1] == pytest.approx(share * 1e-3, rel=0.02)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ValueError, match="share of 0 of the rate"):
        calmed(network().step, 0)
