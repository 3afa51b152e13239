"""The network that predict uses by default: its shapes, and ImageNet's weights in its encoder."""

import pytest
import torch
from torch import nn

from posekit.models.light import LightPose
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
