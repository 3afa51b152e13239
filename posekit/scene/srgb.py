"""Between the numbers of a picture file and light (sRGB, IEC 61966-2-1)."""

import numpy as np
from jaxtyping import Float


def decode(srgb: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """Linear light of sRGB values, both from 0 to 1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encode(light: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """sRGB values of linear light, both from 0 to 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


LINEAR = decode(np.arange(256, dtype=np.float32) / 255)
"""Linear light of the 256 values of a picture's channel."""
