"""Lights of a generated place, shading by them, and conversion between sRGB and linear light.

A place has light from everywhere and a few far lamps, windows or the sun. The same `Lights` shade
surroundings and people, so that both look as if they stood in one place.

N points, L lights. Linear light, world directions (z up).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

WRAP = 0.15  # how far past the terminator light still reaches: skin, cloth and large lamps are soft
WARM, WHITE, COOL = (1.0, 0.82, 0.62), (1.0, 0.97, 0.92), (0.86, 0.94, 1.0)


def decode_srgb(srgb: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """Linear light of sRGB values (IEC 61966-2-1), both from 0 to 1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """sRGB values of linear light, both from 0 to 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


SRGB_TO_LINEAR = decode_srgb(np.arange(256, dtype=np.float32) / 255)
"""Linear light of the 256 values of a picture's channel."""


def rgb(code: str) -> Float[np.ndarray, "3"]:
    """Display values, 0 to 1, of a colour written "rrggbb"."""
    return np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)], np.float32) / 255


@dataclass(frozen=True)
class Lights:
    """The lights of one place. The first of `directions` is the key light, which casts shadows."""

    ambient: Float[Tensor, "3"]  # from above: the sky or the ceiling
    directions: Float[Tensor, "L 3"]  # unit, towards the light, world
    colours: Float[Tensor, "L 3"]
    ground: Float[Tensor, "3"]  # from below: what the floor throws back

    def shade(
        self,
        normals: Float[Tensor, "N 3"],
        albedo: Float[Tensor, "N 3"],
        key: Float[Tensor, "N 1"] | None = None,
    ) -> Float[Tensor, "N 3"]:
        """Linear light that surfaces of linear `albedo` with unit world `normals` send out.

        A hemisphere of ambient light, ground to sky, and per lamp Lambert's cosine, wrapped: with
        the light at angle t, max(0, (cos t + w) / (1 + w)). `key` is the share of the key light
        that reaches a point; all of it by default.
        """
        up = (0.5 + 0.5 * normals[:, 2:]).to(albedo)
        ground = self.ground.to(albedo)
        light = torch.addcmul(ground, up, self.ambient.to(albedo) - ground)
        reached = normals.to(albedo) @ self.directions.to(albedo).mT
        reached.add_(WRAP).div_(1 + WRAP).clamp_(min=0)
        if key is not None:
            reached[:, :1] *= key
        light += reached @ self.colours.to(albedo)
        light *= albedo
        return light


def lights(
    ambient: np.ndarray, ground: np.ndarray, lamps: list[tuple[np.ndarray, np.ndarray]]
) -> Lights:
    """`Lights` of (direction, colour) pairs, the first the key; directions need not be unit."""
    directions, colours = (np.array(part, np.float32) for part in zip(*lamps, strict=True))
    return Lights(
        ambient=torch.from_numpy(np.asarray(ambient, np.float32)),
        directions=functional.normalize(torch.from_numpy(directions), dim=1),
        colours=torch.from_numpy(colours),
        ground=torch.from_numpy(np.asarray(ground, np.float32)),
    )


def towards(azimuth: float, elevation: float) -> np.ndarray:
    """The unit vector towards a light at these angles (radians; azimuth from x to y)."""
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


def tint(rng: np.random.Generator, *ends: tuple[float, float, float]) -> np.ndarray:
    """A random colour between `ends`."""
    weights = rng.standard_exponential(len(ends))
    return weights @ np.array(ends) / weights.sum()


def indoors(rng: np.random.Generator, window: float | None) -> Lights:
    """Random lights of a room whose key light is a window at an azimuth, or a ceiling lamp."""
    level = rng.uniform(0.85, 1.35)
    if window is not None:
        key = towards(window + rng.uniform(-0.5, 0.5), rng.uniform(0.35, 0.8))
        colour = tint(rng, WHITE, COOL) * rng.uniform(0.45, 1.0)
    else:
        key = towards(rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.35))
        colour = tint(rng, WARM, WHITE, WHITE) * rng.uniform(0.35, 0.7)
    lamps = [(key, level * colour)]
    for _ in range(rng.integers(0, 3)):
        direction = towards(rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.3))
        lamps.append((direction, level * tint(rng, WARM, WHITE) * rng.uniform(0.05, 0.25)))
    ambient = level * tint(rng, WARM, WHITE, WHITE, COOL) * rng.uniform(0.4, 0.6)
    return lights(ambient, ambient * rng.uniform(0.55, 0.85), lamps)


def outdoors(rng: np.random.Generator, overcast: float) -> Lights:
    """Random sun and sky: `overcast` from 0, a clear day, to 1, when the clouds let no sun pass."""
    elevation = rng.uniform(0.35, 1.25)
    low = np.clip((0.8 - elevation) / 0.5, 0, 1)
    sun = (1 - low) * np.array(WHITE) + low * np.array(WARM)
    key = towards(rng.uniform(0, 2 * np.pi), elevation)
    lamps = [(key, sun * (0.15 + 0.85 * (1 - overcast)))]
    sky = (1 - overcast) * np.array([0.38, 0.44, 0.56]) + overcast * np.array([0.7, 0.72, 0.75])
    return lights(sky, sky * rng.uniform(0.35, 0.6), lamps)
