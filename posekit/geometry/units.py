"""Whether numbers can be the millimetres or pixels of people that they are taken for.

Files do not say their units, and a factor of 1000 gives an error of 0.05 "mm" or a training that
learns nothing. People are of one size: the box round somebody's joints has a diagonal of 0.3 m
curled up and 2.8 m at the most, far from what another unit makes of it.

N persons or frames, J joints. Of the spans of all persons the median counts: a few wrong labels are
no other unit.
"""

import math

from jaxtyping import Bool, Float
from torch import Tensor

SPAN_MM = (250.0, 5000.0)
SPAN_PX = (4.0, 50_000.0)  # coordinates in -1..1 span 2.8 at the most
KNOWN = 0.5  # of the joints at least, of who counts
MISTAKEN = (  # by the least span, mm
    (350_000.0, "millimetres where metres are expected"),
    (SPAN_MM[1], "centimetres where metres are expected"),
    (20.0, "centimetres where millimetres are expected"),
    (0.0, "metres where millimetres are expected"),
)


def check_poses(
    joints: Float[Tensor, "N J 3"],
    who: str,
    known: Bool[Tensor, "N J"] | None = None,
    *,
    camera: bool = False,
) -> None:
    """ValueError, beginning with `who`, for poses that can't be people in millimetres.

    `known`: which joints are; without it those that are finite. `camera`: they are in camera
    coordinates, where none may lie behind the camera.
    """
    known = joints.isfinite().all(-1) if known is None else known
    span = _span(joints, known)
    if not (math.isnan(span) or SPAN_MM[0] <= span <= SPAN_MM[1]):
        guess = next(words for least, words in MISTAKEN if span >= least)
        raise ValueError(f"{who}: a person spans {span:.3g} mm: are the 3D joints in {guess}?")
    if camera and (behind := known & (joints[..., 2] <= 0)).any():
        number = int(behind.any(-1).nonzero()[0])
        raise ValueError(
            f"{who}, person or frame {number}: a joint lies behind the camera: are poses and cameras "
            "in one unit, and do they belong together?"
        )


def check_pixels(
    joints: Float[Tensor, "N J 2"], who: str, known: Bool[Tensor, "N J"] | None = None
) -> None:
    """ValueError, beginning with `who`, for 2D joints that can't be those of people in pixels."""
    known = joints.isfinite().all(-1) if known is None else known
    span = _span(joints, known)
    if not (math.isnan(span) or SPAN_PX[0] <= span <= SPAN_PX[1]):
        raise ValueError(
            f"{who}: a person spans {span:.3g} px: pixels are expected, not shares of the picture, "
            "coordinates from -1 to 1, or standardised ones"
        )


def _span(joints: Float[Tensor, "N J D"], known: Bool[Tensor, "N J"]) -> float:
    """The median diagonal of the boxes round everybody's known joints; NaN where nobody counts."""
    counted = known.double().mean(-1) >= KNOWN
    joints, unknown = joints[counted], ~known[counted, :, None]
    if not len(joints):
        return math.nan
    low = joints.masked_fill(unknown, math.inf).amin(1)
    high = joints.masked_fill(unknown, -math.inf).amax(1)
    return (high - low).norm(dim=-1).median().item()
