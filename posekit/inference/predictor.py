"""`Predictor`: a trained network that is ready to run, whatever file it is from.

B samples, J joints, D x h x w voxels, S stacks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posekit.data.batch import unit_range
from posekit.geometry.skeleton import Skeleton
from posekit.models.integral import from_voxels
from posekit.models.soft_argmax import soft_argmax
from posekit.training.experiment import EVALUATED_TOGETHER

Output = Tensor | tuple
"""By kind: integral (B, J, 3) in the cube; heatmaps (B, S, J, h, w); mesh `Estimate`; lifting
(B, J, 3) mm from the root. As `posekit.models.checkpoint.NETWORKS` says."""


@dataclass(frozen=True)
class Predictor:
    """A trained network that is ready to run."""

    name: str  # for people
    weights: Path  # the file that has them
    kind: str  # of posekit.models.checkpoint.NETWORKS
    shape: tuple[int, ...]  # of one input
    run: Callable[[Float[Tensor, "B ..."]], Output]
    volumes: bool = False  # whether `run` leaves soft-argmax out
    skeleton: Skeleton | None = None  # of its joints; None: their number has to tell it
    offset: tuple[float, float] = (0.0, 0.0)  # px of the crop, to add to joints of heatmaps
    note: str = ""  # what one should know before trusting it

    def raw(self, inputs: Float[Tensor, "B ..."]) -> Output:
        """The output of the file: volumes where it leaves soft-argmax out.

        Raises ValueError for inputs of another shape.
        """
        if tuple(inputs.shape[1:]) != self.shape:
            raise ValueError(
                f"{self.name} can't be run on inputs of shape {tuple(inputs.shape)}: it takes "
                f"(number, {', '.join(map(str, self.shape))})"
            )
        return self.run(inputs)

    @torch.inference_mode()
    def __call__(self, inputs: Float[Tensor, "B ..."]) -> Output:
        """The output of the network: joints in the cube where it draws volumes."""
        made = self.raw(inputs)
        return from_voxels(soft_argmax(made), made.shape[2:]) if self.volumes else made

    def predict(self, pictures: UInt8[Tensor, "N 3 H W"]) -> Output:
        """The output for pictures of any number, batch by batch."""
        return joined([self(unit_range(part)) for part in pictures.split(EVALUATED_TOGETHER)])


def joined(parts: Sequence[Output]) -> Output:
    """The outputs of several batches as one."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return type(parts[0])(*(torch.cat(each) for each in zip(*parts, strict=True)))
