"""The panel and what it shows: each control draws another picture, errors are said in words."""

import base64
import re
import struct
import sys
import zlib
from datetime import UTC, datetime
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Picture

from posekit.figures.heatmap_view import confidences, look, still
from posekit.figures.palette import side_colours
from posekit.figures.panel import HINT, Panel, heatmap_panel, uploaded
from posekit.geometry.skeleton import MPII16

SIZE, CELLS, STACKS = 64, 16, 3


@pytest.fixture
def images() -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, SIZE, SIZE), dtype=torch.uint8, generator=draw)


class Network:
    """Heatmaps of noise that the picture and nothing else decides; counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, images):
        self.asked += 1
        draw = torch.Generator().manual_seed(int(images.sum()))
        return torch.rand(len(images), STACKS, 16, CELLS, CELLS, generator=draw)


def locate(heatmaps):
    value, cell = heatmaps.flatten(1).max(dim=1)
    return torch.stack([cell % CELLS, cell // CELLS], dim=-1) * 4 + 1.5, value


@pytest.fixture
def made(images) -> Panel:
    return Panel(images, Network(), MPII16, locate=locate)


def send(made: Panel, name: str, data: bytes) -> None:
    file = {"name": name, "type": "", "size": len(data), "content": memoryview(data)}
    made.upload.value = ({**file, "last_modified": datetime.now(UTC)},)


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def test_every_control_draws_another_picture(made):
    seen = [made.screen.value]
    made.stack.value = 1
    seen.append(made.screen.value)
    made.joint.value = MPII16.index("left_wrist")
    seen.append(made.screen.value)
    made.heat.value = False
    seen.append(made.screen.value)
    made.bones.value = False
    seen.append(made.screen.value)
    made.picture.value = "3"
    seen.append(made.screen.value)
    assert len(set(seen)) == len(seen)
    for drawing in seen:
        image = cv2.imdecode(np.frombuffer(drawing, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (520, 920, 3)


def test_controls_reach_every_stack_and_joint_and_start_at_the_last_stack_and_all(made):
    assert (made.stack.min, made.stack.max, made.stack.value) == (1, STACKS, STACKS)
    assert made.joint.label == "all"
    names = [label for label, _ in made.joint.options]
    assert names == ["all", *(joint.replace("_", " ") for joint in MPII16.joints)]


def test_the_network_is_asked_once_a_picture(images):
    network = Network()
    made = Panel(images, network, MPII16, locate=locate)
    first = made.screen.value
    for picture in ("2", "1"):
        made.picture.value = picture
    assert network.asked == 2
    assert made.screen.value == first


def test_one_stack_needs_no_slider(images):
    one = Panel(images, lambda given: Network()(given)[:, :1], MPII16, locate=locate)
    assert one.stack.value == 1
    assert one.stack not in one.view.children[1].children


def test_an_upload_is_shown_and_the_widget_does_not_keep_it(made, images):
    first = made.screen.value
    send(made, "mine.png", png(images[1].permute(1, 2, 0).numpy()))
    assert made.screen.value != first
    assert made.upload.value == ()
    assert made.picture.options == ("1", "2", "3", "mine.png") and made.picture.value == "mine.png"
    shown = made.screen.value
    made.picture.value = "2"
    assert made.screen.value == shown  # the upload was the second picture


def test_an_upload_is_squared_by_zeros():
    wide = np.full((30, 60, 3), (200, 100, 20), np.uint8)
    square = uploaded(png(wide), "wide.png", (SIZE, SIZE)).permute(1, 2, 0)
    assert square.shape == (SIZE, SIZE, 3)
    assert not square[:15].any() and not square[-15:].any()
    assert (square[18:-18, 2:-2] == torch.tensor([200, 100, 20])).all()


def test_a_telephones_picture_is_turned_upright():
    plain = np.zeros((40, 40, 3), np.uint8)
    plain[:20] = 255
    jpeg = cv2.imencode(".jpg", plain)[1].tobytes()
    tiff = b"MM\x00*\x00\x00\x00\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    image = uploaded(turned, "turned.jpg", (40, 40)).float()
    assert image[:, :, 22:].mean() > 250 and image[:, :, :18].mean() < 5  # the top is on the right


def huge() -> bytes:
    """A PNG of a few bytes whose head claims 40,000 x 40,000 px."""

    def chunk(kind, body):
        sum_ = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + sum_

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GIF89a", "neither a JPEG nor a PNG"),
        (b"", "neither a JPEG nor a PNG"),
        (png(np.zeros((50, 50, 3), np.uint8))[:-30], "cut off or damaged"),
        (huge(), "more than 100,000,000 pixels"),
    ],
)
def test_a_bad_upload_is_told_in_words_and_changes_nothing(made, data, words):
    before = made.screen.value
    send(made, "<img src=x>.png", data)
    assert words in made.message.value
    assert (
        made.message.value.count("&lt;img src=x&gt;.png") == 1 and "<img" not in made.message.value
    )
    assert "/tmp" not in made.message.value
    assert made.screen.value == before and len(made.picture.options) == 3
    made.stack.value = 1
    assert made.message.value == HINT


def test_a_network_that_fails_later_says_so_in_the_panel(images):
    def look(given):
        heatmaps = Network()(given)
        if torch.equal(given[0], images[1]):
            heatmaps[0, 1, 5, 0, 0] = float("nan")
        if torch.equal(given[0], images[2]):
            raise RuntimeError("out of memory")
        return heatmaps

    made = Panel(images, look, MPII16, locate=locate)
    before = made.screen.value
    made.picture.value = "2"
    assert "2: the heatmap of the left ankle in stack 2 has NaN" in made.message.value
    made.picture.value = "3"
    assert "3: out of memory" in made.message.value
    assert made.screen.value == before


@pytest.mark.parametrize(
    "shape", [(1, 2, 17, 16, 16), (1, 16, 16, 16), (1, 0, 16, 16, 16), (2, 1, 16, 16, 16)]
)
def test_heatmaps_of_another_shape_are_named(images, shape):
    words = re.escape(f"gave the shape {shape} of 1 picture, not (1, stacks, 16 joints of MPII-16")
    with pytest.raises(ValueError, match=words):
        look(images[0], lambda _: torch.zeros(shape), MPII16, locate=locate)


def test_a_still_shows_every_stack_and_the_confidences(images):
    view = look(images[0], Network(), MPII16, locate=locate)
    drawing = still(images[0], view, MPII16, "$x")
    assert len(drawing.subfigs[1].axes) == 4 * STACKS
    assert drawing.subfigs[0].axes[0].get_title() == f"$x: last of {STACKS} stacks"
    last = view.confidence[-1]
    texts = [text.get_text() for text in drawing.subfigs[2].axes[0].texts]
    assert texts == [f"{value:.2f}" for value in last]
    titles = [axes.get_title() for axes in drawing.subfigs[1].axes[:4]]
    for at, joint in ((0, int(last.argmax())), (3, int(last.argmin()))):
        assert titles[at] == MPII16.joints[joint].replace("_", " ")


def test_bars_are_as_long_as_the_confidences():
    axes = Picture().add_subplot()
    values = torch.linspace(-0.25, 1.5, 16)
    confidences(axes, MPII16, values, chosen=3)
    lengths = [bar.get_width() for bar in axes.patches]
    assert lengths == pytest.approx(values.clamp(min=0).tolist())
    assert [text.get_text() for text in axes.texts] == [f"{value:.2f}" for value in values]
    assert axes.get_xlim()[1] > 1.5
    labels = axes.get_yticklabels()
    assert [text.get_text() for text in labels if text.get_fontweight() == "bold"] == ["left hip"]
    assert [bar.get_facecolor()[:3] for bar in axes.patches] == [
        to_rgb(colour) for colour in side_colours(MPII16)
    ]


@pytest.fixture
def published(monkeypatch) -> list[dict]:
    IPython = pytest.importorskip("IPython.display")
    shown = []
    monkeypatch.setattr(IPython, "display", lambda data, raw: shown.append(data))
    return shown


def test_headless_there_is_the_still_alone(images, published, monkeypatch):
    monkeypatch.setenv("POSEKIT_HEADLESS", "1")
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace(kernel=1))
    heatmap_panel(images, Network(), MPII16, locate=locate)
    monkeypatch.delenv("POSEKIT_HEADLESS")
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    heatmap_panel(images, Network(), MPII16, locate=locate)
    assert [set(data) for data in published] == [{"image/png", "text/plain"}] * 2
    assert base64.b64decode(published[0]["image/png"]).startswith(b"\x89PNG")


def test_in_a_notebook_there_is_the_panel_and_for_the_closed_one_its_still(
    images, published, monkeypatch
):
    monkeypatch.delenv("POSEKIT_HEADLESS", raising=False)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace(kernel=1))
    network = Network()
    heatmap_panel(images, network, MPII16, locate=locate)
    live, picture = published
    assert set(live) == {"application/vnd.jupyter.widget-view+json"}
    assert "image/png" in picture
    assert network.asked == 1
