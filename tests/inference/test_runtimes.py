"""Networks loaded from files and runs give the output that they gave in torch."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
from builders.networks import RUN_SHAPE, finished_run, skip_without

from posekit.inference import export, runtimes, trained
from posekit.models import checkpoint

ENDINGS = (".onnx", ".xml", ".tflite")


@pytest.mark.parametrize(
    ("kind", "ending", "soft_argmax"),
    [
        ("mobile", ".onnx", True),
        ("mobile", ".onnx", False),
        ("hourglass", ".onnx", True),
        ("mobile", ".xml", False),
        ("integral", ".xml", True),
        ("lifter", ".xml", True),
        ("mobile", ".tflite", True),
        ("integral", ".tflite", False),
    ],
)
def test_a_file_gives_the_output_of_the_network(exported, kind, ending, soft_argmax):
    options = {} if soft_argmax else {"soft_argmax": False}
    network, path = exported(kind, ending, **options)
    predictor = runtimes.load(path, threads=1)
    for batch in (1, 3):
        inputs = torch.rand(batch, *predictor.shape)
        with torch.no_grad():
            expected = network(inputs)
        pred = predictor(inputs)
        assert pred.shape == expected.shape
        assert (pred - expected).abs().max() <= 1e-5 * expected.abs().max()
        if not soft_argmax:
            assert predictor.raw(inputs).shape == network.volumes(inputs).shape
    other = torch.rand(1, *(size // 2 for size in predictor.shape))
    with pytest.raises(
        ValueError, match=rf"inputs of shape \(1, .*it takes \(number, {inputs.shape[1]}"
    ):
        predictor(other)


def test_openvino_runs_in_bfloat16(exported, in_thread):
    network, path = exported("mobile", ".xml", soft_argmax=False)
    pictures = torch.rand(4, 3, 32, 32)
    pred = in_thread(runtimes.load(path, precision="bfloat16"), pictures)
    with torch.no_grad():
        assert 1e-6 < (pred - network(pictures)).abs().max() < 2e-2


@pytest.mark.parametrize(
    ("package", "ending"),
    [("onnxruntime", ".onnx"), ("openvino", ".xml"), ("ai_edge_litert", ".tflite")],
)
def test_a_missing_package_is_named_with_its_extra(package, ending, tmp_path, monkeypatch):
    for suffix in {ending, ".bin"}:
        (tmp_path / f"there{suffix}").touch()
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    extra = export.EXTRAS[package]
    with pytest.raises(ModuleNotFoundError, match=rf'{package}.*pip install "posekit\[{extra}\]"'):
        runtimes.load(tmp_path / f"there{ending}")


def test_a_missing_file_and_a_wrong_precision_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*net.onnx"):
        runtimes.load(tmp_path / "net.onnx")
    (tmp_path / "net.xml").touch()
    with pytest.raises(FileNotFoundError, match="no .*net.bin"):
        runtimes.load(tmp_path / "net.xml")
    with pytest.raises(ValueError, match="can't be run in 'bfloat16', but in float32"):
        runtimes.load(tmp_path / "net.onnx", precision="bfloat16")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_file_is_named(ending, tmp_path):
    skip_without(ending)
    path = tmp_path / f"net{ending}"
    path.with_suffix(".bin").write_bytes(b"")
    for content in (b"", b"not a network"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged"):
            runtimes.load(path)


def test_onnx_files_can_t_read_outside_their_folder(tmp_path):
    skip_without(".onnx")
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


def test_the_network_of_a_run_is_found_by_id_folder_and_file(tmp_path, monkeypatch):
    network = finished_run(tmp_path / "0123456789abcdef")
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(pictures)
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    folder = tmp_path / "0123456789abcdef"
    for model in ("0123456789abcdef", folder, folder / "network.pt"):
        predictor = runtimes.load(model)
        assert predictor.shape == (3, 64, 64) and predictor.name == "ours, run 0123456789abcdef"
        assert (predictor(pictures) - expected).abs().max() < 1e-5
    with pytest.raises(FileNotFoundError, match="the model best is neither a run's folder"):
        runtimes.load("best")


def test_a_mobile_network_of_plain_data_is_the_one_of_its_module(tmp_path):
    shape = {"side": 64, "joints": 18, "layout": "half", "width": 0.25, "channels": 16, "depth": 4}
    finished_run(tmp_path / "run", "mobile", **shape)
    assert runtimes.load(tmp_path / "run")(torch.zeros(1, 3, 64, 64)).shape == (1, 18, 3)


def _code(path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (path.parent / "ran",))

    torch.save({"weights": Evil()}, path)


def _config(folder: Path, **config) -> None:
    (folder / "record.json").write_text(json.dumps({"config": config}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "network.pt").unlink(), "no .*network.pt: a finished run"),
        (lambda f: (f / "network.pt").write_bytes(b"PK"), "network.pt is damaged or of another"),
        (lambda f: _code(f / "network.pt"), "network.pt is damaged or of another"),
        (lambda f: (f / "network.pt").write_bytes(bytes(11_000_000)), "network.pt is damaged"),
        (lambda f: (f / "record.json").write_text("{"), "record.json has no network that is known"),
        (lambda f: _config(f), r"is known \(resnet, r152, bot.*KeyError"),
        (
            lambda f: _config(f, network="unheard-of", shape={}),
            "record.json has no network .*KeyError",
        ),
        (
            lambda f: _config(f, network="resnet", shape={"side": 64, "arms": 3}),
            "record.json has no network .*TypeError",
        ),
        (
            lambda f: _config(f, network="resnet", shape=RUN_SHAPE | {"depth": 8}),
            "network.pt is damaged or of another",
        ),
    ],
)
def test_a_damaged_run_is_named_and_nothing_in_it_runs(tmp_path, damage, says):
    finished_run(tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        runtimes.load(tmp_path / "run")
    assert not (tmp_path / "run" / "ran").exists()


def test_a_checkpoint_runs_and_is_exported_with_its_offset(tmp_path):
    shape = {"side": 64, "joints": 18, "layout": "half", "width": 0.25, "channels": 16, "depth": 4}
    offset = checkpoint.published_offset(64, 8, 4)
    about = checkpoint.About(
        "integral", "mobile", "Moon-18", 64, "published", "here", shape, offset=offset
    )
    network = checkpoint.build(about)
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, network, about)
    pictures = torch.rand(2, 3, 64, 64)
    predictor = runtimes.load(path)
    with torch.no_grad():
        expected = network(pictures)
    assert predictor.name == "published" and predictor.shape == (3, 64, 64)
    assert torch.allclose(predictor(pictures), expected, atol=1e-5)
    plain = network.volumes(pictures).detach()
    assert not torch.allclose(export.SoftArgmax()(plain), expected, atol=1e-3)
    written = export.Exported(network)(pictures)["joints"]
    assert torch.allclose(written, expected, atol=1e-5)
    with pytest.raises(ValueError, match="volumes of published weights"):
        export.Exported(network, soft_argmax=False)


def test_bodies_and_heatmaps_of_checkpoints_come_as_they_are(tmp_path):
    made = {}
    for kind, name, shape in [
        ("mesh", "hmr", {"encoder": "shufflenetv2", "width": 0.5, "size": 32}),
        ("heatmaps", "hourglass", {"stacks": 1, "modules": 1, "depth": 1, "channels": 8}),
    ]:
        about = checkpoint.About(kind, name, "MPII-16", 32, "a net", "here", shape)
        path = tmp_path / f"{kind}.safetensors"
        checkpoint.save(path, checkpoint.build(about), about)
        made[kind] = runtimes.load(path)(torch.rand(2, 3, 32, 32))
    assert made["mesh"].rotations.shape == (2, 24, 3, 3)
    assert made["heatmaps"].shape == (2, 1, 16, 8, 8)


def onnx_of_means(path, *, batch="batch", half=False, output="joints", inputs=1, sides=(8, 8)):
    """An ONNX file that gives the mean colour of a picture as the place of each of 17 joints."""
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    taken = [
        helper.make_tensor_value_info(f"x{k}", kind, [batch, 3, *sides]) for k in range(inputs)
    ]
    made = helper.make_tensor_value_info(output, kind, [batch, 17, 3])
    constants = {"shape": [-1, 1, 3], "times": [1, 17, 1], "axes": [2, 3]}
    held = [
        helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        for name, values in constants.items()
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x0", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["row"]),
        helper.make_node("Tile", ["row", "times"], [output]),
    ]
    graph = helper.make_graph(nodes, "g", taken, [made], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(("batch", "half"), [("batch", False), (1, False), (4, False), (4, True)])
def test_onnx_files_of_a_fixed_batch_or_half_precision_run(tmp_path, batch, half):
    skip_without(".onnx")
    predictor = runtimes.load(onnx_of_means(tmp_path / "net.onnx", batch=batch, half=half))
    assert predictor.kind == "integral" and predictor.shape == (3, 8, 8)
    for count in (1, 4, 6):
        pictures = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))
        joints = predictor(pictures)
        assert joints.shape == (count, 17, 3) and joints.dtype == torch.float32
        wanted = pictures.mean((2, 3))[:, None].expand(-1, 17, -1)
        assert (joints - wanted).abs().max() < (2e-3 if half else 1e-5)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"output": "coord_out"}, r"makes \(17, 3\) .*'coord_out': it was not written by posekit.*data"),
        ({"inputs": 2}, "it has 2 inputs and 1 outputs; a network with one of each can be run"),
        ({"sides": ("h", "w")}, "takes float32 of shape .*'h', 'w'.*fixed sizes"),
    ],
)  # fmt: skip
def test_onnx_files_that_posekit_did_not_write_are_refused_in_one_line(tmp_path, made, says):
    """MobileHumanPose's own file, for one, gives voxels and wants pictures of another scale."""
    skip_without(".onnx")
    with pytest.raises(ValueError, match=f"net.onnx:? {says}") as error:
        runtimes.load(onnx_of_means(tmp_path / "net.onnx", **made))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("network", "shape", "kind", "taken", "made"),
    [
        ("original", {"stacks": 2, "modules": 1, "depth": 2, "channels": 16}, "heatmaps",
         (3, 32, 32), (2, 2, 16, 8, 8)),
        ("hmr", {"size": 64, "encoder": "mobilenetv2", "width": 0.35}, "mesh", (3, 64, 64), None),
        ("martinez", {"channels": 16}, "lifting", (17, 2), (2, 17, 3)),
        ("mobile", {"side": 64, "width": 0.25, "channels": 16, "depth": 4}, "integral",
         (3, 64, 64), (2, 17, 3)),
    ],
)  # fmt: skip
def test_finished_runs_of_every_task_are_rebuilt(tmp_path, network, shape, kind, taken, made):
    own = finished_run(tmp_path / "run", network, **shape)
    predictor = runtimes.load(tmp_path / "run")
    assert predictor.kind == kind and predictor.shape == taken
    inputs = torch.rand(2, *taken)
    with torch.no_grad():
        expected, found = own(inputs), predictor(inputs)
    if made is None:
        assert found._fields == ("rotations", "shape", "camera")
        expected, found = expected.rotations, found.rotations
    else:
        assert found.shape == made
    assert (found - expected).abs().max() < 1e-5
    if taken[0] == 3:
        pictures = torch.randint(0, 256, (66, *taken), dtype=torch.uint8)
        many = predictor.predict(pictures)
        assert len(many.rotations if made is None else many) == 66


def test_one_flipped_bit_in_the_weights_of_a_run_is_named(tmp_path):
    folder = tmp_path / "run"
    finished_run(folder)
    weights = folder / "network.pt"
    content = weights.read_bytes()
    record = json.loads((folder / "record.json").read_text())
    record["files"] = {"network.pt": hashlib.sha256(content).hexdigest()}
    (folder / "record.json").write_text(json.dumps(record))
    runtimes.load(folder)
    middle = len(content) // 2
    weights.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    torch.load(weights, weights_only=True)  # torch does not see it
    with pytest.raises(ValueError, match=f"{weights} is damaged; delete {folder}, run its noteb"):
        runtimes.load(folder)
    record |= {"digest": "0" * 16}
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"record.json is not as it was written; delete .*/run,"):
        runtimes.load(folder)


def test_a_later_stage_of_a_run_is_named_by_its_file(tmp_path):
    shape = {"size": 64, "encoder": "mobilenetv2", "width": 0.35}
    finished_run(tmp_path / "run", "hmr", **shape)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    record["config"]["then"] = [{"subject": "longer", "pruned": ""}]
    (tmp_path / "run" / "record.json").write_text(json.dumps(record))
    (tmp_path / "run" / "network.pt").rename(tmp_path / "run" / "longer.network.pt")
    assert runtimes.load(tmp_path / "run" / "longer.network.pt").name == "longer, run run"
    with pytest.raises(ValueError, match="other.network.pt is damaged or of another"):
        (tmp_path / "run" / "other.network.pt").touch()
        runtimes.load(tmp_path / "run" / "other.network.pt")


def test_networks_that_come_with_the_package_are_found_by_name_and_by_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "bundled", list)
    with pytest.raises(
        FileNotFoundError, match="no trained network of kind integral or mesh comes"
    ):
        trained.default("integral", "mesh")
    about = {"skeleton": "Human3.6M-17", "side": 64, "origin": "untrained"}
    net = finished_run(tmp_path / "run")
    checkpoint.save(
        tmp_path / "tiny.safetensors",
        net,
        checkpoint.About("integral", "resnet", name="tiny net", shape=RUN_SHAPE, **about),
    )
    monkeypatch.setattr(trained, "bundled", lambda: [tmp_path / "tiny.safetensors"])
    assert trained.default("mesh", "integral") == tmp_path / "tiny.safetensors"
    assert runtimes.load("tiny").name == "tiny net"
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "nothing"))
    assert trained.usable() == [("tiny", "integral", "tiny net", "untrained")]


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("reduced", {"stacks": 2, "modules": 1, "depth": 2, "channels": 16}),
        ("mobile", {"side": 64, "width": 0.25, "channels": 16, "depth": 4}),
        ("ours", {"channels": 16, "dropout": 0.1}),
    ],
)
def test_the_network_of_a_run_is_packed_with_what_the_run_measured(tmp_path, network, shape):
    own, run = finished_run(tmp_path / "run", network, **shape), tmp_path / "run/record.json"
    quantities = [("pckh/ours", 16.25), ("mpjpe/ours", 116.25), ("mpjpe/ours/S9", 1.0)]
    rows = [{"quantity": n, "value": v, "card": "rule", "data": "studio"} for n, v in quantities]
    more = {"seed": 3, "seconds": 61.0, "data": {"name": "studio-wild"}, "quantities": rows}
    run.write_text(json.dumps(json.loads(run.read_text()) | more))
    trained.pack(run.parent, tmp_path / "small.safetensors")
    packed = runtimes.load(tmp_path / "small.safetensors")
    inputs = torch.rand(2, *packed.shape)
    with torch.no_grad():
        expected, found = own(inputs), packed(inputs)
    assert 0 < (found - expected).abs().max() < 0.01 * expected.abs().max()  # float16
    origin = checkpoint.load(tmp_path / "small.safetensors").about.origin
    assert origin.startswith(
        "trained by posekit as ours of kim, size smoke, seed 3: 61 s on studio-wild"
    )
    assert origin.endswith("; 16.2 by rule on studio; 116.2 by rule on studio")


def test_other_networks_are_not_packed(tmp_path):
    finished_run(tmp_path / "run", "evoskeleton-1x2", channels=16)
    with pytest.raises(ValueError, match="can be packed, and the lifters ours, martinez"):
        trained.pack(tmp_path / "run", tmp_path / "small.safetensors")
