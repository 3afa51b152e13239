"""Smooth random signals over time, from which the motions are composed.

T frames at RATE a second. Angles in radians.
"""

from numbers import Real

import numpy as np
from jaxtyping import Float

RATE = 50.0


def noise(
    rng: np.random.Generator, frames: int, sd: Real, hertz: Real, width: int | None = None
) -> np.ndarray:
    """Gaussian noise (T[, width]) of standard deviation `sd`, low-pass filtered at `hertz`.

    Its power falls as 1 / (1 + (f / hertz)^4), like that of a damped mass on a spring, which is
    smooth enough to be differentiated twice. It is cut out of a longer signal, so not periodic.
    """
    length = 2 * frames + 64
    shape = (length // 2 + 1,) if width is None else (length // 2 + 1, width)
    frequency = np.fft.rfftfreq(length, 1 / RATE)
    amplitude = 1 / np.sqrt(1 + (frequency / hertz) ** 4) / (1 + (frequency / (3 * hertz)) ** 2)
    amplitude[0] = amplitude[1]
    # variance of the inverse transform: (2 sum a^2 - a0^2) / length^2 x 2 for complex weights
    power = 4 * (amplitude**2).sum() / length**2
    weights = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    column = amplitude if width is None else amplitude[:, None]
    return (sd / np.sqrt(power)) * np.fft.irfft(weights * column, length, axis=0)[:frames]


def ease(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The minimum-jerk transition from 0 to 1 at x from 0 to 1 (Flash and Hogan, 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (10.0 + x * (6.0 * x - 15.0))


def keyframes(
    times: Float[np.ndarray, " K"],
    values: np.ndarray,
    durations: Float[np.ndarray, " K"],
    frames: int,
) -> np.ndarray:
    """A signal (T[, ...]) that reaches `values` (K[, ...]) at `times` (s) by minimum-jerk moves.

    A move takes as long as its entry of `durations` (s); in between the value rests. Overlapping
    moves add up.
    """
    values = np.asarray(values, dtype=float)
    clock = np.arange(frames) / RATE
    signal = np.broadcast_to(values[0], (frames, *values.shape[1:])).copy()
    for k in range(1, len(values)):
        share = ease((clock - times[k] + durations[k]) / durations[k])
        signal += share.reshape(-1, *[1] * (values.ndim - 1)) * (values[k] - values[k - 1])
    return signal


def pulses(
    times: np.ndarray, rise: np.ndarray, hold: np.ndarray, frames: int
) -> Float[np.ndarray, " T"]:
    """A weight that rises from 0 to 1 before each of `times` (s), stays for `hold` s, and falls."""
    clock = np.arange(frames) / RATE
    weight = np.zeros(frames)
    for start, up, stay in zip(times, rise, hold, strict=True):
        bump = ease((clock - start + up) / up) * (1 - ease((clock - start - stay) / up))
        weight = np.maximum(weight, bump)
    return weight


def smooth(signal: np.ndarray, seconds: Real) -> np.ndarray:
    """The signal (T, ...) under a Gaussian window of standard deviation `seconds`, ends held."""
    reach = max(1, int(3 * seconds * RATE))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (seconds * RATE)) ** 2)
    window /= window.sum()
    pad = [(reach, reach)] + [(0, 0)] * (signal.ndim - 1)
    long = np.pad(signal, pad, mode="edge")
    flat = long.reshape(len(long), -1)
    out = np.stack([np.convolve(column, window, "valid") for column in flat.T], axis=1)
    return out.reshape(signal.shape)
