"""ONNX files of other projects give posekit's joints once converted, and are refused before."""

import numpy as np
import pytest
import torch
from builders.networks import skip_without

from posekit.inference import runtimes
from posekit.inference.published import convert
from posekit.models.integral import from_cube

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIDE, CELLS, JOINTS = 32, 8, 18


def write(path, *, joints=JOINTS, voxels=True, sized=True):
    """A convolution to volumes and MobileHumanPose's soft-argmax, for one picture at a time."""
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    five = [-1, joints, CELLS, CELLS, CELLS] if sized else [-1, joints, CELLS, CELLS**2, 1]
    weight = generator.normal(0, 3e-3, (joints * CELLS, 3, 4, 4)).astype(np.float32)
    counted = np.arange(CELLS) if voxels else np.arange(CELLS) / CELLS - 0.5
    numbers = {
        "weight": weight,
        "three": np.array([-1, joints, CELLS**3]),
        "five": np.array(five),
        "back": np.array([-1, joints, CELLS, CELLS, CELLS]),
        "counted": counted.astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["maps"], strides=[4, 4]),
        helper.make_node("Reshape", ["maps", "three"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["shares"], axis=2),
        helper.make_node("Reshape", ["shares", "five"], ["sized"]),
        helper.make_node(
            "Reshape", ["sized", "back"] if not sized else ["sized", "five"], ["cube"]
        ),
    ]
    if not sized:
        numbers["back"] = np.array([0, 0, CELLS, CELLS, CELLS])
    for name, axes in (("x", [2, 3]), ("y", [2, 4]), ("z", [3, 4])):
        nodes += [
            helper.make_node("ReduceSum", ["cube"], [f"sum{name}"], axes=axes, keepdims=0),
            helper.make_node("Mul", [f"sum{name}", "counted"], [f"part{name}"]),
            helper.make_node("ReduceSum", [f"part{name}"], [name], axes=[2], keepdims=1),
        ]
    nodes.append(helper.make_node("Concat", ["x", "y", "z"], ["output"], axis=2))
    ends = [("input", [1, 3, SIDE, SIDE]), ("output", [1, joints, 3])]
    given, made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in ends)
    kept = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "net", [given], [made], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(autouse=True)
def _packages():
    skip_without(".onnx")


def test_a_file_of_voxels_is_refused_until_it_is_converted(tmp_path):
    import onnxruntime

    path = write(tmp_path / "baseline.onnx")
    with pytest.raises(
        ValueError, match="baseline.onnx makes .* not written by posekit.*convert-checkpoint"
    ):
        runtimes.load(path)
    said = convert(path, "mobilehumanpose")
    assert "baseline-posekit.onnx: integral network, Moon-18, 32 px" in said
    predictor = runtimes.load(tmp_path / "baseline-posekit.onnx", threads=1)
    crops = torch.rand(3, 3, SIDE, SIDE)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    mean, deviation = (np.reshape(values, (3, 1, 1)) for values in (MEAN, DEVIATION))
    pixels, depths = from_cube(predictor(crops), (SIDE, SIDE))
    for crop, pixel, depth in zip(crops.numpy(), pixels.numpy(), depths.numpy(), strict=True):
        raw = ((255 * crop - mean) / deviation).astype(np.float32)
        (voxels,) = session.run(None, {"input": raw[None]})
        assert voxels.std(axis=1).min() > 0.1
        assert np.abs(pixel - voxels[0, :, :2] * SIDE / CELLS).max() < 1e-3
        assert np.abs(depth - (voxels[0, :, 2] / CELLS - 0.5) * 2000).max() < 0.1


def test_files_that_are_not_such_networks_are_refused(tmp_path):
    for how, says in [
        ({"joints": 5}, r"gives \[1, 5, 3\]; one that takes .* of 17, 18, 21 joints"),
        ({"voxels": False}, "its joints of noise are from .* which are no voxels"),
        ({"sized": False}, "its volumes are of 0 sizes"),
    ]:
        path = write(tmp_path / "net.onnx", **how)
        with pytest.raises(ValueError, match=rf"net.onnx: .*{says}"):
            convert(path)
    with pytest.raises(ValueError, match="no layout 'spin' of ONNX files"):
        convert(path, "spin")
    path.write_bytes(b"not a network")
    with pytest.raises(ValueError, match="net.onnx: it is damaged, or no ONNX file"):
        convert(path)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
