"""Heatmaps: what a network is taught to draw for a joint, and reading a joint from what it drew.

Picture pixels and cells count from the middle of the upper left one, so that cell c of a heatmap
with `stride` px to the cell lies at (c + 0.5) * stride - 0.5 px of the picture.

B pictures, J joints, h x w cells.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

PATCH = 7  # cells, side of the base project's Gaussian
PATCH_SIGMA = 1.75  # cells; a quarter of its side
FLAT = 1e-10  # below it a heatmap has no logarithm worth looking at
Number = int | float


def cells(joints: Float[Tensor, "B J 2"], stride: Number) -> Float[Tensor, "B J 2"]:
    """Pixels of the picture as cells of a heatmap."""
    return (joints + 0.5) / stride - 0.5


def pixels(places: Float[Tensor, "B J 2"], stride: Number) -> Float[Tensor, "B J 2"]:
    """Cells of a heatmap as pixels of the picture."""
    return (places + 0.5) * stride - 0.5


def patch_targets(
    joints: Float[Tensor, "B J 2"],
    known: Bool[Tensor, "B J"],
    size: tuple[int, int],
    stride: Number,
) -> Float[Tensor, "B J h w"]:
    """A 7 x 7 Gaussian of height 1 about the cell that each known joint lies in; else zeros.

    As Naman-ntc/Pytorch-Human-Pose-Estimation draws them (hmGauss 1), after Newell et al. (ECCV
    2016): sigma is 1.75 cells, and the patch is cut at the heatmap's edge. `joints` are px of the
    picture, `size` is (h, w).
    """
    middle = torch.floor(cells(joints, stride) + 0.5)
    x, y = middle.unbind(-1)
    columns, rows = _bump(x, size[1], PATCH_SIGMA), _bump(y, size[0], PATCH_SIGMA)
    for bump, at in ((columns, x), (rows, y)):
        far = (_steps(bump) - at[..., None]).abs() > PATCH // 2
        bump.masked_fill_(far, 0)
    return rows[..., :, None] * columns[..., None, :] * known[..., None, None]


def gaussian_targets(
    joints: Float[Tensor, "B J 2"],
    known: Bool[Tensor, "B J"],
    size: tuple[int, int],
    stride: Number,
    sigma: Number,
) -> Float[Tensor, "B J h w"]:
    """A whole Gaussian of `sigma` cells and height 1 about each known joint itself; else zeros."""
    x, y = cells(joints, stride).unbind(-1)
    columns, rows = _bump(x, size[1], sigma), _bump(y, size[0], sigma)
    return rows[..., :, None] * columns[..., None, :] * known[..., None, None]


def _bump(at: Float[Tensor, "B J"], count: int, sigma: Number) -> Float[Tensor, "B J n"]:
    steps = torch.arange(count, dtype=at.dtype, device=at.device)
    return torch.exp(-0.5 * ((steps - at[..., None]) / sigma) ** 2)


def _steps(bump: Float[Tensor, "B J n"]) -> Float[Tensor, " n"]:
    return torch.arange(bump.shape[-1], dtype=bump.dtype, device=bump.device)


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
    return pixels(cell + 0.25 * _slopes(heatmaps, cell).sign(), stride)


def subpixel(heatmaps: Float[Tensor, "B J h w"], stride: Number) -> Float[Tensor, "B J 2"]:
    """The top of the Gaussian that the logarithm has at its highest cell, px.

    One step of Newton's method on log h (Zhang et al., "Distribution-Aware Coordinate
    Representation", CVPR 2020, equations 3 to 10, without their smoothing): exact for a whole
    Gaussian. Moves at most one cell; none where the highest cell lies at an edge or the heatmap
    is not curved like a hill there.
    """
    cell, _ = highest(heatmaps)
    x, y = _inside(cell, heatmaps).unbind(-1)
    log = heatmaps.clamp(min=FLAT).log().flatten(2)

    def at(right: int, down: int) -> Tensor:
        place = (y + down) * heatmaps.shape[3] + x + right
        return log.gather(2, place[..., None])[..., 0]

    here = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = at(1, 0) - 2 * here + at(-1, 0), at(0, 1) - 2 * here + at(0, -1)
    dxy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    det = dxx * dyy - dxy**2
    hill = (dxx < 0) & (det > FLAT) & (torch.stack([x, y], -1) == cell).all(-1)
    det = det.where(hill, torch.ones_like(det))
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1) / det[..., None]
    return pixels(cell + step.clamp(-1, 1) * hill[..., None], stride)


def _inside(cell: Int64[Tensor, "B J 2"], heatmaps: Tensor) -> Int64[Tensor, "B J 2"]:
    """The cell, or the nearest that has neighbours on all sides."""
    height, width = heatmaps.shape[2:]
    x, y = cell.unbind(-1)
    return torch.stack([x.clamp(1, width - 2), y.clamp(1, height - 2)], dim=-1)


def _slopes(heatmaps: Tensor, cell: Int64[Tensor, "B J 2"]) -> Float[Tensor, "B J 2"]:
    """Differences of the neighbours to the right and left, below and above; 0 at an edge."""
    x, y = _inside(cell, heatmaps).unbind(-1)
    flat, width = heatmaps.flatten(2), heatmaps.shape[3]

    def at(column: Tensor, row: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column)[..., None])[..., 0]

    across = at(x + 1, cell[..., 1]) - at(x - 1, cell[..., 1])
    along = at(cell[..., 0], y + 1) - at(cell[..., 0], y - 1)
    edge = torch.stack([x, y], dim=-1) != cell
    return torch.stack([across, along], dim=-1).masked_fill(edge, 0)
