"""Pictures on their way to a network: samples by index, loaded by workers, kept on disk if wished.

A data set of pictures answers one question, `sample(index)`, and the answer depends on nothing but
the index: batches, workers and order change no byte.
"""

import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from posekit.data.batch import Batch, join
from posekit.geometry.skeleton import Skeleton
from posekit.system import progress, write_whole

DRAWN_TOGETHER = 16  # pictures that a worker draws at a time


class Pictures(ABC):
    """Pictures of one person each, by index."""

    name: str  # of the data set, as numbers measured on it are marked
    version: str
    skeleton: Skeleton

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def sample(self, index: int) -> Batch:
        """One picture as a batch of one; the same bytes for the same index."""

    def __getitem__(self, indices: Iterable[int] | Tensor | slice | int) -> Batch:
        """The pictures of these indices, in order; IndexError names one that is not there."""
        if isinstance(indices, slice):
            indices = range(len(self))[indices]
        elif isinstance(indices, int):
            indices = [indices]
        chosen = [int(index) for index in indices]
        if wrong := [index for index in chosen if not 0 <= index < len(self)]:
            raise IndexError(f"no picture {wrong[0]}: there are {len(self)}, counted from 0")
        return join([self.sample(index) for index in chosen])

    def fingerprint(self) -> str:
        """A short hash of the first, middle and last pictures with their labels."""
        digest = hashlib.sha256(f"{len(self)} {self.skeleton.name}".encode())
        for index in sorted({0, len(self) // 2, len(self) - 1}):
            digest.update(_pack(self.sample(index)))
        return digest.hexdigest()[:16]


def draw(
    pictures: Pictures, label: str, workers: int | None = None, *, masks: bool = False
) -> Batch:
    """All the pictures, drawn by so many processes, or by one a core; without masks and parts,
    two bytes a pixel beside the three of its colours, if these aren't asked for."""
    batches = torch.arange(len(pictures)).split(DRAWN_TOGETHER)
    if workers is None:
        workers = min(os.cpu_count() or 1, len(batches))
    drawn = loader(pictures, [part.tolist() for part in batches], workers=workers)
    parts = progress(drawn, label, total=len(batches))
    return join([each if masks else replace(each, masks=None, parts=None) for each in parts])


def check_size(size: int) -> None:
    """ValueError for the side of a picture that is no number of pixels, or too few of them."""
    if not isinstance(size, int) or not 16 <= size <= 1024:
        raise ValueError(
            f"size {size!r} is the pixels of a square's side: a whole number, 16 to 1024"
        )


def loader(
    pictures: Pictures, batches: Sequence[Sequence[int]], *, workers: int = 0
) -> Iterator[Batch]:
    """`batches` of indices as `Batch`es, drawn ahead by `workers` processes of one thread each.

    Workers start once a call and live until the last batch: give all the batches of a training. They
    import the script they were started from, so in a script this stands under
    `if __name__ == "__main__":`.
    """
    return iter(
        DataLoader(
            pictures,
            sampler=batches,
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_alone,
            prefetch_factor=2 if workers else None,
            # A fork would inherit OpenCV's and OpenMP's locks without the threads that hold them.
            multiprocessing_context="forkserver" if workers else None,
        )
    )


def _alone(_worker: int) -> None:
    """One thread a worker: more of them only wait for each other."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class Cached(Pictures):
    """Pictures that are drawn once and then read from `folder`, at most `limit` bytes of them.

    A sample's file begins with the SHA-256 of the rest; one that does not match is drawn and
    written again. Other pictures go to another subfolder, named after their fingerprint.
    """

    def __init__(self, pictures: Pictures, folder: Path | str, limit: int = 10 * 2**30):
        self.pictures, self.skeleton = pictures, pictures.skeleton
        self.name, self.version = pictures.name, pictures.version
        self.folder = Path(folder) / pictures.fingerprint()
        # Samples are all of one size, so the bound is a number of samples: no worker need ask
        # another how much there is by now.
        one = len(self._packed(0))
        self.kept = limit // one
        if self.kept < 1:
            raise ValueError(f"a limit of {limit} bytes holds no picture: one takes {one}")

    def __len__(self) -> int:
        return len(self.pictures)

    def _packed(self, index: int) -> bytes:
        return _pack(self.pictures.sample(index))

    def sample(self, index: int) -> Batch:
        if index >= self.kept:
            return self.pictures.sample(index)
        path = self.folder / f"{index // 1000:04d}" / f"{index:08d}.sample"
        if path.is_file() and (known := _unpack(path.read_bytes(), self.skeleton)):
            return known
        batch = self.pictures.sample(index)
        write_whole(path, lambda part: part.write_bytes(_pack(batch)))
        return batch


def _pack(batch: Batch) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name: tensor.numpy() for name, tensor in batch.tensors()})
    content = stream.getvalue()
    return hashlib.sha256(content).digest() + content


def _unpack(packed: bytes, skeleton: Skeleton) -> Batch | None:
    """The sample, or None if a byte of it is not as it was written."""
    if hashlib.sha256(packed[32:]).digest() != packed[:32]:
        return None
    with np.load(io.BytesIO(packed[32:]), allow_pickle=False) as arrays:
        return Batch(skeleton, **{name: torch.from_numpy(arrays[name]) for name in arrays.files})


# FOLDED posekit.data.dice: Random numbers that depend on nothing but their key.


def dice(*key: int) -> np.random.Generator:
    """A generator for this key: the same numbers whatever else was drawn before."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
