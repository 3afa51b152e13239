"""Tiny networks of every kind, and which packages the formats of exported networks need."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from posekit.geometry.skeleton import H36M17
from posekit.inference import trained
from posekit.models import checkpoint
from posekit.models.checkpoint import About
from posekit.models.encoders import Encoder, small_resnet
from posekit.models.hourglass import StackedHourglass
from posekit.models.integral import PPM, IntegralNet
from posekit.models.lifter import Lifter, Martinez
from posekit.models.mobile import EncoderDecoder

NEEDED = {
    ".onnx": ("onnx", "onnxscript", "onnxruntime"),
    ".xml": ("openvino",),
    ".tflite": ("litert_torch", "ai_edge_quantizer", "ai_edge_litert"),
}


def skip_without(ending: str) -> None:
    """Skip the test where the packages of a format are not installed."""
    if missing := [package for package in NEEDED[ending] if find_spec(package) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: {ending} files are not tested")


@cache
def mobile(joints: int = 2, depth: int = 8) -> EncoderDecoder:
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
    return network.eval()


def integral() -> IntegralNet:
    torch.manual_seed(0)
    encoder = small_resnet(4, blocks=(1, 1, 1, 1))
    network = IntegralNet(encoder, PPM(32, (1, 2)), depth=8, channels=16)
    for layer in list(network.head)[::3]:
        nn.init.normal_(layer.weight, std=0.3)
    return network.eval()


NETWORKS = {
    "mobile": (mobile, (3, 32, 32)),
    "integral": (integral, (3, 64, 64)),
    "hourglass": (
        lambda: StackedHourglass(3, stacks=2, modules=1, depth=1, channels=8).eval(),
        (3, 32, 32),
    ),
    "lifter": (lambda: Martinez(channels=16).eval(), (34,)),
}

RUN_SHAPE = {"side": 64, "depth": 4, "channels": 8, "width": 4}


def finished_run(folder: Path, network: str = "resnet", **shape) -> torch.nn.Module:
    """A finished run's folder with an untrained network, of any kind that a run can train."""
    torch.manual_seed(0)
    config = {"subject": "ours", "network": network, "shape": shape or RUN_SHAPE, "then": []}
    record = {"id": folder.name, "config": config, "paper": "kim", "size": "smoke"}
    kind = trained.kind_of(record)
    built = trained.TASKS[kind].build(config)
    if kind == "lifting":  # as if trained on poses that hardly differ from one
        poses = 300 * torch.randn(17, 3) + torch.randn(50, 17, 3)
        built = Lifter(built, 500 + 100 * torch.randn(50, 17, 2), poses - poses[:, :1])
    folder.mkdir(parents=True)
    torch.save(built.state_dict(), folder / "network.pt")
    (folder / "record.json").write_text(json.dumps(record))
    return built.eval()


def lifter_file(path: Path, **changed) -> Path:
    """A small lifter's checkpoint, as if converted from published weights unless said otherwise."""
    fields = {"kind": "lifting", "network": "martinez", "skeleton": H36M17.name, "side": 1000}
    fields |= {"name": path.stem, "origin": "A/b (some/where), f.th", "source": "0" * 64}
    about = About(**fields | {"shape": {"channels": 8}} | changed)
    checkpoint.save(path, checkpoint.build(about), about)
    return path
