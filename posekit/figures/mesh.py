"""Figures of bodies: over the picture that they were found in, from the side, and in 3D to turn.

B persons, V vertices, F faces, J joints, H x W pixels of the picture, S pixels along a drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.data.batch import Batch
from posekit.figures.curves import GREY, SKY
from posekit.figures.overlay import side_colours
from posekit.figures.skeleton3d import SIDES, to_display
from posekit.geometry.body import Body
from posekit.geometry.render import project, rasterise, shaded
from posekit.geometry.skeleton import Skeleton
from posekit.models.hmr import Estimate, intrinsics

SIDE = 224  # px of each drawing
FOUND, TRUE = (0.30, 0.55, 0.80), (0.62, 0.62, 0.62)  # colours of bodies
PLANE = 64  # px of the picture behind a body in 3D: each is two triangles
BEHIND = 250.0  # mm from the body's back to the picture


@dataclass(frozen=True)
class Placed:
    """One body where a camera sees it."""

    vertices: Float[Tensor, "V 3"]  # camera, mm
    root: Float[Tensor, "3"]
    intrinsics: Float[Tensor, "3 3"]  # of a drawing of SIDE px


def found(estimate: Estimate, row: int, body: Body) -> Placed:
    """The body of one row of what a network said, seen by its weak-perspective camera."""
    one = Estimate(*(part[row : row + 1] for part in estimate))
    posed = body(one.rotations, one.shape, torch.zeros_like(one.camera))
    vertices = posed.vertices[0] + one.translation
    return Placed(vertices, one.translation[0], intrinsics(1, (SIDE, SIDE))[0])


def true(batch: Batch, row: int, body: Body) -> Placed:
    """The body of a picture's labels, seen by the picture's camera."""
    posed = body(*(getattr(batch, part)[row : row + 1] for part in ("rotations", "shape")),
                 batch.translation[row : row + 1])  # fmt: skip
    grown = SIDE / batch.size[1]
    larger = torch.tensor([[grown, 0, (grown - 1) / 2], [0, grown, (grown - 1) / 2], [0, 0, 1]])
    return Placed(posed.vertices[0], batch.translation[row], larger @ batch.intrinsics[row])


def over(
    picture: UInt8[Tensor, "3 H W"] | None, placed: Placed, body: Body, colour: Sequence[float]
) -> UInt8[np.ndarray, "S S 3"]:
    """A body over its picture, or on white, SIDE px wide."""
    under = np.full((SIDE, SIDE, 3), 255, np.uint8)
    if picture is not None:
        under = cv2.resize(picture.permute(1, 2, 0).numpy(), (SIDE, SIDE))
    vertices, K = placed.vertices[None], placed.intrinsics[None]
    colours = torch.tensor(colour).expand(1, len(placed.vertices), 3)
    drawn = shaded(vertices, body.faces, K, SIDE, SIDE, colours)[0].numpy()
    raster = rasterise(project(vertices, K), body.faces, SIDE, SIDE, supersample=3)
    opacity = raster.coverage[0, :, :, None].numpy()
    return (under * (1 - opacity) + drawn * opacity).round().astype(np.uint8)


def turned(placed: Placed) -> Placed:
    """The body as one sees it from its right, as far away, in the middle of the drawing."""
    quarter = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    around = (placed.vertices - placed.root) @ quarter.mT
    middle = (around.amax(0) + around.amin(0)) / 2
    away = torch.stack([-middle[0], -middle[1], placed.root[2]])
    K = placed.intrinsics.clone()
    K[:2, 2] = (SIDE - 1) / 2
    return Placed(around + away, away, K)


def rows(
    batch: Batch, estimate: Estimate, chosen: dict[str, int], body: Body, *, title: str
) -> Picture:
    """Of each chosen picture, by what is written beside it: the picture, the body found over it and
    from the side, and the true one the same."""
    drawing = Picture(figsize=(9.5, 0.4 + 2.0 * len(chosen)), dpi=100, layout="constrained")
    axes = drawing.subplots(len(chosen), 5, squeeze=False)
    heads = ("picture", "found", "found, from the side", "true", "true, from the side")
    for line, (name, row) in zip(axes, chosen.items(), strict=True):
        image = batch.images[row]
        shown = [cv2.resize(image.permute(1, 2, 0).numpy(), (SIDE, SIDE))]
        for placed, colour in ((found(estimate, row, body), FOUND), (true(batch, row, body), TRUE)):
            shown += [over(image, placed, body, colour), over(None, turned(placed), body, colour)]
        for place, each in zip(line, shown, strict=True):
            place.imshow(each)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    for place, head in zip(axes[0], heads, strict=True):
        place.set_title(head, fontsize=9)
    drawing.suptitle(title, fontsize=11)
    return drawing


def body_3d(
    picture: UInt8[Tensor, "3 H W"],
    estimate: Estimate,
    row: int,
    body: Body,
    skeleton: Skeleton,
    *,
    truth: Float[Tensor, "V 3"],
    title: str,
) -> go.Figure:
    """A body found, its skeleton within it, the true one to switch on, before its picture.

    Seen from the front as it opens, the body lies over the person as the network's camera has it.
    `truth` are true vertices from the root joint, camera, mm.
    """
    placed = found(estimate, row, body)
    own = placed.vertices - placed.root
    joints = body.joints(own[None], skeleton)[0]
    depth = float(torch.cat([own[:, 2], truth[:, 2]]).max()) + BEHIND
    scale, x, y = estimate.camera[row].tolist()
    traces = [
        _plane(picture, (-1000 * x, -1000 * y), 1000 / scale, depth),
        _mesh(own, body, SKY, "found", opacity=0.6),
        *_bones(joints, skeleton),
        _mesh(truth, body, GREY, "true", opacity=0.6, visible="legendonly"),
    ]
    figure = go.Figure(traces)
    hidden = {"visible": False, "showbackground": False}
    eye = {"x": 0, "y": -2.0, "z": 0}
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0.5, "font": {"size": 17}},
        width=640,
        height=640,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0.0},
        scene={f"{letter}axis": hidden for letter in "xyz"}
        | {
            "aspectmode": "data",
            "camera": {"eye": eye, "projection": {"type": "orthographic"}},
            "dragmode": "orbit",
        },
    )
    return figure


def _mesh(vertices: Float[Tensor, "V 3"], body: Body, colour: str, name: str, **style) -> go.Mesh3d:
    """A body's surface in display coordinates, 1 mm exact."""
    x, y, z = to_display(vertices).round().numpy().T
    i, j, k = body.faces.numpy().T
    light = {"ambient": 0.5, "diffuse": 0.6, "specular": 0.1}
    more = {"color": colour, "name": name, "showlegend": True, "hoverinfo": "skip"}
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, lighting=light, **more, **style)


def _bones(joints: Float[Tensor, "J 3"], skeleton: Skeleton) -> list[go.Scatter3d]:
    """A line a bone, in the colours of its side."""
    places, colours = to_display(joints).round().numpy(), side_colours(skeleton)
    lines = []
    for side, colour in SIDES.items():
        bones = [bone for bone in skeleton.bones if colours[bone[1]] == colour]
        points = [point for a, b in bones for point in (places[a], places[b], [np.nan] * 3)]
        x, y, z = np.array(points).T
        line = {"color": colour, "width": 6}
        lines.append(
            go.Scatter3d(x=x, y=y, z=z, mode="lines", line=line, name=side, hoverinfo="skip")
        )
    return lines


def _plane(
    picture: UInt8[Tensor, "3 H W"], middle: tuple[float, float], half: float, depth: float
) -> go.Mesh3d:
    """The picture as coloured squares, upright, `half` mm from its middle to its edges."""
    small = cv2.resize(
        picture.permute(1, 2, 0).numpy(), (PLANE, PLANE), interpolation=cv2.INTER_AREA
    )
    steps = np.linspace(-half, half, PLANE + 1)
    x, y = (grid.ravel() for grid in np.meshgrid(middle[0] + steps, middle[1] + steps))
    flat = torch.from_numpy(np.stack([x, y, np.full_like(x, depth)], axis=1))
    places = to_display(flat).round().numpy().T
    first = np.arange(PLANE)[:, None] * (PLANE + 1) + np.arange(PLANE)
    corners = first.ravel(), first.ravel() + 1, first.ravel() + PLANE + 1
    last = first.ravel() + PLANE + 2
    i, j, k = (np.concatenate(pair) for pair in zip(corners, (corners[1], last, corners[2])))
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in small.reshape(-1, 3).tolist()]
    flat_light = {"ambient": 1, "diffuse": 0, "specular": 0}
    return go.Mesh3d(
        x=places[0], y=places[1], z=places[2], i=i, j=j, k=k, facecolor=colours * 2,
        lighting=flat_light, hoverinfo="skip", name="picture", showlegend=True,
    )  # fmt: skip
