"""Skeletons in 3D: upright, true to scale, playable; and how figures are shown and saved."""

import base64
import io
import re

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image

from posekit.figures.curves import loss_curves
from posekit.figures.output import picture, save, show
from posekit.figures.skeleton3d import people_3d, skeleton_3d
from posekit.geometry.skeleton import H36M17


def standing() -> torch.Tensor:
    """A person 1.7 m tall, arms out, in the coordinates of a level camera 4 m away."""
    pose = torch.zeros(17, 3)
    heights = {"hip": 900, "knee": 480, "ankle": 80, "shoulder": 1400, "elbow": 1400, "wrist": 1400}
    out = {"hip": 120, "knee": 120, "ankle": 120, "shoulder": 180, "elbow": 450, "wrist": 700}
    middle = {"pelvis": 900, "spine": 1150, "thorax": 1400, "neck_nose": 1550, "head": 1700}
    for number, joint in enumerate(H36M17.joints):
        side, _, part = joint.partition("_")
        up = middle.get(joint) or heights[part]
        # who faces the camera has the right hand on the camera's left
        right = {"right": -1, "left": 1}.get(side, 0) * out.get(part, 0)
        pose[number] = torch.tensor([right, 1200.0 - up, 4000.0])
    return pose


def walking(frames: int) -> torch.Tensor:
    """The same person moving to the right, 10 mm a frame."""
    moved = standing().repeat(frames, 1, 1)
    moved[..., 0] += 10.0 * torch.arange(frames)[:, None]
    return moved


def drawn(figure: go.Figure) -> np.ndarray:
    """Every point that any frame of the figure draws, (n, 3)."""
    traces = [*figure.data, *(trace for frame in figure.frames for trace in frame.data)]
    points = [np.stack([np.asarray(t.x), np.asarray(t.y), np.asarray(t.z)], -1) for t in traces]
    points = np.concatenate(points)
    return points[np.isfinite(points).all(-1)]


def trace_of(figure: go.Figure, name: str) -> go.Scatter3d:
    return next(trace for trace in figure.data if trace.name == name)


def trace_xs(figure: go.Figure, name: str) -> tuple:
    return trace_of(figure, name).x, trace_of(figure, name).text


def test_a_person_seen_by_a_camera_stands_upright_in_the_figure():
    figure = skeleton_3d({"truth": standing()}, H36M17, title="standing")
    heights = {}
    for trace in figure.data[:3]:
        heights |= dict(zip(trace.text, trace.z, strict=True))
    assert heights["head"] - heights["left ankle"] == pytest.approx(1620, abs=1)
    assert heights["head"] > heights["pelvis"] > heights["right knee"] > heights["right ankle"]


def test_right_and_left_are_not_exchanged():
    figure = skeleton_3d({"truth": standing()}, H36M17, title="standing")
    assert np.nanmin(trace_of(figure, "right").x) == -700
    assert np.nanmax(trace_of(figure, "left").x) == 700
    assert trace_of(figure, "right").line.color != trace_of(figure, "left").line.color


def test_every_bone_is_drawn_once_and_nothing_else():
    pose = torch.randn(17, 3, generator=torch.Generator().manual_seed(0)) * 500
    figure = skeleton_3d({"a": pose}, H36M17, title="bones", world=True)
    found = []
    for trace in figure.data[:3]:
        points = np.stack([trace.x, trace.y, trace.z], -1)
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        found += lengths[np.isfinite(lengths)].tolist()
    true = [float((pose[a] - pose[b]).norm()) for a, b in H36M17.bones]
    assert sorted(found) == pytest.approx(sorted(true), abs=2)  # coordinates are rounded to 1 mm


def test_the_cube_has_equal_sides_and_holds_all_that_is_drawn():
    poses = {"truth": walking(30), "ours": walking(30) + 100 * torch.randn(30, 17, 3)}
    figure = skeleton_3d(poses, H36M17, title="walking")
    scene = figure.layout.scene
    ranges = np.array([scene.xaxis.range, scene.yaxis.range, scene.zaxis.range])
    assert scene.aspectmode == "cube"
    assert np.ptp(ranges[:, 1] - ranges[:, 0]) <= 1
    points = drawn(figure)
    assert (points > ranges[:, 0]).all() and (points < ranges[:, 1]).all()


def test_people_stand_beside_each_other_with_the_truth_laid_over():
    figure = skeleton_3d({"truth": standing(), "ours": standing()}, H36M17, title="two")
    heads = [x for x, text in zip(*trace_xs(figure, "middle"), strict=True) if text == "head"]
    assert heads[1] - heads[0] > 1400  # arm span: nobody touches
    ghost = trace_of(figure, "truth, laid over")
    assert np.nanmean(ghost.x) == pytest.approx(heads[1], abs=1)


def test_an_animation_plays_at_its_own_speed_in_at_most_25_frames_a_second():
    figure = skeleton_3d({"truth": walking(100)}, H36M17, title="2 s", rate=50.0)
    play, pause = figure.layout.updatemenus[0].buttons
    assert (play.label, pause.label) == ("Play", "Pause")
    assert len(figure.frames) == len(figure.layout.sliders[0].steps) == 50
    assert play.args[1]["frame"]["duration"] == 40  # ms: 50 frames of 40 ms are the 2 s
    assert not skeleton_3d({"truth": standing()}, H36M17, title="still").frames


def test_a_joint_without_a_position_is_left_out():
    pose = standing()
    pose[H36M17.joints.index("left_wrist")] = torch.nan
    figure = skeleton_3d({"truth": pose}, H36M17, title="no wrist")
    assert np.nanmax(trace_of(figure, "left").x) == 450  # the elbow


def test_poses_that_cannot_be_drawn_together_are_refused():
    with pytest.raises(ValueError, match="number of frames"):
        skeleton_3d({"a": walking(3), "b": walking(4)}, H36M17, title="")
    with pytest.raises(ValueError, match=r"\(1, 16, 3\)"):
        skeleton_3d({"a": torch.zeros(16, 3)}, H36M17, title="")
    with pytest.raises(ValueError, match="no finite joint"):
        skeleton_3d({"a": torch.full((17, 3), torch.nan)}, H36M17, title="")


def test_a_notebook_gets_the_figure_and_its_picture_in_one_output(monkeypatch):
    published = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: published.append((a, k)))
    show(skeleton_3d({"truth": walking(4)}, H36M17, title="walking"))
    [((bundle,), options)] = published
    assert options == {"raw": True}
    assert bundle["application/vnd.plotly.v1+json"]["frames"]
    assert "walking" in bundle["text/plain"]
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.format == "PNG" and image.width < 1400
    assert len(np.unique(np.asarray(image.convert("L")))) > 20  # something is drawn


def test_an_animation_stays_small():
    poses = {"truth": walking(100), "ours": walking(100)}
    assert len(skeleton_3d(poses, H36M17, title="walking").to_json()) < 250_000


def test_people_stand_in_space_as_far_away_as_they_are():
    near, far = torch.zeros(17, 3), torch.zeros(17, 3)
    near[:, 2], far[:, 2] = 3000.0, 7000.0
    near[0, 1] = -500.0  # up
    poses, absent = torch.stack([near, far])[None], torch.full((1, 2, 17, 3), torch.nan)
    figure = people_3d(poses, [["3 m", "7 m"]], H36M17, title="two", rate=1.0)
    y, z = (np.concatenate([trace[axis] for trace in figure.data[:3]]) for axis in "yz")
    assert {*y[~np.isnan(y)]} == {3000.0, 7000.0} and np.nanmax(z) == 500
    assert figure.data[-1].text == ("3 m", "7 m")
    texts = [["3 m", "7 m"], ["", ""]]
    moving = people_3d(torch.cat([poses, absent]), texts, H36M17, title="two frames", rate=5.0)
    assert len(moving.frames) == 2 and moving.frames[1].data[-1].text == ("", "")
    assert [len(axes.texts) for axes in picture(moving).axes] == [2, 0]
    with pytest.raises(ValueError, match="nobody to draw"):
        people_3d(absent, [["", ""]], H36M17, title="none", rate=1.0)


def test_a_saved_figure_works_offline_and_has_the_same_bytes_every_time(tmp_path):
    for folder in ("once", "twice"):
        figure = skeleton_3d({"truth": walking(6)}, H36M17, title="walking <1 m>")
        save(figure, tmp_path / folder, "walk")
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert sorted(p.name for p in once.iterdir()) == ["plotly.min.js", "walk.html", "walk.png"]
    for path in once.iterdir():
        assert path.read_bytes() == (twice / path.name).read_bytes(), path.name
    page = (once / "walk.html").read_text()
    assert "walking &lt;1 m&gt;" in page
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["walk.png", "plotly.min.js"]
    assert not re.findall(r"https?://(?!www\.w3\.org)[^\"' ]+", page)


def test_titles_and_labels_are_text(tmp_path):
    """As files are called: no HTML, no formula."""
    title = "<b>$a_1$</b> & x_{1}^{2}.jpg, 100%"
    figure = people_3d(standing()[None, None], [["$\\frac <i>"]], H36M17, title=title, rate=1.0)
    assert figure.layout.title.text == "&lt;b&gt;$a_1$&lt;/b&gt; &amp; x_{1}^{2}.jpg, 100%"
    still = picture(figure)
    texts = [still._suptitle, *still.axes[0].texts]
    assert [text.get_text() for text in texts] == [title, "$\\frac <i>"]
    save(figure, tmp_path, "odd")
    page = (tmp_path / "odd.html").read_text()
    assert "<title>&lt;b&gt;$a_1$&lt;/b&gt; &amp; x_{1}^{2}.jpg, 100%</title>" in page
    assert "<b>" not in page[: page.index("<script")]


def test_a_scene_of_any_size_has_few_grid_lines(tmp_path):
    for far, step in ((0.0, 500), (1e5, 2000), (1e12, None)):
        people = torch.stack([standing(), standing() + torch.tensor([far, 0, 0])])
        figure = people_3d(people[None], [["", ""]], H36M17, title="far", rate=1.0)
        assert step in (None, figure.layout.scene.xaxis.dtick)
        axes = picture(figure).axes[0]
        assert 2 <= len(axes.get_xticks()) <= 62


def test_a_figure_is_not_saved_outside_its_folder(tmp_path):
    with pytest.raises(ValueError, match="plain file name"):
        save(loss_curves({"ours": [[1.0, 0.5]]}), tmp_path, "../escaped")


def test_a_real_motion_keeps_its_feet_on_the_floor_of_the_cube(shared):
    with np.load(shared / "cmu_mocap" / "h36m17_50hz.npz", allow_pickle=False) as motions:
        walk = torch.from_numpy(motions["02_01"]) * 1000
    figure = skeleton_3d({"walk": walk}, H36M17, title="walk", world=True)
    low, high = figure.layout.scene.zaxis.range
    points = drawn(figure)
    assert 0 < points[:, 2].min() - low < 0.05 * (high - low)
    assert figure.layout.scene.zaxis.backgroundcolor  # the floor is seen
