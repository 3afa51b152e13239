"""What is drawn over a picture lies where the network saw it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Picture

from posekit.figures.overlay import draw_picture, from_above, sheet, volume_slices
from posekit.figures.palette import SIDES
from posekit.geometry.skeleton import H36M17, MPII16
from posekit.models.integral import from_voxels

SIZE = 64  # px of the picture, and of the drawing


def drawn(*args, **options) -> np.ndarray:
    """The pixels of `draw_picture`, one for each of the picture."""
    canvas = FigureCanvasAgg(Picture(figsize=(SIZE / 100, SIZE / 100), dpi=100))
    image, *rest = args
    draw_picture(canvas.figure.add_axes((0, 0, 1, 1)), image, MPII16, *rest, **options)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


@pytest.fixture
def noise():
    return torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)


@pytest.fixture
def black():
    return torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)


def test_a_picture_alone_stays_as_it_is(noise):
    assert np.array_equal(drawn(noise), noise.permute(1, 2, 0).numpy())


def test_a_heatmap_covers_its_cells_and_no_others():
    heat = torch.zeros(16, 16)
    heat[3, 9] = 2.0  # 4 px a cell: rows 12 to 15, columns 36 to 39
    grey = torch.full((3, SIZE, SIZE), 90, dtype=torch.uint8)
    changed = (drawn(grey, None, heat, peak=2.0) != 90).any(-1)
    assert changed[12:16, 36:40].all() and changed.sum() == 16


def test_all_colour_under_a_heatmap_is_the_heatmaps(noise):
    assert np.ptp(drawn(noise, None, torch.zeros(16, 16)), axis=-1).max() == 0


def test_joints_and_bones_have_the_colours_of_their_sides(black):
    joints = torch.full((16, 2), float("nan"))
    for joint, place in {
        "right_knee": (10.0, 10.0),
        "right_ankle": (10.0, 50.0),
        "left_elbow": (40.0, 20.0),
        "left_wrist": (60.0, 20.0),
    }.items():
        joints[MPII16.index(joint)] = torch.tensor(place)
    image = drawn(black, joints)
    for side, (x, y) in {"right": (10, 30), "left": (50, 20)}.items():  # half way down the bone
        colour = np.array(to_rgb(SIDES[side])) * 255
        assert np.abs(image[y, x] - colour).max() < 40
    assert not image[40:, 30:].any()  # bones to NaN joints are left out


def test_a_ring_marks_the_joint_asked_for(black):
    joints = torch.full((16, 2), 20.0)
    joints[5] = torch.tensor([44.0, 44.0])
    y, x = (drawn(black, joints, ring=5) != drawn(black, joints)).any(-1).nonzero()
    assert abs(x.mean() - 44) < 1.5 and abs(y.mean() - 44) < 1.5


def test_a_sheet_shows_every_picture_and_only_known_joints(people):
    visible = people.visible.clone()
    visible[1, 2:] = 0
    drawing = sheet(replace(people, visible=visible), titles=["a", "b", "c"])
    assert [axes.get_title() for axes in drawing.axes] == ["a", "b", "c"]
    shown = [np.isfinite(np.ma.filled(a.collections[-1].get_offsets(), np.nan)).all(1).sum()
             for a in drawing.axes]  # fmt: skip
    assert shown == [17, 2, 17]


def test_everybody_is_drawn_over_the_photograph_and_twice_from_above(people):
    drawing = from_above(people, people.joints3d + 100, title="three")
    left, right = drawing.axes
    assert len(left.collections) == 3 * len(people)  # rims, bones, joints
    assert len(right.collections) == 6 * len(people)
    start, end = H36M17.bones[0]
    truth = torch.tensor(right.collections[1].get_segments()[0])
    torch.testing.assert_close(truth, people.joints3d[0, [start, end]][:, [0, 2]].double() / 1000)
    places = torch.tensor(left.collections[2].get_offsets().data)
    seen = (people.joints3d[0] + 100) @ people.intrinsics[0].mT
    torch.testing.assert_close(places, (seen[:, :2] / seen[:, 2:]).double())


def test_marks_lie_where_the_volume_is_and_where_the_truth_is():
    logits = torch.zeros(17, 8, 4, 4)
    wrist = H36M17.joints.index("right_wrist")
    logits[wrist, 6, 1, 3] = 50.0
    true = from_voxels(torch.tensor([[[0.0, 2.0, 1.0]]]), (8, 4, 4))[0].expand(17, 3)
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    drawing = volume_slices(image, logits, true, H36M17, ("right_wrist", "head"))
    front, _, above, _ = drawing.axes
    marks = [tuple(c.get_offsets().data[0]) for c in above.collections]
    assert marks == [(3.0, 6.0), (0.0, 1.0)]  # x across, depth down
    marks = [tuple(c.get_offsets().data[0]) for c in front.collections]
    assert marks == [(55.5, 23.5), (7.5, 39.5)]  # the middle of a cell of 16 px
    ticks = [label.get_text() for label in above.get_yticklabels()]
    assert above.get_ylabel() and ticks == ["-1000", "0", "+1000"]
