"""Who is in a picture: detectors and files of boxes."""

import json
import re

import cv2
import numpy as np
import pytest
import torch

from posekit.inference import detectors
from posekit.inference.boxes import box_of, read_boxes
from posekit.inference.detectors import Found, Hog, Torchvision, Whole, choose, without_doubles
from posekit.models.torchvision_compat import torchvision

BLANK = np.zeros((200, 300, 3), np.uint8)
WEIGHTS = "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth"


class Descriptor:
    """Stands for OpenCV's HOG where it is missing: sees one window of 64 x 128 px, once at 2 x."""

    def setSVMDetector(self, taught):
        self.taught = taught

    def detectMultiScale(self, grey, winStride, scale):
        assert grey.ndim == 2 and self.taught == "people"
        return np.array([[100, 40, 64, 128], [104, 44, 64, 128], [10, 0, 32, 64]]), np.array(
            [[2.0], [0.0], [0.0]]
        )


def test_the_whole_picture_is_the_box_of_one_person():
    assert Whole().find(BLANK, 7) == [Found((0, 0, 300, 200))]


def test_a_window_of_hog_holds_a_person_of_three_quarters_of_its_height(monkeypatch):
    monkeypatch.setattr(cv2, "HOGDescriptor", Descriptor, raising=False)
    monkeypatch.setattr(
        cv2, "HOGDescriptor_getDefaultPeopleDetector", lambda: "people", raising=False
    )
    best, other = Hog().find(BLANK, 0)  # the second window shows the first one's person
    assert best.box == (116, 56, 32, 96) and best.score == pytest.approx(0.880797, abs=1e-6)
    assert other.box == (18, 8, 16, 48) and other.score == 0.5
    assert Hog().find(BLANK[:100], 0) == []


@pytest.mark.skipif(not hasattr(cv2, "HOGDescriptor"), reason="this OpenCV has no HOG")
def test_hog_finds_the_skier_who_stands_upright(shared):
    picture = cv2.imread(str(shared / "coco4" / "000000196141.jpg"))[..., ::-1].copy()
    (best, *_) = Hog().find(picture, 0)
    true = (36.12, 67.59, 30.41, 96.08)  # COCO's box
    assert best.box == pytest.approx(true, abs=6)


def test_of_two_boxes_that_mostly_agree_the_surer_stays():
    kept = [Found((0, 0, 10, 10), 0.6), Found((8, 0, 10, 10), 0.7)]  # share 2 of 18 px
    found = [*kept, Found((0, 1, 10, 10), 0.5)]  # 9 of 11 with the first
    assert without_doubles(found) == kept[::-1]


@pytest.mark.skipif(hasattr(cv2, "HOGDescriptor"), reason="this OpenCV has HOG")
def test_without_hog_the_remedy_is_named_and_auto_takes_the_whole_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ImportError, match="opencv-contrib-python-headless in place of"):
        choose("hog")
    chosen = choose("auto")
    assert isinstance(chosen, Whole)
    assert "there is no detector here" in chosen.remedy and "contrib" in chosen.remedy


def test_a_detector_of_another_name_is_refused():
    with pytest.raises(ValueError, match="no detector 'yolo'; there are auto, torchvision, hog"):
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
        Torchvision()


def test_missing_weights_are_named_with_where_they_go(operators, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{WEIGHTS}; get it at https://download.pytorch"):
        Torchvision()

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
        Torchvision()


def test_torchvision_gives_people_only_as_left_top_width_height(operators, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / WEIGHTS
    path.parent.mkdir()
    builder = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_fpn
    torch.manual_seed(0)
    untaught = builder(weights=None, weights_backbone=None)
    torch.save(untaught.state_dict(), path)
    detector = choose("auto")
    assert isinstance(detector, Torchvision)
    assert all(
        torch.equal(a, b)
        for a, b in zip(untaught.parameters(), detector.network.parameters(), strict=True)
    )

    def seen(pictures):
        assert pictures[0].shape == (3, 200, 300)
        boxes = torch.tensor([[10.0, 20, 50, 100], [0, 0, 9, 9], [5, 5, 5, 9]])
        return [
            {"boxes": boxes, "labels": torch.tensor([1, 18, 1]), "scores": torch.full((3,), 0.5)}
        ]

    detector.network = seen
    assert detector.find(BLANK, 0) == [Found((10.0, 20.0, 40.0, 80.0), 0.5)]


def write(path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_boxes_of_json_and_csv_are_the_same(tmp_path):
    entries = [
        {"box": [1, 2, 30.5, 40], "score": 0.9},
        {"box": [5, 6, 7, 8], "frame": 3},
        {"box": [9, 9, 9, 9], "image": "other.jpg"},
    ]
    table = "left,top,width,height,score,frame,image\n1,2,30.5,40,0.9,,\n5,6,7,8,,3,\n9,9,9,9,,,"
    given = [
        read_boxes(write(tmp_path / "boxes.json", entries), "my.jpg"),
        read_boxes(write(tmp_path / "boxes.csv", f"{table}other.jpg\n"), "my.jpg"),
    ]
    for boxes in given:
        assert boxes.find(BLANK, 0) == [Found((1.0, 2.0, 30.5, 40.0), 0.9)]
        assert boxes.find(BLANK, 3)[1:] == [Found((5.0, 6.0, 7.0, 8.0))]
    assert given[0].note == given[1].note
    other = read_boxes(write(tmp_path / "other.json", entries[:1]))
    assert other.note != given[0].note


def test_cocos_own_files_are_read(shared):
    annotated = read_boxes(shared / "coco4" / "test_coco.json", "000000196141.jpg").find(BLANK, 0)
    assert len(annotated) == 5
    assert annotated[0] == Found((247.76, 74.23, 169.67, 300.78))
    detected = read_boxes(shared / "coco4" / "test_coco_det_AP_H_56.json", "000000000785.jpg")
    assert sum(each.score > 0.5 for each in detected.find(BLANK, 0)) == 1


def test_what_posekit_predicted_can_be_given_back(tmp_path):
    people = {"schema": 1, "people": [{"box": [1, 2, 3, 4], "score": None, "depth": 3000.0}]}
    path = write(tmp_path / "people.json", people)
    assert read_boxes(path, "my.jpg").find(BLANK, 0) == [Found((1.0, 2.0, 3.0, 4.0))]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", '[{"box": [1, 2, 3', "is not a whole JSON file"),
        ("a.json", '{"boxes": 3}', "is no list of boxes; these forms are read: json"),
        ("a.json", "[[1, 2, 3, 4]]", r"has the entry \[1, 2, 3, 4\]; these forms"),
        ("a.json", '[{"box": [1, 2, 3]}]', "entry 0: .* is not left, top, width and height"),
        ("a.json", '[{"box": [1, 2, NaN, 4]}]', "entry 0: .*nan.* is not left, top"),
        ("a.json", '[{"box": [1, 2, 0, 4]}]', "entry 0: .* is not left, top"),
        ("a.json", '[{"box": [1, 2, "x", 4]}]', "entry 0: .* is not left, top"),
        ("a.json", '[{"bocks": [1, 2, 3, 4]}]', "entry 0 has no box; these forms"),
        ("a.json", '[{"box": [1, 2, 3, 4], "score": 7}]', "score is a number from 0 to 1, not 7"),
        ("a.json", '[{"box": [1, 2, 3, 4], "frame": -1}]', "frame is a number, .* not -1"),
        ("a.json", '[{"box": [1, 2, 3, 4], "image": "b.jpg"}]', "no box of a person in my.jpg"),
        ("a.json", "[" * 100_000, "is not a whole JSON file"),
        ("a.csv", "left,top,width\n1,2,3\n", "has no column height"),
        ("a.csv", "left,top,width,height\n1,2,3\n", "entry 0: .* is not left, top"),
    ],
)
def test_a_mistake_in_a_file_of_boxes_is_named(tmp_path, name, content, says):
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / name))}.*{says}"):
        read_boxes(write(tmp_path / name, content), "my.jpg")


def test_a_missing_or_huge_file_of_boxes_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no file of boxes .*a.json"):
        read_boxes(tmp_path / "a.json")
    monkeypatch.setattr("posekit.predict.boxes.LARGEST", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_boxes(write(tmp_path / "a.json", [{"box": [1, 2, 3, 4]}]))


def test_a_box_typed_by_hand_is_four_numbers():
    assert box_of(["1", "2", "3.5", "4"], "--box") == (1.0, 2.0, 3.5, 4.0)
    with pytest.raises(ValueError, match="--box: .* is not left, top, width and height in px"):
        box_of(["1", "2", "3.5"], "--box")


def test_areas_shared_are_counted_of_the_union():
    assert detectors._shared((0, 0, 2, 2), (1, 1, 2, 2)) == pytest.approx(1 / 7)
    assert detectors._shared((0, 0, 2, 2), (5, 5, 2, 2)) == 0
