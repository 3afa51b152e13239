"""Test sets of bodies from tiny files, SPIN's and the data sets' own, with bodies in SMPL's place."""

import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from builders import mpi_inf_3dhp as make_3dhp
from builders import smpl as make_smpl
from builders import spin as make_spin
from test_lsp import HEIGHT, WIDTH, write_lsp
from test_threedpw import sequence
from test_threedpw import write as write_3dpw

from posekit.data import albums, spin
from posekit.data.formats import smpl as smpl_files
from posekit.geometry import body
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST, SPIN24
from posekit.metrics import masks, mesh
from posekit.models.hmr import Estimate, intrinsics
from posekit.training import spin_evaluation
from posekit.training.mesh_evaluation import BodyModel, quantities, true_bodies

SIDE, READ = 32, partial(albums.read, workers=0)
# SPIN's lists, as numbers: of what its regressor gives, and of its 24
H36M_TO_J17 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9]
J24_TO_J17 = [*range(13), 18, 14, 16, 17]


@pytest.fixture(scope="module")
def smpl(tmp_path_factory) -> Path:
    return make_smpl.write(tmp_path_factory.mktemp("smpl"))


@pytest.fixture
def folder(tmp_path) -> Path:
    for stem in ("h36m_valid_protocol1", "mpi_inf_3dhp_valid", "3dpw_test"):
        make_spin.write(tmp_path, stem)
    return tmp_path


def read(folder, smpl, **own):
    folders = {"spin": folder, "smpl": smpl, **own}
    folders = {name: place for name, place in folders.items() if place}
    found = spin_evaluation.tests(folders, size=SIDE, read=READ)
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
    model = smpl_files.load(smpl)
    album, protocols = found["mpi_inf_3dhp"]
    rows = quantities("rest", rest(4), album, model, protocols)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("mpjpe/rest", card, "mpi_inf_3dhp") for card in ("3dhp-spin", "3dhp-spin-pa")
    ]


def test_errors_on_its_own_joints_are_spins(folder, smpl):
    """MPI-INF-3DHP by SPIN's lists of numbers."""
    album, protocols = read(folder, smpl)["mpi_inf_3dhp"]
    model = smpl_files.load(smpl)
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
            said = smpl_files.load(smpl, name)
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


# ---- the data sets' own files

SPINS_17 = [14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
"""MPI-INF-3DHP's joints in the order of SPIN's regressor, from its datasets/preprocess."""


@pytest.fixture(scope="module")
def threedhp(tmp_path_factory):
    """The folder of MPI-INF-3DHP with its test takes, and their universal joints, mm."""
    folder = tmp_path_factory.mktemp("3dhp")
    frames = {"frames": 2, "valid": (1, 0), "activities": (1, 0)}
    true = [make_3dhp.write_test(folder, f"TS{n}", **frames)[0] for n in range(1, 7)]
    with h5py.File(folder / "TS6" / "annot_data.mat", "r+") as file:
        file["annot2"][0, 0, 3, 0] = -5  # a joint beside the picture
    return folder, 1.1 * torch.from_numpy(np.stack(true))


def test_mpi_inf_3dhp_from_its_own_files_is_judged_as_from_spin_s(threedhp, smpl):
    folder, true = threedhp
    for bodies, model in ((smpl, BodyModel(smpl_files.load(smpl))), (None, BodyModel(body.free()))):
        ((name, (album, protocols)),) = read(None, bodies, mpi_inf_3dhp=folder).items()
        assert (name, protocols, len(album)) == ("mpi_inf_3dhp", ("3dhp-spin", "3dhp-spin-pa"), 5)
        rows = quantities("rest", rest(5), album, model.body, protocols)
        vertices = model.body(rest(5).rotations, rest(5).shape, torch.zeros(5, 3)).vertices
        regressor = H36M17_LEFT_FIRST if bodies else H36M17
        said = model.body.regressors[regressor.name] @ vertices
        if not bodies:
            said = said[:, [H36M17.index(joint) for joint in H36M17_LEFT_FIRST.joints]]
        wanted = true[:5, SPINS_17] - true[:5, 14:15]
        away = (said - said[:, :1] - wanted).norm(dim=-1)
        assert rows[0][:3] == ("mpjpe/rest", "3dhp-spin", "mpi_inf_3dhp")
        assert rows[0][3] == pytest.approx(away.mean().item(), abs=0.01)
        assert true_bodies([(album, protocols)], model.body) == []  # its bodies nobody knows


def test_spin_s_labels_go_before_a_data_set_s_own_files(folder, smpl, threedhp):
    album, _ = read(folder, smpl, mpi_inf_3dhp=threedhp[0])["mpi_inf_3dhp"]
    assert len(album) == 4  # of SPIN's file


def test_3dpw_from_its_own_files_needs_smpl(tmp_path, smpl):
    write_3dpw(tmp_path, sequence())
    album, protocols = read(None, smpl, threedpw=tmp_path)["threedpw"]
    assert protocols == ("3dpw-spin", "3dpw-spin-pa") and len(album)
    with pytest.raises(ValueError, match="threedpw needs smpl, too"):
        read(None, None, threedpw=tmp_path)


def test_masks_are_compared_in_the_whole_pictures(tmp_path):
    """By the rule of SPIN's eval.py, written out here: accuracy and F1 of all pixels together."""
    table = write_lsp(tmp_path, numbers=(1001, 1501))
    parts = np.zeros((HEIGHT, WIDTH), np.uint8)
    for part in range(1, 7):
        parts[20 * part : 20 * part + 20, 10 * part : 10 * part + 60] = part
    parts[60:70, 50:80] = 255
    maps = {1001: parts, 1501: parts[:, ::-1]}
    names = [
        (f"data/lsp/im{n}_segmentation.png", f"data/lsp/im{n}_part_segmentation.png") for n in maps
    ]
    with pytest.raises(FileNotFoundError, match=r"lsp=.*upi-s1h.*upi-s1h\.zip"):
        read(None, None, lsp=tmp_path)
    make_spin.write_masks(tmp_path / "upi-s1h", names, maps.values())
    folders, free = {"lsp": tmp_path}, body.free()
    ((test, protocols),) = spin_evaluation.tests(folders, size=SIDE, step=500, read=READ)
    assert (test.name, protocols, test.batch.size) == ("lsp", (), (SIDE, SIDE))
    pred = rest(2)
    rows = quantities("rest", pred, test, free, protocols)
    found = {(name, card): value for name, card, data, value in rows if data == "lsp"}

    vertices = free(pred.rotations, pred.shape, pred.translation).vertices
    drawn = masks.part_maps(free, vertices, intrinsics(2, (224, 224)), 224, 224).numpy()
    predicted, true = [], []
    for labels, (number, wanted) in zip(drawn, maps.items(), strict=True):
        places = table[number - 1, :, :2]
        low, high = places.min(0), places.max(0)
        side = 1.2 * (high - low).max()
        whole = np.zeros_like(wanted)
        for y, x in np.ndindex(*wanted.shape):
            middle = (low + high) / 2  # of the box, and of the crop: 111.5 of the pixels 0 to 223
            column, row = np.rint((np.array([x, y]) - middle) * 224 / side + 111.5)
            if 0 <= column < 224 and 0 <= row < 224:
                whole[y, x] = labels[int(row), int(column)]
        predicted.append(whole)
        true.append(wanted)
    predicted, true = np.stack(predicted), np.stack(true)
    assert 2000 < (predicted > 0).sum() < predicted.size / 2
    one, other = predicted > 0, np.isin(true, range(1, 7))
    assert found["accuracy/rest", "lsp-silhouette"] == pytest.approx(
        100 * (one == other).mean(), abs=0.1
    )
    assert found["f1/rest", "lsp-silhouette"] == pytest.approx(
        np.mean([f1(one == value, other == value) for value in (False, True)]), abs=0.002
    )
    counted = np.where(true == 255, 0, predicted)
    scores = [f1(counted == part, true == part) for part in range(7)]
    assert found["f1/rest", "lsp-parts"] == pytest.approx(np.mean(scores), abs=0.002)
    right = (predicted == np.where(true == 255, 0, true)).mean()
    assert found["accuracy/rest", "lsp-parts"] == pytest.approx(100 * right, abs=0.1)


def f1(pred, true):
    hits = (pred & true).sum()
    return 2 * hits / (2 * hits + (pred & ~true).sum() + (~pred & true).sum())
