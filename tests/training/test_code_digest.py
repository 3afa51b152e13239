"""The code that a run depends on: no more and no less than it can reach."""

import importlib
import sys
import textwrap
from functools import partial

import pytest
from torch import nn

import posekit.training.mesh
import posekit.training.study  # noqa: F401
from posekit.models.hourglass import StackedHourglass
from posekit.models.lifter import Cascade
from posekit.models.zoo import NETWORKS
from posekit.training.code_digest import code_digest, modules_of, reachable
from posekit.training.experiment import experiment
from posekit.training.heatmaps import Heatmaps
from posekit.training.integral import Integral
from posekit.training.lifting import Lifting

MODULE = '''
"""A notebook's cells."""
{constant}
def helper(x):
    {comment}
    return x + {number}

def work(config, seed, folder, data):
    return helper(LIMIT)
'''


def digest_of(tmp_path, name, constant="LIMIT = 3", comment='"""Doc."""', number=1):
    text = textwrap.dedent(MODULE).format(constant=constant, comment=comment, number=number)
    (tmp_path / f"{name}.py").write_text(text)
    sys.path.insert(0, str(tmp_path))
    try:
        module = importlib.import_module(name)
    finally:
        sys.path.remove(str(tmp_path))
    return code_digest(module.work)


def test_the_code_digest_follows_what_the_function_reads(tmp_path):
    base = digest_of(tmp_path, "cells_a")
    assert digest_of(tmp_path, "cells_b", comment="# another comment") == base
    assert digest_of(tmp_path, "cells_c", number=2) != base
    assert digest_of(tmp_path, "cells_d", constant="LIMIT = 4") != base


def test_a_function_that_reads_a_tensor_is_refused(tmp_path):
    with pytest.raises(ValueError, match="work reads 'LIMIT': a Tensor.*`config` or `data`"):
        digest_of(tmp_path, "cells_e", constant="import torch\nLIMIT = torch.zeros(3)")


class Doubling(nn.Module):
    def forward(self, x):
        return FACTOR * x


FACTOR = 2


def digest_with(network):
    return code_digest(partial(experiment, Lifting({"ours": network})))


def test_networks_of_a_notebook_are_part_of_the_identity(monkeypatch):
    twice = digest_with(Doubling)
    assert digest_with(Doubling) == twice
    once = digest_with(lambda **shape: Cascade(1, 2))
    assert digest_with(lambda **shape: Cascade(2, 2)) != once
    assert digest_with(partial(Cascade, 1, 2)) != digest_with(partial(Cascade, 2, 2))
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3)
    assert digest_with(Doubling) != twice


LIFTING = modules_of(partial(experiment, Lifting({"ours": partial(Cascade, 1, 2)})))
HEATMAPS = modules_of(partial(experiment, Heatmaps({"ours": StackedHourglass})))
INTEGRAL = modules_of(partial(experiment, Integral(NETWORKS)))


def names(modules, *packages):
    """The modules of these packages, without "posekit."."""
    short = {module.removeprefix("posekit.") for module in modules}
    return {name for name in short if name.partition(".")[0] in packages}


def test_no_run_depends_on_generated_data_or_on_what_keeps_books():
    for modules in (LIFTING, HEATMAPS, INTEGRAL):
        assert not names(modules, "studio", "claims", "figures", "report", "cli", "inference")
        assert not modules & {"posekit.training.runs", "posekit.training.study", "posekit.system"}
        assert {"posekit.training.experiment", "posekit.training.loop"} <= modules


def test_what_happens_to_be_imported_is_no_part_of_the_identity(monkeypatch):
    assert "posekit.models.soft_argmax_cuda" in INTEGRAL  # which a GPU's first training imports
    assert not {name for name in INTEGRAL if name.rpartition(".")[2] == "InKernels"}
    for name in ("posekit.models.soft_argmax", "posekit.training.losses"):
        monkeypatch.delitem(sys.modules, name)
    assert reachable(["posekit.training.integral"]) <= INTEGRAL
    assert {"posekit.training.losses"} < reachable(["posekit.training.heatmaps"]) <= HEATMAPS


def test_the_modules_in_the_digest_of_a_lifting_run():
    assert names(LIFTING, "training") == {
        f"training.{name}" for name in ("experiment", "lifting", "loop", "processes")
    }
    assert names(LIFTING, "models") == {"models.lifter"}
    assert names(LIFTING, "data") == {"data.batch", "data.poses"}


def test_the_modules_in_the_digest_of_a_heatmap_run():
    assert names(HEATMAPS, "training") == {
        f"training.{name}"
        for name in ("experiment", "heatmaps", "loop", "losses", "processes")
        + ("augment", "augmentations", "warp", "whole_frames")
    }
    assert "posekit.models.hourglass" in HEATMAPS
    assert not HEATMAPS & {"posekit.models.zoo", "posekit.models.lifter", "posekit.geometry.body"}


def test_the_modules_in_the_digest_of_an_integral_run():
    """Human3.6M's files, too, are data: how they are read shows in the fingerprint."""
    assert names(INTEGRAL, "training") == {
        f"training.{name}"
        for name in ("experiment", "integral", "loop", "losses", "processes")
        + ("augment", "augmentations", "warp", "whole_frames")
    }
    assert not any(module.startswith("posekit.data.human36m") for module in INTEGRAL)
    assert not INTEGRAL & {"posekit.models.hmr", "posekit.geometry.body"}
