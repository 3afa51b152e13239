"""People that were found, drawn: their skeletons over the picture, and in space before the camera.

J joints, H x W pixels, camera coordinates in mm. Left and right have the colours of `figures`.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import UInt8
from matplotlib.colors import to_rgb

from posekit.figures.curves import BLACK
from posekit.figures.overlay import side_colours
from posekit.figures.skeleton3d import DISPLAY_RATE, SIDES, bones, scene_layout, to_display
from posekit.geometry.skeleton import Skeleton
from posekit.inference.localise import Person

MOMENTS = 300  # of a video, that its page has room for
WHITE = (255, 255, 255)
BITS = 4  # of a pixel's fraction, in OpenCV's coordinates
FAR = 30_000  # px; OpenCV's coordinates end there


def draw(
    picture: UInt8[np.ndarray, "H W 3"], people: Sequence[Person], skeleton: Skeleton
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture (RGB) with every person's box, skeleton, and distance in metres; nearest last."""
    drawing = picture.copy()
    colours = [_rgb(colour) for colour in side_colours(skeleton)]
    for person in sorted(people, key=lambda each: -each.depth):
        width = max(1, round(max(person.box[2:]) / 120))
        corners = _fixed([person.box[:2], np.add(person.box[:2], person.box[2:])])
        style = {"lineType": cv2.LINE_AA, "shift": BITS}
        cv2.rectangle(drawing, *corners, WHITE, 1, **style)
        places = _fixed(person.joints2d.numpy())
        for extra, paint in ((2, None), (0, colours)):  # a white rim, then the colour
            for parent, child in skeleton.bones:
                colour = paint[child] if paint else WHITE
                cv2.line(drawing, places[parent], places[child], colour, width + extra, **style)
        for place, colour in zip(places, colours, strict=True):
            cv2.circle(drawing, place, (width + 1) << BITS, WHITE, -1, **style)
            cv2.circle(drawing, place, width << BITS, colour, -1, **style)
        _label(drawing, f"{person.depth / 1000:.1f} m", (corners[0][0], corners[1][1]))
    return drawing


def space(
    moments: Sequence[Sequence[Person]], skeleton: Skeleton, *, title: str, rate: float
) -> go.Figure:
    """All people of a picture, or of a video's frames, in one scene, as far away as they are.

    Of a long video MOMENTS frames are shown. Raises ValueError when there is nobody in any frame.
    """
    step = max(1, round(rate / DISPLAY_RATE), -(-len(moments) // MOMENTS))
    moments = moments[::step]
    most = max((len(people) for people in moments), default=0)
    if most == 0:
        raise ValueError("there is nobody to draw in space")
    poses = torch.full((len(moments), most, len(skeleton), 3), torch.nan)
    for t, people in enumerate(moments):
        for slot, person in enumerate(people):
            poses[t, slot] = to_display(person.joints3d)
    traces = [
        trace
        for slot in range(most)
        for trace in bones(poses[:, slot], skeleton, sides=SIDES, first=slot == 0)
    ]
    texts = [[f"{p.depth / 1000:.1f} m" for p in people] for people in moments]
    labels = [_labels(pose, text) for pose, text in zip(poses, texts, strict=True)]
    figure = go.Figure([base for base, _ in traces] + labels[:1])
    if len(moments) > 1:
        moved = list(range(len(traces) + 1))
        figure.frames = [
            go.Frame(name=str(t), traces=moved, data=[*(at(t) for _, at in traces), labels[t]])
            for t in range(len(moments))
        ]
    figure.update_layout(scene_layout(title, _cube(poses), len(moments), 1000 * step / rate))
    return figure


def _cube(poses: torch.Tensor) -> np.ndarray:
    """The ranges (3, 2) of a cube around everybody, on its floor."""
    joints = poses.reshape(-1, 3)
    joints = joints[joints.isfinite().all(-1)].double()
    low, high = joints.amin(0), joints.amax(0) + torch.tensor([0.0, 0.0, 200.0])  # for the labels
    half = float((high - low).max()) * 0.52
    centre = (low + high) / 2
    ranges = torch.stack([centre - half, centre + half], dim=1)
    floor = float(low[2]) - 0.02 * half
    ranges[2] = torch.tensor([floor, floor + 2 * half])
    return ranges.round().numpy()


def _labels(pose: torch.Tensor, texts: list[str]) -> go.Scatter3d:
    """How far everybody is, above their highest joint."""
    shown = pose[: len(texts)]
    x, y = shown[..., 0].mean(1), shown[..., 1].mean(1)
    return go.Scatter3d(
        x=x.round().tolist(),
        y=y.round().tolist(),
        z=(shown[..., 2].amax(1) + 120).round().tolist(),
        mode="text",
        text=texts,
        textfont={"size": 14, "color": BLACK},
        showlegend=False,
        hoverinfo="skip",
    )


def _fixed(places) -> list[tuple[int, int]]:
    """Pixels as OpenCV takes them with `shift`."""
    steps = np.clip(np.asarray(places, dtype=float), -FAR, FAR) * 2**BITS
    return [tuple(pair) for pair in steps.round().astype(int).tolist()]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in to_rgb(colour))


def _label(drawing: UInt8[np.ndarray, "H W 3"], text: str, corner: tuple[int, int]) -> None:
    """The text in a box's lower left corner: there, people of different distances rarely meet."""
    x, y = (place >> BITS for place in corner)
    place = (max(x, 0) + 3, min(y, drawing.shape[0]) - 4)
    for colour, width in (((0, 0, 0), 3), (WHITE, 1)):
        cv2.putText(
            drawing, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA
        )
