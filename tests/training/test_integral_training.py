"""Integral regression experiments: training, and the protocols that evaluate it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from posekit.data import albums
from posekit.data.albums import Album
from posekit.geometry.skeleton import H36M17, MPII16
from posekit.metrics.pictures import PICTURE_PROTOCOLS, camera_points, depth_per_focal
from posekit.models.encoders import small_resnet
from posekit.models.integral import IntegralNet
from posekit.models.zoo import NETWORKS
from posekit.studio.pictures import StudioPictures
from posekit.studio.scene.occluders import shapes
from posekit.studio.wild import Wild
from posekit.training import integral
from posekit.training.augment import Augmented
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.experiment import predict
from posekit.training.study import Study
from posekit.training.tables import measured

TRUE, GUESSED = PICTURE_PROTOCOLS.values()


def build(*, depth: int, channels: int, width: int) -> IntegralNet:
    return IntegralNet(small_resnet(width), depth=depth, channels=channels)


TASK = integral.Integral({"small": build})
SHAPE = {"depth": 8, "channels": 8, "width": 8}
RECIPE = {"epochs": 2, "batch": 8, "rate": 1e-3, "drops": [1]}


def filmed(subject: str, count: int = 16) -> Album:
    pictures = StudioPictures((subject,), frames=20, every=20, size=64)
    return albums.read(pictures, step=-(-len(pictures) // count), workers=0)


@pytest.fixture(scope="module")
def people() -> tuple[Album, Album]:
    cutouts = tuple(shapes(np.random.default_rng(0), 10))
    return replace(filmed("S1"), occluders=cutouts), filmed("S8")


@pytest.fixture(scope="module")
def mixed(people) -> Album:
    strangers = Wild("train", 8, size=64, skeleton=MPII16, people=1)
    return albums.mix(people[0], albums.read(strangers, workers=0), withhold_3d=True)


def exact(test: Album) -> torch.Tensor:
    return integral.targets(test.batch)[..., :3]


def augmented(album: Album, augmentation: str) -> Augmented:
    return Augmented(album, augmentation, integral.targets, only_3d=True)


def test_true_joints_leave_only_the_lens(people):
    """The studio's cameras bend pictures, the intrinsics do not: a few pixels, a few millimetres."""
    _, test = people
    rows = integral.quantities("x", exact(test), test, [TRUE], 1.0)
    headline = {name: value for name, _, _, value in rows}["mpjpe/x"]
    assert 0 < headline < 15
    assert {name for name, *_ in rows} >= {"mpjpe/x", "mpjpe/x/S8"}


def test_without_the_true_depth_of_the_pelvis_sizes_are_wrong(people):
    learn, test = people
    ratio = integral.depth_ratio(learn)
    rows = integral.quantities("x", exact(test), test, [TRUE, GUESSED], ratio)
    error = {card: value for name, card, _, value in rows if name == "mpjpe/x"}
    assert error["h36m-bouchiat"] < error["h36m-bouchiat-unaided"] < 150
    # By hand: guessing the depth wrong by a share makes the person larger by that share.
    guess = ratio * test.batch.intrinsics[:, 0, 0]
    wrong = (guess / test.root_depths - 1).abs().mean()
    size = (test.batch.joints3d - test.batch.joints3d[:, :1]).norm(dim=-1).mean()
    assert error["h36m-bouchiat-unaided"] == pytest.approx((wrong * size).item(), rel=0.5)


def test_joints_are_placed_as_a_pinhole_camera_sees_them():
    intrinsics = torch.tensor([[[200.0, 0, 32], [0, 250.0, 30], [0, 0, 1]]])
    point = torch.tensor([[[300.0, -200.0, 4000.0]]])
    pixels = torch.stack([200 * point[..., 0] / 4000 + 32, 250 * point[..., 1] / 4000 + 30], -1)
    root = torch.tensor([3900.0])
    placed = camera_points(TRUE, pixels, torch.tensor([[100.0]]), intrinsics, root, 1.0)
    torch.testing.assert_close(placed, point)
    placed = camera_points(GUESSED, pixels, torch.tensor([[100.0]]), intrinsics, root, 19.5)
    torch.testing.assert_close(placed, point)  # 19.5 * 200 is the root's depth here
    assert depth_per_focal(root, intrinsics) == pytest.approx(19.5)


def test_a_study_trains_and_tests_every_configuration(people, mixed):
    learn, test = people
    configurations = {
        "r50": {},
        "r50-voc": {"augmentation": "bouchiat: VOC"},
        "r50-heatmap": {"loss": "both, published"},
        "r50-d72": {"shape": {"depth": 12}},
        "r50-mixed": {"train": "mixed"},
        "r50-zero": {"train": "mixed", "z_of_2d": "zero"},
    }
    study, how = Study("bouchiat"), {"network": "small", "shape": SHAPE, "recipe": RECIPE}
    sets, tests = {"one": learn, "mixed": mixed}, [(test, PICTURE_PROTOCOLS)]
    runs = study.train(TASK, configurations, sets, tests, **how)
    assert runs["r50-mixed", 0].record["data"]["name"] == "studio-pictures+studio-wild"
    rows = measured(runs)
    assert set(rows["network"]) == set(configurations) and set(rows["card"]) == set(
        PICTURE_PROTOCOLS
    )
    recorded = rows[(rows["network"] == "r50") & (rows["slice"] == "")].set_index("card")["value"]
    pred = predict(TASK.restore(runs["r50", 0]), test.batch.images)
    again = integral.quantities("r50", pred, test, [TRUE], 1.0)
    assert again[0][3] == pytest.approx(recorded["h36m-bouchiat"], rel=1e-4)
    pasted = runs["r50-voc", 0].record["data"]["fingerprint"]
    assert pasted != runs["r50", 0].record["data"]["fingerprint"]
    with pytest.raises(ValueError, match="no loss 'l2'; there are joints, volumes, both, "):
        study.train(TASK, {"r50": {"loss": "l2"}}, learn, tests, **how)


def test_the_trainings_of_a_seed_begin_with_the_start_of_that_seed(people):
    """The start learns from strangers of its seed; a network with a pyramid takes what it shares."""
    _, test = people
    study = Study("bouchiat", seeds=2)
    strangers = partial(study.data.strangers, 4, size=64)
    task, tests = integral.Integral(NETWORKS), [(test, PICTURE_PROTOCOLS)]
    how = {"shape": {"side": 64, "depth": 8}, "recipe": {"epochs": 1, "batch": 4}}
    first = {"strangers": {"network": "light", "loss": "both"}}
    starts = study.train(task, first, strangers, tests, title="start on {}", **how)
    prints = {run.record["data"]["fingerprint"] for run in starts.values()}
    assert len(prints) == 2 and {r.record["data"]["name"] for r in starts.values()} == {
        "studio-wild"
    }
    how["recipe"] = {"epochs": 0, "batch": 4}  # as it is before the first step
    networks = {name: {"network": name, "start": "strangers"} for name in ("light", "light-ppm")}
    runs = study.train(task, networks, people[0], tests, starts=starts, **how)
    errors = measured(runs | starts)
    errors = errors[(errors["slice"] == "") & (errors["card"] == "h36m-bouchiat")]
    errors = errors.pivot_table(index="network", columns="seed", values="value")
    assert errors.loc["strangers", 0] != errors.loc["strangers", 1]
    for name in networks:
        assert errors.loc[name].tolist() == errors.loc["strangers"].tolist()
        assert [runs[name, s].record["config"]["start"] for s in (0, 1)] == [
            starts["strangers", s].record["id"] for s in (0, 1)
        ]


def test_pictures_are_pasted_over_and_mirrored_with_their_targets(people):
    learn, _ = people
    some = torch.arange(8)
    plain, voc, flip = (
        augmented(learn, name).samples(some)
        for name in ("kim, report", "bouchiat: VOC", "bouchiat: flip")
    )
    assert torch.equal(plain[1], voc[1]) and not torch.equal(plain[0], voc[0])
    mirrored = (flip[1] != plain[1]).flatten(1).any(1)
    assert 0 < mirrored.sum() < 8
    pelvis = learn.batch.skeleton.root
    torch.testing.assert_close(flip[1][mirrored, pelvis, 0], -plain[1][mirrored, pelvis, 0])
    assert (plain[1][:, pelvis, 2] == 0).all() and (plain[1][..., 3:] == 1).all()


@pytest.mark.parametrize("name", ["bouchiat: zoom", "bouchiat: zoom, depths kept"])
def test_bouchiats_zoom_divides_depths_too(people, name):
    """get_single_patch_sample: width and height of the box times `scale`; joints[2] / (2000 * scale)
    is the label of z. With depths kept, the label is joints[2] / 2000."""
    learn, _ = people
    some, middle = torch.arange(8), (learn.batch.size[0] - 1) / 2
    samples = learn.batch.index[:8].tolist()
    scale = [AUGMENTATIONS[name].draw(i, learn.batch.size, seed=0).side for i in samples]
    scale = torch.tensor(scale)[:, None]
    assert len(scale.unique()) > 4
    z = learn.batch.joints3d[:8, :, 2]
    z = z - z[:, [H36M17.root]]
    _, target = augmented(learn, name).samples(some)
    label = z / (2000 * scale) if name == "bouchiat: zoom" else z / 2000
    torch.testing.assert_close(target[..., 2], label, atol=1e-6, rtol=1e-4)
    joints2d = middle + (learn.batch.joints2d[:8] - middle) / scale[..., None]
    places = (joints2d + 0.5) / learn.batch.size[0] - 0.5
    torch.testing.assert_close(target[..., :2], places, atol=1e-5, rtol=1e-5)


def test_pictures_without_depths_are_not_augmented_and_have_no_target_in_z(mixed):
    deep = int(mixed.batch.has_joints3d.sum())
    assert len(mixed) == deep + 8
    some = torch.tensor([deep + 4, 3, deep + 5, 4])
    plain, colour = (
        augmented(mixed, name).samples(some) for name in ("kim, report", "bouchiat: colour")
    )
    same = [torch.equal(a, b) for a, b in zip(plain[0], colour[0], strict=True)]
    assert same == [True, False, True, False] and torch.equal(plain[1], colour[1])
    assert plain[1][:, 0, 4].tolist() == [0, 1, 0, 1]
    spine = H36M17.joints.index("spine")
    assert (plain[1][[0, 2], spine, 3] == 0).all() and (plain[1][[1, 3], spine, 3] == 1).all()


def test_joints_outside_the_cube_are_left_out_where_choi_leaves_them_out(mixed):
    """MobileHumanPose: joint_vis *= (0 <= x < 256) & (0 <= y < 256) & (0 <= z < 1), where x and y are
    px of the crop from its left and upper edge and z is (depth / 1000 mm + 1) / 2."""
    deep = int(mixed.batch.has_joints3d.sum())
    batch, side = mixed.batch[deep - 2 : deep + 2], mixed.batch.size[0]
    joints2d, joints3d, root = batch.joints2d.clone(), batch.joints3d.clone(), H36M17.root
    joints2d[:, 3] = torch.tensor([[-0.6, 9], [9, side - 0.4], [side - 0.4, 9], [9, -0.6]])
    joints2d[:, 6] = torch.tensor([[-0.4, 9], [9, side - 0.6], [side - 0.6, 9], [9, -0.4]])
    joints3d[:, 10, 2] = joints3d[:, root, 2] + torch.tensor([-1001.0, 1001.0, 1001.0, -1001.0])
    joints3d[:, 13, 2] = joints3d[:, root, 2] + torch.tensor([-999.0, 999.0, 999.0, -999.0])
    batch = replace(batch, joints2d=joints2d, joints3d=joints3d)
    taught, ignored = (integral.targets(batch, outside=word) for word in integral.OUTSIDE)
    assert torch.equal(taught[..., [0, 1, 2, 4]], ignored[..., [0, 1, 2, 4]])
    x, y, z = (batch.joints2d[..., 0] + 0.5, batch.joints2d[..., 1] + 0.5, joints3d[..., 2].clone())
    z = ((z - z[:, [root]]) / 1000 + 1) / 2
    z[2:] = 0.5  # MPII's: the depth of the root
    inside = (0 <= x) & (x < side) & (0 <= y) & (y < side) & (0 <= z) & (z < 1)
    known = taught[..., 3] > 0
    assert torch.equal(ignored[..., 3] > 0, known & inside)
    assert known[:, [3, 6]].all() and not ignored[:, 3, 3].any() and ignored[:, 6, 3].all()
    assert ignored[:2, [10, 13], 3].tolist() == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match="no outside 'kept'; there are taught, ignored"):
        integral.targets(batch, outside="kept")


def test_the_published_mistake_pulls_depths_to_the_root():
    logits = torch.zeros(2, 17, 4, 4, 4)
    logits[:, :, 3] = 5.0  # deep in the box
    target = torch.zeros(2, 17, 5)
    target[..., 3] = 1
    target[1, :, 4] = 1  # of the second picture the depth is known
    target[1, :, 2] = 0.375
    ignored = integral.cube_loss(logits, target)
    zero = integral.cube_loss(logits, target, z_of_2d="zero")
    assert zero - ignored == pytest.approx(0.37 / 2, abs=0.01)


def test_the_mean_pose_is_the_same_for_every_picture_and_the_truth_is_near(people):
    learn, test = people
    mean, true = integral.baselines(learn, test, [TRUE.name])
    errors = {rows[0][0]: rows[0][3] for rows in (mean, true)}
    assert errors["mpjpe/mean-pose"] > 50 > errors["mpjpe/the truth"]


def test_cases_are_the_best_the_median_and_the_worst(people):
    _, test = people
    found = integral.cases(build(depth=8, channels=8, width=8), test, TRUE)
    errors = [case.error for case in found]
    assert [case.name for case in found] == ["best", "median", "worst"] and errors == sorted(errors)
    assert found[0].pose[test.batch.skeleton.root].abs().max() == 0
