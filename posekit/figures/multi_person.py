"""Pictures of several people: everybody's crop, and everybody in the space before the camera.

P people of one photograph, J joints, H x W pixels, S the side of a crop (px). Camera: mm, x right,
y down, z forward.
"""

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.figures.curves import GREY
from posekit.figures.overlay import side_colours
from posekit.geometry.skeleton import Skeleton


def in_space(
    photograph: UInt8[Tensor, "3 H W"],
    skeleton: Skeleton,
    intrinsics: Float[Tensor, "3 3"],
    found: Float[Tensor, "P J 3"],
    true: Float[Tensor, "P J 3"],
    *,
    title: str,
) -> Picture:
    """What was found (camera, mm) over the photograph, and from above beside the truth in grey."""
    drawing = Picture(figsize=(9.5, 4.2), dpi=100, layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=(1.25, 1))
    left.imshow(photograph.permute(1, 2, 0).numpy())
    seen = found @ intrinsics.mT
    _bones(left, skeleton, seen[..., :2] / seen[..., 2:], rim=True)
    left.set(xticks=[], yticks=[])
    left.spines[:].set_visible(False)
    above = [pose[..., [0, 2]] / 1000 for pose in (true, found)]
    _bones(right, skeleton, above[0], colour=GREY)
    _bones(right, skeleton, above[1])
    right.plot(0, 0, "^", color="black", markersize=8, label="camera")
    right.plot([], [], color=GREY, lw=2, label="truth")
    right.set(xlabel="m to the right", ylabel="m away", aspect="equal", title="from above")
    right.autoscale_view()
    right.grid(color="#E0E0E0", lw=0.6)
    right.set_axisbelow(True)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    drawing.suptitle(title, fontsize=11)
    return drawing


def _bones(
    axes, skeleton: Skeleton, places: Float[Tensor, "P J 2"], *, colour: str = "", rim: bool = False
) -> None:
    """Everybody's bones, by side or in one colour; on a white rim where a picture is behind them."""
    colours = [colour or side_colours(skeleton)[child] for _, child in skeleton.bones]
    for person in places.double().numpy():
        segments = person[np.array(skeleton.bones)]
        if rim:
            axes.add_collection(LineCollection(segments, colors="white", linewidths=3.5))
        axes.add_collection(LineCollection(segments, colors=colours, linewidths=1.8))
