"""Networks by name, built of plain data."""

import pytest
import torch

from posekit.claims.paper import load_paper
from posekit.models.integral import ASPP, PPM
from posekit.models.profile import parameters
from posekit.models.zoo import BACKBONES, NETWORKS, backbone

TINY = {"side": 64, "depth": 8, "channels": 8, "width": 8}


@pytest.mark.parametrize(
    "name", [name for name in NETWORKS if name not in ("mobile", "part", "light", "light-ppm")]
)
def test_integral_networks_are_built_of_a_shape_for_cpus(name):
    with torch.device("meta"):
        built = NETWORKS[name](**TINY)
        assert built.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 17, 3)
    grids = len(getattr(built.bottleneck, "levels", ())) * isinstance(built.bottleneck, PPM)
    few = dict.fromkeys(("ppm", "ppm2", "botnet-ppm", "r152-ppm"), 4)
    assert grids == (few | {"ppm3": 6, "ppm4": 7}).get(name, 0)
    assert isinstance(built.bottleneck, ASPP) == name.startswith("aspp")
    attends = any("attention" in type(module).__name__.lower() for module in built.modules())
    assert attends == name.startswith("botnet")


def test_names_of_full_size_are_the_papers_networks():
    full = {"side": 256, "depth": 64, "channels": 256}
    with torch.device("meta"):
        counted = {
            "resnet": parameters(NETWORKS["resnet"](**full)),
            "mobile": parameters(NETWORKS["mobile"](side=256, joints=18)),
        }
    assert counted == {"resnet": 34_274_944, "mobile": 4_073_248}


def test_bouchiat_s_final_network_sees_pictures_that_are_no_squares():
    """Their model_integral.py has 81,532,680 parameters, without the unused classifier's."""
    with torch.device("meta"):
        final = NETWORKS["r152-ppm"](side=[384, 288], depth=72, channels=256)
        volumes = final.eval().volumes(torch.zeros(1, 3, 384, 288))
        attends = NETWORKS["botnet"](side=[384, 288], depth=8, channels=8)
        assert attends.eval()(torch.zeros(1, 3, 384, 288)).shape == (1, 17, 3)
    assert parameters(final) == 81_532_680 and volumes.shape == (1, 17, 72, 96, 72)


def test_backbones_have_the_parameters_of_table_2():
    printed = load_paper("choi2021").printed
    for name, arguments in BACKBONES.items():
        with torch.device("meta"):
            count = parameters(backbone(side=256, joints=18, **arguments))
        assert count == pytest.approx(printed[f"params/{name}", ""].value.value, rel=2e-3), name


def test_unknown_names_and_sides_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no layout 'wide'; there are modified, half"):
        NETWORKS["mobile"](side=256, layout="wide")
    with torch.device("meta"), pytest.raises(ValueError, match="crops of 100 px.*multiples of 64"):
        NETWORKS["mobile"](side=100, layout="half")
    with pytest.raises(ValueError, match="no backbone 'ghostnet'; there are mobilenet_v2"):
        backbone(side=64, backbone="ghostnet")
    with pytest.raises(ValueError, match="crops of 80 px"):
        backbone(side=80, backbone="resnet18")
