"""Random places under the sky: streets, gardens, fields, beaches.

The shell is a box of 400 m whose walls carry the sky and the skyline.

World: millimetres, z up, the ground at z = 0.
"""

import numpy as np

from posekit.studio.scene import furniture
from posekit.studio.scene.building import Ball, Building, Number, Part, muted
from posekit.studio.scene.light import outdoors, tint
from posekit.studio.scene.scenery import GROUND, TOP, WALLS, Stage

FAR = 200_000.0  # mm to the sky's walls
SKY_HIGH = 150_000.0  # mm that a sky's tile reaches up
ZENITH = {
    "clear": (0.12, 0.26, 0.55), "pale": (0.4, 0.53, 0.72), "grey": (0.45, 0.48, 0.53),
    "evening": (0.2, 0.28, 0.45),
}  # fmt: skip
"""Linear colour of the sky overhead, by weather."""

OVERCAST = {"clear": 0.1, "grey": 1.0, "evening": 0.3, "pale": 0.6}

SKIES = {
    "trees": ("clear", "grey", "pale"), "hills": ("clear", "evening"), "town": ("clear", "grey"),
    "sea": ("clear", "evening"),
}  # fmt: skip
"""The weathers that a skyline is painted in."""


def _open_air(rng, clear, skyline: str, ground: str, size: Number, *ends) -> Building:
    """The ground, in a colour between `ends`, and the sky."""
    weather = SKIES[skyline][rng.integers(len(SKIES[skyline]))]
    lights = outdoors(rng, min(1.0, OVERCAST[weather] * rng.uniform(0.6, 1.1)))
    place = Building(lights, (-FAR, -FAR, 0), (FAR, FAR, SKY_HIGH), clear, sky=True)
    place.face(GROUND, ground, tint(rng, *ends), size)
    glow = rng.uniform(0.75, 1.1)
    place.face(TOP, "plain", ZENITH[weather], FAR, glow=glow)
    for face in WALLS:
        place.face(face, f"{weather}_{skyline}", (1, 1, 1), 2 * FAR / 3, SKY_HIGH, glow=glow)
    return place


def _finish(place: Building, blur: float = 0.8) -> Stage:
    """The place with shadows as dark as the sun is bright beside the sky."""
    lights = place.lights
    sun = float(lights.colours[0].mean() * lights.directions[0, 2].clamp(min=0))
    return place.build(blur=blur, strength=0.9 * sun / (sun + float(lights.ambient.mean())))


def _turned(yaw: Number, u: Number, v: Number) -> tuple[Number, Number]:
    """The point (u, v) turned about the origin."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return cos * u - sin * v, sin * u + cos * v


def _ring(rng, least: Number, most: Number) -> tuple[Number, Number]:
    """A random point at a distance from the origin."""
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(least, most)
    return _turned(angle, away, 0)


def _tree(rng, place: Building, x: Number, y: Number) -> None:
    """A tree with a crown of balls, or a conifer."""
    high, trunk = rng.uniform(1700, 3200), rng.uniform(90, 220)
    radius = rng.uniform(1100, 2300)
    if rng.random() < 0.25:
        shade = rng.uniform(0.8, 1.4)
        tall, top = rng.uniform(4000, 8000), 900
        balls = [
            Ball((0, 0, 700 + 0.16 * tall + 0.8 * t * tall), (1 - t) * 0.17 * tall + 150,
                 "needles", (shade * (0.9 + 0.4 * t),) * 3)
            for t in np.linspace(0, 1, 7)
        ]  # fmt: skip
    else:
        top, balls = (
            high + 0.1 * radius,
            furniture.crown(rng, (0, 0, high + 0.8 * radius), radius, 9),
        )
    stem = Part((-trunk, trunk), (-trunk, trunk), (0, top), "bark", (0.8,) * 3, "", 900)
    place.put(x, y, 0.0, [stem], balls, gap=-radius)


def _bush(rng, place: Building, x: Number, y: Number) -> None:
    radius = rng.uniform(300, 900)
    balls = furniture.crown(rng, (0, 0, 0.55 * radius), radius, 6)
    place.put(x, y, 0.0, [Part((-60, 60), (-60, 60), (0, 200), "bark")], balls, gap=-300)


def _bench(rng) -> list[Part]:
    half = rng.uniform(700, 900)
    x, wood, iron = (-half, half), ("board", (0.7,) * 3), ("plain", (0.06,) * 3)
    legs = [Part((a, a + 60), (-450, -60), (0, 420), *iron) for a in (-half + 100, half - 160)]
    seat = [Part(x, (-480 + 150 * k, -350 + 150 * k), (420, 455), *wood) for k in range(3)]
    back = [Part(x, (-50, -20), (520 + 140 * k, 630 + 140 * k), *wood) for k in range(2)]
    return [*legs, *seat, *back]


def _post(half: Number, high: Number, tint) -> list[Part]:
    """A square post, bin or lamp."""
    return [Part((-half, half), (-half, half), (0, high), "plain", tint)]


def _house(rng, place: Building, x, y, yaw, half, high, shops=0.45) -> None:
    """A house, its front towards low y in its own frame."""
    name = ("facade_stone", "facade_brick", "facade_render", "facade_office")[rng.integers(4)]
    shade = tint(rng, (0.6, 0.6, 0.6), (1.15, 1.05, 0.9), (0.95, 1.0, 1.05))
    parts = [Part((-half, half), (0, 8000), (0, high), name, shade, "", rng.uniform(2900, 3400))]
    if rng.random() < shops:
        shop = ("shop", "shop_red")[rng.integers(2)]
        count = max(1, round(2 * half / 5000))
        wide = 2 * half / count
        for k in range(count):
            a = -half + k * wide
            parts.append(Part((a, a + wide), (-60, -1), (0, 3000), "plain", (0.9,) * 3, shop))
    place.put(x, y, yaw, parts, gap=-600)


def _car(rng) -> list[Part]:
    """A car or a van: grey, black, white, sometimes a colour."""
    grey = rng.random() < 0.7
    paint = (
        np.full(3, rng.choice([0.03, 0.1, 0.3, 0.5, 0.8])) if grey else muted(rng, 0.1, 0.5, 0.9)
    )
    half, wide = rng.uniform(1900, 2400), 1700
    tall = rng.uniform(1380, 2100)
    back = 100 if tall > 1700 else rng.uniform(150, 700)
    x, front = (-half + back, half - 1000), (half, half + 8)
    lamp = ((600, 740), "plain", (0.8,) * 3)
    return [
        Part((-half + 60, half - 60), (60, wide - 60), (0, 200), "plain", (0.02,) * 3),
        Part((-half, half), (0, wide), (200, 880), "plain", paint, "car_side"),
        Part(x, (90, wide - 90), (880, tall), "plain", paint, "car_glass"),
        Part((half - 1000, half - 985), (150, wide - 150), (900, tall - 80), "plain", (0.04,) * 3),
        Part(front, (80, 400), *lamp),
        Part(front, (wide - 400, wide - 80), *lamp),
    ]


def street(rng, clear, reach) -> Stage:
    """A street or a square between houses."""
    if rng.random() < 0.5:
        floor = ("asphalt", 2500, (0.8,) * 3, (1.5,) * 3)
    else:
        floor = (("paving", "cobble")[rng.integers(2)], 2000, (0.7,) * 3, (1.25, 1.2, 1.1))
    place = _open_air(rng, clear, "town", *floor)
    turn = rng.uniform(0, 2 * np.pi)
    near, far = reach * rng.uniform(0.6, 1.1), reach * rng.uniform(1.4, 4.0)
    rows = ((1, near, turn), (-1, far, turn + np.pi))  # side of the street, distance, yaw
    for side, away, yaw in rows:
        along = -reach * rng.uniform(5, 6)
        while along < 6 * reach:
            half = rng.uniform(4000, 9000)
            x, y = _turned(turn, along + half, side * away)
            _house(rng, place, x, y, yaw, half, rng.uniform(5500, 16000))
            along += 2 * half + (rng.uniform(200, 4000) if rng.random() < 0.25 else 10)
        # The pavement before the houses, and its kerb.
        x, y = _turned(turn, 0, side * (away - 1100))
        place.floor_decal(x, y, turn, 12 * reach, 2200, "paving", (1.0,) * 3, 1500)
    # Houses farther off close the view, so that no street ends in a plain.
    for angle in np.linspace(0, 2 * np.pi, 9, endpoint=False) + rng.uniform(0, 1):
        x, y = _turned(angle, 0, rng.uniform(6, 9) * reach)
        _house(rng, place, x, y, angle, rng.uniform(7000, 11000), rng.uniform(7000, 20000))
    for side, away, yaw in rows:
        # Cars along the kerb, or trees.
        if away > 0.8 * reach and rng.random() < 0.7:
            u, trees = rng.uniform(-4, -3) * reach, rng.random() < 0.4
            while u < 4 * reach:
                x, y = _turned(turn, u, side * (away - 2300) - side * 900)
                if trees:
                    _tree(rng, place, x, y)
                else:
                    place.put(x, y, yaw, _car(rng))
                u += rng.uniform(5200, 9000)
    for _ in range(int(rng.integers(6, 16))):
        u, v = rng.uniform(-3, 3) * reach, rng.uniform(-far + 600, near - 300)
        x, y = _turned(turn, u, v)
        kind = rng.integers(6)
        if kind == 0:
            _tree(rng, place, x, y)
        elif kind == 1:
            place.put(x, y, turn + rng.integers(2) * np.pi, _bench(rng))
        elif kind == 2:
            dark = (0.08,) * 3
            lamp = Part((-250, 250), (-120, 120), (4500, 4650), "plain", dark)
            place.put(x, y, turn, [*_post(50, 4500, dark), lamp])
        elif kind == 3:
            place.put(x, y, turn + rng.integers(2) * np.pi, _car(rng))
        elif kind == 4:
            place.put(x, y, turn, _post(80, 950, muted(rng, 0.05, 0.5)))
        else:
            place.put(x, y, turn, _post(250, 1050, muted(rng, 0.1, 0.5)))
    return _finish(place, blur=0.7)


def garden(rng, clear, reach) -> Stage:
    """A garden or a park: lawn, trees, bushes, hedges, perhaps a house."""
    skyline = "trees" if rng.random() < 0.7 else "hills"
    place = _open_air(rng, clear, skyline, "grass", 1800, (0.7, 0.7, 0.7), (1.2, 1.2, 1.1))
    turn = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        x, y = _turned(turn, 0, rng.uniform(-1500, 1500))
        tile = ("paving", "gravel", "sand")[rng.integers(3)]
        place.floor_decal(x, y, turn, 40000, rng.uniform(1200, 3500), tile, size=1800)
    if rng.random() < 0.45:
        x, y = reach * 1.6 * -np.sin(turn), reach * 1.6 * np.cos(turn)
        _house(rng, place, x, y, turn, rng.uniform(4000, 7000), rng.uniform(3000, 7000), 0.0)
    for side in range(4):
        if rng.random() < 0.6:
            yaw = turn + side * np.pi / 2
            away, high = reach * rng.uniform(1.2, 2.5), rng.uniform(900, 2400)
            hedge, fence = ("leaves", (1.2, 1.2, 1.1), "", 1300), ("cladding", (0.8,) * 3, "", 1600)
            deep, look = (700, hedge) if rng.random() < 0.6 else (60, fence)
            x, y = _turned(yaw, 0, away)
            place.put(x, y, yaw, [Part((-9000, 9000), (0, deep), (0, high), *look)], gap=-800)
    for _ in range(int(rng.integers(6, 14))):
        _tree(rng, place, *_ring(rng, 1.1 * reach, 5 * reach))
    for _ in range(int(rng.integers(4, 12))):
        _bush(rng, place, *_ring(rng, 0.5 * reach, 2.5 * reach))
    style = furniture.draw_style(rng)
    for _ in range(int(rng.integers(0, 4))):
        pieces = (_bench(rng), furniture.table(rng, style), furniture.chair(rng, style))
        parts = pieces[rng.integers(3)]
        x, y = _ring(rng, 0.3 * reach, 1.5 * reach)
        place.put(x, y, rng.uniform(0, 2 * np.pi), parts)
    return _finish(place)


def field(rng, clear, reach) -> Stage:
    """A meadow, a sports field or a gravel place with a far horizon."""
    skyline = ("trees", "hills", "town")[rng.integers(3)]
    ground = (("meadow", 2200), ("grass", 2200), ("gravel", 1600))[(0, 0, 1, 1, 2)[rng.integers(5)]]
    place = _open_air(rng, clear, skyline, *ground, (0.7, 0.7, 0.7), (1.2, 1.15, 1.0))
    for _ in range(int(rng.integers(4, 14))):
        _tree(rng, place, *_ring(rng, 2 * reach, 9 * reach))
    for _ in range(int(rng.integers(2, 9))):
        _bush(rng, place, *_ring(rng, reach, 5 * reach))
    return _finish(place)


def beach(rng, clear, reach) -> Stage:
    """Sand, the sea on one side, the sky."""
    place = _open_air(rng, clear, "sea", "sand", 2600, (0.8, 0.8, 0.8), (1.15, 1.12, 1.05))
    turn, away = rng.uniform(0, 2 * np.pi), reach * rng.uniform(1.5, 3.5)
    deep = 150_000.0
    for start, shade in ((0.0, (0.5, 0.6, 0.55)), (1500.0, (0.10, 0.2, 0.24))):
        x, y = _turned(turn, 0, away + start + deep / 2)
        place.floor_decal(x, y, turn, 2 * FAR, deep, "plain", shade)
    for _ in range(int(rng.integers(0, 4))):
        style = furniture.draw_style(rng)
        parts = (furniture.cartons(rng, style), furniture.chair(rng, style))[rng.integers(2)]
        x, y = _ring(rng, 0.5 * reach, 2 * reach)
        place.put(x, y, rng.uniform(0, 6.3), parts)
    return _finish(place)
