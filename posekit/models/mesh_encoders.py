"""Encoders from a picture to one feature vector, the eight that Bae compares.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021;
bae3559/2021summerintern). ResNet-50 gives its 2048 pooled features. All others are kept whole, with
their classifier: the 1000 logits of ImageNet's classes are the features, and the classifier is
among the parameters that the paper counts. The author's own network ends in an outer product.

B pictures, C channels, H x W pixels, h x w cells of a feature map, F features.
"""

from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.encoders import STRIDE, Encoder, torchvision_network

Number = int | float

NETS = {
    "resnet50": "resnet50",
    "densenet121": "densenet121",
    "densenet169": "densenet169",
    "densenet201": "densenet201",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3": "mobilenet_v3_large",
    "shufflenetv2": "shufflenet_v2_x1_0",
    "my-mobilenetv2": "mobilenet_v2",
}
"""torchvision's name of each encoder's network.

The paper's counts are these networks' to the digit, but for DenseNet-121: it prints 2,747,691 (Table
VI) and 3,494,447 (section II), the same rule gives 10,375,173, and torchvision's DenseNet-121 alone
has 7,978,856. Its author says that this one was written in a hurry, and it was never published.
Some 500,000 DenseNets (growth, blocks, compression, first channels) times 36 heads were counted:
13 hit one of the two numbers, about as many as chance would give, none of them a usual design.
"""

WIDTHS = {
    "mobilenetv2": None,
    "my-mobilenetv2": None,
    "mobilenetv3": None,
    "shufflenetv2": (0.5, 1.0, 1.5, 2.0),
}
"""Encoders that torchvision has narrower and wider: the possible widths, None for any."""

NARROW = 24  # channels and classes of My MobileNetV2's outer product


class OuterProduct(nn.Module):
    """My MobileNetV2's features: the outer product of pooled and of spatial scores, projected.

    The map of `side` x `side` cells gives 24 scores through pooling and a linear layer, and 24
    others through 24 channels, a linear layer and a softmax; the 576 products of both become the
    features. In the published code only.
    """

    features = 1024

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.side = side
        self.conv2 = nn.Conv2d(channels, NARROW, 1, bias=False)
        self.classifier2 = nn.Linear(NARROW * side**2, NARROW)
        self.classifier1 = nn.Linear(channels, NARROW)
        self.conv3 = nn.Linear(NARROW**2, self.features)
        nn.init.kaiming_normal_(self.conv2.weight, mode="fan_out")
        for layer in (self.classifier1, self.classifier2, self.conv3):
            initialise_small(layer)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B F"]:
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(
                f"maps of {x.shape[3]} x {x.shape[2]} cells for a network made for pictures of "
                f"{STRIDE * self.side} px; say hmr('my-mobilenetv2', size=...)"
            )
        where = self.classifier2(self.conv2(x).flatten(1)).softmax(dim=1)
        what = self.classifier1(x.mean((2, 3)))
        return self.conv3((where[:, :, None] * what[:, None]).flatten(1))


def initialise_small(layer: nn.Linear) -> None:
    """Draw weights from N(0, 0.01) and set biases to 0, as torchvision does in MobileNetV2."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)


def mesh_encoder(
    encoder: str, *, weights: str = "random", width: Number = 1.0, size: int = 224
) -> Encoder:
    """One of `NETS`, from pictures to `channels` features.

    `weights` are those of `encoders.torchvision_network`, and so are the errors. `width` scales the
    channels of the light encoders (`WIDTHS`). `size`, the pictures' side in px, a multiple of 32,
    matters to "my-mobilenetv2" alone. ValueError for values that are not possible.
    """
    if encoder not in NETS:
        raise ValueError(f"no encoder {encoder!r}; there are {', '.join(NETS)}")
    if size < STRIDE or size % STRIDE:
        raise ValueError(f"a size of {size} px; it has to be a multiple of {STRIDE}")
    network = _network(encoder, weights, width)
    if encoder == "my-mobilenetv2":
        outer = OuterProduct(network.last_channel, size // STRIDE)
        return Encoder({"features": network.features, "outer": outer}, outer.features)
    if encoder == "resnet50":
        stages = {name: m for name, m in network.named_children() if name != "fc"}
        return Encoder({**stages, "flatten": nn.Flatten()}, network.fc.in_features)
    return Encoder({"net": network}, 1000)


def _network(encoder: str, weights: str, width: Number) -> nn.Module:
    """torchvision's network, whole."""
    widths = WIDTHS.get(encoder, (1.0,))
    if width <= 0 or (widths and width not in widths):
        possible = ", ".join(map(str, widths)) if widths else "all above 0"
        raise ValueError(f"{encoder} has no width {width}; there are {possible}")
    if encoder == "shufflenetv2":
        name = f"shufflenet_v2_x{float(width)}".replace(".", "_")
        return torchvision_network(name, weights)
    if width == 1:
        return torchvision_network(NETS[encoder], weights)
    if weights == "imagenet":
        raise ValueError(f"ImageNet's weights of {encoder} are of width 1, not {width}")
    return torchvision_network(NETS[encoder], weights, width_mult=width)
