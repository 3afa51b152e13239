"""Random places around people (`stage`), and the rooms of homes and offices among them.

`Stage.view` is the image of a place from any camera, with depth, so that furniture may stand before
people as well as behind them. Light, materials and proportions are those of homes, offices and gyms:
muted colours, white ceilings, windows on one or two walls.

World: millimetres, z up, the floor at z = 0.
"""

from collections.abc import Sequence

import numpy as np

from posekit.studio.scene import furniture, halls, outdoors
from posekit.studio.scene.building import Building, Number, axis_along, muted
from posekit.studio.scene.halls import (
    DOORS,
    WALL_TINTS,
    against,
    along_wall,
    middle_and_length,
    shell,
    skirting,
    somewhere,
)  # fmt: skip
from posekit.studio.scene.light import tint
from posekit.studio.scene.scenery import GROUND, TOP, WALLS, Stage

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
WALL_TILES = (  # tile, mm a tile, share
    ("plaster", 2600, 9), ("render", 2400, 2), ("stripes", 1300, 1), ("thin_stripes", 1300, 1),
    ("dots", 1300, 1), ("motif", 1500, 1), ("panels", 1700, 1), ("bricks", 1200, 1),
    ("blocks", 1700, 1), ("concrete", 2600, 1), ("cladding", 1400, 1),
)  # fmt: skip
WINDOWS = ("window_green", "window_town", "window_haze", "window_wide", "window_wood", "blinds")


def stage(
    rng: np.random.Generator,
    kind: str | None = None,
    clear: Sequence | np.ndarray = ((0.0, 0.0, 700.0),),
    reach: Number = 4000.0,
) -> Stage:
    """A random place, of a `kind` of KINDS (drawn by its share if None), with its lights.

    No furniture stands in the `clear` places (x, y, radius, mm). `reach` (mm) is about the distance
    of the cameras from the origin: rooms are of that size, so that most cameras are inside. The same
    generator state gives the same place. ValueError for an unknown kind or places that are not
    numbers.
    """
    if kind is None:
        kind = _pick(rng, [(name, share) for name, (share, _) in KINDS.items()], 1)[0]
    if kind not in KINDS:
        raise ValueError(f"there is no place {kind!r}; there are {', '.join(KINDS)}")
    places = np.array(clear, float).reshape(-1, 3)
    if not np.isfinite(places).all() or not np.isfinite(reach) or reach <= 0:
        raise ValueError(f"clear {clear} and reach {reach} must be finite mm, reach above 0")
    return KINDS[kind][1](rng, places, reach)


def _pick(rng, table, column: int = 2):
    """A row of a table, drawn by the share in a column."""
    shares = np.cumsum([row[column] for row in table])
    return table[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]


def _room(rng, clear, reach) -> Stage:
    """A living room, kitchen, bedroom or office."""
    room, bright = shell(rng, clear, reach, (0.45, 1.0), rng.uniform(2350, 3000), 0.8)
    low, high = room.low, room.high
    tile, size, _, *ends = _pick(rng, FLOORS)
    room.face(GROUND, tile, tint(rng, *ends), size * rng.uniform(0.8, 1.2))
    room.face(TOP, "plaster", np.full(3, rng.uniform(0.8, 1.0)), 3000)
    tile, size, _ = _pick(rng, WALL_TILES)
    paint = tint(rng, WALL_TINTS[0], WALL_TINTS[rng.integers(len(WALL_TINTS))])
    paint = paint * rng.uniform(0.8, 1.1)
    accent = int(rng.integers(2, 6)) if rng.random() < 0.3 else None
    for face in WALLS:
        room.face(face, tile, paint, size)
        if face == accent:
            other, other_size, _ = _pick(rng, WALL_TILES)
            room.face(face, other, muted(rng, 0.25, 0.9, 0.6) + 0.1, other_size)
    style = furniture.draw_style(rng)
    skirting(rng, room)
    if bright is not None:
        _windows(rng, room, bright, style)
    _doors(rng, room, [face for face in WALLS if face != bright])
    _furnish(rng, room, style)
    _pictures(rng, room)
    if rng.random() < 0.35:
        x, y, _ = clear[rng.integers(len(clear))] if len(clear) else (0, 0, 0)
        x, y = x + rng.uniform(-900, 900), y + rng.uniform(-900, 900)
        deep = rng.uniform(1100, 1800)
        rug = ("rug", "rug_blue", "rug_grey")[rng.integers(3)]
        yaw = rng.integers(2) * np.pi / 2
        room.floor_decal(x, y, yaw, deep * 1.5, deep, rug, tint(rng, (0.7,) * 3, (1.1,) * 3))
    lamp = None
    if rng.random() < 0.7:
        lamp = np.array([*rng.uniform(low[:2] * 0.6, high[:2] * 0.6), rng.uniform(1800, high[2])])
    return room.build(corner=rng.uniform(0.15, 0.35), lamp=lamp, strength=rng.uniform(0.15, 0.4))


def _windows(rng, room: Building, face: int, style: furniture.Style) -> None:
    """Windows along a wall, with curtains and radiators."""
    height = room.high[2]
    kind = WINDOWS[rng.integers(len(WINDOWS))]
    wide, tall = rng.uniform(900, 2200), rng.uniform(1100, 1500)
    bottom = rng.uniform(750, 950)
    if rng.random() < 0.25:
        bottom, tall = 60, height - 400
    tall = min(tall, height - bottom - 150)
    _, length = middle_and_length(room, face)
    count = max(1, int(length / (wide + rng.uniform(700, 1800))))
    glow = rng.uniform(0.9, 1.5)
    cloth = muted(rng, 0.4, 0.9, 0.4)
    curtains = rng.random() < 0.5
    for k in range(count):
        along = room.low[axis_along(face)] + (k + 0.5) * length / count
        room.wall_decal(face, along, bottom - 60, wide + 120, tall + 120, "plain", (0.85,) * 3)
        room.wall_decal(face, along, bottom, wide, tall, kind, glow=glow)
        room.sunbeam(face, along, bottom, wide, tall)
        for side in (-1, 1) if curtains else ():
            parts = furniture.curtain(rng, min(bottom + tall + 150, height - 50), cloth)
            against(room, face, along + side * (wide / 2 + 100), parts)
        if bottom > 700 and rng.random() < 0.6:
            against(room, face, along, furniture.radiator(rng, style))


def _doors(rng, room: Building, walls: list[int]) -> None:
    """A door in one or two of the walls, with free floor before it."""
    for face in rng.permutation(walls)[: rng.integers(1, 3)].tolist():
        wide, tall = rng.uniform(800, 950), rng.uniform(1980, 2100)
        along = somewhere(rng, room, face, wide)
        room.wall_decal(face, along, 0, wide, tall, DOORS[rng.integers(len(DOORS))])
        x, y, _ = room.wall_point(face, along, 0)
        room.taken.append((x - 450, y - 450, x + 450, y + 450))


def _furnish(rng, room: Building, style: furniture.Style) -> None:
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
        face = int(rng.integers(2, 6))
        if rng.random() < 0.18:
            parts, balls = f.plant(rng)
        else:
            parts, balls = choice[rng.integers(len(choice))](rng, style), ()
        for _ in range(3):
            if along_wall(rng, room, face, parts, balls):
                break
    for _ in range(int(rng.integers(2, 6))):
        kind = (f.table, f.chair, f.chair, f.stool, f.cartons, f.sofa)[rng.integers(6)]
        yaw = rng.integers(4) * np.pi / 2 + (rng.normal(0, 0.35) if rng.random() < 0.6 else 0)
        x, y = rng.uniform(room.low[:2] + 500, room.high[:2] - 500)
        parts = kind(rng, style)
        if room.put(x, y, yaw, parts) and kind is f.table:
            cos, sin = np.cos(yaw), np.sin(yaw)
            deep, seat = -parts[-1].y[0], f.chair(rng, style)
            wide = max(p.x[1] for p in parts)
            for u, v, turn in ((-0.4, -1, np.pi), (0.4, -1, np.pi), (-0.4, 0, 0), (0.4, 0, 0)):
                away = -max(deep, 700) - 330 if v else 330
                u = u * wide + rng.uniform(-60, 60)
                chair_x, chair_y = x + cos * u - sin * away, y + sin * u + cos * away
                room.put(chair_x, chair_y, yaw + turn, seat, gap=-200)


def _pictures(rng, room: Building) -> None:
    """Pictures and boards on the walls."""
    for face in WALLS:
        for _ in range(int(rng.integers(0, 3))):
            wide = rng.uniform(280, 1000)
            tall = wide * (0.7, 1.0, 1.4)[rng.integers(3)]
            bottom = rng.uniform(1350, 1650) - 0.3 * tall
            name = f"painting_{rng.integers(8)}"
            if rng.random() < 0.08:
                name, wide, tall = ("whiteboard", "notices")[rng.integers(2)], 1500, 1000
            along = somewhere(rng, room, face, wide)
            if bottom + tall < room.high[2] - 100 and _bare(room, face, along, wide):
                room.wall_decal(face, along, bottom, wide, tall, name, (0.9,) * 3)


def _bare(room: Building, face: int, along: Number, wide: Number) -> bool:
    """Whether a part of a wall has no decals yet but the skirting, which runs everywhere."""
    axis = axis_along(face)
    plane = room.wall_point(face, along, 0)[1 - axis]
    for decal in room.decals:
        if abs(decal.origin[1 - axis] - plane) < 1 and -decal.down[2] > 200:
            middle = decal.origin[axis] + decal.right[axis] / 2
            if abs(middle - along) < (abs(decal.right[axis]) + wide) / 2 + 80:
                return False
    return True


KINDS = {
    "room": (0.42, _room),
    "hall": (0.14, halls.hall),
    "street": (0.15, outdoors.street),
    "garden": (0.12, outdoors.garden),
    "field": (0.06, outdoors.field),
    "beach": (0.04, outdoors.beach),
    "sweep": (0.04, halls.sweep),
    "texture": (0.03, halls.texture),
}  # share of the places, and what draws one
