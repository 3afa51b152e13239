"""Times of several ways to do the same, taken fairly."""

import statistics
import time
from collections.abc import Callable, Mapping

ROUNDS = 5


def interleaved(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each way, the ways taking turns after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
