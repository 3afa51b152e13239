"""Pictures read safely, and cut where a box or a paper says."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from posekit.geometry.crop import (
    crop_affine,
    kim_affine,
    read_image,
    read_labels,
    take,
    take_labels,
)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def at(matrix, x, y):
    return (matrix @ torch.tensor([x, y, 1.0]).double())[:2].tolist()


def png_of(width, height, data=b""):
    """The head of a PNG that claims a size, with little in it."""

    def chunk(kind, body):
        sum_ = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + sum_

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_pictures_are_read_in_rgb(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    plain = np.full((40, 40, 3), (200, 100, 20), np.uint8)
    cv2.imwrite(str(tmp_path / "b.jpg"), plain[..., ::-1])
    assert np.abs(read_image(tmp_path / "b.jpg").astype(int) - plain).max() <= 3
    cv2.imwrite(str(tmp_path / "grey.png"), picture[..., 0])
    assert np.array_equal(read_image(tmp_path / "grey.png"), picture[..., [0, 0, 0]])
    assert np.array_equal(read_labels(tmp_path / "grey.png"), picture[..., 0])
    with_opacity = np.dstack([picture[..., ::-1], picture[..., 0]])
    cv2.imwrite(str(tmp_path / "rgba.png"), with_opacity)
    assert np.array_equal(read_image(tmp_path / "rgba.png"), picture)
    assert np.array_equal(read_labels(tmp_path / "rgba.png"), picture)


def test_pixels_stay_as_stored_whatever_exif_says(tmp_path, picture):
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    tiff = b"MM\x00*\x00\x00\x00\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    (tmp_path / "turned.jpg").write_bytes(turned)
    assert cv2.imread(str(tmp_path / "turned.jpg")).shape == (80, 60, 3)  # the mark is understood
    assert read_image(tmp_path / "turned.jpg").shape == (60, 80, 3)


def test_what_cannot_be_read_is_named(tmp_path, picture):
    with pytest.raises(FileNotFoundError, match=r"no picture .*nowhere\.jpg"):
        read_image(tmp_path / "nowhere.jpg")
    jpeg, png = (cv2.imencode(kind, picture)[1].tobytes() for kind in (".jpg", ".png"))
    broken = bytearray(png)
    broken[len(png) // 2] ^= 0xFF
    wrong = {
        "text.jpg": (b"hello", "neither a JPEG nor a PNG"),
        "empty.png": (b"", "neither a JPEG nor a PNG"),
        "half.jpg": (jpeg[: len(jpeg) // 2], "damaged"),
        "half.png": (png[: len(png) // 2], "damaged"),
        "head.jpg": (jpeg[:30], "damaged"),
        "huge.png": (png_of(100_000, 100_000), "more than 100,000,000"),
        "wide.png": (png_of(40_000, 20), "a side of more than 32,766 px"),  # OpenCV can't crop it
        "liar.png": (png_of(30, 30, b"\0\0"), "damaged"),
        "broken.png": (bytes(broken), "damaged"),
        "gif.png": (b"GIF89a" + bytes(50), "neither a JPEG nor a PNG"),
    }
    for name, (data, message) in wrong.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=message) as raised:
            read_image(tmp_path / name)
        assert name in str(raised.value)
    cv2.imwrite(str(tmp_path / "deep.png"), picture[..., 0].astype(np.uint16) * 256)
    with pytest.raises(ValueError, match="8 bits"):
        read_labels(tmp_path / "deep.png")


def test_bytes_behind_a_picture_s_end_belong_to_nobody(tmp_path, picture):
    """Telephones and archives put some there."""
    for kind in (".jpg", ".png"):
        whole = cv2.imencode(kind, picture)[1].tobytes()
        for tail in (b"\n", bytes(3), bytes(5000), b"IDAT" * 9, whole):
            (tmp_path / f"a{kind}").write_bytes(whole + tail)
            image = read_image(tmp_path / f"a{kind}")
            assert np.array_equal(image, cv2.imdecode(np.frombuffer(whole, np.uint8), 1)[..., ::-1])


def test_real_pictures_are_read(shared):
    for file in sorted((shared / "coco4").glob("*.jpg")) + sorted((shared / "mpii5").glob("*.jpg")):
        image = read_image(file)
        assert image.shape[2] == 3 and image.std() > 20, file


def test_a_box_comes_into_the_middle_widened():
    matrix = crop_affine((100.0, 50.0, 80.0, 160.0), (256, 256))
    assert at(matrix, 140, 130) == pytest.approx([127.5, 127.5])
    # The longer side is 1 / 1.25 of the crop, centred.
    assert at(matrix, 140, 50)[1] == pytest.approx(127.5 - 256 / 1.25 / 2)
    assert at(matrix, 100, 130)[0] == pytest.approx(127.5 - 128 / 1.25 / 2)
    wide = crop_affine((100.0, 50.0, 90.0, 20.0), (384, 288), context=1)
    assert at(wide, 100, 60)[0] == pytest.approx(-0.5)
    assert at(wide, 190, 60)[0] == pytest.approx(287.5)


def test_a_box_of_another_shape_fits_by_its_height_or_is_stretched():
    box, size = (100.0, 50.0, 200.0, 200.0), (384, 288)  # height, width
    high = crop_affine(box, size, context=1, fit="height")
    assert at(high, 200, 50) == pytest.approx([143.5, -0.5])
    assert at(high, 200 + 75, 250) == pytest.approx([287.5, 383.5])  # 3/4 of the height is seen
    stretched = crop_affine(box, size, context=1.25, fit="stretch")
    assert at(stretched, 200 - 125, 150 - 125) == pytest.approx([-0.5, -0.5])
    assert at(stretched, 200 + 125, 150 + 125) == pytest.approx([287.5, 383.5])
    with pytest.raises(ValueError, match="no fit 'wide'; there are inside, height, stretch"):
        crop_affine(box, size, fit="wide")


def test_the_whole_picture_is_cut_as_it_is(picture):
    matrix = crop_affine((-0.5, -0.5, 80, 60), (60, 80), context=1, picture=(60, 80))
    assert torch.equal(take(picture, matrix, (60, 80)), torch.from_numpy(picture).permute(2, 0, 1))


def test_a_crop_of_whole_pixels_is_a_slice_and_zero_outside(picture):
    matrix = torch.tensor([[1.0, 0, -10], [0, 1, -50], [0, 0, 1]]).double()
    taken = take(picture, matrix, (20, 30))
    assert torch.equal(taken[:, :10], torch.from_numpy(picture[50:, 10:40]).permute(2, 0, 1))
    assert (taken[:, 10:] == 0).all()
    labels = take_labels(picture[..., 1].copy(), matrix, (20, 30))
    assert torch.equal(labels[:10], torch.from_numpy(picture[50:, 10:40, 1]))
    windowed = take(picture, matrix, (20, 30), window=(15, 52, 35, 60))
    assert torch.equal(windowed[:, 2:10, 5:25], taken[:, 2:10, 5:25])
    assert windowed.sum() == windowed[:, 2:10, 5:25].sum()


@pytest.mark.parametrize("shrink", [2, 3, 4.5, 8])
def test_no_pixel_is_skipped_when_a_picture_shrinks(shrink):
    grid = np.zeros((480, 480, 3), np.uint8)
    grid[::2, ::2] = grid[1::2, 1::2] = 255  # one pixel white, one black
    size = int(480 / shrink)
    taken = take(grid, crop_affine((-0.5, -0.5, 480, 480), (size, size), context=1), (size, size))
    assert (taken[:, 1:-1, 1:-1].int() - 127).abs().max() <= 30
    ramp = np.repeat(np.linspace(0, 255, 480).round().astype(np.uint8)[None, :, None], 480, 0)
    ramp = np.repeat(ramp, 3, 2)
    matrix = crop_affine((100.0, 100, 240, 240), (size, size), context=1)
    taken = take(ramp, matrix, (size, size))[0, size // 2].double()
    x = (torch.arange(size) - matrix[0, 2]) / matrix[0, 0]  # where the columns come from
    assert (taken - x * 255 / 479).abs().max() < 1.2


def test_labels_are_never_mixed():
    labels = np.random.default_rng(0).choice(np.array([0, 3, 255], np.uint8), (90, 90))
    taken = take_labels(labels, crop_affine((10.0, 10, 60, 60), (25, 25)), (25, 25))
    assert set(taken.unique().tolist()) == {0, 3, 255}


def test_kims_crop_is_210_by_120_times_the_scale():
    matrix, window = kim_affine((300.0, 400.0), 1.5, 256, picture=(800, 700))
    assert window == (210, 242, 390, 558)  # 400 - 157.5 and 400 + 157.5, rounded to even
    assert matrix[0, 0] == pytest.approx(256 / 316)
    assert at(matrix, 210 - 0.5, 242 - 0.5)[1] == pytest.approx(-0.5)
    assert at(matrix, 390 - 0.5, 558 - 0.5)[1] == pytest.approx(255.5)
    # As much black on either side: the square is 316 wide, the crop 180.
    assert at(matrix, 209.5, 300)[0] == pytest.approx((316 - 180) / 2 * 256 / 316 - 0.5)


def test_kims_crop_is_clipped_and_black_around():
    image = np.full((200, 300, 3), 90, np.uint8)
    matrix, window = kim_affine((20.0, 100.0), 1.0, 256, picture=(200, 300))
    assert window == (0, 0, 80, 200)
    taken = take(image, matrix, (256, 256), window)[0]
    edge = round((200 - 80) / 2 * 256 / 200)
    assert (taken[2:-2, edge + 2 : 256 - edge - 2] == 90).all()
    assert (taken[:, : edge - 2] == 0).all() and (taken[:, 256 - edge + 2 :] == 0).all()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0.0, 0.0, 0.0, 10.0), "no area"),
        ((0.0, 0.0, 10.0, -1.0), "no area"),
        ((0.0, NAN, 10.0, 10.0), "not finite"),
        ((0.0, 0.0, INF, 10.0), "not finite"),
        ((-50.0, 0.0, 20.0, 10.0), "outside"),
        ((10.0, 60.0, 20.0, 10.0), "outside"),
    ],
)
def test_boxes_that_hold_nothing_are_named(box, message):
    with pytest.raises(ValueError, match=f"sample 7: .*{message}"):
        crop_affine(box, (256, 256), picture=(60, 80), name="sample 7")


@pytest.mark.parametrize(
    ("centre", "scale"),
    [((30.0, NAN), 1.0), ((30.0, 30.0), 0.0), ((30.0, 30.0), NAN), ((500.0, 30.0), 1.0)],
)
def test_kims_crops_that_hold_nothing_are_named(centre, scale):
    with pytest.raises(ValueError, match="sample 7"):
        kim_affine(centre, scale, 256, picture=(60, 80), name="sample 7")


def test_a_matrix_without_an_inverse_takes_nothing(picture):
    with pytest.raises(ValueError, match="no map"):
        take(picture, torch.zeros(3, 3).double(), (9, 9))
