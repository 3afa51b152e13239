"""Heatmaps: the targets that a network learns for joints, and reading joints from heatmaps.

Picture pixels and cells count from the middle of the upper left one, so that cell c of a heatmap
with `stride` px per cell lies at (c + 0.5) * stride - 0.5 px of the picture.

B pictures, J joints, h x w cells.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

PATCH = 7  # cells, side of the base project's Gaussian
SIGMA = 1.75  # cells; a quarter of its side
Number = int | float


def cells(joints: Float[Tensor, "B J 2"], stride: Number) -> Float[Tensor, "B J 2"]:
    """Heatmap cells from picture pixels."""
    return (joints + 0.5) / stride - 0.5


def pixels(places: Float[Tensor, "B J 2"], stride: Number) -> Float[Tensor, "B J 2"]:
    """Picture pixels from heatmap cells."""
    return (places + 0.5) * stride - 0.5


def patch_targets(
    joints: Float[Tensor, "B J 2"],
    visible: Bool[Tensor, "B J"],
    size: tuple[int, int],
    stride: Number,
    *,
    whole: bool = False,
) -> Float[Tensor, "B J h w"]:
    """A Gaussian of height 1 around the cell of each visible joint, zeros elsewhere.

    As Naman-ntc/Pytorch-Human-Pose-Estimation draws them (hmGauss 1), after Newell et al. (ECCV
    2016): sigma is 1.75 cells, and the patch is cut at the heatmap's edge. Its table has 7 x 7
    cells, of which its code leaves out the last row and the last column: 3 cells to the left of
    the joint and above it, 2 to the right and below. `whole` draws all of them. `joints` are px of
    the picture, `size` is (h, w).
    """
    x, y = torch.floor(cells(joints, stride) + 0.5).unbind(-1)
    columns, rows = _gaussian(x, size[1], whole), _gaussian(y, size[0], whole)
    return rows[..., :, None] * columns[..., None, :] * visible[..., None, None]


def _gaussian(centre: Float[Tensor, "B J"], count: int, whole: bool) -> Float[Tensor, "B J n"]:
    """The Gaussian along one axis, 0 beyond the patch."""
    before = PATCH // 2
    after = before if whole else before - 1
    offset = torch.arange(count, dtype=centre.dtype, device=centre.device) - centre[..., None]
    beyond = (offset < -before) | (offset > after)
    return torch.exp(-0.5 * (offset / SIGMA) ** 2).masked_fill(beyond, 0)


def highest(
    heatmaps: Float[Tensor, "B J h w"],
) -> tuple[Int64[Tensor, "B J 2"], Float[Tensor, "B J"]]:
    """The cell (x, y) with the largest value of each heatmap, the first of equals, and that value.

    ValueError for heatmaps that are not finite.
    """
    if not torch.isfinite(heatmaps).all():
        raise ValueError("the heatmaps hold NaN or infinity: the network has diverged")
    value, place = heatmaps.flatten(2).max(dim=2)
    width = heatmaps.shape[3]
    return torch.stack([place % width, place // width], dim=-1), value


def quarter_shift(heatmaps: Float[Tensor, "B J h w"], stride: Number) -> Float[Tensor, "B J 2"]:
    """The highest cell, moved a quarter of a cell towards its higher neighbour on either axis, px.

    The rule of Newell et al. (ECCV 2016); at the edge of a heatmap nothing is moved on that axis.
    """
    cell, _ = highest(heatmaps)
    height, width = heatmaps.shape[2:]
    x, y = cell.unbind(-1)
    flat = heatmaps.flatten(2)

    def value(x: Tensor, y: Tensor) -> Float[Tensor, "B J"]:
        return flat.gather(2, (y * width + x)[..., None])[..., 0]

    inner_x, inner_y = x.clamp(1, width - 2), y.clamp(1, height - 2)
    across = value(inner_x + 1, y) - value(inner_x - 1, y)
    along = value(x, inner_y + 1) - value(x, inner_y - 1)
    at_edge = torch.stack([inner_x, inner_y], dim=-1) != cell
    slopes = torch.stack([across, along], dim=-1).masked_fill(at_edge, 0)
    return pixels(cell + 0.25 * slopes.sign(), stride)
