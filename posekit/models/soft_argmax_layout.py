import math

from torch import Tensor


def axes(logits: Tensor, dims: int) -> list[int]:
    """The last `dims` axes, 0 the first of them, in the order of memory: the slowest first."""
    return sorted(range(dims), key=lambda axis: -logits.stride(axis - dims))


def evenly(logits: Tensor, dims: int) -> int:
    """From which batch axis on the volumes lie at even distances, so that a view can join them.

    Mostly 0. Not so for channels_last logits whose channels were split into joints and depth: a
    reshape to one axis of volumes would copy them without a word.
    """
    batch, size = logits.shape[:-dims], logits.shape[-dims:]
    for cut in range(len(batch) - 1):
        try:
            logits.view(*batch[:cut], math.prod(batch[cut:]), *size)
        except RuntimeError:
            continue
        return cut
    return max(len(batch) - 1, 0)
