"""The picture studio's data card as a page: its sheets of pictures, and its text from the record.

`posekit.cli.studio_card` measures and writes the record; `render` makes STUDIO.md from the record alone.
Real people are drawn as stick figures on plain paper, for their photographs are not ours to copy.

B persons, J joints of SPIN24, H x W pixels.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from posekit.cli.studio_card_people import ENOUGH, SIDE, People
from posekit.data.batch import HIDDEN, SEEN
from posekit.data.pictures import dice
from posekit.geometry.body import free
from posekit.geometry.skeleton import SPIN24
from posekit.metrics.pckh import HEAD
from posekit.report.markdown import table
from posekit.studio import poses
from posekit.studio.motion.anatomy import SUBJECTS
from posekit.studio.pictures import HALL, StudioPictures
from posekit.studio.scene import lens
from posekit.studio.scene.cast import actor
from posekit.studio.scene.photograph import Scene, photograph
from posekit.studio.scene.rooms import stage
from posekit.studio.wild import PLACES, REACHES, Wild
from posekit.system import write_whole
from posekit.training.runs import ROOT

CARD = ROOT / "posekit/studio/STUDIO.md"
FOLDER = "card"
TILE = 192  # px, of an overlay
GENERATED = ("Wild", *poses.TEST)
KINDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "head_top", "neck", "nose", "eye",
         "ear", "mid_shoulders", "pelvis")  # fmt: skip
"""Joints of the table, left and right together."""

_BONES = [
    *(("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee")),
    *(("knee", "ankle"), ("eye", "ear")),
]
BONES = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _BONES]
BONES += [("nose", "left_eye"), ("nose", "right_eye"), ("left_shoulder", "right_shoulder")]
BONES += [("left_hip", "right_hip"), ("neck", "head_top")]
LEFT, RIGHT, MIDDLE = (40, 120, 255), (255, 110, 20), (200, 60, 200)
PARTS = np.array([(0, 0, 0), (66, 135, 245), (245, 150, 66), (250, 225, 90), (60, 200, 220),
                  (230, 80, 80), (120, 200, 110)], dtype=np.uint8)  # fmt: skip


def draw_sheets(folder: Path, seed: int) -> None:
    """Sheets of generated pictures, chosen by dice: wild.jpg, labels.jpg and studio.jpg."""
    wild = Wild("train", size=144, skeleton=SPIN24, seed=seed)
    chosen = dice(seed, 64).choice(len(wild), 64, replace=False)
    _save(folder / "wild.jpg", _grid(_pictures(wild[chosen.tolist()].images), 8), 82)
    wild = Wild("train", size=TILE, skeleton=SPIN24, seed=seed)
    columns = []
    for index in chosen[:6].tolist():
        batch = wild.sample(index)
        picture = _pictures(batch.images)[0]
        mask = np.repeat(batch.masks[0].numpy()[..., None] * np.uint8(255), 3, axis=2)
        dots = picture.copy()
        for (x, y), seen in zip(batch.joints2d[0].tolist(), batch.visible[0].tolist(), strict=True):
            if seen in (SEEN, HIDDEN):
                colour = (60, 255, 60) if seen == SEEN else (255, 40, 40)
                cv2.circle(dots, (round(x), round(y)), 3, colour, -1, cv2.LINE_AA)
        columns.append(np.concatenate([picture, mask, PARTS[batch.parts[0].numpy()], dots]))
    _save(folder / "labels.jpg", np.concatenate(columns, axis=1), 85)
    crops = StudioPictures(SUBJECTS, frames=600, every=600, size=TILE, seed=seed)
    tables = crops.frames
    rows = []
    for camera in poses.CAMERAS:
        picked = [
            int(rng.choice(np.flatnonzero((tables.subject == who) & (tables.camera == camera))))
            for who in SUBJECTS
            for rng in [dice(seed, 65, SUBJECTS.index(who))]
        ]
        rows.append(np.concatenate(_pictures(crops[picked].images), axis=1))
    below = np.concatenate(rows)
    above = np.concatenate(_hall(below.shape[1] // len(poses.CAMERAS), seed), axis=1)
    _save(folder / "studio.jpg", np.concatenate([above, below]), 82)


def _hall(side: int, seed: int) -> list[UInt8[np.ndarray, "H W 3"]]:
    """All actors in the studio's hall, from each camera."""
    body, people = free(), []
    for k, subject in enumerate(SUBJECTS):
        take = poses.performance(subject, poses.ACTIONS[2 * k], 1)
        frame = (torch.from_numpy(a[200]).float() for a in (take.rotations, take.translation))
        person = actor(subject, body).pose(*frame)
        angle = 2 * np.pi * k / len(SUBJECTS)
        at = torch.tensor([1100 * np.cos(angle), 1100 * np.sin(angle)]).float()
        people.append(person.moved(torch.cat([at - person.translation[:2], torch.zeros(1)])))
    hall = stage(dice(seed, 13), "hall", clear=[(0.0, 0.0, HALL)], reach=6_000.0)
    shots = []
    for k, camera in enumerate(poses.cameras(SUBJECTS[0])):
        scene = Scene(body, tuple(people), camera, hall, hall.lights, lens.draw(dice(seed, 14, k)))
        scale = side / max(camera.size)
        shift = (scale - 1) / 2
        affine = np.array([[scale, 0, shift], [0, scale, shift], [0, 0, 1]])
        shots.append(photograph(scene, affine, side, side).image)
    return shots


def draw_people(
    folder: Path, people: Sequence[People], guesses: Mapping[str, Float[Tensor, "_ J 2"]]
) -> None:
    """found.jpg: what the network sees in generated pictures; real.png: in real ones.

    Of the generated sets the first 16 and, spread evenly, 8 of each actor; of the real ones all.
    """
    tiles, papers = [], []
    for each in people:
        guess = guesses[each.name]
        if each.name in GENERATED:
            count = 16 if each.name == "Wild" else 8
            chosen = np.arange(count) if count == 16 else np.arange(count) * len(each) // count
            for k in chosen[: len(each)].tolist():
                picture = cv2.resize(_pictures(each.images)[k], (TILE, TILE))
                _sticks(picture, each.joints[k], each.labelled[k], pale=True)
                _sticks(picture, guess[k], each.labelled[k])
                tiles.append(picture)
        else:
            for k in range(len(each)):
                paper = np.full((TILE, TILE, 3), 255, dtype=np.uint8)
                cv2.rectangle(paper, (0, 0), (TILE - 1, TILE - 1), (200, 200, 200))
                cv2.putText(paper, f"{each.name} {k + 1}", (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42,
                            (90, 90, 90), 1, cv2.LINE_AA)  # fmt: skip
                _sticks(paper, each.joints[k], each.labelled[k], pale=True)
                _sticks(paper, guess[k], each.labelled[k])
                papers.append(paper)
    _save(folder / "found.jpg", _grid(tiles, 8), 85)
    (folder / "real.png").unlink(missing_ok=True)
    if papers:
        _save(folder / "real.png", _grid(papers, 6))


def _sticks(
    picture: UInt8[np.ndarray, "H W 3"],
    joints: Float[Tensor, "J 2"],
    known: Bool[Tensor, " J"],
    *,
    pale: bool = False,
) -> None:
    """A stick figure of a crop's joints on its tile, in place; pale ones have a dark edge."""
    scale = TILE / SIDE
    places = ((joints + 0.5) * scale - 0.5).tolist()
    for ends in BONES:
        a, b = (SPIN24.index(end) for end in ends)
        if not (known[a] and known[b]):
            continue
        line = [tuple(round(value * 8) for value in places[k]) for k in (a, b)]
        sides = {end.partition("_")[0] for end in ends} & {"left", "right"}
        colour = np.array(MIDDLE if len(sides) != 1 else LEFT if "left" in sides else RIGHT)
        if pale:
            cv2.line(picture, *line, (30, 30, 30), 4, cv2.LINE_AA, 3)
            colour = 255 - (255 - colour) // 4
        cv2.line(picture, *line, colour.tolist(), 2, cv2.LINE_AA, 3)


def _pictures(images: UInt8[Tensor, "B 3 H W"]) -> list[UInt8[np.ndarray, "H W 3"]]:
    return [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in images]


def _grid(tiles: list[np.ndarray], columns: int) -> UInt8[np.ndarray, "H W 3"]:
    tiles = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _save(path: Path, picture: UInt8[np.ndarray, "H W 3"], quality: int = 85) -> None:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    _, content = cv2.imencode(path.suffix, picture[..., ::-1], settings)
    write_whole(path, lambda part: part.write_bytes(content.tobytes()))


HEAD_TEXT = f"""# The picture studio

The sober look at the studio's pictures: what they are, what they are not, and how far a network
that has seen nothing else gets, on the studio's own unseen people and on people in real
photographs. Every number and picture below comes from one run of `python -m posekit.cli.studio_card`
(record: [{FOLDER}/record.json]({FOLDER}/record.json)). About the motion alone there is [another
card](../../results/studio.md).

## What it is

Pictures of clothed people with exact labels, drawn by this library on a CPU, without any download:
2D and 3D joints, which joints are seen, the body's rotations, shape and place, the camera,
silhouette and six body parts. Three steps: a moment of the studio's generated motion poses a body;
clothes, hair and a face are painted on it; it is drawn into generated surroundings with lights,
shadow, and a camera's blur, noise and JPEG losses. Two data sets come from it:

- `Wild`: strangers of random shape, one to four in a picture, anywhere, from any side, sometimes
  partly covered; the answer to MPII, COCO and Leeds Sports Pose. Poses of the training split are
  moments of the training actors' takes, those of the test split of the test actors', all loosened
  joint by joint; either split has its own {PLACES * len(REACHES)} places.
- `StudioPictures`: seven actors who always wear the same, one hall, four cameras, fifteen actions;
  the answer to Human3.6M. S9 and S11 are for tests.

## What it looks like

Sixty-four pictures of `Wild`, chosen by dice, not by hand:

![64 pictures of Wild]({FOLDER}/wild.jpg)

The studio's hall and actors. Above, all seven together from the four cameras (in the data each is
alone); below, crops as a network gets them, a column an actor, a row a camera:

![the hall from four cameras, and crops of the seven actors]({FOLDER}/studio.jpg)

Labels of `Wild`: the picture, the labelled person's silhouette, the parts, and 24 joints (green: in
plain sight; red: covered, by the person's own body too, or outside the photograph):

![pictures, silhouettes, parts and joints]({FOLDER}/labels.jpg)

## What it is not

- Not photographs, and not people: the bodies are MakeHuman's, made from a few sliders, with ten
  numbers of shape where people have many more.
- Clothes are colour, pattern and some bulk on the skin. There are no skirts, dresses or coats, and
  nothing hangs, swings or folds over a bent limb.
- Faces are painted spots for eyes, brows and lips; hair is a cap of colour and bulk. Nobody smiles,
  and fingers do not move.
- Elbows, knees and shoulders fold plainly (linear blend skinning without pose correctives): they
  lose volume where they bend far.
- Surroundings are boxes, planes and textures. Nobody touches them: people who sit have no chair
  under them, and hands hold nothing. Hands may pass through thighs.
- Only the brightest light throws shadows: people's on people and on the floor, furniture's on the
  floor, neither on walls or furniture. Nothing is mirrored, and light does not bounce.
- A lens's distortion bends people and their joints, but not what stands around them.
- Poses are the studio's fifteen actions and a little noise, some of them turned over: no sports, no
  dance, nobody lying at ease, no two people who touch.

## How far it gets a network"""

RULE = f"""**How it is counted.** A person is cut out by its box: the box's longer side becomes 80 %
of the crop. A joint is found when the network puts it no farther from the label than 0.2 (PCK@0.2)
or 0.1 (PCK@0.1) times that longer side, or than half the head size (PCKh@0.5; MPII's head size,
which is {HEAD} times the way from upper neck to top of head; COCO has none). PCK@0.2 forgives much:
of an upright person it is a third of a metre. Shares are over all labelled joints of shoulders,
elbows, wrists, hips, knees and ankles, covered ones too; in generated pictures over those inside
the crop. The box is, of generated people, that of the whole body; of COCO's, the annotated one,
which ends where the visible part of the person ends; of MPII's, a square of 200 px times the
annotated scale. Of the real people all count who have at least {ENOUGH} of the 12 joints labelled.
What annotators call a hip or an ankle is not to the centimetre what the studio calls so.

**The yardstick** is the *mean pose*: every joint where it lies on average in the training crops,
the same for everybody, whatever the picture shows. What the network adds to it stands under *gain*.

**In parentheses** are 95 % intervals over the persons tested (bootstrap): how much the number would
change with as many other persons of the same kind. They hold neither other seeds of the training
nor other actors: S9 and S11 are one body and one set of clothes each."""

JOINTS = """PCK@0.1 in per cent, network / mean pose, and the number of joints; left and right
together."""

FOUND = f"""The first 16 test pictures of `Wild` and 8 of S9 and of S11, evenly spread. Pale with a
dark edge: the labels; strong: what the network finds. Blue is the person's left, orange the right.

![generated pictures with labels and predictions]({FOLDER}/found.jpg)"""

REAL = f"""All the real people. Their photographs are not ours to copy, so the crops are left blank.
Pale with a dark edge: what people annotated; strong: the network's answer for the same joints.

![stick figures of the real people, annotated and predicted]({FOLDER}/real.png)"""

SKIPPED = """The test on real photographs was skipped in this run: no folder with them was given
(`--real`)."""

TERMS = """## Licences

The bodies and all that is painted on and round them may be used freely: MakeHuman's shapes are CC0,
a few index lists Apache-2.0 ([NOTICE](../bodies/NOTICE)), the rest is this library's own code and
numbers. No picture of the studio holds a pixel of a photograph.

Of the real test data no picture is redistributed, and of the annotations nothing but the stick
figures above: five persons of MPII Human Pose (Andriluka et al., CVPR 2014; for research) and those
of four pictures of COCO (Lin et al., ECCV 2014; annotations CC BY 4.0, pictures CC BY, CC BY-NC-SA
and CC BY-NC-ND of their photographers). Nothing was trained or tuned on them."""


def render(record: dict) -> str:
    """STUDIO.md from the record, and from nothing else."""
    tests = record["tests"]
    real = [name for name in tests if name not in GENERATED]
    parts = [HEAD_TEXT, _story(record), RULE, table(_measures(tests)), _sober(tests, real)]
    parts += ["### Joint by joint", JOINTS, table(_joints(tests))]
    parts += ["### In pictures", FOUND, REAL if real else SKIPPED]
    if remark := record["remark"]:
        parts.append(_paragraph(f"What one sees there: {remark}"))
    parts += [TERMS, _made(record)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _story(record: dict) -> str:
    training, seconds, seen = record["training"], record["seconds"], record["visible"]
    first, last = training["loss"][0], training["loss"][-1]
    return _paragraph(
        f"""A plain network ({training["parameters"]:,} parameters: residual blocks down to 1/32 of
        the resolution and back to a quarter, a heatmap for each of 24 joints and the middle of its
        mass round the highest cell) learned from {training["pictures"]:,} pictures of `Wild`'s training
        split and nothing else, from random weights: {training["epochs"]} epochs in
        {training["minutes"]:.1f} minutes on {_threads(record)} of a CPU, crops of {SIDE} x
        {SIDE} px, mirrored, turned, zoomed and recoloured at random. The loss of an epoch fell from
        {first:.2f} to {last:.2f}. Drawing the pictures took {seconds["drawing"]:,} s
        ({training["pictures"] / seconds["drawing"]:.0f} a second), the
        whole run {seconds["all"] / 60:.0f} minutes. One seed ({record["settings"]["seed"]}). Of the
        joints in these pictures {seen["seen"]:.0f} % are in plain sight, {seen["covered"]:.0f} %
        covered or beyond the photograph's edge, {seen["outside"]:.1f} % outside the crop. Such a
        network is far from the field's best: it shows what the pictures teach, not what can be
        reached."""
    )


def _threads(record: dict) -> str:
    return f"{record['threads']} thread" + "s" * (record["threads"] > 1)


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100, break_on_hyphens=False)


def _measures(tests: dict) -> pd.DataFrame:
    rows = []
    for name, told in tests.items():
        for k, (measure, values) in enumerate(told["measures"].items()):
            about = (
                (name, f"{told['persons']:,}", f"{told['joints']:,}") if k == 0 else ("", "", "")
            )
            found = (_interval(values[who]) for who in ("network", "mean pose", "gain"))
            rows.append((*about, measure, *found))
    head = ("Tested on", ">Persons", ">Joints", "Measure", ">Network, %", ">Mean pose, %", ">Gain")
    return pd.DataFrame(rows, columns=head)


def _interval(value: Sequence[float]) -> str:
    mean, low, high = value
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _joints(tests: dict) -> pd.DataFrame:
    def cell(told: dict | None) -> str:
        if told is None:
            return ""
        return f"{told['network']:.0f} / {told['mean pose']:.0f} ({told['joints']:,})"

    rows = [(kind, *(cell(told["joint"].get(kind)) for told in tests.values())) for kind in KINDS]
    return pd.DataFrame(rows, columns=["Joint", *(f">{name}" for name in tests)])


def _sober(tests: dict, real: list[str]) -> str:
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
    return _paragraph(
        text
        + f""" They are {tests[name]["persons"]} persons, chosen by nobody for this purpose and far
        too few to rank anything: read the interval, not the number. Nothing was tuned on them."""
    )


def _made(record: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    changed = record["changed"]
    code = f"`{record['commit'][:12] or 'unknown'}`"
    code += f" with changes in {', '.join(f'`{name}`' for name in changed)}" if changed else ""
    settings = " ".join(f"--{name} {value}" for name, value in record["settings"].items())
    text = f"""`python -m posekit.cli.studio_card {settings} --real FOLDER`; FOLDER holds
        `mpii5/test_mpii.json` and `coco4/test_coco.json` beside their pictures, and without it that
        test is skipped. {record["finished"]}; commit {code}; {versions}; {record["processor"]},
        {_threads(record)}; training pictures {record["fingerprint"]}. The number of epochs is what
        fits into the minutes, so another machine comes out elsewhere."""
    return "## How this card was made\n\n" + _paragraph(text)
