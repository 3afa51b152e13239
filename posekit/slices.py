"""The volumes that an integral network draws, looked at from two sides.

D x h x w voxels of a volume, H x W pixels of a picture.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.curves import BLACK, VERMILION
from posekit.models.integral import BOX, to_voxels
from posekit.overlay import HEAT, Overlay, plain
from posekit.skeleton import Skeleton
from posekit.softargmax import soft_argmax


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
