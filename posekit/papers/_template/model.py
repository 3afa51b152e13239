"""A network that lifts a 2D pose to 3D by two linear layers, in the place of the paper's own.

A. Author, B. Author, "Title of the paper" (year), section 3. Notebook: _template.

B poses of J = 17 joints. Networks of `training.lifting` work on standardised coordinates: 2 J in,
3 (J - 1) out, without the root.
"""

from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.lifter import JOINTS


class Network(nn.Module):
    """A linear layer, ReLU and another linear layer (section 3)."""

    def __init__(self, *, channels: int = 1024):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * JOINTS, channels), nn.ReLU(), nn.Linear(channels, 3 * (JOINTS - 1))
        )

    @property
    def stages(self) -> list[nn.Module]:
        """The parts that are trained one after the other: here the network as a whole."""
        return [self]

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return self.layers(x)
