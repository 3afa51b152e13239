"""What a network of heatmaps sees in a picture: its heatmaps, joints and confidences, drawn.

S stacks, J joints, H x W pixels of the picture, h x w cells of a heatmap.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.figures.overlay import HEAT, draw_picture
from posekit.figures.palette import BLACK, plain, side_colours
from posekit.geometry.skeleton import Skeleton

Network = Callable[[UInt8[Tensor, "N 3 H W"]], Float[Tensor, "N S J h w"]]
Locate = Callable[[Float[Tensor, "J h w"]], tuple[Float[Tensor, "J 2"], Float[Tensor, " J"]]]

ROWS, COLUMNS = 4, 4  # stacks and joints that a still has room for


class View(NamedTuple):
    """The heatmaps of one picture and the joints in them."""

    heatmaps: Float[Tensor, "S J h w"]
    joints: Float[Tensor, "S J 2"]  # px
    confidence: Float[Tensor, "S J"]

    @property
    def peak(self) -> float:
        """The highest value of all heatmaps: their common scale."""
        return max(float(self.heatmaps.max()), 1e-6)


def look(
    image: UInt8[Tensor, "3 H W"], network: Network, skeleton: Skeleton, *, locate: Locate
) -> View:
    """The heatmaps that a network gives of a picture, and the joints `locate` finds in each stack.

    Raises ValueError for heatmaps of another number of joints than the skeleton's, and with NaN.
    """
    with torch.inference_mode():
        heatmaps = network(image[None])
        _check(heatmaps, skeleton)
        joints, confidence = zip(*map(locate, heatmaps[0]), strict=True)
    parts = heatmaps[0], torch.stack(joints), torch.stack(confidence)
    return View(*(part.float().cpu() for part in parts))


def _check(heatmaps: Tensor, skeleton: Skeleton) -> None:
    shape, count = tuple(heatmaps.shape), len(skeleton)
    if len(shape) != 5 or shape[0] != 1 or shape[2] != count or 0 in shape:
        raise ValueError(
            f"the network gave the shape {shape} of 1 picture, not (1, stacks, {count} joints of "
            f"{skeleton.name}, height, width)"
        )
    wrong = (~heatmaps[0].isfinite().flatten(2).all(-1)).nonzero()
    if len(wrong):
        stack, joint = wrong[0].tolist()
        raise ValueError(
            f"the heatmap of the {plain(skeleton.joints[joint])} in stack {stack + 1} has NaN or "
            "infinite values: did the training diverge?"
        )


def still(image: UInt8[Tensor, "3 H W"], view: View, skeleton: Skeleton, title: str) -> Picture:
    """A picture as the last stack sees it, four of its joints in up to four stacks, confidences.

    The joints are those of most and least confidence and two between.
    """
    last = len(view.heatmaps) - 1
    stacks = np.linspace(0, last, min(last + 1, ROWS)).round().astype(int)
    order = view.confidence[last].argsort(descending=True, stable=True).tolist()
    chosen = [order[round(share * (len(order) - 1))] for share in np.linspace(0, 1, COLUMNS)]
    drawing = Picture(figsize=(12, 4.6), dpi=100, layout="constrained")
    whole, parts, right = drawing.subfigures(1, 3, width_ratios=(4.2, 4.4, 3))
    axes = whole.add_subplot()
    axes.set_title(f"{title}: last of {last + 1} stacks", fontsize=10, parse_math=False)
    heat = view.heatmaps[last].amax(0)
    draw_picture(axes, image, skeleton, view.joints[last], heat, peak=view.peak)
    grid = parts.subplots(len(stacks), COLUMNS, squeeze=False)
    for stack, row in zip(stacks, grid, strict=True):
        for joint, axes in zip(chosen, row, strict=True):
            draw_picture(axes, image, skeleton, None, view.heatmaps[stack, joint], peak=view.peak)
        row[0].set_ylabel(f"stack {stack + 1}", fontsize=9)
    for joint, axes in zip(chosen, grid[0], strict=True):
        axes.set_title(plain(skeleton.joints[joint]), fontsize=9)
    confidences(right.add_subplot(), skeleton, view.confidence[last])
    return drawing


def screen(
    image: UInt8[Tensor, "3 H W"],
    view: View,
    skeleton: Skeleton,
    *,
    stack: int,
    joint: int | None = None,
    heat: bool = True,
    bones: bool = True,
) -> Picture:
    """A picture with the heatmap of one joint (None: of all) and the skeleton of one stack.

    Beside it the scale of the heatmaps and the confidences of the joints.
    """
    drawing = Picture(figsize=(9.2, 5.2), dpi=100, facecolor="white")
    maps = view.heatmaps[stack]
    draw_picture(
        drawing.add_axes((0.005, 0.01, 0.553, 0.98)),
        image,
        skeleton,
        view.joints[stack] if bones else None,
        (maps.amax(0) if joint is None else maps[joint]) if heat else None,
        peak=view.peak,
        ring=joint,
    )
    colours = ScalarMappable(cmap=HEAT)
    colours.set_clim(0, view.peak)
    bar = drawing.colorbar(colours, cax=drawing.add_axes((0.575, 0.06, 0.014, 0.86)))
    bar.set_label("value of the heatmap", fontsize=9)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    right = drawing.add_axes((0.77, 0.02, 0.225, 0.92))
    confidences(right, skeleton, view.confidence[stack], joint)
    return drawing


def confidences(
    axes: Axes, skeleton: Skeleton, confidence: Float[Tensor, " J"], chosen: int | None = None
) -> None:
    """Draw a bar for each joint, all but the `chosen` one pale; the axis reaches to 1 or beyond."""
    values = confidence.clamp(min=0).tolist()
    longest = max(1.0, *values)
    bars = axes.barh(range(len(values)), values, 0.7, color=side_colours(skeleton))
    for row, (bar, value) in enumerate(zip(bars, values, strict=True)):
        bar.set_alpha(1.0 if chosen in (None, row) else 0.3)
        style = {"va": "center", "fontsize": 8, "color": BLACK}
        axes.text(value + 0.02 * longest, row, f"{confidence[row]:.2f}", **style)
    axes.set_yticks(range(len(values)), [plain(joint) for joint in skeleton.joints], fontsize=9)
    if chosen is not None:
        axes.get_yticklabels()[chosen].set_fontweight("bold")
    axes.set(xlim=(0, 1.22 * longest), ylim=(len(values) - 0.5, -0.5), xticks=[])
    axes.set_title("confidence", fontsize=10, loc="left")
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
