"""`posekit predict`: the people of a picture, a video or before a webcam.

What is written into a folder:

    people.json   the numbers of a picture; people.jsonl of a video (`posekit.inference.output`)
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

from posekit.figures.output import save
from posekit.inference import detectors, runtimes
from posekit.inference.boxes import box_of, given_boxes, read_boxes
from posekit.inference.detectors import Detection, Detector
from posekit.inference.drawing import draw, space
from posekit.inference.localise import Finder, Person, camera_of, integral_network
from posekit.inference.output import about, open_log, people_json, read_log, source_of
from posekit.inference.video import Video, Webcam, is_picture, read_upright, write_video
from posekit.system import pick_device, progress, write_text, write_whole

PEOPLE, LOG, SPACE = "people.json", "people.jsonl", "space"
STILL, FILM = "drawn.jpg", "drawn.mp4"


class Done(NamedTuple):
    """How far a video was predicted."""

    frames: int
    people: int
    interrupted: bool
    promised: int | None  # frames that the file says it has


def predict_source(
    source: str,
    model: str,
    *,
    box: Sequence[str],
    boxes: Path | None,
    detector: str,
    device: str,
    out: Path | None,
    focal: float | None,
    least: float,
    most: int | None,
) -> tuple[str, bool]:
    """Run the command line's options; return a report, and whether it was interrupted."""
    camera = re.fullmatch(r"webcam(?::(\d+))?", source)
    path = Path(source).expanduser()
    out = out or Path(f"{source.replace(':', '-') if camera else path.stem}-people")
    picture = not camera and is_picture(path)
    device = str(pick_device(device))
    network = integral_network(runtimes.load(model, device=device))
    if box and boxes:
        raise ValueError("give --box or --boxes, not both")
    if box:
        found = given_boxes([Detection(box_of(text.split(","), f"--box {text}")) for text in box])
    else:
        found = read_boxes(boxes, path.name) if boxes else detectors.choose(detector, device)
    finder = Finder(network, found, least, focal)
    if picture:
        people = predict_picture(path, finder, out)
        return _report(f"people: {len(people)}", found, out), False
    video = Webcam(int(camera[1] or 0), out) if camera else Video(path)
    done = predict_video(video, finder, out, most=most)
    report = _report(f"frames: {done.frames}, people in all of them: {done.people}", found, out)
    if done.interrupted:
        report += "\ninterrupted; the same command goes on from here"
    elif done.promised and most is None and done.frames < done.promised:
        report += (
            f"\n{path} promises {done.promised} frames; the rest could not be read: is it whole?"
        )
    return report, done.interrupted and not camera


def _report(counts: str, detector: Detector, out: Path) -> str:
    by = f"found by: {detector.name}" + (f"; {detector.note}" if detector.note else "")
    return "\n".join(filter(None, [counts, by, detector.remedy, f"results: {out}"]))


def predict_picture(path: Path, finder: Finder, out: Path) -> list[Person]:
    """Find everybody in a picture and write the files; no page where nobody was found.

    Errors as `read_image` and `Finder.people`; nothing is written then.
    """
    picture, film = read_upright(path)
    height, width = picture.shape[:2]
    camera = camera_of((height, width), finder.focal, film)
    people = finder.people(picture, 0, camera, path.name)
    known = about({"name": path.name, "width": width, "height": height}, finder, camera)
    drawing = cv2.cvtColor(draw(picture, people, finder.network.skeleton), cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", drawing, [cv2.IMWRITE_JPEG_QUALITY, 95])
    write_text(out / PEOPLE, people_json(known, people))
    write_whole(out / STILL, lambda part: part.write_bytes(coded.tobytes()))
    if people:
        title = f"{path.name}, by {finder.network.name}"
        save(space([people], finder.network.skeleton, title=title, rate=1.0), out, SPACE)
    return people


def predict_video(
    video: Video | Webcam, finder: Finder, out: Path, *, most: int | None = None
) -> Done:
    """Find everybody in every frame, or in the first `most`, and write the files.

    Ctrl-C and SIGTERM end it early: what is done is drawn then, too. ValueError, besides those of
    `Video` and `Finder.people`, when `out` has a log that was made in another way.
    """
    camera = camera_of((video.height, video.width), finder.focal)
    interrupted = False
    with open_log(out / LOG, about(source_of(video), finder, camera)) as (log, done):
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
                    log.write(json.dumps(row).encode() + b"\n")
                    log.flush()
            except KeyboardInterrupt:
                interrupted = True
    rows = read_log(out / LOG)
    if rows:
        _draw_all(video, finder, rows, out)
    return Done(len(rows), sum(len(row["people"]) for row in rows), interrupted, video.count)


def _draw_all(video: Video | Webcam, finder: Finder, rows: list[dict], out: Path) -> None:
    """The drawn video and the page, of what the log has."""
    skeleton, rate = finder.network.skeleton, video.rate
    frames = [[Person.read(person) for person in row["people"]] for row in rows]
    if video.live and len(rows) > 1:  # as fast as it went
        rate = (len(rows) - 1) / max(rows[-1]["time"] - rows[0]["time"], 1e-3)
    pairs = zip(Video(video.path).frames(), frames, strict=False)  # a stopped run has fewer
    pairs = progress(pairs, "drawing", len(frames))
    drawn = (draw(frame.picture, people, skeleton) for frame, people in pairs)
    size = (video.width, video.height)
    write_whole(out / FILM, lambda part: write_video(part, drawn, size, rate))
    if any(frames):
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
