"""What may happen to a picture before a network sees it, and the dice that decide.

A `Recipe` says what may happen and how likely; `Recipe.draw` throws the dice, for each sample from
the seed, the epoch and the sample's number alone, so that a sample meets the same fate in any batch
and any worker. `posekit.augment` does what was drawn. `RECIPES` has those of four papers, by the
names that posekit gives them; each with the code, on GitHub, that its numbers were read in:

- kim: D. Kim, V. Novossyolov, Y. Nurambek, "Final Project Report - Human Pose Estimation";
  Naman-ntc/Pytorch-Human-Pose-Estimation, their reference [1] (their own code was not found).
- bouchiat: K. Bouchiat, J. Braun, A. Kaufmann, "Exploring end-to-end Human Pose Estimation via
  integrative argmax approximation ('soft-argmax')", students' report at ETH;
  kaufmann-a/ETH_MP-Human-Pose-Prediction.
- bae: H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation", of an internship in
  2021; bae3559/2021summerintern and SPIN's code, nkolot/SPIN (Kolotouros et al., ICCV 2019).
- choi2021: S. Choi, S. Choi, C. Kim, "MobileHumanPose: Toward real-time 3D human pose estimation in
  mobile devices"; SangbumChoi/MobileHumanPose.

tran2022 is not among them: it lifts 2D poses, and augments no pictures.

B samples.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from posekit.training.warp import similarities

Number = int | float


def _check_probability(name: str, value: Number) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: {value} is no probability")


@dataclass(frozen=True)
class Bell:
    """A normal distribution about 0, its tails set to the limit: spread * clip(N(0, 1), -c, c)."""

    spread: Number
    clip: Number

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(self.spread * np.clip(rng.standard_normal(), -self.clip, self.clip))


@dataclass(frozen=True)
class Even:
    """All numbers from `low` to `high` alike."""

    low: Number
    high: Number

    def __post_init__(self):
        if not self.low <= self.high:
            raise ValueError(f"no numbers lie between {self.low} and {self.high}")

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return rng.uniform(self.low, self.high)


@dataclass(frozen=True)
class Warp:
    """Mirroring, turning and zooming about the picture's centre."""

    flip: Number = 0  # probability
    turn: Bell | Even = Even(0, 0)  # degrees
    turned: Number = 1  # probability of a turn
    zoom: Bell | Even = Even(0, 0)  # by how much the crop's side grows: things shrink
    octaves: bool = False  # the side grows to 2 ** zoom, not to 1 + zoom

    def __post_init__(self):
        _check_probability("flip", self.flip)
        _check_probability("turned", self.turned)


@dataclass(frozen=True)
class Colour:
    """Each channel times a factor of its own, rounded, cut off at 0 and 255."""

    factor: Even


@dataclass(frozen=True)
class Erase:
    """A rectangle of noise somewhere inside the picture (random erasing; Zhong et al., 2020)."""

    probability: Number
    area: Even  # share of the picture
    ratio: Even  # height by width

    def __post_init__(self):
        _check_probability("erase", self.probability)
        if not 0 <= self.area.low <= self.area.high < 1 or not 0 < self.ratio.low:
            raise ValueError(f"no rectangle has the share {self.area} and the ratio {self.ratio}")
        if not self.ratio.low <= 1 <= self.ratio.high:
            raise ValueError(f"the ratio {self.ratio} must allow 1, or large rectangles never fit")


@dataclass(frozen=True)
class Paste:
    """Cut-outs of other things laid over the picture (Sárándi et al., 2018)."""

    probability: Number
    count: tuple[int, int]  # fewest and most
    scale: Even  # in pictures whose shorter side is 256 px, and more in larger ones

    def __post_init__(self):
        _check_probability("paste", self.probability)
        if not 0 <= self.count[0] <= self.count[1] or self.scale.low <= 0:
            raise ValueError(f"cannot paste {self.count} things at the scale {self.scale}")


class Placed(NamedTuple):
    """One cut-out, where it goes."""

    which: float  # 0 to 1 through the list of cut-outs
    scale: Number
    x: float  # its centre, as a share of the picture
    y: float


@dataclass(frozen=True)
class Drawn:
    """What happens to each sample of a batch."""

    flip: Bool[Tensor, " B"]
    turn: Float64[Tensor, " B"]  # degrees, clockwise as one sees it
    side: Float64[Tensor, " B"]  # of the crop, times the old one
    colour: Float[Tensor, "B 3"]
    erased: Int64[Tensor, "B 4"]  # left, top, width, height, px; width 0: nothing
    noise: Int64[Tensor, " B"]  # seeds of the noise in the rectangles
    placed: tuple[tuple[Placed, ...], ...]  # of each sample

    def matrices(self, size: tuple[int, int]) -> Float64[Tensor, "B 3 3"]:
        """The warp in pictures of `size`; after a crop's matrix: `drawn.matrices(size) @ crop`."""
        return similarities(size, self.flip, self.turn, 1 / self.side)


@dataclass(frozen=True)
class Recipe:
    """What may happen to a picture."""

    warp: Warp = Warp()
    paste: Paste | None = None
    erase: Erase | None = None
    colour: Colour | None = None

    def draw(
        self, index: Int64[Tensor, " B"], size: tuple[int, int], *, seed: int, epoch: int = 0
    ) -> Drawn:
        """What happens in this epoch to the samples `index`, pictures of `size` (height, width).

        Every part of the recipe has dice of its own: another part more or less changes none of the
        rest. ValueError for negative seeds, epochs or samples.
        """
        if seed < 0 or epoch < 0 or (index < 0).any():
            raise ValueError(f"seed {seed}, epoch {epoch} and samples must not be negative")
        if not len(index):
            raise ValueError("there are no samples to draw for")
        samples = [self._sample(sample, size, seed, epoch) for sample in index.tolist()]
        flip, turn, side, colour, erased, noise, placed = zip(*samples, strict=True)
        return Drawn(
            flip=torch.tensor(flip),
            turn=torch.tensor(turn, dtype=torch.float64),
            side=torch.tensor(side, dtype=torch.float64),
            colour=torch.tensor(colour),
            erased=torch.tensor(erased),
            noise=torch.tensor(noise),
            placed=placed,
        )

    def _sample(self, sample: int, size: tuple[int, int], seed: int, epoch: int) -> tuple:
        def dice(part: int) -> np.random.Generator:
            # The counter's upper words are free to tell samples apart; none of them ever meet.
            counter = [0, part, sample, epoch]
            return np.random.Generator(np.random.Philox(key=[seed, 0], counter=counter))

        rng = dice(0)
        flip = bool(rng.random() < self.warp.flip)
        turned = rng.random() < self.warp.turned
        turn, zoom = self.warp.turn.draw(rng) * turned, self.warp.zoom.draw(rng)
        side = 2**zoom if self.warp.octaves else 1 + zoom
        colour = [1.0] * 3
        if self.colour:
            rng = dice(1)
            colour = [self.colour.factor.draw(rng) for _ in range(3)]
        erased, noise = (0, 0, 0, 0), 0
        if self.erase and (rng := dice(2)).random() < self.erase.probability:
            erased, noise = _rectangle(self.erase, size, rng), int(rng.integers(2**62))
        placed = ()
        if self.paste and (rng := dice(3)).random() < self.paste.probability:
            count = rng.integers(self.paste.count[0], self.paste.count[1] + 1)
            placed = tuple(
                Placed(rng.random(), self.paste.scale.draw(rng), rng.random(), rng.random())
                for _ in range(count)
            )
        return flip, turn, side, colour, erased, noise, placed


def _rectangle(erase: Erase, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, ...]:
    """Left, top, width, height of the first rectangle drawn that fits into the picture."""
    while True:
        area = erase.area.draw(rng) * size[0] * size[1]
        ratio = erase.ratio.draw(rng)
        height, width = (area * ratio) ** 0.5, (area / ratio) ** 0.5
        top, left = rng.random(2) * [size[0] - height, size[1] - width]
        if height < size[0] and width < size[1]:
            return int(left), int(top), int(width), int(height)


_QUARTER = Bell(0.25, 1)
_FLIP = Warp(flip=0.5)
_BRIGHTER_OR_DARKER = Colour(Even(0.8, 1.2))
_BOUCHIAT_PASTE = Paste(0.75, count=(1, 7), scale=Even(0.2, 1))

# Of 3DMPPE_POSENET_RELEASE (Moon et al., ICCV 2019); SPIN's differs only in how often it turns
_MOON_WARP = Warp(flip=0.5, turn=Bell(30, 2), turned=0.6, zoom=_QUARTER)

RECIPES = {
    "kim": Recipe(
        Warp(flip=0.5, turn=Bell(30, 2), turned=0.4, zoom=Bell(0.25, 2), octaves=True),
        colour=Colour(Even(0.6, 1)),
    ),
    "kim, report": Recipe(),
    "bouchiat": Recipe(_FLIP, paste=_BOUCHIAT_PASTE, colour=_BRIGHTER_OR_DARKER),
    "bouchiat, report": Recipe(
        _FLIP, paste=replace(_BOUCHIAT_PASTE, count=(1, 8)), colour=_BRIGHTER_OR_DARKER
    ),
    "bouchiat: flip": Recipe(_FLIP),
    "bouchiat: colour": Recipe(colour=_BRIGHTER_OR_DARKER),
    "bouchiat: zoom": Recipe(Warp(zoom=_QUARTER)),
    "bouchiat: zoom, report": Recipe(Warp(zoom=Even(-0.25, 0.25))),
    "bouchiat: rotation": Recipe(Warp(turn=Bell(30, 2), turned=0.6)),
    "bouchiat: rotation, report": Recipe(Warp(turn=Even(-30, 30), turned=0.6)),
    "bouchiat: VOC": Recipe(paste=_BOUCHIAT_PASTE),
    "bae": Recipe(replace(_MOON_WARP, turned=0.4), colour=Colour(Even(0.6, 1.4))),
    "choi2021": Recipe(
        _MOON_WARP, erase=Erase(0.5, Even(0, 0.7), Even(0.3, 1 / 0.3)), colour=_BRIGHTER_OR_DARKER
    ),
}
"""By paper (titles at the top of this module). Where a paper's code and text differ, the name alone
is what the code does; with ", report" added it is what the text says.

- "kim": of the stacked hourglass code that the paper builds on; its text names no augmentation.
- "bouchiat": the final model. Those with a colon are single augmentations, each tried on the
  paper's base model: the rows of its Table 2; Table 6 has zoom and rotation again. Only Human3.6M's
  pictures are augmented, not MPII's. The text counts 1 to 8 things, the code 1 to 7; the text turns
  by up to 30 degrees, the code by a normal distribution's up to 60; how turns and zooms are drawn
  the text doesn't say: here evenly.
- "bae": of SPIN, whose data loader the paper's training code uses; its text names no augmentation.
- "choi2021": its text says "synthetic occlusion"; its code erases a rectangle. On the full frame,
  where the code does it, the rectangle may also reach out of the crop.
"""
