"""The training of the network that predict uses by default, on a handful of pictures."""

import pytest
import torch

from posekit.cli import light_network
from posekit.data import albums
from posekit.geometry.skeleton import H36M17
from posekit.inference import trained as trained_networks
from posekit.models import checkpoint
from posekit.models.integral import from_cube
from posekit.models.torchvision_compat import torchvision
from posekit.studio.wild import Wild
from posekit.training.experiment import predict
from posekit.training.integral import targets


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


def test_the_network_that_comes_along_has_learnt():
    """On strangers that it has not seen: 3D joints far nearer than their own mean."""
    path = trained_networks.default("integral", "mesh")
    assert path.stat().st_size <= 2e6
    network = checkpoint.load(path)
    test = albums.read(Wild("test", 12, size=128, skeleton=H36M17, people=1, seed=5), workers=0)
    pixels, depths = from_cube(predict(network.network, test.batch.images), (128, 128))
    _, true = from_cube(targets(test.batch)[..., :3], (128, 128))
    apart = (pixels - test.batch.joints2d).norm(dim=-1).mean()
    mean = (test.batch.joints2d.mean(0) - test.batch.joints2d).norm(dim=-1).mean()
    assert apart < 0.5 * mean and (depths - true).abs().mean() < 0.8 * true.abs().mean()
    assert f"{network.about.side} and" in network.about.origin  # px of, and mm of depth
