"""HMR: from a picture to a body, with iterative regression behind the eight encoders of Bae.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021;
bae3559/2021summerintern), on SPIN's network (Kolotouros et al., ICCV 2019), after Kanazawa et al.,
"End-to-end Recovery of Human Shape and Pose" (CVPR 2018). No discriminator. Notebook: mesh.

An encoder makes a feature vector (posekit.models.mesh_encoders). Starting from a mean body, a small
network sees the features and the current body and corrects the body, a few times.

The published model files write `pred_shpe` where `pred_shape` is meant, so that no body ever left
the mean shape: `frozen_shape` does the same.

Pose is 6 numbers for each of 24 joints, SPIN's two columns of a rotation matrix, interleaved. The
camera is weak-perspective: scale, in half pictures a metre, and where the root joint is, in metres.

B pictures, H x W pixels, F features, P = 144 numbers of the pose, S of the shape.
"""

from typing import NamedTuple

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.encoders import feature_maps
from posekit.models.mesh_encoders import Number, initialise_small, mesh_encoder

FOCAL = 5000 / 224
"""Focal length over the picture's side, SPIN's: people are some 50 m away, perspective is weak."""


class Estimate(NamedTuple):
    """Estimated bodies and cameras."""

    rotations: Float[Tensor, "B 24 3 3"]  # to the parent joint, the root's to the camera
    shape: Float[Tensor, "B S"]
    camera: Float[Tensor, "B 3"]  # scale, x right, y down

    @property
    def translation(self) -> Float[Tensor, "B 3"]:
        """Place of the root joint in camera coordinates, mm, for `intrinsics`."""
        scale, x, y = self.camera.float().unbind(-1)
        return 1000 * torch.stack([x, y, 2 * FOCAL / (scale + 1e-9)], dim=-1)


def intrinsics(count: int, size: tuple[int, int]) -> Float[Tensor, "B 3 3"]:
    """SPIN's camera matrix for `count` pictures of `size` (height, width) px.

    0 is the middle of the upper left pixel; the focal length belongs to the longer side.
    """
    height, width = size
    focal = FOCAL * max(size)
    K = [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]
    return torch.tensor(K).expand(count, 3, 3)


class Start(NamedTuple):
    """The body and camera from which the regression of every picture starts."""

    pose: Float[Tensor, " P"]
    shape: Float[Tensor, " S"]
    camera: Float[Tensor, "3"]


def start_from(rotations: Float[Tensor, "N 24 3 3"], shape: Float[Tensor, "N S"]) -> Start:
    """The mean of bodies, such as those of the training data, upright and facing the camera."""
    pose = rotations[:, :, :, :2].mean(0)
    pose[0] = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])  # y down, from y up
    return Start(pose.flatten(), shape.mean(0), torch.tensor([0.9, 0.0, 0.0]))


def rest_start(shapes: int = 10) -> Start:
    """The mean shape in the T pose, where no training bodies are known."""
    return start_from(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, shapes))


class Step(nn.Module):
    """SPIN's correction: two hidden layers without activation, then pose, shape and camera added.

    `fc2` False leaves out the second hidden layer, with its dropout (Bae, section II.A.2).
    """

    def __init__(self, features: int, start: Start, *, hidden: int = 1024, fc2: bool = True):
        super().__init__()
        self.fc1 = nn.Linear(features + sum(map(len, start)), hidden)
        self.drop1 = nn.Dropout()
        self.fc2 = nn.Linear(hidden, hidden) if fc2 else nn.Identity()
        self.drop2 = nn.Dropout() if fc2 else nn.Identity()
        self.decpose, self.decshape, self.deccam = (nn.Linear(hidden, len(part)) for part in start)
        for layer in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)

    def forward(self, features: Float[Tensor, "B F"], body: list[Tensor]) -> list[Tensor]:
        x = self.drop1(self.fc1(torch.cat([features, *body], dim=1)))
        x = self.drop2(self.fc2(x))
        layers = self.decpose, self.decshape, self.deccam
        return [part + layer(x) for part, layer in zip(body, layers, strict=True)]


class MixedStep(nn.Module):
    """My MobileNetV2's correction: a linear layer mixes each correction with the current value."""

    def __init__(self, features: int, start: Start):
        super().__init__()
        inputs = features + sum(map(len, start))
        self.decpose2, self.decshape2, self.deccam2 = (nn.Linear(inputs, len(p)) for p in start)
        for layer in (self.decpose2, self.decshape2, self.deccam2):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
            nn.init.zeros_(layer.bias)
        mixers = [nn.Linear(2 * len(part), len(part)) for part in start]
        self.poseconv, self.shapeconv, self.camconv = mixers
        for layer in mixers:
            initialise_small(layer)

    def forward(self, features: Float[Tensor, "B F"], body: list[Tensor]) -> list[Tensor]:
        x = torch.cat([features, *body], dim=1)
        layers = self.decpose2, self.decshape2, self.deccam2
        mixers = self.poseconv, self.shapeconv, self.camconv
        return [
            mixer(torch.cat([layer(x), part], dim=1))
            for mixer, layer, part in zip(mixers, layers, body, strict=True)
        ]


def from_6d(columns: Float[Tensor, "B 24 3 2"]) -> Float[Tensor, "B 24 3 3"]:
    """Rotations of which these are, but for scale and angle, the first two columns.

    As SPIN's rot6d_to_rotmat, no length is taken for less than 1e-12: columns that are 0 or
    parallel make no rotation, but a finite matrix.
    """
    return roma.special_gramschmidt(columns, epsilon=1e-12)


class HMR(nn.Module):
    """From RGB pictures in [0, 1] to bodies.

    `encoder` makes features, `step` corrects the body `iterations` times from `start`. In training
    the batch normalisation of the encoder's first `steady` blocks, 0 by default, keeps its statistics.
    """

    def __init__(
        self,
        encoder: nn.Module,
        step: Step | MixedStep,
        start: Start,
        *,
        iterations: int = 3,
        frozen_shape: bool = False,
    ):
        if iterations < 1:
            raise ValueError(f"{iterations} iterations; there must be 1 or more")
        super().__init__()
        self.encoder, self.step = encoder, step
        self.iterations, self.frozen_shape, self.steady = iterations, frozen_shape, 0
        for name, part in start._asdict().items():
            self.register_buffer(f"start_{name}", part.clone())

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Estimate:
        features = self.encoder(pictures)
        start = self.start_pose, self.start_shape, self.start_camera
        body = [part.expand(len(pictures), -1) for part in start]
        for _ in range(self.iterations):
            pose, shape, camera = self.step(features, body)
            body = [pose, body[1] if self.frozen_shape else shape, camera]
        pose, shape, camera = (part.float() for part in body)  # bfloat16 is too coarse for angles
        return Estimate(from_6d(pose.view(-1, 24, 3, 2)), shape, camera)

    def train(self, mode: bool = True) -> "HMR":
        """As in torch, but for the first `steady` blocks."""
        super().train(mode)
        if self.steady:
            feature_maps(self.encoder).features[: self.steady].eval()
        return self


def hmr(
    encoder: str = "resnet50",
    *,
    weights: str = "random",
    width: Number = 1.0,
    size: int = 224,
    start: Start | None = None,
    iterations: int = 3,
    fc2: bool = True,
    frozen_shape: bool = False,
) -> HMR:
    """The paper's network with one of the encoders of `mesh_encoders.NETS`.

    Its version 1 is `hmr("densenet169", fc2=False)`, its version 2 the same with `iterations=2`,
    its own network "my-mobilenetv2". The first four arguments and their errors are those of
    `mesh_encoder`; `start` is `rest_start()` by default.
    """
    start = start or rest_start()
    features = mesh_encoder(encoder, weights=weights, width=width, size=size)
    if encoder != "my-mobilenetv2":
        step = Step(features.channels, start, fc2=fc2)
    elif fc2:
        step = MixedStep(features.channels, start)
    else:
        raise ValueError("my-mobilenetv2 has no fc2 to leave out")
    return HMR(features, step, start, iterations=iterations, frozen_shape=frozen_shape)
