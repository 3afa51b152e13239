"""`posekit predict`: from pictures and videos to people in space."""

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders.networks import finished_run
from PIL import Image

from posekit.geometry.skeleton import H36M17, MOON18
from posekit.inference import predict
from posekit.inference import video as video_module
from posekit.inference.adapters import pose_network
from posekit.inference.boxes import given_boxes
from posekit.inference.detectors import Detection, Detector, whole_picture
from posekit.inference.drawing import draw, space
from posekit.inference.localise import (
    Finder,
    Person,
    PoseNetwork,
    camera_of,
    locate,
    root_depth,
    window,
)
from posekit.inference.output import read_log
from posekit.inference.predict import predict_picture, predict_video
from posekit.inference.predictor import Predictor
from posekit.inference.video import RECORDING, Video, Webcam, read_upright
from posekit.models.integral import to_cube
from posekit.studio.pictures import StudioPictures

ROOT = Path(__file__).resolve().parents[2]


def pointing(*cube, side=64, joints=17) -> PoseNetwork:
    """The use of a network that puts everybody's joints at one place of the cube."""
    run = lambda pictures: torch.tensor(cube).float().expand(len(pictures), joints, 3)
    shape = (3, side, side)
    return pose_network(Predictor("pointing", Path(__file__), "integral", shape, run))


MIDDLE = pointing(0.0, 0.0, 0.0)


def movie(path, count=12, size=(96, 64)):
    """A video of a bright square that moves to the right, 4 px a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, size)
    for number in range(count):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        picture[20:40, 4 * number : 4 * number + 20] = 255
        writer.write(picture)
    writer.release()
    return path


def bright(asked: list | None = None, before=lambda frame: None) -> Detector:
    """Finds the bright square of `movie`; `asked` gets the numbers of the frames."""

    def find(picture, frame):
        before(frame)
        if asked is not None:
            asked.append(frame)
        (columns,) = np.nonzero(picture[30, :, 0] > 128)
        return [Detection((float(columns[0]), 20.0, 20.0, 20.0), 0.9)]

    return Detector("bright", find, "only squares")


SQUARES = Finder(MIDDLE, bright())


# Geometry


def test_a_box_of_two_metres_is_as_far_away_as_the_pinhole_rule_says():
    camera = camera_of((1000, 1000), focal=1000.0)
    # 2000 mm at 4000 mm are 500 px of a focal length of 1000 px.
    assert root_depth(camera, 500.0**2) == pytest.approx(4000)
    # RootNet's own form: sqrt(fx fy A_real / A_box), here for a box of 320 x 200 px: its first to
    # last pixel, as Moon et al.'s process_bbox counts, are 319 px apart.
    picture = np.zeros((1000, 1000, 3), np.uint8)
    (person,) = locate(picture, [Detection((100, 100, 320, 200))], MIDDLE, camera, "here")
    extended = (319 * 1.25) ** 2  # square, and widened
    assert person.depth == pytest.approx(math.sqrt(1000 * 1000 * 2000 * 2000 / extended))


def test_the_middle_of_the_cube_is_the_middle_of_the_box_at_that_depth():
    picture = np.zeros((480, 640, 3), np.uint8)
    camera = camera_of((480, 640), focal=500.0)
    (person,) = locate(picture, [Detection((400, 100, 80, 120))], MIDDLE, camera, "here")
    middle = torch.tensor([400 + 79 / 2, 100 + 119 / 2])  # of its first and last pixel
    assert (person.joints2d - middle).abs().max() < 1e-3
    x = (439.5 - 319.5) / 500 * person.depth
    y = (159.5 - 239.5) / 500 * person.depth
    assert person.joints3d[0].tolist() == pytest.approx([x, y, person.depth], rel=1e-5)
    (deeper,) = locate(
        picture, [Detection((400, 100, 80, 120))], pointing(0.0, 0.0, 0.25), camera, "here"
    )
    assert (deeper.joints3d[:, 2] - person.depth - 500).abs().max() < 1e-2  # a quarter of 2 m


def test_true_joints_in_the_cube_come_back_as_the_studios_true_joints():
    side = 64
    batch = StudioPictures(["S9"], every=300, size=side)[[3, 50]]
    depths = batch.joints3d[..., 2]
    cube = to_cube(batch.joints2d, depths - depths[:, :1], (side, side)).double()
    for number, image in enumerate(batch.images):
        run = lambda crops, own=cube[number : number + 1]: own.expand(len(crops), -1, -1)
        shape = (3, side, side)
        network = pose_network(Predictor("true", Path(__file__), "integral", shape, run))
        K = batch.intrinsics[number]
        # The crop is itself a picture, whose box takes 1 / 1.25 of its side, and a pixel more.
        margin = (side - side / 1.25) / 2 - 0.5
        box = (margin, margin, side / 1.25 + 1, side / 1.25 + 1)
        camera = replace(camera_of((side, side), K[0, 0].item()), principal=K[:2, 2].double())
        picture = image.permute(1, 2, 0).numpy()
        (person,) = locate(picture, [Detection(box)], network, camera, "here")
        true = batch.joints3d[number]
        assert (person.joints2d - batch.joints2d[number]).abs().max() < 1e-2
        assert person.depth == pytest.approx(true[0, 2].item(), rel=0.35)
        # Along its own ray the root is off by what the rule is; the lens's distortion is small.
        ratio = person.joints3d[0] / true[0]
        assert ratio.tolist() == pytest.approx([person.depth / true[0, 2].item()] * 3, rel=0.05)
        relative = person.joints3d[:, 2] - person.joints3d[0, 2]
        assert (relative - (true[:, 2] - true[0, 2])).abs().max() < 0.1


def test_the_focal_length_is_given_or_exifs_or_the_diagonal():
    assert camera_of((300, 400)).focal.tolist() == [500, 500]
    assert "assumed" in camera_of((300, 400)).name
    given = camera_of((300, 400), focal=1500.0, film=50.0)
    assert given.focal.tolist() == [1500, 1500] and given.name == "given: 1500 px"
    film = camera_of((2400, 3600), film=50.0)  # 100 px a mm of film
    assert film.focal.tolist() == pytest.approx([5000, 5000]) and "EXIF: 50 mm" in film.name
    with pytest.raises(ValueError, match="focal length of 0.0 px"):
        camera_of((300, 400), focal=0.0)


def test_a_box_outside_the_picture_names_the_person():
    found = [Detection((0, 0, 10, 10)), Detection((300, 0, 10, 10))]
    with pytest.raises(ValueError, match="a.jpg, person 2: the box .* lies outside"):
        locate(np.zeros((60, 80, 3), np.uint8), found, MIDDLE, camera_of((60, 80)), "a.jpg")


# Pictures


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_seen_as_its_exif_wants(tmp_path, turn):
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :20] = 255, 0, 0
    upright[:20, 40:] = 0, 255, 0
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    exif.get_ifd(0x8769)[0xA405] = 28
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=100, subsampling=0)
    picture, film = read_upright(path)
    assert picture.shape == (40, 60, 3) and film == 28
    assert np.abs(picture.astype(int) - upright).mean() < 2


def test_a_picture_becomes_numbers_a_drawing_and_a_page(tmp_path):
    path = tmp_path / "two.png"
    grey = np.full((120, 200, 3), 90, np.uint8)
    cv2.imwrite(str(path), grey)
    boxes = given_boxes([Detection((10, 10, 60, 100)), Detection((120, 20, 50, 80), 0.7)])
    people = predict_picture(path, Finder(MIDDLE, boxes, focal=300.0), tmp_path / "out")
    written = json.loads((tmp_path / "out" / "people.json").read_text())
    assert written["schema"] == 2
    size = {"width": 200, "height": 120}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert written["source"] == {"name": "two.png", "sha256": digest} | size
    assert written["camera"]["focal"] == [300, 300] and written["camera"]["from"].startswith(
        "given"
    )
    assert written["skeleton"]["joints"] == list(H36M17.joints)
    assert any("2000 mm x 2000 mm" in sentence for sentence in written["assumptions"])
    assert [row["score"] for row in written["people"]] == [None, 0.7]
    for person, row in zip(people, written["people"], strict=True):
        read = Person.read(row)
        assert (read.joints3d - person.joints3d).abs().max() <= 0.06
        assert (read.joints2d - person.joints2d).abs().max() <= 0.006
        projected = read.joints3d[:, :2] / read.joints3d[:, 2:] * 300 + torch.tensor([99.5, 59.5])
        assert (projected - read.joints2d).abs().max() < 0.02
    drawn = cv2.imread(str(tmp_path / "out" / "drawn.jpg"))
    assert drawn.shape == grey.shape and np.abs(drawn.astype(int) - grey).max() > 50
    page = (tmp_path / "out" / "space.html").read_text()
    assert "two.png" in page and (tmp_path / "out" / "space.png").is_file()


def test_who_is_not_sure_enough_does_not_count_and_nobody_gets_no_page(tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((50, 50, 3), np.uint8))
    boxes = given_boxes([Detection((5, 5, 30, 30), 0.4)])
    for least, count in ((0.5, 0), (0.4, 1)):
        finder = Finder(MIDDLE, boxes, least)
        people = predict_picture(tmp_path / "one.png", finder, tmp_path / f"{count}")
        assert len(people) == count
        assert (tmp_path / f"{count}" / "space.html").exists() == bool(count)
    assert json.loads((tmp_path / "0" / "people.json").read_text())["people"] == []


def test_a_drawing_has_each_side_in_its_colour_where_the_joints_are():
    joints2d = torch.full((17, 2), 20.0)
    joints2d[H36M17.index("left_knee")] = torch.tensor([70.0, 30.0])
    joints2d[H36M17.index("left_ankle")] = torch.tensor([70.0, 80.0])
    person = Person((2.0, 2.0, 90.0, 90.0), None, 3000.0, joints2d, torch.zeros(17, 3))
    drawn = draw(np.zeros((100, 100, 3), np.uint8), [person], H36M17)
    assert np.abs(drawn[55, 70] - np.array([0, 114, 178])).max() < 40  # the left side's blue
    assert drawn[55, 40].tolist() == [0, 0, 0]
    assert drawn[92, 50].max() > 200  # the box's lower edge


def test_a_distance_can_be_read_on_any_ground():
    somebody = Person((5.0, 5.0, 90.0, 90.0), None, 13900.0, torch.full((17, 2), 50.0))
    ground = np.full((100, 100, 3), 128, np.uint8)
    drawn = draw(ground, [somebody], H36M17)[80:94, 7:60].mean(-1)  # the label
    bright = drawn > 250
    assert bright.sum() > 20
    around = cv2.dilate(bright.astype(np.uint8), np.ones((3, 3))) > bright
    assert (drawn[around] < 120).mean() > 0.6  # a rim on all sides of every letter


def test_people_in_space_have_their_distance_above_them():
    near, far = torch.zeros(17, 3), torch.zeros(17, 3)
    near[:, 2], far[:, 2] = 3000.0, 7000.0
    people = [
        Person((0, 0, 1, 1), None, d, torch.zeros(17, 2), j) for d, j in ((3e3, near), (7e3, far))
    ]
    figure = space([people[:1], people, []], H36M17, title="three frames", rate=5.0)
    texts = [frame.data[-1].text for frame in figure.frames]
    assert texts == [("3.0 m", ""), ("3.0 m", "7.0 m"), ("", "")]
    with pytest.raises(ValueError, match="nobody to draw"):
        space([[]], H36M17, title="none", rate=1.0)


def test_a_folder_with_other_content_is_not_written_into(tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((50, 50, 3), np.uint8))
    out, finder = tmp_path / "out", Finder(MIDDLE, whole_picture())
    for _ in range(2):  # the same again is no other content
        predict_picture(tmp_path / "one.png", finder, out)
    before = (out / "people.json").read_bytes()
    with pytest.raises(ValueError, match="other content already .drawn.jpg, people.json, plotly"):
        predict_picture(tmp_path / "one.png", replace(finder, focal=70.0), out)
    assert (out / "people.json").read_bytes() == before
    predict_picture(tmp_path / "one.png", replace(finder, focal=70.0), out, replace=True)
    assert (out / "people.json").read_bytes() != before
    (tmp_path / "two").mkdir()
    other = tmp_path / "two" / "one.png"  # another picture of the same name and size
    cv2.imwrite(str(other), np.ones((50, 50, 3), np.uint8))
    with pytest.raises(ValueError, match="other content already"):
        predict_picture(other, replace(finder, focal=70.0), out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"mine has other content already \(notes.txt\): choose"):
        predict_picture(tmp_path / "one.png", finder, tmp_path / "mine")
    with pytest.raises(ValueError, match="mine has other content already .notes.txt.: choose"):
        predict_video(Video(movie(tmp_path / "a.avi", count=2)), SQUARES, tmp_path / "mine")
    with pytest.raises(NotADirectoryError, match="one.png is a file, not a folder"):
        predict_picture(tmp_path / "one.png", finder, tmp_path / "one.png")


# Videos


def test_a_video_is_predicted_frame_by_frame_and_drawn(tmp_path):
    path = movie(tmp_path / "square.avi")
    done = predict_video(Video(path), SQUARES, tmp_path / "out")
    assert done == (12, 12, False, 12)
    rows = read_log(tmp_path / "out" / "people.jsonl")
    assert [row["frame"] for row in rows] == list(range(12))
    assert rows[4]["time"] == pytest.approx(0.2)
    middles = [row["people"][0]["joints2d"][0][0] for row in rows]
    assert np.diff(middles) == pytest.approx([4.0] * 11, abs=1.1)
    drawn = Video(tmp_path / "out" / "drawn.mp4")
    assert (drawn.width, drawn.height, drawn.rate) == (96, 64, 20)
    assert len(list(drawn.frames())) == 12
    assert "Play" in (tmp_path / "out" / "space.html").read_text()


@pytest.fixture
def undrawn(monkeypatch):
    """Without the drawings, which another test looks at."""
    monkeypatch.setattr(predict, "_draw_all", lambda *_: None)


def test_an_interrupted_video_goes_on_behind_its_last_whole_line(tmp_path, undrawn):
    path, out = movie(tmp_path / "square.avi"), tmp_path / "out"
    whole = predict_video(Video(path), SQUARES, tmp_path / "whole")
    predict_video(Video(path), SQUARES, out, most=7)
    log = out / "people.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    log.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])  # killed while writing frame 6
    for frames in ([*range(6, 12)], []):
        asked = []
        done = predict_video(Video(path), replace(SQUARES, detector=bright(asked)), out)
        assert done == whole and asked == frames
    assert log.read_bytes() == (tmp_path / "whole" / "people.jsonl").read_bytes()


@pytest.fixture
def terminal():
    """Ctrl-C as in a terminal: jobs that a shell has in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_frames_that_are_done_are_kept_and_drawn_when_somebody_stops_it(tmp_path, number, terminal):
    def stop(frame):
        if frame == 5:
            os.kill(os.getpid(), number)
            time.sleep(5)

    path = movie(tmp_path / "square.avi", count=8)
    before = signal.getsignal(signal.SIGTERM)
    impatient = replace(SQUARES, detector=bright(before=stop))
    done = predict_video(Video(path), impatient, tmp_path / "out")
    assert done == (5, 5, True, 8) and signal.getsignal(signal.SIGTERM) is before
    assert len(list(Video(tmp_path / "out" / "drawn.mp4").frames())) == 5
    assert predict_video(Video(path), SQUARES, tmp_path / "out").frames == 8
    assert not [*(tmp_path / "out").glob(".*")]


def test_a_log_of_another_video_model_or_setting_is_not_gone_on_with(tmp_path, undrawn):
    path, out = movie(tmp_path / "square.avi", count=3), tmp_path / "out"
    predict_video(Video(path), SQUARES, out, most=2)
    (tmp_path / "weights").touch()
    model = replace(MIDDLE, weights=tmp_path / "weights")
    other = movie(tmp_path / "other.avi", count=5)
    for video, finder, says in (
        (path, replace(SQUARES, network=model), "another model"),
        (path, replace(SQUARES, focal=50.0), "another camera and assumptions"),
        (path, replace(SQUARES, least=0.1), "another detector"),
        (other, SQUARES, "another source"),
    ):
        with pytest.raises(ValueError, match=f"was made with {says}: choose another --out"):
            predict_video(Video(video), finder, out)
    (out / "people.jsonl").write_text("my own notes\n")
    with pytest.raises(ValueError, match="is no log of posekit's"):
        predict_video(Video(path), SQUARES, out)
    assert (out / "people.jsonl").read_text() == "my own notes\n"


class Capture:
    """Stands for a camera of OpenCV's: grey pictures that get lighter, five of them."""

    def __init__(self, index):
        self.opened, self.number = index == 2, 0

    def isOpened(self):
        return self.opened

    def get(self, fact):
        return {cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FRAME_HEIGHT: 48}.get(fact, 0.0)

    def read(self):
        self.number += 1
        return self.number <= 5, np.full((48, 64, 3), 40 * self.number, np.uint8)

    def release(self):
        self.opened = False


def test_a_webcam_is_recorded_predicted_and_drawn(tmp_path, monkeypatch):
    real = cv2.VideoCapture
    monkeypatch.setattr(
        video_module.cv2,
        "VideoCapture",
        lambda s, *how: Capture(s) if isinstance(s, int) else real(s, *how),
    )
    with pytest.raises(ValueError, match="there is no camera 0"):
        Webcam(0, tmp_path / "out")
    for most, frames in ((3, 3), (None, 5)):
        out = tmp_path / f"out-{most}"
        done = predict_video(Webcam(2, out), Finder(MIDDLE, whole_picture()), out, most=most)
        assert done == (frames, frames, False, None)
        assert len(list(Video(out / "drawn.mp4").frames())) == frames
        times = [row["time"] for row in read_log(out / "people.jsonl")]
        assert times == sorted(times)
    with pytest.raises(ValueError, match="there is a recording in .*choose another --out"):
        Webcam(2, out)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mp4", b"", "is empty, no picture and no video"),
        ("a.mp4", b"#EXTM3U\n#EXT-X-VERSION:3\nhttp://example.org/a.ts\n", "is a text, no picture"),
        ("a.mp4", bytes(range(256)) * 40, "is no video, nor a JPEG or PNG"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} {says}"):
        Video(tmp_path / name)


def test_a_video_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, command):
    path = movie(tmp_path / "cut.avi", count=30)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    finished_run(tmp_path / "run")
    words = ("predict", path, "--model", tmp_path / "run", "--out", tmp_path / "out")
    status, printed, _ = command(*words, "--detector", "whole")
    count = len(read_log(tmp_path / "out" / "people.jsonl"))
    assert status == 0 and 5 < count < 30 and f"frames: {count}, people in all" in printed
    assert Video(path).count in (None, count) or "is it whole?" in printed


# Networks


def test_a_network_is_asked_for_its_skeleton_and_for_finite_numbers():
    assert MIDDLE.skeleton is H36M17 and pointing(0.0, 0.0, 0.0, joints=18).skeleton is MOON18
    crops = torch.zeros(70, 3, 64, 64, dtype=torch.uint8)
    camera, box = camera_of((64, 64)), Detection((0, 0, 65, 65))
    windows = [window(box, 64, (66, 66), "here")] * 70
    people = MIDDLE.people(crops, windows, camera)
    assert len(people) == 70 and {person.depth for person in people} == {people[0].depth}
    with pytest.raises(ValueError, match="pointing predicts numbers that are not finite"):
        pointing(0.0, math.nan, 0.0).people(crops, windows, camera)
    with pytest.raises(ValueError, match=r"pointing has 16 joints; 17 \(Human3.6M-17\), 18 .*, 21"):
        pointing(0.0, 0.0, 0.0, joints=16)


# The command line


def test_the_command_predicts_a_picture_with_boxes_typed_by_hand(tmp_path, command):
    finished_run(tmp_path / "run")
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((80, 90, 3), np.uint8))
    out = tmp_path / "out"
    words = ("predict", tmp_path / "one.png", "--model", tmp_path / "run", "--out", out)
    boxes = ("--box", "5,5,40,60", "--box", "40,8,40,60")
    status, printed, _ = command(*words, *boxes, "--focal", 120)
    assert (
        status == 0
        and "people: 2\nnetwork: size smoke: hardly trained\nfound by: given boxes" in printed
    )
    assert json.loads((out / "people.json").read_text())["camera"]["focal"] == [120, 120]
    for mistaken, says in (
        ((*words, *boxes, "--boxes", "a.csv"), "not both"),
        ((*words, "--box", "5,5,40"), "left, top, width and height"),
        ((*words[:2], "--model", "best", "--out", out), "the model best is neither a run's folder"),
        ((*words, "--device", "tpu"), "no device 'tpu'"),
        (("predict", "a.jpg", "--model", "best"), "no picture or video a.jpg$"),
        (("predict", "sampel"), "no picture or video sampel: did you mean sample[?]"),
        (("predict", "webcam1"), "no picture or video webcam1: did you mean webcam[?]"),
        (("predict", tmp_path), "is a folder, not a picture or video: name"),
        (("predict", "a.json"), "no file of 2D joints a.json"),
    ):
        status, printed, error = command(*mistaken)
        (line,) = error.splitlines()
        assert status == 1 and not printed and re.search(says, line)


def test_the_command_takes_an_exported_network(tmp_path, command, exported):
    network, path = exported("integral", ".xml")
    picture = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), picture[..., ::-1])
    words = ("--model", path, "--detector", "whole", "--out", tmp_path / "out")
    assert command("predict", tmp_path / "one.png", *words)[0] == 0
    (written,) = json.loads((tmp_path / "out" / "people.json").read_text())["people"]
    in_torch = pose_network(Predictor("", path, "integral", (3, 64, 64), network))
    whole = [Detection((0, 0, 90, 80))]
    with torch.no_grad():
        (person,) = locate(picture, whole, in_torch, camera_of((80, 90)), "here")
    assert np.abs(np.subtract(written["joints3d"], person.joints3d.numpy())).max() < 0.2


def test_a_killed_command_goes_on_where_it_stopped(tmp_path, command):
    path, out = movie(tmp_path / "square.avi", count=80), tmp_path / "out"
    finished_run(tmp_path / "run")
    words = ["predict", path, "--model", tmp_path / "run", "--detector", "whole", "--out", out]
    start = [sys.executable, "-c", "from posekit.cli import main; main()", *map(str, words)]
    killed = subprocess.Popen(start, cwd=ROOT)
    log = out / "people.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") < 4:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    lines = log.read_bytes().splitlines(keepends=True)
    assert 4 <= len(lines) < 81 and not (out / "drawn.mp4").exists()
    status, printed, _ = command(*words, "--frames", len(lines) + 3)
    after = log.read_bytes().splitlines(keepends=True)
    assert len(after) == len(lines) + 4 and after[: len(lines) - 1] == lines[:-1]
    assert status == 0 and f"frames: {len(lines) + 3}" in printed and (out / "drawn.mp4").exists()


def test_the_files_that_are_documented_are_the_files_that_are_written():
    for name in (
        predict.PEOPLE,
        predict.LOG,
        predict.STILL,
        predict.FILM,
        predict.BODIES,
        RECORDING,
    ):
        assert name in predict.__doc__
