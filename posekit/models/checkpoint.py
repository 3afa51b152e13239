"""Trained networks as files: posekit's one format, a .safetensors file with what one must know.

    checkpoint.save("net.safetensors", network, About(kind="integral", network="mobile", ...))
    network = checkpoint.load("net.safetensors").network

The file has the network's `state_dict` and, in the metadata entry "posekit", the fields of `About`
as JSON. Nothing in it is executed, and nothing is built before names, sizes and shapes are checked.

J joints.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from posekit.models import zoo
from posekit.models.encoders import Encoder
from posekit.models.hmr import hmr
from posekit.models.hourglass import StackedHourglass
from posekit.models.integral import BOX, VolumeNet
from posekit.models.lifter import JOINTS, Cascade, GatedLifter, Lifter, Martinez
from posekit.system import need_file, write_whole

SCHEMA = 1
ENDING = ".safetensors"
ENTRY = "posekit"
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
LARGEST_FILE, LARGEST_HEADER, MOST_NUMBERS = 2_000_000_000, 4_000_000, 500_000_000
LONGEST = 4000  # characters of a text
LARGEST = {"channels": 8192, "side": 4096, "size": 4096, "joints": 1024, "depth": 1024}
LARGEST |= {"width": 1024, "layers": 152}
"""Largest values of arguments in `About.shape`; all others are counts of at most 64."""

Number = int | float
Triple = tuple[Number, Number, Number]


def _lifter(build: Callable[..., nn.Module], **shape) -> Lifter:
    return Lifter(build(**shape), torch.zeros(2, JOINTS, 2), torch.zeros(2, JOINTS, 3))


NETWORKS: Mapping[str, Mapping[str, Callable[..., nn.Module]]] = {
    "integral": zoo.NETWORKS,
    "heatmaps": {"hourglass": StackedHourglass},
    "mesh": {"hmr": hmr},
    "lifting": {
        "martinez": partial(_lifter, Martinez),
        "cascade": partial(_lifter, Cascade),
        "gated": partial(_lifter, GatedLifter),
    },
}
"""Constructors by kind and name.

| kind | input | output |
|---|---|---|
| integral | crops, RGB in [0, 1] | joints in the cube (posekit.models.integral) |
| heatmaps | crops, RGB in [0, 1] | heatmaps of every stack (posekit.models.hourglass) |
| mesh | crops, RGB in [0, 1] | bodies (posekit.models.hmr) |
| lifting | joints in pixels | joints in mm from the root (posekit.models.lifter.Lifter) |
"""


@dataclass(frozen=True)
class About:
    """What one must know of a network to use it."""

    kind: str  # one of NETWORKS
    network: str  # its name there
    skeleton: str  # the name of the joints' order, as posekit.geometry.skeleton has it
    side: int  # px: of the square crops; for a lifter, of the pictures that the joints are from
    name: str  # for people
    origin: str  # what it is and where it is from
    shape: Mapping = field(default_factory=dict)  # arguments of the constructor
    source: str = ""  # sha256 of the file that the weights were read from, where there is one
    mean: Triple | None = None  # of RGB in [0, 1], as the encoder standardises pictures; None:
    deviation: Triple | None = None  # ImageNet's before an encoder, nothing in other networks
    offset: Triple = (0.0, 0.0, 0.0)
    """Added to the joints that posekit's rules read from the output: x and y in px of the crop, z in
    mm. Not zero for weights that were trained with labels at whole voxels or cells: there voxel v of
    n is the pixel v * side / n of the crop, half a voxel less half a pixel from where posekit has it.
    An integral network applies it itself; who reads joints from heatmaps adds x and y."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode, on the CPU, and what is known of it."""

    network: nn.Module
    about: About

    @property
    def kind(self) -> str:
        return self.about.kind

    @property
    def skeleton(self) -> str:
        return self.about.skeleton

    @property
    def side(self) -> int:
        return self.about.side

    @property
    def name(self) -> str:
        return self.about.name


def published_offset(side: int, cells: int, depth: int = 0) -> Triple:
    """`About.offset` of weights taught with labels at whole cells, such as Moon et al.'s (2019).

    `cells` are those of a heatmap's side, `depth` the slices of a volume, 0 for heatmaps.
    """
    plane = (1 - side / cells) / 2
    return plane, plane, -BOX / depth / 2 if depth else 0.0


def build(about: About) -> nn.Module:
    """The network with random weights, its input scale and offset set; ValueError for what is
    unknown or too large."""
    _check(asdict(about))
    try:
        with torch.random.fork_rng(devices=[]):
            network = NETWORKS[about.kind][about.network](**about.shape)
    except Exception as error:  # constructors raise what they like for arguments that don't fit
        raise ValueError(
            f"no network {about.network!r} of shape {dict(about.shape)}: {error}"
        ) from error
    encoder = getattr(network, "encoder", None)
    if about.mean is not None:
        if not isinstance(encoder, Encoder):
            raise ValueError(f"{about.network!r} has no encoder whose input scale could be set")
        for buffer, values in ((encoder.mean, about.mean), (encoder.deviation, about.deviation)):
            buffer.copy_(torch.tensor(values, device=buffer.device)[:, None, None])
    if isinstance(network, VolumeNet):
        network.offset = _in_cube(about)
    return network.eval()


def save(path: str | Path, network: nn.Module, about: About, *, precision: str = "float32") -> None:
    """Write a network to a .safetensors file, whole or not at all.

    "float16" halves the file: matrices and kernels are stored so, vectors (biases, statistics of
    batch normalisation) stay in float32, and it is float32 again that `load` computes in. ValueError
    when `about` does not make this network, for another ending or precision, and for numbers that
    are not finite or too large for float16.
    """
    path = Path(path)
    if path.suffix != ENDING:
        raise ValueError(f"{path} has to end in {ENDING}")
    if precision not in PRECISIONS:
        raise ValueError(f"no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    with torch.device("meta"):
        expected = build(about)
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    about = _with_scale(about, network)
    compare(expected, {name: tuple(value.shape) for name, value in state.items()})
    kind = PRECISIONS[precision]
    stored = {
        name: value.to(kind if value.dim() > 1 else torch.float32).contiguous()
        if value.is_floating_point()
        else value
        for name, value in state.items()
    }
    _check_finite(stored)
    entry = {ENTRY: json.dumps({"schema": SCHEMA} | asdict(about))}
    write_whole(path, lambda part: save_file(stored, part, metadata=entry))


def load(path: str | Path) -> Checkpoint:
    """The network of a file that `save` wrote.

    FileNotFoundError when there is none; ValueError naming the file for one that is damaged, too
    large, of another format or a later schema, or that holds a network that is not known.
    """
    with _opened(Path(path)) as (file, about):
        with torch.device("meta"):
            expected = build(about)
        names = file.keys()
        compare(expected, {name: tuple(file.get_slice(name).get_shape()) for name in names})
        state = {name: file.get_tensor(name) for name in names}
        _check_finite(state)
        network = build(about)
        network.load_state_dict(state)
    return Checkpoint(network.eval(), about)


def read_about(path: str | Path) -> About:
    """What a file that `save` wrote says of its network, whose weights are not read; errors as
    `load`."""
    with _opened(Path(path)) as (_, about):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[safe_open, About]]:
    """A checkpoint's file and its `About`, with the errors of `load`."""
    need_file(path, "checkpoint")
    try:
        _check_size(path)
        with safe_open(path, framework="pt") as file:
            yield file, _read(file.metadata() or {})
    except (SafetensorError, OSError, RecursionError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}); get it again") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check(known: Mapping) -> None:
    """ValueError unless the fields of an `About` are of their types, within bounds, and name a
    known network."""
    if other := known.keys() ^ {entry.name for entry in fields(About)}:
        raise ValueError(f"entries {', '.join(sorted(other))} are missing, or are not known")
    for key in ("kind", "network", "skeleton", "name", "origin", "source"):
        if not isinstance(known[key], str) or len(known[key]) > LONGEST:
            raise ValueError(f"{key} has to be a text of at most {LONGEST} characters")
    for names, key in ((NETWORKS, "kind"), (NETWORKS.get(known["kind"], {}), "network")):
        if known[key] not in names:
            raise ValueError(f"no {key} {known[key][:80]!r} is known; there are {', '.join(names)}")
    side, shape = known["side"], known["shape"]
    if type(side) is not int or not 1 <= side <= LARGEST["side"]:
        raise ValueError(f"a side of {side!r}; it has to be 1 to {LARGEST['side']} px")
    if not isinstance(shape, Mapping) or len(shape) > 64:
        raise ValueError("shape has to have the arguments of the network by name")
    for key, value in shape.items():
        _check_argument(key, value)
    if shape.get("weights", "random") != "random":
        raise ValueError(f"shape has weights={shape['weights']!r}; they are those of the file")
    if (own := shape.get("side", shape.get("size", side))) != side:
        raise ValueError(f"a side of {side} px, and {own} px in its shape")
    for key in ("mean", "deviation", "offset"):
        if key == "offset" or known[key] is not None:
            _check_triple(key, known[key])
    if (known["mean"] is None) != (known["deviation"] is None):
        raise ValueError("mean and deviation have to be given both or not at all")
    if known["deviation"] is not None and min(known["deviation"]) <= 0:
        raise ValueError("deviation has to be three numbers above 0")


def _check_triple(key: str, value) -> None:
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_number, value))):
        raise ValueError(f"{key} has to be three finite numbers")


def _check_argument(key: str, value) -> None:
    if isinstance(value, str | bool) or value is None:
        return
    values, most = value if isinstance(value, list | tuple) else [value], LARGEST.get(key, 64)
    if len(values) > 64 or not all(_is_number(each) and 0 <= each <= most for each in values):
        raise ValueError(f"{key}={str(value)[:80]}; numbers from 0 to {most} are possible")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _in_cube(about: About) -> Triple:
    return tuple(
        part / whole
        for part, whole in zip(about.offset, (about.side, about.side, BOX), strict=True)
    )


def _with_scale(about: About, network: nn.Module) -> About:
    """`about` with the scale of the network's input; ValueError where it has another, or another
    offset."""
    encoder = getattr(network, "encoder", None)
    if isinstance(encoder, Encoder):
        mean, deviation = (
            tuple(part.flatten().tolist()) for part in (encoder.mean, encoder.deviation)
        )
        given = (*(about.mean or mean), *(about.deviation or deviation))
        if any(abs(a - b) > 1e-6 * abs(b) for a, b in zip(given, mean + deviation, strict=True)):
            raise ValueError(f"the encoder's input scale is {mean}, {deviation}, not {given}")
        about = replace(about, mean=mean, deviation=deviation)
    if isinstance(network, VolumeNet) and network.offset != _in_cube(about):
        raise ValueError(f"the network's offset is {network.offset}, not {_in_cube(about)}")
    return about


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if size > LARGEST_FILE or header > LARGEST_HEADER:
        raise ValueError(
            f"{size:,} bytes with a header of {header:,}: it is no checkpoint of posekit's, or "
            "damaged; get it again"
        )


def _read(metadata: Mapping[str, str]) -> About:
    if ENTRY not in metadata:
        raise ValueError(
            f'it has no metadata "{ENTRY}": it is no checkpoint of posekit\'s. Published weights '
            "become one by `posekit data convert-checkpoint FILE`"
        )
    known = json.loads(metadata[ENTRY])
    schema = known.pop("schema", None) if isinstance(known, dict) else None
    if type(schema) is not int or schema < 1:
        raise ValueError(f'its metadata "{ENTRY}" have no schema; get it again')
    if schema > SCHEMA:
        raise ValueError(f"it is of a later posekit than {SCHEMA=}; update posekit")
    _check(known)
    triples = {key: tuple(value) for key, value in known.items() if isinstance(value, list)}
    return About(**known | triples)


def compare(expected: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """ValueError unless the tensors are those of the network, which was built without memory."""
    wanted = {name: tuple(value.shape) for name, value in expected.state_dict().items()}
    if sum(map(math.prod, wanted.values())) > MOST_NUMBERS:
        raise ValueError(f"a network of more than {MOST_NUMBERS:,} numbers")
    if other := sorted(wanted.keys() ^ shapes.keys()):
        there = "missing" if other[0] in wanted else "of no layer"
        raise ValueError(
            f"{len(other)} tensors are not those of the network, such as {other[0]}: {there}"
        )
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise ValueError(f"{name} has the shape {shapes[name]}, the network's is {shape}")


def _check_finite(state: Mapping[str, torch.Tensor]) -> None:
    for name, value in state.items():
        if not value.isfinite().all():
            raise ValueError(f"{name} has numbers that are not finite, or too large for float16")
