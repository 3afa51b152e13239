"""The numbers that fill networks and inputs in comparisons with published code.

A tensor called `name` gets u from numpy's RandomState([0, crc32(name)]).uniform(-1, 1), in the order
of memory, as float32.
"""

import math
import zlib

import numpy as np
import torch
from torch import Tensor


def uniform(name: str, *shape: int) -> Tensor:
    """u of the tensor `name`, float32."""
    generator = np.random.RandomState([0, zlib.crc32(name.encode())])
    return torch.from_numpy(generator.uniform(-1, 1, shape).astype(np.float32))


def numbers(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weights called `name`, here or after the rules of their layout (`published_layouts`).

    Of two or more dimensions sqrt(3 / fan_in) u; vectors of weights and variances 1 + 0.4 u; all
    others 0.2 u.
    """
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = uniform(name, *shape)
    if len(shape) > 1 and not name.startswith("start_"):
        return values * math.sqrt(3 / math.prod(shape[1:]))
    around_one = name.endswith(("weight", "running_var"))
    return 1 + 0.4 * values if around_one else 0.2 * values
