"""As `builders.published`: networks of bodies, heatmaps and lifted poses."""

import torch
from builders.published import _until_layer4
from torch import nn

from posekit.models.torchvision_compat import torchvision


def rotations(pose):
    """(B, 144) as 24 rotation matrices: Gram-Schmidt on two columns that alternate in memory."""
    first, second = pose.view(-1, 3, 2).unbind(-1)
    one = nn.functional.normalize(first, dim=1)
    two = nn.functional.normalize(second - (one * second).sum(1, keepdim=True) * one, dim=1)
    return torch.stack([one, two, torch.linalg.cross(one, two)], dim=-1).view(-1, 24, 3, 3)


def _start(network):
    for name, count in (("init_pose", 144), ("init_shape", 10), ("init_cam", 3)):
        network.register_buffer(name, torch.zeros(1, count))


class SpinHMR(nn.Module):
    def __init__(self):
        super().__init__()
        for name, layer in torchvision.models.resnet50().named_children():
            if name not in ("avgpool", "fc"):
                setattr(self, name, layer)
        self.fc1, self.fc2 = nn.Linear(2048 + 157, 1024), nn.Linear(1024, 1024)
        self.decpose, self.decshape, self.deccam = (nn.Linear(1024, n) for n in (144, 10, 3))
        _start(self)

    def forward(self, x):
        features = _until_layer4(self, x).mean((2, 3))
        body = [
            part.expand(len(x), -1) for part in (self.init_pose, self.init_shape, self.init_cam)
        ]
        for _ in range(3):
            seen = self.fc2(self.fc1(torch.cat([features, *body], 1)))
            layers = self.decpose, self.decshape, self.deccam
            body = [part + layer(seen) for part, layer in zip(body, layers, strict=True)]
        return rotations(body[0]), body[1], body[2]


class MyMobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torchvision.models.mobilenet_v2().features
        self.classifier2, self.classifier1 = nn.Linear(24 * 49, 24), nn.Linear(1280, 24)
        self.conv2, self.conv3 = nn.Conv2d(1280, 24, 1, bias=False), nn.Linear(576, 1024)
        for name, count in (("pose", 144), ("shape", 10), ("cam", 3)):
            setattr(self, f"dec{name}2", nn.Linear(1024 + 157, count))
            setattr(self, f"{name}conv", nn.Linear(2 * count, count))
        _start(self)

    def forward(self, x):
        x = self.features(x)
        where = self.classifier2(self.conv2(x).flatten(1)).softmax(1)
        what = self.classifier1(x.mean((2, 3)))
        seen = self.conv3(torch.einsum("bi,bj->bij", where, what).flatten(1))
        body = [
            part.expand(len(x), -1) for part in (self.init_pose, self.init_shape, self.init_cam)
        ]
        for _ in range(3):
            inputs = torch.cat([seen, *body], 1)
            pose = self.poseconv(torch.cat([self.decpose2(inputs), body[0]], 1))
            cam = self.camconv(torch.cat([self.deccam2(inputs), body[2]], 1))
            body = [pose, body[1], cam]  # the corrected shape is never used
        return rotations(body[0]), body[1], body[2]


# ---- the stacked hourglass -----------------------------------------------------------------------
class _BnReluConv(nn.Module):
    def __init__(self, before, after, size=1, stride=1):
        super().__init__()
        self.bn = nn.BatchNorm2d(before)
        self.conv = nn.Conv2d(before, after, size, stride, size // 2)

    def forward(self, x):
        return self.conv(torch.relu(self.bn(x)))


class _Residual(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.cb, self.skip = nn.Module(), nn.Module()
        self.cb.cbr1 = _BnReluConv(before, after // 2)
        self.cb.cbr2 = _BnReluConv(after // 2, after // 2, 3)
        self.cb.cbr3 = _BnReluConv(after // 2, after)
        if before != after:
            self.skip.conv = nn.Conv2d(before, after, 1)

    def forward(self, x):
        shortcut = self.skip.conv(x) if hasattr(self.skip, "conv") else x
        return self.cb.cbr3(self.cb.cbr2(self.cb.cbr1(x))) + shortcut


class _Hourglass(nn.Module):
    def __init__(self, depth, modules):
        super().__init__()
        several = lambda: nn.Sequential(*(_Residual(256, 256) for _ in range(modules)))
        self.skip, self.afterpool = several(), several()
        if depth > 1:
            self.hg = _Hourglass(depth - 1, modules)
        else:
            self.num1res = several()
        self.lowres = several()

    def forward(self, x):
        low = self.afterpool(nn.functional.max_pool2d(x, 2))
        low = self.lowres(self.hg(low) if hasattr(self, "hg") else self.num1res(low))
        return self.skip(x) + low.repeat_interleave(2, 2).repeat_interleave(2, 3)


class StackedHourGlass(nn.Module):
    def __init__(self, stacks=2, modules=1, depth=2, joints=16):
        super().__init__()
        self.start = _BnReluConv(3, 64, 7, 2)
        self.res1, self.res2, self.res3 = (
            _Residual(64, 128),
            _Residual(128, 128),
            _Residual(128, 256),
        )
        many = lambda make: nn.ModuleList(make() for _ in range(stacks))
        self.hourglass = many(lambda: _Hourglass(depth, modules))
        self.Residual = many(lambda: nn.Sequential(*(_Residual(256, 256) for _ in range(modules))))
        self.lin1 = many(lambda: _BnReluConv(256, 256))
        self.chantojoints = many(lambda: nn.Conv2d(256, joints, 1))
        self.lin2 = many(lambda: nn.Conv2d(256, 256, 1))
        self.jointstochan = many(lambda: nn.Conv2d(joints, 256, 1))

    def forward(self, x):
        x = nn.functional.max_pool2d(self.res1(self.start(x)), 2)
        x, made = self.res3(self.res2(x)), []
        for i in range(len(self.lin1)):
            features = self.lin1[i](self.Residual[i](self.hourglass[i](x)))
            made.append(self.chantojoints[i](features))
            x = x + self.lin2[i](features) + self.jointstochan[i](made[-1])
        return torch.stack(made, 1)


# ---- EvoSkeleton ---------------------------------------------------------------------------------
class ResidualBlock(nn.Module):
    def __init__(self, wide):
        super().__init__()
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout(0.5)
        self.w1, self.batch_norm1 = nn.Linear(wide, wide), nn.BatchNorm1d(wide)
        self.w2, self.batch_norm2 = nn.Linear(wide, wide), nn.BatchNorm1d(wide)

    def forward(self, x):
        y = torch.relu(self.batch_norm1(self.w1(x)))
        return x + torch.relu(self.batch_norm2(self.w2(y)))


class FCModel(nn.Module):
    def __init__(self, wide=8, blocks=2, inputs=34):
        super().__init__()
        self.stage_id, self.leaky, self.refine_3d = 1, False, False
        self.w1, self.batch_norm1 = nn.Linear(inputs, wide), nn.BatchNorm1d(wide)
        self.res_blocks = nn.ModuleList(ResidualBlock(wide) for _ in range(blocks))
        self.w2 = nn.Linear(wide, 48)
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout(0.5)

    def forward(self, x):
        x = torch.relu(self.batch_norm1(self.w1(x)))
        for block in self.res_blocks:
            x = block(x)
        return self.w2(x)


for _kind in (ResidualBlock, FCModel):  # where EvoSkeleton has them, for files of whole modules
    _kind.__module__ = "libs.model.model"
