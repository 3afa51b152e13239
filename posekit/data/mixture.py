"""Several picture data sets as one, of one skeleton: pictures with 3D joints beside others without.

How papers mix Human3.6M and MPII:

- Bouchiat et al.: one after the other, shuffled, so shares go by the sets' sizes (their code
  concatenates the sets): no `shares`, `stand_ins` BOUCHIAT_POINTS
- Sun et al. (ECCV 2018): in every epoch all of MPII and as many pictures of Human3.6M, drawn anew:
  `shares` (1, 1), `length` two MPIIs times the epochs, of which each takes the next stretch, and
  `stand_ins` `skeleton.MOON_POINTS`
- Moon et al. (ICCV 2019): the same share of each, the smaller ones several times: `shares` (1, 1)

N pictures of all sets; J joints of the skeleton.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from posekit.data.batch import UNKNOWN, Batch, join
from posekit.data.pictures import Pictures, dice
from posekit.geometry.skeleton import H36M17, SAME_POINT, Skeleton, convert

BOUCHIAT_POINTS = {"thorax": ("mid_shoulders",), "neck_nose": ("neck",), "head": ("head_top",)}
"""What Bouchiat et al. take from MPII for joints of Human3.6M that it lacks: those that their code,
kaufmann-a/ETH_MP-Human-Pose-Prediction, gives the same name. The spine has no stand-in. They are
other points: on 60 of the studio's strangers they lie 40, 82 and 51 mm apart on average."""

Number = int | float


@dataclass(frozen=True)
class Turns:
    """Which pictures of an album of several sets, one after the other, an epoch shows.

    `sizes` are the sets' numbers of pictures and `shares` their parts of an epoch of `length`
    pictures. Every set shows all of its pictures, in an order of its own, before any again, whatever
    epoch that falls into. Errors as those of `Mixed`.
    """

    sizes: tuple[int, ...]
    shares: tuple[Number, ...]
    length: int

    def __post_init__(self):
        _check_shares(self.shares, len(self.sizes))
        if not all(self.sizes):
            raise ValueError(f"nothing to mix: the sets have {list(self.sizes)} pictures")

    def __len__(self) -> int:
        return self.length

    def epoch(self, number: int) -> Int64[Tensor, " N"]:
        """The rows of the album that this epoch, from 0, shows: first those of the first set.

        A further call gives the same tensor: not to be written to.
        """
        return _epoch(self, number)


@lru_cache(maxsize=4)  # every batch asks for the rows of its epoch, drawn from epoch 0 on
def _epoch(turns: Turns, number: int) -> Int64[Tensor, " N"]:
    rows, start = [], 0
    counts = _counts(list(turns.sizes), turns.shares, turns.length)
    for which, (size, count) in enumerate(zip(turns.sizes, counts, strict=True)):
        shown = _order(size, count * (number + 1), (17, which))[count * number :]
        rows.append(shown + start)
        start += size
    return torch.from_numpy(np.concatenate(rows))


class Mixed(Pictures):
    """Pictures of several `sets` with the joints of `skeleton`.

    Without `shares` every picture is there once, one set after the other. With them, sets take
    turns so that any stretch of indices has the shares, to a picture or two: batches need no
    shuffling. A set's pictures come in an order drawn from `seed`, all once before any comes again.
    `length` pictures then make the whole; without it, as few as show all pictures of all sets.

    Joints a set lacks are UNKNOWN; `stand_ins` are as `skeleton.convert` takes them: {} takes those
    of the same name only, and those in the middle of two. `flat` are the numbers of sets whose 3D
    joints and bodies are withheld, such as `Wild` in MPII's place. Silhouettes and parts are left
    out: real sets have none. Of picture i, `which[i]` is the set and `rows[i]` its number there.

    ValueError for no or empty sets, shares that are not one positive number each, a length without
    shares, and sets whose pictures differ in size.
    """

    def __init__(
        self,
        sets: Sequence[Pictures],
        shares: Sequence[Number] | None = None,
        *,
        length: int | None = None,
        skeleton: Skeleton = H36M17,
        stand_ins: Mapping[str, tuple[str, ...]] = SAME_POINT,
        flat: Collection[int] = (),
        seed: int = 0,
    ):
        self.sets, self.skeleton = tuple(sets), skeleton
        self.stand_ins, self.flat = dict(stand_ins), frozenset(flat)
        if not self.sets or not all(len(each) for each in self.sets):
            raise ValueError(
                f"nothing to mix: the sets have {[len(e) for e in self.sets]} pictures"
            )
        if unknown := self.flat - set(range(len(self.sets))):
            raise ValueError(f"no sets {sorted(unknown)}: there are {len(self.sets)}, from 0")
        sizes = [len(each) for each in self.sets]
        if shares is None:
            if length is not None:
                raise ValueError("a length needs shares: without them every picture is there once")
            self.which = np.repeat(np.arange(len(sizes)), sizes)
            self.rows = np.concatenate([np.arange(size) for size in sizes])
        else:
            _check_shares(shares, len(sizes))
            counts = _counts(sizes, shares, length)
            self.which = _turns(counts)
            self.rows = np.empty(sum(counts), dtype=np.int64)
            for number, (size, count) in enumerate(zip(sizes, counts, strict=True)):
                self.rows[self.which == number] = _order(size, count, (seed, 16, number))
        self.name = "+".join(each.name for each in self.sets)
        self.version = "+".join(each.version for each in self.sets)
        # Fails here, and not in the middle of a training, when sets do not go together.
        join([self._converted(number, 0) for number in range(len(self.sets))])

    def __len__(self) -> int:
        return len(self.which)

    def sample(self, index: int) -> Batch:
        batch = self._converted(int(self.which[index]), int(self.rows[index]))
        return replace(batch, index=torch.tensor([index]))

    def _converted(self, number: int, row: int) -> Batch:
        """A set's picture with the joints of the mixture."""
        batch = replace(self.sets[number].sample(row), masks=None, parts=None)
        if number in self.flat:
            batch = flattened(batch)
        return as_skeleton(batch, self.skeleton, self.stand_ins)


def as_skeleton(
    batch: Batch, skeleton: Skeleton, stand_ins: Mapping[str, tuple[str, ...]] = SAME_POINT
) -> Batch:
    """The batch with the joints of another skeleton, by name, as `skeleton.convert`.

    Joints it does not have are UNKNOWN. One made from the middle of two is known if both are and
    SEEN if both are seen.
    """
    if batch.skeleton == skeleton:
        return batch
    known = (batch.visible != UNKNOWN)[..., None]
    pose = torch.cat([batch.joints2d, batch.joints3d, batch.visible[..., None]], dim=-1)
    pose = pose.masked_fill(~known, torch.nan)
    pose = convert(pose, batch.skeleton, skeleton, stand_ins=stand_ins).pose.nan_to_num(0.0)
    return replace(
        batch,
        skeleton=skeleton,
        joints2d=pose[..., :2],
        joints3d=pose[..., 2:5],
        visible=pose[..., 5].floor().to(torch.uint8),
    )


def flattened(batch: Batch) -> Batch:
    """The batch without what it knows in 3D."""
    unknown = ("joints3d", "has_joints3d", "rotations", "shape", "translation", "has_body")
    return replace(batch, **{name: torch.zeros_like(getattr(batch, name)) for name in unknown})


def _check_shares(shares: Sequence[Number], sets: int) -> None:
    if len(shares) != sets or not all(math.isfinite(each) and each > 0 for each in shares):
        raise ValueError(
            f"shares {list(shares)} are not one positive number for each of {sets} sets"
        )


def _counts(sizes: list[int], shares: Sequence[Number], length: int | None) -> list[int]:
    """How many pictures each set gives: its share of the length, rounded by largest remainders."""
    parts = np.array(shares, dtype=np.float64) / sum(shares)
    if length is None:
        # A hair less, so that rounding of the quotient asks for no picture more.
        length = math.ceil((np.array(sizes) / parts).max() * (1 - 1e-12))
    if length < 1:
        raise ValueError(f"length {length} must be 1 or more")
    exact = parts * length
    counts = np.floor(exact + 1e-9).astype(int)
    rest = length - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return counts.tolist()


def _turns(counts: list[int]) -> Int64[np.ndarray, " N"]:
    """Whose turn it is, each set's turns evenly spread."""
    moments = np.concatenate([(np.arange(count) + 0.5) / count for count in counts if count])
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(moments, kind="stable")]


def _order(size: int, count: int, key: tuple[int, ...]) -> Int64[np.ndarray, " M"]:
    """`count` numbers below `size`, each pass over all of them in an order of its own."""
    passes = [dice(*key, k).permutation(size) for k in range(-(-count // size))]
    return np.concatenate([*passes, np.empty(0, dtype=np.int64)])[:count]
