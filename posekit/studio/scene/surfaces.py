"""Textures of generated places that repeat without a seam: floors, walls, cloth, leaves.

A painter makes a tile (SIZE, SIZE, 3) of display values (sRGB-like, 0 to 1) from a generator.
`decals` has textures that do not repeat, such as doors and pictures; `atlas` puts all into one image.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from posekit.studio.scene.light import rgb

SIZE = 256  # texels of a tile's side at the finest level
Painter = Callable[[np.random.Generator], np.ndarray]


def noise(rng: np.random.Generator, cells_x: int, cells_y: int) -> np.ndarray:
    """Smooth seamless noise (SIZE, SIZE), 0 to 1, of so many cells (powers of 2) a side."""
    grid = np.pad(rng.random((cells_y, cells_x), np.float32), 2, mode="wrap")
    step_x, step_y = SIZE // cells_x, SIZE // cells_y
    size = (grid.shape[1] * step_x, grid.shape[0] * step_y)
    wide = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    return wide[2 * step_y : 2 * step_y + SIZE, 2 * step_x : 2 * step_x + SIZE]


def clouds(rng: np.random.Generator, first: int = 4, octaves: int = 5, fade: float = 0.6):
    """Noise (SIZE, SIZE, 1) of several octaves about 0, roughly from -1 to 1."""
    cells = [first << k for k in range(octaves) if first << k <= SIZE]
    return sum(fade**k * (noise(rng, n, n) - 0.5) for k, n in enumerate(cells))[..., None] * 1.6


def plaster(rng, base="e6e4e0", rough=0.012, first=8) -> np.ndarray:
    """A painted wall, concrete, asphalt, sand: one colour, uneven."""
    return rgb(base) * (1 + rough * clouds(rng, first, 6, 0.75))


def speckle(rng, base="8a8a88", other="55524e", share=0.4, first=32) -> np.ndarray:
    """Two colours mixed finely: gravel, granite, carpets, lawns."""
    mix = np.clip(share + 0.6 * clouds(rng, first, 4, 1.0), 0, 1)
    large = 1 + 0.04 * clouds(rng, 4, 3)
    return ((1 - mix) * rgb(base) + mix * rgb(other)) * large


def planks(rng, base="b08a5c", across=8, joint=0.35, vary=0.12, lengths=1.0, ripple=0.12):
    """Boards along x with grain, joints and a tone of their own."""
    grain = ripple * (noise(rng, 4, 128) - 0.5) + ripple * (noise(rng, 8, 64) - 0.5)
    bands = noise(rng, 2, 32) * 6
    grain += 0.3 * ripple * np.sin(2 * np.pi * bands)
    height = SIZE // across
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = rgb(base) * (1 + grain[..., None])
    for k in range(across):
        row = picture[k * height : (k + 1) * height]
        cut = int(rng.integers(SIZE)) if lengths else 0
        ends = [0, SIZE] if not lengths else sorted({cut, (cut + SIZE * 5 // 8) % SIZE})
        tones = 1 + vary * (rng.random(3) - 0.5) * 2
        for tone, (start, stop) in zip(tones, zip([0, *ends], [*ends, SIZE], strict=True)):
            row[:, start:stop] *= tone
        # The board that crosses the seam is one board.
        if lengths:
            row[:, ends[-1] :] *= tones[0] / tones[len(ends)]
            for end in ends:
                row[:, end : end + 1] *= 1 - joint
        row[0] *= 1 - joint
        row[-1] *= 1 - joint / 3
    return picture


def tiles(rng, base="d8d6d0", across=4, joint="a09c94", width=3, vary=0.05, rough=0.03, check=""):
    """Square tiles; every other one has the colour `check`, if not empty."""
    step = SIZE // across
    tone = 1 + vary * (rng.random((across, across, 1)) - 0.5) * 2
    grid = tone * rgb(base)
    if check:
        odd = (np.indices((across, across)).sum(0) % 2 == 1)[..., None]
        grid = np.where(odd, tone * rgb(check), grid)
    picture = np.repeat(np.repeat(grid, step, 0), step, 1) * (1 + rough * clouds(rng, 8, 5))
    line = np.arange(SIZE) % step < width
    picture[line] = rgb(joint)
    picture[:, line] = rgb(joint)
    return picture


def bricks(rng, base="9a5a44", joint="b8b0a4", courses=16, per_row=4, vary=0.18, width=2):
    """Courses of bricks, every other one shifted by half."""
    height, length = SIZE // courses, SIZE // per_row
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    x, y = np.arange(SIZE), np.arange(SIZE)
    for k in range(courses):
        shifted = (x + (k % 2) * length // 2) % SIZE
        tone = 1 + vary * (rng.random(per_row) - 0.5) * 2
        row = tone[shifted // length, None] * rgb(base)
        row[shifted % length < width] = rgb(joint)
        picture[k * height : (k + 1) * height] = row
    picture[y % height < width] = rgb(joint)
    return picture * (1 + 0.07 * clouds(rng, 16, 5))


def parquet(rng, base="a87f50", vary=0.14, blocks=4, strips=4):
    """Squares of strips, every other one turned by a right angle."""
    side = SIZE // blocks
    strip = side // strips
    grain = 1 + 0.1 * (noise(rng, 8, 128) - 0.5)[:side, :side]
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    for i in range(blocks):
        for j in range(blocks):
            tone = np.repeat(1 + vary * (rng.random(strips) - 0.5) * 2, strip)
            tone[::strip] *= 0.75
            block = (tone[:, None] * grain)[..., None] * rgb(base)
            block = block.transpose(1, 0, 2) if (i + j) % 2 else block
            picture[i * side : (i + 1) * side, j * side : (j + 1) * side] = block
    return picture


def stripes(rng, base="d9d2c2", other="c4b89e", count=8, share=0.5, vertical=True):
    """Wallpaper, curtains, ribs: stripes with soft edges."""
    wave = np.cos(2 * np.pi * count * np.arange(SIZE) / SIZE)
    mix = np.clip((wave - np.cos(np.pi * share)) * 4 + 0.5, 0, 1)[:, None]
    row = (1 - mix) * rgb(base) + mix * rgb(other)
    picture = np.broadcast_to(row[None] if vertical else row[:, None], (SIZE, SIZE, 3))
    return picture * (1 + 0.03 * clouds(rng, 16, 4))


def folds(rng, base="c8c2b8", depth=0.3):
    """Hanging cloth: light and shade along x only."""
    wave = noise(rng, 16, 1) + 0.5 * noise(rng, 32, 1) - 0.75
    return rgb(base) * (1 + depth * 1.6 * wave[..., None])


def dots(rng, base="ddd8cc", other="b9a98c", across=8, radius=0.28):
    """Wallpaper with a small motif in a staggered grid."""
    y, x = np.indices((SIZE, SIZE)) * (across / SIZE)
    row = np.floor(y)
    distance = np.hypot((x + 0.5 * (row % 2)) % 1 - 0.5, y % 1 - 0.5)
    angle = np.arctan2(y % 1 - 0.5, (x + 0.5 * (row % 2)) % 1 - 0.5)
    mix = np.clip((radius * (1 + 0.35 * np.cos(5 * angle)) - distance) * 20, 0, 1)[..., None]
    return ((1 - mix) * rgb(base) + mix * rgb(other)) * (1 + 0.02 * clouds(rng, 16, 4))


def panels(rng, base="d6d2c8", across=2, groove=0.25):
    """Wall panels: raised squares with a lit and a shaded edge."""
    picture = plaster(rng, base, 0.02)
    step = SIZE // across
    for i in range(across):
        for j in range(across):
            for inset, tone in ((18, 1 - groove), (21, 1 + groove / 3), (24, 1.0)):
                y, x = i * step + inset, j * step + inset
                side = step - 2 * inset
                picture[y : y + side, x : x + side] = rgb(base) * tone
    return picture


def leaves(rng, dark="24341a", light="7d9448", count=2200, size=5):
    """Foliage: many small leaves, the last ones lighter."""
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = rgb(dark)
    spots = rng.integers(0, SIZE, (count, 2))
    angles = rng.integers(0, 180, count).tolist()
    tones = np.linspace(0, 1, count)[:, None] * rng.random((count, 1))
    tones = (1 - tones) * rgb(dark) + tones * rgb(light)
    for (x, y), angle, tone in zip(spots.tolist(), angles, tones.tolist(), strict=True):
        for dx in (0, SIZE) if x < size else (0, -SIZE) if x > SIZE - size else (0,):
            for dy in (0, SIZE) if y < size else (0, -SIZE) if y > SIZE - size else (0,):
                place = (x + dx, y + dy)
                cv2.ellipse(picture, place, (size, size // 2), angle, 0, 360, tone, -1)
    return picture


def grass(rng, base="5f7038", dry="8a8350", share=0.3):
    """A lawn or meadow: fine blades on patches of two colours."""
    mix = np.clip(share + 0.6 * clouds(rng, 2, 4), 0, 1)
    blades = 1 + 0.5 * (noise(rng, 256, 64) - 0.5) + 0.35 * (noise(rng, 64, 64) - 0.5)
    return ((1 - mix) * rgb(base) + mix * rgb(dry)) * blades[..., None]


def chaos(rng, first=2, strength=0.35):
    """Colour noise of many octaves."""
    return 0.45 + strength * np.concatenate([clouds(rng, first, 7, 0.8) for _ in range(3)], -1)


SURFACES: dict[str, Painter] = {
    "plain": partial(plaster, base="f4f4f4", rough=0.01),
    "plaster": plaster,
    "render": partial(plaster, base="dcd6cc", rough=0.035),
    "concrete": partial(plaster, base="a4a29e", rough=0.06, first=4),
    "asphalt": partial(speckle, base="6a6a6c", other="4c4c50", share=0.45),
    "carpet": partial(speckle, base="b4b0aa", other="8e8a84"),
    "terrazzo": partial(speckle, base="c9c5bd", other="8d8880", share=0.15),
    "gravel": partial(speckle, base="a89c8a", other="6d6456", share=0.45, first=64),
    "sand": partial(plaster, base="cdb88f", rough=0.14, first=2),
    "oak": planks,
    "walnut": partial(planks, base="7a5638", vary=0.16),
    "ash": partial(planks, base="c4b49c", vary=0.07, joint=0.2),
    "sports": partial(planks, base="cf9f62", across=16, vary=0.06, joint=0.12),
    "board": partial(planks, base="b4885a", across=2, vary=0.03, joint=0.1, lengths=0),
    "cladding": partial(planks, base="b89a74", joint=0.5, lengths=0),
    "parquet": parquet,
    "tiles": tiles,
    "terracotta": partial(tiles, base="b06a48", vary=0.12, rough=0.1),
    "slate": partial(tiles, base="6a6c6e", joint="4a4a4a", vary=0.12),
    "checker": partial(tiles, base="dedad2", check="3a3a3c", width=2),
    "bathroom": partial(tiles, base="e4e6e6", across=8, joint="b4b4b0", vary=0.03),
    "paving": partial(tiles, base="a49e94", joint="6c675e", across=4, vary=0.1, rough=0.1),
    "mats": partial(tiles, base="f0f0f0", joint="9a9a9a", across=2, width=2, vary=0.02),
    "bricks": bricks,
    "blocks": partial(bricks, base="d8d4cc", joint="b8b4ac", courses=8, per_row=4, vary=0.05),
    "cobble": partial(bricks, base="98948c", joint="6c6860", per_row=8, width=3),
    "stripes": stripes,
    "thin_stripes": partial(stripes, base="e2ded4", other="c9c4b6", count=32),
    "ribs": partial(stripes, base="f0efec", other="b8b6b2", count=8, share=0.3),
    "dots": dots,
    "motif": partial(dots, base="cfd4d2", other="a3b0ad", across=4, radius=0.33),
    "panels": panels,
    "folds": folds,
    "fabric": partial(speckle, base="e0e0e0", other="b4b4b4", first=128),
    "metal": partial(plaster, base="b4b6b8", rough=0.03, first=2),
    "leaves": leaves,
    "needles": partial(leaves, dark="1c2a1a", light="5c7250", size=3, count=3500),
    "grass": grass,
    "meadow": partial(grass, base="71783c", dry="a3965c", share=0.5),
    "bark": partial(planks, base="6a5848", across=32, vary=0.2, joint=0.4, ripple=0.5),
    "chaos": chaos,
    "fog": partial(chaos, first=1, strength=0.2),
    "grain": partial(chaos, first=16, strength=0.4),
}
