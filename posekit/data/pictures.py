"""Pictures on their way to a network: samples by index, loaded in batches by worker processes.

A data set of pictures answers one question, `sample(index)`, and the answer depends on nothing but
the index: batches, workers and order change no byte.
"""

import hashlib
import io
import multiprocessing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from posekit.data.batch import Batch, join
from posekit.geometry.skeleton import Skeleton
from posekit.system import cores, progress

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
            file = io.BytesIO()
            batch = self.sample(index)
            np.savez(file, **{name: tensor.numpy() for name, tensor in batch.tensors()})
            digest.update(hashlib.sha256(file.getvalue()).digest() + file.getvalue())
        return digest.hexdigest()[:16]


def draw(
    pictures: Pictures | Subset, label: str, workers: int | None = None, *, masks: bool = False
) -> Batch:
    """All the pictures as one batch; arguments as of `drawn`."""
    return join(list(drawn(pictures, label, workers, masks=masks)))


def drawn(
    pictures: Pictures | Subset, label: str, workers: int | None = None, *, masks: bool = False
) -> Iterator[Batch]:
    """All the pictures in batches, drawn by so many processes, or one a core (None).

    Without masks and parts, two bytes a pixel beside the three of its colours, unless asked for.
    """
    batches = torch.arange(len(pictures)).split(DRAWN_TOGETHER)
    if workers is None:
        workers = min(cores(), len(batches))
    parts = loader(pictures, [part.tolist() for part in batches], workers=workers)
    for batch in progress(parts, label, total=len(batches)):
        yield batch if masks else replace(batch, masks=None, parts=None)


def height_width(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of pictures, px, of a square's side or of both.

    ValueError for a side that is no number of pixels, or too few of them.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(n, int) and 16 <= n <= 1024 for n in sides):
        raise ValueError(
            f"size {size!r} is the pixels of a square's side, or of height and width: whole "
            "numbers, 16 to 1024"
        )
    return sides


def loader(
    pictures: Pictures | Subset, batches: Sequence[Sequence[int]], *, workers: int = 0
) -> Iterator[Batch]:
    """`batches` of indices as `Batch`es, drawn ahead by `workers` processes of one thread each.

    Workers start once a call and live until the last batch: pass all the batches of a training.
    They import the script they were started from, so in a script this stands under
    `if __name__ == "__main__":`.
    """
    if workers:  # import once, in the server that workers are forked from
        multiprocessing.set_forkserver_preload([__name__, type(pictures).__module__])
    return iter(
        DataLoader(
            pictures,
            sampler=batches,
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_single_thread,
            prefetch_factor=2 if workers else None,
            # A fork would inherit OpenCV's and OpenMP's locks without the threads that hold them.
            multiprocessing_context="forkserver" if workers else None,
        )
    )


def _single_thread(_worker: int) -> None:
    """One thread a worker: more of them only wait for each other."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def dice(*key: int) -> np.random.Generator:
    """A random generator for this key: the same numbers whatever else was drawn before."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
