"""The CMU motion capture database: its Acclaim skeletons (.asf) and motions (.amc) as 3D joints.

T frames. Angles in degrees and lengths in the database's unit (1 = 2.54 / 0.45 cm) in the files;
world millimetres, z up, in what is returned (Acclaim's y is up: (x, y, z) becomes (x, -z, y)).
A bone turns about its own axes C by the angles of the motion: R = R_parent C M C^-1, and ends at
R (length * direction) from its parent's end, as the Acclaim format says. Angles turn about fixed axes
in the order that `axis` names. Of what else the files may say, other units, and a root that starts
turned or away from the origin, are refused by name: the database has none.

A performer is a number of the database; the same person may have several, as its makers say.

The database is free for all uses. Get `allasfamc.zip` from mocap.cs.cmu.edu. Motions as BVH are read,
too (posekit.data.cmu_bvh), of performers whose .asf is not there.
"""

import glob
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from posekit.data import cmu_bvh
from posekit.data.formats.text import read_text
from posekit.data.poses import Motion
from posekit.geometry.skeleton import H36M17
from posekit.geometry.units import check_poses

ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217."
)
SOURCE = "get allasfamc.zip from mocap.cs.cmu.edu, unpack it and name its folder"
UNIT = 25.4 / 0.45  # mm; skeletons and motions share it
RECORDED = 120.0  # frames a second
MOST = 200_000_000  # bytes of a file; the database's largest motion has 20 MB
MOVES = ("TX", "TY", "TZ", "RX", "RY", "RZ")  # of the root, as `order` names them

# The bones at whose ends Human3.6M's 17 joints are, in H36M17's order.
ENDS = (
    *("root", "rhipjoint", "rfemur", "rtibia", "lhipjoint", "lfemur", "ltibia"),
    *("upperback", "lowerneck", "upperneck", "head"),
    *("lclavicle", "lhumerus", "lradius", "rclavicle", "rhumerus", "rradius"),
)

PELVIS = H36M17.index("pelvis")
HIPS = [H36M17.index(f"{side}_hip") for side in ("right", "left")]


@dataclass(frozen=True)
class Bone:
    """One bone of an Acclaim skeleton, in the pose in which all angles are zero."""

    parent: str
    offset: Float[np.ndarray, "3"]  # from its parent's end to its own, mm
    axes: Float[np.ndarray, "3 3"]  # C: its own axes in the world's
    angles: tuple[int, ...]  # the axes (0 x, 1 y, 2 z) it turns about, in the motion's order
    order: str = "XYZ"  # in which it turns about them


Skeleton = dict[str, Bone]  # by name, parents before their children; the first is the root, whose
# angles are where TX to RZ stand in the motion


def skeletons(folder: Path | str) -> dict[str, Path]:
    """What says how each performer (01, 02, ...) in `folder` is built, up to three folders below.

    Their .asf file or, where there is none, the first of their motions as .bvh. Raises
    FileNotFoundError when there is neither, ValueError for an .asf or a .bvh that lies there twice.
    """
    motions = sorted(_once(Path(folder), ".bvh", "motion").items(), reverse=True)
    files = {name.rpartition("_")[0]: file for name, file in motions if "_" in name[1:]}
    files |= _once(Path(folder), ".asf", "performer")
    if not files:
        raise FileNotFoundError(f"{folder}: no skeletons (.asf) or motions (.bvh) here; {SOURCE}")
    return dict(sorted(files.items()))


def _once(folder: Path, suffix: str, what: str) -> dict[str, Path]:
    """The files with this suffix by name, each of which there is once."""
    files: dict[str, Path] = {}
    # The official archive unpacks to all_asfamc/subjects/01/01.asf.
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        for file in sorted(folder.glob(depth + suffix)):
            if file.stem in files:
                raise ValueError(f"{what} {file.stem} twice: {files[file.stem]} and {file}")
            files[file.stem] = file
    return files


def motion_files(performer: str, skeleton: Path) -> list[Path]:
    """The .amc files beside a performer's .asf, or all .bvh; FileNotFoundError without one."""
    suffix = ".bvh" if skeleton.suffix == ".bvh" else ".amc"
    if not (files := sorted(skeleton.parent.glob(f"{glob.escape(performer)}_*{suffix}"))):
        raise FileNotFoundError(f"{skeleton.parent}: no motions {performer}_*{suffix}; {SOURCE}")
    return files


def reader(skeleton: Path) -> Callable[[Path], tuple[Float[np.ndarray, "T 17 3"], float]]:
    """What reads a performer's motions: joints in world mm, z up, and frames a second.

    ValueError as `read_skeleton`.
    """
    if skeleton.suffix == ".bvh":
        return _read_bvh
    bones = read_skeleton(skeleton)
    return lambda file: (read_joints(file, bones), RECORDED)


def load(
    folder: Path | str,
    performers: Iterable[str] | None = None,
    *,
    rate: float = 50.0,
    hips: bool = False,
) -> list[Motion]:
    """Every motion of the performers (all of them by default), as Human3.6M's 17 joints.

    A motion's subject is its performer ("01"), its action the file's name ("01_06"), its take 1.
    Positions are interpolated linearly to `rate` frames a second, starting with the first frame in
    which the root has left the origin: 07_12 and 09_10 begin at rest there. Acclaim's root lies
    some 110 mm above the hips; `hips` puts the pelvis between them, where Human3.6M has it. Errors
    name the file: FileNotFoundError when there is nothing, ValueError when a file is cut off, is
    not CMU's, or holds what is not a number; ModuleNotFoundError for .bvh without pybvh.
    """
    motions, files = [], skeletons(folder)
    for performer in files if performers is None else performers:
        if performer not in files:
            raise ValueError(f"{folder}: no performer {performer!r}; there are {list(files)}")
        read = reader(files[performer])
        for file in motion_files(performer, files[performer]):
            joints, recorded = read(file)
            joints = _resample(_begun(joints), recorded, rate)
            if hips:
                joints[:, PELVIS] = joints[:, HIPS].mean(axis=1)
            points = torch.from_numpy(joints.astype(np.float32))
            motions.append(Motion(performer, file.stem, 1, H36M17, points, rate))
    return motions


def read_skeleton(path: Path | str) -> Skeleton:
    """The bones of an .asf file by name, the root first, parents before their children.

    ValueError names the file and what in it is missing, or says something else than the database's.
    """
    path = Path(path)
    sections = _sections(read_text(path, most=MOST, errors="replace"))
    if missing := {"units", "bonedata", "hierarchy"} - set(sections):
        raise ValueError(f"{path}: no section {sorted(missing)}: not a whole .asf file; {SOURCE}")
    units = dict(re.findall(r"(\w+)\s+(\S+)", sections["units"]))
    try:
        if (float(units["length"]), units["angle"]) != (0.45, "deg"):
            raise ValueError(f"units {units}; the database has length 0.45 and angle deg")
        bones = {"root": _root(sections.get("root", ""))}
        shapes = [_shape(block) for block in _blocks(sections["bonedata"])]
        shapes = {name: shape for name, *shape in shapes}
        pairs = [line.split() for line in _blocks(sections["hierarchy"])[0].splitlines()]
        above = {child: parent for parent, *kids in filter(None, pairs) for child in kids}
        while above:
            ready = [child for child, parent in above.items() if parent in bones]
            if not ready:
                raise ValueError(f"the hierarchy does not lead from the root to {sorted(above)}")
            for child in ready:
                bones[child] = Bone(above.pop(child), *shapes[child])
        if lacking := [end for end in ENDS if end not in bones]:
            raise ValueError(f"it has no bones {', '.join(lacking)}, as the database's people have")
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"{path}: not a whole .asf file of CMU's: {error}; {SOURCE}") from error
    return bones


def read_joints(path: Path | str, bones: Skeleton) -> Float[np.ndarray, "T 17 3"]:
    """The 17 joints of an .amc file at the rate of the file, world mm, z up."""
    tracks = _read_tracks(Path(path))
    counts = {name: track.shape[1] for name, track in tracks.items()}
    if counts.get("root") != len(MOVES):
        raise ValueError(f"{path}: root needs 6 numbers a frame, {' '.join(MOVES)}")
    for name, bone in bones.items():
        if bone.angles and counts.get(name) != len(bone.angles):
            raise ValueError(f"{path}: bone {name} does not fit the skeleton beside it")
    root = tracks["root"][:, list(bones["root"].angles)]
    ends = {"root": root[:, :3] * UNIT}
    turns = {"root": _turn(root[:, 3:], bones["root"].order)}
    for name, bone in list(bones.items())[1:]:
        turn = turns[bone.parent]
        if bone.angles:
            angles = np.zeros((len(turn), 3))
            angles[:, list(bone.angles)] = tracks[name]
            turn = turn @ (bone.axes @ _turn(angles, bone.order) @ bone.axes.T)
        turns[name] = turn
        ends[name] = ends[bone.parent] + turn @ bone.offset
    return _in_world(np.stack([ends[end] for end in ENDS], axis=1), Path(path))


def _read_bvh(path: Path) -> tuple[Float[np.ndarray, "T 17 3"], float]:
    joints, recorded = cmu_bvh.read_joints(path, MOST)
    return _in_world(joints * UNIT, path), recorded


def _in_world(joints: Float[np.ndarray, "T 17 3"], path: Path) -> Float[np.ndarray, "T 17 3"]:
    """Joints in mm, y up, with z up; ValueError, naming the file, for what can't be people."""
    joints = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    check_poses(torch.from_numpy(joints), str(path))
    return joints


def _sections(text: str) -> dict[str, str]:
    """The text after each `:keyword` of an .asf file."""
    pieces = re.split(r"^:(\w+)", re.sub(r"#.*", "", text), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _blocks(section: str) -> list[str]:
    return re.findall(r"^\s*begin\b(.*?)^\s*end\b", section, flags=re.MULTILINE | re.DOTALL)


def _words(block: str) -> dict[str, list[str]]:
    """The words of each line behind its first."""
    return {words[0]: words[1:] for words in map(str.split, block.splitlines()) if words}


def _root(block: str) -> Bone:
    """The root: where TX to RZ stand in the motion, and in which order it turns."""
    lines = _words(block)
    order = [word.upper() for word in lines.get("order", MOVES)]
    if sorted(order) != sorted(MOVES):
        raise ValueError(f"root order {' '.join(order)}: not each of {' '.join(MOVES)} once")
    for name in ("position", "orientation"):
        if any(float(value) for value in lines.get(name, ())):
            raise ValueError(f"root {name} {' '.join(lines[name])}; only 0 0 0 is read")
    places = tuple(order.index(move) for move in MOVES)
    return Bone("", np.zeros(3), np.eye(3), places, _axes(*lines.get("axis", ["XYZ"])))


def _shape(block: str) -> tuple[str, np.ndarray, np.ndarray, tuple[int, ...], str]:
    """Name, offset, axes, angles and their order of a bone, from its block of an .asf file."""
    lines = _words(block)
    *angles, order = lines["axis"]
    offset = np.array(lines["direction"], dtype=float) * float(lines["length"][0]) * UNIT
    axes = _turn(np.array([angles], dtype=float), _axes(order))[0]
    turns = tuple(("rx", "ry", "rz").index(turn) for turn in lines.get("dof", []))
    return lines["name"][0], offset, axes, turns, order


def _axes(order: str) -> str:
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"axis order {order}: not each of X, Y, Z once")
    return order


def _read_tracks(path: Path) -> dict[str, Float[np.ndarray, "T K"]]:
    """Each bone's K numbers in every frame of an .amc file.

    Every frame lists the same bones in the same order, so the file is one table: the names are
    checked against the first frame's and the rest is read at once.
    """
    text = "\n" + read_text(path, lines=True, most=MOST, errors="replace")
    begin = re.search(r"\n\s*\d+\s*\n", text)
    if stated := re.search(r"\n:RADIANS\b", text, re.IGNORECASE):
        raise ValueError(f"{path}: {stated[0].strip()}; only degrees, the database's, are read")
    if begin is None:
        raise ValueError(f"{path}: no frames: not a whole .amc file; {SOURCE}")
    body = text[begin.start() :]
    names = re.findall(r"\n([A-Za-z]\w*)", body)
    first = re.split(r"\n\s*\d+\s*\n", body, maxsplit=2)[1].split("\n")
    layout = [(words[0], len(words) - 1) for words in map(str.split, first) if words]
    width = 1 + sum(count for _, count in layout)
    try:
        numbers = np.array(re.sub(r"\n[A-Za-z]\w*", " ", body).split(), dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {SOURCE}") from error
    count = len(numbers) // width
    if len(numbers) % width or names != [name for name, _ in layout] * count:
        raise ValueError(f"{path}: ends or breaks after {count} whole frames; {SOURCE}")
    table = numbers.reshape(count, width)
    if (np.diff(table[:, 0]) != 1).any():
        raise ValueError(f"{path}: frames are not numbered one after the other; {SOURCE}")
    if not np.isfinite(table).all():
        raise ValueError(f"{path}: {(~np.isfinite(table)).sum()} values are not numbers; {SOURCE}")
    columns = np.split(table[:, 1:], np.cumsum([count for _, count in layout])[:-1], axis=1)
    return {name: column for (name, _), column in zip(layout, columns, strict=True)}


def _turn(degrees: Float[np.ndarray, "T 3"], order: str) -> Float[np.ndarray, "T 3 3"]:
    """Rotations by angles about x, y and z, one after the other about the fixed axes of `order`."""
    angles = degrees[:, ["XYZ".index(axis) for axis in order]]
    return Rotation.from_euler(order.lower(), angles, degrees=True).as_matrix()


def _begun(joints: Float[np.ndarray, "T 17 3"]) -> Float[np.ndarray, "U 17 3"]:
    """Without the frames before the recording, at rest at the origin."""
    begun = joints[:, PELVIS].any(axis=1)
    return joints[begun.argmax() :]


def _resample(
    joints: Float[np.ndarray, "T 17 3"], recorded: float, rate: float
) -> Float[np.ndarray, "U 17 3"]:
    step = recorded / rate
    times = np.arange(int((len(joints) - 1) / step + 1e-9) + 1) * step
    before = np.minimum(times.astype(int), len(joints) - 1)
    after = np.minimum(before + 1, len(joints) - 1)
    weight = (times - before)[:, None, None]
    return joints[before] * (1 - weight) + joints[after] * weight
