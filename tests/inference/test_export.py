"""Networks as they are saved to files."""

import sys

import pytest
import torch
from builders.networks import mobile, skip_without
from torch import Tensor, nn
from torch.nn.utils import parametrize

from posekit.inference import export, runtimes
from posekit.models.integral import from_voxels
from posekit.models.lifter import Martinez
from posekit.models.soft_argmax import soft_argmax
from posekit.training.loop import Recipe, train

EXAMPLE = torch.rand(1, 3, 32, 32)


@pytest.mark.parametrize("slopes", [[0.25, -0.5, 1.0], [0.0, 2.0, 1.5]])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5, 7)])
def test_prelu_is_the_same_in_sums_of_relu(slopes, shape):
    prelu, x = nn.PReLU(3), torch.randn(shape)
    prelu.weight.data = torch.tensor(slopes)
    assert torch.allclose(export.ExpandedPReLU(prelu)(x), prelu(x), atol=1e-6)


def test_the_definition_of_soft_argmax_gives_the_places_of_the_cube():
    logits = 5 * torch.randn(2, 3, 4, 6, 8)
    expected = from_voxels(soft_argmax(logits.double()), logits.shape[2:])
    assert (export.SoftArgmax()(logits) - expected).abs().max() < 1e-6
    peak = torch.full((1, 1, 4, 6, 8), -torch.inf)
    peak[0, 0, 3, 0, 2] = 0  # x of 8 voxels, y of 6, z of 4: (v + 0.5) / n - 0.5
    assert export.SoftArgmax()(peak)[0, 0].tolist() == pytest.approx([-3 / 16, -5 / 12, 3 / 8])


def test_the_network_itself_stays_as_it_is():
    network = mobile.__wrapped__().to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = export.Exported(network, expand_prelu=True)
    copied(torch.rand(2, 3, 32, 32))
    assert network.training and not copied.training
    assert not any(isinstance(module, nn.PReLU) for module in copied.modules())
    assert sum(isinstance(module, nn.PReLU) for module in network.modules()) == 3
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_limits_on_weights_are_settled_in_the_copy_alone():
    network, x = Martinez(channels=16).eval(), torch.randn(4, 34)
    before = network(x)
    copied = export.Exported(network)
    assert torch.equal(copied(x)["output"], before) and torch.equal(network(x), before)
    assert not any(parametrize.is_parametrized(module) for module in copied.modules())
    assert any(parametrize.is_parametrized(module) for module in network.modules())


def test_onnx_has_sums_of_relu_in_place_of_prelu(exported):
    _, path = exported("mobile", ".onnx")
    import onnx

    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert "PRelu" not in kinds and kinds.count("Relu") == 3


def test_float16_weights_of_openvino_take_half_the_space_and_change_little(exported):
    pictures, sizes = torch.rand(4, 3, 32, 32), []
    for precision in export.FORMATS[".xml"]:
        network, path = exported("mobile", ".xml", precision=precision)
        sizes.append(path.with_suffix(".bin").stat().st_size)
        with torch.no_grad():
            assert (runtimes.load(path)(pictures) - network(pictures)).abs().max() < 2e-3
    assert sizes[1] < 0.6 * sizes[0]


def squares(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures with a red and a green square, and where they are in the cube, x and y.

    Depth is how bright they are.
    """
    dice = torch.Generator().manual_seed(seed)
    pictures = 0.2 * torch.rand(count, 3, 32, 32, generator=dice)
    places = torch.randint(4, 28, (count, 2, 2), generator=dice)
    bright = torch.rand(count, 2, generator=dice) / 2 + 0.5
    for picture in range(count):
        for joint in range(2):
            x, y = places[picture, joint].tolist()
            pictures[picture, joint, y - 3 : y + 3, x - 3 : x + 3] = bright[picture, joint]
    return pictures, torch.cat([places / 32 - 0.5, (bright - 0.75)[..., None]], dim=-1)


def test_int8_of_a_trained_network_loses_little(tmp_path):
    skip_without(".tflite")
    network = mobile.__wrapped__()
    data = torch.utils.data.TensorDataset(*squares(512, 0))
    loss = lambda pred, true: (pred - true).abs().mean()
    train(network, data, Recipe(epochs=20, batch=32, rate=1e-2), loss=loss, seed=0)
    network.eval()
    pictures, true = squares(128, 1)
    errors = {}
    with torch.no_grad():
        errors["torch"] = 2000 * (network(pictures) - true).norm(dim=-1).mean()
        for inside in (True, False):
            for precision in export.FORMATS[".tflite"]:
                path = tmp_path / f"{precision}-{inside}.tflite"
                seen = squares(64, 2)[0] if precision == "int8" else None
                about = {"soft_argmax": inside, "precision": precision, "calibration": seen}
                export.save(network, path, pictures, **about)
                pred = runtimes.load(path)(pictures)
                errors[precision, inside] = 2000 * (pred - true).norm(dim=-1).mean()
    assert errors["torch"] < 200, "it has learned; the middle of the cube is 700 mm away"
    for inside in (True, False):
        assert abs(errors["float32", inside] - errors["torch"]) < 0.01
        assert abs(errors["float16", inside] - errors["torch"]) < 1
        assert abs(errors["int8", inside] - errors["torch"]) < 25  # 16 x 16 cells


@pytest.mark.parametrize(
    ("package", "ending"), [("onnx", ".onnx"), ("openvino", ".xml"), ("litert_torch", ".tflite")]
)
def test_a_missing_package_is_named_with_its_extra(package, ending, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    extra = export.EXTRAS[package]
    with pytest.raises(ModuleNotFoundError, match=rf'{package}.*pip install "posekit\[{extra}\]"'):
        export.save(mobile(), tmp_path / f"net{ending}", EXAMPLE)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a.pt", {}, "a.pt has to end in one of .onnx, .xml, .tflite"),
        ("a.xml", {"precision": "int8"}, "no precision 'int8'; there are float32, float16"),
        ("a.tflite", {"precision": "int8"}, "int8 needs a calibration"),
        ("a.tflite", {"precision": "float16", "calibration": EXAMPLE}, "int8 needs .* only int8"),
        (
            "a.tflite",
            {"precision": "int8", "calibration": torch.rand(4, 3, 16, 32)},
            r"inputs are of shape \(3, 32, 32\)",
        ),
        ("a.tflite", {"precision": "int8", "calibration": EXAMPLE[:0]}, "one or more are needed"),
        ("a.tflite", {"precision": "int8", "calibration": EXAMPLE / 0}, "not finite"),
    ],
)
def test_wrong_options_are_named(tmp_path, name, options, says):
    with pytest.raises(ValueError, match=says):
        export.save(mobile(), tmp_path / name, EXAMPLE, **options)
