"""`posekit predict`: the people of a picture, a video or before a webcam.

What is written into a folder:

    people.json   the numbers of a picture; people.jsonl of a video (`posekit.predict.predictions`)
    drawn.jpg     the picture with boxes, skeletons and distances; drawn.mp4 of a video
    space.html    everybody in space, to turn (beside it plotly.min.js; space.png without scripts)
    webcam.avi    of a webcam: what it saw

A video's numbers are written frame by frame, and what can be watched is made of them at the end,
or when Ctrl-C or SIGTERM ends it early. The same command goes on where it stopped.
"""

import contextlib
import json
import math
import re
import signal
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2

from posekit.figures import output
from posekit.geometry.skeleton import Skeleton
from posekit.inference.boxes import Given, box_of, read_boxes
from posekit.inference.detectors import Detector, Found, choose
from posekit.inference.drawing import draw, space
from posekit.inference.localise import Person, camera_of, locate
from posekit.inference.output import about, open_log, read_log, text_of
from posekit.inference.trained import Trained, load
from posekit.inference.video import Video, Webcam, is_picture, read_shown
from posekit.system import pick_device, progress, write_text, write_whole

PEOPLE, LOG, SPACE = "people.json", "people.jsonl", "space"
STILL, FILM = "drawn.jpg", "drawn.mp4"
CODECS = ("vp09", "mp4v")  # what browsers play, else what every OpenCV writes


class Done(NamedTuple):
    """How far it came."""

    frames: int
    people: int
    interrupted: bool
    promised: int | None  # frames that the file says it has


def predict_source(
    source: str,
    model: str,
    box: Sequence[str],
    boxes: Path | None,
    detector: str,
    device: str,
    out: Path | None,
    *,
    focal: float | None,
    least: float,
    most: int | None,
) -> tuple[str, bool]:
    """What the command line asks for: what to say of it, and whether it was interrupted."""
    camera = re.fullmatch(r"webcam(?::(\d+))?", source)
    path = Path(source).expanduser()
    out = out or Path(f"{source.replace(':', '-') if camera else path.stem}-people")
    still = not camera and is_picture(path)
    device = str(pick_device(device))
    trained = load(model, device)
    if box or boxes:
        if box and boxes:
            raise ValueError("give --box or --boxes, not both")
        found = [Found(box_of(text.split(","), f"--box {text}")) for text in box]
        finder = Given(found, {}) if found else read_boxes(boxes, path.name)
    else:
        finder = choose(detector, device)
    if still:
        people = predict_picture(path, trained, finder, out, focal=focal, least=least)
        return _said(f"people: {len(people)}", finder, out), False
    video = Webcam(int(camera[1] or 0), out) if camera else Video(path)
    done = predict_video(video, trained, finder, out, focal=focal, least=least, most=most)
    said = _said(f"frames: {done.frames}, people in all of them: {done.people}", finder, out)
    if done.interrupted:
        said += "\ninterrupted; the same command goes on from here"
    elif done.promised and most is None and done.frames < done.promised:
        said += (
            f"\n{path} promises {done.promised} frames; the rest could not be read: is it whole?"
        )
    return said, done.interrupted and not camera


def _said(counts: str, finder: Detector, out: Path) -> str:
    by = f"found by: {finder.name}" + (f"; {finder.note}" if finder.note else "")
    return "\n".join(filter(None, [counts, by, finder.remedy, f"results: {out}"]))


def sure(found: Sequence[Found], least: float) -> list[Found]:
    """Those without a score, and those of whom the detector is at least that sure."""
    return [each for each in found if each.score is None or each.score >= least]


def predict_picture(
    path: Path,
    trained: Trained,
    detector: Detector,
    out: Path,
    *,
    focal: float | None = None,
    least: float = 0.5,
) -> list[Person]:
    """Find everybody in a picture and write the files; no page where nobody was found.

    Errors as `read_image` and `locate`; nothing is written then.
    """
    picture, film = read_shown(path)
    height, width = picture.shape[:2]
    camera = camera_of((height, width), focal, film)
    found = sure(detector.find(picture, 0), least)
    people = locate(picture, found, trained, camera, path.name)
    source = {"name": path.name, "width": width, "height": height}
    known = about(source, trained, camera, detector, least)
    drawing = cv2.cvtColor(draw(picture, people, trained.skeleton), cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", drawing, [cv2.IMWRITE_JPEG_QUALITY, 95])
    write_text(out / PEOPLE, text_of(known, people))
    write_whole(out / STILL, lambda part: part.write_bytes(coded.tobytes()))
    if people:
        title = f"{path.name}, by {trained.name}"
        output.save(space([people], trained.skeleton, title=title, rate=1.0), out, SPACE)
    return people


def predict_video(
    video: Video | Webcam,
    trained: Trained,
    detector: Detector,
    out: Path,
    *,
    focal: float | None = None,
    least: float = 0.5,
    most: int | None = None,
) -> Done:
    """Find everybody in every frame, or in the first `most`, and write the files.

    Ctrl-C and SIGTERM end it early: what is done is drawn then, too. ValueError, besides those of
    `Video` and `locate`, when `out` has a log that was made in another way.
    """
    camera = camera_of((video.height, video.width), focal)
    head = about(video.source, trained, camera, detector, least)
    interrupted = False
    with open_log(out / LOG, head) as (log, done):
        if video.live and done:
            raise ValueError(f"a webcam can't go on with {out / LOG}: choose another --out")
        count = min(most or math.inf, video.count or math.inf)
        total = int(count) if count < math.inf else None
        left = None if most is None else max(most - done, 0)
        with contextlib.closing(video.frames(done)) as frames, _stoppable():
            try:
                for frame in progress(islice(frames, left), video.name, total, done):
                    where = f"{video.name}, frame {frame.number}"
                    found = sure(detector.find(frame.picture, frame.number), least)
                    people = locate(frame.picture, found, trained, camera, where)
                    row = {"frame": frame.number, "time": round(frame.time, 4)}
                    row["people"] = [person.plain() for person in people]
                    log.write(json.dumps(row).encode() + b"\n")
                    log.flush()
            except KeyboardInterrupt:
                interrupted = True
    rows = read_log(out / LOG)
    if rows:
        _publish(video, trained, rows, out)
    return Done(len(rows), sum(len(row["people"]) for row in rows), interrupted, video.count)


def _publish(video: Video | Webcam, trained: Trained, rows: list[dict], out: Path) -> None:
    """The drawn video and the page, of what the log has."""
    moments = [[Person.read(person) for person in row["people"]] for row in rows]
    rate = video.rate
    if video.live and len(rows) > 1:  # as fast as it went
        rate = (len(rows) - 1) / max(rows[-1]["time"] - rows[0]["time"], 1e-3)
    footage = Video(video.path)
    write_whole(out / FILM, lambda part: _draw_all(part, footage, moments, trained.skeleton, rate))
    if any(moments):
        title = f"{video.name}, {len(rows)} frames, by {trained.name}"
        output.save(space(moments, trained.skeleton, title=title, rate=rate), out, SPACE)


def _draw_all(
    part: Path, video: Video, moments: list[list[Person]], skeleton: Skeleton, rate: float
) -> None:
    path = part.with_name(f"{part.name}.mp4")  # OpenCV goes by a file's ending
    size = (video.width, video.height)
    try:
        for codec in CODECS:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, size)
            if writer.isOpened():
                break
        pairs = zip(video.frames(), moments, strict=False)  # a stopped run has fewer
        for frame, people in progress(pairs, "drawing", len(moments)):
            writer.write(cv2.cvtColor(draw(frame.picture, people, skeleton), cv2.COLOR_RGB2BGR))
        writer.release()
        if not path.is_file():
            raise OSError("OpenCV can't write videos here")
        path.replace(part)
    finally:
        path.unlink(missing_ok=True)


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
