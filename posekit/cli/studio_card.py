"""Makes the data card of the picture studio: `python -m posekit.cli.studio_card [--real FOLDER]`.

A small network learns 2D joints from `Wild` pictures alone and is tested on people it has not seen:
strangers in the poses of the studio's test actors, these actors in the studio's hall, and, where
FOLDER has them (`mpii5/test_mpii.json` and `coco4/test_coco.json` beside their pictures), people of
real photographs. Out come data/studio_card/record.json, from which `posekit.cli.studio_card_page`
renders data/STUDIO.md, and pictures for it. Real photographs are never copied: their people are
drawn as stick figures.

B persons, J joints of SPIN24, H x W pixels of a crop, h x w cells of a heatmap.
"""

import argparse
import copy
import json
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

import posekit
from posekit.cli import studio_card_page
from posekit.cli.studio_card_people import (
    LIMBS,
    MEASURES,
    SIDE,
    People,
    coco,
    found,
    from_batch,
    mpii,
    share,
    together,
)
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.data.pictures import draw
from posekit.geometry.skeleton import SPIN24
from posekit.models.profile import parameters
from posekit.studio import poses
from posekit.studio.pictures import StudioPictures
from posekit.studio.wild import Wild
from posekit.system import keep_freed_memory, write_text
from posekit.training.augment import augment
from posekit.training.augmentations import Bell, Colour, Even, Warp
from posekit.training.augmentations import Recipe as Augmentation
from posekit.training.loop import Recipe, train
from posekit.training.runs import ROOT

CELL = 4  # px of the crop to a cell of a heatmap
REACH = 2  # cells, round the highest of a heatmap
WIDTHS = (32, 64, 128, 192, 256)  # channels at 1/2, 1/4, ... 1/32 of the crop's resolution
TWICE = 192  # channels from which on there are two blocks
AUGMENTATION = Augmentation(
    Warp(flip=0.5, turn=Bell(15, 2), turned=0.6, zoom=Bell(0.15, 1)), colour=Colour(Even(0.8, 1.2))
)
BATCH, RATE = 16, 2e-3


@dataclass(frozen=True)
class Settings:
    """What the card is made with."""

    minutes: float = 12.0  # of training
    pictures: int = 12_000  # to learn from
    tests: int = 1_000  # Wild pictures to be tested on
    every: int = 100  # frames of a studio take between two pictures of the test
    seed: int = 0


class Residual(nn.Module):
    """Two convolutions and a way round them (He et al., 2016)."""

    def __init__(self, given: int, made: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(given, made, 3, stride, 1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
            nn.Conv2d(made, made, 3, 1, 1, bias=False),
            nn.BatchNorm2d(made),
        )
        self.round = nn.Identity()
        if (given, stride) != (made, 1):
            self.round = nn.Sequential(
                nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made)
            )

    def forward(self, x: Float[Tensor, "B _ _ _"]) -> Float[Tensor, "B _ _ _"]:
        return functional.relu(self.round(x) + self.body(x))


class Pointer(nn.Module):
    """One heatmap a joint: down to 1/32 of the resolution, where a cell sees everything, and back
    up to a quarter."""

    def __init__(self):
        super().__init__()
        first, *rest = WIDTHS
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.down = nn.ModuleList(
            nn.Sequential(
                Residual(given, made, 2),
                Residual(made, made) if made >= TWICE else nn.Identity(),
            )
            for given, made in pairwise(WIDTHS)
        )
        back = list(pairwise(rest[::-1]))
        self.narrow = nn.ModuleList(nn.Conv2d(given, made, 1) for given, made in back)
        self.up = nn.ModuleList(Residual(made, made) for _, made in back)
        self.maps = nn.Conv2d(rest[0], len(SPIN24), 1)

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B J h w"]:
        """Logarithms of where each joint is, up to a constant."""
        levels = [self.stem(images.float() / 127.5 - 1)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for narrow, up in zip(self.narrow, self.up, strict=True):
            x = up(levels.pop() + functional.interpolate(narrow(x), scale_factor=2.0))
        return self.maps(x)


def points(maps: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J 2"]:
    """The middle of the mass of each heatmap round its highest cell, px of the crop.

    The middle of all of it (Sun et al., ECCV 2018) lies between two places where there is doubt.
    """
    highest = maps.flatten(2).argmax(2)
    across = _near(highest % maps.shape[3], maps.shape[3])
    along = _near(highest // maps.shape[3], maps.shape[2])
    mass = maps.float().flatten(2).softmax(dim=2).view(maps.shape)
    mass = mass * along[..., None] * across[:, :, None]
    mass = mass / mass.sum(dim=(2, 3), keepdim=True)
    return torch.stack(
        [mass.sum(2) @ _cells(maps.shape[3]), mass.sum(3) @ _cells(maps.shape[2])], 2
    )


def _near(cell: Int64[Tensor, "B J"], count: int) -> Float[Tensor, "B J n"]:
    """1 for the cells at most `REACH` from this one."""
    return ((torch.arange(count) - cell[..., None]).abs() <= REACH).float()


def loss(maps: Float[Tensor, "B J h w"], labels: Float[Tensor, "B J 3"]) -> Float[Tensor, ""]:
    """Cross entropy of the heatmaps to a Gaussian of one cell round each label.

    `labels` are x, y (px) and 1 where the joint counts, else 0.
    """
    x, y, weight = labels.unbind(2)
    chances = maps.float().flatten(2).log_softmax(dim=2).view(maps.shape)
    along, across = _bell(y, maps.shape[2]), _bell(x, maps.shape[3])
    surprise = -(along[:, :, None] @ chances @ across[..., None])[..., 0, 0]
    return (surprise * weight).sum() / weight.sum()


def _cells(count: int) -> Float[Tensor, " n"]:
    """Middles of the cells, px of the crop."""
    return (torch.arange(count) + 0.5) * CELL - 0.5


def _bell(at: Float[Tensor, "B J"], count: int) -> Float[Tensor, "B J n"]:
    return (-0.5 * ((_cells(count) - at[..., None]) / CELL) ** 2).softmax(dim=2)


class Lessons:
    """Pictures to learn from, every epoch otherwise augmented: what `posekit.training.loop` asks for."""

    def __init__(self, batch: Batch, seed: int):
        self.batch, self.seed = batch, seed

    def __len__(self) -> int:
        return len(self.batch)

    def lesson(self, indices: Int64[Tensor, " B"], epoch: int) -> tuple[Tensor, Tensor]:
        augmented = augment(self.batch[indices], AUGMENTATION, seed=self.seed, epoch=epoch)
        people = from_batch("", augmented)
        counts = people.labelled[..., None].float()
        images = people.images.contiguous(memory_format=torch.channels_last)
        return images, torch.cat([people.joints, counts], dim=2)


def learn(batch: Batch, settings: Settings, epochs: int | None = None) -> tuple[Pointer, dict]:
    """A network that learned for about so many minutes, and what is to be told about it.

    How many epochs fit is measured first, where their number isn't given; the weights follow from
    seed, epochs and machine.
    """
    keep_freed_memory()
    torch.manual_seed(settings.seed)
    network = Pointer().to(memory_format=torch.channels_last)
    recipe = Recipe(1, BATCH, RATE, precision="bfloat16")
    if epochs is None:
        epochs = _fitting(network, batch, recipe, settings)
    drops = (round(0.7 * epochs), round(0.9 * epochs))
    recipe = replace(recipe, epochs=epochs, drops=drops, factor=0.2)
    lessons = Lessons(batch, settings.seed)
    history = train(network, lessons, recipe, loss=loss, seed=settings.seed, label="training")
    return network, {
        "pictures": len(batch),
        "epochs": epochs,
        "parameters": parameters(network),
        "loss": [round(value, 4) for value in history.losses],
        "minutes": round(history.seconds / 60, 2),
    }


def _fitting(network: Pointer, batch: Batch, recipe: Recipe, settings: Settings) -> int:
    """How many epochs fit into the minutes."""
    some = torch.arange(min(len(batch), 32 * BATCH))
    for _ in range(2):  # the first warms up
        trial = Lessons(batch[some], settings.seed)
        once = train(copy.deepcopy(network), trial, recipe, loss=loss, seed=settings.seed)
    pace = once.samples / once.seconds
    return max(1, round(settings.minutes * 60 * pace / len(batch)))


@torch.no_grad()
def predict(network: Pointer, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B J 2"]:
    """Where the network sees the joints, px of the crops; in float32, without mirroring."""
    return torch.cat([points(network(part)) for part in images.split(BATCH)])


def judge(people: People, predicted: Float[Tensor, "B J 2"], mean: Float[Tensor, "J 2"]) -> dict:
    """How many joints the network finds, and the mean pose of its lessons put in the box."""
    limbs = [SPIN24.index(joint) for joint in LIMBS]
    guesses = {"network": predicted, "mean pose": mean.expand_as(predicted)}
    told: dict = {
        "persons": len(people),
        "joints": int(people.labelled[:, limbs].sum()),
        "measures": {},
        "joint": {},
    }
    for measure in MEASURES:
        hits = {who: found(guess, people, measure) for who, guess in guesses.items()}
        hits["gain"] = hits["network"] - hits["mean pose"]
        if np.isfinite(hits["gain"][:, limbs]).any():
            told["measures"][measure] = {
                who: _percent(*share(rows[:, limbs])) for who, rows in hits.items()
            }
    hits = {who: found(guess, people, "PCK@0.1") for who, guess in guesses.items()}
    for kind in studio_card_page.KINDS:
        twins = (kind, f"left_{kind}", f"right_{kind}")
        columns = [k for k, joint in enumerate(SPIN24.joints) if joint in twins]
        if count := int(people.labelled[:, columns].sum()):
            told["joint"][kind] = {"joints": count} | {
                who: _percent(np.nanmean(rows[:, columns]))[0] for who, rows in hits.items()
            }
    return told


def _percent(*values: float) -> list[float]:
    return [round(100 * value, 1) for value in values]


def _mean_pose(batch: Batch) -> Float[Tensor, "J 2"]:
    people = from_batch("", batch)
    weight = people.labelled[..., None].float()
    return (people.joints * weight).sum(0) / weight.sum(0)


def _visible(batch: Batch) -> dict[str, float]:
    """Where the joints of the lessons are, in per cent."""
    people = from_batch("", batch)
    known = int((batch.visible != UNKNOWN).sum())
    counts = {"seen": (people.visible == SEEN).sum(), "covered": (people.visible == HIDDEN).sum()}
    counts["outside"] = known - sum(counts.values())
    return {name: _percent(int(count) / known)[0] for name, count in counts.items()}


def make(folder: Path, settings: Settings, real: Path | None) -> dict:
    """Draw, learn, test; the record, and its pictures in `folder`."""
    started = time.perf_counter()
    lessons = Wild("train", settings.pictures, size=SIDE, skeleton=SPIN24, seed=settings.seed)
    batch = draw(lessons, "pictures to learn from")
    drawn = time.perf_counter() - started
    wild = Wild("test", settings.tests, size=SIDE, skeleton=SPIN24, seed=settings.seed)
    people = [from_batch("Wild", draw(wild, "Wild, test"))]
    for actor in poses.TEST:
        hall = StudioPictures((actor,), every=settings.every, size=SIDE, skeleton=SPIN24)
        people.append(from_batch(actor, draw(hall, actor)))
    if real is not None:
        own = [mpii(real / "mpii5/test_mpii.json"), coco(real / "coco4/test_coco.json")]
        people += own
    network, training = learn(batch, settings)
    mean = _mean_pose(batch)
    guesses = {each.name: predict(network, each.images) for each in people}
    tests = {each.name: judge(each, guesses[each.name], mean) for each in people}
    if real is not None:
        both = together(own)
        guess = torch.cat([guesses[each.name] for each in own])
        tests[both.name] = judge(both, guess, mean)
    studio_card_page.draw_sheets(folder, settings.seed)
    studio_card_page.draw_people(folder, people, guesses)
    return {
        "finished": datetime.now(UTC).strftime("%Y-%m-%d"),
        **_code(),
        "settings": asdict(settings),
        "fingerprint": lessons.fingerprint(),
        "training": training,
        "seconds": {"drawing": round(drawn), "all": round(time.perf_counter() - started)},
        "visible": _visible(batch),
        "tests": tests,
    }


def _code() -> dict:
    """Which code and which machine."""

    def git(*words: str) -> str:
        try:
            command = ["git", "-C", str(ROOT), *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return ""  # not a clone

    return {
        "commit": git("rev-parse", "HEAD").strip(),
        "changed": git("diff", "--name-only", "HEAD", "--", "posekit/*.py").split(),
        "threads": torch.get_num_threads(),
        "processor": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__}
        | {"numpy": np.__version__, "posekit": posekit.__version__},
    }


def main(words: list[str] | None = None) -> None:
    """The command line."""
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, value in asdict(default).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"[{value}]")
    parser.add_argument("--real", type=Path, help="folder with mpii5 and coco4")
    parser.add_argument("--remark", default="", help="what one sees in the pictures of this run")
    parser.add_argument(
        "--out", type=Path, default=studio_card_page.CARD.parent, help="folder of the card"
    )
    options = vars(parser.parse_args(words))
    real, out, remark = (options.pop(name) for name in ("real", "out", "remark"))
    if real is None:
        print("no --real folder: the test on real photographs is skipped")
    record = make(out / studio_card_page.FOLDER, Settings(**options), real) | {"remark": remark}
    write_text(out / studio_card_page.FOLDER / "record.json", json.dumps(record, indent=1) + "\n")
    write_text(out / studio_card_page.CARD.name, studio_card_page.render(record))


if __name__ == "__main__":
    main()
