"""Readers of data sets, one a module: 3D poses as a `PoseSet`, pictures as `Pictures` of `People`."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from posekit.system import need_folder

FILES = ("published",)
"""Data sets that may be one file as well as a folder."""


def split(text: str, known: Collection[str]) -> dict[str, str]:
    """What "NAME=FOLDER,NAME=FOLDER" says, the form of a notebook's `data` parameter.

    A comma is part of a folder's name unless the next NAME= follows it. Raises ValueError for another
    form, a name that isn't `known` or is there twice.
    """
    said = {}
    for word in filter(None, re.split(rf",(?=(?:{'|'.join(map(re.escape, known))})=)", text)):
        name, _, folder = word.partition("=")
        if not folder or name not in known:
            raise ValueError(f"data: {word!r} is not NAME=FOLDER with a name of {', '.join(known)}")
        if name in said:
            raise ValueError(f"data: {name} is there twice, {said[name]} and {folder}")
        said[name] = folder
    return said


def folders(text: str, known: Collection[str]) -> dict[str, Path]:
    """The folders that a text in the form of `split` says.

    Errors as `split`; FileNotFoundError for a folder that isn't there.
    """
    chosen = {name: Path(folder).expanduser() for name, folder in split(text, known).items()}
    for name, folder in chosen.items():
        need_place(name, folder, "data: ", f" for {name}")
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
