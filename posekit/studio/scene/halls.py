"""Plain generated places: gyms and laboratories, photographers' studios, colour noise.

Also what all indoor places share: their size, skirting boards, and putting things against walls.

World: millimetres, z up, the floor at z = 0.
"""

import numpy as np

from posekit.studio.scene import furniture
from posekit.studio.scene.building import Building, Number, Part, muted
from posekit.studio.scene.light import indoors, tint
from posekit.studio.scene.scenery import GROUND, TOP, WALLS, Stage

WALL_TINTS = (
    (0.95, 0.94, 0.92),
    (0.8, 0.76, 0.68),
    (0.62, 0.68, 0.7),
    (0.7, 0.72, 0.62),
    (0.75, 0.65, 0.58),
)
DOORS = ("door_white", "door_wood", "door_glass", "door_dark")

_TURN = {2: np.pi / 2, 3: -np.pi / 2, 4: np.pi, 5: 0.0}
"""The yaw with which furniture stands with its back to a wall."""


def hall(rng, clear, reach) -> Stage:
    """A gym, a dance studio or a motion-capture laboratory: plain, large, evenly lit."""
    low, high = bounds(rng, clear, reach, 0.7, 1.7, rng.uniform(3000, 5500))
    bright = int(rng.integers(2, 6)) if rng.random() < 0.7 else None
    azimuth = None if bright is None else (np.pi, 0.0, -np.pi / 2, np.pi / 2)[bright - 2]
    hall = Building(indoors(rng, azimuth), low, high, clear)
    floor = (("sports", 2400), ("ash", 2600), ("mats", 2000), ("concrete", 3500), ("carpet", 1200))
    tile, size = floor[rng.integers(len(floor))]
    plain = tile in ("mats", "carpet", "concrete")
    hall.face(
        GROUND,
        tile,
        muted(rng, 0.25, 0.75, 0.3) if plain else tint(rng, (0.7,) * 3, (1.1,) * 3),
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
    lower = muted(rng, 0.15, 0.8, 0.4)
    padded = rng.random() < 0.4
    for face in WALLS:
        hall.face(face, tile, paint, size)
        axis = 1 if face < 4 else 0
        middle, length = (low[axis] + high[axis]) / 2, high[axis] - low[axis]
        if padded:
            hall.hang(face, middle, 0, length, 1800, "plain", lower)
    skirting(rng, hall)
    if bright is not None:
        axis = 1 if bright < 4 else 0
        length = high[axis] - low[axis]
        count = max(1, int(length / 2600))
        for k in range(count):
            along = low[axis] + (k + 0.5) * length / count
            hall.hang(bright, along, high[2] - 1500, 2000, 1200, "window_haze", glow=1.2)
            hall.sunbeam(bright, along, high[2] - 1500, 2000, 1200)
    look = furniture.style(rng)
    for _ in range(int(rng.integers(6, 18))):
        face = int(rng.integers(2, 6))
        parts = _gear(rng, look)
        half = max(abs(p.x[0]) for p in parts)
        against(hall, face, span(rng, hall, face, 2 * half), parts)
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(low[:2] + 600, high[:2] - 600)
        hall.put(x, y, rng.uniform(0, 2 * np.pi), _gear(rng, look, low=True))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(low[:2] * 0.6, high[:2] * 0.6)
        hall.spread(
            x, y, rng.integers(2) * np.pi / 2, 2000, 1200, "mats", muted(rng, 0.2, 0.7, 0.8)
        )
    if not plain and rng.random() < 0.6:
        _court(rng, hall)
    for face in rng.permutation(list(WALLS))[:2]:
        along = span(rng, hall, int(face), 1800)
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


def sweep(rng, clear, reach) -> Stage:
    """A photographer's studio: a plain ground that runs up into the wall."""
    low, high = bounds(rng, clear, reach, 0.7, 1.5, 6000)
    studio = Building(indoors(rng, None), low, high, clear)
    paper = np.full(3, rng.uniform(0.1, 0.55)) if rng.random() < 0.6 else muted(rng, 0.3, 0.8, 0.7)
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


def texture(rng, clear, reach) -> Stage:
    """No place at all: colour noise, so that a network does not learn rooms by heart."""
    low, high = bounds(rng, clear, reach, 0.5, 1.2, rng.uniform(2500, 5000))
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


def bounds(rng, clear: np.ndarray, reach: Number, least: Number, most: Number, height: Number):
    """The corners of a room that holds the clear places and most of the cameras."""
    sizes = reach * rng.uniform(least, most, 4)
    low = np.minimum(-sizes[:2], (clear[:, :2] - clear[:, 2:]).min(0, initial=0))
    high = np.maximum(sizes[2:], (clear[:, :2] + clear[:, 2:]).max(0, initial=0))
    return np.array([*low, 0.0]), np.array([*high, height])


def skirting(rng, house: Building) -> None:
    """A board along the foot of every wall."""
    tall, kind = rng.uniform(50, 130), rng.integers(3)
    paint = ((0.9,) * 3, (0.35, 0.22, 0.13), (0.6,) * 3)[kind]
    for face in WALLS:
        axis = 1 if face < 4 else 0
        middle = (house.low[axis] + house.high[axis]) / 2
        wide = house.high[axis] - house.low[axis]
        house.hang(face, middle, 0, wide, tall, "plain", paint)


def span(rng, house: Building, face: int, wide: Number) -> float:
    """A place along a wall for something so wide."""
    low, high = house.span(face)
    slack = max((high - low - wide) / 2 - 150, 0.0)
    return (low + high) / 2 + slack * rng.uniform(-1, 1)


def against(house: Building, face: int, along: Number, parts, balls=(), gap: Number = 10) -> bool:
    """Stand a piece with its back to a wall."""
    x, y, _ = house.wall_point(face, along, 0)
    return house.put(x, y, _TURN[face], parts, balls, gap)
