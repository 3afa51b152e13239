"""Skeletons to play and turn in 3D (Plotly), and how every figure is shown and saved.

T frames, J joints. Poses are in millimetres. Every figure has a picture that needs no script:
`show` publishes both in one notebook output, `save` writes both beside each other.
"""

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.figures.curves import BLACK, BLUE, GREY, VERMILION
from posekit.figures.output import GRID
from posekit.geometry.skeleton import Skeleton

SIDES = {"right": VERMILION, "left": BLUE, "middle": BLACK}
DISPLAY_RATE = 25.0  # frames a second that a browser redraws in 3D without falling behind
EYE = {"x": 0.5, "y": -1.75, "z": 0.42}  # on the camera's side, a step to the right


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
    people = _people(poses, skeleton, world)
    step = max(1, round(rate / DISPLAY_RATE))
    people = {name: pose[::step] for name, pose in people.items()}
    ghosts = {}
    if overlay in people:
        ghosts = {name: people[overlay] for name in people if name != overlay}
    offsets, ranges = _layout(people)
    moving = [
        bones(pose + offset, skeleton, sides={"all": GREY}, first=i == 0, label=overlay)
        for i, (pose, offset) in enumerate((ghosts[n], offsets[n]) for n in ghosts)
    ] + [
        bones(people[name] + offsets[name], skeleton, sides=SIDES, first=i == 0)
        for i, name in enumerate(people)
    ]
    traces = [trace for part in moving for trace in part]
    figure = go.Figure([base for base, _ in traces] + [_labels(people, offsets)])
    count = len(next(iter(people.values())))
    if count > 1:
        figure.frames = [
            go.Frame(name=str(t), traces=list(range(len(traces))), data=[at(t) for _, at in traces])
            for t in range(count)
        ]
    figure.update_layout(scene_layout(title, ranges, count, 1000 * step / rate))
    return figure


def _people(
    poses: dict[str, Tensor], skeleton: Skeleton, world: bool
) -> dict[str, Float[Tensor, "T J 3"]]:
    """The poses in display coordinates, each person's root above the origin."""
    if not poses:
        raise ValueError("no poses to draw")
    people = {}
    for name, pose in poses.items():
        pose = pose.detach().cpu().double()
        pose = pose[None] if pose.dim() == 2 else pose
        if pose.shape[1:] != (len(skeleton), 3):
            raise ValueError(
                f"poses {name!r} have the shape {tuple(pose.shape)}; {skeleton.name} needs "
                f"(frames, {len(skeleton)}, 3)"
            )
        if not pose.isfinite().all(-1).any():
            raise ValueError(f"poses {name!r} have no finite joint")
        pose = pose if world else to_display(pose)
        origin = pose[:, skeleton.root].clone()
        if world:
            origin[:, 2] = 0  # height above the floor is part of what is seen
        people[name] = pose - torch.nan_to_num(origin)[:, None]
    lengths = {name: len(pose) for name, pose in people.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"poses differ in their number of frames: {lengths}")
    return people


def _layout(people: dict[str, Tensor]) -> tuple[dict[str, Tensor], np.ndarray]:
    """An offset for each person, left to right, and the ranges (3, 2) of the cube around all."""
    joints = torch.cat([pose.reshape(-1, 3) for pose in people.values()])
    joints = joints[joints.isfinite().all(-1)]
    low, high = joints.amin(0), joints.amax(0)
    pitch = max(float(high[0] - low[0]) + 200.0, 800.0)
    offsets = {
        name: torch.tensor([pitch * (i - (len(people) - 1) / 2), 0.0, 0.0], dtype=torch.float64)
        for i, name in enumerate(people)
    }
    widest = (high - low) + torch.tensor([pitch * (len(people) - 1), 0.0, 150.0])  # 150: names
    half = float(widest.max()) * 0.52
    centre = (low + high) / 2
    ranges = torch.stack([centre - half, centre + half], dim=1)
    floor = float(low[2]) - 0.02 * half
    ranges[2] = torch.tensor([floor, floor + 2 * half])  # people stand on the cube's floor
    return offsets, ranges.round().numpy()


def _strokes(skeleton: Skeleton, side: str) -> list[int]:
    """Joints in drawing order, -1 where the pen is lifted, of one side's bones (or of all)."""
    bones: dict[int, list[int]] = {}
    for parent, child in skeleton.bones:
        prefix = skeleton.joints[child].split("_")[0]
        if side in ("all", prefix if prefix in SIDES else "middle"):
            bones.setdefault(parent, []).append(child)
    starts = set(bones) - {child for children in bones.values() for child in children}
    order: list[int] = []
    waiting = sorted(starts, reverse=True)
    while waiting:
        joint = waiting.pop()
        while children := bones.get(joint):
            if not order or order[-1] != joint:
                order += [-1, joint] if order else [joint]
            nearest = children.pop(0)
            if children:
                waiting.append(joint)
            order.append(nearest)
            joint = nearest
    return order


def bones(
    pose: Float[Tensor, "T J 3"], skeleton: Skeleton, *, sides: dict, first: bool, label: str = ""
) -> list:
    """For each side its trace at the first frame and a function frame -> moved trace."""
    parts = []
    for side, colour in sides.items():
        order = _strokes(skeleton, side)
        if not order:
            continue
        lifted = torch.tensor([joint < 0 for joint in order])
        points = pose[:, order].masked_fill(lifted[:, None], float("nan"))
        points = points.round().float().numpy()  # 1 mm: half the bytes, no less to see

        def at(t: int, points: np.ndarray = points) -> go.Scatter3d:
            return go.Scatter3d(x=points[t, :, 0], y=points[t, :, 1], z=points[t, :, 2])

        ghost = side == "all"
        base = at(0).update(
            mode="lines" if ghost else "lines+markers",
            line={"color": colour, "width": 3 if ghost else 7},
            marker={"color": colour, "size": 2.5},
            name=f"{label}, laid over" if ghost else side,
            legendgroup=side,
            showlegend=first,
            hoverinfo="skip" if ghost else "text",
        )
        if not ghost:
            base.text = ["" if j < 0 else skeleton.joints[j].replace("_", " ") for j in order]
        parts.append((base, at))
    return parts


def _labels(people: dict[str, Tensor], offsets: dict[str, Tensor]) -> go.Scatter3d:
    """Each person's name above the highest point that anybody reaches."""
    top = max(float(torch.nan_to_num(pose[..., 2], nan=-1e9).max()) for pose in people.values())
    places = [offsets[name] for name in people]
    return go.Scatter3d(
        x=[float(place[0]) for place in places],
        y=[float(place[1]) for place in places],
        z=[round(top + 100)] * len(places),
        mode="text",
        text=list(people),
        textfont={"size": 15, "color": BLACK},
        showlegend=False,
        hoverinfo="skip",
    )


def scene_layout(title: str, ranges: np.ndarray, count: int, duration: float) -> dict:
    """The layout: a cube of equal ranges, and buttons and a slider where there is motion."""
    titles = ("right", "away", f"up (grid: {GRID} mm)")
    axes = {
        f"{letter}axis": {
            "range": span.tolist(),
            "dtick": GRID,
            "tick0": 0,
            "showticklabels": False,
            "title": {"text": name, "font": {"size": 12}},
            "showbackground": letter == "z",
            "backgroundcolor": "#F2F2F2",
            "gridcolor": "#D9D9D9",
            "zeroline": False,
            "showspikes": False,
        }
        for letter, span, name in zip("xyz", ranges, titles, strict=True)
    }
    layout = {
        "template": "none",
        "title": {"text": title, "x": 0.5, "font": {"size": 17}},
        "width": 760,
        "height": 640,
        "margin": {"l": 10, "r": 10, "t": 50, "b": 10},
        "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "top"},
        "scene": axes
        | {
            "aspectmode": "cube",
            "camera": {"eye": EYE, "center": {"x": 0, "y": 0, "z": -0.09}},
            "dragmode": "orbit",
        },
    }
    return layout | _player(count, duration) if count > 1 else layout


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
    return {
        "updatemenus": [
            place | {"type": "buttons", "direction": "left", "x": 0, "buttons": buttons}
        ],
        "sliders": [
            place
            | {"x": 0.2, "len": 0.78, "steps": steps}
            | {"currentvalue": {"prefix": "time ", "suffix": " s"}, "pad": {"t": 0}}
        ],
    }
