"""Boxes in files and on the command line."""

import json
import re

import numpy as np
import pytest

from posekit.inference.boxes import box_of, read_boxes
from posekit.inference.detectors import Detection

BLANK = np.zeros((200, 300, 3), np.uint8)


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
        assert boxes.find(BLANK, 0) == [Detection((1.0, 2.0, 30.5, 40.0), 0.9)]
        assert boxes.find(BLANK, 3)[1:] == [Detection((5.0, 6.0, 7.0, 8.0))]
    assert given[0].note == given[1].note
    other = read_boxes(write(tmp_path / "other.json", entries[:1]))
    assert other.note != given[0].note


def test_cocos_own_files_are_read(shared):
    annotated = read_boxes(shared / "coco4" / "test_coco.json", "000000196141.jpg").find(BLANK, 0)
    assert len(annotated) == 5
    assert annotated[0] == Detection((247.76, 74.23, 169.67, 300.78))
    detected = read_boxes(shared / "coco4" / "test_coco_det_AP_H_56.json", "000000000785.jpg")
    assert sum(each.score > 0.5 for each in detected.find(BLANK, 0)) == 1


def test_what_posekit_predicted_can_be_given_back(tmp_path):
    people = {"schema": 1, "people": [{"box": [1, 2, 3, 4], "score": None, "depth": 3000.0}]}
    path = write(tmp_path / "people.json", people)
    assert read_boxes(path, "my.jpg").find(BLANK, 0) == [Detection((1.0, 2.0, 3.0, 4.0))]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", '[{"box": [1, 2, 3', "can't be read: "),
        ("a.json", '{"boxes": 3}', "is no list of boxes; these forms are read: json"),
        ("a.json", "[[1, 2, 3, 4]]", "is no list of boxes; these forms are read"),
        ("a.json", '[{"box": [1, 2, 3]}]', "entry 0: .* is not left, top, width and height"),
        ("a.json", '[{"box": [1, 2, NaN, 4]}]', "entry 0: .*nan.* is not left, top"),
        ("a.json", '[{"box": [1, 2, 0, 4]}]', "entry 0: .* is not left, top"),
        ("a.json", '[{"box": [1, 2, "x", 4]}]', "entry 0: .* is not left, top"),
        ("a.json", '[{"bocks": [1, 2, 3, 4]}]', "entry 0 has no box; these forms"),
        ("a.json", '[{"box": [1, 2, 3, 4], "score": 7}]', "score is a number from 0 to 1, not 7"),
        ("a.json", '[{"box": [1, 2, 3, 4], "frame": -1}]', "a frame is a number from 0, not -1"),
        ("a.json", '[{"box": [1, 2, 3, 4], "image": "b.jpg"}]', "no box of a person in my.jpg"),
        ("a.json", "[" * 100_000, "can't be read: "),
        ("a.csv", "left,top,width\n1,2,3\n", "can't be read: it has no column height; these forms"),
        ("a.csv", "left,top,width,height\n1,2,3\n", "entry 0: .* is not left, top"),
    ],
)
def test_a_mistake_in_a_file_of_boxes_is_named(tmp_path, name, content, says):
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / name))}.*{says}"):
        read_boxes(write(tmp_path / name, content), "my.jpg")


def test_a_missing_or_huge_file_of_boxes_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no file of boxes .*a.json"):
        read_boxes(tmp_path / "a.json")
    monkeypatch.setattr("posekit.inference.boxes.LARGEST", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_boxes(write(tmp_path / "a.json", [{"box": [1, 2, 3, 4]}]))


def test_a_box_typed_by_hand_is_four_numbers():
    assert box_of(["1", "2", "3.5", "4"], "--box") == (1.0, 2.0, 3.5, 4.0)
    with pytest.raises(ValueError, match="--box: .* is not left, top, width and height in px"):
        box_of(["1", "2", "3.5"], "--box")
