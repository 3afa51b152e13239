"""`posekit predict`: from pictures and videos to people in space."""

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
from PIL import Image
from test_cli import complaint, posekit  # noqa: F401, a fixture

from posekit.geometry.skeleton import H36M17, MOON18
from posekit.inference import predict, trained
from posekit.inference import video as video_module
from posekit.inference.boxes import Given
from posekit.inference.detectors import Found, Whole
from posekit.inference.drawing import draw, space
from posekit.inference.localise import Person, camera_of, locate, root_depth
from posekit.inference.output import read_log
from posekit.inference.predict import predict_picture, predict_video
from posekit.inference.trained import Trained
from posekit.inference.video import RECORDING, Video, Webcam, read_shown
from posekit.models import zoo
from posekit.models.integral import to_cube
from posekit.studio.pictures import StudioPictures

SHAPE = {"side": 64, "depth": 4, "channels": 8, "width": 4}
ROOT = Path(__file__).resolve().parents[2]


def pointing(*cube, side=64):
    """Stands for a network: everybody's joints are all at one place of the cube."""
    place = torch.tensor(cube).float()

    def forward(crops):
        return place.expand(len(crops), 17, 3)

    return Trained("pointing", "0" * 64, H36M17, side, forward)


MIDDLE = pointing(0.0, 0.0, 0.0)


def kept(folder, network="resnet", **shape):
    """A finished run's folder with an untaught network."""
    torch.manual_seed(0)
    config = {"subject": "ours", "network": network, "shape": shape or SHAPE}
    built = zoo.NETWORKS[network](**config["shape"])
    folder.mkdir(parents=True)
    torch.save(built.state_dict(), folder / "network.pt")
    record = {"id": folder.name, "config": config}
    (folder / "record.json").write_text(json.dumps(record))
    return built


def movie(path, count=12, size=(96, 64)):
    """A video of a bright square that moves to the right, 4 px a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, size)
    for number in range(count):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        picture[20:40, 4 * number : 4 * number + 20] = 255
        writer.write(picture)
    writer.release()
    return path


class Bright:
    """Finds the bright square of `movie`."""

    name, note, remedy = "bright", "only squares", ""

    def __init__(self):
        self.asked = []

    def find(self, picture, frame):
        self.asked.append(frame)
        (columns,) = np.nonzero(picture[30, :, 0] > 128)
        return [Found((float(columns[0]), 20.0, 20.0, 20.0), 0.9)]


# Geometry


def test_a_box_of_two_metres_is_as_far_away_as_the_pinhole_rule_says():
    camera = camera_of((1000, 1000), focal=1000.0)
    # 2000 mm at 4000 mm are 500 px of a focal length of 1000 px.
    assert root_depth(camera, 500.0**2) == pytest.approx(4000)
    # RootNet's own form: sqrt(fx fy A_real / A_box), here for a box of 320 x 200 px.
    picture = np.zeros((1000, 1000, 3), np.uint8)
    (person,) = locate(picture, [Found((100, 100, 320, 200))], MIDDLE, camera, "here")
    extended = (320 * 1.25) ** 2  # square, and widened
    assert person.depth == pytest.approx(math.sqrt(1000 * 1000 * 2000 * 2000 / extended))


def test_the_middle_of_the_cube_is_the_middle_of_the_box_at_that_depth():
    picture = np.zeros((480, 640, 3), np.uint8)
    camera = camera_of((480, 640), focal=500.0)
    (person,) = locate(picture, [Found((400, 100, 80, 120))], MIDDLE, camera, "here")
    middle = torch.tensor([400 - 0.5 + 40 + 0.5, 100 + 60.0])
    assert (person.joints2d - middle).abs().max() < 1e-3
    x = (440 - 319.5) / 500 * person.depth
    y = (160 - 239.5) / 500 * person.depth
    assert person.joints3d[0].tolist() == pytest.approx([x, y, person.depth], rel=1e-5)
    (deeper,) = locate(
        picture, [Found((400, 100, 80, 120))], pointing(0.0, 0.0, 0.25), camera, "here"
    )
    assert (deeper.joints3d[:, 2] - person.depth - 500).abs().max() < 1e-2  # a quarter of 2 m


def test_true_joints_in_the_cube_come_back_as_the_studios_true_joints():
    batch = StudioPictures(["S9"], every=300, size=128)[[3, 50]]
    depths = batch.joints3d[..., 2]
    cube = to_cube(batch.joints2d, depths - depths[:, :1], (128, 128))
    for number, image in enumerate(batch.images):
        network = replace(MIDDLE, side=128, forward=lambda crops, n=number: cube[n : n + 1])
        K = batch.intrinsics[number]
        # The crop is itself a picture, whose box takes 1 / 1.25 of its side.
        margin = (128 - 128 / 1.25) / 2 - 0.5
        box = (margin, margin, 128 / 1.25, 128 / 1.25)
        camera = camera_of((128, 128), focal=K[0, 0].item())
        offset = K[:2, 2].double()
        camera = replace(camera, principal=offset)
        picture = image.permute(1, 2, 0).numpy()
        (person,) = locate(picture, [Found(box)], network, camera, "here")
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
    found = [Found((0, 0, 10, 10)), Found((300, 0, 10, 10))]
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
    picture, film = read_shown(path)
    assert picture.shape == (40, 60, 3) and film == 28
    assert np.abs(picture.astype(int) - upright).mean() < 2


def test_a_picture_becomes_numbers_a_drawing_and_a_page(tmp_path):
    path = tmp_path / "two.png"
    grey = np.full((120, 200, 3), 90, np.uint8)
    cv2.imwrite(str(path), grey)
    boxes = Given([Found((10, 10, 60, 100)), Found((120, 20, 50, 80), 0.7)], {})
    people = predict_picture(path, MIDDLE, boxes, tmp_path / "out", focal=300.0)
    written = json.loads((tmp_path / "out" / "people.json").read_text())
    assert written["schema"] == 1
    assert written["source"] == {"name": "two.png", "width": 200, "height": 120}
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
    boxes = Given([Found((5, 5, 30, 30), 0.4)], {})
    for least, count in ((0.5, 0), (0.4, 1)):
        people = predict_picture(
            tmp_path / "one.png", MIDDLE, boxes, tmp_path / f"{count}", least=least
        )
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


def test_people_stand_in_space_as_far_away_as_they_are():
    near, far = torch.zeros(17, 3), torch.zeros(17, 3)
    near[:, 2], far[:, 2] = 3000.0, 7000.0
    near[0, 1] = -500.0  # up
    people = [
        Person((0, 0, 1, 1), None, d, torch.zeros(17, 2), j) for d, j in ((3e3, near), (7e3, far))
    ]
    figure = space([people], H36M17, title="two", rate=1.0)
    bones = [trace for trace in figure.data if trace.mode != "text"]
    y, z = (np.concatenate([trace[axis] for trace in bones]) for axis in "yz")
    assert {*y[~np.isnan(y)]} == {3000.0, 7000.0} and np.nanmax(z) == 500
    assert figure.data[-1].text == ("3.0 m", "7.0 m")
    moving = space([people[:1], people, []], H36M17, title="three frames", rate=5.0)
    assert len(moving.frames) == 3 and moving.frames[2].data[-1].text == ("", "")
    with pytest.raises(ValueError, match="nobody to draw"):
        space([[]], H36M17, title="none", rate=1.0)


# Videos


def test_a_video_is_predicted_frame_by_frame_and_drawn(tmp_path):
    path = movie(tmp_path / "square.avi")
    done = predict_video(Video(path), MIDDLE, Bright(), tmp_path / "out")
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


def test_an_interrupted_video_goes_on_behind_its_last_whole_line(tmp_path):
    path, out = movie(tmp_path / "square.avi"), tmp_path / "out"
    whole = predict_video(Video(path), MIDDLE, Bright(), tmp_path / "whole")
    predict_video(Video(path), MIDDLE, Bright(), out, most=7)
    log = out / "people.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    log.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])  # killed while writing frame 6
    detector = Bright()
    done = predict_video(Video(path), MIDDLE, detector, out)
    assert done == whole and detector.asked == list(range(6, 12))
    assert log.read_bytes() == (tmp_path / "whole" / "people.jsonl").read_bytes()
    again = Bright()
    predict_video(Video(path), MIDDLE, again, out)
    assert again.asked == []


class Impatient(Bright):
    def find(self, picture, frame):
        if frame == 5:
            os.kill(os.getpid(), self.signal)
            time.sleep(5)
        return super().find(picture, frame)


@pytest.fixture
def terminal():
    """Ctrl-C as in a terminal: jobs that a shell has in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_is_kept_and_drawn_when_somebody_stops_it(tmp_path, number, terminal):
    path, detector = movie(tmp_path / "square.avi"), Impatient()
    detector.signal = number
    before = signal.getsignal(signal.SIGTERM)
    done = predict_video(Video(path), MIDDLE, detector, tmp_path / "out")
    assert done == (5, 5, True, 12) and signal.getsignal(signal.SIGTERM) is before
    assert len(list(Video(tmp_path / "out" / "drawn.mp4").frames())) == 5
    assert predict_video(Video(path), MIDDLE, Bright(), tmp_path / "out").frames == 12
    assert not [*(tmp_path / "out").glob(".*")]


def test_a_log_of_another_video_model_or_setting_is_not_gone_on_with(tmp_path):
    path, out = movie(tmp_path / "square.avi"), tmp_path / "out"
    predict_video(Video(path), MIDDLE, Bright(), out, most=2)
    other = movie(tmp_path / "other.avi", count=5)
    for video, model, more, says in (
        (path, replace(MIDDLE, digest="1" * 64), {}, "another model"),
        (path, MIDDLE, {"focal": 50.0}, "another camera and assumptions"),
        (path, MIDDLE, {"least": 0.1}, "another detector"),
        (other, MIDDLE, {}, "another source"),
    ):
        with pytest.raises(ValueError, match=f"was made with {says}: choose another --out"):
            predict_video(Video(video), model, Bright(), out, **more)
    (out / "people.jsonl").write_text("my own notes\n")
    with pytest.raises(ValueError, match="is no log of posekit's"):
        predict_video(Video(path), MIDDLE, Bright(), out)
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
        video_module.cv2, "VideoCapture", lambda s: Capture(s) if isinstance(s, int) else real(s)
    )
    with pytest.raises(ValueError, match="there is no camera 0"):
        Webcam(0, tmp_path / "out")
    for most, frames in ((3, 3), (None, 5)):
        out = tmp_path / f"out-{most}"
        done = predict_video(Webcam(2, out), MIDDLE, Whole(), out, most=most)
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
        ("a.mp4", bytes(range(256)) * 40, "is neither a JPEG, nor a PNG, nor a video to OpenCV"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} {says}"):
        Video(tmp_path / name)


def test_a_video_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, posekit):  # noqa: F811
    path = movie(tmp_path / "cut.avi", count=30)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    kept(tmp_path / "run")
    words = ("predict", path, "--model", tmp_path / "run", "--out", tmp_path / "out")
    status, said, _ = posekit(*words, "--detector", "whole")
    count = len(read_log(tmp_path / "out" / "people.jsonl"))
    assert status == 0 and 5 < count < 30 and f"frames: {count}, people in all" in said
    assert Video(path).count in (None, count) or "is it whole?" in said


# Networks


def test_the_network_of_a_run_says_what_it_says_in_training(tmp_path, monkeypatch):
    network = kept(tmp_path / "0123456789abcdef").eval()
    crops = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        true = network(crops.float() / 255)
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    for model in ("0123456789abcdef", tmp_path / "0123456789abcdef"):
        for given in (str(model), str(tmp_path / "0123456789abcdef" / "network.pt")):
            loaded = trained.load(given)
            assert loaded.side == 64 and loaded.skeleton is H36M17
            assert (loaded.joints(crops) - true).abs().max() < 1e-5


def test_a_mobile_network_of_plain_data_is_the_one_of_its_module(tmp_path):
    shape = {"side": 64, "joints": 18, "layout": "half", "width": 0.25, "channels": 16, "depth": 4}
    kept(tmp_path / "run", "mobile", **shape)
    loaded = trained.load(str(tmp_path / "run"))
    assert loaded.skeleton is MOON18
    assert loaded.joints(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, 18, 3)


def test_a_network_that_gives_no_numbers_is_not_believed():
    with pytest.raises(ValueError, match="pointing gave .* not all finite"):
        pointing(0.0, math.nan, 0.0).joints(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def _code(path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (path.parent / "ran",))

    torch.save({"weights": Evil()}, path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "network.pt").unlink(), "no .*network.pt: a finished run"),
        (lambda f: (f / "network.pt").write_bytes(b"PK"), "network.pt is damaged or of another"),
        (lambda f: _code(f / "network.pt"), "network.pt is damaged or of another"),
        (
            lambda f: (f / "network.pt").write_bytes(bytes(11_000_000)),
            "11,000,000 bytes, more than such a network needs",
        ),
        (lambda f: (f / "record.json").write_text("{"), "record.json does not say which network"),
        (lambda f: (f / "record.json").write_text('{"config": {}}'), "does not say which network"),
        (
            lambda f: (f / "record.json").write_text(
                '{"config": {"network": "original", "shape": {}}}'
            ),
            "run trained the network 'original'; joints in space are predicted by resnet, r152, bot",
        ),
        (
            lambda f: (f / "record.json").write_text(
                json.dumps({"config": {"network": "resnet", "shape": {"side": 64, "arms": 3}}})
            ),
            "record.json: no resnet network has the shape .*arms",
        ),
        (
            lambda f: (f / "record.json").write_text(
                json.dumps({"config": {"network": "resnet", "shape": SHAPE | {"depth": 8}}})
            ),
            "network.pt is damaged or of another",
        ),
    ],
)
def test_a_damaged_run_is_named_and_nothing_in_it_runs(tmp_path, damage, says):
    kept(tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        trained.load(str(tmp_path / "run"))
    assert not (tmp_path / "run" / "ran").exists()


def test_an_onnx_file_needs_onnx_runtime_and_gives_the_same_joints(tmp_path):
    path = tmp_path / "network.onnx"
    with pytest.raises(FileNotFoundError, match="there is no network .*network.onnx"):
        trained.load(str(path))
    path.write_bytes(b"no network")
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(ModuleNotFoundError, match=r'pip install "posekit\[export\]"'):
            trained.load(str(path))
        pytest.skip("the extra export is not installed: only its absence is checked")
    with pytest.raises(ValueError, match="is no network that ONNX Runtime reads"):
        trained.load(str(path))
    export = pytest.importorskip("posekit.export")
    network = kept(tmp_path / "run").eval()
    crops = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    own = trained.load(str(tmp_path / "run")).joints(crops)
    for inside in (True, False):
        export.onnx(network, path, torch.zeros(1, 3, 64, 64), inside=inside)
        loaded = trained.load(str(path))
        assert loaded.side == 64 and loaded.skeleton is H36M17
        assert (loaded.joints(crops) - own).abs().max() < 1e-4


# The command line


def test_the_command_predicts_a_picture_with_boxes_typed_by_hand(tmp_path, posekit):  # noqa: F811
    kept(tmp_path / "run")
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((80, 90, 3), np.uint8))
    words = (
        "predict",
        tmp_path / "one.png",
        "--model",
        tmp_path / "run",
        "--out",
        tmp_path / "out",
    )
    boxes = ("--box", "5,5,40,60", "--box", "40,8,40,60")
    status, said, _ = posekit(*words, *boxes, "--focal", 120)
    assert status == 0 and "people: 2\nfound by: given boxes" in said
    assert json.loads((tmp_path / "out" / "people.json").read_text())["camera"]["focal"] == [
        120,
        120,
    ]
    assert re.search("not both", complaint(posekit(*words, *boxes, "--boxes", "a.csv")))
    assert "left, top, width and height" in complaint(posekit(*words, "--box", "5,5,40"))
    nowhere = complaint(posekit(*words[:2], "--model", "best", "--out", tmp_path / "out"))
    assert re.search("--model best is neither a run's folder", nowhere)
    assert "no device 'tpu'" in complaint(posekit(*words, "--device", "tpu"))
    assert "no picture or video" in complaint(posekit("predict", "a.jpg", "--model", "best"))


def test_a_killed_command_goes_on_where_it_stopped(tmp_path):
    path, out = movie(tmp_path / "square.avi", count=400), tmp_path / "out"
    kept(tmp_path / "run")
    words = ["predict", path, "--model", tmp_path / "run", "--detector", "whole", "--out", out]
    start = [sys.executable, "-c", "from posekit.cli import main; main()", *map(str, words)]
    first = subprocess.Popen(start, cwd=ROOT)
    log = out / "people.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") < 4:
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.wait()
    lines = log.read_bytes().splitlines(keepends=True)
    assert 4 <= len(lines) < 401 and not (out / "drawn.mp4").exists()
    limit = ["--frames", str(len(lines) + 3)]
    done = subprocess.run(start + limit, cwd=ROOT, capture_output=True, text=True, check=True)
    after = log.read_bytes().splitlines(keepends=True)
    assert len(after) == len(lines) + 4 and after[: len(lines) - 1] == lines[:-1]
    assert f"frames: {len(lines) + 3}" in done.stdout and (out / "drawn.mp4").exists()


def test_the_files_that_are_documented_are_the_files_that_are_written():
    for name in (predict.PEOPLE, predict.LOG, predict.STILL, predict.FILM, RECORDING):
        assert name in predict.__doc__
