"""What is drawn over a picture lies where the network saw it."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Picture

from posekit.figures.overlay import Bars, Overlay, side_colours
from posekit.figures.overlay import sheet as contact_sheet
from posekit.figures.skeleton3d import SIDES
from posekit.geometry.skeleton import MPII16

SIZE = 64  # px of the picture, and of the drawing


@pytest.fixture
def sheet():
    canvas = FigureCanvasAgg(Picture(figsize=(SIZE / 100, SIZE / 100), dpi=100))
    return canvas, Overlay(canvas.figure.add_axes((0, 0, 1, 1)), MPII16, (SIZE, SIZE))


def drawn(canvas) -> np.ndarray:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def test_a_picture_alone_stays_as_it_is(sheet):
    canvas, overlay = sheet
    image = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)
    overlay.fill(image)
    assert np.array_equal(drawn(canvas), image.permute(1, 2, 0).numpy())


def test_a_heatmap_covers_its_cells_and_no_others(sheet):
    canvas, overlay = sheet
    heat = torch.zeros(16, 16)
    heat[3, 9] = 2.0  # 4 px a cell: rows 12 to 15, columns 36 to 39
    overlay.fill(torch.full((3, SIZE, SIZE), 90, dtype=torch.uint8), None, heat, peak=2.0)
    changed = (drawn(canvas) != 90).any(-1)
    assert changed[12:16, 36:40].all() and changed.sum() == 16


def test_all_colour_under_a_heatmap_is_the_heatmaps(sheet):
    canvas, overlay = sheet
    image = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)
    overlay.fill(image, None, torch.zeros(16, 16))
    assert np.ptp(drawn(canvas), axis=-1).max() == 0


def test_joints_and_bones_have_the_colours_of_their_sides(sheet):
    canvas, overlay = sheet
    joints = torch.full((16, 2), float("nan"))
    for joint, place in {
        "right_knee": (10.0, 10.0),
        "right_ankle": (10.0, 50.0),
        "left_elbow": (40.0, 20.0),
        "left_wrist": (60.0, 20.0),
    }.items():
        joints[MPII16.index(joint)] = torch.tensor(place)
    overlay.fill(torch.zeros(3, SIZE, SIZE, dtype=torch.uint8), joints)
    image = drawn(canvas)
    for side, (x, y) in {"right": (10, 30), "left": (50, 20)}.items():  # half way down the bone
        colour = np.array(to_rgb(SIDES[side])) * 255
        assert np.abs(image[y, x] - colour).max() < 40
    assert not image[40:, 30:].any()  # bones to NaN joints are left out
    overlay.fill(torch.zeros(3, SIZE, SIZE, dtype=torch.uint8))
    assert not drawn(canvas).any()


def test_a_ring_marks_the_joint_asked_for(sheet):
    canvas, overlay = sheet
    joints = torch.full((16, 2), 20.0)
    joints[5] = torch.tensor([44.0, 44.0])
    image = torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)
    overlay.fill(image, joints)
    plain = drawn(canvas)
    overlay.fill(image, joints, ring=5)
    y, x = (drawn(canvas) != plain).any(-1).nonzero()
    assert abs(x.mean() - 44) < 1.5 and abs(y.mean() - 44) < 1.5


def test_bars_are_as_long_as_the_confidences():
    axes = Picture().add_subplot()
    bars = Bars(axes, MPII16)
    given = torch.linspace(-0.25, 1.5, 16)
    bars.fill(given, chosen=3)
    lengths = [bar.get_width() for bar in axes.patches]
    assert lengths == pytest.approx(given.clamp(min=0).tolist())
    assert [text.get_text() for text in axes.texts] == [f"{value:.2f}" for value in given]
    assert axes.get_xlim()[1] > 1.5
    labels = axes.get_yticklabels()
    assert [text.get_text() for text in labels if text.get_fontweight() == "bold"] == ["left hip"]
    assert [bar.get_facecolor()[:3] for bar in axes.patches] == [
        to_rgb(colour) for colour in side_colours(MPII16)
    ]


def test_a_sheet_shows_every_picture_and_only_labelled_joints():
    images = torch.randint(0, 255, (5, 3, 32, 32), dtype=torch.uint8)
    joints, known = torch.rand(5, 16, 2) * 31, torch.ones(5, 16, dtype=torch.bool)
    known[3, 2:] = False
    drawing = contact_sheet(images, MPII16, joints, known)
    assert len(drawing.axes) == 5
    shown = [np.isfinite(np.ma.filled(a.collections[-1].get_offsets(), np.nan)).all(1).sum()
             for a in drawing.axes]  # fmt: skip
    assert shown == [16, 16, 16, 2, 16]
