"""A picture under the heatmap and the skeleton that a network makes of it, and its confidences.

What is drawn is made once and filled again for another picture, stack or joint, so that it can
follow a slider.

B pictures of H x W pixels, the centre of the upper left one at (0, 0); S stacks, J joints; h x w
cells of a heatmap, which share the picture's edges.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.figures.curves import BLACK, VERMILION
from posekit.figures.skeleton3d import SIDES
from posekit.geometry.skeleton import Skeleton
from posekit.models.integral import BOX, to_voxels
from posekit.models.soft_argmax import soft_argmax

Look = Callable[[UInt8[Tensor, "N 3 H W"]], Float[Tensor, "N S J h w"]]
Locate = Callable[[Float[Tensor, "J h w"]], tuple[Float[Tensor, "J 2"], Float[Tensor, " J"]]]

ROWS, COLUMNS = 4, 4  # stacks and joints that a still has room for


def _transparent(name: str) -> ListedColormap:
    """The colours of a map of matplotlib's, where nothing is seen of the least value."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256))
    colours[:, 3] = np.clip(np.linspace(0, 2, 256), 0, 0.85)
    return ListedColormap(colours)


HEAT = _transparent("viridis")
"""Of heatmaps: even steps look even, also in grey and with any colour vision."""


class Seen(NamedTuple):
    """What a network sees in one picture."""

    heatmaps: Float[Tensor, "S J h w"]
    joints: Float[Tensor, "S J 2"]  # px
    confidence: Float[Tensor, "S J"]

    @property
    def peak(self) -> float:
        """The highest value of all heatmaps: their common scale."""
        return max(float(self.heatmaps.max()), 1e-6)


def named(images: Tensor, titles: Sequence[str]) -> list[str]:
    """One a picture, their numbers if none are given."""
    if not len(images):
        raise ValueError("there is no picture to look at: give at least one")
    if titles and len(titles) != len(images):
        raise ValueError(f"there are {len(titles)} titles of {len(images)} pictures")
    return list(titles) or [str(number) for number in range(1, len(images) + 1)]


class Overlay:
    """A picture of `size` (height, width) with a heatmap and a skeleton over it.

    Left and right have the colours that they have in `posekit.figures`, on a white rim: it shows on
    any picture.
    """

    def __init__(
        self, axes: Axes, skeleton: Skeleton, size: tuple[int, int], *, width: float = 2.0
    ):
        height, across = size
        whole = {"extent": (-0.5, across - 0.5, height - 0.5, -0.5)}
        nothing = np.zeros((1, 1))
        self._skeleton = skeleton
        black = np.zeros((height, across, 3), np.uint8)
        self._picture = axes.imshow(black, interpolation="bilinear", **whole)
        self.heat = axes.imshow(nothing, cmap=HEAT, vmin=0, interpolation="nearest", **whole)
        colours = side_colours(skeleton)
        bones = [colours[child] for _, child in skeleton.bones]
        self._rims = LineCollection([], colors="white", linewidths=2.2 * width, capstyle="round")
        self._bones = LineCollection([], colors=bones, linewidths=width, capstyle="round")
        axes.add_collection(self._rims, autolim=False)
        axes.add_collection(self._bones, autolim=False)
        far = np.full(len(skeleton), np.nan)
        self._joints = axes.scatter(
            far, far, s=9 * width, c=colours, edgecolors="white", linewidths=0.4 * width, zorder=3
        )
        style = {"markersize": 8 * width, "zorder": 4, "fillstyle": "none"}
        (self._rim,) = axes.plot([], [], "o", color="white", mew=1.6 * width, **style)
        (self._ring,) = axes.plot([], [], "o", color=BLACK, mew=0.8 * width, **style)
        axes.set(xlim=(-0.5, across - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)

    def fill(
        self,
        image: UInt8[Tensor, "3 H W"],
        joints: Float[Tensor, "J 2"] | None = None,
        heat: Float[Tensor, "h w"] | None = None,
        *,
        peak: float = 1.0,
        ring: int | None = None,
    ) -> None:
        """Show this picture, with joints in px and values from 0 to `peak` where they are given.

        The picture is grey under a heatmap, so that all colour is the heatmap's or the skeleton's.
        The joint of the number `ring` has a ring round it. NaN joints and their bones are left out.
        """
        if heat is not None:
            image = image.float().mean(0, keepdim=True).byte().expand(3, -1, -1)
        self._picture.set_data(image.permute(1, 2, 0).numpy())
        self.heat.set_data(np.zeros((1, 1)) if heat is None else heat.numpy())
        self.heat.set_clim(0, peak)
        if joints is None:
            joints = torch.full((len(self._skeleton), 2), float("nan"))
        places = joints.double().numpy()
        segments = places[np.array(self._skeleton.bones)]
        self._rims.set_segments(segments)
        self._bones.set_segments(segments)
        self._joints.set_offsets(np.ma.masked_invalid(places))
        for line in (self._rim, self._ring):
            line.set_data(*([[], []] if ring is None else places[ring, :, None]))


def sheet(
    images: UInt8[Tensor, "B 3 H W"],
    skeleton: Skeleton,
    joints: Float[Tensor, "B J 2"],
    known: Bool[Tensor, "B J"],
    *,
    columns: int = 4,
    titles: Sequence[str] = (),
) -> Picture:
    """Pictures side by side with their labelled joints (px), and with titles if there are any."""
    rows = -(-len(images) // columns)
    drawing = Picture(figsize=(2 * columns, 2 * rows), dpi=100, layout="constrained")
    places = joints.double().masked_fill(~known[..., None], float("nan"))
    for number, image in enumerate(images):
        axes = drawing.add_subplot(rows, columns, number + 1)
        Overlay(axes, skeleton, tuple(image.shape[1:]), width=1.2).fill(image, places[number])
        if titles:
            axes.set_title(titles[number], fontsize=10)
    return drawing


class Bars:
    """How sure a network is of every joint: a bar for each, by name."""

    def __init__(self, axes: Axes, skeleton: Skeleton):
        rows = np.arange(len(skeleton))
        self._axes = axes
        self._bars = axes.barh(rows, np.zeros(len(rows)), 0.7, color=side_colours(skeleton))
        style = {"va": "center", "fontsize": 8, "color": BLACK}
        self._values = [axes.text(0, row, "", **style) for row in rows]
        axes.set_yticks(rows, [plain(joint) for joint in skeleton.joints], fontsize=9)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title("confidence", fontsize=10, loc="left")
        axes.tick_params(length=0)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])

    def fill(self, confidence: Float[Tensor, " J"], chosen: int | None = None) -> None:
        """Show these; all but the `chosen` joint are pale. The axis reaches to 1 or beyond."""
        longest = max(1.0, float(confidence.max()))
        self._axes.set_xlim(0, 1.22 * longest)
        for row, value in enumerate(confidence.tolist()):
            self._bars[row].set_width(max(value, 0))
            self._bars[row].set_alpha(1.0 if chosen in (None, row) else 0.3)
            self._values[row].set(x=max(value, 0) + 0.02 * longest, text=f"{value:.2f}")
        for row, label in enumerate(self._axes.get_yticklabels()):
            label.set_fontweight("bold" if row == chosen else "normal")


def scale(overlay: Overlay, axes: Axes) -> None:
    """The colours of its heatmaps, from nothing to their peak, as a bar."""
    bar = axes.figure.colorbar(overlay.heat, cax=axes)
    bar.set_label("value of the heatmap", fontsize=9)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)


def side_colours(skeleton: Skeleton) -> list[str]:
    """The colour of each joint's side."""
    sides = [joint.split("_")[0] for joint in skeleton.joints]
    return [SIDES.get(side, SIDES["middle"]) for side in sides]


def plain(joint: str) -> str:
    """A joint's name as people write it."""
    return joint.replace("_", " ")


def still(
    images: UInt8[Tensor, "B 3 H W"],
    look: Look,
    skeleton: Skeleton,
    *,
    locate: Locate,
    titles: Sequence[str] = (),
    chosen: int = 0,
) -> Picture:
    """The picture `chosen` as the last stack sees it, and four of its joints in up to four stacks.

    The joints are those of most and least confidence and two between. Errors as `see`.
    """
    titles = named(images, titles)
    image = images[chosen].cpu()
    return draw_still(image, see(image, look, skeleton, locate=locate), skeleton, titles[chosen])


def see(image: UInt8[Tensor, "3 H W"], look: Look, skeleton: Skeleton, *, locate: Locate) -> Seen:
    """What `look` makes of one picture, and where `locate` finds the joints in it.

    ValueError, saying what came, for heatmaps of another number of joints, of cells that do not
    divide the picture, or with NaN; and for joints or confidences that are not one each.
    """
    with torch.inference_mode():
        heatmaps = look(image[None])
        _check(heatmaps, skeleton, image.shape[1:])
        found = [locate(stack) for stack in heatmaps[0]]
    J = len(skeleton)
    for joints, confidence in found:
        if joints.shape != (J, 2) or confidence.shape != (J,) or not confidence.isfinite().all():
            raise ValueError(
                f"locate gave joints {tuple(joints.shape)} and confidences "
                f"{tuple(confidence.shape)}; they must be ({J}, 2), and ({J},) finite ones"
            )
    joints, confidence = (torch.stack(parts).float().cpu() for parts in zip(*found, strict=True))
    return Seen(heatmaps[0].float().cpu(), joints, confidence)


def draw_still(
    image: UInt8[Tensor, "3 H W"], seen: Seen, skeleton: Skeleton, title: str
) -> Picture:
    stacks, last = len(seen.heatmaps), len(seen.heatmaps) - 1
    rows = np.linspace(0, last, min(stacks, ROWS)).round().astype(int)
    order = seen.confidence[last].argsort(descending=True, stable=True).tolist()
    chosen = [order[round(share * (len(order) - 1))] for share in np.linspace(0, 1, COLUMNS)]
    size = tuple(image.shape[1:])
    drawing = Picture(figsize=(12, 4.6), dpi=100, layout="constrained")
    whole, parts, right = drawing.subfigures(1, 3, width_ratios=(4.2, 4.4, 3))
    axes = whole.add_subplot()
    axes.set_title(f"{title}: last of {stacks} stacks", fontsize=10, parse_math=False)
    overlay = Overlay(axes, skeleton, size)
    overlay.fill(image, seen.joints[last], seen.heatmaps[last].amax(0), peak=seen.peak)
    for row, stack in enumerate(rows):
        for column, joint in enumerate(chosen):
            axes = parts.add_subplot(len(rows), COLUMNS, row * COLUMNS + column + 1)
            small = Overlay(axes, skeleton, size, width=1.0)
            small.fill(image, None, seen.heatmaps[stack, joint], peak=seen.peak)
            if row == 0:
                axes.set_title(plain(skeleton.joints[joint]), fontsize=9)
            if column == 0:
                axes.set_ylabel(f"stack {stack + 1}", fontsize=9)
    Bars(right.add_subplot(), skeleton).fill(seen.confidence[last])
    return drawing


def _check(heatmaps: Tensor, skeleton: Skeleton, size: Sequence[int]) -> None:
    shape = tuple(heatmaps.shape)
    if len(shape) != 5 or shape[0] != 1 or 0 in shape:
        raise ValueError(f"look gave the shape {shape} of 1 picture, not (1, stacks, joints, h, w)")
    if shape[2] != len(skeleton):
        raise ValueError(
            f"look gave heatmaps of {shape[2]} joints and {skeleton.name} has {len(skeleton)}: "
            "give the skeleton that the network was taught"
        )
    if size[0] % shape[3] or size[1] % shape[4]:
        raise ValueError(
            f"heatmaps of {shape[3]} x {shape[4]} cells do not divide a picture of "
            f"{size[0]} x {size[1]} px"
        )
    wrong = ~heatmaps[0].isfinite().flatten(2).all(-1)
    if wrong.any():
        stack, joint = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"the heatmap of the {plain(skeleton.joints[joint])} in stack {stack + 1} has NaN or "
            "infinite values: did the training diverge?"
        )


# FOLDED posekit.slices: The volumes that an integral network draws, looked at from two sides.
#
# D x h x w voxels of a volume, H x W pixels of a picture.


def slices(
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
    answers, truths = soft_argmax(logits.float()), to_voxels(true[None], logits.shape[1:])[0]
    for column, name in enumerate(chosen):
        joint = skeleton.joints.index(name)
        chances = logits[joint].float().flatten().softmax(0).view(depth, height, width)
        front, above = axes[:, column]
        overlay = Overlay(front, skeleton, tuple(image.shape[1:]))
        overlay.fill(image, heat=chances.sum(0), peak=chances.sum(0).max().item())
        pixels = image.shape[2] / width
        for place, mark in ((answers[joint], "o"), (truths[joint], "x")):
            x, y, z = place.tolist()
            _mark(front, (x + 0.5) * pixels - 0.5, (y + 0.5) * pixels - 0.5, mark)
            _mark(above, x, z, mark)
        front.set_title(plain(name), fontsize=10)
        side = chances.sum(1).numpy()
        above.imshow(side, cmap=HEAT, vmin=0, aspect="auto", interpolation="nearest")
        _millimetres(above, depth, column == 0)
    return drawing


def _mark(axes, x: float, y: float, mark: str) -> None:
    face = {"facecolors": "none", "edgecolors": VERMILION} if mark == "o" else {"color": BLACK}
    axes.scatter([x], [y], s=60, marker=mark, linewidths=1.8, zorder=5, **face)


def _millimetres(axes, depth: int, named: bool) -> None:
    """Depth runs down, away from the camera, in mm from the root."""
    ticks = np.array([-BOX / 2, 0, BOX / 2])
    axes.set_yticks(
        (ticks / BOX + 0.5) * depth - 0.5, [f"{tick:+.0f}" if named else "" for tick in ticks]
    )
    axes.set_xticks([])
    if named:
        axes.set_ylabel("depth from the pelvis, mm")
