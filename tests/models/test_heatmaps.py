"""Heatmap targets and joints read from heatmaps: published numbers and closed forms."""

import math

import pytest
import torch

from posekit.models.heatmaps import cells, highest, patch_targets, pixels, quarter_shift

ALL = torch.ones(1, 1, dtype=torch.bool)


def at(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


TABLE = torch.tensor(
    [
        [0.0529, 0.1197, 0.1954, 0.2301, 0.1954, 0.1197, 0.0529],
        [0.1197, 0.2709, 0.4421, 0.5205, 0.4421, 0.2709, 0.1197],
        [0.1954, 0.4421, 0.7214, 0.8494, 0.7214, 0.4421, 0.1954],
        [0.2301, 0.5205, 0.8494, 1.0000, 0.8494, 0.5205, 0.2301],
    ]
)
TABLE = torch.cat([TABLE, TABLE[:3].flip(0)])  # what the base project prints, 7 x 7


def as_published(x: int, y: int, side: int) -> torch.Tensor:
    """The base project draws cells from place - 3 up to, but without, place + 3."""
    heatmap = torch.zeros(side, side)
    for row in range(max(0, y - 3), min(y + 3, side)):
        for column in range(max(0, x - 3), min(x + 3, side)):
            heatmap[row, column] = TABLE[row - (y - 3), column - (x - 3)]
    return heatmap


@pytest.mark.parametrize("place", [(10, 15), (0, 8), (1, 15), (15, 0), (14, 14)])
def test_the_patch_is_what_the_base_project_draws_of_its_table(place):
    (heatmap,) = patch_targets(at(4.0 * place[0] + 1, 4.0 * place[1] + 2), ALL, (16, 16), 4)[0]
    torch.testing.assert_close(heatmap, as_published(*place, 16), atol=5e-5, rtol=0)


def test_the_patch_has_36_cells_and_the_whole_one_49():
    """The table is printed with four digits; the squares of these add up to 9.227 and 9.551."""
    (heatmap,), (whole,) = (
        patch_targets(at(40.0, 60.0), ALL, (64, 64), 4, whole=whole)[0] for whole in (False, True)
    )
    assert heatmap[15, 10] == whole[15, 10] == 1
    assert (heatmap.count_nonzero(), whole.count_nonzero()) == (36, 49)
    torch.testing.assert_close(whole[12:19, 7:14], TABLE, atol=5e-5, rtol=0)
    assert torch.equal(heatmap[12:18, 7:13], whole[12:18, 7:13])
    assert (heatmap**2).sum().item() == pytest.approx(9.227, abs=1e-3)
    assert (whole**2).sum().item() == pytest.approx(9.551, abs=1e-3)
    assert (TABLE[:6, :6] ** 2).sum().item() == pytest.approx(9.227, abs=5e-4)
    assert (TABLE**2).sum().item() == pytest.approx(9.551, abs=5e-4)


@pytest.mark.parametrize(("whole", "cost"), [(False, 0.0022525), (True, 0.002332)])
def test_empty_predictions_cost_the_weight_of_all_sixteen_patches(whole, cost):
    joints = 40 + 170 * torch.rand(3, 16, 2, generator=torch.Generator().manual_seed(0))
    known = torch.ones(3, 16, dtype=torch.bool)
    target = patch_targets(joints, known, (64, 64), 4, whole=whole)
    assert (target**2).mean().item() == pytest.approx(cost, abs=5e-7)


def test_patches_are_cut_at_the_edge_and_left_out_where_invisible_or_far():
    joints = torch.tensor([[[1.0, 1.0], [30.0, 30.0], [-10.0, 30.0], [-40.0, 30.0]]])
    visible = torch.tensor([[True, False, True, True]])
    maps = patch_targets(joints, visible, (16, 16), 4)[0]
    assert maps[0, 0, 0] == 1 and maps[0].count_nonzero() == 9
    assert maps[1].count_nonzero() == 0
    assert maps[2].count_nonzero() == 0
    maps = patch_targets(joints, visible, (16, 16), 4, whole=True)[0]
    assert maps[0, 0, 0] == 1 and maps[0].count_nonzero() == 16
    assert maps[2].count_nonzero() == 7  # the column of cells that the patch still reaches
    assert maps[3].count_nonzero() == 0


@pytest.mark.parametrize("x", [0.0, 3.4, 3.6, 63.0])
def test_the_patch_lies_on_the_cell_that_holds_the_joint(x):
    (heatmap,) = patch_targets(at(x, 20.0), ALL, (16, 16), 4)[0]
    cell, value = highest(heatmap[None, None])
    assert cell[0, 0].tolist() == [math.floor((x + 0.5) / 4), 5] and value.item() == 1


def test_cells_and_pixels_are_inverses():
    joints = torch.rand(2, 5, 2) * 100
    torch.testing.assert_close(pixels(cells(joints, 4), 4), joints)
    assert cells(at(1.5, -0.5), 4).flatten().tolist() == [0.0, -0.5]


def test_a_whole_gaussian_is_read_to_within_a_quarter_cell():
    generator = torch.Generator().manual_seed(1)
    joints, steps = 3 + 10 * torch.rand(4, 7, 2, generator=generator), torch.arange(16.0)
    x, y = (torch.exp(-0.5 * (steps - c[..., None]) ** 2) for c in joints.unbind(-1))
    found = quarter_shift(y[..., :, None] * x[..., None, :], 1)
    assert (found - joints).abs().max() <= 0.25 + 1e-4


def test_the_quarter_goes_to_the_higher_neighbour():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 3, 4], maps[0, 0, 3, 5], maps[0, 0, 2, 4] = 1.0, 0.5, 0.2
    assert quarter_shift(maps, 1).flatten().tolist() == [4.25, 2.75]
    assert quarter_shift(maps, 4).flatten().tolist() == [18.5, 12.5]


@pytest.mark.parametrize("cell", [(0, 0), (7, 7), (0, 4), (3, 7)])
def test_at_an_edge_nothing_is_moved_across_it(cell):
    x, y = cell
    maps = torch.rand(1, 1, 8, 8) * 0.1
    maps[0, 0, y, x] = 1
    moved = quarter_shift(maps, 1).flatten() - torch.tensor([x, y])
    assert [abs(m) for m in moved.tolist()] == [0.25 * (0 < x < 7), 0.25 * (0 < y < 7)]


def test_flat_and_noisy_heatmaps_give_places_inside():
    for maps in (torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.3), torch.randn(1, 3, 8, 8)):
        places = quarter_shift(maps, 4)
        assert places.isfinite().all() and (places >= -0.5).all() and (places <= 31.5).all()


def test_heatmaps_of_a_diverged_network_are_refused():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 2, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        quarter_shift(maps, 4)
