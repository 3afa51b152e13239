"""Skeletons, heatmaps and volumes drawn over pictures by matplotlib.

B pictures of H x W pixels, the centre of the upper left one at (0, 0); J joints; h x w cells of a
heatmap, which share the picture's edges; D slices of a volume in depth.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.data.batch import UNKNOWN, Batch
from posekit.figures.palette import BLACK, GREY, GRID, VERMILION, plain, side_colours
from posekit.geometry.skeleton import Skeleton
from posekit.models.integral import BOX, to_voxels
from posekit.models.soft_argmax import soft_argmax


def _transparent(name: str) -> ListedColormap:
    """The colours of a map of matplotlib's, where nothing is seen of the least value."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256))
    colours[:, 3] = np.clip(np.linspace(0, 2, 256), 0, 0.85)
    return ListedColormap(colours)


HEAT = _transparent("viridis")
"""Of heatmaps: even steps look even, also in grey and with any colour vision."""


def draw_skeleton(
    axes: Axes, skeleton: Skeleton, joints: Float[Tensor, "J 2"], *, width: float, colour: str = ""
) -> None:
    """Draw bones and joints, on a white rim that shows on any picture; NaN joints are left out.

    Left and right have the colours of SIDES, unless there is one `colour` for all. `width` in pt.
    """
    colours = [colour] * len(skeleton) if colour else side_colours(skeleton)
    places = joints.double().numpy()
    segments = places[np.array(skeleton.bones)]
    bones = [colours[child] for _, child in skeleton.bones]
    for paint, thick in (("white", 2.2 * width), (bones, width)):
        lines = LineCollection(segments, colors=paint, linewidths=thick, capstyle="round")
        axes.add_collection(lines, autolim=False)
    style = {"edgecolors": "white", "linewidths": 0.4 * width, "zorder": 3}
    axes.scatter(*places.T, s=9 * width, c=colours, **style)


def draw_picture(
    axes: Axes,
    image: UInt8[Tensor, "3 H W"],
    skeleton: Skeleton,
    joints: Float[Tensor, "J 2"] | None = None,
    heat: Float[Tensor, "h w"] | None = None,
    *,
    peak: float = 1.0,
    ring: int | None = None,
    width: float = 2.0,
) -> None:
    """Draw a picture, over it a heatmap of values from 0 to `peak`, and joints (px) with bones.

    The picture is grey under a heatmap, so that all colour is the heatmap's or the skeleton's.
    The joint of the number `ring` has a ring round it.
    """
    height, across = image.shape[1:]
    whole = {"extent": (-0.5, across - 0.5, height - 0.5, -0.5)}
    if heat is not None:
        image = image.float().mean(0, keepdim=True).byte().expand(3, -1, -1)
    axes.imshow(image.permute(1, 2, 0).numpy(), interpolation="bilinear", **whole)
    if heat is not None:
        axes.imshow(heat.numpy(), cmap=HEAT, vmin=0, vmax=peak, interpolation="nearest", **whole)
    if joints is not None:
        draw_skeleton(axes, skeleton, joints, width=width)
        for colour, thick in (("white", 1.6), (BLACK, 0.8)) if ring is not None else ():
            style = {"markersize": 8 * width, "zorder": 4, "fillstyle": "none", "color": colour}
            axes.plot(*joints[ring].tolist(), "o", mew=thick * width, **style)
    axes.set(xlim=(-0.5, across - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def sheet(batch: Batch, *, columns: int = 4, titles: Sequence[str] = ()) -> Picture:
    """The pictures of a batch side by side with their known joints, and with titles if given."""
    rows = -(-len(batch) // columns)
    drawing = Picture(figsize=(2 * columns, 2 * rows), dpi=100, layout="constrained")
    unknown = (batch.visible == UNKNOWN)[..., None]
    places = batch.joints2d.double().masked_fill(unknown, float("nan"))
    for number, image in enumerate(batch.images):
        axes = drawing.add_subplot(rows, columns, number + 1)
        draw_picture(axes, image, batch.skeleton, places[number], width=1.2)
        if titles:
            axes.set_title(titles[number], fontsize=10)
    return drawing


def from_above(people: Batch, pred: Float[Tensor, "B J 3"], *, title: str) -> Picture:
    """The people of one photograph as predicted (camera, mm): over it, and from above by the truth.

    The truth, `people.joints3d`, is grey.
    """
    drawing = Picture(figsize=(9.5, 4.2), dpi=100, layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=(1.25, 1))
    draw_picture(left, people.images[0], people.skeleton)
    seen = pred @ people.intrinsics[0].mT
    for person in seen[..., :2] / seen[..., 2:]:
        draw_skeleton(left, people.skeleton, person, width=1.8)
    for poses, colour in ((people.joints3d, GREY), (pred, "")):
        for person in poses[..., [0, 2]] / 1000:
            draw_skeleton(right, people.skeleton, person, width=1.8, colour=colour)
    right.plot(0, 0, "^", color="black", markersize=8, label="camera")
    right.plot([], [], color=GREY, lw=2, label="truth")
    right.set(xlabel="m to the right", ylabel="m away", aspect="equal", title="from above")
    right.grid(color=GRID, lw=0.6)
    right.set_axisbelow(True)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    drawing.suptitle(title, fontsize=11)
    return drawing


def volume_slices(
    image: UInt8[Tensor, "3 H W"],
    logits: Float[Tensor, "J D h w"],
    true: Float[Tensor, "J 3"],
    skeleton: Skeleton,
    chosen: Sequence[str],
) -> Picture:
    """The probabilities of `chosen` joints: from the front over the picture, below it from above.

    A ring is the mean place, which the network gives as its answer, a cross the truth (`true`, in
    the cube of `posekit.models.integral`).
    """
    depth, height, width = logits.shape[1:]
    drawing = Picture(figsize=(2.3 * len(chosen), 4.9), dpi=100, layout="constrained")
    axes = drawing.subplots(2, len(chosen), squeeze=False)
    means, truths = soft_argmax(logits.float()), to_voxels(true[None], logits.shape[1:])[0]
    pixels = image.shape[2] / width
    for column, name in enumerate(chosen):
        joint = skeleton.index(name)
        chances = logits[joint].float().flatten().softmax(0).view(depth, height, width)
        front, above = axes[:, column]
        draw_picture(front, image, skeleton, heat=chances.sum(0), peak=chances.sum(0).max().item())
        front.set_title(plain(name), fontsize=10)
        side = chances.sum(1).numpy()
        above.imshow(side, cmap=HEAT, vmin=0, aspect="auto", interpolation="nearest")
        for place, mark in ((means[joint], "o"), (truths[joint], "x")):
            x, y, z = place.tolist()
            face = {"facecolors": "none", "edgecolors": VERMILION} if mark == "o" else {"c": BLACK}
            style = {"s": 60, "marker": mark, "linewidths": 1.8, "zorder": 5} | face
            front.scatter([(x + 0.5) * pixels - 0.5], [(y + 0.5) * pixels - 0.5], **style)
            above.scatter([x], [z], **style)
        ticks = np.array([-BOX / 2, 0, BOX / 2])  # mm; depth runs down, away from the camera
        labels = [(f"{tick:+.0f}" if tick else "0") if column == 0 else "" for tick in ticks]
        above.set_yticks((ticks / BOX + 0.5) * depth - 0.5, labels)
        above.set_xticks([])
    axes[1, 0].set_ylabel("depth from the pelvis, mm")
    return drawing
