"""Boxes in files and on the command line."""

import json
import re
import tracemalloc

import numpy as np
import pytest

from posekit.inference.boxes import box_of, given_boxes, read_boxes
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
        ("a.json", '[{"box": [1, 2, 3', "can't be read as json"),
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
        ("a.json", "[" * 100_000, "can't be read as json"),
        ("a.csv", "left,top,width\n1,2,3\n", "has no column height; these forms"),
        ("a.csv", "left,top,width,height\n1,2,3\n", "line 2: 3 values, the head has 4"),
        ("a.csv", "left,top,width,height\n1,2,30,4", "ends in the middle of a line"),
        ("a.csv", 'left,top,width,height\n1,2,3,"4\n', "line 2: unexpected end of data"),
    ],
)
def test_a_mistake_in_a_file_of_boxes_is_named(tmp_path, name, content, says):
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / name))}.*{says}"):
        read_boxes(write(tmp_path / name, content), "my.jpg")


COCO = {
    "images": [
        {"id": 7, "file_name": "camera 12/photo 3.jpg"},
        {"id": 3, "file_name": "000000000007.jpg"},
        {"id": 12, "file_name": "12.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 18},
        {"id": 2, "image_id": 3, "bbox": [5, 6, 7, 8], "category_id": 18},
        {"id": 3, "image_id": 12, "bbox": [9, 9, 9, 9], "category_id": 1},
        {"id": 4, "image_id": 12, "bbox": [2, 2, 2, 2], "category_id": 18, "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "dog"}, {"id": 18, "name": "Person"}],
}


def boxes_in(path, image):
    return [each.box for each in read_boxes(path, image).find(BLANK, 0)]


def test_the_file_says_which_picture_a_box_is_in_and_what_it_is(tmp_path):
    """By images[].file_name and id, and by the category called person: not by digits in a name."""
    path = write(tmp_path / "a.json", COCO)
    assert boxes_in(path, "photo 3.jpg") == [(1, 2, 3, 4)]
    assert boxes_in(path, "000000000007.jpg") == [(5, 6, 7, 8)]
    for image in ("12.jpg", "7.jpg"):  # a dog and a crowd; no picture of the file
        with pytest.raises(ValueError, match=f"no box of a person in {image}: they are of"):
            read_boxes(path, image)
    only_dogs = COCO | {"categories": COCO["categories"][:1]}
    with pytest.raises(ValueError, match="none of its categories is called person: dog"):
        read_boxes(write(tmp_path / "b.json", only_dogs), "12.jpg")


def test_without_a_list_of_images_the_number_is_that_of_cocos_names(tmp_path):
    rows = [{"image_id": 0, "bbox": [1, 2, 3, 4]}, {"image_id": "a.jpg", "bbox": [5, 6, 7, 8]}]
    path = write(tmp_path / "a.json", rows)
    assert boxes_in(path, "000000000000.jpg") == [(1, 2, 3, 4)]
    assert boxes_in(path, "a.jpg") == [(5, 6, 7, 8)]
    with pytest.raises(ValueError, match="no box of a person in photo0.jpg"):
        read_boxes(path, "photo0.jpg")


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path):
    rows = [{"image": f"{place}/x.jpg", "box": [n, 1, 1, 1]} for n, place in enumerate("ab")]
    path = write(tmp_path / "a.json", rows)
    with pytest.raises(ValueError, match="has boxes of 'a/x.jpg' and 'b/x.jpg'"):
        read_boxes(path, "x.jpg")
    assert boxes_in(path, "/somewhere/b/x.jpg") == [(1, 1, 1, 1)]


def test_a_table_s_numbers_mean_what_json_s_mean(tmp_path):
    """As pandas writes columns with gaps, behind a byte order mark."""
    head = "\ufeffleft,top,width,height,image_id,category_id,iscrowd,frame\r\n"
    rows = ["1,2,3,4,785.0,1.0,0,", "5,6,7,8,785,2,0,", "9,9,9,9,785,1,1,", "5,6,7,8,785,1,0,3.0"]
    path = write(tmp_path / "a.csv", head + "\r\n".join([*rows, ""]))
    assert boxes_in(path, "000000000785.jpg") == [(1, 2, 3, 4)]
    assert len(read_boxes(path, "000000000785.jpg").find(BLANK, 3)) == 2


def test_too_many_boxes_of_one_picture_are_refused(tmp_path):
    table = "left,top,width,height\n" + "1,2,3,4\n" * 1001
    with pytest.raises(ValueError, match="entry 1000: more than 1,000 boxes of one picture"):
        read_boxes(write(tmp_path / "a.csv", table))
    with pytest.raises(ValueError, match="1,001 boxes of one picture"):
        given_boxes([Detection((1, 2, 3, 4))] * 1001)


def test_a_long_table_of_a_video_takes_little_memory(tmp_path):
    rows = "".join(f"{n},2,3,4,{n // 3}\n" for n in range(6_000))
    path = write(tmp_path / "a.csv", "left,top,width,height,frame\n" + rows)
    tracemalloc.start()
    boxes = read_boxes(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(boxes.find(BLANK, 1_999)) == 3
    assert peak < 40 * path.stat().st_size  # a table of texts took 65 times the file


def test_a_missing_or_huge_file_of_boxes_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no file of boxes .*a.json"):
        read_boxes(tmp_path / "a.json")
    monkeypatch.setattr("posekit.inference.boxes.LARGEST", 10)
    with pytest.raises(ValueError, match="at most 10 are read"):
        read_boxes(write(tmp_path / "a.json", [{"box": [1, 2, 3, 4]}]))


def test_a_box_typed_by_hand_is_four_numbers():
    assert box_of(["1", "2", "3.5", "4"], "--box") == (1.0, 2.0, 3.5, 4.0)
    with pytest.raises(ValueError, match="--box: .* is not left, top, width and height in px"):
        box_of(["1", "2", "3.5"], "--box")
