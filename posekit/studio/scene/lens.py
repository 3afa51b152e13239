"""8-bit sRGB pictures from linear light: blur, exposure, colour cast, noise and JPEG losses.

Settings are drawn at random (`draw`) or set by hand; the same settings and light give the same
bytes.

H x W pixels, red, green, blue.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posekit.studio.scene.light import encode_srgb

TILE = 512  # px, side of the noise that is drawn once and shifted for every picture
SHOULDER = 1.1  # per unit of light, how soon highlights stop growing
LEVELS = 4096  # of light that the tone curve tells apart
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB, ITU-R BT.709
BRIGHTEST = 3.0  # linear light at which film and meter see plain white


@dataclass(frozen=True)
class Lens:
    """The settings of one photograph."""

    exposure: float | None = None  # mean light of the picture, metered; None: as it comes
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # factors on red, green, blue
    contrast: float = 0.0  # 0: plain sRGB, 1: a strong S curve
    saturation: float = 1.0  # 0: grey
    vignette: float = 0.0  # share of light lost in the corners
    defocus: float = 0.0  # px, standard deviation
    motion: tuple[float, float] = (0.0, 0.0)  # px, degrees: the camera's path during exposure
    shot: float = 0.0  # noise that grows with light: variance per unit of light
    read: float = 0.0  # noise in the dark, standard deviation in light
    noise: tuple[int, int] = (0, 0)  # px, where in the noise this picture begins
    jpeg: int = 0  # quality 1 to 100; 0 leaves the picture as it is


def draw(rng: np.random.Generator) -> Lens:
    """Random settings, spread as in ordinary photographs."""
    roll = rng.random(8)
    warm = rng.normal(0, 0.06)
    night = roll[0] < 0.15
    grain = rng.uniform(0.3, 1.0) if night else rng.uniform(0, 0.3)
    return Lens(
        exposure=float(np.exp(rng.normal(-1.75, 0.25))),
        balance=(1 + warm, 1 + rng.normal(0, 0.015), 1 - warm),
        contrast=rng.uniform(0.1, 0.9),
        saturation=0.0 if roll[1] < 0.03 else rng.uniform(0.7, 1.25),
        vignette=rng.uniform(0, 0.35) if roll[2] < 0.5 else 0.0,
        defocus=rng.uniform(0.3, 1.3) if roll[3] < 0.5 else 0.0,
        motion=(rng.uniform(1.5, 5.0), rng.uniform(0, 180)) if roll[4] < 0.15 else (0.0, 0.0),
        shot=0.004 * grain,
        read=0.012 * grain,
        noise=(int(rng.integers(TILE)), int(rng.integers(TILE))),
        jpeg=int(rng.integers(35, 96)) if roll[5] < 0.8 else 0,
    )


def with_noise_of(lens: Lens, index: int) -> Lens:
    """The same settings with the noise of frame `index`."""
    place = np.random.Generator(np.random.Philox(index)).integers(TILE, size=2)
    return replace(lens, noise=(int(place[0]), int(place[1])))


def expose(light: Float[np.ndarray, "H W 3"], lens: Lens) -> UInt8[np.ndarray, "H W 3"]:
    """The photograph of linear `light`.

    ValueError when the light is not finite or the JPEG quality is not from 0 to 100.
    """
    if not np.isfinite(light.sum()):
        raise ValueError("the light holds NaN or infinity; the scene was not drawn everywhere")
    if not 0 <= lens.jpeg <= 100:
        raise ValueError(f"JPEG quality {lens.jpeg} is not between 0 and 100")
    height, width = light.shape[:2]
    light = _blur(np.ascontiguousarray(light, dtype=np.float32), lens)
    # The meter ignores what is overexposed in any case, such as the sun and lamps.
    metered = 1.0
    if lens.exposure is not None:
        metered = float(cv2.min(cv2.transform(light, LUMINANCE[None]), BRIGHTEST).mean())
    step = BRIGHTEST / LEVELS  # from here on light is counted in steps of the tone curve
    gain = (lens.exposure or 1.0) / max(metered, 1e-4) / step
    # White balance, then towards grey or away from it.
    saturate = lens.saturation * np.eye(3) + (1 - lens.saturation) * LUMINANCE
    light = cv2.transform(light, gain * (saturate * np.array(lens.balance)))
    if lens.vignette:
        light *= 1 - np.float32(lens.vignette) * _corners(height, width)
    if lens.shot or lens.read:
        spread = cv2.max(light, 0.0)  # strong colours, made stronger, fall below
        spread *= np.float32(lens.shot / step)
        spread += np.float32((lens.read / step) ** 2)
        cv2.sqrt(spread, spread)
        spread *= _grain(height, width, lens.noise)
        light += spread
    picture = _tone(round(lens.contrast, 3)).take(light.astype(np.int32), mode="clip")
    return _jpeg(picture, lens.jpeg) if lens.jpeg else picture


def _blur(light: np.ndarray, lens: Lens) -> np.ndarray:
    if lens.defocus:
        light = cv2.GaussianBlur(light, (0, 0), lens.defocus, borderType=cv2.BORDER_REFLECT)
    length, angle = lens.motion
    if length:
        light = cv2.filter2D(light, -1, _streak(length, angle), borderType=cv2.BORDER_REFLECT)
    return light


def _streak(length: float, angle: float) -> np.ndarray:
    """A kernel that spreads light evenly along a line of `length` px at `angle` degrees."""
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    for step in np.linspace(-length / 2, length / 2, 8 * half):
        x, y = step * direction + half
        i, j = int(y), int(x)
        kernel[i : i + 2, j : j + 2] += np.outer((1 - y + i, y - i), (1 - x + j, x - j))
    return kernel / kernel.sum()


@cache
def _corners(height: int, width: int) -> np.ndarray:
    """0 in the middle, 1 in the corners, growing as the square of the distance."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    return np.repeat((x * x + y * y) / 2, 3, axis=2)  # three channels multiply faster than one


@cache
def _noise() -> np.ndarray:
    """Normal deviates, smoothed as by a sensor's colour filter: a tile repeated 2 x 2 times."""
    rng = np.random.Generator(np.random.Philox(512))
    tile = rng.standard_normal((TILE, TILE, 3), dtype=np.float32)
    smooth = cv2.GaussianBlur(tile, (0, 0), 0.6, borderType=cv2.BORDER_REFLECT)
    return np.tile(smooth / smooth.std(), (2, 2, 1))


def _grain(height: int, width: int, start: tuple[int, int]) -> np.ndarray:
    """Noise (H, W, 3) from a place `start` of the endless tiling."""
    tile = _noise()
    if max(height, width) <= TILE:  # a view of the repeated tile, not a copy
        return tile[start[0] : start[0] + height, start[1] : start[1] + width]
    rows = (np.arange(height) + start[0]) % TILE
    columns = (np.arange(width) + start[1]) % TILE
    return tile[rows[:, None], columns[None, :]]


@cache
def _tone(contrast: float) -> np.ndarray:
    """The table (LEVELS,) from steps of light to 8-bit sRGB, bent into an S by `contrast`.

    Before that a shoulder, 1 - exp(-SHOULDER x), compresses highlights as film does.
    """
    light = np.arange(LEVELS) * (BRIGHTEST / LEVELS)
    light = (1 - np.exp(-SHOULDER * light)) / (1 - np.exp(-SHOULDER * BRIGHTEST))
    srgb = encode_srgb(light)
    curved = srgb + contrast * srgb * (1 - srgb) * (2 * srgb - 1)
    return np.round(curved * 255).astype(np.uint8)


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    # OpenCV takes blue first; the order matters here, since JPEG keeps less of colour than of light
    blue_first = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, stream = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(stream, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
