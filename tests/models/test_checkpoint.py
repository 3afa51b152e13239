"""Networks survive the way into a file and back, and files that lie are refused."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from posekit.models import checkpoint, zoo
from posekit.models.checkpoint import About, build, load, published_offset, save
from posekit.models.integral import from_cube, from_voxels
from posekit.models.soft_argmax import soft_argmax

SIDE = {"side": 64}
MOBILE = SIDE | {"joints": 18, "layout": "half", "width": 0.25, "channels": 16, "depth": 8}
RESNET = SIDE | {"joints": 18, "width": 4, "depth": 4, "channels": 8}
HOURGLASS = {"joints": 16, "stacks": 2, "modules": 1, "depth": 1, "channels": 8}


def about(kind, network, shape, side=64, skeleton="Moon-18", **more):
    return About(kind, network, skeleton, side, "a name", "made here", shape, **more)


KINDS = {
    "mobile": about("integral", "mobile", MOBILE, mean=(0.1, 0.2, 0.3), deviation=(1, 2, 3.0)),
    "resnet": about("integral", "resnet", RESNET, offset=(-1.5, -1.5, -15.625)),
    "hourglass": about("heatmaps", "hourglass", HOURGLASS, offset=(-1.5, -1.5, 0.0)),
    "mesh": about("mesh", "hmr", {"encoder": "shufflenetv2", "width": 0.5, "size": 64}),
    "cascade": about("lifting", "cascade", {"stages": 2, "blocks": 1, "channels": 8}, 1000),
    "martinez": about("lifting", "martinez", {"channels": 8}, 1000),
    "gated": about("lifting", "gated", {"channels": 8, "gate": "input"}, 1000),
}


def trained(known):
    """A network of random numbers everywhere, statistics and slopes too."""
    network = build(known)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 0.2 + ("var" in name or "std" in name))
    return network


def outputs(network, known):
    torch.manual_seed(1)
    inputs = (
        torch.rand(2, 17, 2) if known.kind == "lifting" else torch.rand(2, 3, *[known.side] * 2)
    )
    with torch.no_grad():
        made = network(inputs)
    return [made] if isinstance(made, torch.Tensor) else list(made)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("precision", checkpoint.PRECISIONS)
def test_a_network_comes_back_with_what_is_known_of_it(name, precision, tmp_path):
    known, path = KINDS[name], tmp_path / "net.safetensors"
    network = trained(known)
    save(path, network, known, precision=precision)
    found = load(path)
    assert not found.network.training
    assert (found.kind, found.skeleton, found.side) == (known.kind, known.skeleton, known.side)
    assert found.name == "a name" and found.about.origin == "made here"
    assert dict(found.about.shape) == known.shape and found.about.offset == known.offset
    expected = outputs(network, known)
    for made, wanted in zip(outputs(found.network, known), expected, strict=True):
        if precision == "float32":
            assert torch.equal(made, wanted)
        else:
            assert (made - wanted).norm() < 0.01 * wanted.norm()
    stored = load_file(path)
    kinds = {value.dtype for value in stored.values() if value.dim() > 1}
    assert kinds == {checkpoint.PRECISIONS[precision]}
    assert all(v.dtype != torch.float16 for v in stored.values() if v.dim() < 2)


def test_saving_and_loading_leaves_the_random_numbers_alone(tmp_path):
    network = trained(KINDS["mobile"])
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    save(tmp_path / "net.safetensors", network, KINDS["mobile"])
    load(tmp_path / "net.safetensors")
    assert torch.equal(torch.rand(3), expected)


def test_the_input_scale_is_what_the_encoder_uses(tmp_path):
    """A network that saw 255 x - m: the same as dividing the mean and the deviation by 255."""
    known = replace(KINDS["mobile"], mean=None, deviation=None)
    network = trained(known)
    encoder, pictures = network.encoder, torch.rand(2, 3, 64, 64)
    scaled = replace(
        known,
        mean=tuple((encoder.mean.flatten() / 255).tolist()),
        deviation=tuple((encoder.deviation.flatten() / 255).tolist()),
    )
    other = build(scaled)
    other.load_state_dict(network.state_dict())
    save(tmp_path / "net.safetensors", other, scaled)
    with torch.no_grad():
        expected = network.maps(255 * pictures)
        made = load(tmp_path / "net.safetensors").network.maps(pictures)
    assert (made - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(("side", "cells", "depth"), [(256, 64, 64), (256, 32, 32), (64, 8, 4)])
def test_the_published_offset_puts_voxels_where_the_labels_were(side, cells, depth):
    """Moon et al.: the label of voxel v is the pixel v * side / cells, its depth v / D - 1/2."""
    voxels = torch.tensor([[[3.25, 5.0, 2.5], [0.0, 1.0, 3.0]]], dtype=torch.float64)
    offset = torch.tensor(published_offset(side, cells, depth), dtype=torch.float64)
    pixels, depths = from_cube(from_voxels(voxels, (depth, cells, cells)), (side, side))
    expected = voxels[..., :2] * side / cells
    assert torch.allclose(pixels + offset[:2], expected, atol=1e-12)
    assert torch.allclose(depths + offset[2], (voxels[..., 2] / depth - 0.5) * 2000, atol=1e-9)


def test_an_integral_network_applies_its_offset(tmp_path):
    known = KINDS["resnet"]
    network = trained(known)
    save(tmp_path / "net.safetensors", network, known)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        volumes = network.volumes(pictures)
        plain = from_voxels(soft_argmax(volumes), volumes.shape[2:])
        pixels, depths = from_cube(load(tmp_path / "net.safetensors").network(pictures), (64, 64))
    before = from_cube(plain, (64, 64))
    assert torch.allclose(pixels - before[0], torch.full_like(pixels, -1.5), atol=1e-4)
    assert torch.allclose(depths - before[1], torch.full_like(depths, -15.625), atol=1e-2)


def test_what_does_not_make_the_network_is_not_written(tmp_path):
    network, path = trained(KINDS["mobile"]), tmp_path / "net.safetensors"
    for known, says in [
        (replace(KINDS["resnet"], offset=(0, 0, 0)), "tensors are not those of the network"),
        (replace(KINDS["mobile"], shape=MOBILE | {"joints": 17}), "final.weight has the shape"),
        (replace(KINDS["mobile"], mean=(0, 0, 0.0)), "the encoder's input scale is"),
        (replace(KINDS["mobile"], offset=(1, 0, 0.0)), "the network's offset is"),
        (replace(KINDS["mobile"], side=32), "a side of 32 px, and 64 px"),
    ]:
        with pytest.raises(ValueError, match=says):
            save(path, network, known)
    with pytest.raises(ValueError, match="has to end in .safetensors"):
        save(tmp_path / "net.pt", network, KINDS["mobile"])
    with pytest.raises(ValueError, match="no precision 'int8'"):
        save(path, network, KINDS["mobile"], precision="int8")
    nn.init.constant_(network.decoder.final.weight, 1e6)
    with pytest.raises(ValueError, match="final.weight has numbers .* too large for float16"):
        save(path, network, KINDS["mobile"], precision="float16")
    assert not list(tmp_path.iterdir())


def _entry(**changes):
    fields = {"schema": 1} | asdict(KINDS["resnet"]) | changes
    return {"posekit": json.dumps(fields)}


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "no checkpoint of posekit's. Published weights .*convert-checkpoint"),
        ({"posekit": "{"}, "net.safetensors: .*"),
        ({"posekit": "[" * 100_000}, "net.safetensors is damaged"),
        ({"posekit": "[]"}, "have no schema"),
        (_entry(schema=99), "of a later posekit"),
        (_entry(kind="magic"), "no kind 'magic' is known; there are integral, heatmaps"),
        (_entry(network="vit"), "no network 'vit' is known; there are resnet, r152"),
        (_entry(shape=[1]), "shape has to have the arguments"),
        (_entry(shape=RESNET | {"arms": 2}), "no network 'resnet' of shape .*arms"),
        (_entry(shape=RESNET | {"channels": 10**9}), "channels=1000000000; numbers from 0 to 8192"),
        (_entry(shape=RESNET | {"depth": 0.5}), "no network 'resnet' of shape"),
        (_entry(shape=RESNET | {"weights": "imagenet"}), "they are those of the file"),
        (_entry(shape=RESNET | {"depth": 8}), "head.9.weight has the shape"),
        (_entry(shape=RESNET | {"layers": 50, "width": None}), "tensors are not those of the net"),
        (_entry(side=True), "a side of True"),
        (_entry(offset=[0, 0]), "offset has to be three finite numbers"),
        (_entry(offset=[0, 0, "x"]), "offset has to be three finite numbers"),
        (_entry(offset=7), "offset has to be three finite numbers"),
        (_entry(mean=[0, 0, 0]), "given both or not at all"),
        (_entry(mean=[0, 0, 0], deviation=[0, 1, 1]), "three numbers above 0"),
        (_entry(name=["x"]), "name has to be a text"),
        (_entry(extra=1), "entries extra are missing, or are not known"),
    ],
)
def test_metadata_that_lie_are_refused_by_name(metadata, says, tmp_path):
    path = tmp_path / "net.safetensors"
    save(path, trained(KINDS["resnet"]), KINDS["resnet"])
    save_file(load_file(path), path, metadata=metadata)
    with pytest.raises(ValueError, match=says) as error:
        load(path)
    assert "net.safetensors" in str(error.value)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    save(path, trained(KINDS["resnet"]), KINDS["resnet"])
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:-1], whole[: len(whole) // 2], b"\xff" * 100, whole[8:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="net.safetensors"):
            load(path)
    path.write_bytes(whole)
    state = load_file(path)
    state["head.9.bias"][0] = torch.nan
    save_file(state, path, metadata=_entry())
    with pytest.raises(ValueError, match="head.9.bias has numbers that are not finite"):
        load(path)
    with pytest.raises(FileNotFoundError, match="there is no .*other"):
        load(tmp_path / "other.safetensors")


def test_zoo_builds_integral_networks_of_any_number_of_joints():
    network = zoo.NETWORKS["resnet"](**RESNET)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 18, 3)
