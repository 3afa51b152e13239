"""Sizes and times of networks as files, and the joints that these files give."""

from pathlib import Path

import pytest
import torch
from builders.networks import NETWORKS, mobile, skip_without

from posekit.data import albums
from posekit.inference import benchmark
from posekit.metrics.protocols import PROTOCOLS
from posekit.studio.pictures import StudioPictures
from posekit.training import integral
from posekit.training.experiment import predict


def rows(ways: list[str], files: list[str], folder: Path) -> dict[str, float]:
    config = {"networks": ["t"], "input": [1, 3, 32, 32], "ways": ways, "files": files, "rounds": 3}
    measured = benchmark.deployment({"t": mobile}, config, 0, folder, [])
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


@pytest.fixture
def written_once(exported, monkeypatch):
    """`benchmark.write` from the files that other tests use, too."""

    def write(network, file, *_):
        return exported("mobile", benchmark.FILES[file], soft_argmax=False)[1]

    monkeypatch.setattr(benchmark, "write", write)
    return write


def test_files_are_timed_and_their_size_is_that_of_both_of_openvinos(
    tmp_path, written_once, in_thread
):
    ways = ["onnxruntime-float32", "openvino-bfloat16"]
    found = in_thread(rows, ways, ["openvino-float32"], tmp_path)
    assert set(found) == {
        "size_mb/t/openvino-float32",
        *(f"latency_ms/t/onnxruntime-float32-{count}" for count in ("1", "all")),
        *(f"latency_ms/t/openvino-bfloat16-{count}" for count in ("1", "all")),
    }
    path = written_once(None, "openvino-float32")
    both = path.stat().st_size + path.with_suffix(".bin").stat().st_size
    assert found["size_mb/t/openvino-float32"] == both / 1e6


def test_files_are_written_without_soft_argmax_and_int8_with_scales(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(benchmark.export, "save", lambda *args, **options: saved.append(options))
    pictures = torch.rand(3, 3, 32, 32)
    for file in benchmark.FILES:
        path = benchmark.write(mobile(), file, tmp_path, pictures[:1], pictures)
        assert path == tmp_path / f"{file}{benchmark.FILES[file]}"
        options = saved.pop()
        assert options.pop("precision") == file.split("-")[1] and not options.pop("soft_argmax")
        assert options == ({"calibration": pictures} if "int8" in file else {})
    benchmark.write(mobile(), "tflite-int8", tmp_path, pictures[:1])
    assert saved.pop()["calibration"].shape == (4, 3, 32, 32)


def test_the_row_beside_the_paper_is_tflite_on_one_thread(tmp_path):
    skip_without(".tflite")
    found = rows(["litert-float32"], ["tflite-float32"], tmp_path)
    assert found["size_mb/t"] == found["size_mb/t/tflite-float32"]
    assert found["latency_ms/t/cpu"] == found["latency_ms/t/litert-float32-1"]


def test_an_unknown_way_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no onnx-int2, warp-float32; there are the files onnx-"):
        rows(["warp-float32"], ["onnx-int2"], tmp_path)


@pytest.fixture(scope="module")
def pictures():
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8, generator=draw)


def test_float32_files_give_the_joints_of_the_network_and_bfloat16_nearly(
    pictures, written_once, in_thread
):
    ways = ["onnxruntime-float32", "openvino-float32", "openvino-bfloat16"]
    joints = in_thread(benchmark.predictions, mobile(), ways, pictures, pictures)
    with torch.no_grad():
        true = mobile()(pictures.float() / 255)
    off = {way: (pred - true).abs().max().item() for way, pred in joints.items()}
    assert off["onnxruntime-float32"] < 1e-5 and off["openvino-float32"] < 1e-5
    assert 1e-5 < off["openvino-bfloat16"] < 0.02


def test_int8_is_calibrated_on_pictures(pictures):
    skip_without(".tflite")
    joints = benchmark.predictions(mobile(), ["litert-int8"], pictures, pictures)["litert-int8"]
    with torch.no_grad():
        off = joints - mobile()(pictures.float() / 255)
    assert 2000 * off.norm(dim=-1).mean() < 30


def test_errors_of_files_stand_beside_the_networks_own(monkeypatch):
    pictures = StudioPictures(["S9"], frames=65, every=64, size=64)
    album, network = albums.read(pictures, "test", step=40, workers=0), NETWORKS["integral"][0]()
    protocol, joints = PROTOCOLS["h36m-moon-p2"], predict(network, album.batch.images)
    moved = joints + torch.tensor([0.0, 0, 0.1])
    moved[:, 0, 2] = joints[:, 0, 2]
    monkeypatch.setattr(benchmark, "predictions", lambda *_: {"litert-int8": moved})
    errors = benchmark.errors(network, ["litert-int8"], album, album, protocol)
    for way, pred in {"torch-float32": joints, "litert-int8": moved}.items():
        rows = integral.quantities("net", pred, album, [protocol], 0.0)
        assert ("mpjpe/net", protocol.name, album.name, errors[way]) in rows
    assert errors["litert-int8"] != errors["torch-float32"]


def test_compiled_torch_is_left_out_where_it_takes_too_long():
    every, brief = benchmark.installed(), benchmark.installed(compiled=False)
    assert set(every["ways"]) - set(brief["ways"]) == {"compiled-bfloat16"}
    assert every["files"] == brief["files"]


def test_of_the_ways_only_those_wanted_are_measured():
    assert benchmark.installed(["eager-float32"]) == {"files": [], "ways": ["eager-float32"]}
    chosen = benchmark.installed(["litert-float32", "tflite-float32"])
    every = benchmark.installed()
    assert chosen["ways"] == [way for way in every["ways"] if way == "litert-float32"]
    assert chosen["files"] == [file for file in every["files"] if file == "tflite-float32"]
