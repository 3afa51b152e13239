"""Readers of data sets, one a module: 3D poses as a `PoseSet`, pictures as `Pictures` of `People`."""

from pathlib import Path


def folders(text: str, known: tuple[str, ...]) -> dict[str, Path]:
    """The folders of "NAME=FOLDER,NAME=FOLDER", the form of a notebook's `data` parameter.

    Raises ValueError for another form or a name that isn't `known`, FileNotFoundError for a folder
    that isn't there.
    """
    chosen = {}
    for word in filter(None, text.split(",")):
        name, separator, folder = word.partition("=")
        if not separator or name not in known:
            raise ValueError(f"data: {word!r} is not NAME=FOLDER with a name of {', '.join(known)}")
        chosen[name] = Path(folder).expanduser()
        if not chosen[name].is_dir():
            raise FileNotFoundError(f"data: there is no folder {folder} for {name}")
    return chosen
