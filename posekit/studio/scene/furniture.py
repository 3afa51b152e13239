"""Random furniture for generated rooms: pieces of a few boxes, front towards low y, back at y = 0.

Millimetres, in the piece's own frame, standing on z = 0. Sizes are those that shops sell.
"""

from dataclasses import dataclass

import numpy as np

from posekit.studio.scene.building import Ball, Number, Part, Range, muted


@dataclass(frozen=True)
class Style:
    """The colours that a room's furniture shares."""

    wood: np.ndarray
    cloth: np.ndarray
    paint: np.ndarray
    accent: np.ndarray
    grain: str  # the tile of wooden things


def draw_style(rng: np.random.Generator) -> Style:
    """A random style: woods from birch to wenge, mostly white or wooden fronts."""
    shade = rng.uniform(0.35, 1.4)
    white = rng.random() < 0.5
    return Style(
        wood=shade * np.array([1.0, rng.uniform(0.9, 1.05), rng.uniform(0.8, 1.2)]),
        cloth=muted(rng, 0.05, 0.6, 0.6),
        paint=np.full(3, rng.uniform(0.65, 0.9)) if white else muted(rng, 0.15, 0.7, 0.5),
        accent=muted(rng, 0.1, 0.7, 0.9),
        grain="board" if rng.random() < 0.75 else "plain",
    )


def _around(middle: Number, half: Number) -> Range:
    """The range from `middle` - `half` to `middle` + `half`."""
    return middle - half, middle + half


def _legs(x: Range, y: Range, height, thick, tile, tint, inset=40) -> list[Part]:
    """Four legs under the rectangle x by y."""
    return [
        Part((a, a + thick), (b, b + thick), (0, height), tile, tint)
        for a in (x[0] + inset, x[1] - inset - thick)
        for b in (y[0] + inset, y[1] - inset - thick)
    ]


def table(rng, s: Style, wide=None) -> list[Part]:
    """A dining table or desk, sometimes with things on it."""
    wide = wide or rng.uniform(900, 1900)
    deep, high = rng.uniform(650, 950), rng.uniform(710, 760)
    x, y = (-wide / 2, wide / 2), (-deep, 0)
    top = Part(x, y, (high - 35, high), s.grain, s.wood)
    parts = [*_legs(x, y, high - 35, rng.uniform(35, 80), s.grain, s.wood), top]
    for _ in range(rng.integers(0, 4)):
        u, v = rng.uniform(x[0] + 150, x[1] - 150), rng.uniform(-deep + 120, -120)
        w, d, h = rng.uniform(30, 150), rng.uniform(30, 120), rng.uniform(20, 240)
        if all(abs(u - (p.x[0] + p.x[1]) / 2) > 260 for p in parts[5:]):
            parts.append(Part(_around(u, w), _around(v, d), (high, high + h), tint=muted(rng)))
    return parts


def desk(rng, s: Style) -> list[Part]:
    """A desk with a screen."""
    parts = table(rng, s, rng.uniform(1200, 1600))[:5]
    high = parts[-1].z[1]
    u = rng.uniform(-250, 250)
    return [
        *parts,
        Part(_around(u, 60), (-250, -150), (high, high + 90), tint=(0.03,) * 3),
        Part(_around(u, 290), (-220, -180), (high + 90, high + 430), "screen", front="screen"),
        Part(_around(u, 220), (-520, -380), (high, high + 25), tint=(0.05,) * 3),
    ]


def chair(rng, s: Style) -> list[Part]:
    """A chair with its back at y = 0."""
    seat, wide, high = rng.uniform(430, 470), rng.uniform(400, 470), rng.uniform(800, 1000)
    x, y = (-wide / 2, wide / 2), (-wide, 0)
    frame = (s.grain, s.wood) if rng.random() < 0.6 else ("plain", s.accent)
    back = rng.uniform(0.35, 1.0)
    parts = _legs(x, y, seat - 40, 38, *frame, 10)
    parts.append(Part(x, y, (seat - 40, seat), *(frame if back > 0.6 else ("fabric", s.cloth))))
    if back >= 0.7:
        return [*parts, Part(x, (-45, 0), (seat, high), *frame)]
    posts = [Part((a, a + 38), (-38, 0), (seat, high - 120), *frame) for a in (x[0], x[1] - 38)]
    return [*parts, *posts, Part(x, (-36, 0), (high - 120, high), *frame)]


def stool(rng, s: Style) -> list[Part]:
    """A stool or a small side table."""
    side, high = rng.uniform(300, 450), rng.uniform(420, 650)
    x, y = (-side / 2, side / 2), (-side, 0)
    return [
        *_legs(x, y, high - 30, 34, s.grain, s.wood, 15),
        Part(x, y, (high - 30, high), s.grain, s.wood),
    ]


def sofa(rng, s: Style) -> list[Part]:
    """An armchair to a three-seater, with cushions."""
    seats = int(rng.integers(1, 4))
    wide, arm = 620.0 * seats, rng.uniform(120, 220)
    seat, back, deep = rng.uniform(400, 450), rng.uniform(700, 900), rng.uniform(850, 950)
    half = wide / 2
    parts = [Part((-half, half), (-deep, -220), (60, seat - 110), "fabric", 0.8 * s.cloth)]
    cloth = ("fabric", s.cloth)
    for k in range(seats):
        a = -half + k * wide / seats
        x = (a + 6, a + wide / seats - 6)
        parts.append(Part(x, (-deep, -220), (seat - 110, seat), *cloth))
    parts.append(Part((-half, half), (-220, 0), (60, back), *cloth))
    for a in (-half - arm, half):
        parts.append(Part((a, a + arm), (-deep, 0), (60, seat + 170), *cloth))
    for _ in range(rng.integers(0, 3)):
        x = _around(rng.uniform(-half + 200, half - 200), 190)
        parts.append(Part(x, (-380, -222), (seat, seat + 360), "fabric", s.accent))
    return parts


def bed(rng, s: Style) -> list[Part]:
    """A bed, its head at y = 0."""
    half, long = rng.uniform(450, 850), rng.uniform(1950, 2100)
    cover = muted(rng, 0.25, 0.85, 0.5)
    parts = [
        Part((-half, half), (-long, -60), (80, 320), s.grain, s.wood),
        Part((-half - 20, half + 20), (-long - 15, -650), (320, 520), "fabric", cover),
        Part((-half, half), (-650, -60), (320, 490), "fabric", (0.85, 0.85, 0.83)),
        Part((-half, half), (-60, 0), (0, rng.uniform(800, 1150)), s.grain, s.wood),
    ]
    for u in (-half / 2, half / 2) if half > 600 else (0.0,):
        parts.append(Part(_around(u, 280), (-470, -80), (490, 600), "fabric", (0.8, 0.8, 0.8)))
    return parts


def wardrobe(rng, s: Style) -> list[Part]:
    """A wardrobe or cupboard, shoulder-high or taller."""
    half, high, deep = rng.uniform(400, 900), rng.uniform(1300, 2150), rng.uniform(380, 600)
    front = ("cupboard", "wardrobe", "cabinets")[rng.integers(3)]
    wooden = rng.random() < 0.4
    tint = 0.6 * s.wood * np.array([0.8, 0.55, 0.34]) if wooden else s.paint
    return [Part((-half, half), (-deep, 0), (0, high), "plain", tint, front)]


def sideboard(rng, s: Style) -> list[Part]:
    """A low cupboard or chest of drawers, with a screen, a lamp or a vase on it."""
    half, high, deep = rng.uniform(450, 950), rng.uniform(450, 950), rng.uniform(380, 480)
    front = ("drawers", "cupboard", "cabinets")[rng.integers(3)]
    parts = [
        Part((-half, half), (-deep, 0), (0, high), "plain", s.paint, front),
        Part((-half - 10, half + 10), (-deep - 10, 0), (high, high + 25), s.grain, s.wood),
    ]
    high += 25
    kind = rng.integers(4)
    if kind == 0 and half > 550:
        wide = rng.uniform(350, 550)
        z = (high + 40, high + 1.15 * wide + 40)
        parts.append(Part((-wide, wide), (-250, -200), z, "screen", front="screen"))
        parts.append(Part((-120, 120), (-300, -150), (high, high + 40), tint=(0.03,) * 3))
    elif kind == 1:
        u = rng.uniform(-half + 150, half - 150)
        parts += [
            Part(_around(u, 60), (-260, -140), (high, high + 180), tint=muted(rng)),
            Part(_around(u, 130), (-330, -70), (high + 180, high + 400), tint=(1.3, 1.1, 0.85)),
        ]
    elif kind == 2:
        for u in np.arange(-half + 120, half - 100, 330):
            w, h = rng.uniform(40, 120), rng.uniform(60, 330)
            parts.append(Part(_around(u, w), (-300, -120), (high, high + h), tint=muted(rng)))
    return parts


def bookcase(rng, s: Style) -> list[Part]:
    """A bookcase, its shelves and books painted on."""
    half, high = rng.uniform(350, 800), rng.uniform(1500, 2200)
    tile, front = ("board", "books") if rng.random() < 0.6 else ("plain", "books_white")
    return [Part((-half, half), (-300, 0), (0, high), tile, (0.9,) * 3, front)]


def counter(rng, s: Style) -> list[Part]:
    """A kitchen: lower and upper cabinets."""
    half = rng.uniform(700, 1500)
    parts = [
        Part((-half, half), (-560, 0), (0, 870), "plain", s.paint, "cabinets"),
        Part((-half, half), (-600, 0), (870, 910), "concrete", muted(rng, 0.1, 0.9, 0.2)),
        Part((-half, half), (-340, 0), (1420, 2120), "plain", s.paint, "cupboard"),
    ]
    for u in np.arange(-half + 200, half - 150, 520):
        w, h = rng.uniform(50, 120), rng.uniform(80, 300)
        parts.append(Part(_around(u, w), (-350, -180), (910, 910 + h), tint=muted(rng)))
    return parts


def floor_lamp(rng, s: Style) -> list[Part]:
    """A lamp on a pole, its shade lit."""
    high = rng.uniform(1400, 1700)
    metal = (0.05,) * 3 if rng.random() < 0.5 else (0.5,) * 3
    return [
        Part((-130, 130), (-330, -70), (0, 25), tint=metal),
        Part((-13, 13), (-213, -187), (25, high), tint=metal),
        Part((-180, 180), (-380, -20), (high, high + 260), tint=(1.5, 1.25, 0.95)),
    ]


def cartons(rng, s: Style) -> list[Part]:
    """A pile of boxes or crates."""
    parts, high = [], 0.0
    for _ in range(rng.integers(1, 4)):
        w, d, h = rng.uniform(180, 320), rng.uniform(320, 520), rng.uniform(220, 400)
        u = rng.uniform(-40, 40)
        tint = (0.45, 0.31, 0.19) if rng.random() < 0.7 else muted(rng)
        parts.append(Part(_around(u, w), (-d, 0), (high, high + h), "plain", tint))
        high += h
    return parts


def radiator(rng, s: Style) -> list[Part]:
    """A radiator on the wall."""
    half = rng.uniform(350, 800)
    return [Part((-half, half), (-110, -30), (120, 720), "plain", (0.85, 0.85, 0.83), "radiator")]


def curtain(rng, tall: Number, tint: np.ndarray) -> list[Part]:
    """One side of a pair of curtains."""
    half = rng.uniform(150, 320)
    return [Part((-half, half), (-110, -40), (30, tall), "folds", tint, size=900)]


def plant(rng) -> tuple[list[Part], list[Ball]]:
    """A pot with a bush or a small tree in it."""
    pot, high = rng.uniform(120, 200), rng.uniform(250, 420)
    radius = rng.uniform(220, 420)
    stem = high if rng.random() < 0.5 else high + rng.uniform(200, 600)
    parts = [Part((-pot, pot), (-2 * pot, 0), (0, high), "plain", muted(rng, 0.15, 0.8))]
    if stem > high:
        parts.append(Part((-15, 15), (-pot - 15, -pot + 15), (high, stem + 100), "bark"))
    return parts, crown(rng, (0, -pot, stem + 0.7 * radius), radius, 6)


def crown(rng, place, radius: Number, count: int) -> list[Ball]:
    """Foliage about a place (3,): a large ball and `count` smaller ones around, brighter above."""
    hue = np.array([rng.uniform(0.8, 1.5), rng.uniform(0.95, 1.15), rng.uniform(0.6, 1.1)])
    hue *= rng.uniform(1.0, 1.9)
    offsets = rng.normal(size=(count, 3))
    offsets /= np.sqrt((offsets**2).sum(1, keepdims=True))
    sizes = radius * rng.uniform(0.35, 0.65, count)
    places = np.add(place, offsets * (radius * 0.75 * np.array([1, 1, 0.85])))
    tints = hue * (0.95 + 0.3 * offsets[:, 2:])
    balls = [Ball(tuple(place), 0.8 * radius, tint=0.75 * hue)]
    for at, size, tint in zip(places.tolist(), sizes.tolist(), tints, strict=True):
        balls.append(Ball(tuple(at), size, tint=tint))
    return balls
