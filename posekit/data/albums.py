import hashlib
from dataclasses import dataclass, replace

import pandas as pd
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from posekit.data.batch import Batch, join
from posekit.data.mixture import BOUCHIAT_POINTS, as_skeleton, flattened
from posekit.data.pictures import Pictures, draw


def single(count: int) -> pd.DataFrame:
    """Rows as of `PoseSet.frames` for single pictures of nobody in particular.

    All share one nameless subject and action, so that a card gives its headline number alone.
    """
    names = dict.fromkeys(("subject", "action", "camera"), "")
    return pd.DataFrame({**names, "take": 1, "frame": range(count)})


TOGETHER = 64  # pictures that are looked at in one go when nothing is learnt


def light(images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """What a network is given: 0 to 1, channels last in memory, which convolutions like."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Album:
    """Pictures in memory: what a run learns from, or is tested on.

    `heads` are head sizes after MPII, px of the pictures; NaN where nobody knows one.
    """

    name: str
    version: str
    batch: Batch
    heads: Float[Tensor, " B"]

    def __len__(self) -> int:
        return len(self.batch)

    def fingerprint(self) -> str:
        """A short hash of every byte."""
        digest = hashlib.sha256(self.batch.skeleton.name.encode())
        for name, tensor in [*self.batch.tensors(), ("heads", self.heads)]:
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Filmed:
    """Pictures in memory, and of each the subject, action, take, camera and frame."""

    album: Album
    frames: pd.DataFrame

    @property
    def name(self) -> str:
        return self.album.name

    @property
    def version(self) -> str:
        return self.album.version

    def __len__(self) -> int:
        return len(self.album)

    def fingerprint(self) -> str:
        return self.album.fingerprint()

    @property
    def root_depths(self) -> Float[Tensor, " B"]:
        """True depths of the pelvis, mm."""
        skeleton = self.album.batch.skeleton
        return self.album.batch.joints3d[:, skeleton.root, 2]


class _Sparse(Pictures):
    """Every `step`-th of some pictures."""

    def __init__(self, pictures: Pictures, step: int):
        self.pictures, self.step, self.skeleton = pictures, step, pictures.skeleton
        self.name, self.version = pictures.name, pictures.version

    def __len__(self) -> int:
        return (len(self.pictures) + self.step - 1) // self.step

    def sample(self, index: int) -> Batch:
        return self.pictures.sample(index * self.step)


def film(pictures: Pictures, label: str, step: int = 1, workers: int | None = None) -> Filmed:
    """Every `step`-th picture, in memory, drawn by so many processes or one a core."""
    frames = pictures.frames.iloc[::step].reset_index(drop=True)
    return Filmed(album(_Sparse(pictures, step), label, workers), frames)


def album(pictures: Pictures, label: str, workers: int | None = None) -> Album:
    """Pictures in memory to learn from; head sizes, which nobody asks for here, are NaN."""
    batch = draw(pictures, label, workers)
    return Album(pictures.name, pictures.version, batch, torch.full((len(batch),), torch.nan))


def mix(one: Album, another: Album) -> Album:
    """Two albums as one, the second without its depths, as `Mixed` joins two data sets.

    Joints that the first one's skeleton has and the second's has not are unknown.
    """
    flat = as_skeleton(flattened(another.batch), one.batch.skeleton, BOUCHIAT_POINTS)
    first = replace(one.batch, masks=None, parts=None)
    names = (f"{getattr(one, part)}+{getattr(another, part)}" for part in ("name", "version"))
    return Album(*names, join([first, flat]), torch.cat([one.heads, another.heads]))


def together(one: Album, another: Album) -> Album:
    """Two albums as one, with all that is known of the pictures of both."""
    names = (f"{getattr(one, part)}+{getattr(another, part)}" for part in ("name", "version"))
    batches = [replace(each.batch, masks=None, parts=None) for each in (one, another)]
    return Album(*names, join(batches), torch.cat([one.heads, another.heads]))


def masked(pictures: Pictures, name: str, label: str, workers: int | None = None) -> Filmed:
    """Single pictures in memory with their silhouettes and parts, under a data set's name."""
    batch = draw(pictures, label, workers, masks=True)
    heads = torch.full((len(batch),), torch.nan)
    return Filmed(Album(name, pictures.version, batch, heads), single(len(batch)))


def renamed(filmed: Filmed, name: str) -> Filmed:
    """The pictures under another data set's name, with the column `inside` that MPI-INF-3DHP's
    cards ask for: whether all joints lie within the picture."""
    album = filmed.album
    frames = filmed.frames.assign(inside=inside(album.batch).numpy())
    return Filmed(Album(name, album.version, album.batch, album.heads), frames)


def inside(batch: Batch) -> Bool[Tensor, " B"]:
    """Whether all joints of a picture lie within it."""
    height, width = batch.size
    reach = batch.joints2d.new_tensor([width, height])
    return ((batch.joints2d >= 0) & (batch.joints2d < reach)).all(-1).all(-1)
