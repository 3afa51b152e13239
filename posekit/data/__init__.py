"""Readers of data sets, one a module: 3D poses as a `PoseSet`, pictures as `Pictures` of `People`."""

import re
from collections.abc import Iterable
from pathlib import Path

from posekit.system import need_folder

FILES = ("published",)
"""Data sets that may be one file as well as a folder."""


def folders(text: str, known: tuple[str, ...]) -> dict[str, Path]:
    """The folders of "NAME=FOLDER,NAME=FOLDER", the form of a notebook's `data` parameter.

    A comma is part of a folder's name unless the next NAME= follows it. Raises ValueError for another
    form, a name that isn't `known` or is there twice, FileNotFoundError for a folder that isn't there.
    """
    chosen = {}
    for word in filter(None, re.split(rf",(?=(?:{'|'.join(map(re.escape, known))})=)", text)):
        name, separator, folder = word.partition("=")
        if not separator or name not in known:
            raise ValueError(f"data: {word!r} is not NAME=FOLDER with a name of {', '.join(known)}")
        if name in chosen:
            raise ValueError(f"data: {name} is there twice, {chosen[name]} and {folder}")
        chosen[name] = Path(folder).expanduser()
        need_place(name, chosen[name], "data: ", f" for {name}")
    return chosen


def need_place(name: str, place: Path, where: str = "", whose: str = "") -> None:
    """As `need_folder`; the data sets of FILES may be a file as well."""
    if name not in FILES or not place.is_file():
        need_folder(place, where, whose)


def only(files: Iterable[Path], what: str) -> Path | None:
    """The one file that there is of `what`, None where there is none; ValueError for several."""
    there = [file for file in files if file.is_file()]
    if len(there) > 1:
        raise ValueError(f"{what} twice: {there[0]} and {there[1]}; move one of them away")
    return there[0] if there else None
