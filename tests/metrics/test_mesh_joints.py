"""Joints of bodies as protocols take them, against SPIN's own lists of numbers."""

from dataclasses import replace

import pytest
import torch

from posekit.data import albums
from posekit.geometry import body
from posekit.geometry.skeleton import (
    H36M17,
    H36M17_LEFT_FIRST,
    LSP14,
    MPI_INF_3DHP17,
    SPIN24,
    Skeleton,
)
from posekit.metrics import mesh
from posekit.metrics.protocols import PROTOCOLS

# SPIN's lists, as numbers: of the joints that J_regressor_h36m gives, and of its 24
H36M_TO_J17 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9]
J24_TO_J17 = [*range(13), 18, 14, 16, 17]
# of MPI-INF-3DHP's 17 in its own order, and where among the 24 they go
HP_TAKEN = [14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
HP_GOES = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]


def poses(skeleton: Skeleton, count=20, seed=0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(skeleton), 3, generator=random) * 300


def spin_error(pred: torch.Tensor, true24: torch.Tensor, count: int) -> torch.Tensor:
    """SPIN's mean error of `count` joints: `pred` as its regressor gives them, the truth centred."""
    away = pred[:, H36M_TO_J17] - pred[:, :1] - true24[:, J24_TO_J17]
    return away[:, :count].norm(dim=-1).mean(dim=-1)


def test_errors_on_human36m_are_those_of_spins_lists():
    pred, true = poses(H36M17_LEFT_FIRST), poses(SPIN24, seed=1)
    pelvis = SPIN24.index("pelvis")
    true = true - true[:, pelvis : pelvis + 1]
    found = mesh.as_spin(pred, H36M17_LEFT_FIRST), mesh.as_spin(true, SPIN24)
    expected = spin_error(pred, true, 14)
    for name in ("h36m-spin-p1", "h36m-spin-p2-mpjpe", "3dpw-spin"):
        assert torch.allclose(PROTOCOLS[name].errors(*found), expected, atol=1e-3)
    assert torch.allclose(
        PROTOCOLS["3dhp-spin"].errors(*found), spin_error(pred, true, 17), atol=1e-3
    )


def test_errors_on_3dhp_are_those_of_spins_lists():
    pred, true = poses(H36M17_LEFT_FIRST), poses(MPI_INF_3DHP17, seed=1)
    spin24 = torch.zeros(len(true), 24, 3)
    spin24[:, HP_GOES] = true[:, HP_TAKEN] - true[:, [HP_TAKEN[0]]]
    found = mesh.as_spin(pred, H36M17_LEFT_FIRST), mesh.as_spin(true, MPI_INF_3DHP17)
    assert torch.allclose(
        PROTOCOLS["3dhp-spin"].errors(*found), spin_error(pred, spin24, 17), atol=1e-3
    )


def test_joints_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match="no joints of LSP-14: it takes Human3.6M-17, "):
        mesh.as_spin(poses(LSP14), LSP14)


@pytest.fixture(scope="module")
def free() -> body.Body:
    return body.free()


def left_first(model: body.Body) -> body.Body:
    """The body as SMPL comes: with Human3.6M's joints by a regressor that has the left leg first."""
    rows = model.regressors[H36M17.name]
    own = [H36M17.index(joint) for joint in H36M17_LEFT_FIRST.joints]
    kept = {k: v for k, v in model.regressors.items() if k != H36M17.name}
    return replace(model, regressors=kept | {H36M17_LEFT_FIRST.name: rows[own]})


def test_a_regressor_with_the_left_leg_first_gives_the_same_joints(free):
    vertices = free.rest(torch.randn(3, 10, generator=torch.Generator().manual_seed(0))).vertices
    joints = mesh.joints(free, vertices)
    other = left_first(free)
    assert torch.equal(mesh.joints(other, vertices), joints)
    # asked for the joints themselves, that body takes SPIN's, whose neck lies elsewhere
    apart = (other.joints(vertices, H36M17) - joints).norm(dim=-1)
    assert apart.max() > 5
    left, right = (joints[:, H36M17.index(f"{side}_knee"), 0] for side in ("left", "right"))
    assert (left > 50).all() and (right < -50).all()  # at rest x points to the body's left


def test_a_body_without_such_a_regressor_says_how_to_get_one(free):
    bare = replace(free, regressors={SPIN24.name: free.regressors[SPIN24.name]})
    with pytest.raises(ValueError, match='no regressor .*{H36M17_LEFT_FIRST: "J_regressor_h36m'):
        mesh.joints(bare, free.template[None])


def test_single_pictures_give_the_headline_alone():
    true = poses(H36M17, 5)
    pred = true.clone()
    pred[:, H36M17.index("left_wrist"), 0] += 14
    rows = albums.single(5)
    assert PROTOCOLS["3dpw-spin"].evaluate(pred, true, rows) == pytest.approx(
        {"mpjpe": 1}, abs=1e-4
    )
    rows = rows.assign(inside=[True, False, True, True, True])
    found = PROTOCOLS["3dhp-spin"].evaluate(pred, true, rows)
    assert found == pytest.approx({"mpjpe": 14 / 17}, abs=1e-4)


def test_the_protocols_of_the_tables_are_there_in_pairs():
    assert len(mesh.SPIN_PROTOCOLS) == 8 and set(mesh.SPIN_PROTOCOLS) <= set(PROTOCOLS)
    for plain, aligned in zip(mesh.SPIN_PROTOCOLS[::2], mesh.SPIN_PROTOCOLS[1::2]):
        assert PROTOCOLS[plain].alignment == "none" and PROTOCOLS[aligned].alignment == "similarity"
        for same in ("joints", "root", "subjects", "cameras", "every", "flag", "mean_over"):
            assert getattr(PROTOCOLS[plain], same) == getattr(PROTOCOLS[aligned], same)
