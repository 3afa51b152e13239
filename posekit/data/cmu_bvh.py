"""CMU's motions as BVH files: B. Hahn's conversion for MotionBuilder (cgspeed.com), as 3D joints.

T frames. Angles in degrees and lengths in CMU's unit (see posekit.data.cmu), y up, in the files as in
what is returned. Against the Acclaim files of the same motions the conversion differs in two ways,
both undone here: its first frame is a T-pose of its own, and it has lost the bone `thorax`, so that
neck and shoulders sit some 12 cm too low. The bone that is put back goes on as the spine does, 1.5
`Spine1` - 0.5 `Spine` (Acclaim's upperback and lowerback), factors that fit the Acclaim skeletons of
four performers; on cgspeed's files of 01, 02 and 03 joints come to within 2 mm.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from posekit.data.formats.text import read_text

# The nodes of a file where Human3.6M's 17 joints are, in H36M17's order.
NODES = (
    *("Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot"),
    *("Spine1", "Neck1", "Head", "EndSiteHead"),
    *("LeftArm", "LeftForeArm", "LeftHand", "RightArm", "RightForeArm", "RightHand"),
)
LOWERED = ("Neck", "LeftShoulder", "RightShoulder")  # what hangs on the lost bone


def read_joints(path: Path, most: int) -> tuple[Float[np.ndarray, "T 17 3"], float]:
    """The 17 joints of a .bvh file of at most `most` bytes, in its unit, and its frames a second.

    ValueError names the file and what is wrong in it; ModuleNotFoundError when pybvh is absent.
    """
    try:
        import pybvh  # hierarchy, angles and forward kinematics of any BVH
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f'{path} needs pybvh: pip install "posekit[data]"') from None
    read_text(path, lines=True, most=most, errors="replace")  # too large, or cut off in a number
    try:
        motion = pybvh.read_bvh_file(path, world_up="+y")
        nodes = {node.name: node for node in motion.nodes}
        if lacking := [name for name in (*NODES, *LOWERED, "Spine") if name not in nodes]:
            raise ValueError(f"no {', '.join(lacking)}: it is another conversion than cgspeed's")
        if motion.frame_count < 2:
            raise ValueError("only the T-pose that the conversion begins with")
        lower, upper = (np.asarray(nodes[name].offset) for name in ("Spine", "Spine1"))
        for name in LOWERED:
            if np.any(nodes[name].offset):
                raise ValueError(f"{name} is not where cgspeed's conversion has it, at Spine1")
            nodes[name].offset = 1.5 * upper - 0.5 * lower
        places = motion.node_positions()[1:, [motion.node_index[name] for name in NODES]]
        if not np.isfinite(places).all():
            raise ValueError(f"{(~np.isfinite(places)).any((1, 2)).sum()} frames are not numbers")
        return places, 1 / motion.frame_time
    except (ValueError, IndexError, ArithmeticError) as error:
        raise ValueError(f"{path}: not a whole .bvh file of CMU's motions: {error}") from error
