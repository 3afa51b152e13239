"""Small networks with the names and the arithmetic of published projects, written anew from their
descriptions, to fill files in exactly their layouts.

Names of modules are the projects': they become the names in a file.
"""

import torch
from torch import nn
from torch.nn import functional

from posekit.models.torchvision_compat import torchvision


def randomise(network):
    """Random numbers everywhere, biases, statistics and slopes too; small enough to stay finite."""
    torch.manual_seed(0)
    for name, value in network.state_dict().items():
        if value.dim() > 1:
            value.normal_(std=(1.5 / value[0].numel()) ** 0.5)
        elif value.is_floating_point():
            value.uniform_(0.6, 1.4) if name.endswith(("weight", "var")) else value.uniform_(
                -0.2, 0.2
            )
    return network.eval()


# ---- MobileHumanPose -----------------------------------------------------------------------------
def _round8(channels):
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _prelu(before, after, size=3, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after), nn.PReLU(after),
    )  # fmt: skip


class _Inverted(nn.Module):
    def __init__(self, before, after, stride, expansion):
        super().__init__()
        wide = before * expansion
        layers = [_prelu(before, wide, 1)] if expansion > 1 else []
        layers += [_prelu(wide, wide, 3, stride, wide), nn.Conv2d(wide, after, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(after))
        self.shortcut = stride == 1 and before == after

    def forward(self, x):
        return x + self.conv(x) if self.shortcut else self.conv(x)


GROUPS = ((64, 1), (48, 2), (48, 3), (64, 4), (96, 3), (160, 3), (320, 1))  # channels, blocks
LAYOUTS = {  # strides of the first layer and of the groups; groups that the decoder joins; depth
    "modified": ((1, 1, 2, 2, 2, 2, 2, 1), (5, 4, 3), 64),
    "half": ((2, 2, 2, 2, 2, 2, 1, 1), (4, 3, 2), 32),
    "large": ((1, 2, 2, 2, 2, 2, 1, 1), (4, 3, 2), 64),
}


class _MobileBackbone(nn.Module):
    def __init__(self, layout, joints, width, channels, skip):
        super().__init__()
        strides, self.joined, self.depth = LAYOUTS[layout]
        before = _round8(48 * width)
        self.first_conv, blocks, self.ends = _prelu(3, before, 3, strides[0]), [], []
        for number, (wide, count) in enumerate(GROUPS):
            for block in range(count):
                stride = 1 if block else strides[number + 1]
                blocks.append(_Inverted(before, _round8(wide * width), stride, 6 if number else 1))
                before = _round8(wide * width)
            self.ends.append(len(blocks))
        self.inv_residual = nn.Sequential(*blocks)
        self.last_conv = _prelu(before, channels, 1)
        self.skip = skip
        for number, group in enumerate(self.joined):
            hidden, taken = _round8(GROUPS[group][0] * width), 256 if number else channels
            deconv = nn.Sequential(
                nn.Conv2d(taken + hidden * skip, hidden, 1), nn.BatchNorm2d(hidden), nn.PReLU(hidden),
                nn.Conv2d(hidden, 256, 3, padding=1), nn.BatchNorm2d(256), nn.PReLU(256),
                nn.UpsamplingBilinear2d(scale_factor=2),
            )  # fmt: skip
            setattr(self, f"deconv{number}", deconv)
        self.final_layer = nn.Conv2d(256, joints * self.depth, 1)

    def forward(self, x):
        x, maps = self.first_conv(x), {}
        for number, block in enumerate(self.inv_residual, start=1):
            x = block(x)
            if number in self.ends:
                maps[self.ends.index(number)] = x
        x = self.last_conv(x)
        for number, group in enumerate(self.joined):
            x = torch.cat([maps[group], x], dim=1) if self.skip else x
            x = getattr(self, f"deconv{number}")(x)
        return self.final_layer(x)


def voxels(volumes, joints):
    """Soft-argmax by its definition: (B, J, 3), counted from the first voxel's 0."""
    shares = volumes.flatten(1).unflatten(1, (joints, -1)).flatten(2).double().softmax(2)
    depth = volumes.shape[1] // joints
    shares = shares.unflatten(2, (depth, *volumes.shape[2:]))
    axes = []
    for kept, others in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4))):
        axes.append((shares.sum(others) * torch.arange(shares.shape[kept])).sum(2))
    return torch.stack(axes, dim=2)


class Volumes(nn.Module):
    """A network of volumes: its `parts`, by their names, one after the other."""

    def __init__(self, joints, parts):
        super().__init__()
        self.joints = joints
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return voxels(x, self.joints)


def mobilehumanpose(layout="modified", joints=18, width=0.25, channels=16, skip=True):
    return Volumes(joints, {"backbone": _MobileBackbone(layout, joints, width, channels, skip)})


# ---- 3DMPPE, ETH ---------------------------------------------------------------------------------
def _resnet18():
    network = torchvision.models.resnet18()
    network.forward = lambda x: _until_layer4(network, x)
    return network


def _until_layer4(network, x):
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(network, name)(x)
    return x


def _deconvs(before):
    for wide in (before, 256, 256):
        yield [nn.ConvTranspose2d(wide, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU()]


class _Named(nn.Sequential):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def moon(joints=18):
    backbone = _resnet18()
    del backbone.fc
    layers = nn.Sequential(*(layer for three in _deconvs(512) for layer in three))
    head = _Named(deconv_layers=layers, final_layer=nn.Conv2d(256, joints * 64, 1))
    return Volumes(joints, {"backbone": backbone, "head": head})


def eth(joints=17, depth=72, bottleneck=None, attention=0):
    """`attention` is the side of its pictures, px, 0 for none."""
    backbone, channels = _resnet18(), 512
    if attention:
        layers = [
            layer
            for name, layer in backbone.named_children()
            if name not in ("layer4", "fc", "avgpool")
        ]
        backbone = nn.Sequential(*layers, _BottleStack(attention // 16))
    parts = {"backbone": backbone}
    if bottleneck:
        parts["bottleneck"], channels = bottleneck(channels)
    upsample = nn.Sequential(*(nn.Sequential(*three) for three in _deconvs(channels)))
    heatmaps = nn.Conv2d(256, joints * depth, 1)
    parts["joint_decoder"] = _Named(upsample_features=upsample, features_to_heatmaps=heatmaps)
    return Volumes(joints, parts)


class _PPM(nn.Module):
    def __init__(self, channels, bins):
        super().__init__()
        share = channels // len(bins)
        self.features = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(side), nn.Conv2d(channels, share, 1, bias=False),
                nn.BatchNorm2d(share), nn.ReLU(),
            )
            for side in bins
        )  # fmt: skip

    def forward(self, x):
        levels = [
            functional.interpolate(each(x), x.shape[2:], mode="bilinear", align_corners=True)
            for each in self.features
        ]
        return torch.cat([x, *levels], dim=1)


def ppm(bins):
    return lambda channels: (_PPM(channels, bins), channels + channels // len(bins) * len(bins))


class _ASPP(nn.Module):
    def __init__(self, before, after, dilations, pooled):
        super().__init__()
        for number, dilation in enumerate((1, *dilations), start=1):
            size = 1 if number == 1 else 3
            conv = nn.Conv2d(
                before, after, size, padding=dilation * (size // 2), dilation=dilation, bias=False
            )
            setattr(
                self, f"aspp_block_{number}", nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())
            )
        self.pooled = pooled
        if pooled:
            conv = nn.Conv2d(before, after, 1, bias=False)
            self.global_avg_pool = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), conv, nn.BatchNorm2d(after), nn.ReLU()
            )
        together = nn.Conv2d((4 + pooled) * after, after, 1, bias=False)
        self.output_block = nn.Sequential(together, nn.BatchNorm2d(after), nn.ReLU(), nn.Dropout())

    def forward(self, x):
        levels = [getattr(self, f"aspp_block_{number}")(x) for number in range(1, 5)]
        if self.pooled:
            levels.append(self.global_avg_pool(x).expand(-1, -1, *x.shape[2:]))
        return self.output_block(torch.cat(levels, dim=1))


def aspp(widen, dilations, pooled=True):
    def make(channels):
        after = int(widen * channels)
        return _ASPP(channels, after, dilations, pooled), after

    return make


class _Attention(nn.Module):
    """Every query meets every key, one by one: no trick with offsets."""

    def __init__(self, channels, side):
        super().__init__()
        self.to_qkv = nn.Conv2d(channels, 3 * 4 * 128, 1, bias=False)
        self.pos_emb = nn.Module()
        for name in ("rel_height", "rel_width"):
            setattr(self.pos_emb, name, nn.Parameter(torch.zeros(2 * side - 1, 128)))
        self.side = side

    def forward(self, x):
        side, cells = self.side, self.side**2
        q, k, v = (part.unflatten(1, (4, 128)).flatten(3) for part in self.to_qkv(x).chunk(3, 1))
        q = q / 128**0.5  # (B, heads, channels, cells)
        places = torch.arange(cells)
        down = (places // side)[None] - (places // side)[:, None] + side - 1  # key minus query
        across = (places % side)[None] - (places % side)[:, None] + side - 1
        offsets = self.pos_emb.rel_height[down] + self.pos_emb.rel_width[across]
        scores = torch.einsum("bhci,bhcj->bhij", q, k) + torch.einsum("bhci,ijc->bhij", q, offsets)
        mixed = torch.einsum("bhij,bhcj->bhci", scores.softmax(-1), v)
        return mixed.flatten(1, 2).unflatten(2, (side, side))


class _BottleBlock(nn.Module):
    def __init__(self, before, side, first):
        super().__init__()
        self.shortcut = nn.Identity()
        if first:
            conv = nn.Conv2d(before, 512, 3, 2, 1, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(512), nn.ReLU())
        self.net = nn.Sequential(
            nn.Conv2d(before, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            _Attention(128, side), nn.AvgPool2d(2) if first else nn.Identity(),
            nn.BatchNorm2d(512), nn.ReLU(),
            nn.Conv2d(512, 512, 1, bias=False), nn.BatchNorm2d(512),
        )  # fmt: skip

    def forward(self, x):
        return torch.relu(self.net(x) + self.shortcut(x))


class _BottleStack(nn.Module):
    def __init__(self, side):
        super().__init__()
        sides = side, side // 2, side // 2
        self.net = nn.Sequential(
            *(_BottleBlock(512 if n else 256, each, not n) for n, each in enumerate(sides))
        )

    def forward(self, x):
        return self.net(x)
