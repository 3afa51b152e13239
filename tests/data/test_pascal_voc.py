"""Pascal VOC's cut-outs: each rule by itself, damage, and three real pictures."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from posekit.data import pascal_voc
from posekit.data.check import check

PALETTE = [255 * (n > 0) for n in range(3 * 256)]  # no matter which: indices count
OBJECT = "<object><name>{}</name><truncated>{}</truncated><difficult>{}</difficult>{}</object>"
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def thing(name="chair", box=(10, 20, 50, 60), truncated=0, difficult=0) -> str:
    return OBJECT.format(name, truncated, difficult, BOX.format(*box))


def annotation(*things, segmented=1) -> str:
    return f"<annotation><segmented>{segmented}</segmented>{''.join(things)}</annotation>"


def make(folder, text, numbers=None, name="2007_000001"):
    """A folder like VOC's with one picture; `numbers` are the mask's, object 1 by default."""
    for part in ("Annotations", "JPEGImages", "SegmentationObject"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if numbers is None:
        numbers = np.zeros((80, 100), np.uint8)
        numbers[25:55, 15:45] = 1
    (folder / "Annotations" / f"{name}.xml").write_text(text)
    picture = np.full((80, 100, 3), (40, 120, 200), np.uint8)
    cv2.imwrite(str(folder / "JPEGImages" / f"{name}.jpg"), picture)
    mask = Image.fromarray(numbers).convert("P")
    mask.putdata(numbers.flatten())
    mask.putpalette(PALETTE)
    mask.save(folder / "SegmentationObject" / f"{name}.png")
    return folder


def test_an_object_is_cut_out_of_its_box(tmp_path):
    (found,) = pascal_voc.occluders(make(tmp_path, annotation(thing())))
    assert found.shape == (20, 20, 4) and found.dtype == np.uint8
    # The mask, 30 px square, begins 5 px inside the box of 40; all is halved.
    opacity = found[..., 3]
    assert (opacity[6:13, 6:13] == 255).all()
    assert (opacity[:2] == 0).all() and (opacity[:, 18:] == 0).all()
    assert (np.abs(found[..., :3].astype(int) - (200, 120, 40)) <= 3).all()


def test_opacity_is_192_where_an_ellipse_of_8_px_erodes_the_mask():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    found = pascal_voc.cut_out(np.zeros((60, 60, 3), np.uint8), mask)
    # The ellipse reaches 4 px to one side of its anchor and 3 to the other; all is halved.
    row, column = found[15, :, 3].tolist(), found[:, 15, 3].tolist()
    assert row == column == [0] * 5 + [192] * 2 + [255] * 16 + [224, 192] + [0] * 5


def areas(count, parts):
    """The weights (parts, count) with which each of `parts` equal stretches averages `count` pixels."""
    length = count / parts
    edges = np.arange(count)
    low = np.arange(parts)[:, None] * length
    return np.clip(np.minimum(low + length, edges + 1) - np.maximum(low, edges), 0, None) / length


@pytest.mark.parametrize(("height", "width"), [(21, 17), (40, 33), (41, 36), (7, 7)])
def test_half_of_an_odd_side_is_an_average_over_equal_areas(height, width):
    """As published: resized to a size, np.round of half the sides, whose pixels share all alike."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = pascal_voc.cut_out(picture, np.ones((height, width), bool))
    rows, columns = (np.round(np.array([height, width]) * 0.5)).astype(int)
    whole = areas(height, rows) @ picture.transpose(2, 0, 1) @ areas(width, columns).T
    assert found.shape == (rows, columns, 4)
    assert np.abs(found[..., :3] - whole.transpose(1, 2, 0)).max() <= 0.51


@pytest.mark.parametrize(
    "left_out",
    [
        thing(name="person"),
        thing(truncated=1),
        thing(difficult=1),
        thing(box=(15, 25, 40, 44)),  # 25 x 19 px of the mask: 475
    ],
    ids=["person", "truncated", "difficult", "small"],
)
def test_what_the_rule_leaves_out(tmp_path, left_out):
    assert pascal_voc.occluders(make(tmp_path, annotation(left_out))) == []


def test_500_px_are_enough(tmp_path):
    assert len(pascal_voc.occluders(make(tmp_path, annotation(thing(box=(15, 25, 40, 45)))))) == 1


def test_objects_are_told_apart_by_their_place_in_the_file(tmp_path):
    numbers = np.zeros((80, 100), np.uint8)
    numbers[25:55, 15:45], numbers[25:55, 60:95], numbers[20:25] = 1, 2, 255
    text = annotation(thing("person"), thing("dog", (55, 20, 100, 60)))
    (found,) = pascal_voc.occluders(make(tmp_path, text, numbers))
    assert found.shape == (20, 22, 4) and found[10, 10, 3] == 255
    # The dog's number outside of the dog's box is not the dog's picture.
    text = annotation(thing("person"), thing("dog", (10, 20, 50, 60)))
    assert pascal_voc.occluders(make(tmp_path, text, numbers)) == []


def test_pictures_that_are_not_segmented_need_no_mask(tmp_path):
    make(tmp_path, annotation(thing(), segmented=0))
    shutil.rmtree(tmp_path / "SegmentationObject")
    assert pascal_voc.occluders(tmp_path) == []


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no annotations in .*VOCtrainval"):
        pascal_voc.occluders(tmp_path)
    for part in ("JPEGImages", "SegmentationObject"):
        make(tmp_path, annotation(thing()))
        shutil.rmtree(tmp_path / part)
        with pytest.raises(FileNotFoundError, match=f"{part}.*2007_000001"):
            pascal_voc.occluders(tmp_path)


def test_files_that_do_not_belong_together_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"2007_000001\.png.*\(40, 50\)"):
        pascal_voc.occluders(make(tmp_path, annotation(thing()), np.zeros((40, 50), np.uint8)))
    two = np.full((80, 100), 2, np.uint8)
    with pytest.raises(ValueError, match=r"2007_000001\.png counts 2 objects.*only 1"):
        pascal_voc.occluders(make(tmp_path, annotation(thing()), two))
    with pytest.raises(ValueError, match=r"2007_000001\.xml: the box of object 1, 'chair'"):
        pascal_voc.occluders(make(tmp_path, annotation(thing(box=(10, 20, 101, 60)))))


def test_a_mask_without_a_palette_or_damaged_is_named(tmp_path):
    make(tmp_path, annotation(thing()))
    file = tmp_path / "SegmentationObject" / "2007_000001.png"
    whole = file.read_bytes()
    for damaged in (whole[:20], whole[: len(whole) // 2], b""):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"2007_000001\.png"):
            pascal_voc.occluders(tmp_path)
    cv2.imwrite(str(file), np.full((80, 100, 3), (1, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"2007_000001\.png is of mode RGB"):
        pascal_voc.occluders(tmp_path)


BOMB = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))
UNSAFE = {
    "a bomb": f"<!DOCTYPE a [<!ENTITY e0 'boom'>{BOMB}]><a><segmented>&e9;</segmented></a>",
    "a file": "<!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/hostname'>]><a>&f;</a>",
    "a doctype": "<!DOCTYPE a><a><segmented>1</segmented></a>",
    "no xml": "<annotation><segmented>1",
    "nothing": "",
    "empty fields": "<annotation><segmented/></annotation>",
    "no box": annotation("<object><name>a</name></object>"),
    "no number": annotation(thing(box=("a", 1, 2, 3))),
    "too large": annotation(thing(box=("1e999", 1, 2, 3))),
}


@pytest.mark.parametrize("kind", UNSAFE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_unsafe_and_damaged_annotations_are_refused(tmp_path, kind, encoding):
    file = tmp_path / "bad.xml"
    file.write_bytes(UNSAFE[kind].encode(encoding))
    with pytest.raises(ValueError, match=r"bad\.xml is no annotation"):
        pascal_voc.read_objects(file)


def test_a_file_far_too_long_is_not_read(tmp_path):
    (tmp_path / "long.xml").write_text(annotation(" " * 1_000_001))
    with pytest.raises(ValueError, match=r"long\.xml is larger"):
        pascal_voc.read_objects(tmp_path / "long.xml")


def test_names_in_annotations_lead_nowhere(tmp_path):
    """Files are found by the annotation's own name, whatever stands in it."""
    evil = "<filename>../../secret.jpg</filename><folder>/etc</folder>"
    text = annotation(thing("../../etc/passwd")).replace("<annotation>", f"<annotation>{evil}")
    assert len(pascal_voc.occluders(make(tmp_path, text))) == 1


@pytest.fixture
def voc3(shared, tmp_path):
    """Three of VOC's pictures, in VOC's folders.

    Their annotations were rebuilt from the masks and number the objects without a gap; the mask of
    2011_000006 has none of number 6, so its sofa, the sixth there, is given back its number 7.
    """
    source = shared / "voc3"
    for part in ("JPEGImages", "SegmentationObject"):
        shutil.copytree(source / part, tmp_path / part)
    shutil.copytree(source / "Annotations_derived", tmp_path / "Annotations")
    file = tmp_path / "Annotations" / "2011_000006.xml"
    before, sofa = file.read_text().split("<object><name>sofa")
    file.write_text(f"{before}{thing('tvmonitor', (1, 1, 2, 2))}<object><name>sofa{sofa}")
    return tmp_path


def test_three_real_pictures_hold_six_occluders(voc3):
    found = pascal_voc.occluders(voc3)
    # Half of the boxes of a bottle, a chair, a sofa, two buses and a car.
    assert [thing.shape[:2] for thing in found] == [
        *((26, 9), (90, 174), (86, 230)),
        *((177, 176), (94, 54), (45, 44)),
    ]
    whole = [int((thing[..., 3] > 0).sum()) * 4 for thing in found]
    masks = [822, 44396, 14002, 102447, 15611, 7166]
    for ours, true in zip(whole, masks, strict=True):
        assert 0.95 * true < ours < 1.4 * true
    bottle, chair = found[0], found[1]
    assert 192 in bottle[..., 3] and 255 in chair[..., 3]


def test_real_masks_are_read_by_number(voc3):
    counted = {"2011_000003": {1: 15662, 2: 17218, 3: 873}, "2011_000025": {1: 102450, 3: 7256}}
    for name, sizes in counted.items():
        size = {"2011_000003": (338, 500), "2011_000025": (375, 500)}[name]
        numbers = pascal_voc.read_numbers(voc3 / "SegmentationObject" / f"{name}.png", size)
        assert {n: int((numbers == n).sum()) for n in sizes} == sizes


def test_an_annotation_that_lost_an_object_is_noticed(shared, voc3):
    shutil.copy(shared / "voc3/Annotations_derived/2011_000006.xml", voc3 / "Annotations")
    with pytest.raises(ValueError, match=r"2011_000006\.png counts 7 objects.*only 6"):
        pascal_voc.occluders(voc3)
    shutil.rmtree(voc3 / "Annotations")
    shutil.copytree(shared / "voc3" / "Annotations", voc3 / "Annotations")
    with pytest.raises(ValueError, match=r"2011_000003\.xml.*<segmented> is missing or empty"):
        pascal_voc.occluders(voc3)


def test_a_folder_is_checked(tmp_path):
    assert "VOCtrainval_11-May-2012.tar" in str(check("voc", tmp_path))
    make(tmp_path, annotation(thing(), thing("person")))
    report = check("voc", tmp_path)
    assert report.ok and "1 occluders" in str(report)
    (tmp_path / "SegmentationObject" / "2007_000001.png").write_bytes(b"PNG")
    assert [item.state for item in check("voc", tmp_path).items] == ["wrong"]
