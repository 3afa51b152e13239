"""Joints of body meshes in the order that the pose protocols take, by SPIN's evaluation.

Kolotouros et al. (ICCV 2019; eval.py), which Bae took over: predicted joints are regressed from the
mesh, as the true ones of 3DPW are; other data sets bring their own. The protocols take 14 or 17 of
Human3.6M's joints by name, relative to the pelvis. SPIN's `J_regressor_h36m` has the left leg first
and its data the right one; SPIN reorders by lists of numbers, this module by names.

B bodies, V vertices, J joints.
"""

from jaxtyping import Float
from torch import Tensor

from posekit.geometry.body import Body
from posekit.geometry.skeleton import (
    H36M17,
    H36M17_LEFT_FIRST,
    MPI_INF_3DHP17,
    SAME_POINT,
    SPIN24,
    SPIN_3DHP_POINTS,
    Skeleton,
    convert,
)

SPIN_PROTOCOLS = (
    *("3dpw-spin", "3dpw-spin-pa", "3dhp-spin", "3dhp-spin-pa"),
    *("h36m-spin-p1", "h36m-spin-p1-pa", "h36m-spin-p2-mpjpe", "h36m-spin-p2"),
)
"""Names of the protocols of Bae's tables, in their order: MPJPE and Rec. Error of each test set."""

_KNOWN = (H36M17, H36M17_LEFT_FIRST, SPIN24, MPI_INF_3DHP17)
_POINTS = SAME_POINT | SPIN_3DHP_POINTS


def joints(body: Body, vertices: Float[Tensor, "B V 3"]) -> Float[Tensor, "B 17 3"]:
    """Human3.6M's 17 joints of posed bodies, right leg first, by Human3.6M's own regressor.

    `Body.joints` would also take SPIN24's, whose neck is another point than Human3.6M's. ValueError
    when the body has no regressor of Human3.6M's joints.
    """
    for skeleton in (H36M17, H36M17_LEFT_FIRST):
        if skeleton.name in body.regressors:
            return as_spin(body.joints(vertices, skeleton), skeleton)
    raise ValueError(
        f"{body.name} has no regressor of Human3.6M's joints, which the protocols count; load it with "
        'posekit.geometry.body.load(FILE, regressors={H36M17_LEFT_FIRST: "J_regressor_h36m.npy"})'
    )


def as_spin(pose: Float[Tensor, "B J 3"], source: Skeleton) -> Float[Tensor, "B 17 3"]:
    """Joints of another skeleton as the 17 of Human3.6M that SPIN takes them for, right leg first.

    `source`: Human3.6M's 17 in either order; SPIN's 24, whose neck is Human3.6M's thorax there;
    MPI-INF-3DHP's 17, whose base of the neck, middle and top of the head are thorax, neck/nose and
    head. ValueError for another skeleton: SPIN has no rule for its joints.
    """
    if source not in _KNOWN:
        raise ValueError(
            f"SPIN's evaluation takes no joints of {source.name}: it takes "
            f"{', '.join(each.name for each in _KNOWN)}"
        )
    return convert(pose, source, H36M17, derive=False, stand_ins=_POINTS).pose
