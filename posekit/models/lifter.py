"""Networks that lift a 2D pose to 3D, made of fully connected layers.

`Martinez` is the baseline of Martinez et al. (ICCV 2017), `Cascade` the deep learners of
EvoSkeleton (Li et al., CVPR 2020) that tran2022 calls its baseline, `GatedLifter` the two-stream
network of Tran et al. (2022), read as its text allows. Used by notebooks/lifting.ipynb.

B poses, J joints, C inputs, D outputs. Networks map 2 J standardised numbers to 3 (J - 1), without
the root. `Lifter` wraps one, from pixels to millimetres. `stages` are the parts of a network that
are trained one after the other.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

JOINTS = 17  # Human3.6M
LAYERS = 8  # fully connected, in each stream of Tran et al.


def _layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Linear, batch norm, ReLU and dropout, which all these networks repeat."""
    return nn.Sequential(
        nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout)
    )


class Residual(nn.Module):
    """Two layers around a shortcut (Martinez et al. 2017, Fig. 2)."""

    def __init__(self, channels: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(*(_layer(channels, channels, dropout) for _ in range(2)))

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        return x + self.layers(x)


class DeepLearner(nn.Sequential):
    """An embedding, `blocks` residual blocks and a linear head: one stage of EvoSkeleton."""

    def __init__(
        self,
        inputs: int = 2 * JOINTS,
        outputs: int = 3 * (JOINTS - 1),
        *,
        channels: int = 1024,
        blocks: int = 2,
        dropout: float = 0.5,
    ):
        residuals = (Residual(channels, dropout) for _ in range(blocks))
        embedding = _layer(inputs, channels, dropout)
        super().__init__(embedding, *residuals, nn.Linear(channels, outputs))


class OneStage(nn.Module):
    """A network that is trained as a whole."""

    @property
    def stages(self) -> list[nn.Module]:
        return [self]


class _MaxNorm(nn.Module):
    """Scales a weight matrix down to a Frobenius norm of 1 where it is above."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight / weight.norm().clamp(min=1.0)


def _kaiming(parameter: Tensor, fan_in: int) -> None:
    deviation = (2 / fan_in) ** 0.5
    nn.init.trunc_normal_(parameter, std=deviation, a=-2 * deviation, b=2 * deviation)


class Martinez(OneStage):
    """The simple baseline as its authors trained it: 16 joints in, weights of norm 1 at most.

    Its detector (stacked hourglass) has no joint between neck and head, so joint `skip` of
    Human3.6M-17 is ignored. The rest is as TensorFlow has it by default, and 3d-pose-baseline's
    linear_model.py with it: weights and biases start from Kaiming's normal distribution, cut at two
    deviations (a bias's own length is its fan-in there); batch norm adds 0.001 to variances, which
    counts where max-norm keeps these small, and moves its averages by 0.01 a step.
    """

    def __init__(self, *, channels: int = 1024, dropout: float = 0.5, skip: int = 9):
        super().__init__()
        kept = [j for j in range(JOINTS) if j != skip]
        columns = torch.tensor([2 * j + axis for j in kept for axis in range(2)])
        self.register_buffer("columns", columns, persistent=False)
        self.net = DeepLearner(2 * (JOINTS - 1), channels=channels, blocks=2, dropout=dropout)
        for norm in [m for m in self.net.modules() if isinstance(m, nn.BatchNorm1d)]:
            norm.eps, norm.momentum = 1e-3, 0.01
        for linear in [m for m in self.net.modules() if isinstance(m, nn.Linear)]:
            _kaiming(linear.weight, linear.in_features)
            _kaiming(linear.bias, linear.out_features)
            parametrize.register_parametrization(linear, "weight", _MaxNorm())

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return self.net(x[:, self.columns])


class Cascade(nn.Module):
    """Deep learners in a row, each trained on the residual error of those before it.

    EvoSkeleton (Li et al. 2020, Sec. 3.3): `stages` x `blocks` of 3 x 3 gave its fully-supervised
    numbers, 2 x 2 is its default.
    """

    def __init__(self, stages: int, blocks: int, *, channels: int = 1024, dropout: float = 0.5):
        super().__init__()
        shape = {"channels": channels, "blocks": blocks, "dropout": dropout}
        self.stages = nn.ModuleList(DeepLearner(**shape) for _ in range(stages))

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return torch.stack([stage(x) for stage in self.stages]).sum(0)


class GateStream(nn.Module):
    """The stream of Tran et al. that "takes the ideal from transformer": a gated MLP."""

    def __init__(self, outputs: int | None, *, channels: int, dropout: float, gate: str):
        super().__init__()
        self.gate = gate
        self.embed = _layer(2 * JOINTS, channels, dropout)
        self.layers = nn.Sequential(*(_layer(channels, channels, dropout) for _ in range(LAYERS)))
        self.head = nn.Linear(channels, outputs) if outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        embedded = self.embed(x)
        hidden = self.layers(embedded)
        if self.gate == "product":
            return self.head(torch.sigmoid(hidden * embedded))
        return self.head(embedded * torch.sigmoid(hidden))


class LearnerStream(nn.Module):
    """The other stream: fully connected layers in residual blocks, as its base has them."""

    def __init__(self, outputs: int | None, *, channels: int, dropout: float):
        super().__init__()
        self.embed = _layer(2 * JOINTS, channels, dropout)
        self.blocks = nn.Sequential(*(Residual(channels, dropout) for _ in range(LAYERS // 2)))
        self.head = nn.Linear(channels, outputs) if outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return self.head(self.blocks(self.embed(x)))


class GatedLifter(OneStage):
    """Tran et al. (2022), Sec. 2.1 and Fig. 2: a sigmoid-gated stream plus a plain one.

        e   = embed(x)              2 J -> C
        h   = 8 layers of e         C -> C
        y_A = V_A sigmoid(h * e)    the gate stream
        y_B = V_B blocks(embed'(x)) the learner stream
        y   = W (y_A + y_B)

    The text multiplies "2 x k and d by a skip connection", which no two tensors of 2 k and 1024
    numbers allow; the embedding `e` is the skip that fits. The text leaves open:

    gate: "product" sigmoid(h * e) as written; "input" e * sigmoid(h), the usual gate.
    join: "joints" adds the streams at 3 k as Fig. 2 draws it; "channels" adds them at C.

    Both streams have 8 layers ("similar to the first stage").

    ValueError for any other reading.
    """

    def __init__(
        self,
        *,
        channels: int = 1024,
        dropout: float = 0.5,
        gate: str = "product",
        join: str = "joints",
    ):
        if gate not in ("product", "input"):
            raise ValueError(f"gate is 'product' or 'input', not {gate!r}")
        if join not in ("joints", "channels"):
            raise ValueError(f"join is 'joints' or 'channels', not {join!r}")
        super().__init__()
        outputs = 3 * (JOINTS - 1)
        wide = {"channels": channels, "dropout": dropout}
        head = outputs if join == "joints" else None
        self.gate_stage = GateStream(head, gate=gate, **wide)
        self.learner_stage = LearnerStream(head, **wide)
        self.final = nn.Linear(head or channels, outputs)

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return self.final(self.gate_stage(x) + self.learner_stage(x))


class MeanPose(nn.Module):
    """The mean training pose for any input: the baseline of every lifter."""

    stages = ()

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        return x.new_zeros(len(x), 3 * (JOINTS - 1))


LIFTERS = {
    "mean-pose": MeanPose,
    "martinez": Martinez,
    "evoskeleton-1x2": partial(Cascade, 1, 2),
    "evoskeleton-2x2": partial(Cascade, 2, 2),
    "evoskeleton-3x3": partial(Cascade, 3, 3),
    "ours": GatedLifter,
    "ours-gate": partial(GatedLifter, gate="input"),
    "ours-width": partial(GatedLifter, join="channels"),
}
"""The networks compared, by name; those called `ours` are three readings of the paper's text."""


class Lifter(nn.Module):
    """A network from pixels to millimetres, its inputs and outputs standardised by training data.

    As in the base code of both papers: z-scores of each coordinate, 3D relative to the root joint,
    which is left out of the output.
    """

    def __init__(
        self,
        network: nn.Module,
        pose2d: Float[Tensor, "N J 2"],
        centred: Float[Tensor, "N J 3"],
    ):
        super().__init__()
        self.network = network
        for name, values in (("2d", pose2d.flatten(1)), ("3d", centred[:, 1:].flatten(1))):
            values = values.double()  # float32 sums of a million poses lose the third digit
            self.register_buffer(f"mean_{name}", values.mean(0).float())
            self.register_buffer(f"std_{name}", values.std(0).clamp(min=1e-6).float())

    @classmethod
    def restored(cls, network: nn.Module, state: dict[str, Tensor]) -> "Lifter":
        """A lifter from its `state_dict`, around a network of the same shape."""
        joints = len(state["mean_2d"]) // 2
        lifter = cls(network, torch.zeros(2, joints, 2), torch.zeros(2, joints, 3))
        lifter.load_state_dict(state)
        return lifter.eval()

    def inputs(self, pose2d: Float[Tensor, "B J 2"]) -> Float[Tensor, "B C"]:
        """Standardised 2D poses, the network's input."""
        return (pose2d.flatten(1) - self.mean_2d) / self.std_2d

    def targets(self, centred: Float[Tensor, "B J 3"]) -> Float[Tensor, "B D"]:
        """Standardised 3D poses, the network's target output."""
        return (centred[:, 1:].flatten(1) - self.mean_3d) / self.std_3d

    def forward(self, pose2d: Float[Tensor, "B J 2"]) -> Float[Tensor, "B J 3"]:
        """3D poses relative to the root, mm, from pixels."""
        output = self.network(self.inputs(pose2d)).float() * self.std_3d + self.mean_3d
        return functional.pad(output.unflatten(1, (-1, 3)), (0, 0, 1, 0))  # the root is 0
