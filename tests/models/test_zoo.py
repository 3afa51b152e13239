"""Networks by name, built of plain data."""

import pytest
import torch

from posekit.models.profile import parameters
from posekit.models.zoo import NETWORKS

TINY = {"side": 64, "depth": 8, "channels": 8, "width": 8}


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("mobile", "part")])
def test_integral_networks_are_built_of_a_shape_for_cpus(name):
    built = NETWORKS[name](**TINY)
    with torch.no_grad():
        assert built.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 17, 3)
    bins = [level.pool.output_size for level in getattr(built.bottleneck, "levels", ())]
    assert len(bins) == {"ppm": 4, "botnet-ppm": 4, "ppm2": 4, "ppm3": 6, "ppm4": 7}.get(name, 0)
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


def test_a_layout_that_is_not_there_and_a_side_that_does_not_fit_are_refused():
    with pytest.raises(ValueError, match="no layout 'wide'; there are original, modified, half"):
        NETWORKS["mobile"](side=256, layout="wide")
    with pytest.raises(ValueError, match="crops of 100 px; they have to be multiples of 64"):
        NETWORKS["mobile"](side=100, layout="half")
