"""One published network, filled and run: python -m posekit.inference.parity_published CASE OUT CODE.

Imports the project's code in the folder CODE. Its imports that a network has no use for, such as
loggers and renderers, are empty modules here, and what today's torchvision has no more, too.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from posekit.inference.parity import CASES, Case, numbers, published_inputs
from posekit.inference.published import renamed_key
from posekit.inference.published_layouts import LAYOUTS


def _empty(name: str, **contents) -> ModuleType:
    """A module that has these contents and nothing else."""
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    return module


def _package(name: str, folder: Path) -> None:
    """A package whose modules can be imported without what its __init__ imports."""
    _empty(name, __path__=[str(folder)])


def _start(place: Path) -> Path:
    """SPIN's file of the mean body, with zeros in it."""
    file = place / "mean.npz"
    sizes = {"pose": 144, "shape": 10, "cam": 3}
    np.savez(file, **{key: np.zeros(size, np.float32) for key, size in sizes.items()})
    return file


def _on_cpu() -> None:
    """Let code that asks for a GPU go on without one."""
    torch.Tensor.cuda = lambda self, *_: self
    torch.cuda.FloatTensor = torch.FloatTensor
    torch.nn.parallel.comm.broadcast = lambda tensor, devices: [tensor]


def _with_config(code: Path, case: Case) -> ModuleType:
    """The configuration of MobileHumanPose or 3DMPPE, for the sizes of the case."""
    _on_cpu()
    _empty("torchsummary", summary=None)
    sys.path[:0] = [str(code / "main"), str(code / "common")]
    config, shape = importlib.import_module("config").cfg, case.about.shape
    cells = shape["side"] // (8 if shape["depth"] == 32 else 4)
    config.output_shape, config.depth_dim = (cells, cells), shape["depth"]
    config.width_multiplier = shape.get("width", 1.0)
    config.embedding_size = shape["channels"]
    return config


def mobilehumanpose(code: Path, case: Case):
    config = _with_config(code, case)
    if (code / "common/backbone/lpnet_ski_concat.py").read_text().count("cfg."):
        sys.modules["builtins"].cfg = config  # the branch `large` forgets to import it
    model = importlib.import_module("model")
    network = model.get_pose_net(case.published["backbone"], False, case.about.shape["joints"])
    return network, lambda x: _volumes(network.backbone(x), network(x), case)


def moon(code: Path, case: Case):
    importlib.import_module("torchvision.models.resnet").model_urls = {}
    config = _with_config(code, case)
    network = importlib.import_module("model").get_pose_net(
        config, False, case.about.shape["joints"]
    )
    return network, lambda x: _volumes(network.head(network.backbone(x)), network(x), case)


def _volumes(volumes: Tensor, voxels: Tensor, case: Case) -> dict[str, Tensor]:
    shape = case.about.shape
    return {"volumes": volumes.unflatten(1, (-1, shape["depth"])), "voxels": voxels}


def eth(code: Path, case: Case):
    sys.path.insert(0, str(code / "3dhumanpose_main"))
    _empty("source.logcreator.logcreator", Logcreator=SimpleNamespace(info=print))
    module = importlib.import_module("source.models.model_integral")
    kind, shape = module.ModelIntegralPoseRegression, case.about.shape
    kind.getPretrainedResnet = lambda self, how, pretrained: module.ResNetCustom(how.resnet_model)
    options = dict(case.published)
    if "bottleneck" in options:
        options["bottleneck"] = SimpleNamespace(**options["bottleneck"])
    how = SimpleNamespace(
        resnet_model=f"resnet{shape['layers']}", num_joints=17, depth_dim=shape["depth"],
        num_deconv_layers=3, num_deconv_filters=256, kernel_size=4, **options,
    )  # fmt: skip
    network = kind(how, SimpleNamespace(image_size=[shape["side"]] * 2))

    def run(x: Tensor) -> dict[str, Tensor]:
        volumes, joints = network(x)
        sizes = torch.tensor(volumes.shape[2:]).flip(0)
        return {"volumes": volumes, "voxels": (joints + 0.5) * sizes}

    return network, run


def spin(code: Path, case: Case):
    _package("utils", code / "utils")
    _package("models", code / "models")
    network = importlib.import_module("models.hmr").hmr(_start(code), pretrained=False)
    return network, lambda x: _body(network(x))


def bae(code: Path, case: Case):
    _package("utils", code / "utils")
    _empty("torchvision.models.utils", load_state_dict_from_url=None)
    sys.path.insert(0, str(code / "train/my_model_Mobilenet_V2"))
    network = importlib.import_module("my_model").MY_MODEL(_start(code))
    return network, lambda x: _body(network(x))


def _body(made: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return dict(zip(("rotations", "shape", "camera"), made, strict=True))


def naman(code: Path, case: Case):
    _package("models", code / "models")
    _package("models.modules", code / "models/modules")
    kind = importlib.import_module("models.StackedHourGlass").StackedHourGlass
    names = ("channels", "stacks", "modules", "depth", "joints")
    network = kind(*(case.about.shape[name] for name in names))
    return network, lambda x: {"output": torch.stack(network(x), dim=1)}


def evoskeleton(code: Path, case: Case):
    sys.path.insert(0, str(code))
    _package("libs", code / "libs")
    module, shape = importlib.import_module("libs.model.model"), case.about.shape
    network = module.get_cascade()
    for stage in range(shape["stages"]):
        sizes = {"input_size": 34, "output_size": 48, "linear_size": shape["channels"]}
        network.append(module.get_model(stage + 1, num_blocks=shape["blocks"], **sizes))
    return network, lambda x: {"output": torch.stack([stage(x) for stage in network]).sum(0)}


NETWORKS = {
    "mobilehumanpose": mobilehumanpose,
    "3dmppe": moon,
    "eth": eth,
    "spin": spin,
    "bae": bae,
    "naman": naman,
    "evoskeleton": evoskeleton,
}


def fill(network: nn.Module, case: Case) -> None:
    """The documented numbers, by the names that the layout's rules make of the network's."""
    last = f".{case.about.shape.get('blocks', 0) + 1}."
    for key, value in network.state_dict().items():
        name = renamed_key(key, LAYOUTS[case.layout].rules).replace(".last.", last)
        axis_first = name.startswith("start_")  # our tensor has one axis less
        shape = tuple(value.shape[1:] if axis_first else value.shape)
        value.copy_(numbers(name or key, shape).view_as(value))


def main(name: str, out: str, code: str) -> None:
    case = CASES[name]
    network, run = NETWORKS[case.layout](Path(code), case)
    fill(network, case)
    network.eval()
    with torch.inference_mode():
        made = run(published_inputs(case))
    np.savez(out, **{key: value.numpy() for key, value in made.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
