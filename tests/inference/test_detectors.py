"""Detectors of people."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

from posekit.inference import adapters, blazepose, evaluation
from posekit.inference.detectors import Detection, choose, faster_rcnn, hog, whole_picture
from posekit.inference.detectors import blazepose as blazepose_detector
from posekit.models.torchvision_compat import torchvision

BLANK = np.zeros((200, 300, 3), np.uint8)
WEIGHTS = "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth"


class Descriptor:
    """Stands for OpenCV's HOG where it is missing: sees windows of 64 x 128 px, and one of half the size."""

    def setSVMDetector(self, taught):
        self.taught = taught

    def detectMultiScale(self, grey, winStride, scale):
        assert grey.ndim == 2 and self.taught == "people"
        windows = [[104, 44, 64, 128], [100, 40, 64, 128], [124, 40, 64, 128], [10, 0, 32, 64]]
        return np.array(windows), np.array([[-1.0], [2.0], [1.0], [0.0]])


def test_the_whole_picture_is_the_box_of_one_person():
    assert whole_picture().find(BLANK, 7) == [Detection((0, 0, 300, 200))]


def test_a_window_of_hog_holds_a_person_of_three_quarters_of_its_height(monkeypatch):
    monkeypatch.setattr(cv2, "HOGDescriptor", Descriptor, raising=False)
    monkeypatch.setattr(
        cv2, "HOGDescriptor_getDefaultPeopleDetector", lambda: "people", raising=False
    )
    # The first window shows the second one's person, with which it shares 73 % of its area; the
    # third shares 14 % with it.
    best, beside, other = hog().find(BLANK, 0)
    assert best.box == (116, 56, 32, 96) and best.score == pytest.approx(0.880797, abs=1e-6)
    assert beside.box == (140, 56, 32, 96)
    assert other.box == (18, 8, 16, 48) and other.score == 0.5
    assert hog().find(BLANK[:100], 0) == []


@pytest.mark.skipif(not hasattr(cv2, "HOGDescriptor"), reason="this OpenCV has no HOG")
def test_hog_finds_the_skier_who_stands_upright(shared):
    picture = cv2.imread(str(shared / "coco4" / "000000196141.jpg"))[..., ::-1].copy()
    (best, *_) = hog().find(picture, 0)
    true = (36.12, 67.59, 30.41, 96.08)  # COCO's box
    assert best.box == pytest.approx(true, abs=6)


@pytest.mark.skipif(hasattr(cv2, "HOGDescriptor"), reason="this OpenCV has HOG")
def test_without_hog_the_remedy_is_named_and_auto_takes_the_whole_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(blazepose, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="opencv-contrib-python-headless in place of"):
        choose("hog")
    chosen = choose("auto")
    assert chosen.name == "whole picture"
    assert "there is no detector here" in chosen.remedy and "contrib" in chosen.remedy
    assert "pip install --no-deps mediapipe==" in chosen.remedy


def anchored(middle, face, hips, rim) -> tuple[np.ndarray, int]:
    """BlazePose's 12 numbers of somebody in px of its input, and the anchor that they count from."""
    places = blazepose.anchors() * 224
    anchor = int(np.linalg.norm(places - middle, axis=1).argmin())
    points = [np.subtract(each, places[anchor]) for each in (hips, rim, hips, rim)]
    return np.concatenate([np.subtract(middle, places[anchor]), face, *points]), anchor


def test_blazepose_s_numbers_are_circles_about_the_hips():
    """MediaPipe's pose_detection_cpu.pbtxt: offsets from anchors over 224 px; the body's circle is
    about the first key point and goes through the second."""
    numbers, logits = np.zeros((2254, 12)), np.full(2254, -50.0)
    one, first = anchored((50, 40), (20, 20), (55, 100), (55, 190))
    other, second = anchored((170, 60), (30, 30), (160, 120), (160, 60))
    for row, anchor, logit in ((one, first, 2.0), (other, second, 3.0)):
        numbers[anchor], logits[anchor] = row, logit
    beside = first + 1  # the other anchor of the same cell sees the same face, hips 10 px lower
    numbers[beside], logits[beside] = numbers[first] + np.eye(12)[[5, 7]].sum(0) * 10, 2.0
    a, b = blazepose.circles(numbers, logits, 0.5)
    assert a[0].tolist() == pytest.approx([160, 120])
    assert a[1].tolist() == pytest.approx([160, 60])
    assert a[2] == pytest.approx(1 / (1 + np.exp(-3)))
    assert b[0].tolist() == pytest.approx([55, 105]) and b[1].tolist() == pytest.approx([55, 195])
    assert len(list(blazepose.circles(numbers, logits, 0.9))) == 1


def test_blazepose_finds_small_people_in_parts_of_the_picture_once():
    def network(seen):
        """Sees a face wherever the input has a bright block, as large as the block."""
        numbers, logits = np.zeros((2254, 12)), np.full(2254, -50.0)
        ys, xs = np.nonzero(seen[0, :, :, 0] > 0.5)
        if len(xs):
            side = np.ptp(xs) + 1
            middle = np.array([xs.min() + side / 2, ys.min() + side / 2])
            rim = middle + [0, 3 * side]
            row, anchor = anchored(middle, (side, side), middle, rim)
            numbers[anchor], logits[anchor] = row, 4.0
        return numbers[None], logits[None, :, None]

    picture = np.zeros((400, 600, 3), np.uint8)
    picture[185:215, 285:315] = 255
    ((box, score),) = blazepose.people(network, picture)
    assert box == pytest.approx((300 - 72, 200 - 72, 144, 144), abs=25) and score > 0.9
    places = list(blazepose.parts((400, 600)))
    assert {side for *_, side in places} == {266} and len(places) == 2 * 4
    assert min(left for left, *_ in places) == 0 and max(left for left, *_ in places) == 600 - 266


def test_blazepose_turns_a_crop_so_that_the_person_stands_upright():
    """Somebody on their head in a crop of 448 px: hips in the middle, a point on the circle below."""
    numbers, logits = np.zeros((2254, 12)), np.full(2254, -50.0)
    row, anchor = anchored((112, 160), (20, 20), (112, 112), (112, 172))
    numbers[anchor], logits[anchor] = row, 4.0
    crop = np.zeros((448, 448, 3), np.uint8)
    crop[299:302, 219:222] = 255  # (220, 300), near the head
    asked = []

    def landmarks(seen):
        """Says that all points are at the brightest pixel, and in space 1 m above the hips."""
        y, x = np.unravel_index(seen[0, :, :, 0].argmax(), (256, 256))
        asked.append((x, y))
        places = np.zeros((1, 39, 5), np.float32)
        places[..., :2] = x, y
        space = np.tile(np.float32([0, -1, 0.5]), (1, 39, 1))
        return [places.reshape(1, -1), np.zeros((1, 1)), space.reshape(1, -1)]

    detector = lambda seen: (numbers[None], logits[None, :, None])
    places, space = blazepose.keypoints(detector, landmarks, crop)
    # the circle's radius, 120 px, becomes 128 / 1.25; left and right, up and down change places
    scale = 128 / 1.25 / 120
    assert asked[0] == pytest.approx((128 + 4 * scale, 128 - 76 * scale), abs=1.5)
    assert places == pytest.approx(np.tile([220, 300], (17, 1)), abs=2)
    assert space == pytest.approx(np.tile([0, 1000, 500], (17, 1)))
    nobody = lambda seen: (numbers[None], np.full((1, 2254, 1), -50.0))
    assert blazepose.keypoints(nobody, landmarks, crop[:256, :256])[1][0].tolist() == [
        0,
        -1000,
        500,
    ]


def test_blazepose_s_points_in_another_crop_are_a_turn_and_a_zoom():
    hips, rim = np.array([40.0, 70.0]), np.array([70.0, 30.0])  # 50 px apart
    there = blazepose.upright(hips, rim)
    assert there @ [*hips, 1] == pytest.approx([128, 128])
    assert there @ [*rim, 1] == pytest.approx([128, 128 - 128 / 1.25])
    turn = there[:, :2] / np.sqrt(np.linalg.det(there[:, :2]))
    assert turn @ turn.T == pytest.approx(np.eye(2))


@pytest.mark.skipif(find_spec("mediapipe") is None, reason="mediapipe's weights are not installed")
def test_blazepose_s_joints_of_photographs_are_near_the_labels(shared):
    judged = evaluation.evaluate(adapters.blazepose(), {"pose2sim": shared / "pose2sim_demo"})
    errors = judged.table.set_index("rule")["BlazePose"]
    assert errors["pose2sim-pa"] < 110 and errors["pose2sim-mpjpe"] < 175


@pytest.mark.skipif(find_spec("mediapipe") is None, reason="mediapipe's weights are not installed")
def test_blazepose_finds_the_people_of_photographs(shared):
    for name, count in (("000000000785", 1), ("000000197388", 2)):
        picture = cv2.imread(str(shared / "coco4" / f"{name}.jpg"))[..., ::-1].copy()
        assert len(blazepose_detector().find(picture, 0)) >= count


def test_a_detector_of_another_name_is_refused():
    with pytest.raises(
        ValueError, match="no detector 'yolo'; there are auto, blazepose, torchvision, hog"
    ):
        choose("yolo")


@pytest.fixture
def operators(monkeypatch):
    """As if torchvision's compiled operators were here, which only `find` would really need."""
    monkeypatch.setattr(torchvision.ops, "nms", lambda *_: torch.zeros(1, dtype=torch.int64))


def test_missing_operators_are_named_with_the_remedy(monkeypatch):
    def missing(*_):
        raise RuntimeError("Couldn't load custom C++ ops")

    monkeypatch.setattr(torchvision.ops, "nms", missing)
    with pytest.raises(ImportError, match="compiled operators are not there.*whl"):
        faster_rcnn()


def test_missing_weights_are_named_with_where_they_go(operators, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{WEIGHTS}; get it at https://download.pytorch"):
        faster_rcnn()

    def offline(*_):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match="no route to host.*put it at .*--detector whole"):
        choose("torchvision")


def test_damaged_weights_are_named(operators, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / WEIGHTS
    path.parent.mkdir()
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=f"{WEIGHTS} is damaged: delete it and get it again"):
        faster_rcnn()


class Network(torch.nn.Module):
    """Stands for a Faster R-CNN: a person, a dog, and a box without an area."""

    def __init__(self, weights=None, weights_backbone=None):
        super().__init__()
        self.scores = torch.nn.Parameter(torch.zeros(3))

    def forward(self, pictures):
        assert pictures[0].shape == (3, 200, 300) and not self.training
        boxes = torch.tensor([[10.0, 20, 50, 100], [0, 0, 9, 9], [5, 5, 5, 9]])
        return [{"boxes": boxes, "labels": torch.tensor([1, 18, 1]), "scores": self.scores}]


def test_torchvision_gives_people_only_as_left_top_width_height(operators, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torchvision.models.detection, "fasterrcnn_mobilenet_v3_large_fpn", Network)
    path = tmp_path / "checkpoints" / WEIGHTS
    path.parent.mkdir()
    torch.save({"scores": torch.full((3,), 0.5)}, path)
    assert choose("auto").find(BLANK, 0) == [Detection((10.0, 20.0, 40.0, 80.0), 0.5)]
