"""The training of the network that predict uses by default, on a handful of pictures."""

import pytest
import torch

from posekit.cli import light_network
from posekit.models import checkpoint
from posekit.models.torchvision_compat import torchvision


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    small = {
        "SIDE": 32,
        "STRANGERS": 8,
        "TESTS": 2,
        "BATCH": 4,
        "EVERY": 8,
        "WARM": 4,
        "FALL": 4,
        "WORKERS": 0,
    }
    for name, value in small.items():
        monkeypatch.setattr(light_network, name, value)
    torch.manual_seed(0)
    torch.save(torchvision.models.mobilenet_v2().state_dict(), tmp_path / "imagenet.pth")
    return tmp_path / "imagenet.pth"


def trained(imagenet, out, seen=16):
    torch.manual_seed(1)
    light_network.main(imagenet, out, seen, {})
    return checkpoint.load(out)


def test_an_interrupted_training_ends_with_the_same_weights(
    imagenet, tmp_path, monkeypatch, capsys
):
    whole = trained(imagenet, tmp_path / "whole.safetensors")
    assert capsys.readouterr().out.count("pictures: loss") == 2
    steps, real = [], light_network.cube_loss

    def killed(*arguments, **how):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return real(*arguments, **how)

    monkeypatch.setattr(light_network, "cube_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(imagenet, tmp_path / "again.safetensors")
    again = trained(imagenet, tmp_path / "again.safetensors")
    assert len(steps) == 4 + 2  # it went on after the second step
    theirs, ours = whole.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())
    about = again.about
    assert (about.kind, about.network, about.side, about.skeleton) == (
        "integral",
        "light",
        32,
        "Human3.6M-17",
    )
    assert "trained by posekit on 16 pictures of generated people" in about.origin
