"""What every picture data set is reduced to: pictures of persons with their labels.

One `Batch` for the studio and for real data sets; what a data set does not know is marked, not made
up. Pictures: pixels, the centre of the upper left one at (0, 0). Camera: millimetres, x right,
y down, z forward.

B persons, J joints of the skeleton, S shape numbers, H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from posekit.geometry.skeleton import Skeleton

UNKNOWN, HIDDEN, SEEN = 0, 1, 2
"""Of a joint, as COCO counts: not labelled; labelled, but covered or outside; in plain sight."""

IGNORE = 255
"""In masks and part maps: nobody says what this pixel is."""


@dataclass(frozen=True)
class Batch:
    """Pictures, one person each, and what is known of that person."""

    skeleton: Skeleton
    index: Int64[Tensor, " B"]  # which sample of the data set
    images: UInt8[Tensor, "B 3 H W"]  # RGB
    boxes: Float[Tensor, "B 4"]  # left, top, width, height of the person, px of the picture
    joints2d: Float[Tensor, "B J 2"]  # px
    visible: UInt8[Tensor, "B J"]  # UNKNOWN, HIDDEN or SEEN
    # Of the picture as it is here, after crop and warp; a lens's distortion is not in them.
    intrinsics: Float[Tensor, "B 3 3"]
    joints3d: Float[Tensor, "B J 3"]  # camera, mm; 0, like joints2d, where a joint is UNKNOWN
    has_joints3d: Bool[Tensor, " B"]
    rotations: Float[Tensor, "B 24 3 3"]  # of the body's joints to their parents; root: to camera
    shape: Float[Tensor, "B S"]
    translation: Float[Tensor, "B 3"]  # the body's root joint, camera, mm
    has_body: Bool[Tensor, " B"]
    masks: UInt8[Tensor, "B H W"] | None = None  # 1 where the person is seen
    parts: UInt8[Tensor, "B H W"] | None = None  # 0 background, 1 to 6 as LSP's

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, px."""
        return self.images.shape[2], self.images.shape[3]

    def __getitem__(self, chosen: slice | Tensor) -> "Batch":
        """The persons chosen."""
        return replace(self, **{name: value[chosen] for name, value in self.tensors()})

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        moved = {name: value.to(device, non_blocking=True) for name, value in self.tensors()}
        return replace(self, **moved)

    def tensors(self) -> list[tuple[str, Tensor]]:
        """What it holds, by name."""
        named = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, value) for name, value in named if isinstance(value, Tensor)]


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of several, in order.

    ValueError when there are none, or when skeletons, picture sizes or labels differ.
    """
    if not batches:
        raise ValueError("no batches to join")
    first = batches[0]
    names = [name for name, _ in first.tensors()]
    for other in batches[1:]:
        if other.skeleton != first.skeleton or other.size != first.size:
            raise ValueError(
                f"{first.skeleton.name} pictures of {first.size} do not join "
                f"{other.skeleton.name} pictures of {other.size}"
            )
        if [name for name, _ in other.tensors()] != names:
            raise ValueError("some batches have masks or parts and others have none")
    return replace(
        first, **{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names}
    )


def within(points: Float[Tensor, "*N 2"], size: tuple[int, int]) -> Bool[Tensor, "*N"]:
    """Whether points, px, lie in a picture of this height and width: on one of its pixels."""
    (x, y), (height, width) = points.unbind(-1), size
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def unit_range(images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Convert uint8 images to float32 in [0, 1], channels last in memory."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)
