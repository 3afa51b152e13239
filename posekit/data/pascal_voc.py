"""Cut-outs of Pascal VOC 2012's objects as RGB and opacity, to paste over pictures of persons.

The rule of Sárándi et al. (2018) and of all who use their code: of every segmented picture the
objects that are no persons, not difficult and not truncated; the n-th object of the annotation is
where the mask holds n, inside its box; masks below 500 px are dropped; opacity is 192 of 255 where
an 8 x 8 ellipse erodes the mask; all is halved in size, to a whole number of pixels. The boxes'
numbers, which count from 1, cut the picture as if they counted from 0, as in that code.

The data: VOCtrainval_11-May-2012.tar, its folder VOCdevkit/VOC2012. Its pictures are Flickr's, under
Flickr's terms.

H, W pixels of a picture, h, w pixels of a cut-out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.data.people import Row
from posekit.geometry.crop import read_image

SMALLEST = 500  # px of a mask
BORDER = 192  # opacity of what the erosion takes away
SHRINK = 0.5
MAX_BYTES = 1_000_000  # of an annotation; VOC's have some hundred to some thousand
SOURCE = "unpack VOCtrainval_11-May-2012.tar of host.robots.ox.ac.uk/pascal/VOC/voc2012"
FIELDS = ("xmin", "ymin", "xmax", "ymax")


class VocObject(NamedTuple):
    """An object of a picture's annotation."""

    name: str
    usable: bool  # no person, not difficult, not truncated
    box: tuple[int, int, int, int]  # left, top, right, bottom


def occluders(folder: Path | str) -> list[UInt8[np.ndarray, "_ _ 4"]]:
    """RGB and opacity of every usable object, in the order of the files and of the objects.

    FileNotFoundError when the folder, a picture or a mask is not there; ValueError, naming the
    file, when one is damaged or they do not belong together.
    """
    folder = Path(folder)
    files = sorted((folder / "Annotations").glob("*.xml"))
    if not files:
        raise FileNotFoundError(f"there are no annotations in {folder / 'Annotations'}: {SOURCE}")
    return [cut for file in files for cut in _cut_outs(folder, file, read_objects(file))]


def check(folder: Path | str) -> Iterator[Row]:
    """What of Pascal VOC is in `folder`, as `posekit.data.check` reports it."""
    try:
        yield "objects", "ok", f"{len(occluders(folder)):,} occluders"
    except FileNotFoundError as error:
        yield "objects", "missing", str(error)
    except ValueError as error:
        yield "objects", "wrong", str(error)


def read_objects(file: Path) -> list[VocObject]:
    """The objects in a picture's annotation; none where the picture is not segmented.

    ValueError, naming the file, when it is no annotation of VOC, or an unsafe one: a document type
    may define entities that grow without bound or read other files.
    """
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"{file} is larger than any annotation of VOC")
    parser = ElementTree.XMLParser(target=_NoDocumentType())
    try:
        root = ElementTree.fromstring(file.read_bytes(), parser)
        if _text(root, "segmented") == "0":
            return []
        return [_object(entry) for entry in root.findall("object")]
    except (ElementTree.ParseError, LookupError, ValueError, OverflowError) as error:
        raise ValueError(f"{file} is no annotation of Pascal VOC: {error}") from error


class _NoDocumentType(ElementTree.TreeBuilder):
    """Builds the tree of a file that declares nothing."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError(f"it declares a document type, {name!r}")


def _object(entry: ElementTree.Element) -> VocObject:
    name = _text(entry, "name")
    free = _text(entry, "difficult") == "0" and _text(entry, "truncated") == "0"
    box = [int(float(_text(entry, f"bndbox/{field}"))) for field in FIELDS]
    return VocObject(name, free and name != "person", tuple(box))


def _text(entry: ElementTree.Element, path: str) -> str:
    text = (entry.findtext(path) or "").strip()
    if not text:
        raise ValueError(f"<{path}> is missing or empty")
    return text


def _cut_outs(folder: Path, file: Path, objects: list[VocObject]) -> Iterator[np.ndarray]:
    """The usable objects of one picture, whose files have the annotation's name."""
    if not any(entry.usable for entry in objects):
        return
    picture = read_image(folder / "JPEGImages" / f"{file.stem}.jpg")
    mask_file = folder / "SegmentationObject" / f"{file.stem}.png"
    numbers = read_numbers(mask_file, picture.shape[:2])
    if (most := numbers[numbers < 255].max(initial=0)) > len(objects):
        raise ValueError(f"{mask_file} counts {most} objects, {file} only {len(objects)}")
    height, width = numbers.shape
    for number, (name, usable, (left, top, right, bottom)) in enumerate(objects, start=1):
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise ValueError(f"{file}: the box of object {number}, {name!r}, is not in the picture")
        mask = numbers[top:bottom, left:right] == number
        if usable and mask.sum() >= SMALLEST:
            yield cut_out(picture[top:bottom, left:right], mask)


def cut_out(picture: UInt8[np.ndarray, "H W 3"], mask: np.ndarray) -> UInt8[np.ndarray, "h w 4"]:
    """The picture with the mask (H, W) as opacity, lower along its border, at half its size."""
    opacity = mask.astype(np.uint8) * 255
    core = cv2.erode(opacity, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (8, 8)))
    opacity[core < opacity] = BORDER
    whole = np.dstack([picture, opacity])
    # A size, not a factor: of an odd side, OpenCV would average the last pixels otherwise.
    size = [max(1, round(length * SHRINK)) for length in mask.shape[::-1]]
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA)


def read_numbers(file: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """The objects' numbers in a mask, 255 between them, for a picture of this height and width.

    A mask is a PNG whose palette's indices are the numbers. FileNotFoundError; ValueError when it
    is of another size or kind, or damaged.
    """
    try:
        with Image.open(file, formats=["PNG"]) as image:
            kind = image.mode, image.size[::-1]
            numbers = np.array(image) if kind == ("P", size) else None
    except FileNotFoundError:
        raise
    except (*DAMAGE, OSError) as error:  # Pillow's, of what is cut off or no PNG
        raise ValueError(f"{file}: {error}; {AGAIN}") from error
    if numbers is None:
        raise ValueError(
            f"{file} is of mode {kind[0]} and {kind[1]} px; a mask of this picture has a palette (P) "
            f"and {size}"
        )
    return numbers
