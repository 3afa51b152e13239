"""Plain generated places: gyms and laboratories, photographers' studios, colour noise.

Also what all indoor places share: their size, skirting boards, and furniture along walls.

World: millimetres, z up, the floor at z = 0.
"""

import numpy as np

from posekit.studio.scene import furniture
from posekit.studio.scene.building import Building, Number, Part, axis_along, muted
from posekit.studio.scene.light import indoors, tint
from posekit.studio.scene.scenery import GROUND, TOP, WALLS, Stage

WALL_TINTS = (
    (0.95, 0.94, 0.92), (0.8, 0.76, 0.68), (0.62, 0.68, 0.7), (0.7, 0.72, 0.62), (0.75, 0.65, 0.58)
)  # fmt: skip
DOORS = ("door_white", "door_wood", "door_glass", "door_dark")
HALL_FLOORS = (
    ("sports", 2400), ("ash", 2600), ("mats", 2000), ("concrete", 3500), ("carpet", 1200)
)  # fmt: skip
HALL_WALLS = (
    ("plaster", 3000), ("blocks", 1700), ("render", 3000), ("cladding", 1800), ("bricks", 1300)
)  # fmt: skip
NOISE = ("chaos", "fog", "grain", "leaves", "bricks", "cobble", "dots", "gravel", "stripes")

_AZIMUTH = {2: np.pi, 3: 0.0, 4: -np.pi / 2, 5: np.pi / 2}
"""The direction of the light from a wall's windows."""

_YAW = {2: np.pi / 2, 3: -np.pi / 2, 4: np.pi, 5: 0.0}
"""The yaw with which furniture stands with its back to a wall."""


def shell(rng, clear, reach, sizes, height, windows) -> tuple[Building, int | None]:
    """An empty room, and its wall with windows, if any (with chance `windows`)."""
    low, high = _bounds(rng, clear, reach, *sizes, height)
    bright = int(rng.integers(2, 6)) if rng.random() < windows else None
    return Building(indoors(rng, _AZIMUTH.get(bright)), low, high, clear), bright


def hall(rng, clear, reach) -> Stage:
    """A gym, a dance studio or a motion-capture laboratory: plain, large, evenly lit."""
    place, bright = shell(rng, clear, reach, (0.7, 1.7), rng.uniform(3000, 5500), 0.7)
    low, high = place.low, place.high
    tile, size = HALL_FLOORS[rng.integers(len(HALL_FLOORS))]
    plain = tile in ("mats", "carpet", "concrete")
    paint = muted(rng, 0.25, 0.75, 0.3) if plain else tint(rng, (0.7,) * 3, (1.1,) * 3)
    place.face(GROUND, tile, paint, size)
    place.face(TOP, "plaster", np.full(3, rng.uniform(0.4, 0.95)), 3000)
    tile, size = HALL_WALLS[rng.integers(len(HALL_WALLS))]
    paint = tint(rng, *WALL_TINTS[:3]) * rng.uniform(0.6, 1.1)
    lower = muted(rng, 0.15, 0.8, 0.4)
    padded = rng.random() < 0.4
    for face in WALLS:
        place.face(face, tile, paint, size)
        if padded:
            middle, length = middle_and_length(place, face)
            place.wall_decal(face, middle, 0, length, 1800, "plain", lower)
    skirting(rng, place)
    if bright is not None:
        _, length = middle_and_length(place, bright)
        count = max(1, int(length / 2600))
        for k in range(count):
            along = low[axis_along(bright)] + (k + 0.5) * length / count
            place.wall_decal(bright, along, high[2] - 1500, 2000, 1200, "window_haze", glow=1.2)
            place.sunbeam(bright, along, high[2] - 1500, 2000, 1200)
    style = furniture.draw_style(rng)
    for _ in range(int(rng.integers(6, 18))):
        along_wall(rng, place, int(rng.integers(2, 6)), _equipment(rng, style))
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(low[:2] + 600, high[:2] - 600)
        place.put(x, y, rng.uniform(0, 2 * np.pi), _equipment(rng, style, low=True))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(low[:2] * 0.6, high[:2] * 0.6)
        yaw = rng.integers(2) * np.pi / 2
        place.floor_decal(x, y, yaw, 2000, 1200, "mats", muted(rng, 0.2, 0.7, 0.8))
    if not plain and rng.random() < 0.6:
        _court(rng, place)
    for face in rng.permutation(list(WALLS))[:2]:
        along = somewhere(rng, place, int(face), 1800)
        place.wall_decal(int(face), along, 0, 1700, 2100, DOORS[rng.integers(len(DOORS))])
    return place.build(corner=rng.uniform(0.1, 0.25), strength=rng.uniform(0.1, 0.25))


def _court(rng, place: Building) -> None:
    """Lines on a sports floor."""
    for _ in range(int(rng.integers(1, 3))):
        paint = muted(rng, 0.3, 0.9, 1.2)
        x, y = rng.uniform(place.low[:2] * 0.5, place.high[:2] * 0.5)
        wide, deep = rng.uniform(1500, 6000, 2)
        for side in (-1, 1):
            place.floor_decal(x + side * wide / 2, y, 0.0, 50, deep, "plain", paint)
            place.floor_decal(x, y + side * deep / 2, 0.0, wide + 50, 50, "plain", paint)
        place.floor_decal(x, y, 0.0, wide, 50, "plain", paint)


def _equipment(rng, style: furniture.Style, low: bool = False) -> list[Part]:
    """A bench, mats, a vaulting box, a tripod; unless `low` also wall bars, lockers or a chair."""
    paint, wood, dark = (
        muted(rng, 0.1, 0.7, 0.8),
        ("board", (0.9, 0.9, 0.9)),
        ("plain", (0.04,) * 3),
    )
    kind = rng.integers(4 if low else 7)
    if kind == 0:
        long = rng.uniform(800, 1600)
        ends = [Part((a, a + 60), (-280, -20), (0, 300), *wood) for a in (-long + 150, long - 210)]
        return [*ends, Part((-long, long), (-300, 0), (300, 345), *wood)]
    if kind == 1:
        heights = [(60 * k, 60 * k + 55) for k in range(int(rng.integers(1, 6)))]
        return [Part((-1000, 1000), (-1000, 0), z, "plain", paint) for z in heights]
    if kind == 2:
        return [
            Part(
                (-700 + 25 * k, 700 - 25 * k),
                (-500 + 18 * k, -18 * k),
                (230 * k, 230 * k + 222),
                *wood,
            )
            for k in range(int(rng.integers(2, 5)))
        ]
    if kind == 3:
        high = rng.uniform(1100, 1900)
        return [
            Part((-250, 250), (-212, -188), (0, 25), *dark),
            Part((-12, 12), (-450, 50), (0, 24), *dark),
            Part((-12, 12), (-212, -188), (25, high), *dark),
            Part((-80, 80), (-280, -120), (high, high + 130), *dark),
        ]
    if kind == 4:
        bars = [Part((-450, 450), (-90, -60), (z, z + 35), *wood) for z in range(200, 2500, 190)]
        return [*bars, *(Part((a, a + 40), (-60, 0), (0, 2550), *wood) for a in (-450, 410))]
    if kind == 5:
        half = rng.uniform(600, 1500)
        return [Part((-half, half), (-500, 0), (0, 1850), "plain", paint, "lockers")]
    return furniture.chair(rng, style)


def sweep(rng, clear, reach) -> Stage:
    """A photographer's studio: a plain ground that runs up into the wall."""
    low, high = _bounds(rng, clear, reach, 0.7, 1.5, 6000)
    place = Building(indoors(rng, None), low, high, clear)
    paper = np.full(3, rng.uniform(0.1, 0.55)) if rng.random() < 0.6 else muted(rng, 0.3, 0.8, 0.7)
    for face in range(6):
        place.face(face, "plain", paper, 3000)
    for face in WALLS:
        # One tone for ground and wall, so that the edge disappears.
        place.shell[face] = place.shell[face]._replace(normal=place.shell[GROUND].normal)
    lamp = np.array([*rng.uniform(-800, 800, 2), rng.uniform(800, 2200)])
    return place.build(corner=0.0, lamp=lamp)


def texture(rng, clear, reach) -> Stage:
    """A room of random textures, so that a network does not memorise rooms."""
    low, high = _bounds(rng, clear, reach, 0.5, 1.2, rng.uniform(2500, 5000))
    place = Building(indoors(rng, None), low, high, clear)
    for face in range(6):
        name = NOISE[rng.integers(len(NOISE))]
        paint = tint(rng, (0.4, 0.4, 0.4), (1.2, 1.0, 0.8), (0.8, 1.0, 1.2))
        place.face(face, name, paint, rng.uniform(900, 4000))
    return place.build(corner=rng.uniform(0, 0.3))


def _bounds(rng, clear: np.ndarray, reach: Number, least: Number, most: Number, height: Number):
    """The corners (3,) and (3,) of a room with the clear places and most of the cameras inside."""
    sizes = reach * rng.uniform(least, most, 4)
    low = np.minimum(-sizes[:2], (clear[:, :2] - clear[:, 2:]).min(0, initial=0))
    high = np.maximum(sizes[2:], (clear[:, :2] + clear[:, 2:]).max(0, initial=0))
    return np.array([*low, 0.0]), np.array([*high, height])


def middle_and_length(place: Building, face: int) -> tuple[float, float]:
    """The middle of a wall along the floor, and its length."""
    low, high = place.low[axis_along(face)], place.high[axis_along(face)]
    return (low + high) / 2, high - low


def skirting(rng, place: Building) -> None:
    """A board along the foot of every wall."""
    tall, kind = rng.uniform(50, 130), rng.integers(3)
    paint = ((0.9,) * 3, (0.35, 0.22, 0.13), (0.6,) * 3)[kind]
    for face in WALLS:
        middle, wide = middle_and_length(place, face)
        place.wall_decal(face, middle, 0, wide, tall, "plain", paint)


def somewhere(rng, place: Building, face: int, wide: Number) -> float:
    """A random middle along a wall for something so wide."""
    middle, length = middle_and_length(place, face)
    return middle + max((length - wide) / 2 - 150, 0.0) * rng.uniform(-1, 1)


def along_wall(rng, place: Building, face: int, parts, balls=()) -> bool:
    """Put a piece somewhere with its back to a wall, if it fits."""
    along = somewhere(rng, place, face, 2 * max(abs(p.x[0]) for p in parts))
    return against(place, face, along, parts, balls)


def against(place: Building, face: int, along: Number, parts, balls=()) -> bool:
    """Put a piece at `along` with its back to a wall, if it fits."""
    x, y, _ = place.wall_point(face, along, 0)
    return place.put(x, y, _YAW[face], parts, balls, gap=10)
