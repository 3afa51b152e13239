"""Heatmap targets and joints read from heatmaps: published numbers and closed forms."""

import math

import pytest
import torch

from posekit.models.heatmaps import cells, highest, patch_targets, pixels, quarter_shift

ALL = torch.ones(1, 1, dtype=torch.bool)


def at(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


def test_the_patch_is_the_base_projects_table():
    """Its 7 x 7 numbers are printed with four digits; the sum of their squares is 9.551."""
    (heatmap,) = patch_targets(at(40.0, 60.0), ALL, (64, 64), 4)[0]
    assert heatmap[15, 10] == 1 and heatmap.count_nonzero() == 49
    row = [0.0529, 0.1197, 0.1954, 0.2301, 0.1954, 0.1197, 0.0529]
    assert heatmap[12, 7:14].tolist() == pytest.approx(row, abs=5e-5)
    assert (heatmap**2).sum().item() == pytest.approx(9.551, abs=5e-4)


def test_empty_predictions_cost_the_weight_of_all_sixteen_patches():
    joints = 40 + 170 * torch.rand(3, 16, 2, generator=torch.Generator().manual_seed(0))
    target = patch_targets(joints, torch.ones(3, 16, dtype=torch.bool), (64, 64), 4)
    assert (target**2).mean().item() == pytest.approx(0.002332, abs=5e-7)


def test_patches_are_cut_at_the_edge_and_left_out_where_invisible_or_far():
    joints = torch.tensor([[[1.0, 1.0], [30.0, 30.0], [-10.0, 30.0], [-40.0, 30.0]]])
    visible = torch.tensor([[True, False, True, True]])
    maps = patch_targets(joints, visible, (16, 16), 4)[0]
    assert maps[0, 0, 0] == 1 and maps[0].count_nonzero() == 16
    assert maps[1].count_nonzero() == 0
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
