"""One published network or rule, filled and run: python -m posekit.inference.parity_published CASE OUT CODE.

Imports the project's code in the folder CODE. Its imports that a network has no use for, such as
loggers and renderers, are empty modules here, and what today's torchvision has no more, too.
"""

import importlib
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from posekit.inference import parity_rules as rules
from posekit.inference.parity import ALL, Case, published_inputs
from posekit.inference.parity_numbers import numbers
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


# ---- metrics and losses --------------------------------------------------------------------------
class _Recorded:
    """numpy, with the first argument of each call of one of its functions kept in `seen`."""

    def __init__(self, function: str):
        self.seen = []
        setattr(
            self, function, lambda x, *rest: self.seen.append(x) or getattr(np, function)(x, *rest)
        )

    def __getattr__(self, name: str):
        return getattr(np, name)


def human36m(protocol: int, code: Path) -> dict[str, Tensor]:
    """Moon et al.'s `evaluate`: predictions are voxels of a box, 2 m deep about the pelvis."""
    _with_paths(code)
    _empty("pycocotools.coco", COCO=None)
    _empty("utils.vis", vis_keypoints=None, vis_3d_skeleton=None)
    module = importlib.import_module("Human36M")
    module.np = _Recorded("mean")
    data, (true, pixels, depths) = module.Human36M.__new__(module.Human36M), rules.seen()
    data.joint_num, data.root_idx, data.eval_joint = 18, 0, tuple(range(17))
    data.protocol, data.action_name = protocol, [str(number) for number in range(15)]
    box, side = np.array([100.0, 80.0, 900.0, 900.0]), 64
    data.data = [
        {
            "img_id": n, "f": np.full(2, rules.FOCAL), "c": np.array(rules.CENTRE), "bbox": box,
            "root_cam": pose[0], "joint_cam": pose, "joint_vis": np.ones((18, 1)),
            "img_path": f"s_09_act_{2 + n % 15:02d}",
        }
        for n, pose in enumerate(true.numpy())
    ]  # fmt: skip
    cells = (pixels - torch.from_numpy(box[:2])) / torch.from_numpy(box[2:]) * side
    voxels = torch.cat([cells, (depths[..., None] / 1000 + 1) / 2 * side], dim=-1)
    data.evaluate(voxels.numpy(), str(code))
    return {"errors": torch.from_numpy(module.np.seen[0]).mean(1)}


def _with_paths(code: Path) -> ModuleType:
    sys.path[:0] = [str(code / part) for part in ("main", "common", "data/Human36M")]
    for name in ("trainset_3d", "trainset_2d", "testset"):
        _empty(name)
    return importlib.import_module("config").cfg


def coordinate_loss(code: Path) -> dict[str, Tensor]:
    _on_cpu()
    _empty("torchsummary", summary=None)
    config = _with_paths(code)
    config.output_shape, config.depth_dim = (rules.SIDE, rules.SIDE), rules.SIDE
    module, given = importlib.import_module("model"), rules.taught()
    target = {"coord": given.voxels, "vis": given.known[..., None].float()}
    target["have_depth"] = given.deep[:, None].float()
    network = module.CustomNet(nn.Identity(), 18)
    return rules.with_gradient(given.volumes, lambda x: network(x.flatten(1, 2), target).mean())


def regression_loss(code: Path) -> dict[str, Tensor]:
    _package("lossfunctions", code / "3dhumanpose_main/source/lossfunctions")
    kind = importlib.import_module("lossfunctions.l1jointregressionloss").L1JointRegressionLoss
    (joints, true), given = rules.cube(), rules.taught()
    targets = [each if deep else each[:, :2] for each, deep in zip(true, given.deep, strict=True)]
    known = given.known[:, :17].float()
    return rules.with_gradient(joints, lambda x: kind()(x, targets, known))


def volume_loss(code: Path) -> dict[str, Tensor]:
    _package("lossfunctions", code / "3dhumanpose_main/source/lossfunctions")
    kind = importlib.import_module("lossfunctions.l2jointheatmaploss").L2JointHeatmapLoss
    (_, true), given = rules.cube(), rules.taught()
    known = given.known[:, :17].float()
    volumes = rules.faint(given.volumes)
    return rules.with_gradient(volumes, lambda x: kind()(x, list(true), known))


def reconstruction_error(code: Path) -> dict[str, Tensor]:
    _package("utils", code / "utils")
    module = importlib.import_module("utils.pose_utils")
    pred, true = (pose.numpy() for pose in rules.poses(14))
    return {"errors": torch.from_numpy(module.reconstruction_error(pred, true, reduction=None))}


def pckh(code: Path) -> dict[str, Tensor]:
    """`PCKh` of heatmaps that are 1 in a joint's cell; unknown joints have empty targets."""
    sys.path.insert(0, str(code))
    metric = importlib.import_module("metrics").PCKh(
        SimpleNamespace(TargetType="heatmap", nStack=1)
    )
    pred, true, known, head = rules.marked()
    places = (rules.PX * true).where(known[..., None], torch.nan)
    inputs = _spots(pred), _spots(true) * known[..., None, None], places, head[:, None]

    def share(maps: Tensor, *rest: Tensor) -> float:
        return metric.StackedHourGlass([maps], *rest)[0]

    each = [share(*(part[n : n + 1] for part in inputs)) for n in range(rules.N)]
    return {"shares": torch.tensor([*each, share(*inputs)], dtype=torch.float64)}


def _spots(places: Tensor) -> Tensor:
    """Heatmaps (N, J, G, G) that are 1 in one cell and 0 elsewhere."""
    x, y = places.long().unbind(-1)
    flat = nn.functional.one_hot(y * rules.CELLS + x, rules.CELLS**2)
    return flat.unflatten(-1, (rules.CELLS, rules.CELLS)).float()


def heatmap_loss(code: Path) -> dict[str, Tensor]:
    sys.path.insert(0, str(code))
    loss = importlib.import_module("losses").Loss(SimpleNamespace(dataset="MPII", nStack=2))
    given, target = rules.maps()
    return rules.with_gradient(given, lambda x: loss.StackedHourGlass(x.unbind(1), target))


def baseline_alignment(code: Path) -> dict[str, Tensor]:
    sys.path.insert(0, str(code / "src"))
    module = importlib.import_module("procrustes")
    moved = []
    for pred, true in zip(*(pose.numpy() for pose in rules.poses(17)), strict=True):
        *_, rotation, scale, place = module.compute_similarity_transform(true, pred, True)
        moved.append(scale * pred.dot(rotation) + place)
    return {"poses": torch.from_numpy(np.stack(moved))}


def evoskeleton_errors(procrustes: bool, code: Path) -> dict[str, Tensor]:
    """`evaluate` of poses of 16 joints, standardised by 0 and 1."""
    sys.path.insert(0, str(code))
    for name in ("libs", "libs.trainer", "libs.utils", "libs.dataset", "libs.dataset.h36m"):
        _package(name, code / name.replace(".", "/"))
    for name in ("libs.model", "libs.visualization"):
        _empty(name)
    _empty("libs.model.model")
    _empty("libs.visualization.viz")
    _empty("mpl_toolkits.mplot3d", Axes3D=None)
    module = importlib.import_module("libs.trainer.trainer")
    module.np = _Recorded("vstack")
    pred, true = (pose[:, 1:].flatten(1) for pose in rules.poses(17))
    used = list(range(48))
    stats = {
        "mean_3d": np.zeros(48),
        "std_3d": np.ones(48),
        "dim_ignore_3d": [],
        "dim_use_3d": used,
    }
    how = SimpleNamespace(pred14=False, cuda=False, batch_size=len(true), num_threads=0)
    data = torch.utils.data.TensorDataset(pred, true)
    module.evaluate(data, nn.Identity(), stats, how, procrustes=procrustes)
    return {"errors": torch.from_numpy(np.vstack(module.np.seen[0])).mean(1)}


RULES = {
    "MobileHumanPose, MPJPE": partial(human36m, 2),
    "MobileHumanPose, PA-MPJPE": partial(human36m, 1),
    "MobileHumanPose, loss": coordinate_loss,
    "3DMPPE, MPJPE": partial(human36m, 2),
    "3DMPPE, PA-MPJPE": partial(human36m, 1),
    "ETH, loss of joints": regression_loss,
    "ETH, loss of volumes": volume_loss,
    "SPIN, reconstruction error": reconstruction_error,
    "Naman, PCKh": pckh,
    "Naman, loss": heatmap_loss,
    "3d-pose-baseline, alignment": baseline_alignment,
    "EvoSkeleton, P1": partial(evoskeleton_errors, False),
    "EvoSkeleton, P2": partial(evoskeleton_errors, True),
}


def main(name: str, out: str, code: str) -> None:
    case = ALL[name]
    if name in RULES:
        made = RULES[name](Path(code))
    else:
        network, run = NETWORKS[case.layout](Path(code), case)
        fill(network, case)
        network.eval()
        with torch.inference_mode():
            made = run(published_inputs(case))
    np.savez(out, **{key: value.numpy() for key, value in made.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
