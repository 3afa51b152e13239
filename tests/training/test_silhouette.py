"""The silhouette's loss: closed forms for a square, finite differences for a body."""

import pytest
import torch

from posekit.geometry.body import free
from posekit.geometry.render import project, rasterise
from posekit.models.hmr import intrinsics
from posekit.training.silhouette import edges, outline, silhouette_loss

SQUARE = torch.tensor([[0, 2, 1], [0, 3, 2]])


def square(side: float, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Four corners about (x, y), all at one depth."""
    half = side / 2
    corners = torch.tensor([[-half, -half], [half, -half], [half, half], [-half, half]])
    places = corners + torch.stack([x, y])
    return torch.cat([places, torch.full((4, 1), 1000.0)], dim=1)[None]


def test_two_squares_differ_by_what_sticks_out():
    centre = torch.tensor(32.0)
    mask = rasterise(square(20, centre, centre), SQUARE, 64, 64, cull=None, supersample=4).coverage
    torch.testing.assert_close(mask.sum(), torch.tensor(400.0))
    shift = torch.tensor(3.0, requires_grad=True)
    loss = silhouette_loss(square(20, centre + shift, centre), SQUARE, mask)
    loss.backward()
    # Shifted by d, 2 d a of a^2 differ.
    assert loss.item() == pytest.approx(2 * 3 / 20, rel=1e-3)
    assert shift.grad.item() == pytest.approx(2 / 20, rel=1e-2)
    for side, sign in ((26.0, 1), (14.0, -1)):
        size = torch.tensor(1.0, requires_grad=True)
        points = square(side, centre, centre)
        grown = torch.cat([(points[..., :2] - 32) * size + 32, points[..., 2:]], dim=-1)
        silhouette_loss(grown, SQUARE, mask).backward()
        # (a s)^2 - b^2 over b^2, in s.
        assert size.grad.item() == pytest.approx(sign * 2 * side**2 / 400, rel=0.02)
    same = square(20, centre, centre).requires_grad_()
    loss = silhouette_loss(same, SQUARE, mask)
    loss.backward()
    assert loss == 0 and same.grad.abs().max() < 1e-3


SIDE = 448


def body_at(move: torch.Tensor) -> torch.Tensor:
    """A T pose that fills two thirds of the picture, moved by px right, px down, and enlarged."""
    model = free()
    turn = torch.eye(3).repeat(1, 24, 1, 1)
    turn[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    body = model(turn, torch.zeros(1, 10), torch.tensor([[0.0, 0.0, 60_000.0]]))
    points = project(body.vertices, intrinsics(1, (SIDE, SIDE)))
    middle = (SIDE - 1) / 2
    places = (points[..., :2] - middle) * (1 + move[2]) + middle + move[:2]
    return torch.cat([places, points[..., 2:]], dim=-1)


def covered(points: torch.Tensor) -> torch.Tensor:
    return rasterise(points, free().faces, SIDE, SIDE, cull=None, supersample=8).coverage


@pytest.mark.parametrize(("axis", "step"), [(0, 0.5), (1, 0.5), (2, 0.002)])
def test_gradients_are_finite_differences(axis, step):
    mask = covered(body_at(torch.zeros(3)))
    move = torch.tensor([2.0, -1.5, 0.03], requires_grad=True)
    silhouette_loss(body_at(move), free().faces, mask).backward()
    shift = step * torch.eye(3)[axis]
    with torch.no_grad():
        ends = [(covered(body_at(move + way)) - mask).abs().sum() for way in (shift, -shift)]
    slope = (ends[0] - ends[1]) / mask.sum() / (2 * step)
    assert move.grad[axis].item() == pytest.approx(slope.item(), rel=0.06)


def test_what_lies_before_the_body_itself_has_no_outline():
    """A small square before a large one moves nothing."""
    large, little = square(40, *torch.tensor([32.0, 32.0])), square(10, *torch.tensor([30.0, 30.0]))
    points = torch.cat([large, little - torch.tensor([0.0, 0.0, 100.0])], dim=1).requires_grad_()
    faces = torch.cat([SQUARE, SQUARE + 4])
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:30, 20:30] = 1
    silhouette_loss(points, faces, mask).backward()
    assert points.grad[0, :4].abs().sum() > 0 and points.grad[0, 4:].abs().sum() == 0


def test_outlines_are_where_the_surface_turns_away():
    ends, sides = edges(SQUARE)
    alone = sides[:, 0] == sides[:, 1]
    assert ends[alone].tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
    assert ends[~alone].tolist() == [[0, 2]] and sides[~alone].tolist() == [[0, 1]]
    body, pieces, normal = outline(square(20, *torch.tensor([32.0, 32.0])), SQUARE)
    assert len(body) == 4
    expected = {(0, 1): (0, -1), (1, 2): (1, 0), (2, 3): (0, 1), (0, 3): (-1, 0)}
    for piece, direction in zip(pieces.tolist(), normal.tolist(), strict=True):
        assert direction == pytest.approx(expected[tuple(piece)])


def test_an_empty_mask_is_refused():
    masks = torch.ones(2, 64, 64)
    masks[1] = 0
    points = square(20, *torch.tensor([32.0, 32.0])).expand(2, 4, 3)
    with pytest.raises(ValueError, match="mask 1 is empty"):
        silhouette_loss(points, SQUARE, masks)
