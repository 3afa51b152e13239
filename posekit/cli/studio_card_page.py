"""The pictures of the studio's data card, and the measured parts of its page STUDIO.md.

The page is written by hand but for the parts between `<!-- measured: NAME -->` and `<!-- end -->`,
which `render` makes from the record alone. Real people are drawn as skeletons on blank paper, since
their photographs may not be copied.

B persons, J joints of SPIN24, H x W pixels.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from torch import Tensor

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.data.pictures import dice
from posekit.figures.overlay import draw_picture, draw_skeleton
from posekit.figures.palette import GREY
from posekit.geometry.body import free
from posekit.geometry.skeleton import SPIN24
from posekit.report.markdown import table
from posekit.studio import poses
from posekit.studio.motion.anatomy import SUBJECTS
from posekit.studio.pictures import StudioPictures, studio_hall, studio_lens
from posekit.studio.scene.cast import actor
from posekit.studio.scene.photograph import Scene, photograph
from posekit.studio.wild import Wild
from posekit.system import write_whole

STUDIO = Path(poses.__file__).parent
PAGE, FOLDER = "STUDIO.md", "card"
GENERATED = ("Wild", *poses.TEST)
TILE = 192  # px, of a picture on a sheet
PARTS = np.array([(0, 0, 0), (66, 135, 245), (245, 150, 66), (250, 225, 90), (60, 200, 220),
                  (230, 80, 80), (120, 200, 110)], dtype=np.uint8)  # fmt: skip


def draw_sheets(folder: Path, seed: int) -> None:
    """Write sheets of random generated pictures: wild.jpg, labels.jpg and studio.jpg."""
    wild = Wild("train", size=144, skeleton=SPIN24, seed=seed)
    chosen = dice(seed, 64).choice(len(wild), 64, replace=False).tolist()
    _save(folder / "wild.jpg", _grid(_pictures(wild[chosen].images), 8))
    wild = Wild("train", size=TILE, skeleton=SPIN24, seed=seed)
    columns = [np.concatenate(_labels(wild.sample(index))) for index in chosen[:6]]
    _save(folder / "labels.jpg", np.concatenate(columns, axis=1))
    crops = StudioPictures(SUBJECTS, every=600, size=TILE, seed=seed)
    rows = crops.frames.groupby(["camera", "subject"], sort=False).indices
    picked = [
        int(dice(seed, 65, k).choice(rows[camera, subject]))
        for camera in poses.CAMERAS
        for k, subject in enumerate(SUBJECTS)
    ]
    below = _grid(_pictures(crops[picked].images), len(SUBJECTS))
    above = np.concatenate(_hall(below.shape[1] // len(poses.CAMERAS), seed), axis=1)
    _save(folder / "studio.jpg", np.concatenate([above, below]))


def _labels(person: Batch) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The picture, the mask, the parts, and the picture with visible and hidden joints."""
    picture = _pictures(person.images)[0]
    mask = np.repeat(person.masks[0].numpy()[..., None] * np.uint8(255), 3, axis=2)
    dots = picture.copy()
    for (x, y), seen in zip(person.joints2d[0].tolist(), person.visible[0].tolist(), strict=True):
        if colour := {SEEN: (60, 255, 60), HIDDEN: (255, 40, 40)}.get(seen):
            cv2.circle(dots, (round(x), round(y)), 3, colour, -1, cv2.LINE_AA)
    return [picture, mask, PARTS[person.parts[0].numpy()], dots]


def _hall(side: int, seed: int) -> list[UInt8[np.ndarray, "H W 3"]]:
    """All actors in the studio's hall, from each camera."""
    body, people, hall = free(), [], studio_hall(seed)
    for k, subject in enumerate(SUBJECTS):
        take = poses.performance(subject, poses.ACTIONS[2 * k], 1)
        frame = (torch.from_numpy(a[200]).float() for a in (take.rotations, take.translation))
        person = actor(subject, body).pose(*frame)
        angle = 2 * np.pi * k / len(SUBJECTS)
        at = torch.tensor([1100 * np.cos(angle), 1100 * np.sin(angle)]).float()
        people.append(person.moved(torch.cat([at - person.translation[:2], torch.zeros(1)])))
    shots = []
    for k, camera in enumerate(poses.cameras(SUBJECTS[0])):
        scene = Scene(body, tuple(people), camera, hall, hall.lights, studio_lens(seed, k))
        scale = side / max(camera.size)
        affine = np.diag([scale, scale, 1.0])
        affine[:2, 2] = (scale - 1) / 2
        shots.append(photograph(scene, affine, side, side).image)
    return shots


def draw_people(
    folder: Path, tests: Mapping[str, Batch], pred: Mapping[str, Float[Tensor, "B J 2"]]
) -> None:
    """Write found.jpg, predictions on generated pictures, and real.png, those on real people.

    Of the generated sets the first 16 and, spread evenly, 8 of each actor; of the real ones all.
    """
    tiles, papers = [], []
    for name, batch in tests.items():
        joints = batch.joints2d, pred[name]
        true, found = (j.masked_fill((batch.visible == UNKNOWN)[..., None], np.nan) for j in joints)
        if name in GENERATED:
            chosen = range(16) if name == "Wild" else np.arange(8) * len(batch) // 8
            tiles += [(batch.images[k], true[k], found[k], "") for k in chosen if k < len(batch)]
        elif "+" not in name:  # not several data sets together
            blank = torch.full_like(batch.images[0], 255)
            papers += [(blank, true[k], found[k], f"{name} {k + 1}") for k in range(len(batch))]
    _save_figure(folder / "found.jpg", tiles, columns=8)
    (folder / "real.png").unlink(missing_ok=True)
    if papers:
        _save_figure(folder / "real.png", papers, columns=6)


def _save_figure(
    path: Path, tiles: Sequence[tuple[Tensor, Tensor, Tensor, str]], columns: int
) -> None:
    """Pictures with labelled joints in grey and predicted ones in the colours of the sides."""
    rows = -(-len(tiles) // columns)
    figure = Figure(figsize=(2 * columns, 2 * rows), dpi=TILE / 2, layout="constrained")
    for number, (image, true, found, title) in enumerate(tiles, start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw_picture(axes, image, SPIN24)
        draw_skeleton(axes, SPIN24, true, width=1.6, colour=GREY)
        draw_skeleton(axes, SPIN24, found, width=1.0)
        axes.set_title(title, fontsize=8)
    style = {"metadata": {"Software": None}} if path.suffix == ".png" else {}
    write_whole(path, lambda part: figure.savefig(part, format=path.suffix[1:], **style))


def _pictures(images: UInt8[Tensor, "B 3 H W"]) -> list[UInt8[np.ndarray, "H W 3"]]:
    return [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in images]


def _grid(tiles: list[np.ndarray], columns: int) -> UInt8[np.ndarray, "H W 3"]:
    rows = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _save(path: Path, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    write_whole(path, lambda part: part.write_bytes(content.tobytes()))


def render(record: dict, page: str) -> str:
    """The page with its measured parts made anew from a record; ValueError where one is missing."""
    tests = record["tests"]
    real = [name for name in tests if name not in GENERATED]
    remark = f"What one sees there: {record['remark']}" if record["remark"] else ""
    parts = {
        "training": _training(record),
        "shares": table(_measures(tests)),
        "conclusion": _conclusion(tests, real),
        "joints": table(_joints(tests)),
        "real people": REAL if real else SKIPPED,
        "remark": _paragraph(remark),
        "provenance": _provenance(record),
    }
    for name, text in parts.items():
        start, end = f"<!-- measured: {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(start)
        _, ends, after = rest.partition(end)
        if not (found and ends):
            raise ValueError(f"{PAGE} has no part from {start.strip()} to {end}")
        page = f"{before}{start}\n{text}\n\n{end}{after}"
    return page


REAL = f"""All the real people. Their photographs are not ours to copy, so the crops are left blank.
Pale: what people annotated; strong: the network's answer for the same joints.

![stick figures of the real people, annotated and predicted]({FOLDER}/real.png)"""

SKIPPED = """The test on real photographs was skipped in this run: no folder with them was named
(`--real`)."""


def _training(record: dict) -> str:
    training, seconds, seen = record["training"], record["seconds"], record["visible"]
    first, last = training["loss"][0], training["loss"][-1]
    return _paragraph(
        f"""A plain network ({training["parameters"]:,} parameters: {training["network"]}) learned
        from {training["pictures"]:,} pictures of `Wild`'s training split and nothing else, from
        random weights: {training["epochs"]} epochs in {training["minutes"]:.1f} minutes on
        {_threads(record)} of a CPU, crops of 128 x 128 px, mirrored, turned, zoomed and recoloured
        at random. The loss of an epoch fell from {first:.3g} to {last:.3g}. Drawing the pictures
        took {seconds["drawing"]:,} s ({training["pictures"] / seconds["drawing"]:.0f} a second),
        the whole run {seconds["all"] / 60:.0f} minutes. One seed ({record["settings"]["seed"]}). Of
        the joints in these pictures {seen["seen"]:.0f} % are in plain sight, {seen["covered"]:.0f}
        % covered or beyond the photograph's edge, {seen["outside"]:.1f} % outside the crop. Such a
        network is far from the field's best: it shows what the pictures teach, not what can be
        reached."""
    )


def _threads(record: dict) -> str:
    return f"{record['threads']} thread" + "s" * (record["threads"] > 1)


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100, break_on_hyphens=False)


def _measures(tests: dict) -> pd.DataFrame:
    rows = []
    for name, test in tests.items():
        about = (name, f"{test['persons']:,}", f"{test['joints']:,}")
        joined = [tests[part]["measures"] for part in name.split(" + ") if part in tests]
        for measure, values in test["measures"].items():
            if not all(measure in part for part in joined):
                continue  # of a part of the people alone, where it stands already
            shares = (_interval(*values[who]) for who in ("network", "mean pose", "gain"))
            rows.append((*about, measure, *shares))
            about = ("", "", "")
    head = ("Tested on", ">Persons", ">Joints", "Measure", ">Network, %", ">Mean pose, %", ">Gain")
    return pd.DataFrame(rows, columns=head)


def _interval(mean: float, low: float, high: float) -> str:
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _joints(tests: dict) -> pd.DataFrame:
    def cell(row: dict | None) -> str:
        if row is None:
            return ""
        return f"{row['network']:.0f} / {row['mean pose']:.0f} ({row['joints']:,})"

    kinds = dict.fromkeys(kind for test in tests.values() for kind in test["joint"])
    rows = [(kind, *(cell(test["joint"].get(kind)) for test in tests.values())) for kind in kinds]
    return pd.DataFrame(rows, columns=["Joint", *(f">{name}" for name in tests)])


def _conclusion(tests: dict, real: list[str]) -> str:
    """What the numbers say, in words that follow from them."""

    def at(name: str, who: str = "network") -> list[float]:
        return tests[name]["measures"]["PCK@0.1"][who]

    text = f"""**What this says.** At PCK@0.1 the network finds {at("Wild")[0]:.0f} % of the joints
        of unseen strangers of the studio, and {at("S9")[0]:.0f} % and {at("S11")[0]:.0f} % of those
        of its two unseen actors in the hall, of whose place and cameras it has seen nothing."""
    if not real:
        return _paragraph(text)
    name = real[-1]
    value, low, high = at(name)
    gain, least, most = at(name, "gain")
    drop = at("Wild")[0] - value
    text += f""" Of the real people's joints it finds {value:.0f} % ({low:.0f} to {high:.0f}):
        {abs(drop):.0f} points {"less" if drop > 0 else "more"} than of the strangers',
        {abs(gain):.0f} points {"more" if gain > 0 else "less"} than the mean pose
        ({least:.0f} to {most:.0f})."""
    if least > 0:
        text += " So part of what it learned from generated pictures carries over to real ones."
    elif most < 0:
        text += " So on real people it is worse than not looking at the picture at all."
    else:
        text += " So few persons can't tell whether it does better than not looking at all."
    text += f""" They are {tests[name]["persons"]} persons, chosen by nobody for this purpose and far
        too few to rank anything: read the interval, not the number. Nothing was tuned on them."""
    return _paragraph(text)


def _provenance(record: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    commit = f"`{record['commit'][:12] or 'unknown'}`" + " with changes" * record["dirty"]
    settings = " ".join(f"--{name} {value}" for name, value in record["settings"].items())
    return _paragraph(
        f"""`{record["command"]} {settings} --real FOLDER`; FOLDER holds
        `mpii5/test_mpii.json` and `coco4/test_coco.json` beside their pictures, and without it that
        test is skipped. {record["finished"]}; commit {commit}; {versions}; {record["device"]},
        {_threads(record)}; training pictures {record["fingerprint"]}. {record["note"]}"""
    )
