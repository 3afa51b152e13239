"""The error of a network's files is the network's, but for what their bits cost."""

import pytest
import torch

from posekit.data import albums
from posekit.inference import benchmark
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.zoo import NETWORKS
from posekit.studio.pictures import StudioPictures
from posekit.training import integral
from posekit.training.experiment import predict

CARD = PROTOCOLS["h36m-moon-p2"]


@pytest.fixture(scope="module")
def filmed():
    return albums.read(StudioPictures(["S9"], frames=65, every=64, size=64), step=40, workers=0)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    built = NETWORKS["mobile"](side=64, width=0.125, channels=16, depth=8)
    for layer in built.decoder.final.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=1.0)  # peaks, that bits can move
    return built.eval()


def test_float32_files_have_the_networks_error_and_bfloat16_nearly(filmed, network):
    for needed in ("onnxruntime", "onnxscript", "openvino"):
        pytest.importorskip(needed, reason='pip install "posekit[export]"')
    ways = ["onnxruntime-float32", "openvino-float32", "openvino-bfloat16"]
    mm = benchmark.errors(network, ways, filmed, filmed, CARD)
    exact = mm.pop("torch-float32")
    found = predict(network, filmed.batch.images)
    rows = integral.quantities("net", found, filmed, [CARD], 0.0)
    assert ("mpjpe/net", CARD.name, filmed.name, exact) in rows
    assert mm["onnxruntime-float32"] == pytest.approx(exact, abs=0.01)
    assert mm["openvino-float32"] == pytest.approx(exact, abs=0.01)
    assert 0.01 < abs(mm["openvino-bfloat16"] - exact) < 20


def test_int8_is_calibrated_on_pictures(filmed, network):
    pytest.importorskip("litert_torch", reason='pip install "posekit[tflite]"')
    mm = benchmark.errors(network, ["litert-int8"], filmed, filmed, CARD)
    assert mm["litert-int8"] == pytest.approx(mm["torch-float32"], abs=30)
