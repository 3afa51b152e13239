"""Trained networks of posekit: finished runs, checkpoints, and those that come with the package.

`usable` lists them, for `posekit runs`. Nothing in their files is executed. J joints.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from posekit.data.pictures import height_width
from posekit.geometry.skeleton import H36M17, SKELETONS
from posekit.inference.adapters import pose_network
from posekit.inference.predictor import Predictor
from posekit.models import checkpoint, zoo
from posekit.models.hmr import hmr
from posekit.models.hourglass import STEMS, StackedHourglass
from posekit.models.lifter import JOINTS, LIFTERS
from posekit.system import need_file
from posekit.training.experiment import Task, load_weights, weights_path
from posekit.training.heatmaps import Heatmaps
from posekit.training.integral import Integral
from posekit.training.lifting import Lifting
from posekit.training.mesh import Mesh
from posekit.training.mesh_networks import blind
from posekit.training.runs import Run, damage, finished
from posekit.training.settings import load_settings

TASKS: Mapping[str, Task] = {
    "integral": Integral(zoo.NETWORKS),
    "heatmaps": Heatmaps({name: partial(StackedHourglass, stem=name) for name in STEMS}),
    "mesh": Mesh({"hmr": hmr, "blind": blind}),
    "lifting": Lifting(LIFTERS),
}
"""By kind, as checkpoints name it: what rebuilds the network of a run from its record."""

BASELINES = ("mean-pose", "blind")  # subjects that are the best answer without looking
KEPT = (
    "a finished run that keeps a network has one; run its notebook on this machine, or set "
    "POSEKIT_CACHE to where its runs are"
)
NEAR = 0.9  # of a baseline's error
PACKED_LIFTERS = {"ours": "gated", "martinez": "martinez"}  # their names in checkpoints
LIFTED_FROM = 1000  # px: the side of Human3.6M's pictures, whose joints lifters see


class Usable(NamedTuple):
    """A network that `posekit predict --model` takes."""

    model: str  # what stands behind --model
    kind: str
    about: str  # what it is
    note: str  # how good it is, as far as it is known


def bundled() -> list[Path]:
    """The checkpoints that come with the package, by name."""
    folder = Path(str(resources.files("posekit.models"))) / "weights"
    return sorted(folder.glob(f"*{checkpoint.ENDING}"))


TRAINED_BY = {"integral": "mobile", "heatmaps": "hourglass", "mesh": "mesh", "lifting": "lifting"}
"""A notebook that trains networks of a kind."""


def default(*kinds: str) -> Path:
    """The checkpoint that comes with the package, of the first of these kinds that is there.

    FileNotFoundError, with the remedy, when there is none.
    """
    found = [(checkpoint.load(path).kind, path) for path in bundled()]
    for wanted in kinds:
        for kind, path in found:
            if kind == wanted:
                return path
    raise FileNotFoundError(
        f"no trained network of kind {' or '.join(kinds)} comes with this posekit: name one with "
        "--model. `posekit runs` lists those that are here; `posekit reproduce "
        f"{TRAINED_BY[kinds[0]]} --seeds 1` trains some"
    )


def usable(paper: str = "") -> list[Usable]:
    """The networks that come with the package, then those of finished runs, the latest first.

    With a `paper`, those of its runs alone. Runs without weights, and records that are not whole or
    of another kind, are left out.
    """
    rows = []
    for path in [] if paper else bundled():
        about = checkpoint.load(path).about
        rows.append(Usable(path.stem, about.kind, about.name, about.origin))
    records = list(finished())
    baselines = baseline_errors(records)
    for record in records:
        kind, folder = kind_of(record), Path(record["folder"])
        if not kind or not weights_path(folder).is_file() or paper not in ("", record.get("paper")):
            continue
        words = [str(record.get(key, "")) for key in ("paper", "job", "size", "seed", "finished")]
        words[-2:] = f"seed {words[-2]}" if words[-2] else "", words[-1][:10]
        about = ", ".join(filter(None, words))
        rows.append(Usable(folder.name, kind, about, standing(record, baselines)))
    return rows


def kind_of(record: Mapping) -> str:
    """The kind of network that a run trained, from its record; empty where it is not known."""
    config = record.get("config")
    network = config.get("network") if isinstance(config, dict) else None
    for kind, task in TASKS.items():
        if isinstance(network, str) and network in task.networks:
            return kind
    return ""


def baseline_errors(records: Iterable[Mapping]) -> dict[tuple, float]:
    """The errors of the mean pose in some records: by paper, size, protocol and data set."""
    found = {}
    for record in records:
        for row in _rows(record):
            metric, _, subject = row["quantity"].partition("/")
            if metric == "mpjpe" and subject in BASELINES:
                found[record.get("paper"), record.get("size"), row["card"], row["data"]] = row[
                    "value"
                ]
    return found


def standing(record: Mapping, baselines: Mapping[tuple, float]) -> str:
    """How a run's network compares with the mean pose, where both were measured alike."""
    subject = record["config"].get("subject", record["config"].get("network"))
    smoke = "size smoke: hardly trained" if record.get("size") == "smoke" else ""
    for row in _rows(record):
        key = record.get("paper"), record.get("size"), row["card"], row["data"]
        if row["quantity"] == f"mpjpe/{subject}" and key in baselines:
            error, mean = row["value"], baselines[key]
            text = f"{error:.0f} mm by {row['card']}, where the mean pose has {mean:.0f}"
            near = "near the mean pose: " if error > NEAR * mean else ""
            text = f"{'worse than the mean pose: ' if error > mean / NEAR else near}{text}"
            return f"{smoke}; {text}" if smoke else text
    return smoke


def _rows(record: Mapping) -> list[dict]:
    """The quantities of a record that are whole."""
    rows, keys = record.get("quantities"), {"quantity", "card", "data", "value"}
    rows = rows if isinstance(rows, list) else []
    return [row for row in rows if isinstance(row, dict) and keys <= row.keys()]


def of_checkpoint(path: Path, device: str) -> Predictor:
    """The network of a .safetensors file; errors as `checkpoint.load`."""
    found = checkpoint.load(path)
    shape = (JOINTS, 2) if found.kind == "lifting" else (3, found.side, found.side)
    about = {"skeleton": SKELETONS.get(found.skeleton), "offset": found.about.offset[:2]}
    about["note"] = found.about.origin if path in bundled() else ""
    run = in_torch(found.network, device)
    return Predictor(found.name, path, found.kind, shape, run, **about)


def in_torch(network: nn.Module, device: str) -> Callable:
    """A torch network on a device, its output on the CPU in float32."""
    network = network.to(device, memory_format=torch.channels_last).eval()

    def run(inputs: Tensor):
        made = network(inputs.to(device))
        if isinstance(made, Tensor):
            return made.float().cpu()
        return type(made)(*(part.float().cpu() for part in made))

    return run


def of_run(folder: Path, stage: str, device: str) -> Predictor:
    """The network of a finished run, or of one of its later stages.

    FileNotFoundError without a record or weights; ValueError for a record of a network that is not
    known, and for a record or weights that are not as they were written or of another network.
    """
    record, weights = folder / "record.json", weights_path(folder, stage)
    for file in (record, weights):
        need_file(file, source=KEPT)
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        config, kind = known["config"], kind_of(known)
        task, shape = TASKS[kind], _input_shape(kind, known)
        most = 2 * sum(t.nbytes for t in task.build(config).state_dict().values()) + 10_000_000
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        names = ", ".join(name for each in TASKS.values() for name in each.networks)
        raise ValueError(
            f"{record} has no network that is known ({names}), or not its shape: {error!r}"
        ) from error
    reason = ""
    try:
        if reason := damage(record, known, weights.name):
            raise ValueError(reason)
        if weights.stat().st_size > most:
            raise ValueError(f"more than {most:,} bytes")
        network = task.loaded(config, load_weights(folder, stage), stage)
    except Exception as error:  # torch has no common one for files that are not whole
        raise ValueError(
            f"{reason or f'{weights} is damaged or of another network'}; delete {folder}, run its "
            "notebook again"
        ) from error
    name = f"{stage or config.get('subject', config['network'])}, run {folder.name}"
    alike = finished(paper=known.get("paper"), size=known.get("size"))
    note = standing(known, baseline_errors(alike))
    return Predictor(name, weights, kind, shape, in_torch(network, device), note=note)


def pack(run: Path, out: Path) -> None:
    """Write the network of a finished run as a checkpoint, in float16.

    Its `origin` says which run it is and what that measured. ValueError for networks that predict
    bodies and for cascades of lifters; errors as `of_run` and `checkpoint.save`.
    """
    found = of_run(run, "", "cpu")
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    config, kind = record["config"], found.kind
    network, shape = config["network"], dict(config["shape"])
    if kind == "heatmaps":
        network, shape = "hourglass", shape | {"stem": network}
    elif kind == "lifting" and network in PACKED_LIFTERS:
        network = PACKED_LIFTERS[network]
    elif kind != "integral":
        raise ValueError(
            f"{run} is of {network}, kind {kind}: networks of heatmaps and of volumes can be packed, "
            f"and the lifters {', '.join(PACKED_LIFTERS)}"
        )
    shape.pop("weights", None)
    about = "{paper}, size {size}, seed {seed}: {seconds:.0f} s on {data[name]}".format(**record)
    words = [f"trained by posekit as {config['subject']} of {about}"]
    names = f"pckh/{config['subject']}", f"mpjpe/{config['subject']}"
    shown = [row for row in _rows(record) if row["quantity"] in names][:2]  # of many rules
    words += [f"{row['value']:.1f} by {row['card']} on {row['data']}" for row in shown]
    skeleton, side = H36M17, LIFTED_FROM  # a lifter's
    if kind != "lifting":
        skeleton, side = pose_network(found).skeleton, found.shape[-1]
    fields = {"kind": kind, "network": network, "skeleton": skeleton.name, "side": side}
    about = checkpoint.About(name=out.stem, origin="; ".join(words), shape=shape, **fields)
    checkpoint.save(out, TASKS[kind].restore(Run(record, run)), about, precision="float16")


def _input_shape(kind: str, record: Mapping) -> tuple[int, ...]:
    """The shape of one input of a run's network; an hourglass's is in its paper's settings."""
    shape = record["config"]["shape"]
    if kind == "lifting":
        return JOINTS, 2
    if kind == "heatmaps":
        side = int(load_settings(record["paper"]).loc["side", record["size"]])
    else:
        side = shape["size" if kind == "mesh" else "side"]
    return 3, *height_width(side)
