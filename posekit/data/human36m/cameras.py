"""The positions and orientations of Human3.6M's cameras, from a file that lies beside the data.

The 44 of them are licensed CC BY-NC and are not part of this package; the four intrinsics are in
`posekit.geometry.camera`. World: millimetres, z up.
"""

import ast
from pathlib import Path
from typing import Any

from posekit.data import only
from posekit.data.formats import npz, pickles, text
from posekit.geometry.camera import Camera

Cameras = dict[tuple[str, str], Camera]  # by subject ("S9") and camera ("60457274")
KEYS = ("h36m_cameras_intrinsic_params", "h36m_cameras_extrinsic_params")
REMEDY = (
    "put one of these beside it: h36m_dataset.py from the folder common of VideoPose3D "
    "(github.com/facebookresearch/VideoPose3D; CC BY-NC), the same two tables as "
    "h36m_cameras.json, or cameras.npy of EvoSkeleton (github.com/Nicholasli1995/EvoSkeleton)"
)


def find_cameras(folder: Path) -> Path:
    """The file with the cameras in `folder`; FileNotFoundError says where to get one.

    ValueError when there are two of one kind.
    """
    for pattern in ("cameras.npy", "h36m_cameras*.json", "h36m_dataset.py"):
        if file := only(sorted(folder.glob(pattern)), "cameras"):
            return file
    raise FileNotFoundError(f"{folder}: no file with the positions of the cameras; {REMEDY}")


def read_cameras(path: Path) -> Cameras:
    """Every camera in a file of VideoPose3D or EvoSkeleton, by subject and camera.

    ValueError, naming the file and where to get one, when it is damaged or another file.
    """
    try:
        if path.suffix == ".npy":
            return _martinez(npz.read(path))
        source = path.suffix == ".py"
        tables = _tables(text.read_text(path)) if source else text.read_json(path)
        return _videopose3d(*(tables[key] for key in KEYS))
    except pickles.Refused:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        message = f"{path}: no whole table of Human3.6M's cameras ({error!r}); {REMEDY}"
        raise ValueError(message) from error


def _tables(source: str) -> dict[str, Any]:
    """The two tables of VideoPose3D's source file, read as literals: nothing in it is run."""
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") in KEYS
    }


def _videopose3d(intrinsics: list[dict], extrinsics: dict[str, list[dict]]) -> Cameras:
    cameras = {}
    for subject, stands in extrinsics.items():
        for lens, stand in zip(intrinsics, stands, strict=True):
            if "orientation" in stand:  # S2 to S4 have none: their poses are not published
                cameras[subject, str(lens["id"])] = Camera.from_videopose3d(lens, stand)
    return cameras


def _martinez(table: dict[tuple[int, int], tuple]) -> Cameras:
    cameras = {}
    for (subject, _), entry in table.items():
        camera = Camera.from_martinez(entry)
        cameras[f"S{subject}", camera.name] = camera
    return cameras
