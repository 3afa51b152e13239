"""Skin, hair, faces and clothes of people: random looks, and their colours on any SMPL body.

Clothes are cut in the T pose of the body's template, by place and not by triangle, so that a sleeve
ends in a clean line at any mesh resolution. Loose clothes and hair also stand off the body (`bulk`).

Skin tones lie on a path through the six types of Fitzpatrick (1988), colours as in common charts;
cloth is half muted (black, white, grey, blue, brown) and half any hue.

N points of the body's surface, V vertices. Places: the template in its T pose, mm, x left, y up,
z forward. Colours: linear, red, green, blue, the share of light given back.
"""

import colorsys
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from posekit.geometry.skeleton import SMPL24
from posekit.studio.scene.light import decode_srgb, rgb

# Share of people, and where sleeves (0 shoulder, 1 elbow, 2 wrist) and legs (hip, knee, ankle) end.
TOPS = {"tank": (0.08, (-0.15, 0.0)), "short": (0.4, (0.35, 0.75)), "half": (0.12, (0.9, 1.25)),
        "long": (0.4, (1.85, 2.0))}  # fmt: skip
BOTTOMS = {"briefs": (0.04, (0.08, 0.2)), "shorts": (0.2, (0.4, 0.75)), "knee": (0.11, (0.9, 1.3)),
           "trousers": (0.65, (1.8, 2.0))}  # fmt: skip
PATTERNS = {"plain": 0.55, "hoops": 0.1, "stripes": 0.07, "checks": 0.09, "dots": 0.04,
            "print": 0.1, "blotches": 0.05}  # fmt: skip
HAIR = {"short": 0.5, "long": 0.27, "bald": 0.08, "cap": 0.15}
SKIN = ("f6d7c3", "edc3a5", "d9a47e", "b97f56", "8c5a3a", "573827", "3a261c")
HAIRS = ("17120f", "2a1c14", "4a2f1e", "6d4a2f", "9a7142", "c9a86a", "8a8580", "d8d5d0", "7a3a1e")
MUTED = ("15161a", "26282e", "3a3d44", "6c6f75", "a9abae", "e8e8e6", "f4f2ec", "1f2c4a", "2f4468",
         "46618b", "7f98b5", "5b4632", "8a7356", "c5b490", "3c4630", "5d2328")  # fmt: skip
CELLS = 64  # of the noise volume along each side

# Folds and hair run down: their noise changes slower along y.
_DRAPE, _COMBED = (np.array([[1], [share], [1]], dtype=np.float32) for share in (0.45, 0.2))

Sides = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Cloth:
    """A material and what is printed on it."""

    pattern: str
    colours: Float[np.ndarray, "3 3"]  # ground, figure, accent
    scale: float  # mm, of the pattern
    duty: float  # share of the pattern's period that has the second colour
    wrinkles: float  # how far folds tip the surface, 0 to 1


@dataclass(frozen=True)
class Look:
    """How a person looks. Lengths are shares of the limb they run along."""

    skin: Float[np.ndarray, "3"]
    hair: Float[np.ndarray, "3"]
    lips: Float[np.ndarray, "3"]
    hair_style: str
    hair_bulk: float  # mm
    beard: bool
    top: Cloth
    sleeve: float  # 0 ends at the shoulder, 1 at the elbow, 2 at the wrist
    neckline: float  # mm below the base of the neck, in front
    hem: float  # mm below the hip joints; above where negative
    top_bulk: float  # mm
    tucked: bool
    bottom: Cloth
    leg: float  # 0 ends at the hip, 1 at the knee, 2 at the ankle
    bottom_bulk: float  # mm
    shoe: Float[np.ndarray, "3"]
    sole: Float[np.ndarray, "3"]
    sock: Float[np.ndarray, "3"]
    sock_height: float  # mm above the ankle
    seed: int  # of the noise in cloth and skin


@dataclass(frozen=True)
class Figure:
    """The landmarks of a body's template that clothes are cut by."""

    joints: Float[np.ndarray, "24 3"]
    eyes: Float[np.ndarray, "2 3"]
    nose: Float[np.ndarray, "3"]
    top: float  # of the head

    def at(self, joint: str) -> np.ndarray:
        """The position (3,) of a joint of SMPL24."""
        return self.joints[SMPL24.index(joint)]


def draw(rng: np.random.Generator) -> Look:
    """A random look."""
    tone = rng.beta(1.1, 1.4)
    skin = _blend(SKIN, tone) * rng.uniform(0.9, 1.08)
    hair = _linear(HAIRS[int(rng.integers(len(HAIRS) if tone < 0.45 else 4))])
    top, bottom = (
        _pick(rng, {name: share for name, (share, _) in kinds.items()}) for kinds in (TOPS, BOTTOMS)
    )
    style = _pick(rng, HAIR)
    same = rng.random() < 0.08  # overalls, suits, track suits
    upper = _cloth(rng)
    return Look(
        skin=skin,
        hair=_cloth_colour(rng) if style == "cap" else hair,
        lips=skin * np.float32([0.86, 0.6, 0.6]),
        hair_style=style,
        hair_bulk=0.0 if style == "bald" else rng.uniform(8, 30),
        beard=bool(style != "long" and rng.random() < 0.2),
        top=upper,
        sleeve=rng.uniform(*TOPS[top][1]),
        neckline=rng.uniform(-25, 60) if top != "tank" else rng.uniform(30, 90),
        hem=rng.uniform(-30, 110),
        top_bulk=rng.gamma(2.5, 4.0),
        tucked=bool(rng.random() < 0.3),
        bottom=upper if same else _cloth(rng, plain=0.85),
        leg=rng.uniform(*BOTTOMS[bottom][1]),
        bottom_bulk=rng.gamma(2.5, 3.5),
        shoe=_cloth_colour(rng),
        sole=_linear("e9e9e6") if rng.random() < 0.5 else _linear("1c1c1e"),
        sock=_linear("efefec") if rng.random() < 0.6 else _cloth_colour(rng),
        sock_height=rng.uniform(-20, 130),
        seed=int(rng.integers(2**31)),
    )


def bulk(look: Look, figure: Figure, places: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, " V"]:
    """Distance (mm) of clothes and hair from the skin at the vertices, along their normals."""
    at = x, y, _ = _sides(places)
    top = look.top_bulk * _soft(_top(look, figure, at), 15.0)
    bottom = look.bottom_bulk * _soft(_bottom(look, figure, at), 15.0)
    # A shirt hangs from chest and shoulder blades, and is widest around the waist.
    chest, waist = figure.at("smpl_spine3")[1], figure.at("smpl_spine1")[1]
    low = np.clip((chest - y) / (chest - waist), 0, 1)
    trunk = x < figure.at("left_shoulder")[0]
    top = np.where(trunk, top * (0.5 + 0.8 * low), top)
    shoes = 6.0 * _soft(figure.at("left_ankle")[1] - 25 - y, 10.0)
    hair = look.hair_bulk * _soft(_hair(look, figure, at), 12.0)
    return np.maximum.reduce([top, bottom, shoes, hair]).astype(np.float32)


def paint(
    look: Look, figure: Figure, places: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    """Colours at places of the body, and vectors that folds add to the normals there."""
    at = _sides(places)
    places = np.ascontiguousarray(places.T, dtype=np.float32)
    layers = [(_bottom(look, figure, at) > 0, look.bottom), (_top(look, figure, at) > 0, look.top)]
    colours = np.empty((places.shape[1], 3), dtype=np.float32)
    tips = np.empty_like(colours)
    bare = np.flatnonzero(~(layers[0][0] | layers[1][0]))
    pores = _noise(places.take(bare, axis=1), 9.0, look.seed)
    colours[bare] = look.skin * (1 + 0.05 * pores[:, :1])
    tips[bare] = 0.04 * pores
    _face(colours, look, figure, places)
    ankle = figure.at("left_ankle")[1]
    colours[at[1] < ankle + look.sock_height] = look.sock
    colours[at[1] < ankle - 8] = look.shoe
    colours[at[1] < ankle - 75 + 18] = look.sole
    for covered, cloth in layers[::-1] if look.tucked else layers:
        chosen = np.flatnonzero(covered)
        if len(chosen):
            own = places.take(chosen, axis=1)
            colours[chosen] = _dye(cloth, figure, own, look.seed)
            tips[chosen] = cloth.wrinkles * _noise(own * _DRAPE, 26.0, look.seed + 1)
    hair = np.flatnonzero(_hair(look, figure, at) > 0)
    if len(hair):
        strands = _noise(places.take(hair, axis=1) * _COMBED, 3.0, look.seed + 2)
        colours[hair] = look.hair * (1 + 0.25 * strands[:, :1])
        tips[hair] = 0.25 * strands
    return np.minimum(np.maximum(colours, 0), 1), tips


def _top(look: Look, figure: Figure, at: Sides) -> np.ndarray:
    """Signed distance (N,), mm, to the edge of the top garment: positive inside."""
    x, y, z = at
    shoulder, elbow, wrist = (figure.at(f"left_{j}")[0] for j in ("shoulder", "elbow", "wrist"))
    ends = (2 * shoulder - elbow, shoulder, elbow, wrist)
    end = float(np.interp(look.sleeve, (-1, 0, 1, 2), ends))
    neck = figure.at("smpl_neck")[1] + 22
    front = np.clip(z / 60, 0, 1)
    opening = neck - look.neckline * front * np.clip(1 - x / 95, 0, 1) - 0.12 * x
    collar = np.where(x < 130, opening - y, 1e3)
    hem = figure.at("left_hip")[1] - look.hem
    return np.minimum(np.minimum(end - x, y - hem), collar)


def _bottom(look: Look, figure: Figure, at: Sides) -> np.ndarray:
    """Signed distance (N,), mm, to the edge of the trousers."""
    _, y, _ = at
    hip, knee, ankle = (figure.at(f"left_{joint}")[1] for joint in ("hip", "knee", "ankle"))
    end = float(np.interp(look.leg, (0, 1, 2), (hip - 60, knee, ankle + 5)))
    waist = hip + 95
    return np.minimum(y - end, waist - y)


def _hair(look: Look, figure: Figure, at: Sides) -> np.ndarray:
    """Signed distance (N,), mm, to the edge of hair or cap."""
    if look.hair_style == "bald":
        return np.full(len(at[0]), -1.0)
    x, y, z = at
    eyes, head = figure.eyes.mean(0), figure.at("smpl_head")
    forehead = eyes[1] + 0.48 * (figure.top - eyes[1])
    if look.hair_style == "cap":
        return y - (eyes[1] + 0.3 * (figure.top - eyes[1]))
    nape = {"short": head[1] + 5, "long": figure.at("smpl_neck")[1] - 90}[look.hair_style]
    # From the face backwards the line falls from the forehead past the ears to the nape.
    ear = 0.35 * eyes[2] + 0.65 * figure.joints[SMPL24.index("smpl_head"), 2]
    back = np.clip((eyes[2] - 12 - z) / max(eyes[2] - 12 - ear, 1.0), 0, 1)
    line = forehead + (nape - forehead) * back**1.5
    inside = y - line
    # Below the head long hair hangs on the back, not on the throat or the arms.
    neck = figure.at("smpl_neck")
    hanging = np.minimum(np.minimum(inside, 85 - x), neck[2] + 10 - z)
    return np.where(y < head[1], hanging, inside)


def _face(
    colours: np.ndarray, look: Look, figure: Figure, places: Float[np.ndarray, "3 N"]
) -> None:
    """Paint eyes, brows, lips and beard into the colours (N, 3)."""
    left, right = figure.eyes
    _, y, z = places
    ahead = (z > figure.eyes[:, 2].mean() - 45) & (y > figure.nose[1] - 90)
    chosen = np.flatnonzero(ahead & (y < left[1] + 35))
    x, y, _ = places.take(chosen, axis=1)
    if look.beard:
        low = y < figure.nose[1] - 14
        colours[chosen[low]] = 0.6 * look.hair + 0.4 * look.skin

    def ellipse(at: np.ndarray, up: float, width: float, height: float) -> np.ndarray:
        return ((x - at[0]) / width) ** 2 + ((y - at[1] - up) / height) ** 2 < 1

    colours[chosen[ellipse(figure.nose, -34.0, 25.0, 7.0)]] = look.lips
    for eye in (left, right):
        colours[chosen[ellipse(eye, 17.0, 18.0, 4.0)]] = 0.7 * look.hair + 0.1 * look.skin
        colours[chosen[ellipse(eye, 0.0, 14.0, 7.0)]] = 0.22 + 0.4 * look.skin
        colours[chosen[ellipse(eye, 0.0, 6.5, 6.5)]] = (0.03, 0.02, 0.015)


def _dye(cloth: Cloth, figure: Figure, places: Float[np.ndarray, "3 N"], seed: int) -> np.ndarray:
    """The colours (N, 3) of a cloth at places of the body."""
    ground, second, accent = cloth.colours
    from_left, y, z = places
    x = np.abs(from_left)
    arm = x > figure.at("left_shoulder")[0]
    # `along` runs down the trunk, the legs and the arms, `across` goes around them.
    along = np.where(arm, x, y)
    if cloth.pattern in ("plain", "blotches", "print"):
        a = b = along
    else:
        a = along / cloth.scale % 1
        b = np.where(arm, y, from_left + 0.6 * z) / cloth.scale % 1
    weave = (1 + 0.06 * _noise(places, 14.0, seed + 3, 0))[:, None]
    match cloth.pattern:
        case "plain":
            return ground * weave
        case "hoops":
            share = a < cloth.duty
        case "stripes":
            share = b < cloth.duty
        case "checks":
            share = (a < cloth.duty) ^ (b < cloth.duty)
        case "dots":
            share = (a - 0.5) ** 2 + (b - 0.5) ** 2 < 0.1
        case "blotches":
            share = _noise(places, 0.6 * cloth.scale, seed + 4, 0) > 0.25
        case _:  # a print on the chest
            middle = figure.at("smpl_spine3")[1] - 10
            wide, high = 1.1 * cloth.scale + 40, 0.8 * cloth.scale + 30
            share = (z > 0) & ~arm & (x < wide) & (np.abs(along - middle) < high)
            inner = share & (_noise(places, 22.0, seed + 5, 1) > 0.1)
            second = np.where(inner[:, None], accent, second)
    return np.where(share[:, None], second, ground) * weave


def _cloth(rng: np.random.Generator, plain: float | None = None) -> Cloth:
    pattern = "plain" if plain and rng.random() < plain else _pick(rng, PATTERNS)
    return Cloth(
        pattern=pattern,
        colours=np.stack([_cloth_colour(rng) for _ in range(3)]),
        scale=rng.uniform(22, 90),
        duty=rng.uniform(0.15, 0.6),
        wrinkles=rng.uniform(0.12, 0.42),
    )


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.55:
        colour = _linear(MUTED[int(rng.integers(len(MUTED)))])
    else:
        hue, dull, value = rng.random(), rng.uniform(0.2, 0.85), rng.uniform(0.25, 0.9)
        colour = decode_srgb(np.array(colorsys.hsv_to_rgb(hue, dull, value), dtype=np.float32))
    return np.clip(colour * rng.uniform(0.8, 1.2), 0.012, 0.85).astype(np.float32)


def _pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One of the names, drawn by weight."""
    p = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=p / p.sum()))


def _blend(colours: tuple[str, ...], share: float) -> np.ndarray:
    """The linear colour at a share of the path through sRGB colours in hexadecimals."""
    table = np.stack([_linear(colour) for colour in colours])
    place = share * (len(table) - 1)
    at = [np.interp(place, np.arange(len(table)), table[:, c]) for c in range(3)]
    return np.array(at, dtype=np.float32)


def _linear(code: str) -> np.ndarray:
    """Linear light of an sRGB colour in hexadecimals."""
    return decode_srgb(rgb(code))


def _sides(places: np.ndarray) -> Sides:
    """Distances from the middle plane, heights and depths of places, contiguous in memory."""
    x, y, z = np.ascontiguousarray(places.T, dtype=np.float32)
    return np.abs(x), y, z


def _soft(inside: np.ndarray, width: float) -> np.ndarray:
    """0 outside, 1 from `width` mm inside on."""
    return np.clip(inside / width, 0, 1)


@cache
def _volume() -> np.ndarray:
    """Smooth periodic noise (CELLS^3, 3) of mean 0 and standard deviation 0.5."""
    rng = np.random.Generator(np.random.Philox(64))
    spectrum = np.fft.rfftn(rng.standard_normal((3, CELLS, CELLS, CELLS)), axes=(1, 2, 3))
    k = np.fft.fftfreq(CELLS)[:, None, None], np.fft.fftfreq(CELLS)[:, None], None
    radius2 = k[0] ** 2 + k[1] ** 2 + np.fft.rfftfreq(CELLS) ** 2
    smooth = np.fft.irfftn(spectrum * np.exp(-radius2 * 60), s=(CELLS,) * 3, axes=(1, 2, 3))
    smooth *= 0.5 / smooth.std(axis=(1, 2, 3), keepdims=True)
    return np.ascontiguousarray(np.moveaxis(smooth, 0, -1), dtype=np.float32).reshape(-1, 3)


@cache
def _channel(number: int) -> np.ndarray:
    """One channel of the volume, contiguous in memory."""
    return np.ascontiguousarray(_volume()[:, number])


def _noise(
    places: Float[np.ndarray, "3 N"], scale: float, seed: int, channel: int | None = None
) -> np.ndarray:
    """Smooth noise at places, all three channels (N, 3) or one (N,), with features `scale` mm wide.

    The seed shifts the volume.
    """
    cells = np.floor(places * np.float32(4 / scale)).astype(np.int32)
    i, j, k = (
        (row + start % CELLS) & (CELLS - 1)
        for row, start in zip(cells, (seed, seed // CELLS, seed // CELLS**2), strict=True)
    )
    at = (i * CELLS + j) * CELLS + k
    return _volume().take(at, axis=0) if channel is None else _channel(channel).take(at)
