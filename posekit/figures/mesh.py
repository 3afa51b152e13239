"""Figures of body meshes: over the picture, from the side, and in a 3D scene.

B persons, V vertices, J joints, H x W pixels of the picture, S = SIDE pixels along a drawing.
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
from posekit.figures.palette import GREY, SKY
from posekit.figures.skeleton3d import bone_lines, layout, to_display
from posekit.geometry.body import Body
from posekit.geometry.render import project, rasterise, shaded
from posekit.geometry.skeleton import Skeleton
from posekit.models.hmr import Estimate, intrinsics

SIDE = 224  # px of each drawing
PREDICTED, TRUE = (0.30, 0.55, 0.80), (0.62, 0.62, 0.62)  # colours of bodies
PLANE = 64  # px of the picture behind a body in 3D: each is two triangles
BEHIND = 250.0  # mm from the body's back to the picture


@dataclass(frozen=True)
class Placed:
    """One body before a camera."""

    vertices: Float[Tensor, "V 3"]  # camera, mm
    root: Float[Tensor, "3"]
    intrinsics: Float[Tensor, "3 3"]  # of a drawing of SIDE px


def mesh_rows(
    batch: Batch, estimate: Estimate, rows: dict[str, int], body: Body, *, title: str
) -> Picture:
    """A row of drawings for each named row of the batch: the picture, the predicted body over it
    and from the side, and the true one the same."""
    drawing = Picture(figsize=(8.6, 0.4 + 1.8 * len(rows)), dpi=100, layout="constrained")
    axes = drawing.subplots(len(rows), 5, squeeze=False)
    heads = ("picture", "predicted", "predicted, from the side", "true", "true, from the side")
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        image = batch.images[row]
        shown = [cv2.resize(image.permute(1, 2, 0).numpy(), (SIDE, SIDE))]
        bodies = (predicted(estimate, row, body), PREDICTED), (true(batch, row, body), TRUE)
        for placed, colour in bodies:
            side = turned(placed)
            shown += [over(image, placed, body, colour), over(None, side, body, colour)]
        for place, part in zip(line, shown, strict=True):
            place.imshow(part)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    for place, head in zip(axes[0], heads, strict=True):
        place.set_title(head, fontsize=9)
    drawing.suptitle(title, fontsize=11)
    return drawing


def mesh_3d(
    batch: Batch, estimate: Estimate, row: int, body: Body, skeleton: Skeleton, *, title: str
) -> go.Figure:
    """The predicted body of one row with its skeleton, before its picture, and the true body.

    Seen from the front, as it opens, the body lies over the person as the network's camera has it.
    The true body is hidden until it is switched on in the legend.
    """
    own, truth = (
        placed.vertices - placed.root
        for placed in (predicted(estimate, row, body), true(batch, row, body))
    )
    joints = body.joints(own[None], skeleton)
    depth = float(torch.cat([own[:, 2], truth[:, 2]]).max()) + BEHIND
    scale, x, y = estimate.camera[row].tolist()
    traces = [
        _plane(batch.images[row], (-1000 * x, -1000 * y), 1000 / scale, depth),
        _mesh(own, body, color=SKY, name="predicted"),
        *(line.trace() for line in bone_lines(to_display(joints[None]), skeleton)),
        _mesh(truth, body, color=GREY, name="true", visible="legendonly"),
    ]
    hidden = {"visible": False, "showbackground": False}
    camera = {"eye": {"x": 0, "y": -2.0, "z": 0}, "projection": {"type": "orthographic"}}
    scene = {f"{letter}axis": hidden for letter in "xyz"} | {"aspectmode": "data", "camera": camera}
    below = {"width": 640, "legend_y": 0.0, "legend_yanchor": "auto"}
    return go.Figure(traces).update_layout(layout(title, scene)).update_layout(below)


def predicted(estimate: Estimate, row: int, body: Body) -> Placed:
    """The predicted body of one row, before the network's weak-perspective camera."""
    one = Estimate(*(part[row : row + 1] for part in estimate))
    posed = body(one.rotations, one.shape, torch.zeros_like(one.camera))
    vertices = posed.vertices[0] + one.translation
    return Placed(vertices, one.translation[0], intrinsics(1, (SIDE, SIDE))[0])


def true(batch: Batch, row: int, body: Body) -> Placed:
    """The labelled body of one row, before the picture's camera."""
    one = batch[row : row + 1]
    posed = body(one.rotations, one.shape, one.translation)
    grown = SIDE / batch.size[1]
    larger = torch.tensor([[grown, 0, (grown - 1) / 2], [0, grown, (grown - 1) / 2], [0, 0, 1]])
    return Placed(posed.vertices[0], one.translation[0], larger @ one.intrinsics[0])


def turned(placed: Placed) -> Placed:
    """The body seen from its right, in the middle of the drawing: as far away, or smaller to fit in."""
    quarter = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    around = (placed.vertices - placed.root) @ quarter.mT
    middle = (around.amax(0) + around.amin(0)) / 2
    away = torch.stack([-middle[0], -middle[1], placed.root[2]])
    K = placed.intrinsics.clone()
    K[:2, 2] = (SIDE - 1) / 2
    reach = (project((around + away)[None], K[None])[..., :2] - K[:2, 2]).abs().max()
    K[:2, :2] *= min(1.0, 0.48 * SIDE / float(reach))
    return Placed(around + away, away, K)


def over(
    picture: UInt8[Tensor, "3 H W"] | None, placed: Placed, body: Body, colour: Sequence[float]
) -> UInt8[np.ndarray, "S S 3"]:
    """A body over its picture, or on white."""
    under = np.full((SIDE, SIDE, 3), 255, np.uint8)
    if picture is not None:
        under = cv2.resize(picture.permute(1, 2, 0).numpy(), (SIDE, SIDE))
    vertices, K = placed.vertices[None], placed.intrinsics[None]
    colours = torch.tensor(colour).expand(1, len(placed.vertices), 3)
    drawn = shaded(vertices, body.faces, K, SIDE, SIDE, colours)[0].numpy()
    raster = rasterise(project(vertices, K), body.faces, SIDE, SIDE, supersample=3)
    opacity = raster.coverage[0, :, :, None].numpy()
    return (under * (1 - opacity) + drawn * opacity).round().astype(np.uint8)


def _mesh(vertices: Float[Tensor, "V 3"], body: Body, **style) -> go.Mesh3d:
    """A body's surface in display coordinates, 1 mm exact."""
    x, y, z = to_display(vertices).round().numpy().T
    i, j, k = body.faces.numpy().T
    light = {"ambient": 0.5, "diffuse": 0.6, "specular": 0.1}
    style |= {"opacity": 0.6, "lighting": light, "showlegend": True, "hoverinfo": "skip"}
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, **style)


def _plane(
    picture: UInt8[Tensor, "3 H W"], middle: tuple[float, float], half: float, depth: float
) -> go.Mesh3d:
    """The picture as coloured squares, upright, `half` mm from its middle to its edges."""
    pixels = picture.permute(1, 2, 0).numpy()
    small = cv2.resize(pixels, (PLANE, PLANE), interpolation=cv2.INTER_AREA)
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in small.reshape(-1, 3).tolist()]
    steps = torch.linspace(-half, half, PLANE + 1)
    down, across = torch.meshgrid(middle[1] + steps, middle[0] + steps, indexing="ij")
    places = torch.stack([across, down, torch.full_like(down, depth)], dim=-1)
    x, y, z = to_display(places).round().flatten(0, 1).numpy().T
    corner = np.arange((PLANE + 1) ** 2).reshape(PLANE + 1, PLANE + 1)
    squares = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    left, right, lower_left, lower_right = (each.ravel() for each in squares)
    return go.Mesh3d(
        x=x, y=y, z=z,
        i=np.concatenate([left, right]),
        j=np.concatenate([right, lower_right]),
        k=np.concatenate([lower_left, lower_left]),
        facecolor=colours * 2,
        lighting={"ambient": 1, "diffuse": 0, "specular": 0},
        hoverinfo="skip", name="picture", showlegend=True,
    )  # fmt: skip
