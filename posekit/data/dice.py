"""Random numbers that depend on nothing but their key."""

import numpy as np


def dice(*key: int) -> np.random.Generator:
    """A generator for this key: the same numbers whatever else was drawn before."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
