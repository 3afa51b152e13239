"""Experiments from pictures to poses in space, and the cards that judge them."""

from functools import partial

import numpy as np
import pytest
import torch

from posekit import posing
from posekit.data.pictures import Album
from posekit.data.studio_pictures import StudioPictures
from posekit.models.encoders import small_resnet
from posekit.models.integral import IntegralNet
from posekit.picture_cards import PICTURE_CARDS, fit_size
from posekit.study import table

TRUE, GUESSED = PICTURE_CARDS.values()


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


def filmed(subject: str, count: int = 16) -> posing.Filmed:
    pictures = StudioPictures((subject,), frames=20, every=20, size=64)
    rows = np.linspace(0, len(pictures) - 1, count).astype(int)
    batch = pictures[rows.tolist()]
    album = Album("studio-pictures", "1", batch, torch.full((count,), torch.nan))
    return posing.Filmed(album, pictures.frames.iloc[rows])


@pytest.fixture(scope="module")
def people() -> tuple[posing.Filmed, posing.Filmed]:
    return filmed("S1"), filmed("S8")


def exact(test: posing.Filmed) -> torch.Tensor:
    return posing.targets(test.album.batch)[..., :3]


def test_true_answers_leave_only_the_lens(people):
    """The studio's cameras bend pictures, the intrinsics do not: a few pixels, a few millimetres."""
    _, test = people
    rows = posing.quantities("x", exact(test), test, [TRUE], 1.0)
    headline = {name: value for name, _, _, value in rows}["mpjpe/x"]
    assert 0 < headline < 15
    assert {name for name, *_ in rows} >= {"mpjpe/x", "mpjpe/x/S8"}


def test_without_the_true_depth_of_the_pelvis_sizes_are_wrong(people):
    learn, test = people
    per_focal = posing.factor(learn)
    rows = posing.quantities("x", exact(test), test, [TRUE, GUESSED], per_focal)
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
    placed = TRUE.place(pixels, torch.tensor([[100.0]]), intrinsics, root, 1.0)
    torch.testing.assert_close(placed, point)
    placed = GUESSED.place(pixels, torch.tensor([[100.0]]), intrinsics, root, 19.5)
    torch.testing.assert_close(placed, point)  # 19.5 * 200 is the root's depth here
    assert fit_size(root, intrinsics) == pytest.approx(19.5)


def test_a_study_teaches_and_judges(people, tmp_path):
    learn, test = people
    study = posing.Study("bouchiat", NETWORKS, SETTING, "smoke", 1, str(tmp_path / "out"), "cpu")
    configurations = {
        "r50": {"network": "small", "augmentation": "kim, report"},
        "r50-voc": {"network": "small", "augmentation": "bouchiat: VOC"},
        "r50-heatmap": {"network": "small", "augmentation": "kim, report", "loss": "volumes"},
        "r50-d72": {"network": "small", "augmentation": "kim, report", "shape": {"depth": 12}},
    }
    trained = study.train(configurations, learn, test, list(PICTURE_CARDS))
    rows = table(trained)
    assert set(rows["network"]) == set(configurations) and set(rows["card"]) == set(PICTURE_CARDS)
    network = posing.restore(NETWORKS, trained["r50", 0])
    told = rows[(rows["network"] == "r50") & (rows["slice"] == "")].set_index("card")["value"]
    again = posing.quantities(
        "r50", posing.joints(network, test.album.batch.images), test, [TRUE], 1.0
    )
    assert again[0][3] == pytest.approx(told["h36m-bouchiat"], rel=1e-4)
    with pytest.raises(ValueError, match="no loss 'l2'; there are joints, volumes"):
        work = partial(posing.experiment, NETWORKS)
        work({"loss": "l2"}, 0, tmp_path, [learn, test])


def test_lessons_occlude_flip_and_stay_with_their_labels(people):
    learn, _ = people
    some = torch.arange(8)
    plain = posing.Lessons(learn, "kim, report", 0, "cpu").lesson(some, 0)
    voc = posing.Lessons(learn, "bouchiat: VOC", 0, "cpu").lesson(some, 0)
    assert torch.equal(plain[1], voc[1]) and not torch.equal(plain[0], voc[0])
    flip = posing.Lessons(learn, "bouchiat: flip", 0, "cpu").lesson(some, 0)
    mirrored = (flip[1] != plain[1]).flatten(1).any(1)
    assert 0 < mirrored.sum() < 8
    pelvis = learn.album.batch.skeleton.root
    torch.testing.assert_close(flip[1][mirrored, pelvis, 0], -plain[1][mirrored, pelvis, 0])
    assert (plain[1][:, pelvis, 2] == 0).all() and (plain[1][..., 3:] == 1).all()
