"""The papers' augmentations of pictures: what is drawn at random for every sample.

An `Augmentation` says what may happen to a picture and how likely; `draw` draws it for one sample,
from the seed, the epoch and the sample's number alone, so that the sample's augmentation is the
same in any batch and any worker. `posekit.training.augment` applies what was drawn.

AUGMENTATIONS has those of four papers, each with the code, on GitHub, that its numbers are from:

- kim: D. Kim, V. Novossyolov, Y. Nurambek, "Final Project Report - Human Pose Estimation";
  Naman-ntc/Pytorch-Human-Pose-Estimation, their reference [1] (their own code was not found).
- bouchiat: K. Bouchiat, J. Braun, A. Kaufmann, "Exploring end-to-end Human Pose Estimation via
  integrative argmax approximation ('soft-argmax')", students' report at ETH;
  kaufmann-a/ETH_MP-Human-Pose-Prediction.
- bae: H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation", of an internship in
  2021; bae3559/2021summerintern and SPIN's code, nkolot/SPIN (Kolotouros et al., ICCV 2019).
- choi2021: S. Choi, S. Choi, C. Kim, "MobileHumanPose: Toward real-time 3D human pose estimation in
  mobile devices"; SangbumChoi/MobileHumanPose.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

Number = int | float


class Normal(NamedTuple):
    """A normal distribution about 0 with clipped tails: spread * clip(N(0, 1), -c, c)."""

    spread: Number
    clip: Number

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(self.spread * np.clip(rng.standard_normal(), -self.clip, self.clip))


class Uniform(NamedTuple):
    """The uniform distribution between two numbers."""

    low: Number
    high: Number

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return rng.uniform(self.low, self.high)


NOTHING = Uniform(0, 0)
_OWN = threading.local()


class Erase(NamedTuple):
    """A rectangle of noise somewhere inside the picture (random erasing; Zhong et al., 2020)."""

    probability: Number
    area: Uniform  # share of the picture
    ratio: Uniform  # height by width; has to allow 1, or large rectangles never fit


class Paste(NamedTuple):
    """Cut-outs of other things laid over the picture (Sárándi et al., 2018)."""

    probability: Number
    count: tuple[int, int]  # fewest and most
    scale: Uniform  # in pictures whose shorter side is 256 px, and more in larger ones


class Placed(NamedTuple):
    """One cut-out, and where it goes."""

    which: float  # 0 to 1 through the list of cut-outs
    scale: Number
    x: float  # its centre, as a share of the picture
    y: float


class Draw(NamedTuple):
    """What happens to one sample; by default nothing."""

    flip: bool = False
    turn: float = 0.0  # degrees, clockwise as one sees it
    side: float = 1.0  # of the crop, times the old one
    depth: float = 1.0  # of the 3D joints, times the old one
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)  # factors of the channels
    erased: tuple[int, int, int, int] = (0, 0, 0, 0)  # left, top, width, height, px
    noise: int = 0  # seed of the noise in the rectangle
    placed: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a picture before a network sees it."""

    flip: Number = 0  # probability of mirroring
    turn: Normal | Uniform = NOTHING  # rotation about the picture's centre, degrees
    turned: Number = 1  # probability of a rotation
    zoom: Normal | Uniform = NOTHING  # by how much the crop's side grows: things shrink
    octaves: bool = False  # the side grows to 2 ** zoom, not to 1 + zoom
    zoom_depth: bool = False  # 3D joints shrink as things in the picture do
    paste: Paste | None = None
    erase: Erase | None = None
    colour: Uniform | None = None  # factor of each channel, then rounded and clipped

    def draw(
        self,
        sample: int,
        size: tuple[int, int],
        *,
        seed: int,
        epoch: int = 0,
        edges: Sequence[Number] = (),
    ) -> Draw:
        """What happens in this epoch to a sample, in pictures of `size` (height, width).

        With the `edges` of the whole picture (left, top, right, bottom; px of the crop) rectangles
        that are erased may reach out of the crop, but not out of the picture.

        Every part has random numbers of its own: one part more or less changes none of the rest.
        """
        generator = partial(_generator, seed, epoch, sample)
        rng = generator(0)
        flip = bool(rng.random() < self.flip)
        turned = rng.random() < self.turned
        turn, zoom = self.turn.draw(rng) * turned, self.zoom.draw(rng)
        side = 2**zoom if self.octaves else 1 + zoom
        draw = Draw(flip, turn, side, 1 / side if self.zoom_depth else 1.0)
        if self.colour:
            rng = generator(1)
            draw = draw._replace(colour=tuple(self.colour.draw(rng) for _ in range(3)))
        if self.erase and (rng := generator(2)).random() < self.erase.probability:
            erased = _rectangle(self.erase, size, rng, edges)
            draw = draw._replace(erased=erased, noise=int(rng.integers(2**62)))
        if self.paste and (rng := generator(3)).random() < self.paste.probability:
            count, scale = (
                rng.integers(self.paste.count[0], self.paste.count[1] + 1),
                self.paste.scale,
            )
            places = (
                Placed(rng.random(), scale.draw(rng), rng.random(), rng.random())
                for _ in range(count)
            )
            draw = draw._replace(placed=tuple(places))
        return draw


def _generator(seed: int, epoch: int, sample: int, part: int) -> np.random.Generator:
    """Random numbers of one part of a sample's augmentation, until the thread asks for the next.

    The counter's upper words are free to tell samples apart; none of them ever meet. A thread has
    one generator, which is put in another state: that takes a quarter of the time of a new one.
    """
    if not hasattr(_OWN, "generator"):
        _OWN.generator = np.random.Generator(np.random.Philox(0))
        _OWN.state = _OWN.generator.bit_generator.state | {"buffer_pos": 4, "has_uint32": 0}
    _OWN.state["state"]["key"][:] = seed, 0
    _OWN.state["state"]["counter"][:] = 0, part, sample, epoch
    _OWN.generator.bit_generator.state = _OWN.state
    return _OWN.generator


def _rectangle(
    erase: Erase,
    size: tuple[int, int],
    rng: np.random.Generator,
    edges: Sequence[Number] = (),
) -> tuple[int, ...]:
    """Left, top, width, height of the first rectangle drawn that fits between the edges.

    By default into the crop. One that is larger than the crop reaches out of it on both sides, as
    in the published code.
    """
    x, y, right, bottom = edges or (0, 0, size[1], size[0])
    while True:
        area = erase.area.draw(rng) * size[0] * size[1]
        ratio = erase.ratio.draw(rng)
        height, width = (area * ratio) ** 0.5, (area / ratio) ** 0.5
        top, left = rng.random(2) * [size[0] - height, size[1] - width]
        if x <= left and y <= top and left + width < right and top + height < bottom:
            return int(left), int(top), int(width), int(height)


# Of 3DMPPE_POSENET_RELEASE (Moon et al., ICCV 2019); SPIN's differs only in how often it rotates
_MOON = Augmentation(flip=0.5, turn=Normal(30, 2), turned=0.6, zoom=Normal(0.25, 1))
_BOUCHIAT = Augmentation(
    flip=0.5, paste=Paste(0.75, count=(1, 7), scale=Uniform(0.2, 1)), colour=Uniform(0.8, 1.2)
)

AUGMENTATIONS = {
    "kim": Augmentation(
        flip=0.5,
        turn=Normal(30, 2),
        turned=0.4,
        zoom=Normal(0.25, 2),
        octaves=True,
        colour=Uniform(0.6, 1),
    ),
    "kim, report": Augmentation(),
    "bouchiat": _BOUCHIAT,
    "bouchiat, report": replace(_BOUCHIAT, paste=_BOUCHIAT.paste._replace(count=(1, 8))),
    "bouchiat: flip": Augmentation(flip=0.5),
    "bouchiat: colour": Augmentation(colour=_BOUCHIAT.colour),
    "bouchiat: zoom": Augmentation(zoom=Normal(0.25, 1), zoom_depth=True),
    "bouchiat: zoom, report": Augmentation(zoom=Uniform(-0.25, 0.25), zoom_depth=True),
    "bouchiat: zoom, depths kept": Augmentation(zoom=Normal(0.25, 1)),
    "bouchiat: rotation": Augmentation(turn=Normal(30, 2), turned=0.6),
    "bouchiat: rotation, report": Augmentation(turn=Uniform(-30, 30), turned=0.6),
    "bouchiat: VOC": Augmentation(paste=_BOUCHIAT.paste),
    "bae": replace(_MOON, turned=0.4, colour=Uniform(0.6, 1.4)),
    "choi2021": replace(
        _MOON, erase=Erase(0.5, Uniform(0, 0.7), Uniform(0.3, 1 / 0.3)), colour=Uniform(0.8, 1.2)
    ),
}
"""By paper. Where a paper's code and text differ, the name alone is what the code does; with
", report" added it is what the text says.

- "kim": of the stacked hourglass code that the paper builds on; its text names no augmentation.
- "bouchiat": the final model. Those with a colon are single augmentations, each tried on the
  paper's base model: the rows of its Table 2; Table 6 has zoom and rotation again. Only Human3.6M's
  pictures are augmented, not MPII's. The text counts 1 to 8 things, the code 1 to 7; the text
  rotates by up to 30 degrees, the code by a normal distribution's up to 60; how rotations and zooms
  are distributed the text doesn't say: here uniformly. The code divides depths by the zoom, too, as
  if whoever looks smaller were smaller; "depths kept" leaves people their size.
- "bae": of SPIN, whose data loader the paper's training code uses; its text names no augmentation.
- "choi2021": its text says "synthetic occlusion"; its code erases a rectangle.
"""
