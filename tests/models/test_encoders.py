"""Encoders: torchvision's counts and outputs, its weights, and its import where that goes wrong."""

import importlib
import io
import os
import pickle
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest
import torch
from torch import nn

from posekit.models.botnet import Attention, Block, botnet
from posekit.models.encoders import DEVIATION, MEAN, RESNETS, resnet, resnet_or_random, small_resnet
from posekit.models.profile import macs, parameters
from posekit.models.torchvision_compat import torchvision

models = torchvision.models


@pytest.mark.parametrize("layers", RESNETS)
def test_resnets_have_the_published_parameters_and_operations(layers):
    with torch.device("meta"):
        encoder = resnet(layers)
        picture = torch.empty(1, 3, 224, 224)
    published = models.get_model_weights(f"resnet{layers}").IMAGENET1K_V1.meta
    last = 1000 * encoder.channels  # the layer that names the picture, left out here
    assert parameters(encoder) == published["num_params"] - last - 1000
    assert round((macs(encoder, picture) + last) / 1e9, 3) == published["_ops"]
    assert encoder(picture).shape == (1, encoder.channels, 7, 7)


def test_an_encoder_is_torchvisions_net_before_pooling_on_a_standardised_picture():
    encoder, net = resnet(18).eval(), models.resnet18(weights=None).eval()
    missing = net.load_state_dict(encoder.state_dict(), strict=False)
    assert missing.missing_keys == ["fc.weight", "fc.bias"] and not missing.unexpected_keys
    seen = {}
    net.layer4.register_forward_hook(lambda *_: seen.update(map=_[2]))
    pictures = torch.rand(2, 3, 64, 96)
    standard = torch.stack([(pictures[:, c] - MEAN[c]) / DEVIATION[c] for c in range(3)], dim=1)
    with torch.no_grad():
        net(standard)
        torch.testing.assert_close(encoder(pictures), seen["map"])
    preset = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    assert (preset.mean, preset.std) == (list(MEAN), list(DEVIATION))


def test_a_small_resnet_of_torchvisions_width_is_torchvisions():
    torch.manual_seed(0)
    small, whole = small_resnet(64).eval(), resnet(18).eval()
    for (name, one), other in zip(small.named_parameters(), whole.parameters(), strict=True):
        deviations = [p.std(correction=0).item() for p in (one, other)]
        assert deviations[0] == pytest.approx(deviations[1], rel=0.05), name
    small.load_state_dict(whole.state_dict())
    pictures = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(small(pictures), whole(pictures))
    with torch.device("meta"):
        assert parameters(small_resnet(64, blocks=(3, 4, 6, 3))) == parameters(resnet(34))


def test_a_narrow_one_learns_with_all_its_parameters():
    encoder = small_resnet(8)
    feature_map = encoder(torch.rand(2, 3, 64, 96))
    assert feature_map.shape == (2, 64, 2, 3) and encoder.channels == 64
    feature_map.square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())


R18 = "resnet18-f37072fd.pth"


def test_weights_come_from_torch_hubs_folder(hub, capsys):
    torch.manual_seed(1)
    weights = models.resnet18(weights=None).state_dict()
    torch.save(weights, hub / R18)
    encoder, which = resnet_or_random(18)
    assert which == "imagenet"
    assert all(torch.equal(value, weights[key]) for key, value in encoder.state_dict().items())
    assert capsys.readouterr().out == ""


def test_without_the_web_it_says_so_or_goes_on_with_random_weights(hub, capsys):
    with pytest.raises(FileNotFoundError, match="no web here.*Put the file at .*f37072fd.pth"):
        resnet(18, weights="imagenet")
    encoder, which = resnet_or_random(18)
    assert which == "random" and parameters(encoder) == 11_176_512
    assert capsys.readouterr().out == "", "an output of a notebook would change with the machine"


class Bad:
    def __reduce__(self):
        return os.system, ("touch ran",)


def saved(content: object) -> bytes:
    torch.save(content, file := io.BytesIO())
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"half a file",
        pickle.dumps(Bad(), 2),
        saved(Bad()),
        saved({"fc.weight": torch.ones(1)}),
    ],
    ids=["empty", "not one", "an old program", "a program", "of another net"],
)
def test_damaged_weights_are_named_and_nothing_in_them_runs(hub, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (hub / R18).write_bytes(content)
    with pytest.raises(ValueError, match=f"{R18} .*is damaged"):
        resnet_or_random(18)
    assert not Path("ran").exists()


def test_a_download_with_another_hash_is_refused(hub, monkeypatch):
    class Answer(io.BytesIO):
        def info(self):
            return Message()

    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: Answer(b"something else"))
    with pytest.raises(ValueError, match="invalid hash value"):
        resnet(18, weights="imagenet")
    assert not list(hub.iterdir()), "nothing is left behind"


def test_unknown_sizes_and_weights_are_named():
    with pytest.raises(ValueError, match="no ResNet-42; there are 18, 34, 50, 101, 152"):
        resnet(42)
    with pytest.raises(ValueError, match="no weights 'coco'; there are random, imagenet"):
        resnet(weights="coco")


def test_attention_is_the_formula_place_by_place():
    torch.manual_seed(0)
    h, w, heads, channels = 3, 4, 2, 5
    attention = Attention(7, (h, w), heads=heads, head_channels=channels)
    x = torch.randn(2, 7, h, w)
    queries, keys, values = (
        part.unflatten(1, (heads, channels)) for part in attention.project(x).chunk(3, dim=1)
    )
    down, across = attention.positions.down, attention.positions.across
    expected = torch.zeros(2, heads, channels, h, w)
    for b in range(2):
        for n in range(heads):
            for y in range(h):
                for x_ in range(w):
                    query = queries[b, n, :, y, x_] / channels**0.5
                    scores = torch.stack([
                        query @ (keys[b, n, :, v, u] + down[v - y + h - 1] + across[u - x_ + w - 1])
                        for v in range(h) for u in range(w)
                    ])  # fmt: skip
                    shares = scores.softmax(0).view(h, w)
                    expected[b, n, :, y, x_] = (values[b, n] * shares).sum((1, 2))
    torch.testing.assert_close(attention(x), expected.flatten(1, 2))


def test_a_block_starts_as_its_way_round():
    block = Block(6, 12, (4, 4), halve=True, heads=2, head_channels=3)
    x = torch.randn(2, 6, 4, 4)
    convolution, norm, _ = block.round
    torch.testing.assert_close(block(x), norm(convolution(x)).relu())
    same = Block(12, 12, (4, 4), halve=False, heads=2, head_channels=3)
    x = torch.randn(2, 12, 4, 4)
    torch.testing.assert_close(same(x), x.relu())


def test_botnet_keeps_all_stages_but_the_last_and_learns_with_all_its_parameters():
    torch.manual_seed(0)
    before = small_resnet(8)
    encoder = botnet(before, (64, 96), heads=2, head_channels=4)
    assert encoder.layer3 is before.layer3 and encoder.layer4 is not before.layer4
    assert list(dict(encoder.named_children())) == list(dict(before.named_children()))
    for block in encoder.layer4:
        nn.init.ones_(block.layers[-1].weight)
    pictures = torch.rand(4, 3, 64, 96)
    feature_map = encoder(pictures)
    assert feature_map.shape == before(pictures).shape == (4, 64, 2, 3)
    feature_map.square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_botnet_wants_pictures_of_its_size():
    encoder = botnet(small_resnet(4), (64, 96))
    with pytest.raises(ValueError, match="map of 4 x 4 cells; this BoTNet was made for 6 x 4"):
        encoder(torch.rand(2, 3, 64, 64))
    with pytest.raises(ValueError, match="pictures of 80 x 64 px; BoTNet needs multiples of 32"):
        botnet(small_resnet(4), (64, 80))


def test_torchvision_can_be_imported_after_it_failed_and_then_by_others():
    code = (
        "try: import torchvision\nexcept RuntimeError: pass\n"
        "from posekit.models.torchvision_compat import torchvision as one\n"
        "import torchvision, torchvision.transforms.v2\n"
        "assert one is torchvision and one.models.shufflenet_v2_x0_5()\n"
    )
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def import_with(tmp_path, monkeypatch):
    """Imports torchvision_compat anew beside a torchvision of this source."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "posekit.models.torchvision_compat")
    monkeypatch.setattr(torch.library, "Library", None)  # which declares the operators
    monkeypatch.syspath_prepend(tmp_path)

    def load(source: str):
        (tmp_path / "torchvision.py").write_text(source)
        return importlib.import_module("posekit.models.torchvision_compat").torchvision

    return load


def test_a_torchvision_that_works_is_left_alone(import_with):
    assert import_with("whole = True").whole


def test_other_errors_of_torchvision_are_not_hidden(import_with):
    with pytest.raises(RuntimeError, match="another error"):
        import_with("raise RuntimeError('another error')")
