"""The network that predict uses by default: its shapes, and ImageNet's weights in its encoder."""

import pytest
import torch
from torch import nn

from posekit.models import checkpoint, light
from posekit.models.light import BUNDLED, LightPose, light_pose
from posekit.models.torchvision_compat import torchvision
from posekit.models.zoo import NETWORKS


def test_volumes_have_an_eighth_of_the_pictures_sides():
    network = NETWORKS["light"](side=64, depth=8).eval()
    assert network.volumes(torch.rand(1, 3, 64, 96)).shape == (1, 17, 8, 8, 12)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 17, 3)
    assert sum(p.numel() for p in LightPose().parameters()) == 821_872
    with pytest.raises(ValueError, match="crops of 72 px; they have to be multiples of 16"):
        NETWORKS["light"](side=72)


def test_the_encoder_is_mobilenetv2_s_whatever_the_names():
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v2().eval()
    other = {f"features.{k}": v for k, v in enumerate(theirs.features.state_dict().values())}
    network = LightPose()
    network.load_imagenet(other | {"classifier.weight": torch.zeros(1)})
    parts = nn.Sequential(network.stem, network.middle, network.deep).train()
    network.train()  # batch normalisation of the encoder does not move
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(parts(pictures), theirs.features[:14](pictures))
    assert network.neck.training and not network.deep.training
    other.popitem()
    with pytest.raises(ValueError, match="311 tensors are not the 312 of MobileNetV2"):
        network.load_imagenet(other)


def test_the_weights_that_come_with_posekit_are_those_of_predict(monkeypatch):
    pictures, theirs = torch.rand(2, 3, 32, 32), checkpoint.load(BUNDLED).network
    with torch.no_grad():
        expected = theirs(pictures)
        assert torch.equal(light_pose(side=32, weights="posekit").eval()(pictures), expected)
        # A pyramid that nothing has taught does not change what the network says ...
        pyramid = NETWORKS["light-ppm"](side=32, weights="posekit").eval()
        assert torch.equal(pyramid(pictures), expected)
    # ... and can learn: its kernels get a gradient as soon as what reads them is not 0.
    reader = pyramid.neck[0][0].weight
    pyramid(pictures).sum().backward()
    assert reader.shape[1] == 192 and reader.grad[:, 96:].abs().sum() > 0
    with pytest.raises(ValueError, match="no weights 'imagenet'; there are random, posekit"):
        light_pose(side=32, weights="imagenet")
    monkeypatch.setattr(light, "DIGEST", "0")
    with pytest.raises(ValueError, match="light.safetensors is not the file of this version"):
        light_pose(side=32, weights="posekit")


def test_weights_are_shared_by_name_and_shape():
    one, other = LightPose(depth=8), LightPose(depth=16)
    with pytest.raises(
        ValueError, match=r"final.weight is \(272, 96, 1, 1\), not \(136, 96, 1, 1\)"
    ):
        one.take_shared(other.state_dict())
    with pytest.raises(ValueError, match="the network has no bottleneck.levels.0.layer.0.weight"):
        one.take_shared(LightPose(depth=8, bins=(1, 2)).state_dict())
