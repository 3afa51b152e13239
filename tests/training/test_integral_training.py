"""Experiments from pictures to poses in space, and the cards that judge them."""

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
from posekit.studio.pictures import StudioPictures
from posekit.studio.wild import Wild
from posekit.training import integral
from posekit.training.study import table

TRUE, GUESSED = PICTURE_PROTOCOLS.values()


def build(*, depth: int, channels: int, width: int) -> IntegralNet:
    return IntegralNet(small_resnet(width), depth=depth, channels=channels)


NETWORKS = {"small": build}
SETTING = {
    "shape": {"depth": 8, "channels": 8, "width": 8},
    "epochs": 2,
    "batch": 8,
    "rate": 1e-3,
    "drops": [1],
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))


def filmed(subject: str, count: int = 16) -> albums.Filmed:
    pictures = StudioPictures((subject,), frames=20, every=20, size=64)
    rows = np.linspace(0, len(pictures) - 1, count).astype(int)
    batch = pictures[rows.tolist()]
    album = Album("studio-pictures", "1", batch, torch.full((count,), torch.nan))
    return albums.Filmed(album, pictures.frames.iloc[rows])


@pytest.fixture(scope="module")
def people() -> tuple[albums.Filmed, albums.Filmed]:
    return filmed("S1"), filmed("S8")


def strangers(count: int = 8) -> Album:
    return albums.album(Wild("train", count, size=64, skeleton=MPII16, people=1), "", 0)


def exact(test: albums.Filmed) -> torch.Tensor:
    return integral.targets(test.album.batch)[..., :3]


def test_true_answers_leave_only_the_lens(people):
    """The studio's cameras bend pictures, the intrinsics do not: a few pixels, a few millimetres."""
    _, test = people
    rows = integral.quantities("x", exact(test), test, [TRUE], 1.0)
    headline = {name: value for name, _, _, value in rows}["mpjpe/x"]
    assert 0 < headline < 15
    assert {name for name, *_ in rows} >= {"mpjpe/x", "mpjpe/x/S8"}


def test_without_the_true_depth_of_the_pelvis_sizes_are_wrong(people):
    learn, test = people
    per_focal = integral.factor(learn.album)
    rows = integral.quantities("x", exact(test), test, [TRUE, GUESSED], per_focal)
    error = {card: value for name, card, _, value in rows if name == "mpjpe/x"}
    assert error["h36m-bouchiat"] < error["h36m-bouchiat-unaided"] < 150
    # By hand: guessing the depth wrong by a share makes the person larger by that share.
    batch = test.album.batch
    guess = per_focal * batch.intrinsics[:, 0, 0]
    ratio = (guess / test.root_depths - 1).abs().mean()
    size = (batch.joints3d - batch.joints3d[:, :1]).norm(dim=-1).mean()
    assert error["h36m-bouchiat-unaided"] == pytest.approx((ratio * size).item(), rel=0.5)


def test_places_are_those_of_the_pinhole():
    intrinsics = torch.tensor([[[200.0, 0, 32], [0, 250.0, 30], [0, 0, 1]]])
    point = torch.tensor([[[300.0, -200.0, 4000.0]]])
    pixels = torch.stack([200 * point[..., 0] / 4000 + 32, 250 * point[..., 1] / 4000 + 30], -1)
    root = torch.tensor([3900.0])
    placed = camera_points(TRUE, pixels, torch.tensor([[100.0]]), intrinsics, root, 1.0)
    torch.testing.assert_close(placed, point)
    placed = camera_points(GUESSED, pixels, torch.tensor([[100.0]]), intrinsics, root, 19.5)
    torch.testing.assert_close(placed, point)  # 19.5 * 200 is the root's depth here
    assert depth_per_focal(root, intrinsics) == pytest.approx(19.5)


def test_a_study_teaches_and_judges(people, tmp_path):
    learn, test = people
    study = integral.Study("bouchiat", NETWORKS, SETTING, "smoke", 1, str(tmp_path / "out"), "cpu")
    configurations = {
        "r50": {"network": "small", "augmentation": "kim, report"},
        "r50-voc": {"network": "small", "augmentation": "bouchiat: VOC"},
        "r50-heatmap": {"network": "small", "augmentation": "kim, report", "loss": "both"},
        "r50-d72": {"network": "small", "augmentation": "kim, report", "shape": {"depth": 12}},
    }
    mixed = albums.mix(learn.album, strangers())
    configurations["r50-mixed"] = configurations["r50"] | {"learn": "mixed"}
    configurations["r50-zero"] = configurations["r50-mixed"] | {"z_of_2d": "zero"}
    lessons = {"one": learn.album, "mixed": mixed}
    trained = study.train(configurations, lessons, test, list(PICTURE_PROTOCOLS))
    assert trained["r50-mixed", 0].record["data"]["name"] == "studio-pictures+studio-wild"
    rows = table(trained)
    assert set(rows["network"]) == set(configurations) and set(rows["card"]) == set(
        PICTURE_PROTOCOLS
    )
    network = integral.restore(NETWORKS, trained["r50", 0])
    told = rows[(rows["network"] == "r50") & (rows["slice"] == "")].set_index("card")["value"]
    again = integral.quantities(
        "r50", integral.joints(network, test.album.batch.images), test, [TRUE], 1.0
    )
    assert again[0][3] == pytest.approx(told["h36m-bouchiat"], rel=1e-4)
    with pytest.raises(ValueError, match="no loss 'l2'; there are joints, volumes, both"):
        work = partial(integral.experiment, NETWORKS)
        work({"loss": "l2"}, 0, tmp_path, [learn.album, test])


def test_lessons_occlude_flip_and_stay_with_their_labels(people):
    learn, _ = people
    some = torch.arange(8)
    plain = integral.Lessons(learn.album, "kim, report", 0, "cpu").lesson(some, 0)
    voc = integral.Lessons(learn.album, "bouchiat: VOC", 0, "cpu").lesson(some, 0)
    assert torch.equal(plain[1], voc[1]) and not torch.equal(plain[0], voc[0])
    flip = integral.Lessons(learn.album, "bouchiat: flip", 0, "cpu").lesson(some, 0)
    mirrored = (flip[1] != plain[1]).flatten(1).any(1)
    assert 0 < mirrored.sum() < 8
    pelvis = learn.album.batch.skeleton.root
    torch.testing.assert_close(flip[1][mirrored, pelvis, 0], -plain[1][mirrored, pelvis, 0])
    assert (plain[1][:, pelvis, 2] == 0).all() and (plain[1][..., 3:] == 1).all()


def test_pictures_without_depths_stay_as_they_are_and_teach_x_and_y_only(people):
    learn, _ = people
    mixed = albums.mix(learn.album, strangers())
    assert len(mixed) == 24 and mixed.batch.has_joints3d.sum() == 16
    some = torch.tensor([20, 3, 21, 4])
    plain = integral.Lessons(mixed, "kim, report", 0, "cpu").lesson(some, 0)
    voc = integral.Lessons(mixed, "bouchiat: colour", 0, "cpu").lesson(some, 0)
    same = [torch.equal(a, b) for a, b in zip(plain[0], voc[0], strict=True)]
    assert same == [True, False, True, False] and torch.equal(plain[1], voc[1])
    assert plain[1][:, 0, 4].tolist() == [0, 1, 0, 1]
    spine = H36M17.joints.index("spine")
    assert (plain[1][[0, 2], spine, 3] == 0).all() and (plain[1][[1, 3], spine, 3] == 1).all()


def test_the_published_mistake_pulls_depths_to_the_root():
    logits = torch.zeros(2, 17, 4, 4, 4)
    logits[:, :, 3] = 5.0  # deep in the box
    target = torch.zeros(2, 17, 5)
    target[..., 3] = 1
    target[1, :, 4] = 1  # of the second picture the depth is known
    target[1, :, 2] = 0.375
    ignored = integral.cube_loss("joints", "ignore", logits, target)
    zero = integral.cube_loss("joints", "zero", logits, target)
    assert zero - ignored == pytest.approx(0.37 / 2, abs=0.01)


def test_cases_are_the_best_the_median_and_the_worst(people):
    _, test = people
    found = integral.cases(build(depth=8, channels=8, width=8), test, TRUE)
    errors = [case.error for case in found]
    assert [case.name for case in found] == ["best", "median", "worst"] and errors == sorted(errors)
    assert found[0].pose[test.album.batch.skeleton.root].abs().max() == 0
