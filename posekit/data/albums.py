"""Albums: the pictures of a data set with their labels, to train networks and to test them.

N pictures, B of them in a batch, H x W pixels.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import Subset

from posekit.data.batch import Batch, join
from posekit.data.kept import kept
from posekit.data.mixture import BOUCHIAT_POINTS, Mixed, Turns, as_skeleton, flattened
from posekit.data.people import People
from posekit.data.pictures import Pictures, drawn


@dataclass(frozen=True)
class Album:
    """All pictures of a data set as one batch, and what the batch does not say of them."""

    name: str
    version: str
    batch: Batch
    frames: pd.DataFrame  # N rows: subject, action, take, camera, frame; inside (all joints are)
    heads: Float[Tensor, " N"] | None = None  # head sizes as MPII defines them, px; NaN: unknown
    occluders: tuple[UInt8[np.ndarray, "_ _ 4"], ...] = ()  # for augmentations that paste things
    share: float = 1.0  # of the pictures of an epoch that it has, less than 1 in a rehearsal
    turns: Turns | None = None  # what an epoch shows; None: every picture once
    origins: tuple[tuple[Pictures, tuple[int, ...]], ...] = ()  # data sets and the rows from them

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, chosen: slice) -> "Album":
        """The pictures of a slice."""
        heads = None if self.heads is None else self.heads[chosen]
        own = {"batch": self.batch[chosen], "frames": self.frames[chosen], "heads": heads}
        return replace(self, **own, turns=None, origins=())

    def origin(self, row: int) -> tuple[Pictures, int] | None:
        """The data set that a picture is from and its number there; None where that is not known."""
        for pictures, rows in self.origins:
            if row < len(rows):
                row = rows[row]
                if isinstance(pictures, Mixed):
                    pictures, row = pictures.sets[pictures.which[row]], int(pictures.rows[row])
                return pictures, row
            row -= len(rows)
        return None

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(self.batch.skeleton.name.encode())
        heads = [] if self.heads is None else [("heads", self.heads)]
        for name, tensor in [*self.batch.tensors(), *heads]:
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().reshape(-1).view(np.uint8))
        for cutout in self.occluders:
            digest.update(repr(cutout.shape).encode() + cutout.tobytes())
        digest.update(repr(self.turns).encode() if self.turns else b"")
        return digest.hexdigest()[:16]

    def fingerprint(self) -> str:
        """A short hash of every byte of the pictures and labels."""
        return self._digest

    @property
    def root_depths(self) -> Float[Tensor, " N"]:
        """The true depth of each person's root joint, mm."""
        return self.batch.joints3d[:, self.batch.skeleton.root, 2]


def read(
    pictures: Pictures,
    label: str = "pictures",
    *,
    step: int = 1,
    workers: int | None = None,
    masks: bool = False,
    keep: Callable[[int], Sequence[int]] = range,
    folder: Path | None = None,
    code: str = "",
) -> Album:
    """Every `step`-th picture of a data set, loaded by `workers` processes (None: one a core).

    They are in memory, or with a `folder` kept there and mapped (`posekit.data.kept`): the next
    call for the same pictures, in this process or another, loads none. The same are those of equal
    arguments, `fingerprint` and `code`, a hash of what draws them.

    Masks and part maps, two bytes a pixel, are left out unless asked for. Data sets without a table
    of frames get one that says nothing, so that a protocol gives its overall value alone. `keep`
    chooses among the pictures by their number.
    """
    whole = range(0, len(pictures), step)
    chosen = [whole[index] for index in keep(len(whole))]
    make = partial(drawn, Subset(pictures, chosen), label, workers, masks=masks)
    if folder is None:
        batch = join(list(make()))
    else:
        about = [code, masks, chosen, *_identity(pictures)]
        key = hashlib.sha256(repr(about).encode()).hexdigest()[:24]
        batch = kept(folder, key, pictures.skeleton, make)
    frames = getattr(pictures, "frames", None)
    frames = single(len(batch)) if frames is None else frames.iloc[chosen].reset_index(drop=True)
    frames = frames.assign(inside=inside(batch).numpy())
    heads = pictures.heads_in(batch).float() if hasattr(pictures, "heads_in") else None
    share = len(chosen) / len(whole) if whole else 1.0
    about = {"share": share, "origins": ((pictures, tuple(chosen)),)}
    return Album(pictures.name, pictures.version, batch, frames, heads, **about)


def _identity(pictures: Pictures) -> list[str]:
    """What tells a data set from others, beside the code that makes it."""
    about = [type(pictures).__qualname__, pictures.version, pictures.fingerprint()]
    frames, folder = getattr(pictures, "frames", None), getattr(pictures, "folder", None)
    about.append(_plain(frames))
    if folder is not None and "image" in frames:  # files that changed are pictures that changed
        paths = sorted({folder / name for name in frames["image"]})
        states = [path.stat() for path in paths if path.is_file()]
        about.append(_plain([(each.st_size, each.st_mtime_ns) for each in states]))
    return about + [f"{name}: {_plain(value)}" for name, value in sorted(vars(pictures).items())]


def _plain(value) -> str:
    """A value as text that is the same in every process; nothing for what has no such form."""
    if isinstance(value, str | int | float | range | None):
        return repr(value)
    if isinstance(value, tuple | list):
        return hashlib.sha256(repr([_plain(each) for each in value]).encode()).hexdigest()
    if isinstance(value, dict):
        return _plain(sorted((str(key), _plain(each)) for key, each in value.items()))
    if isinstance(value, np.ndarray | Tensor):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, pd.DataFrame):
        return hashlib.sha256(value.to_csv().encode()).hexdigest()
    if isinstance(value, People):
        return _plain(vars(value))
    return repr(_identity(value)) if isinstance(value, Pictures) else ""


def mix(one: Album, another: Album, *, withhold_3d: bool = False, even: bool = False) -> Album:
    """Two albums as one, with the joints of the first; masks and part maps are left out.

    Joints that the second album lacks are UNKNOWN, stand-ins are Bouchiat et al.'s. `withhold_3d`
    removes 3D joints and bodies from the second album, as if it were MPII. With `even` epochs show
    as many pictures of both, the smaller one's several times: so Moon et al. (ICCV 2019) train.
    """
    second = flattened(another.batch) if withhold_3d else another.batch
    second = as_skeleton(second, one.batch.skeleton, BOUCHIAT_POINTS)
    batches = [replace(batch, masks=None, parts=None) for batch in (one.batch, second)]
    sizes, of = (len(one), len(another)), (len(one) / one.share, len(another) / another.share)
    return Album(
        f"{one.name}+{another.name}",
        f"{one.version}+{another.version}",
        join(batches),
        pd.concat([one.frames, another.frames], ignore_index=True),
        occluders=one.occluders,
        turns=Turns(sizes, (1, 1), 2 * max(sizes)) if even else None,
        origins=one.origins + another.origins if one.origins and another.origins else (),
        share=max(sizes) / max(of) if even else sum(sizes) / sum(of),
    )


def single(count: int) -> pd.DataFrame:
    """The table of frames of single pictures, all with the same empty subject, action and camera."""
    names = dict.fromkeys(("subject", "action", "camera"), "")
    return pd.DataFrame({**names, "take": 1, "frame": range(count)})


def inside(batch: Batch) -> Bool[Tensor, " B"]:
    """Whether all joints of each picture lie within it, from 0 on and below its size.

    So SPIN chooses test frames (preprocess/mpi_inf_3dhp.py), whose protocol this is for: half a pixel
    to the lower right of `batch.within`.
    """
    height, width = batch.size
    end = batch.joints2d.new_tensor([width, height])
    return ((batch.joints2d >= 0) & (batch.joints2d < end)).all(-1).all(-1)
