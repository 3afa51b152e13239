"""`posekit predict`: the people of a picture, a video or before a webcam, or of a file of 2D joints.

What is written into a folder:

    people.json   the numbers of a picture; people.jsonl of a video (`posekit.inference.output`)
    bodies.npz    of a picture, the vertices of bodies, where the network predicts bodies
    drawn.jpg     the picture with boxes, skeletons and distances; drawn.mp4 of a video
    space.html    everybody in space, to turn (beside it plotly.min.js; space.png without scripts),
                  where the network says where
    webcam.avi    of a webcam: what it saw

A video's numbers are written frame by frame, and what can be watched is made of them at the end,
or when Ctrl-C or SIGTERM ends it early. The same command goes on where it stopped.
"""

import contextlib
import difflib
import json
import math
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from posekit.figures.output import save
from posekit.geometry.body import Body
from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import H36M17, Skeleton
from posekit.inference import detectors, lifting, runtimes, trained
from posekit.inference.adapters import blazepose, pose_network
from posekit.inference.boxes import box_of, given_boxes, read_boxes
from posekit.inference.detectors import Detection, Detector
from posekit.inference.drawing import draw, draw_bodies, space
from posekit.inference.localise import Finder, Person, PoseNetwork, camera_of
from posekit.inference.output import (
    about,
    about_joints,
    begin,
    open_log,
    people_json,
    read_log,
    same_head,
    source_of,
    source_of_video,
    write_bodies,
)
from posekit.inference.predictor import Predictor
from posekit.inference.video import Video, Webcam, is_picture, read_upright, write_video
from posekit.system import need_file, pick_device, progress, shown, write_text, write_whole
from posekit.training import spin_evaluation

PEOPLE, LOG, SPACE, BODIES = "people.json", "people.jsonl", "space", "bodies.npz"
SAMPLE = "sample"  # as a source: the picture that comes with the package
PICTURE_KINDS = ("integral", "mesh", "heatmaps")  # of networks that see pictures, the best first
STILL, FILM = "drawn.jpg", "drawn.mp4"


class Done(NamedTuple):
    """How far a video was predicted."""

    frames: int
    people: int
    interrupted: bool
    promised: int | None  # frames that the file says it has


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line can say beside the source."""

    model: str = ""  # empty: the network that comes with the package
    box: Sequence[str] = ()
    boxes: Path | None = None
    detector: str = "auto"
    least: float = 0.5
    focal: float | None = None
    most: int | None = None  # frames
    device: str = ""
    out: Path | None = None
    smpl: Path | None = None  # the folder with SMPL's files
    picture: Path | None = None  # that 2D joints are of
    order: str = ""  # of 2D joints
    replace: bool = False  # what is in the folder already


def predict_source(source: str, options: Options) -> tuple[str, bool]:
    """Do what the command line says; return a report, and whether it was interrupted."""
    camera = re.fullmatch(r"webcam(?::(\d+))?", source)
    path = sample() if source == SAMPLE else Path(source).expanduser()
    out = options.out or Path(f"{source.replace(':', '-') if camera else path.stem}-people")
    joints = not camera and path.suffix.lower() in (".json", ".csv")
    if not camera:
        near = difflib.get_close_matches(source, (SAMPLE, "webcam"), 1, 0.7)
        hint = f"did you mean {near[0]}?" if near else ""
        need_file(path, "file of 2D joints" if joints else "picture or video", hint)
    picture = not camera and not joints and is_picture(path)
    kinds = ("lifting",) if joints else PICTURE_KINDS
    network = network_of(options.model, options.device, options.smpl, kinds)
    if joints:
        lifting.check_lifter(network)
        people, left_out = predict_joints(path, network, options, out)
        said = f"people: {len(people)}"
        said += f"; {left_out} more lack joints that a lifter needs" if left_out else ""
        return _report(said, network.note, None, out), False
    if isinstance(network, Predictor):
        pose_network(network)  # says that it sees no pictures
    if options.box and options.boxes:
        raise ValueError("give --box or --boxes, not both")
    if options.box:
        typed = [box_of(text.split(","), f"--box {text}") for text in options.box]
        found = given_boxes([Detection(box) for box in typed])
    elif options.boxes or (source == SAMPLE and options.detector == "auto"):
        found = read_boxes(options.boxes or path.with_suffix(".json"), str(path))
    else:
        found = detectors.choose(options.detector, str(pick_device(options.device)))
    finder = Finder(network, found, options.least, options.focal)
    if picture:
        people = predict_picture(path, finder, out, replace=options.replace)
        return _report(f"people: {len(people)}", network.note, found, out), False
    video = Webcam(int(camera[1] or 0), out) if camera else Video(path)
    done = predict_video(video, finder, out, most=options.most, replace=options.replace)
    said = f"frames: {done.frames}, people in all of them: {done.people}"
    report = _report(said, network.note, found, out)
    if done.interrupted:
        begun = options.replace and done.frames  # the same would begin anew once more
        how = "the same command without --replace" if begun else "the same command"
        report += f"\ninterrupted; {how} goes on from here"
    elif done.promised and options.most is None and done.frames < done.promised:
        report += (
            f"\n{path} promises {done.promised} frames; the rest could not be read: is it whole?"
        )
    return report, done.interrupted and not camera


def network_of(
    model: str, device: str, smpl: Path | None, kinds: Sequence[str]
) -> PoseNetwork | Predictor:
    """The network that the command line names, or that comes with the package, of the first of these
    kinds; a `Predictor` where it sees no pictures. "blazepose" is BlazePose's, where mediapipe is
    installed. Errors as `runtimes.load`, `trained.default` and `adapters.blazepose`."""
    if model == "blazepose":
        return blazepose()
    device = str(pick_device(device))
    predictor = runtimes.load(model or trained.default(*kinds), device=device)
    if len(predictor.shape) != 3:
        return predictor
    return pose_network(predictor, spin_evaluation.smpl(smpl) if smpl else None)


def sample() -> Path:
    """The picture that comes with the package, number 13 of `Wild("test")` as a whole: generated
    people, free to use. Their boxes are in the json file beside it."""
    return Path(str(resources.files("posekit.inference"))) / "sample.jpg"


def _report(counts: str, note: str, detector: Detector | None, out: Path) -> str:
    lines = [counts, f"network: {note}" if note else ""]
    if detector:
        lines += [f"found by: {detector.name}" + (f"; {detector.note}" if detector.note else "")]
        lines += [detector.remedy]
    return "\n".join(filter(None, [*lines, f"results: {shown(out)}"]))


def check_free(out: Path, known: dict, *, replace: bool = False, going_on: str = "") -> None:
    """ValueError when `out` has files that are not of this source, network and settings.

    A folder in which posekit wrote the same before (`known`; nothing is for a video) may be written
    anew, one that has the file `going_on` be gone on with.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise NotADirectoryError(f"{out} is a file, not a folder: choose another --out")
    others = sorted(path.name for path in out.iterdir())
    if replace or not others or going_on in others:
        return
    if known and PEOPLE in others and same_head(out / PEOPLE, known):
        return
    raise ValueError(
        f"{out} has other content already ({', '.join(others[:3])}{', ...' * (len(others) > 3)}): "
        "choose another --out, or say --replace"
    )


def predict_picture(
    path: Path, finder: Finder, out: Path, *, replace: bool = False
) -> list[Person]:
    """Find everybody in a picture and write the files; no page where nobody was found.

    Errors as `read_image`, `Finder.people` and `check_free`; nothing is written then.
    """
    picture, film = read_upright(path)
    height, width = picture.shape[:2]
    camera = camera_of((height, width), finder.focal, film)
    known = about(source_of(path, width, height), finder, camera)
    check_free(out, known, replace=replace)
    people = finder.people(picture, 0, camera, shown(path.name))
    body = finder.network.body
    _write(out, known, people, picture, camera, finder.network.skeleton, body)
    return people


def predict_joints(
    path: Path, predictor: Predictor, options: Options, out: Path
) -> tuple[list[Person], int]:
    """Lift everybody of a file of 2D joints and write the files; return, too, how many were left out
    because joints are missing. Errors as `lifting.read_joints`, `lifting.lift` and `check_free`."""
    given = lifting.read_joints(
        path, options.order, options.picture.name if options.picture else ""
    )
    picture, film, size = None, None, given.size
    if options.picture:
        picture, film = read_upright(options.picture)
        size = picture.shape[1], picture.shape[0]
    if size is None:
        raise ValueError(f"{path} does not say how large its picture is: name it with --picture")
    camera = camera_of(size[::-1], options.focal, film)
    pixels = lifting.as_human36m(given)
    whole = pixels.isfinite().flatten(1).all(1)
    known = about_joints(source_of(path, *size), predictor, given.skeleton, camera)
    check_free(out, known, replace=options.replace)
    people = lifting.lift(predictor, pixels[whole], camera) if whole.any() else []
    _write(out, known, people, picture, camera, H36M17)
    return people, int((~whole).sum())


def _write(
    out: Path,
    known: dict,
    people: Sequence[Person],
    picture: UInt8[np.ndarray, "H W 3"] | None,
    camera: Camera,
    skeleton: Skeleton,
    body: Body | None = None,
) -> None:
    """The files of one picture, or of its 2D joints alone."""
    if picture is not None:
        drawing = draw_bodies(picture, people, body, camera) if body else picture
        drawing = cv2.cvtColor(draw(drawing, people, skeleton), cv2.COLOR_RGB2BGR)
        _, coded = cv2.imencode(".jpg", drawing, [cv2.IMWRITE_JPEG_QUALITY, 95])
        write_whole(out / STILL, lambda part: part.write_bytes(coded.tobytes()))
    if body and people:
        write_bodies(out / BODIES, people, body)
        known = known | {"vertices": BODIES}
    if any(person.joints3d is not None for person in people):
        title = f"{known['source']['name']}, by {known['model']['name']}"
        save(space([people], skeleton, title=title, rate=1.0), out, SPACE)
    write_text(out / PEOPLE, people_json(known, people))


def predict_video(
    video: Video | Webcam,
    finder: Finder,
    out: Path,
    *,
    most: int | None = None,
    replace: bool = False,
) -> Done:
    """Find everybody in every frame, or in the first `most`, and write the files.

    Ctrl-C and SIGTERM end it early: what is done is drawn then, too. ValueError, besides those of
    `Video` and `Finder.people`, when `out` has a log that was made in another way; with `replace` a
    log begins anew in its place, once the first frame is done.
    """
    camera = camera_of((video.height, video.width), finder.focal)
    head, interrupted = about(source_of_video(video), finder, camera), False
    check_free(out, {}, replace=replace, going_on=LOG)
    with open_log(out / LOG, head, replace=replace) as (log, done):
        if video.live and done:
            raise ValueError(f"a webcam can't go on with {out / LOG}: choose another --out")
        left = None if most is None else max(most - done, 0)
        total = min(most or math.inf, video.count or math.inf)
        total = None if total == math.inf else total
        with contextlib.closing(video.frames(done)) as frames, _stoppable():
            try:
                for frame in progress(islice(frames, left), video.name, total, done):
                    where = f"{video.name}, frame {frame.number}"
                    people = finder.people(frame.picture, frame.number, camera, where)
                    row = {"frame": frame.number, "time": round(frame.time, 4)}
                    row["people"] = [person.plain() for person in people]
                    if replace:  # only now: what fails before its first frame leaves the old log
                        begin(log, head)
                        replace = False
                    log.write(json.dumps(row).encode() + b"\n")
                    log.flush()
            except KeyboardInterrupt:
                interrupted = True
    rows = [] if replace else read_log(out / LOG)  # the old log's are no rows of this video
    if rows:
        _draw_all(video, finder, rows, out)
    return Done(len(rows), sum(len(row["people"]) for row in rows), interrupted, video.count)


def _draw_all(video: Video | Webcam, finder: Finder, rows: list[dict], out: Path) -> None:
    """The drawn video and the page, of what the log has."""
    skeleton, rate = finder.network.skeleton, video.rate
    frames = [[Person.read(person) for person in row["people"]] for row in rows]
    if len(rows) > 1:  # as fast as it went, on average, where the rate is no constant
        mean = (len(rows) - 1) / max(rows[-1]["time"] - rows[0]["time"], 1e-3)
        rate = rate if abs(mean / rate - 1) < 0.01 else mean
    pairs = zip(Video(video.path).frames(), frames, strict=False)  # a stopped run has fewer
    pairs = progress(pairs, "drawing", len(frames))
    drawn = (draw(frame.picture, people, skeleton) for frame, people in pairs)
    size = (video.width, video.height)
    write_whole(out / FILM, lambda part: write_video(part, drawn, size, rate))
    if any(person.joints3d is not None for people in frames for person in people):
        title = f"{video.name}, {len(rows)} frames, by {finder.network.name}"
        save(space(frames, skeleton, title=title, rate=rate), out, SPACE)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does."""

    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
