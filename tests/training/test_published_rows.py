"""Converted checkpoints as further rows of a study: their numbers, their names, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import evidence, published, published_bodies
from builders import smpl as make_smpl
from builders.networks import lifter_file
from builders.published import randomise
from torch.nn import functional

from posekit.claims.paper import slugs
from posekit.data import albums
from posekit.data import published as checkpoints
from posekit.geometry.skeleton import H36M17, MPII16
from posekit.inference.published import convert
from posekit.models import checkpoint
from posekit.studio.pictures import StudioPictures
from posekit.studio.poses import load as studio_poses
from posekit.studio.wild import Wild
from posekit.system import file_digest
from posekit.training.data_sets import DataSets
from posekit.training.published_networks import TESTS
from posekit.training.study import Study
from posekit.training.tables import measured

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def converted(network, path, entry):
    """The file that convert-checkpoint makes of a network in its project's own file."""
    torch.save({entry: {f"module.{n}": v for n, v in network.state_dict().items()}}, path)
    convert(path)
    return path.with_name(f"{path.name.partition('.')[0]}.safetensors")


def crops(album, side=256):
    """The album's pictures as 3DMPPE, MobileHumanPose and SPIN see them, but for the scale."""
    pictures = album.batch.images.float() / 255
    resized = functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
    return (resized - MEAN[:, None, None]) / DEVIATION[:, None, None]


def rows_of(runs):
    rows = measured(runs)
    return rows[rows["slice"] == ""].set_index("card")["value"]


@pytest.fixture(scope="module")
def actors():
    pictures = StudioPictures(("S11",), frames=20, every=20, size=64)
    return albums.read(pictures, step=len(pictures) // 3, workers=0)


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    """3DMPPE's network of 18 joints and its converted file."""
    network = randomise(published.moon())
    path = tmp_path_factory.mktemp("weights") / "snapshot_24.pth.tar"
    return network, converted(network, path, "network")


def test_joints_in_space_are_those_of_the_published_labels(moon, actors, tmp_path):
    """Labels are at voxel v = px / 4 of 256 px and 64 slices of 2 m; the error by the plain rule."""
    network, file = moon
    study = Study("choi2021", data=f"published={file}", out=tmp_path / "out")
    runs = study.published("integral", [(actors, ["h36m-moon-p2", "h36m-moon-p1"])])
    assert list(runs) == [("3DMPPE PoseNet, published weights", 0)]
    with torch.no_grad():
        voxels = network(crops(actors) * 255 + 254 * (MEAN / DEVIATION)[:, None, None]).float()
    pixels = (4 * voxels[..., :2] + 0.5) * 64 / 256 - 0.5
    K, true = actors.batch.intrinsics, actors.batch.joints3d
    depths = (voxels[..., 2] / 64 - 0.5) * 2000 + true[:, :1, 2]
    x, y = ((pixels[..., k] - K[:, None, k, 2]) / K[:, None, k, k] * depths for k in (0, 1))
    pose = torch.stack([x, y, depths], -1)
    errors = ((pose - pose[:, :1])[:, :17] - (true - true[:, :1])).norm(dim=-1).mean(1)
    rows = rows_of(runs)
    assert rows["h36m-moon-p2"] == pytest.approx(errors.mean().item(), rel=1e-3)
    # aligned on the network's own 18th joint: numpy's SVD, rotation and translation alone
    middle = true[:, [H36M17.index(f"{s}_shoulder") for s in ("left", "right")]].mean(1)
    aligned = []
    for own, real in zip(pose.numpy(), torch.cat([true, middle[:, None]], 1).numpy(), strict=True):
        a, b = own - own.mean(0), real - real.mean(0)
        U, _, Vt = np.linalg.svd(a.T @ b)
        R = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
        aligned.append(np.linalg.norm(a @ R - b, axis=1)[:17].mean())
    assert rows["h36m-moon-p1"] == pytest.approx(np.mean(aligned), rel=1e-3)
    (written,) = (tmp_path / "out" / "runs").glob("*.json")
    record = json.loads(written.read_text())
    data = {"name": "published weights", "version": "3DMPPE PoseNet"}
    assert record["data"] == data | {"fingerprint": file_digest(file)}
    assert record["job"] == "3DMPPE PoseNet, published weights, on studio-pictures"
    assert str(file.parent) not in written.read_text() and record["files"] == {}


def test_places_in_pictures_are_those_of_the_published_cells(tmp_path):
    """A joint at px p is in the cell p // 4 of 256 px; the higher neighbour pulls it by 1 px."""
    network = randomise(published_bodies.StackedHourGlass())
    file = converted(network, tmp_path / "model_9.pth", "model_state")
    album = albums.read(Wild("test", 3, size=64, skeleton=MPII16, people=1), workers=0)
    pictures = album.batch.images.float() / 255
    pictures = functional.interpolate(pictures, (256, 256), mode="bilinear", antialias=True)
    with torch.no_grad():
        maps = network((255 * pictures).flip(1) / 256)[:, -1].numpy()
    places = np.empty((3, 16, 2))
    for person, joint in np.ndindex(3, 16):
        own = np.pad(maps[person, joint], 1, mode="edge")
        row, column = np.unravel_index(maps[person, joint].argmax(), (64, 64))
        pull = [
            np.sign(own[row + 1, column + 2] - own[row + 1, column]) * (0 < column < 63),
            np.sign(own[row + 2, column + 1] - own[row, column + 1]) * (0 < row < 63),
        ]
        # cells hold the px 4 c to 4 c + 3 of the labels: their middle is 4 c + 2 from the edge at 0
        places[person, joint] = [4 * column + 2 + pull[0], 4 * row + 2 + pull[1]]
    places = (places + 0.5) * 64 / 256 - 0.5
    tests = []
    for name, shift in (("exact", 0.0), ("shifted", 0.02)):
        truth = torch.from_numpy(places).float() + shift
        batch = replace(album.batch, joints2d=truth, visible=torch.ones_like(album.batch.visible))
        heads = torch.full((3,), 0.02)  # half a head is 0.01 px
        tests.append((replace(album, name=name, batch=batch, heads=heads), ["mpii-hrnet-pckh"]))
    rows = measured(Study("kim", data=f"published={file}").published("heatmaps", tests))
    assert rows[rows["slice"] == ""].set_index("data")["value"].to_dict() == {
        "exact": 100,
        "shifted": 0,
    }


def test_bodies_are_judged_with_smpl_and_refused_without(tmp_path):
    network = randomise(published_bodies.MyMobileNetV2())
    file = converted(network, tmp_path / "model_checkpoint.pt", "model")
    with pytest.raises(ValueError, match="published needs smpl, too"):
        Study("bae", data=f"published={file}").published("mesh", [])
    smpl = tmp_path / "smpl"
    smpl.mkdir()
    study = Study("bae", data=f"published={file},smpl={make_smpl.write(smpl)}")
    model = study.data.body()
    pictures = StudioPictures(("S9",), frames=20, every=20, size=64, body=model.body)
    album = albums.read(pictures, step=len(pictures) // 2, workers=0)
    runs = study.published("mesh", [(album, ["3dpw-spin"])], also=[model])
    assert list(runs) == [("My MobileNetV2, published weights", 0)]
    with torch.no_grad():
        rotations, shape, _ = network(crops(album, 224))
    posed = model.body(rotations, shape, torch.zeros(len(album), 3)).vertices
    order = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]  # SPIN's H36M_TO_J14
    joints = torch.einsum("jv,bvc->bjc", torch.from_numpy(_regressor(smpl)).float(), posed)
    pred, true = joints - joints[:, :1], album.batch.joints3d - album.batch.joints3d[:, :1]
    legs = [0, 4, 5, 6, 1, 2, 3]  # Human3.6M's data has the right leg first, SPIN's rows the left
    true = true[:, legs + list(range(7, 17))]
    expected = (pred - true)[:, order].norm(dim=-1).mean()
    assert rows_of(runs)["3dpw-spin"] == pytest.approx(expected.item(), rel=1e-3)


def _regressor(folder):
    return np.load(folder / "J_regressor_h36m.npy")


def test_lifted_poses_are_in_millimetres_of_the_published_statistics(tmp_path):
    stages = torch.nn.ModuleList(randomise(published_bodies.FCModel()) for _ in range(2)).eval()
    torch.save(stages.state_dict(), tmp_path / "model.th")
    draw = np.random.default_rng(0)
    stats = {"dim_use_2d": np.arange(34), "dim_use_3d": np.arange(3, 51)}
    for key, count in (("2d", 64), ("3d", 96)):
        stats[f"mean_{key}"] = draw.normal(500, 50, count)
        stats[f"std_{key}"] = draw.uniform(50, 150, count)
    known = {name: torch.from_numpy(values) for name, values in stats.items()}
    np.save(tmp_path / "stats.npy", stats, allow_pickle=True)
    convert(tmp_path / "model.th")
    study = Study("tran2022", data=f"published={tmp_path}")
    poses = studio_poses(frames=2, every=1, detector="truth", subjects=["S9"])
    runs = study.published("lifting", [(poses, ["h36m-martinez-p1"])])
    assert list(runs) == [("EvoSkeleton's cascades, published weights", 0)]
    scaled = (poses.pose2d.flatten(1).double() - known["mean_2d"][:34]) / known["std_2d"][:34]
    with torch.no_grad():
        made = sum(stage(scaled.float()) for stage in stages).double()
    made = (made * known["std_3d"][3:51] + known["mean_3d"][3:51]).unflatten(1, (16, 3))
    errors = (made - poses.centred[:, 1:]).norm(dim=-1).sum(1) / 17  # the pelvis has none
    by_action = poses.frames.assign(error=errors.numpy()).groupby("action", observed=True)["error"]
    assert rows_of(runs)["h36m-martinez-p1"] == pytest.approx(by_action.mean().mean(), rel=1e-3)


# ---- names ---------------------------------------------------------------------------------------
def test_two_files_of_one_project_have_the_names_of_their_files(tmp_path):
    for stem in ("first", "second"):
        lifter_file(tmp_path / f"{stem}.safetensors")
    names = [each.subject for each in checkpoints.read(tmp_path)]
    assert names == [f"A-b {stem}, published weights" for stem in ("first", "second")]
    assert not any("/" in name for name in names)  # it would end a quantity's name


@pytest.mark.parametrize("slug", slugs())
def test_no_claim_is_about_published_weights(slug):
    """Their records change no verdict, though a claim's `*` stands for every network printed."""
    under_test = evidence.PaperUnderTest(slug)
    printed = [p for p in under_test.paper.printed.values() if p.data]
    subject = "3DMPPE PoseNet, published weights"
    names = {(p.quantity.split("/")[0], p.card, p.data) for p in printed}
    records = [
        record
        for metric, card, data in sorted(names)
        for record in under_test.records({f"{metric}/{subject}": 1e-3}, card, data, "paper")
    ]
    claims = [c for c in under_test.paper.claims if any("*" in part.text for part in c.parts)][:5]
    for claim in claims or under_test.paper.claims[:3]:
        number = int(claim.id.rpartition("-")[2])
        judged, alone = under_test.judged(number, records), under_test.judged(number, [])
        assert judged["verdict"] == alone["verdict"], claim.id
    assert records and not [name for name, _ in under_test.paper.printed if subject in name]


# ---- refused -------------------------------------------------------------------------------------
def test_what_is_no_fitting_network_is_refused_in_one_line(moon, actors, tmp_path):
    file = lifter_file(tmp_path / "lifter.safetensors")
    with pytest.raises(ValueError, match="has networks of kind lifting, not integral"):
        Study("choi2021", data=f"published={file}").published("integral", [])
    remedy = "posekit data convert-checkpoint"
    with pytest.raises(ValueError, match=f"snapshot_24.pth.tar is no .*{remedy}"):
        checkpoints.read(moon[1].with_name("snapshot_24.pth.tar"))
    with pytest.raises(ValueError, match=f"not made of published weights: .*{remedy}"):
        checkpoints.read(lifter_file(tmp_path / "own.safetensors", source=""))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"no .safetensors file in .*{remedy}"):
        DataSets.named(f"published={tmp_path / 'empty'}").published("mesh")
    assert checkpoints.kinds(tmp_path / "empty") == []
    shape = {"side": 64, "depth": 4, "channels": 8, "width": 4, "joints": 14}
    about = {"kind": "integral", "network": "resnet", "side": 64, "shape": shape}
    for skeleton, says in (
        ("LSP-14", "predicts no pelvis|predicts no .*spine"),
        ("cats", "'cats'"),
    ):
        odd = lifter_file(tmp_path / "odd.safetensors", skeleton=skeleton, **about)
        with pytest.raises(ValueError, match=f"odd.safetensors: .*({says})"):
            study = Study("choi2021", data=f"published={odd}")
            study.published("integral", [(actors, ["h36m-moon-p2"])])


def test_a_folder_is_reported_on_file_by_file(tmp_path):
    lifter_file(tmp_path / "good.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    rows = {row.what: row for row in checkpoints.check(tmp_path)}
    assert rows["good.safetensors"].state == "ok" and "A-b, lifting" in str(rows)
    assert rows["torn.safetensors"].state == "wrong"


def test_every_kind_of_checkpoint_can_be_tested():
    assert TESTS.keys() == checkpoint.NETWORKS.keys()
