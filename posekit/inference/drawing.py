"""Predicted people drawn: their skeletons over the picture, and in space before the camera.

J joints, H x W pixels, camera coordinates in mm.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import UInt8
from matplotlib.colors import to_rgb

from posekit.figures.palette import side_colours
from posekit.figures.skeleton3d import people_3d
from posekit.geometry.body import Body
from posekit.geometry.camera import Camera
from posekit.geometry.render import project, rasterise, shaded
from posekit.geometry.skeleton import Skeleton
from posekit.inference.localise import Person

WHITE = (255, 255, 255)
BODY_COLOUR, OPACITY = (0.30, 0.55, 0.80), 0.7
BITS = 4  # of a pixel's fraction, in OpenCV's coordinates
FAR = 30_000  # px; OpenCV's coordinates end there


def draw(
    picture: UInt8[np.ndarray, "H W 3"], people: Sequence[Person], skeleton: Skeleton
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture (RGB) with every person's box, skeleton, and distance in metres; nearest last.

    Where the distance is not known, the person's score, if there is one, takes its place.

    By OpenCV, as matplotlib would take longer than reading and writing the frames of a video.
    """
    drawing = picture.copy()
    style = {"lineType": cv2.LINE_AA, "shift": BITS}
    colours = [tuple(round(255 * part) for part in to_rgb(c)) for c in side_colours(skeleton)]
    for person in sorted(people, key=lambda person: -(person.depth or 0.0)):
        width = max(1, round(max(person.box[2:]) / 120))
        corner, opposite = _fixed([person.box[:2], np.add(person.box[:2], person.box[2:])])
        cv2.rectangle(drawing, corner, opposite, WHITE, 1, **style)
        places = _fixed(person.joints2d.numpy())
        for extra, paint in ((2, [WHITE] * len(skeleton)), (0, colours)):  # a rim, then the colour
            for parent, child in skeleton.bones:
                cv2.line(
                    drawing, places[parent], places[child], paint[child], width + extra, **style
                )
        for place, colour in zip(places, colours, strict=True):
            cv2.circle(drawing, place, (width + 1) << BITS, WHITE, -1, **style)
            cv2.circle(drawing, place, width << BITS, colour, -1, **style)
        # In a box's lower left corner: there, people of different distances rarely meet.
        x, y = corner[0] >> BITS, opposite[1] >> BITS
        place = (max(x, 0) + 3, min(y, drawing.shape[0]) - 4)
        _write(drawing, _label(person), place)
    return drawing


def _write(drawing: UInt8[np.ndarray, "H W 3"], text: str, place: tuple[int, int]) -> None:
    """Draw white text with a black rim of a pixel, its lower left corner at `place`.

    The rim is the text itself, moved: OpenCV 5 makes thicker letters wider apart, too.
    """
    x, y = place
    rim = [((0, 0, 0), x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    for colour, *corner in (*rim, (WHITE, x, y)):
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(drawing, text, corner, font, 0.45, colour, 1, cv2.LINE_AA)


def draw_bodies(
    picture: UInt8[np.ndarray, "H W 3"], people: Sequence[Person], body: Body, camera: Camera
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture with everybody's body over it, the farthest first."""
    height, width = picture.shape[:2]
    K = torch.eye(3)[None]
    K[0, [0, 1], [0, 1]], K[0, :2, 2] = camera.focal.float(), camera.principal.float()
    drawing = picture.astype(np.float32)
    for person in sorted(people, key=lambda person: -person.depth):
        vertices = person.body.vertices[None]
        colours = torch.tensor(BODY_COLOUR).expand(1, vertices.shape[1], 3)
        drawn = shaded(vertices, body.faces, K, height, width, colours)[0].numpy()
        raster = rasterise(project(vertices, K), body.faces, height, width)
        opacity = OPACITY * raster.coverage[0, :, :, None].numpy()
        drawing = drawing * (1 - opacity) + drawn * opacity
    return drawing.round().astype(np.uint8)


def space(
    frames: Sequence[Sequence[Person]], skeleton: Skeleton, *, title: str, rate: float
) -> go.Figure:
    """All people of a picture, or of a video's frames, in one scene, as far away as they are.

    ValueError when there is nobody in any frame, or their places in space are not known.
    """
    most = max(map(len, frames), default=0)
    poses = torch.full((len(frames), most, len(skeleton), 3), torch.nan)
    texts = [[""] * most for _ in frames]
    for t, people in enumerate(frames):
        for slot, person in enumerate(people):
            if person.joints3d is not None:
                poses[t, slot] = person.joints3d
            texts[t][slot] = _label(person)
    return people_3d(poses, texts, skeleton, title=title, rate=rate)


def _label(person: Person) -> str:
    if person.depth is not None:
        return f"{person.depth / 1000:.1f} m"
    return "" if person.score is None else f"{person.score:.2f}"


def _fixed(places) -> list[tuple[int, int]]:
    """Pixels as OpenCV takes them with `shift`."""
    steps = np.clip(np.asarray(places, dtype=float), -FAR, FAR) * 2**BITS
    return [tuple(pair) for pair in steps.round().astype(int).tolist()]
