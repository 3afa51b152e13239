"""Tiny networks, each exported once for all tests, and the command line in this process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
import torch
from builders.networks import NETWORKS, skip_without
from torch import nn

from posekit.inference import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Callable:
    """(kind of network, ending, options of `export.save`) -> the network and its file."""
    folder = tmp_path_factory.mktemp("networks")

    @cache
    def make(kind: str, ending: str, **options) -> tuple[nn.Module, Path]:
        skip_without(ending)
        build, shape = NETWORKS[kind]
        name = "-".join(map(str, (kind, *options.values())))
        network, path = build(), folder / f"{name}{ending}"
        export.save(network, path, torch.rand(1, *shape), **options)
        return network, path

    return make


@pytest.fixture
def in_thread() -> Callable:
    """Runs a function in another thread, where it may compute in bfloat16.

    The registers of AMX, in use from then on in that thread, are too large for the signal stack of
    pytest's faulthandler: in the main thread, the next Ctrl-C of a test would end the process.
    """

    def run(function, *args):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *args).result()

    return run
