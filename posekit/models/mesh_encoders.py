"""Encoders that make one vector of a picture, as the eight of Bae do.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021;
bae3559/2021summerintern). ResNet-50 gives its 2048 pooled features. All others are kept whole, with
the layer that names ImageNet's 1000 classes: its 1000 logits are the vector, and it is among the
parameters that the paper counts. The author's own network ends in an outer product instead.

B pictures, C channels, H x W pixels, h x w cells of a feature map, F features.
"""

from jaxtyping import Float
from torch import Tensor, nn

from posekit.models import encoders
from posekit.models.encoders import STRIDE, Encoder
from posekit.models.torchvision_compat import torchvision

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
"""Torchvision's name of each encoder's network.

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
"""Encoders that torchvision has narrower and wider, and the widths where not all are possible."""

NARROW = 24  # channels and classes of My MobileNetV2's outer product


class Features(Encoder):
    """An encoder whose last stage makes a vector of each picture."""

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B F"]:
        return nn.Sequential.forward(self, (pictures - self.mean) / self.deviation)


class OuterProduct(nn.Module):
    """My MobileNetV2's features: what of 24 kinds is there, times where it is, through a layer.

    The map of `side` x `side` cells, pooled, gives 24 numbers, and through 24 channels and a
    softmax 24 others; all their products become `made` features. In the published code only.
    """

    def __init__(self, channels: int, side: int, made: int = 1024):
        super().__init__()
        self.side = side
        self.conv2 = nn.Conv2d(channels, NARROW, 1, bias=False)
        self.classifier2 = nn.Linear(NARROW * side**2, NARROW)
        self.classifier1 = nn.Linear(channels, NARROW)
        self.conv3 = nn.Linear(NARROW**2, made)
        nn.init.kaiming_normal_(self.conv2.weight, mode="fan_out")
        for layer in (self.classifier1, self.classifier2, self.conv3):
            small(layer)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B F"]:
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(
                f"maps of {x.shape[3]} x {x.shape[2]} cells for a network made for pictures of "
                f"{STRIDE * self.side} px; say hmr('my-mobilenetv2', size=...)"
            )
        where = self.classifier2(self.conv2(x).flatten(1)).softmax(dim=1)
        what = self.classifier1(x.mean((2, 3)))
        return self.conv3((where[:, :, None] * what[:, None]).flatten(1))


def features(
    encoder: str, *, weights: str = "random", width: Number = 1.0, size: int = 224
) -> Features:
    """One of `NETS`. `weights` are those of `encoders.resnet`, and so are the errors; `width` is for
    the light encoders (`WIDTHS`). `size`, the pictures' side in px, a multiple of 32, matters to
    "my-mobilenetv2" alone."""
    if encoder not in NETS:
        raise ValueError(f"no encoder {encoder!r}; there are {', '.join(NETS)}")
    if size < STRIDE or size % STRIDE:
        raise ValueError(f"a size of {size} px; it has to be a multiple of {STRIDE}")
    net = _net(encoder, weights, width)
    if encoder == "my-mobilenetv2":
        outer = OuterProduct(net.last_channel, size // STRIDE)
        return Features({"features": net.features, "outer": outer}, outer.conv3.out_features)
    if encoder == "resnet50":
        stages = {name: m for name, m in net.named_children() if name != "fc"}
        return Features({**stages, "flatten": nn.Flatten()}, net.fc.in_features)
    return Features({"net": net}, 1000)


def maps(encoder: Features) -> Encoder:
    """What an encoder draws before it pools: its own layers up to there, not copies of them."""
    net = dict(encoder.named_children()).get("net", encoder)
    if "features" in dict(net.named_children()):  # DenseNets and MobileNets
        stages = {"features": net.features}
    else:  # ResNet-50 and ShuffleNetV2
        after = ("avgpool", "flatten", "fc")
        stages = {name: stage for name, stage in net.named_children() if name not in after}
    layers = nn.ModuleList(stages.values()).modules()
    channels = [layer.num_features for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    return Encoder(stages, channels[-1])


def _net(encoder: str, weights: str, width: Number) -> nn.Module:
    """Torchvision's network, whole."""
    name, how = NETS[encoder], {}
    if weights not in encoders.WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(encoders.WEIGHTS)}")
    possible = WIDTHS.get(encoder, (1.0,))
    if width <= 0 or (possible and width not in possible):
        there = ", ".join(map(str, possible)) if possible else "all above 0"
        raise ValueError(f"{encoder} has no width {width}; there are {there}")
    if encoder == "shufflenetv2":
        name = f"shufflenet_v2_x{float(width)}".replace(".", "_")
    elif width != 1:
        how = {"width_mult": width}
        if weights == "imagenet":
            raise ValueError(f"ImageNet's weights of {encoder} are of width 1, not {width}")
    net = torchvision.models.get_model(name, weights=None, **how)
    if weights == "imagenet":
        renaming = net.register_load_state_dict_pre_hook(_rename)
        encoders.load_imagenet(net, name)
        renaming.remove()
    return net


def _rename(net: nn.Module, state: dict[str, Tensor], *_) -> None:
    """DenseNet's weights have names of an older torch, "norm.1" where layers are "norm1"."""
    for key in [key for key in state if ".denselayer" in key]:
        layer, _, last = key.rpartition(".")
        kind, _, number = layer.rpartition(".")
        if number in ("1", "2"):
            state[f"{kind}{number}.{last}"] = state.pop(key)


def small(layer: nn.Linear) -> None:
    """My MobileNetV2's initialisation of its layers, which is torchvision's MobileNetV2's."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
