"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file and put it in the place of `path` in one step.

    A kill or a full disk leaves the old file as it was. Raises OSError naming the path and the
    remedy when it can't be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError on a full disk
        with contextlib.suppress(OSError):
            part.unlink()
        raise OSError(
            f"can't write {path}: {error}; free some space, mend its permissions, or choose "
            "another folder. Nothing already written was lost"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Put `text` in `path`, whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
