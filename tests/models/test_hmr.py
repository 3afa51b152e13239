"""HMR: the paper's counts to the digit, its formulas in plain code, its mistake, its cameras."""

import numpy as np
import pandas as pd
import pytest
import roma
import torch
from torch import nn

from posekit.geometry.render import project
from posekit.models.encoders import DEVIATION, MEAN, feature_maps
from posekit.models.hmr import (
    FOCAL,
    HMR,
    Estimate,
    Start,
    Step,
    from_6d,
    hmr,
    intrinsics,
    rest_start,
    start_from,
)
from posekit.models.mesh_encoders import NETS, OuterProduct, mesh_encoder
from posekit.models.profile import macs, parameters
from posekit.models.torchvision_compat import torchvision

models = torchvision.models

COUNTS = {
    "resnet50": 26_977_501,
    "densenet121": 10_375_173,  # not the paper's: posekit.models.mesh_encoders says why
    "densenet169": 16_545_797,
    "densenet201": 22_410_245,
    "mobilenetv2": 5_901_189,
    "mobilenetv3": 7_879_349,
    "shufflenetv2": 4_674_921,
    "my-mobilenetv2": 3_131_853,
}
PRINTED = {
    "ResNet50": "resnet50",
    "DenseNet169": "densenet169",
    "DenseNet201": "densenet201",
    "MobileNetV2": "mobilenetv2",
    "MobileNetV3-Large": "mobilenetv3",
    "ShuffleNetV2 x1.0": "shufflenetv2",
}


@pytest.mark.parametrize("encoder", NETS)
def test_parameters_are_the_papers_and_operations_torchvisions(encoder):
    with torch.device("meta"):
        net, picture = hmr(encoder), torch.empty(1, 3, 224, 224)
        assert parameters(net) == COUNTS[encoder]
        estimate = net(picture)
    assert estimate.rotations.shape == (1, 24, 3, 3) and estimate.shape.shape == (1, 10)
    if encoder in ("my-mobilenetv2", "densenet201"):  # 201 is the same code as 169, and slow
        return
    published = models.get_model_weights(NETS[encoder]).IMAGENET1K_V1.meta["_ops"] * 1e9
    given = 2048 if encoder == "resnet50" else 1000
    regressor = 3 * ((given + 157) * 1024 + 1024 * 1024 + 1024 * 157)
    unused = 2048 * 1000 if encoder == "resnet50" else 0
    assert macs(net, picture) == pytest.approx(published - unused + regressor, abs=0.6e6)


def test_the_paper_prints_these_counts(papers):
    table = pd.read_csv(papers / "tables" / "bae_table6.csv", index_col="model")
    printed = table["Parameters (printed)"].str.replace(",", "")
    for row, encoder in PRINTED.items():
        assert int(printed[row]) == COUNTS[encoder]


def test_without_fc2_it_is_a_million_smaller_whatever_the_iterations():
    with torch.device("meta"):
        net = hmr("densenet169", fc2=False)
    assert parameters(net) == 15_496_197
    assert COUNTS["densenet169"] - parameters(net) == 1024 * 1024 + 1024
    more, picture = [], torch.zeros(1, 3, 64, 64, device="meta")
    for iterations in (1, 2, 3):
        with torch.device("meta"):
            net = hmr("shufflenetv2", fc2=False, iterations=iterations)
        more.append(macs(net, picture) - macs(net.encoder, picture))
    assert more == [n * (1157 * 1024 + 1024 * 157) for n in (1, 2, 3)]


class Eye(nn.Module):
    """An encoder of 5 features."""

    channels = 5

    def forward(self, pictures):
        return pictures.flatten(1)[:, :5]


def small(**how) -> nn.Module:
    """HMR behind `Eye`, with noise for a start and layers that matter."""
    torch.manual_seed(0)
    start = Start(torch.randn(144), torch.randn(10), torch.randn(3))
    step = Step(5, start, hidden=8, fc2=how.pop("fc2", True))
    for layer in (step.decpose, step.decshape, step.deccam):
        nn.init.normal_(layer.weight, std=0.1)
    return HMR(Eye(), step, start, **how).eval()


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize("fc2", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_regressor_is_spins_formula(iterations, fc2, frozen):
    net = small(iterations=iterations, fc2=fc2, frozen_shape=frozen)
    picture = torch.randn(1, 3, 2, 2)
    state = {name: value.numpy() for name, value in net.state_dict().items()}

    def linear(name, x):
        return state[f"step.{name}.weight"] @ x + state[f"step.{name}.bias"]

    pose, shape, camera = (state[f"start_{name}"] for name in ("pose", "shape", "camera"))
    for _ in range(iterations):
        x = np.concatenate([picture.flatten().numpy()[:5], pose, shape, camera])
        x = linear("fc1", x)
        x = linear("fc2", x) if fc2 else x
        pose, camera = pose + linear("decpose", x), camera + linear("deccam", x)
        shape = shape if frozen else shape + linear("decshape", x)
    with torch.no_grad():
        estimate = net(picture)
    np.testing.assert_allclose(estimate.shape[0], shape, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(estimate.camera[0], camera, rtol=1e-4, atol=1e-5)
    columns = pose.reshape(24, 3, 2)
    for joint, R in zip(columns, estimate.rotations[0].numpy(), strict=True):
        np.testing.assert_allclose(R[:, 0], joint[:, 0] / np.linalg.norm(joint[:, 0]), atol=1e-4)
        np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-5)
        assert np.linalg.det(R) > 0 and R[:, 1] @ joint[:, 1] > 0


@pytest.mark.parametrize("encoder", ["shufflenetv2", "my-mobilenetv2"])
def test_the_published_mistake_leaves_every_body_the_mean_shape(encoder):
    torch.manual_seed(0)
    start = rest_start()._replace(shape=torch.randn(10))
    pictures = torch.rand(2, 3, 64, 64)
    for frozen in (True, False):
        width = 0.35 if encoder == "my-mobilenetv2" else 0.5
        net = hmr(encoder, width=width, size=64, start=start, frozen_shape=frozen)
        with torch.no_grad():
            for layer in (net.step.deccam, net.step.decshape) if encoder[0] == "s" else ():
                layer.bias += 1
        estimate = net(pictures)
        assert torch.equal(estimate.shape, start.shape.expand(2, 10)) is frozen
        sum(part.square().sum() for part in estimate).backward()
        for name, parameter in net.named_parameters():
            taught = parameter.grad is not None and parameter.grad.abs().sum() > 0
            assert taught != (frozen and ("decshape" in name or "shapeconv" in name)), name


def test_my_mobilenet_is_the_published_code_in_plain_operations():
    torch.manual_seed(0)
    net = hmr("my-mobilenetv2", width=0.25, size=96, iterations=2).eval()
    outer, step = net.encoder.outer, net.step
    pictures = torch.rand(2, 3, 96, 96)
    standard = (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[
        :, None, None
    ]
    with torch.no_grad():
        for module in net.modules():  # else all of it is nearly 0
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(0.05)
        for layer in (outer.classifier1, outer.classifier2, outer.conv3, step.poseconv):
            layer.weight *= 30
        cells = net.encoder.features(standard)
        made = []
        for x in cells:  # 1280 x 3 x 3
            where = torch.einsum("kc,cyx->kyx", outer.conv2.weight[:, :, 0, 0], x).flatten()
            where = torch.softmax(outer.classifier2(where), dim=0)
            what = outer.classifier1(x.mean((1, 2)))
            made.append(outer.conv3(torch.outer(where, what).flatten()))
        start = rest_start()
        pose, shape, camera = (part.expand(2, -1) for part in start)
        for _ in range(2):
            x = torch.cat([torch.stack(made), pose, shape, camera], 1)
            new = step.poseconv(torch.cat([step.decpose2(x), pose], 1))
            shape = step.shapeconv(torch.cat([step.decshape2(x), shape], 1))
            camera = step.camconv(torch.cat([step.deccam2(x), camera], 1))
            pose = new
        estimate = net(pictures)
    assert torch.stack(made).std() > 0.01
    torch.testing.assert_close(estimate.shape, shape)
    torch.testing.assert_close(estimate.camera, camera)
    rotations = roma.special_gramschmidt(pose.view(2, 24, 3, 2))
    torch.testing.assert_close(estimate.rotations, rotations, atol=1e-4, rtol=1e-3)


# DenseNet-169 and 201 are the same code as 121, and slow.
CLASSIFIERS = {
    "resnet50": None,
    "densenet121": "classifier",  # DenseNet-169 and 201 are the same code, and slow
    "mobilenetv2": "classifier",
    "mobilenetv3": "classifier",
    "shufflenetv2": "fc",
}


@pytest.mark.parametrize("encoder", CLASSIFIERS)
def test_features_are_torchvisions_logits_or_resnets_pooled_map(encoder):
    """And the feature maps, pooled and through the classifier, are the features."""
    torch.manual_seed(0)
    net = mesh_encoder(encoder).eval()
    with torch.device("meta"):
        whole = models.get_model(NETS[encoder], weights=None).eval()
    if encoder == "resnet50":
        whole.fc = nn.Identity()
    whole.load_state_dict(getattr(net, "net", net).state_dict(), assign=True)
    pictures, maps = torch.rand(2, 3, 64, 64), feature_maps(net)
    standard = torch.stack([(pictures[:, c] - MEAN[c]) / DEVIATION[c] for c in range(3)], dim=1)
    with torch.no_grad():
        features, drawn = net(pictures), maps(pictures)
        torch.testing.assert_close(features, whole(standard))
        assert net.channels == features.shape[1] == (2048 if encoder == "resnet50" else 1000)
        assert drawn.shape == (2, maps.channels, 2, 2)
        layer = CLASSIFIERS[encoder]
        after = getattr(net.net, layer) if layer else nn.Identity()
        drawn = drawn.relu() if encoder.startswith("dense") else drawn
        torch.testing.assert_close(after(drawn.mean((2, 3))), features)


def test_both_mobilenets_have_the_same_maps():
    with torch.device("meta"):
        both = [feature_maps(mesh_encoder(name)) for name in ("mobilenetv2", "my-mobilenetv2")]
    assert list(both[0].state_dict()) == list(both[1].state_dict())


@pytest.mark.parametrize(
    ("encoder", "width", "count"),
    [
        ("mobilenetv2", 0.5, 1_968_680),  # torchvision's own, by its width_mult
        ("mobilenetv3", 0.5, 1_734_576),
        ("shufflenetv2", 0.5, 1_366_792),  # its published num_params
        ("shufflenetv2", 1, 2_278_604),
    ],
)
def test_light_encoders_come_narrower(encoder, width, count):
    with torch.device("meta"):
        net = hmr(encoder, width=width)
    assert parameters(net.encoder) == count
    if encoder == "shufflenetv2":
        name = "shufflenet_v2_x0_5" if width == 0.5 else "shufflenet_v2_x1_0"
        assert models.get_model_weights(name).IMAGENET1K_V1.meta["num_params"] == count


def test_what_there_is_not_is_named():
    refused = {
        "no encoder 'xception'; there are resnet50, densenet121": {"encoder": "xception"},
        "resnet50 has no width 0.5; there are 1.0": {"width": 0.5},
        "shufflenetv2 has no width 0.7; there are 0.5, 1.0, 1.5": {
            "encoder": "shufflenetv2",
            "width": 0.7,
        },
        "mobilenetv2 has no width 0; there are all above 0": {
            "encoder": "mobilenetv2",
            "width": 0,
        },
        "no weights 'best'; there are random, imagenet": {"weights": "best"},
        "weights of mobilenetv2 are of width 1, not 0.5": {
            "encoder": "mobilenetv2",
            "width": 0.5,
            "weights": "imagenet",
        },
        "a size of 100 px; it has to be a multiple of 32": {"size": 100},
        "my-mobilenetv2 has no fc2": {"encoder": "my-mobilenetv2", "fc2": False},
        "0 iterations; there must be 1 or more": {"encoder": "shufflenetv2", "iterations": 0},
    }
    for message, how in refused.items():
        with pytest.raises(ValueError, match=message):
            hmr(**how)
    with pytest.raises(ValueError, match=r"maps of 2 x 2 cells .* made for pictures of 96 px"):
        OuterProduct(8, 3)(torch.zeros(1, 8, 2, 2))


def test_densenets_weights_are_read_by_the_names_of_an_older_torch(hub):
    torch.manual_seed(0)
    state = models.densenet121(weights=None).state_dict()
    old = {
        name.replace("norm1", "norm.1")
        .replace("conv1", "conv.1")
        .replace("norm2", "norm.2")
        .replace("conv2", "conv.2"): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    url = models.get_model_weights("densenet121").IMAGENET1K_V1.url
    torch.save(old, hub / url.rpartition("/")[2])
    made = mesh_encoder("densenet121", weights="imagenet")
    for name, value in made.net.state_dict().items():
        assert torch.equal(value, state[name]), name
    with pytest.raises(FileNotFoundError, match="no ImageNet weights for shufflenet_v2_x0_5"):
        hmr("shufflenetv2", weights="imagenet", width=0.5)


def test_the_camera_is_spins_formula_and_the_renderers():
    torch.manual_seed(0)
    camera = torch.tensor([[0.9, 0.1, -0.2], [1.3, 0.0, 0.4]])
    estimate = Estimate(torch.eye(3).expand(2, 24, 3, 3), torch.zeros(2, 10), camera)
    points = 1000 * torch.randn(2, 7, 3)
    seen = project(points + estimate.translation[:, None], intrinsics(2, (224, 224)))
    for b in range(2):
        scale, tx, ty = camera[b].tolist()
        for point, pixel in zip(points[b] / 1000, seen[b], strict=True):
            # SPIN: metres, a focal length of 5000 px, 0 in the middle of 224 px, half of them 1.
            z = point[2] + 2 * 5000 / (224 * scale)
            spin = 5000 * torch.stack([(point[0] + tx) / z, (point[1] + ty) / z]) / 112
            torch.testing.assert_close((pixel[:2] + 0.5) / 112 - 1, spin, atol=1e-5, rtol=1e-4)
            # What a scale is: half pictures a metre, up to 5 % for points 2 m nearer or farther.
            weak = scale * (point[:2] + torch.tensor([tx, ty]))
            torch.testing.assert_close(spin, weak, atol=1e-3, rtol=0.1)
    half = project(points + estimate.translation[:, None], intrinsics(2, (128, 112)))[..., :2]
    middle = torch.tensor([55.5, 63.5])
    torch.testing.assert_close((half - middle) / 64, (seen[..., :2] - 111.5) / 112)
    assert pytest.approx(5000 / 224) == FOCAL


def test_the_start_is_the_mean_facing_the_camera():
    rotations = roma.random_rotmat((50, 24))
    start = start_from(rotations, torch.ones(50, 10))
    assert torch.equal(start.shape, torch.ones(10)) and len(start.pose) == 144
    torch.testing.assert_close(start.pose.view(24, 3, 2)[5, :, 1], rotations[:, 5, :, 1].mean(0))
    root = roma.special_gramschmidt(start.pose.view(24, 3, 2)[:1])[0]
    # The rest pose's up goes up in the picture (y down), its front towards the camera (z < 0).
    assert torch.equal(root @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, -1.0, 0.0]))
    assert torch.equal(root @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, -1.0]))
    shape = hmr("shufflenetv2", start=rest_start(4))(torch.rand(2, 3, 64, 64)).shape
    assert shape.shape == (2, 4)


def test_the_start_faces_the_camera_as_spins_mean_parameters_do(shared):
    with np.load(shared / "smpl_aux" / "smpl_mean_params.npz") as file:
        root = torch.from_numpy(file["pose"][:6]).float()
    torch.testing.assert_close(root, rest_start().pose[:6], atol=1e-5, rtol=0)


def test_bfloat16_leaves_rotations_rotations():
    net = hmr("shufflenetv2", width=0.5).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        estimate = net(torch.rand(2, 3, 64, 64))
    R = estimate.rotations
    assert R.dtype == estimate.shape.dtype == estimate.translation.dtype == torch.float32
    torch.testing.assert_close(R.mT @ R, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)


AXES = torch.eye(3, dtype=torch.float64)
COLUMNS = {
    "two axes": (AXES[0], AXES[1]),
    "long and slanted": (7 * AXES[1], AXES[0] - 3 * AXES[1]),
    "the first is 0": (0 * AXES[0], 2 * AXES[2]),
    "the second is 0": (AXES[2], 0 * AXES[0]),
    "both are 0": (0 * AXES[0], 0 * AXES[0]),
    "parallel": (AXES[1], 4 * AXES[1]),
    "opposite": (AXES[1], -AXES[1]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_that_make_no_rotation_make_a_finite_matrix(kind):
    """SPIN's rot6d_to_rotmat: b1 = a1 / max(|a1|, 1e-12); b2 likewise of a2 less its share along b1;
    b3 = b1 x b2."""
    first, second = (column.numpy() for column in COLUMNS[kind])
    b1 = first / max(np.linalg.norm(first), 1e-12)
    b2 = second - (b1 @ second) * b1
    b2 = b2 / max(np.linalg.norm(b2), 1e-12)
    columns = torch.stack(COLUMNS[kind], dim=-1).expand(1, 24, 3, 2).clone().requires_grad_()
    matrix = from_6d(columns)
    expected = torch.from_numpy(np.stack([b1, b2, np.cross(b1, b2)], axis=-1))
    torch.testing.assert_close(matrix[0, 5], expected)
    matrix.square().sum().backward()
    assert matrix.isfinite().all() and columns.grad.isfinite().all()

    start = Start(columns.detach()[0].float().flatten(), torch.zeros(10), torch.zeros(3))
    network = HMR(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), Step(3, start), start
    ).eval()
    nn.init.zeros_(network.step.decpose.weight)
    nn.init.zeros_(network.step.decpose.bias)
    torch.testing.assert_close(network(torch.rand(1, 3, 8, 8)).rotations[0, 5], expected.float())
