"""Linear layers that Adam moves more slowly than the rest of a network.

Encoders with random weights need a rate at which HMR's regressor runs away: its layers have neither
activations nor normalisation and are used three times. Adam moves every number by about the rate,
whatever its slope, so a weight that is stored divided by a share moves at that share of the rate.
"""

from torch import Tensor, nn
from torch.nn.utils import parametrize

Number = int | float

NAMES = "weight", "bias"


class _Times(nn.Module):
    """A weight as what is stored times a number."""

    def __init__(self, share: Number):
        super().__init__()
        self.share = share

    def forward(self, stored: Tensor) -> Tensor:
        return stored * self.share

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight / self.share


def calmed(module: nn.Module, share: Number) -> None:
    """Let the linear layers learn at `share` of the rate, in place; 1 leaves them as they are.

    What they compute stays. ValueError for a share that is not above 0.
    """
    if not share > 0:
        raise ValueError(f"a share of {share} of the rate; it has to be above 0")
    layers = [] if share == 1 else [m for m in module.modules() if isinstance(m, nn.Linear)]
    for layer in layers:
        for name in NAMES:
            parametrize.register_parametrization(layer, name, _Times(share))


def plain(module: nn.Module) -> None:
    """Undo `calmed`: the weights are stored as they are again."""
    for layer in [m for m in module.modules() if parametrize.is_parametrized(m)]:
        for name in NAMES:
            parametrize.remove_parametrizations(layer, name)
