"""`posekit maintain studio-card`: measure the data card of the studio's pictures.

A small stacked hourglass learns 2D joints from `Wild` pictures alone and is tested on people it has
not seen: strangers in the poses of the studio's test actors, these actors in the studio's hall, and,
where a folder has them (`mpii5/test_mpii.json` and `coco4/test_coco.json` beside their pictures),
people of real photographs. Written are studio/card/record.json, the pictures beside it, and the
measured parts of studio/STUDIO.md (`studio_card_page`).

B persons, J joints of SPIN24, px of crops of SIDE x SIDE px.
"""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from posekit.cli import studio_card_page
from posekit.data import albums, coco, mpii
from posekit.data.albums import Album
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch, join, within
from posekit.data.mixture import as_skeleton
from posekit.data.people import People, PeoplePictures
from posekit.data.pictures import draw
from posekit.geometry.skeleton import LSP14, SPIN24
from posekit.metrics.pckh import head_sizes
from posekit.models.hourglass import StackedHourglass
from posekit.models.profile import parameters
from posekit.studio import poses
from posekit.studio.pictures import StudioPictures
from posekit.studio.wild import Wild
from posekit.system import keep_freed_memory, write_text
from posekit.training.augment import Augmented
from posekit.training.experiment import predict
from posekit.training.heatmaps import joints, targets
from posekit.training.loop import Recipe, train
from posekit.training.losses import heatmap_loss
from posekit.training.runs import provenance

SIDE = 128  # px of a crop
LIMBS = [SPIN24.index(joint) for joint in LSP14.joints[:12]]  # labelled by every data set
ENOUGH = 6  # of LIMBS, that a real person must have labelled
MEASURES = {"PCK@0.2": 0.2, "PCK@0.1": 0.1, "PCKh@0.5": 0.5}  # share of the box, of the head size
KINDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "head_top", "neck", "nose", "eye",
         "ear", "mid_shoulders", "pelvis")  # fmt: skip
DRAWS = 2000  # of the bootstrap
TESTS = 1_000  # Wild pictures
EVERY = 100  # frames of a studio take between two pictures of the test
NETWORK = {"stacks": 1, "modules": 1, "channels": 128}
BATCH, RATE, AUGMENTATION = 16, 1e-3, "kim"


def main(settings: dict[str, int], real: Path | None, remark: str, out: Path) -> None:
    """Measure the card and write its page, record and pictures into the studio's folder `out`.

    `settings` has pictures (to learn from), epochs and seed.
    """
    folder, page = out / studio_card_page.FOLDER, out / studio_card_page.PAGE
    record = measure(folder, settings, real) | {"remark": remark, "note": ""}
    text = studio_card_page.render(record, page.read_text(encoding="utf-8"))
    write_text(folder / "record.json", json.dumps(record, indent=1) + "\n")
    write_text(page, text)


def measure(folder: Path, settings: dict[str, int], real: Path | None) -> dict:
    """Draw, train and test; the record of the card, and its pictures in `folder`."""
    started, seed = time.perf_counter(), settings["seed"]
    training_set = Wild("train", settings["pictures"], size=SIDE, seed=seed)
    album = albums.read(training_set, "training pictures")
    drawn = time.perf_counter() - started
    tests = {"Wild": draw(Wild("test", TESTS, size=SIDE, seed=seed), "Wild, test")}
    for actor in poses.TEST:
        hall = StudioPictures((actor,), every=EVERY, size=SIDE, skeleton=SPIN24)
        tests[actor] = draw(hall, actor)
    if real is not None:
        tests |= real_people(real)
    network, training = train_network(album, settings["epochs"], seed)
    mean = mean_pose(album.batch)
    pred = {name: joints(predict(network, b.images)[:, -1]) for name, b in tests.items()}
    studio_card_page.draw_sheets(folder, seed)
    studio_card_page.draw_people(folder, tests, pred)
    about = provenance("cpu")
    return {
        "finished": datetime.now(UTC).strftime("%Y-%m-%d"),
        **{key: about[key] for key in ("commit", "dirty", "device", "threads", "versions")},
        "command": "posekit maintain studio-card",
        "settings": settings,
        "fingerprint": training_set.fingerprint(),
        "training": training,
        "seconds": {"drawing": round(drawn), "all": round(time.perf_counter() - started)},
        "visible": visibility(album.batch),
        "tests": {name: evaluate(b, pred[name], mean) for name, b in tests.items()},
    }


def real_people(folder: Path) -> dict[str, Batch]:
    """Crops of the persons of MPII and COCO with enough labelled limbs, and of both together.

    Errors as those of the readers; ValueError where nobody has enough labels.
    """
    batches = {
        "MPII": _crops(mpii.read(folder / "mpii5/test_mpii.json"), folder / "mpii5"),
        "COCO": _crops(coco.read(folder / "coco4/test_coco.json"), folder / "coco4"),
    }
    return batches | {" + ".join(batches): join(list(batches.values()))}


def _crops(people: People, folder: Path) -> Batch:
    batch = PeoplePictures(people, folder, size=SIDE)[range(len(people))]
    batch = as_skeleton(batch, SPIN24, stand_ins={})
    batch = batch[(batch.visible[:, LIMBS] != UNKNOWN).sum(1) >= ENOUGH]
    if not len(batch):
        raise ValueError(f"{people.name}: nobody has {ENOUGH} of 12 joints of the limbs labelled")
    return batch


def train_network(album: Album, epochs: int, seed: int) -> tuple[nn.Module, dict]:
    """A network trained on the album, and the record of its training."""
    keep_freed_memory()
    torch.manual_seed(seed)
    network = StackedHourglass(len(SPIN24), **NETWORK).to(memory_format=torch.channels_last)
    drops = [round(share * epochs) for share in (0.7, 0.9)]
    recipe = Recipe(epochs, BATCH, RATE, drops, factor=0.2, precision="bfloat16")
    data = Augmented(album, AUGMENTATION, targets, seed=seed)
    history = train(network, data, recipe, loss=heatmap_loss, seed=seed)
    return network, {
        "network": "a stacked hourglass of {stacks} stack and {channels} channels, a heatmap for "
        "each of 24 joints, read a quarter of a cell off its highest one".format(**NETWORK),
        "pictures": len(album),
        "epochs": epochs,
        "parameters": parameters(network),
        "loss": [float(f"{value:.4g}") for value in history.losses],
        "minutes": round(history.seconds / 60, 2),
    }


def labelled(batch: Batch) -> Bool[Tensor, "B J"]:
    """Which joints are known and lie within the crop."""
    return within(batch.joints2d, batch.size) & (batch.visible != UNKNOWN)


def mean_pose(batch: Batch) -> Float[Tensor, "J 2"]:
    """The mean place of each joint over the persons who have it labelled."""
    weight = labelled(batch)[..., None].float()
    return (batch.joints2d * weight).sum(0) / weight.sum(0)


def visibility(batch: Batch) -> dict[str, float]:
    """The joints in plain sight, covered, and outside the crop, in per cent."""
    known, inside = (batch.visible != UNKNOWN).sum(), labelled(batch)
    counts = {"seen": batch.visible == SEEN, "covered": batch.visible == HIDDEN}
    shares = {name: float((mask & inside).sum() / known) for name, mask in counts.items()}
    shares["outside"] = 1 - sum(shares.values())
    return {name: _percent(share) for name, share in shares.items()}


def evaluate(batch: Batch, pred: Float[Tensor, "B J 2"], mean: Float[Tensor, "J 2"]) -> dict:
    """Shares of joints that the network and the mean pose place correctly, in per cent.

    Of all limbs with 95 % intervals, and of each kind of joint by PCK@0.1.
    """
    known = labelled(batch)
    measures, kinds = {}, {}
    for measure in MEASURES:
        by_limb = {
            who: rows[:, LIMBS] for who, rows in _correct(batch, pred, mean, measure).items()
        }
        if np.isfinite(by_limb["gain"]).any():
            intervals = {who: pooled_share(rows) for who, rows in by_limb.items()}
            measures[measure] = {who: [*map(_percent, row)] for who, row in intervals.items()}
    shares = _correct(batch, pred, mean, "PCK@0.1")
    for kind in KINDS:
        names = (kind, f"left_{kind}", f"right_{kind}")
        columns = [k for k, joint in enumerate(SPIN24.joints) if joint in names]
        if count := int(known[:, columns].sum()):
            values = {who: _percent(np.nanmean(rows[:, columns])) for who, rows in shares.items()}
            kinds[kind] = {"joints": count, **values}
    counted = int(known[:, LIMBS].sum())
    return {"persons": len(batch), "joints": counted, "measures": measures, "joint": kinds}


def _correct(batch: Batch, pred: Tensor, mean: Tensor, measure: str) -> dict[str, np.ndarray]:
    rows = {
        "network": correct(batch, pred, measure),
        "mean pose": correct(batch, mean.expand_as(pred), measure),
    }
    return rows | {"gain": rows["network"] - rows["mean pose"]}


def correct(batch: Batch, pred: Float[Tensor, "B J 2"], measure: str) -> Float[np.ndarray, "B J"]:
    """1 where a joint is placed correctly, 0 where not, NaN where it does not count.

    Correct is no farther from the label than 0.2 (0.1) times the longer side of the person's box
    (PCK after Yang and Ramanan, 2013), or half the head size (PCKh, MPII). Only labelled joints
    count, for PCKh only of people with a head size.
    """
    known = labelled(batch)
    size = batch.boxes[:, 2:].amax(1)
    if measure.startswith("PCKh"):
        size = head_sizes(batch.joints2d, known, SPIN24)
    near = (pred - batch.joints2d).norm(dim=2) <= MEASURES[measure] * size[:, None]
    counts = known & size.isfinite()[:, None]
    return near.double().where(counts, torch.tensor(math.nan, dtype=torch.float64)).numpy()


def pooled_share(rows: Float[np.ndarray, "B K"]) -> tuple[float, float, float]:
    """The mean of all numbers but NaN, and its 95 % percentile bootstrap interval over rows."""
    sums, counts = np.nansum(rows, axis=1), np.isfinite(rows).sum(axis=1)
    if not counts.sum():
        return (math.nan,) * 3
    drawn = np.random.default_rng(0).integers(0, len(rows), (DRAWS, len(rows)))
    totals = counts[drawn].sum(axis=1)
    means = sums[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(sums.sum() / counts.sum()), float(low), float(high)


def _percent(share: float) -> float:
    return round(100 * float(share), 1)
