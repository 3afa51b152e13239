"""Networks in files say what they said in torch; sizes, times and errors of those files."""

import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from posekit.inference import benchmark, export, runtimes
from posekit.models.encoders import Encoder, small_resnet
from posekit.models.hourglass import StackedHourglass
from posekit.models.integral import PPM, IntegralNet, from_voxels
from posekit.models.lifter import Martinez
from posekit.models.mobile import EncoderDecoder
from posekit.models.soft_argmax import soft_argmax
from posekit.training.loop import Recipe, train

NEEDED = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
    "tflite": ("litert_torch", "ai_edge_quantizer", "ai_edge_litert"),
}
ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "tflite": ".tflite"}


def format_or_skip(name: str) -> Callable:
    """The function that writes a format, where its packages are installed."""
    missing = [package for package in NEEDED[name] if find_spec(package) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: {name} files are not tested")
    return getattr(export, name)


def tiny(joints: int = 2, depth: int = 8) -> EncoderDecoder:
    """A network of the shape of MobileHumanPose's, for pictures of 32 px: 16 x 16 cells."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 12, 5, 2, 2, bias=False), nn.BatchNorm2d(12), nn.PReLU(12),
        nn.Conv2d(12, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.PReLU(16),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.PReLU(16),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Conv2d(16, joints * depth, 1),
    )  # fmt: skip
    network = EncoderDecoder(
        Encoder({"layers": layers}, 16), decoder, joints=joints, depth=depth, multiple=4
    )
    for prelu in [m for m in network.modules() if isinstance(m, nn.PReLU)]:
        nn.init.uniform_(prelu.weight, -0.5, 1.5)
    nn.init.normal_(network.decoder[-1].weight)
    return network


def integral() -> IntegralNet:
    torch.manual_seed(0)
    encoder = small_resnet(4, blocks=(1, 1, 1, 1))
    network = IntegralNet(encoder, PPM(32, (1, 2)), joints=3, depth=8, channels=16)
    for layer in list(network.head)[::3]:
        nn.init.normal_(layer.weight, std=0.3)
    return network


@pytest.mark.parametrize("slopes", [[0.25, -0.5, 1.0], [0.0, 2.0, 1.5]])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 7)])
def test_prelu_is_the_same_in_sums_of_relu(slopes, shape):
    prelu, x = nn.PReLU(3), torch.randn(shape)
    prelu.weight.data = torch.tensor(slopes)
    assert torch.allclose(export.SlopedReLU(prelu)(x), prelu(x), atol=1e-6)


def test_the_definition_of_soft_argmax_gives_the_cube_s_places():
    logits = 5 * torch.randn(2, 3, 4, 6, 8)
    expected = from_voxels(soft_argmax(logits.double()), logits.shape[2:])
    assert (export.MeanPlace()(logits) - expected).abs().max() < 1e-6
    peak = torch.full((1, 1, 4, 6, 8), -torch.inf)
    peak[0, 0, 3, 0, 2] = 0  # x of 8 voxels, y of 6, z of 4: (v + 0.5) / n - 0.5
    assert export.MeanPlace()(peak)[0, 0].tolist() == pytest.approx([-3 / 16, -5 / 12, 3 / 8])


def test_the_network_itself_stays_as_it_is():
    network = tiny().to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole = export.Written(network, sloped=True)
    whole(torch.rand(2, 3, 32, 32))
    assert network.training and not whole.training
    assert not any(isinstance(module, nn.PReLU) for module in whole.modules())
    assert sum(isinstance(module, nn.PReLU) for module in network.modules()) == 3
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_limits_on_weights_are_settled_in_the_copy_alone():
    network, x = Martinez(channels=16).eval(), torch.randn(4, 34)
    before = network(x)
    whole = export.Written(network)
    assert torch.equal(whole(x)["output"], before) and torch.equal(network(x), before)
    assert not any(parametrize.is_parametrized(module) for module in whole.modules())
    assert any(parametrize.is_parametrized(module) for module in network.modules())


NETWORKS = {
    "mobile": (tiny, (3, 32, 32)),
    "integral": (integral, (3, 64, 96)),
    "hourglass": (
        partial(StackedHourglass, 3, stacks=2, modules=1, depth=1, channels=8),
        (3, 32, 32),
    ),
    "lifter": (partial(Martinez, channels=16), (34,)),
}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("form", ["onnx", "openvino", "tflite"])
def test_files_say_what_the_network_says(form, kind, inside, tmp_path):
    build, shape = NETWORKS[kind]
    if not inside and kind in ("hourglass", "lifter"):
        pytest.skip("draws no volumes")
    if form == "tflite" and (kind, inside) not in (("mobile", True), ("integral", False)):
        pytest.skip("minutes each: two stand for all")
    write = format_or_skip(form)
    network, path = build().eval(), tmp_path / f"net{ENDINGS[form]}"
    write(network, path, torch.rand(1, *shape), inside=inside)
    loaded = runtimes.load(path, threads=1)
    for batch in (1, 3):
        inputs = torch.rand(batch, *shape)
        with torch.no_grad():
            expected = network(inputs)
            found = loaded(inputs)
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
        if not inside:
            assert loaded.raw(inputs).shape == network.volumes(inputs).shape


def test_onnx_has_prelu_or_sums_as_asked(tmp_path):
    write = format_or_skip("onnx")
    import onnx

    for sloped in (True, False):
        write(tiny(), tmp_path / "net.onnx", torch.rand(1, 3, 32, 32), sloped=sloped)
        kinds = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
        assert kinds.count("PRelu") == (0 if sloped else 3)


def test_openvino_runs_in_bfloat16_and_keeps_float16(tmp_path):
    write = format_or_skip("openvino")
    network, pictures = tiny().eval(), torch.rand(4, 3, 32, 32)
    sizes = {}
    for precision in export.OPENVINO:
        path = tmp_path / f"{precision}.xml"
        write(network, path, pictures, precision=precision)
        sizes[precision] = path.with_suffix(".bin").stat().st_size
        with torch.no_grad():
            assert (runtimes.load(path)(pictures) - network(pictures)).abs().max() < 2e-3
    assert sizes["float16"] < 0.6 * sizes["float32"]
    rough = runtimes.load(tmp_path / "float32.xml", precision="bfloat16")
    with torch.no_grad():
        assert (rough(pictures) - network(pictures)).abs().max() < 2e-2


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
    write = format_or_skip("tflite")
    network = tiny()
    lessons = torch.utils.data.TensorDataset(*squares(512, 0))
    loss = lambda found, true: (found - true).abs().mean()
    train(network, lessons, Recipe(epochs=20, batch=32, rate=1e-2), loss=loss, seed=0)
    network.eval()
    pictures, true = squares(128, 1)
    errors, sizes = {}, {}
    with torch.no_grad():
        errors["torch"] = 2000 * (network(pictures) - true).norm(dim=-1).mean()
        for inside in (True, False):
            for precision in export.TFLITE:
                path = tmp_path / f"{precision}-{inside}.tflite"
                seen = squares(64, 2)[0] if precision == "int8" else None
                about = {"inside": inside, "precision": precision, "calibration": seen}
                write(network, path, pictures, **about)
                found = runtimes.load(path)(pictures)
                errors[precision, inside] = 2000 * (found - true).norm(dim=-1).mean()
                sizes[precision, inside] = path.stat().st_size
    print({name: round(float(error), 2) for name, error in errors.items()}, sizes)
    assert errors["torch"] < 200, "it has learned; the middle of the cube is 700 mm away"
    for inside in (True, False):
        assert abs(errors["float32", inside] - errors["torch"]) < 0.01
        assert abs(errors["float16", inside] - errors["torch"]) < 1
        assert abs(errors["int8", inside] - errors["torch"]) < 25  # 16 x 16 cells


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("onnx", lambda path: export.onnx(tiny(), path / "net.onnx", torch.rand(1, 3, 32, 32))),
        ("openvino", lambda path: export.openvino(tiny(), path / "n.xml", torch.rand(1, 3, 32, 32))),
        ("litert_torch", lambda path: export.tflite(tiny(), path / "n.tflite", torch.rand(1, 3, 8, 8))),
        ("onnxruntime", lambda path: runtimes.load(path / "there.onnx")),
        ("openvino", lambda path: runtimes.load(path / "there.xml")),
        ("ai_edge_litert", lambda path: runtimes.load(path / "there.tflite")),
    ],
)  # fmt: skip
def test_a_missing_package_is_named_with_its_extra(package, call, tmp_path, monkeypatch):
    for ending in (".onnx", ".xml", ".bin", ".tflite"):
        (tmp_path / f"there{ending}").touch()
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    extra = export.EXTRAS[package]
    with pytest.raises(ModuleNotFoundError, match=rf'{package}.*pip install "posekit\[{extra}\]"'):
        call(tmp_path)


def test_wrong_wishes_are_named(tmp_path):
    example = torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match="no precision 'int4'; there are float32, float16, int8"):
        export.tflite(tiny(), tmp_path / "a.tflite", example, precision="int4")
    with pytest.raises(ValueError, match="int8 without a calibration"):
        export.tflite(tiny(), tmp_path / "a.tflite", example, precision="int8")
    with pytest.raises(ValueError, match="float16 with a calibration"):
        export.tflite(
            tiny(), tmp_path / "a.tflite", example, precision="float16", calibration=example
        )
    for wrong in (torch.rand(4, 3, 16, 32), torch.rand(0, 3, 32, 32)):
        with pytest.raises(ValueError, match=r"inputs are of shape \(3, 32, 32\)"):
            export.tflite(
                tiny(), tmp_path / "a.tflite", example, precision="int8", calibration=wrong
            )
    with pytest.raises(ValueError, match="not finite"):
        export.tflite(
            tiny(), tmp_path / "a.tflite", example, precision="int8", calibration=example / 0
        )
    with pytest.raises(ValueError, match="has to end in .xml"):
        export.openvino(tiny(), tmp_path / "a.onnx", example)
    with pytest.raises(ValueError, match="ends in none of"):
        runtimes.load(tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError, match="no .*net.onnx"):
        runtimes.load(tmp_path / "net.onnx")
    (tmp_path / "net.xml").touch()
    with pytest.raises(FileNotFoundError, match="no .*net.bin"):
        runtimes.load(tmp_path / "net.xml")
    with pytest.raises(ValueError, match="can't be run in 'bfloat16', but in float32"):
        runtimes.load(tmp_path / "net.onnx", precision="bfloat16")


@pytest.mark.parametrize("form", ["onnx", "openvino", "tflite"])
def test_a_damaged_file_is_named(form, tmp_path):
    format_or_skip(form)
    path = tmp_path / f"net{ENDINGS[form]}"
    path.with_suffix(".bin").write_bytes(b"")
    for content in (b"", b"not a network"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged"):
            runtimes.load(path)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_inputs_of_another_shape_are_refused(form, tmp_path):
    path = tmp_path / f"net{ENDINGS[form]}"
    format_or_skip(form)(tiny(), path, torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match=r"can't be run on inputs of shape \(1, 3, 16, 16\)"):
        runtimes.load(path)(torch.rand(1, 3, 16, 16))


def test_onnx_files_can_t_read_outside_their_folder(tmp_path):
    format_or_skip("onnx")
    import onnx
    from onnx import TensorProto, helper

    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "nets"
    folder.mkdir()
    for place in ("../secret", str(tmp_path / "secret")):
        outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
        outside.data_location = TensorProto.EXTERNAL
        outside.external_data.add(key="location", value=place)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
        graph = helper.make_graph(
            [helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [outside]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match="net.onnx is damaged"):
            runtimes.load(folder / "net.onnx")
    assert onnx.__version__


def rows(ways: list[str], files: list[str], folder: Path) -> dict[str, float]:
    config = {"networks": ["t"], "input": [1, 3, 32, 32], "ways": ways, "files": files, "rounds": 3}
    measured = benchmark.deployment({"t": tiny}, config, 0, folder, [])
    assert all(row[1:3] == ("", "") and row[3] > 0 for row in measured.quantities)
    return {row[0]: row[3] for row in measured.quantities}


def test_times_are_by_way_and_threads(tmp_path):
    threads = torch.get_num_threads()
    found = rows(["eager-float32", "channels_last-bfloat16"], [], tmp_path)
    assert set(found) == {
        f"latency_ms/t/{way}-{count}"
        for way in ("eager-float32", "channels_last-bfloat16")
        for count in ("1", "all")
    }
    assert torch.get_num_threads() == threads


def test_files_are_timed_and_weighed(tmp_path):
    format_or_skip("onnx")
    format_or_skip("openvino")
    found = rows(["onnxruntime-float32", "openvino-bfloat16"], ["openvino-float32"], tmp_path)
    assert set(found) == {
        "size_mb/t/openvino-float32",
        *(f"latency_ms/t/onnxruntime-float32-{count}" for count in ("1", "all")),
        *(f"latency_ms/t/openvino-bfloat16-{count}" for count in ("1", "all")),
    }
    path = benchmark.write(tiny(), "openvino-float32", tmp_path, torch.rand(1, 3, 32, 32))
    both = path.stat().st_size + path.with_suffix(".bin").stat().st_size
    assert found["size_mb/t/openvino-float32"] == pytest.approx(both / 1e6, rel=0.01)


def test_what_is_beside_the_paper_is_tflite_on_one_thread(tmp_path):
    format_or_skip("tflite")
    found = rows(["litert-float32"], ["tflite-float32"], tmp_path)
    assert found["size_mb/t"] == found["size_mb/t/tflite-float32"]
    assert found["latency_ms/t/cpu"] == found["latency_ms/t/litert-float32-1"]


def test_an_unknown_way_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no onnx-int2, warp-float32; there are the files onnx-"):
        rows(["warp-float32"], ["onnx-int2"], tmp_path)
