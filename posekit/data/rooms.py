"""Generated surroundings for pictures of people: rooms, halls, studios; outdoors is in `outdoors`.

`stage` draws a place around the people from a generator's numbers; `Stage.view` is its picture from
any camera, with depth, so that furniture may stand before people as well as behind them. Light,
materials and proportions are drawn from what homes, offices and gyms have: muted colours, white
ceilings, windows on one or two walls.

World: millimetres, z up, the floor at z = 0.
"""

from collections.abc import Callable, Sequence

import numpy as np

from posekit.data import furniture, outdoors
from posekit.data.building import Building, Number, Part, muted
from posekit.data.light import indoors, tint
from posekit.data.scenery import GROUND, TOP, WALLS, Stage

KINDS = {
    "room": 0.42,
    "hall": 0.14,
    "street": 0.13,
    "garden": 0.12,
    "field": 0.08,
    "beach": 0.04,
    "sweep": 0.04,
    "texture": 0.03,
}
"""How often each kind of place is drawn."""

FLOORS = (
    # tile, mm a tile, share, tints between
    ("oak", 1900, 5, (0.6, 0.6, 0.6), (1.3, 1.3, 1.3), (1.0, 1.1, 1.25)),
    ("walnut", 1900, 2, (0.6, 0.6, 0.6), (1.3, 1.2, 1.1)),
    ("ash", 2000, 3, (0.7, 0.7, 0.7), (1.1, 1.1, 1.1)),
    ("parquet", 1200, 2, (0.7, 0.65, 0.6), (1.3, 1.3, 1.3)),
    ("tiles", 1600, 2, (0.5, 0.5, 0.5), (1.0, 0.97, 0.9)),
    ("terracotta", 1400, 1, (0.8, 0.8, 0.8), (1.1, 1.2, 1.3)),
    ("slate", 1800, 1, (0.9, 0.9, 0.9), (1.6, 1.6, 1.6)),
    ("checker", 1600, 1, (0.7, 0.7, 0.7), (1.0, 0.95, 0.85)),
    ("carpet", 900, 4, (0.9, 0.85, 0.8), (0.35, 0.4, 0.5), (1.3, 1.25, 1.15)),
    ("terrazzo", 1100, 1, (0.6, 0.6, 0.6), (1.0, 1.0, 1.0)),
    ("concrete", 2500, 2, (0.7, 0.7, 0.7), (1.2, 1.2, 1.2)),
)
WALL_TILES = (
    ("plaster", 2600, 9),
    ("render", 2400, 2),
    ("stripes", 1300, 1),
    ("thin_stripes", 1300, 1),
    ("dots", 1300, 1),
    ("motif", 1500, 1),
    ("panels", 1700, 1),
    ("bricks", 1200, 1),
    ("blocks", 1700, 1),
    ("concrete", 2600, 1),
    ("cladding", 1400, 1),
)
WALL_TINTS = (
    (0.95, 0.94, 0.92),
    (0.8, 0.76, 0.68),
    (0.62, 0.68, 0.7),
    (0.7, 0.72, 0.62),
    (0.75, 0.65, 0.58),
)
WINDOWS = ("window_green", "window_town", "window_haze", "window_wide", "window_wood", "blinds")
DOORS = ("door_white", "door_wood", "door_glass", "door_dark")

_TURN = {2: np.pi / 2, 3: -np.pi / 2, 4: np.pi, 5: 0.0}
"""The yaw with which furniture stands with its back to a wall."""


def stage(
    rng: np.random.Generator,
    kind: str | None = None,
    clear: Sequence | np.ndarray = ((0.0, 0.0, 700.0),),
    reach: Number = 4000.0,
) -> Stage:
    """A place of a `kind` of KINDS (drawn by its share if None), with its lights.

    No furniture stands in the `clear` places (x, y, radius, mm). `reach` is about how far from the
    origin cameras will stand: rooms are of that size, so that most cameras are inside. The same
    generator state gives the same place. ValueError for an unknown kind or places that are not
    numbers.
    """
    names = list(KINDS)
    if kind is None:
        kind = names[rng.choice(len(names), p=np.array(list(KINDS.values())))]
    if kind not in KINDS:
        raise ValueError(f"there is no place {kind!r}; there are {', '.join(KINDS)}")
    places = np.array(clear, float).reshape(-1, 3)
    if not np.isfinite(places).all() or not np.isfinite(reach) or reach <= 0:
        raise ValueError(f"clear {clear} and reach {reach} must be finite mm, reach above 0")
    return _PLACES[kind](rng, places, reach)


def _bounds(rng, clear: np.ndarray, reach: Number, least: Number, most: Number, height: Number):
    """The corners of a room that holds the clear places and most of the cameras."""
    sizes = reach * rng.uniform(least, most, 4)
    low = np.minimum(-sizes[:2], (clear[:, :2] - clear[:, 2:]).min(0, initial=0))
    high = np.maximum(sizes[2:], (clear[:, :2] + clear[:, 2:]).max(0, initial=0))
    return np.array([*low, 0.0]), np.array([*high, height])


def _pick(rng, table, column: int = 2):
    """A row of a table by its share."""
    shares = np.cumsum([row[column] for row in table])
    return table[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]


def _room(rng, clear, reach) -> Stage:
    """A living room, kitchen, bedroom or office."""
    low, high = _bounds(rng, clear, reach, 0.45, 1.0, rng.uniform(2350, 3000))
    bright = int(rng.choice(WALLS)) if rng.random() < 0.8 else None
    azimuth = None if bright is None else (np.pi, 0.0, -np.pi / 2, np.pi / 2)[bright - 2]
    house = Building(indoors(rng, azimuth), low, high, clear)
    tile, size, _, *ends = _pick(rng, FLOORS)
    house.face(GROUND, tile, tint(rng, *map(tuple, ends)), size * rng.uniform(0.8, 1.2))
    house.face(TOP, "plaster", np.full(3, rng.uniform(0.8, 1.0)), 3000)
    tile, size, _ = _pick(rng, WALL_TILES)
    paint = tint(rng, WALL_TINTS[0], WALL_TINTS[rng.integers(len(WALL_TINTS))])
    paint = paint * rng.uniform(0.8, 1.1)
    accent = int(rng.choice(WALLS)) if rng.random() < 0.3 else None
    for face in WALLS:
        if face == accent:
            other = _pick(rng, WALL_TILES)
            house.face(face, other[0], muted(rng, 0.25, 0.9, 0.6) + 0.1, other[1])
        else:
            house.face(face, tile, paint, size)
    look = furniture.style(rng)
    _skirting(rng, house)
    _openings(rng, house, bright, look)
    _furnish(rng, house, look)
    _pictures(rng, house)
    if rng.random() < 0.35:
        x, y, _ = clear[rng.integers(len(clear))] if len(clear) else (0, 0, 0)
        x, y = x + rng.uniform(-900, 900), y + rng.uniform(-900, 900)
        deep = rng.uniform(1100, 1800)
        rug = ("rug", "rug_blue", "rug_grey")[rng.integers(3)]
        turn = rng.choice([0.0, np.pi / 2])
        house.spread(x, y, turn, deep * 1.5, deep, rug, tint(rng, (0.7,) * 3, (1.1,) * 3))
    lamp = None
    if rng.random() < 0.7:
        lamp = np.array([*rng.uniform(low[:2] * 0.6, high[:2] * 0.6), rng.uniform(1800, high[2])])
    return house.build(corner=rng.uniform(0.15, 0.35), lamp=lamp, strength=rng.uniform(0.15, 0.4))


def _skirting(rng, house: Building) -> None:
    """A board along the foot of every wall."""
    tall, kind = rng.uniform(50, 130), rng.integers(3)
    paint = ((0.9,) * 3, (0.35, 0.22, 0.13), (0.6,) * 3)[kind]
    for face in WALLS:
        axis = 1 if face < 4 else 0
        middle = (house.low[axis] + house.high[axis]) / 2
        wide = house.high[axis] - house.low[axis]
        house.hang(face, middle, 0, wide, tall, "plain", paint)


def _span(rng, house: Building, face: int, wide: Number) -> float:
    """A place along a wall for something so wide."""
    low, high = house.span(face)
    margin = min(wide / 2 + 150, (high - low) / 2)
    return rng.uniform(low + margin, high - margin)


def _openings(rng, house: Building, bright: int | None, look) -> None:
    """Windows on the bright wall, with curtains; a door or two on others."""
    height = house.high[2]
    if bright is not None:
        kind = WINDOWS[rng.integers(len(WINDOWS))]
        wide, tall = rng.uniform(900, 2200), rng.uniform(1100, 1500)
        bottom = rng.uniform(750, 950)
        if rng.random() < 0.25:
            bottom, tall = 60, height - 400
        tall = min(tall, height - bottom - 150)
        axis = 1 if bright < 4 else 0
        length = house.high[axis] - house.low[axis]
        count = max(1, int(length / (wide + rng.uniform(700, 1800))))
        glow = rng.uniform(0.9, 1.5)
        cloth = muted(rng, 0.4, 0.9, 0.4)
        curtains = rng.random() < 0.5
        for k in range(count):
            along = house.low[axis] + (k + 0.5) * length / count
            house.hang(bright, along, bottom - 60, wide + 120, tall + 120, "plain", (0.85,) * 3)
            house.hang(bright, along, bottom, wide, tall, kind, glow=glow)
            house.sunbeam(bright, along, bottom, wide, tall)
            for side in (-1, 1) if curtains else ():
                parts = furniture.curtain(rng, min(bottom + tall + 150, height - 50), cloth)
                _against(house, bright, along + side * (wide / 2 + 100), parts)
            if bottom > 700 and rng.random() < 0.6:
                _against(house, bright, along, furniture.radiator(rng, look))
    others = [face for face in WALLS if face != bright]
    for face in rng.permutation(others)[: rng.integers(1, 3)]:
        wide, tall = rng.uniform(800, 950), rng.uniform(1980, 2100)
        along = _span(rng, house, int(face), wide)
        house.hang(int(face), along, 0, wide, tall, DOORS[rng.integers(len(DOORS))])
        x, y, _ = house.wall_point(int(face), along, 0)
        house.reserve(x - 450, y - 450, x + 450, y + 450)


def _against(house: Building, face: int, along: Number, parts, balls=(), gap: Number = 10) -> bool:
    """Stand a piece with its back to a wall."""
    x, y, _ = house.wall_point(face, along, 0)
    return house.put(x, y, _TURN[face], parts, balls, gap)


def _furnish(rng, house: Building, look) -> None:
    """Pieces along the walls, then some in the room."""
    f = furniture
    rooms = (
        (f.sofa, f.sideboard, f.bookcase, f.floor_lamp, f.sideboard, f.stool, f.sofa),
        (f.bed, f.wardrobe, f.sideboard, f.chair, f.stool),
        (f.counter, f.counter, f.sideboard, f.wardrobe, f.stool),
        (f.desk, f.bookcase, f.wardrobe, f.desk, f.chair, f.cartons),
        (f.sideboard, f.bookcase, f.chair, f.cartons, f.floor_lamp, f.desk),
    )
    choice = rooms[rng.integers(len(rooms))]
    for _ in range(int(rng.integers(7, 15))):
        face = int(rng.choice(WALLS))
        if rng.random() < 0.18:
            parts, balls = f.plant(rng, look)
        else:
            parts, balls = choice[rng.integers(len(choice))](rng, look), ()
        half = max(abs(p.x[0]) for p in parts)
        for _ in range(3):
            if _against(house, face, _span(rng, house, face, 2 * half), parts, balls):
                break
    for _ in range(int(rng.integers(2, 6))):
        kind = (f.table, f.chair, f.chair, f.stool, f.cartons, f.sofa)[rng.integers(6)]
        yaw = rng.choice([0, 0.5, 1, 1.5]) * np.pi + (
            rng.normal(0, 0.35) if rng.random() < 0.6 else 0
        )
        x, y = rng.uniform(house.low[:2] + 500, house.high[:2] - 500)
        parts = kind(rng, look)
        if house.put(x, y, yaw, parts) and kind is f.table:
            cos, sin = np.cos(yaw), np.sin(yaw)
            deep, seat = -parts[-1].y[0], f.chair(rng, look)
            wide = max(p.x[1] for p in parts)
            for u, v, turn in ((-0.4, -1, np.pi), (0.4, -1, np.pi), (-0.4, 0, 0), (0.4, 0, 0)):
                away = -max(deep, 700) - 330 if v else 330
                u = u * wide + rng.uniform(-60, 60)
                house.put(
                    x + cos * u - sin * away, y + sin * u + cos * away, yaw + turn, seat, gap=-200
                )


def _pictures(rng, house: Building) -> None:
    """Pictures and boards on the walls."""
    for face in WALLS:
        for _ in range(int(rng.integers(0, 3))):
            wide = rng.uniform(280, 1000)
            tall = wide * rng.choice([0.7, 1.0, 1.4])
            bottom = rng.uniform(1350, 1650) - 0.3 * tall
            name = f"painting_{rng.integers(8)}"
            if rng.random() < 0.08:
                name, wide, tall = ("whiteboard", "notices")[rng.integers(2)], 1500, 1000
            along = _span(rng, house, face, wide)
            if bottom + tall < house.high[2] - 100 and _bare(house, face, along, wide):
                house.hang(face, along, bottom, wide, tall, name, (0.9,) * 3)


def _bare(house: Building, face: int, along: Number, wide: Number) -> bool:
    """Whether nothing hangs there yet (above the skirting, which runs everywhere)."""
    axis = 1 if face < 4 else 0
    plane = house.wall_point(face, along, 0)[1 - axis]
    for origin, right, down, *_ in house.decals:
        if abs(origin[1 - axis] - plane) < 1 and -down[2] > 200:
            middle = origin[axis] + right[axis] / 2
            if abs(middle - along) < (abs(right[axis]) + wide) / 2 + 80:
                return False
    return True


def _hall(rng, clear, reach) -> Stage:
    """A gym, a dance studio or a motion-capture laboratory: plain, large, evenly lit."""
    low, high = _bounds(rng, clear, reach, 0.9, 2.2, rng.uniform(3200, 6000))
    bright = int(rng.choice(WALLS)) if rng.random() < 0.4 else None
    azimuth = None if bright is None else (np.pi, 0.0, -np.pi / 2, np.pi / 2)[bright - 2]
    hall = Building(indoors(rng, azimuth), low, high, clear)
    floor = (("sports", 2400), ("ash", 2600), ("mats", 2000), ("concrete", 3500), ("carpet", 1200))
    tile, size = floor[rng.integers(len(floor))]
    plain = tile in ("mats", "carpet", "concrete")
    hall.face(
        GROUND,
        tile,
        muted(rng, 0.2, 0.7, 0.6) if plain else tint(rng, (0.7,) * 3, (1.1,) * 3),
        size,
    )
    hall.face(TOP, "plaster", np.full(3, rng.uniform(0.4, 0.95)), 3000)
    walls = (
        ("plaster", 3000),
        ("blocks", 1700),
        ("render", 3000),
        ("cladding", 1800),
        ("bricks", 1300),
    )
    tile, size = walls[rng.integers(len(walls))]
    paint = tint(rng, *WALL_TINTS[:3]) * rng.uniform(0.6, 1.1)
    lower = muted(rng, 0.15, 0.8, 0.6)
    padded = rng.random() < 0.4
    for face in WALLS:
        hall.face(face, tile, paint, size)
        axis = 1 if face < 4 else 0
        middle, length = (low[axis] + high[axis]) / 2, high[axis] - low[axis]
        if padded:
            hall.hang(face, middle, 0, length, 1800, "plain", lower)
    _skirting(rng, hall)
    if bright is not None:
        axis = 1 if bright < 4 else 0
        length = high[axis] - low[axis]
        count = max(1, int(length / 2600))
        for k in range(count):
            along = low[axis] + (k + 0.5) * length / count
            hall.hang(bright, along, high[2] - 1500, 2000, 1200, "window_haze", glow=1.2)
            hall.sunbeam(bright, along, high[2] - 1500, 2000, 1200)
    look = furniture.style(rng)
    for _ in range(int(rng.integers(2, 9))):
        face = int(rng.choice(WALLS))
        parts = _gear(rng, look)
        half = max(abs(p.x[0]) for p in parts)
        _against(hall, face, _span(rng, hall, face, 2 * half), parts)
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(low[:2] + 600, high[:2] - 600)
        hall.put(x, y, rng.uniform(0, 2 * np.pi), _gear(rng, look, low=True))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(low[:2] * 0.6, high[:2] * 0.6)
        hall.spread(x, y, rng.choice([0, np.pi / 2]), 2000, 1200, "mats", muted(rng, 0.2, 0.7, 0.8))
    if not plain and rng.random() < 0.6:
        _court(rng, hall)
    for face in rng.permutation(list(WALLS))[:2]:
        along = _span(rng, hall, int(face), 1800)
        hall.hang(int(face), along, 0, 1700, 2100, DOORS[rng.integers(len(DOORS))])
    return hall.build(corner=rng.uniform(0.1, 0.25), strength=rng.uniform(0.1, 0.25))


def _court(rng, hall: Building) -> None:
    """Lines on a sports floor."""
    for _ in range(int(rng.integers(1, 3))):
        paint = muted(rng, 0.3, 0.9, 1.2)
        x, y = rng.uniform(hall.low[:2] * 0.5, hall.high[:2] * 0.5)
        wide, deep = rng.uniform(1500, 6000, 2)
        for side in (-1, 1):
            hall.spread(x + side * wide / 2, y, 0.0, 50, deep, "plain", paint)
            hall.spread(x, y + side * deep / 2, 0.0, wide + 50, 50, "plain", paint)
        hall.spread(x, y, 0.0, wide, 50, "plain", paint)


def _gear(rng, look, low: bool = False) -> list[Part]:
    """What stands around in halls: benches, mats, boxes, wall bars, tripods, lockers."""
    paint, wood = muted(rng, 0.1, 0.7, 0.8), (0.9, 0.9, 0.9)
    kind = rng.integers(4 if low else 7)
    if kind == 0:
        long = rng.uniform(800, 1600)
        ends = [
            Part((a, a + 60), (-280, -20), (0, 300), "board", wood)
            for a in (-long + 150, long - 210)
        ]
        return [*ends, Part((-long, long), (-300, 0), (300, 345), "board", wood)]
    if kind == 1:
        count = int(rng.integers(1, 6))
        return [
            Part((-1000, 1000), (-1000, 0), (60 * k, 60 * k + 55), "plain", paint)
            for k in range(count)
        ]
    if kind == 2:
        steps = int(rng.integers(2, 5))
        return [
            Part(
                (-700 + 25 * k, 700 - 25 * k),
                (-500 + 18 * k, -18 * k),
                (230 * k, 230 * k + 222),
                "board",
                wood,
            )
            for k in range(steps)
        ]
    if kind == 3:
        dark, high = (0.04,) * 3, rng.uniform(1100, 1900)
        feet = [Part((-250, 250), (-212, -188), (0, 25), "plain", dark)]
        feet.append(Part((-12, 12), (-450, 50), (0, 24), "plain", dark))
        head = Part((-80, 80), (-280, -120), (high, high + 130), "plain", dark)
        return [*feet, Part((-12, 12), (-212, -188), (25, high), "plain", dark), head]
    if kind == 4:
        bars = [
            Part((-450, 450), (-90, -60), (z, z + 35), "board", wood) for z in range(200, 2500, 190)
        ]
        return [
            *bars,
            *(Part((a, a + 40), (-60, 0), (0, 2550), "board", wood) for a in (-450, 410)),
        ]
    if kind == 5:
        half = rng.uniform(600, 1500)
        return [Part((-half, half), (-500, 0), (0, 1850), "plain", paint, "lockers")]
    return furniture.chair(rng, look)


def _sweep(rng, clear, reach) -> Stage:
    """A photographer's studio: a plain ground that runs up into the wall."""
    low, high = _bounds(rng, clear, reach, 0.7, 1.5, 6000)
    studio = Building(indoors(rng, None), low, high, clear)
    paper = np.full(3, rng.uniform(0.12, 0.7)) if rng.random() < 0.6 else muted(rng, 0.3, 0.8, 0.7)
    for face in range(6):
        studio.face(face, "plain", paper, 3000)
    for face in WALLS:
        # One tone for ground and wall, so that the edge disappears.
        studio.shell[face] = (
            *studio.shell[face][:4],
            studio.shell[GROUND][4],
            studio.shell[face][5],
        )
    lamp = np.array([*rng.uniform(-800, 800, 2), rng.uniform(800, 2200)])
    return studio.build(corner=0.0, lamp=lamp)


def _texture(rng, clear, reach) -> Stage:
    """No place at all: colour noise, so that a network does not learn rooms by heart."""
    low, high = _bounds(rng, clear, reach, 0.5, 1.2, rng.uniform(2500, 5000))
    box = Building(indoors(rng, None), low, high, clear)
    names = ("chaos", "fog", "grain", "leaves", "bricks", "cobble", "dots", "gravel", "stripes")
    for face in range(6):
        name = names[rng.integers(len(names))]
        box.face(
            face,
            name,
            tint(rng, (0.4, 0.4, 0.4), (1.2, 1.0, 0.8), (0.8, 1.0, 1.2)),
            rng.uniform(900, 4000),
        )
    return box.build(corner=rng.uniform(0, 0.3))


_PLACES: dict[str, Callable[[np.random.Generator, np.ndarray, float], Stage]] = {
    "room": _room,
    "hall": _hall,
    "street": outdoors.street,
    "garden": outdoors.garden,
    "field": outdoors.field,
    "beach": outdoors.beach,
    "sweep": _sweep,
    "texture": _texture,
}
