"""Pictures of one bright spot, for networks that have to learn where it is."""

import torch
from torch import nn

from posekit.models.integral import to_cube
from posekit.training.losses import joint_loss

SIDE = 64  # px


def spots(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (count, 3, 64, 64) and cubes (count, 1, 3): place, and brightness as the depth."""
    places = torch.rand(count, 1, 2) * 40 + 12
    depths = torch.rand(count, 1) * 1200 - 600
    rows = torch.arange(SIDE)[None, :, None] - places[..., 1:]
    columns = torch.arange(SIDE)[None, None] - places[..., :1]
    spot = torch.exp(-(rows**2 + columns**2) / 32) * (0.6 + depths[..., None] / 2000)
    return spot[:, None].expand(-1, 3, -1, -1), to_cube(places, depths, (SIDE, SIDE))


def learn_spots(network: nn.Module, *, steps: int, batch: int, rate: float) -> float:
    """Train a network of one joint; the mean loss of its last ten steps."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    known = torch.ones(batch, 1, dtype=torch.bool)
    losses = []
    for _ in range(steps):
        pictures, true = spots(batch)
        loss = joint_loss(network(pictures), true, known, known[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return sum(losses[-10:]) / 10


GUESS = 0.46
"""The loss of always answering the middle: 0.156 for x and y each, 0.15 for the depth."""
