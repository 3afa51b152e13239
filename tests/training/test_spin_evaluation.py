"""SPIN's test sets, from tiny files in its formats, with bodies that stand in for SMPL's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import spin as make_spin

from posekit.data import spin
from posekit.geometry import body, body_files
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST, SPIN24
from posekit.metrics import mesh
from posekit.models.hmr import Estimate
from posekit.training import spin_evaluation
from posekit.training.mesh_evaluation import quantities

SIDE = 32
# SPIN's lists, as numbers: of what its regressor gives, and of its 24
H36M_TO_J17 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9]
J24_TO_J17 = [*range(13), 18, 14, 16, 17]


@pytest.fixture(scope="module")
def smpl(tmp_path_factory) -> Path:
    """The free body under SMPL's names, the male one twice as far from the mean in its shapes."""
    folder = tmp_path_factory.mktemp("smpl")
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


@pytest.fixture
def folder(tmp_path) -> Path:
    for stem in ("h36m_valid_protocol1", "mpi_inf_3dhp_valid", "3dpw_test"):
        make_spin.write(tmp_path, stem)
    return tmp_path


def read(folder, smpl):
    found = spin_evaluation.tests(folder, smpl, size=SIDE, workers=0)
    return {album.name: (album, protocols) for album, protocols in found}


def rest(count):
    nowhere = torch.tensor([[0.9, 0.0, 0.0]]).expand(count, 3)
    return Estimate(torch.eye(3).expand(count, 24, 3, 3), torch.zeros(count, 10), nowhere)


def test_each_set_is_judged_by_its_own_cards_under_its_own_name(folder, smpl):
    found = read(folder, smpl)
    assert {name: protocols for name, (_, protocols) in found.items()} == {
        "human36m": ("h36m-spin-p1", "h36m-spin-p1-pa", "h36m-spin-p2-mpjpe", "h36m-spin-p2"),
        "mpi_inf_3dhp": ("3dhp-spin", "3dhp-spin-pa"),
        "threedpw": ("3dpw-spin", "3dpw-spin-pa"),
    }
    model = spin_evaluation.smpl(smpl)
    album, protocols = found["mpi_inf_3dhp"]
    rows = quantities("rest", rest(4), album, model, protocols)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("mpjpe/rest", card, "mpi_inf_3dhp") for card in ("3dhp-spin", "3dhp-spin-pa")
    ]


def test_errors_on_its_own_joints_are_spins(folder, smpl):
    """MPI-INF-3DHP by SPIN's lists of numbers."""
    album, protocols = read(folder, smpl)["mpi_inf_3dhp"]
    model = spin_evaluation.smpl(smpl)
    true = torch.from_numpy(make_spin.held("mpi_inf_3dhp_valid")["S"])
    nowhere = torch.zeros(4, 3)
    vertices = model(rest(4).rotations, rest(4).shape, nowhere).vertices
    said = model.regressors[H36M17_LEFT_FIRST.name] @ vertices
    away = said[:, H36M_TO_J17] - said[:, :1] - 1000 * true[:, J24_TO_J17, :3]
    rows = {
        card: value for _, card, _, value in quantities("rest", rest(4), album, model, protocols)
    }
    assert rows["3dhp-spin"] == pytest.approx(away.norm(dim=-1).mean().item(), abs=0.01)


def test_true_bodies_of_the_right_gender_have_no_error_on_3dpw(folder, smpl):
    labels = spin.load(folder, "3dpw", size=SIDE).people
    album, _ = read(folder, smpl)["threedpw"]
    known = album.batch.joints3d - album.batch.joints3d[:, :1]
    camera = rest(len(labels)).camera
    true = Estimate(labels.rotations.float(), labels.shape.float(), camera)
    errors = {}
    for gender in ("MALE", "FEMALE"):
        rows = torch.tensor((labels.rows["gender"] == gender[0].lower()).tolist())
        for name in ("MALE", "FEMALE"):
            said = spin_evaluation.smpl(smpl, name)
            posed = said(true.rotations, true.shape, torch.zeros(len(labels), 3))
            joints = mesh.joints(said, posed.vertices)
            far = (joints - joints[:, :1]) - known
            errors[gender, name] = far[rows].norm(dim=-1).max().item()
    assert errors["MALE", "MALE"] < 0.1 and errors["FEMALE", "FEMALE"] < 0.1
    assert errors["MALE", "FEMALE"] > 5


def test_sets_that_are_not_there_are_left_out_and_none_at_all_is_said(tmp_path, smpl):
    with pytest.raises(FileNotFoundError, match="no test set of SPIN's in .*fetch_data.sh"):
        read(tmp_path, smpl)
    make_spin.write(tmp_path, "3dpw_test")
    assert list(read(tmp_path, smpl)) == ["threedpw"]


def test_a_body_that_is_not_there_is_named(folder, smpl, tmp_path):
    poor = tmp_path / "poor"
    shutil.copytree(smpl, poor)
    (poor / "SMPL_MALE.npz").unlink()
    with pytest.raises(FileNotFoundError, match="SMPL_MALE.npz"):
        read(folder, poor)


def test_joints_that_the_cards_count_have_to_be_known(folder, smpl):
    table = make_spin.held("mpi_inf_3dhp_valid")
    table["S"][2, SPIN24.index("left_knee"), 3] = 0
    make_spin.write(folder, "mpi_inf_3dhp_valid", S=table["S"])
    with pytest.raises(ValueError, match="mpi_inf_3dhp .* lacks joints that its protocols count"):
        read(folder, smpl)
