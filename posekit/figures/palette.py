"""The colours of every figure, and the names of joints as readers know them."""

from posekit.geometry.skeleton import Skeleton

# Okabe and Ito's colours: told apart with any colour vision, and in grey.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#333333", "#9A9A9A"
GRID = "#E0E0E0"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
CYCLE += ("#882255", "#332288", "#999933", "#8C564B", "#44AA99", "#DDCC77", "#117733")
"""Of networks, in the order in which they are first drawn."""

_DRAWN: dict[str, int] = {}

SIDES = {"right": VERMILION, "left": BLUE, "middle": BLACK}
"""Of a person's right and left side, and of what lies between them."""


def side(joint: str) -> str:
    """The side that a joint is on: a key of SIDES."""
    first = joint.split("_")[0]
    return first if first in SIDES else "middle"


def side_colours(skeleton: Skeleton) -> list[str]:
    """The colour of each joint's side; a bone has that of its child."""
    return [SIDES[side(joint)] for joint in skeleton.joints]


def place(name: str) -> int:
    """The place of a network among those that this process has drawn: the same in every figure."""
    return _DRAWN.setdefault(name, len(_DRAWN))


def plain(joint: str) -> str:
    """A joint's name in words: "left hip"."""
    return joint.replace("_", " ")
