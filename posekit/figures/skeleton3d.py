"""3D scenes in Plotly: skeletons to play and to turn.

T frames, P people, J joints, N points of a trace. Poses are in millimetres.
"""

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.figures.output import grid_step
from posekit.figures.palette import BLACK, GREY, SIDES, plain, side
from posekit.geometry.skeleton import Skeleton

DISPLAY_RATE = 25.0  # frames a second that a browser redraws in 3D without falling behind
MOST_FRAMES = 300  # that a page has room for
EYE = {"x": 0.5, "y": -1.75, "z": 0.42}  # on the camera's side, a step to the right


class Line(NamedTuple):
    """A trace of lines or texts: how it looks, its points in every frame, and its texts."""

    style: dict  # of go.Scatter3d
    points: Float[np.ndarray, "T N 3"]
    texts: Sequence[Sequence[str]] = ()  # of every frame

    def at(self, t: int) -> go.Scatter3d:
        """The points of one frame, without the style."""
        x, y, z = self.points[t].T
        return go.Scatter3d(x=x, y=y, z=z, text=self.texts[t] if self.texts else None)

    def trace(self) -> go.Scatter3d:
        """The first frame, with the style."""
        return self.at(0).update(self.style)


def to_display(pose: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Camera coordinates (x right, y down, z forward) as x right, y away, z up.

    The only place where figures change axes; without it people hang upside down.
    """
    x, y, z = pose.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)


def skeleton_3d(
    poses: dict[str, Tensor],
    skeleton: Skeleton,
    *,
    title: str,
    rate: float = 50.0,
    world: bool = False,
    overlay: str = "truth",
) -> go.Figure:
    """Named poses beside each other in one scene, which plays when they have several frames.

    `poses` maps a name to (T, J, 3) or (J, 3) mm in camera coordinates, or in world coordinates
    (z up) where `world` says so; all of one length. The scene follows each person's root joint;
    `world` poses keep their height above the floor. The pose named `overlay` is drawn once more,
    thin and grey, inside every other one, so that the error is seen. Of fast motions every n-th
    frame is kept, at most 25 a second. NaN joints are left out. Raises ValueError for poses of
    different lengths, of another skeleton, or without a single finite joint.
    """
    names, people = list(poses), _about_roots(poses, skeleton, world)
    low, high = _extent(people)
    pitch = max(float(high[0] - low[0]) + 200, 800.0)
    steps = torch.arange(len(names), dtype=torch.float64) - (len(names) - 1) / 2
    offsets = (pitch * steps)[:, None] * torch.tensor([1, 0, 0])  # (P, 3)
    placed, ghosts = people + offsets[:, None], []
    if others := [i for i, name in enumerate(names) if name != overlay and overlay in names]:
        again = people[:, [names.index(overlay)]] + offsets[others, None]
        style = {"mode": "lines", "line": {"color": GREY, "width": 3}, "hoverinfo": "skip"}
        style["name"] = f"{overlay}, laid over"
        ghosts = [Line(style, _segments(again, skeleton.bones))]
    above = (offsets + torch.tensor([0, 0, float(high[2]) + 100])).expand(len(placed), -1, -1)
    lines = [*ghosts, *bone_lines(placed, skeleton), _labels(above, [names] * len(placed))]
    return _scene(lines, placed, title=title, rate=rate)


def people_3d(
    poses: Float[Tensor, "T P J 3"],
    texts: Sequence[Sequence[str]],
    skeleton: Skeleton,
    *,
    title: str,
    rate: float,
) -> go.Figure:
    """People where they stand before the camera (mm), each with a text above the head.

    `texts` has P texts for every frame. Who is not there in a frame has NaN joints. Frames are left
    out as in `skeleton_3d`. Raises ValueError when nobody is in any frame.
    """
    if not poses.isfinite().any():
        raise ValueError("there is nobody to draw in space")
    placed = to_display(poses.double())
    above = torch.cat([placed[..., :2].mean(2), placed[..., 2:].amax(2) + 120], dim=-1)
    lines = [*bone_lines(placed, skeleton), _labels(above, texts)]
    return _scene(lines, placed, title=title, rate=rate)


def bone_lines(poses: Float[Tensor, "T P J 3"], skeleton: Skeleton) -> list[Line]:
    """Everybody's bones (display coordinates, mm), a line for each side in its colour."""
    lines = []
    for name, colour in SIDES.items():
        bones = [bone for bone in skeleton.bones if side(skeleton.joints[bone[1]]) == name]
        ends = [[plain(skeleton.joints[joint]) for joint in bone] for bone in bones]
        style = {
            "mode": "lines+markers",
            "line": {"color": colour, "width": 7},
            "marker": {"color": colour, "size": 2.5},
            "name": name,
            "hoverinfo": "text",
            "text": [text for pair in ends for text in (*pair, "")] * poses.shape[1],
        }
        lines.append(Line(style, _segments(poses, bones)))
    return lines


def layout(title: str, scene: dict) -> dict:
    """The layout of a figure with one 3D scene: its title above, its legend below that.

    The title is text: Plotly would take a file's name for HTML.
    """
    return {
        "template": "none",
        "title": {"text": html.escape(title, quote=False), "x": 0.5, "font": {"size": 17}},
        "width": 760,
        "height": 640,
        "margin": {"l": 10, "r": 10, "t": 50, "b": 10},
        "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "top"},
        "scene": {"dragmode": "turntable"} | scene,
    }


def _about_roots(
    poses: dict[str, Tensor], skeleton: Skeleton, world: bool
) -> Float[Tensor, "T P J 3"]:
    """The poses in display coordinates, everybody's root above the origin."""
    people = {}
    for name, pose in poses.items():
        pose = pose.detach().cpu().double()
        pose = pose[None] if pose.dim() == 2 else pose
        if pose.shape[1:] != (len(skeleton), 3) or not pose.isfinite().all(-1).any():
            raise ValueError(
                f"poses {name!r} of shape {tuple(pose.shape)} are not (frames, {len(skeleton)}, 3), "
                f"as {skeleton.name} needs, or have no finite joint"
            )
        pose = pose if world else to_display(pose)
        origin = torch.nan_to_num(pose[:, skeleton.root, None])
        # In the world, the height above the floor is part of what is seen.
        people[name] = pose - origin * torch.tensor([1, 1, 0 if world else 1])
    lengths = {name: len(pose) for name, pose in people.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"poses have to have the same number of frames, not {lengths}")
    return torch.stack(list(people.values()), dim=1)


def _extent(poses: Float[Tensor, "T P J 3"]) -> tuple[Tensor, Tensor]:
    """The least and the greatest coordinates of all finite joints."""
    joints = poses[poses.isfinite().all(-1)]
    return joints.amin(0), joints.amax(0)


def _segments(poses: Float[Tensor, "T P J 3"], bones: Sequence) -> Float[np.ndarray, "T N 3"]:
    """The two ends of every bone, and NaN behind them, where the pen is lifted."""
    padded = torch.cat([poses, torch.full_like(poses[:, :, :1], torch.nan)], dim=2)
    points = padded[:, :, [joint for bone in bones for joint in (*bone, -1)]]
    return points.flatten(1, 2).round().float().numpy()  # 1 mm: half the bytes, no less to see


def _labels(points: Float[Tensor, "T P 3"], texts: Sequence[Sequence[str]]) -> Line:
    style = {"mode": "text", "textfont": {"size": 15, "color": BLACK}}
    style |= {"showlegend": False, "hoverinfo": "skip"}
    plainly = [[html.escape(text, quote=False) for text in frame] for frame in texts]
    return Line(style, points.round().float().numpy(), plainly)


def _scene(
    lines: Sequence[Line], poses: Float[Tensor, "T P J 3"], *, title: str, rate: float
) -> go.Figure:
    """The figure of these lines in a cube round all poses; it plays where there is motion."""
    figure = go.Figure([line.trace() for line in lines])
    figure.update_layout(layout(title, _cube(poses)))
    if len(poses) > 1:
        step = max(1, round(rate / DISPLAY_RATE), -(-len(poses) // MOST_FRAMES))
        figure.frames = [
            go.Frame(name=str(number), data=[line.at(t) for line in lines])
            for number, t in enumerate(range(0, len(poses), step))
        ]
        figure.update_layout(_player(len(figure.frames), 1000 * step / rate))
    return figure


def _cube(poses: Float[Tensor, "T P J 3"]) -> dict:
    """Axes of equal length round all poses, who stand on the floor; room for labels above them."""
    low, high = _extent(poses)
    half = 0.52 * float((high - low + torch.tensor([0, 0, 200])).max())
    starts = ((low + high) / 2 - half).tolist()
    starts[2] = float(low[2]) - 0.02 * half
    step = grid_step(2 * half)
    titles = ("right", "away", f"up (grid: {step} mm)")
    axes = {
        f"{letter}axis": {
            "range": [round(start), round(start) + round(2 * half)],
            "dtick": step,
            "tick0": 0,
            "showticklabels": False,
            "title": {"text": name, "font": {"size": 12}},
            "showbackground": letter == "z",
            "backgroundcolor": "#F2F2F2",
            "gridcolor": "#D9D9D9",
            "zeroline": False,
            "showspikes": False,
        }
        for letter, start, name in zip("xyz", starts, titles, strict=True)
    }
    camera = {"eye": EYE, "center": {"x": 0, "y": 0, "z": -0.09}}
    return axes | {"aspectmode": "cube", "camera": camera}


def _player(count: int, duration: float) -> dict:
    """Play and pause buttons and the slider of an animation; `duration` of a frame in ms."""
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    run = {"frame": {"duration": duration, "redraw": True}, "transition": {"duration": 0}}
    buttons = [
        {"label": "Play", "method": "animate", "args": [None, run | {"fromcurrent": True}]},
        {"label": "Pause", "method": "animate", "args": [[None], still]},
    ]
    steps = [
        {"label": f"{t * duration / 1000:.2f}", "method": "animate", "args": [[str(t)], still]}
        for t in range(count)
    ]
    place = {"xanchor": "left", "yanchor": "top", "y": 0}
    menu = place | {"type": "buttons", "direction": "left", "x": 0, "buttons": buttons}
    slider = place | {"x": 0.2, "len": 0.78, "steps": steps, "pad": {"t": 0}}
    slider["currentvalue"] = {"prefix": "time ", "suffix": " s"}
    return {"updatemenus": [menu], "sliders": [slider]}
