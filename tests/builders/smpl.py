"""SMPL's files with another body in them: the real one is given out on request only."""

from pathlib import Path

import numpy as np

from posekit.geometry import body, body_files
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST


def write(folder: Path) -> Path:
    """The free body under SMPL's names, the male one twice as far from the mean in its shapes."""
    source, free = Path(body_files.__file__).parent / "bodies/free.npz", body.free()
    with np.load(source) as held:
        tables = dict(held)
    for gender, factor in (("NEUTRAL", 1), ("FEMALE", 1), ("MALE", 2)):
        changed = tables | {"shapedirs": factor * tables["shapedirs"]}
        np.savez(folder / f"SMPL_{gender}.npz", **changed)
    rows = free.regressors[H36M17.name].numpy()
    order = [H36M17.index(joint) for joint in H36M17_LEFT_FIRST.joints]
    np.save(folder / "J_regressor_h36m.npy", rows[order])
    shares = np.random.default_rng(0).random((len(body.EXTRA), len(free.template)))
    np.save(folder / "J_regressor_extra.npy", shares / shares.sum(1, keepdims=True))
    return folder
