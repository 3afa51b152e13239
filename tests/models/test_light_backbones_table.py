"""The networks of Table 2 from plain data: the counts are those of the published code."""

import pytest
import torch

from posekit.claims.paper import load_paper
from posekit.models.profile import parameters
from posekit.models.zoo import BACKBONES, backbone
from posekit.papers.choi2021.flops import paper_flops


@pytest.mark.parametrize("name", BACKBONES)
def test_counts_are_those_of_the_published_code(name):
    printed = load_paper("choi2021").printed
    with torch.device("meta"):
        network = backbone(side=256, joints=18, **BACKBONES[name])
        flops = paper_flops(network, torch.zeros(1, 3, 256, 256))
    assert parameters(network) == pytest.approx(printed[f"params/{name}", ""].value.value, rel=2e-3)
    # the rule has nothing for MobileNetV3's hard swish and sigmoids
    within = 0.015 if name == "mobilenetv3" else 0.005
    assert flops == pytest.approx(printed[f"macs/{name}", ""].value.value, rel=within)


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="no backbone 'ghostnet'; there are mobilenet_v2"):
        backbone(side=64, backbone="ghostnet")
    with pytest.raises(ValueError, match="crops of 80 px"):
        backbone(side=80, backbone="resnet18")
