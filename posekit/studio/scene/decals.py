"""Textures that do not repeat: windows, doors, pictures, fronts of furniture, shops and cars.

As in `surfaces`, a painter makes a tile (SIZE, SIZE, 3) of display values; a decal is stretched over
its rectangle.
"""

from functools import partial

import cv2
import numpy as np

from posekit.studio.scene.light import rgb
from posekit.studio.scene.surfaces import SIZE, Painter, clouds, noise, planks, plaster


def box(picture, left, top, right, bottom, paint) -> None:
    """Fill a rectangle, in fractions of the side, with a hex colour or with values."""
    a, b, c, d = (round(SIZE * v) for v in (left, top, right, bottom))
    picture[b:d, a:c] = rgb(paint) if isinstance(paint, str) else paint


def _shadow(picture, left, top, right, bottom, strength=0.35, width=0.02) -> None:
    """A dark line along a rectangle's edges: where a door or a drawer meets its frame."""
    a, b, c, d = (round(SIZE * v) for v in (left, top, right, bottom))
    line = max(1, round(SIZE * width))
    for part in (
        picture[b : b + line, a:c],
        picture[d - line : d, a:c],
        picture[b:d, a : a + line],
        picture[b:d, c - line : c],
    ):
        part *= 1 - strength


def landscape(rng, sky="bcd2e6", haze="e8ecee", ground="66784a", trees=True) -> np.ndarray:
    """An out-of-focus view: sky, a ragged line of trees or houses, ground."""
    rows = np.linspace(0, 1, SIZE)[:, None, None]
    picture = (1 - rows) * rgb(sky) + rows * rgb(haze) + np.zeros((SIZE, SIZE, 1))
    line = 0.55 + 0.22 * (noise(rng, 8, 1) - 0.5) + 0.06 * (noise(rng, 64, 1) - 0.5)
    below = (rows[..., 0] > line)[..., None]
    dark = rgb("3e5236") if trees else rgb("8c8880")
    picture = np.where(below, dark * (1 + 0.35 * clouds(rng, 16, 4)), picture)
    picture = np.where(rows > 0.74, rgb(ground) * (1 + 0.1 * clouds(rng, 8, 5)), picture)
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2.5)


def window(rng, frame="f2f0ea", panes=2, bars=1, view="green") -> np.ndarray:
    """A window and its frame before a view: "green", "town", "haze" (bright), or else night."""
    if view == "green":
        picture = 0.25 + 0.8 * landscape(rng)
    elif view == "town":
        picture = 0.25 + 0.8 * landscape(rng, trees=False, ground="8a8a8a")
    elif view == "haze":
        picture = plaster(rng, "fafcff", 0.02)
    else:
        picture = plaster(rng, "1c222c", 0.3)
    for k in range(panes + 1):
        x = k / panes
        box(picture, max(0, x - 0.035), 0, min(1, x + 0.035), 1, frame)
        _shadow(picture, max(0, x - 0.035), 0, min(1, x + 0.035), 1, 0.2, 0.008)
    for k in range(bars + 1):
        y = k / bars
        box(picture, 0, max(0, y - 0.03), 1, min(1, y + 0.03), frame)
    return picture


def blinds(rng, frame="f2f0ea") -> np.ndarray:
    """A window behind slats."""
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * 24 * np.arange(SIZE) / SIZE)
    picture = (rgb("f4f2ec") * (0.72 + 0.28 * wave[:, None, None])) * np.ones((1, SIZE, 1))
    picture = picture.astype(np.float32)
    _shadow(picture, 0, 0, 1, 1, 0.25, 0.03)
    return picture


def door(rng, base="e4e0d8", fields=2, glass=False, grain=False) -> np.ndarray:
    """A door in its frame, with a handle."""
    panel = planks(rng, base, 2, 0.02, 0.0, 0) if grain else plaster(rng, base, 0.02)
    picture = np.ascontiguousarray(panel.transpose(1, 0, 2) if grain else panel, np.float32)
    picture *= 0.93
    picture[10:, 22:-22] *= 1.07
    _shadow(picture, 0.09, 0.04, 0.91, 1.0, 0.45, 0.012)
    if glass:
        box(picture, 0.25, 0.1, 0.75, 0.6, "aebcc2")
        _shadow(picture, 0.25, 0.1, 0.75, 0.6, 0.3, 0.015)
    else:
        for k in range(fields):
            top = 0.12 + k * 0.84 / fields
            _shadow(picture, 0.22, top, 0.78, top + 0.72 / fields, 0.16, 0.014)
    box(picture, 0.82, 0.515, 0.87, 0.55, "8c8a84")
    box(picture, 0.72, 0.525, 0.87, 0.54, "9c9a94")
    return picture


def painting(rng, style=0) -> np.ndarray:
    """A picture in a frame: a landscape, an abstract, a print with a mount, a photograph."""
    frames = ("2c2622", "e8e4dc", "6e4e30", "b09458", "18181a")
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = rgb(frames[style % len(frames)])
    if style % 4 == 0:
        inside = landscape(rng, *(("d8b890", "f0dcc0", "6a5c40") if style else ()))
    elif style % 4 == 1:
        inside = plaster(rng, "e8e2d4", 0.05)
        for _ in range(9):
            hue = rng.random(3) * 0.75 + 0.1
            centre = tuple(rng.integers(20, SIZE - 20, 2).tolist())
            axes = tuple(rng.integers(12, 70, 2).tolist())
            angle = float(rng.integers(180))
            cv2.ellipse(inside, centre, axes, angle, 0, 360, hue.tolist(), -1)
    elif style % 4 == 2:
        inside = 0.45 + 0.35 * np.concatenate([clouds(rng, 2, 5, 0.7)] * 3, -1)
        inside = inside * (0.6 + 0.6 * rng.random(3))
    else:
        inside = np.repeat(np.repeat(rng.random((4, 3, 3)) * 0.7 + 0.2, 64, 0), 86, 1)[:, :SIZE]
    mount = 0.16 if style % 3 == 0 else 0.07
    box(picture, 0.05, 0.05, 0.95, 0.95, "efece4")
    low, high = round(mount * SIZE), round((1 - mount) * SIZE)
    picture[low:high, low:high] = cv2.resize(inside.astype(np.float32), (high - low, high - low))
    _shadow(picture, 0.05, 0.05, 0.95, 0.95, 0.25, 0.01)
    return picture


def books(rng, shelves=5, wood="a88660") -> np.ndarray:
    """A bookcase from the front."""
    picture = plaster(rng, wood, 0.06) * 0.45
    for k in range(shelves):
        floor = round((k + 1) * SIZE / shelves) - 3
        room = SIZE // shelves - 6
        x = 6
        while x < SIZE - 10:
            if rng.random() < 0.12:
                x += int(rng.integers(5, 30))
                continue
            wide = int(rng.integers(3, 9))
            tall = int(room * rng.uniform(0.6, 0.95))
            muted = 0.5 * rng.random(3) + 0.45 * rng.random()
            picture[floor - tall : floor, x : min(x + wide, SIZE - 6)] = muted * 0.8 + 0.05
            picture[floor - tall : floor, x : x + 1] *= 0.6
            x += wide
        picture[floor : floor + 3] = rgb(wood)
        picture[floor - room : floor - room + 6] *= 0.55
    for edge in (slice(0, 5), slice(-5, None)):
        picture[:, edge] = rgb(wood)
    picture[:4] = rgb(wood)
    return picture


def front(rng, base="f0eeea", across=2, down=1, knob="6c6a66", inset=0.0) -> np.ndarray:
    """The doors or drawers of a cupboard."""
    picture = plaster(rng, base, 0.02)
    for i in range(across):
        for j in range(down):
            leaf = (i / across, j / down, (i + 1) / across, (j + 1) / down)
            _shadow(picture, *leaf, 0.45, 0.008)
            if inset:
                gap = inset / max(across, down)
                left, top, right, bottom = leaf
                _shadow(picture, left + gap, top + gap, right - gap, bottom - gap, 0.2, 0.01)
            if across == 1:
                x, y = 0.5, (j + 0.35) / down
                box(picture, x - 0.06, y, x + 0.06, y + 0.02, knob)
            else:
                x = (i + (0.88 if i % 2 == 0 else 0.12)) / across
                y = (j + 0.45) / down
                box(picture, x - 0.01, y, x + 0.01, y + 0.08, knob)
    return picture


def board(rng, base="f4f4f2", frame="b0b0ae", ink="3c5c8c", lines=7) -> np.ndarray:
    """A whiteboard, blackboard or notice with lines of writing."""
    picture = plaster(rng, base, 0.03)
    for k in range(lines):
        y = 0.15 + 0.1 * k
        x = 0.1
        while x < rng.uniform(0.4, 0.9):
            wide = rng.uniform(0.02, 0.08)
            box(picture, x, y, min(x + wide, 0.93), y + 0.018, ink)
            x += wide + 0.02
    _shadow(picture, 0, 0, 1, 1, 0.3, 0.02)
    box(picture, 0, 0.975, 1, 1, frame)
    return picture


def screen(rng) -> np.ndarray:
    """A dark screen with a reflection."""
    picture = plaster(rng, "16181c", 0.2)
    y, x = np.indices((SIZE, SIZE)) / SIZE
    picture += 0.10 * np.clip(1 - np.abs(x - y * 0.6 - 0.2) * 5, 0, 1)[..., None]
    _shadow(picture, 0, 0, 1, 1, 0.6, 0.02)
    return picture


def radiator(rng) -> np.ndarray:
    """The front of a panel radiator."""
    wave = 0.82 + 0.16 * np.cos(2 * np.pi * 28 * np.arange(SIZE) / SIZE)
    picture = np.repeat((rgb("f4f2ee") * wave[:, None])[None], SIZE, 0)
    picture[:12] = rgb("e2e0dc")
    picture[-12:] = rgb("d8d6d2")
    return picture


def rug(rng, base="8a4a40", other="d8c8a8", rings=5) -> np.ndarray:
    """A rug with borders."""
    picture = plaster(rng, base, 0.1, 32)
    for k in range(rings):
        edge = 0.03 + 0.055 * k
        tone = rgb(other) if k % 2 else 0.7 * rgb(base) + 0.25 * rng.random()
        if k in (0, 3, 4):
            box(picture, edge, edge, 1 - edge, 1 - edge, tone)
    inner = slice(round(0.27 * SIZE), round(0.73 * SIZE))
    mix = np.clip(0.5 + 2 * clouds(rng, 8, 3), 0, 1)[inner, inner]
    picture[inner, inner] = mix * rgb(base) + (1 - mix) * rgb(other)
    return picture * (1 + 0.1 * clouds(rng, 64, 2))


def shop(rng, base="4c5a54", glass="4a525a") -> np.ndarray:
    """A shop's front: a sign, a large window, a door."""
    picture = plaster(rng, base, 0.06)
    box(picture, 0.05, 0.04, 0.95, 0.18, "e4dcc8")
    for k in range(8):
        box(picture, 0.2 + 0.075 * k, 0.075, 0.25 + 0.075 * k, 0.145, base)
    inside = rgb(glass) * (1 + 0.5 * clouds(rng, 4, 5))
    picture[60:235, 16:165] = inside[60:235, 16:165]
    picture[60:250, 180:240] = 0.8 * inside[60:250, 180:240]
    _shadow(picture, 0.06, 0.23, 0.65, 0.92, 0.4, 0.01)
    return picture


def car(rng, glass=False) -> np.ndarray:
    """The side of a car, to be tinted: doors, arches and wheels, or the windows above them."""
    picture = np.full((SIZE, SIZE, 3), 0.95, np.float32)
    if glass:
        box(picture, 0.04, 0.16, 0.96, 0.92, "20262c")
        for pillar in (0.36, 0.68):
            box(picture, pillar, 0.1, pillar + 0.03, 1, picture[0, 0])
        return picture
    picture[:12] *= 0.8
    for seam in (0.3, 0.5, 0.69):
        box(picture, seam, 0.05, seam + 0.005, 0.85, "6a6a6a")
    picture[-30:] *= 0.35
    for x in (0.18, 0.81):
        centre = (round(x * SIZE), round(0.86 * SIZE))
        # A wheel 640 mm across on a side 4.3 m long and 0.68 m high.
        for radius, tone in ((0.48, 0.05), (0.26, 0.55), (0.08, 0.2)):
            axes = (round(radius * SIZE * 0.158), round(radius * SIZE))
            cv2.ellipse(picture, centre, axes, 0, 0, 360, (tone,) * 3, -1)
    return picture


DECALS: dict[str, Painter] = {
    "window_green": window,
    "window_town": partial(window, view="town", panes=2, bars=2),
    "window_haze": partial(window, view="haze", panes=1, bars=2),
    "window_wide": partial(window, panes=3, frame="4a4a4c"),
    "window_wood": partial(window, panes=2, bars=3, frame="8a6440", view="haze"),
    "window_night": partial(window, view="night"),
    "blinds": blinds,
    "door_white": door,
    "door_wood": partial(door, base="94683e", fields=3, grain=True),
    "door_glass": partial(door, base="c8ccce", glass=True),
    "door_dark": partial(door, base="5a5048", fields=1, grain=True),
    **{f"painting_{k}": partial(painting, style=k) for k in range(8)},
    "books": books,
    "books_white": partial(books, shelves=4, wood="e8e6e2"),
    "cupboard": front,
    "wardrobe": partial(front, across=3, inset=0.1),
    "drawers": partial(front, across=1, down=4),
    "cabinets": partial(front, across=4, down=2, inset=0.15),
    "lockers": partial(front, across=6, down=2, base="dcdcdc"),
    "whiteboard": board,
    "blackboard": partial(board, base="34443c", ink="d0d4d0", frame="7c5c3c"),
    "notices": partial(board, base="b89468", ink="f0ece4", lines=6),
    "screen": screen,
    "radiator": radiator,
    "rug": rug,
    "rug_blue": partial(rug, base="46566c", other="c8c4b8"),
    "rug_grey": partial(rug, base="a8a49c", other="8a867e"),
    "car_side": car,
    "car_glass": partial(car, glass=True),
    "shop": shop,
    "shop_red": partial(shop, base="7c4038"),
}
