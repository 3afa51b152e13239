"""Pictures kept on disk once they are drawn or cropped: for every notebook, seed and process.

A kept batch is a folder: `images`, the bytes of all pictures one after the other, which are mapped
into memory and not read into it, and `labels`, everything else and the digest of `images`. Between
processes its pictures travel as their path, once this was deleted as pixels. The folders lie beside
each other and are bounded together, to 50 GB or POSEKIT_PICTURES_GB: those that nobody read for
longest go first, and none that is being made or read, or whose pictures this process still holds.

B pictures, H x W pixels.
"""

import contextlib
import copyreg
import hashlib
import io
import math
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from posekit.data.batch import Batch
from posekit.geometry.skeleton import Skeleton
from posekit.system import file_digest, read_sealed, write_sealed

LIMIT = "POSEKIT_PICTURES_GB"  # environment variable: how much all kept pictures may take
DEFAULT_LIMIT = 50
HELD = WeakTensorKeyDictionary()  # mapped pictures that this process holds -> their path


def kept(folder: Path, key: str, skeleton: Skeleton, make: Callable[[], Iterable[Batch]]) -> Batch:
    """The pictures kept as `folder`/`key`, made first where they are not there.

    `make` yields them in batches, which go to disk one by one: all of them need not fit in memory.
    Interrupted, it leaves nothing that counts. Pictures that are not as they were written are named
    and made again. OSError where they can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            place = folder / key
            if (batch := _whole(place, skeleton)) is None:
                _make(place, make())
                batch = load(place, skeleton)
                _make_room(folder, place)
            return batch
    except OSError as error:
        raise OSError(
            f"can't keep pictures in {folder}: {error}; free some space, or set POSEKIT_CACHE to "
            "another folder"
        ) from error


def _whole(place: Path, skeleton: Skeleton) -> Batch | None:
    """The batch in a folder; None where there is none or it is damaged."""
    if not place.is_dir():
        return None
    try:
        batch = load(place, skeleton, check=True)
        os.utime(place)  # when it was read
        return batch
    except Exception as error:  # noqa: BLE001 (torch raises many kinds)
        print(f"{place} is damaged ({error}); it is made again", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)  # it may be gone
        return None


def load(place: Path, skeleton: Skeleton, *, check: bool = False) -> Batch:
    """The batch in a folder, its pictures mapped into memory.

    FileNotFoundError where it was deleted. With `check` every byte is read, and ValueError says
    what is not as it was written.
    """
    content = io.BytesIO(read_sealed(place / "labels"))
    about = torch.load(content, weights_only=True)
    path, count = place / "images", math.prod(about["shape"])
    if path.stat().st_size != count or (check and file_digest(path) != about["digest"]):
        raise ValueError(f"{path} is not as it was written")
    return Batch(skeleton=skeleton, images=_mapped(path, *about["shape"]), **about["labels"])


def _mapped(path: Path, *shape: int) -> UInt8[Tensor, "B 3 H W"]:
    """The pictures in a file; what is written to them stays in this process."""
    count = math.prod(shape)
    images = torch.from_file(str(path), shared=False, size=count, dtype=torch.uint8).view(shape)
    images.kept = path  # of this very tensor: what is made of it has none
    HELD[images] = path
    return images


def _make(place: Path, batches: Iterable[Batch]) -> None:
    """Write batches to a folder that appears when all of them are there."""
    for part in place.parent.glob(f".{place.name}.*"):  # of a process that was killed
        shutil.rmtree(part)
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}")
    try:
        part.mkdir()
        _write(part, batches)
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(part: Path, batches: Iterable[Batch]) -> None:
    labels, digest, shape = [], hashlib.sha256(), [0]
    with (part / "images").open("wb") as file:
        for batch in batches:
            content = batch.images.contiguous().numpy().tobytes()
            file.write(content)
            digest.update(content)
            shape = [shape[0] + len(batch), *batch.images.shape[1:]]
            labels.append({k: v for k, v in batch.tensors() if k != "images"})
        file.flush()
        os.fsync(file.fileno())
    together = {name: torch.cat([each[name] for each in labels]) for name in labels[0]}
    content = io.BytesIO()
    torch.save({"labels": together, "shape": shape, "digest": digest.hexdigest()}, content)
    write_sealed(part / "labels", content.getvalue())


def _make_room(folder: Path, newest: Path) -> None:
    """Delete kept pictures, the longest unread first, until the rest is within the limit."""
    limit, found = float(os.environ.get(LIMIT, DEFAULT_LIMIT)) * 1e9, []
    for place in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process makes room, too
            if place.is_dir() and place.name[0] != ".":
                size = sum(file.stat().st_size for file in place.iterdir())
                found.append((place != newest, -place.stat().st_mtime, place, size))
    for *_, place, size in sorted(found):
        limit -= size
        if limit < 0 and place / "images" not in HELD.values():
            # Whoever makes or reads it has its lock, and so has this process that of the newest.
            with contextlib.suppress(Timeout), FileLock(f"{place}.lock", timeout=0):
                shutil.rmtree(place, ignore_errors=True)


def _reduced(batch: Batch) -> tuple:
    """How a batch travels to another process: pictures that are still kept go as their path."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    if (path := getattr(batch.images, "kept", None)) and path.exists():
        values["images"] = (path, *batch.images.shape)
    return _restored, (values,)


def _restored(values: dict) -> Batch:
    """The batch that `_reduced` took apart. OSError for pictures that were deleted since."""
    if isinstance(values["images"], tuple):
        values["images"] = _mapped(*values["images"])
    return Batch(**values)


copyreg.pickle(Batch, _reduced)
