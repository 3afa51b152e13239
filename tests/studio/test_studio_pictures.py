"""Picture data sets: the same bytes for the same index, however they are loaded."""

import cv2
import numpy as np
import pytest
import torch

from posekit.data.batch import HIDDEN, SEEN, join
from posekit.data.pictures import loader
from posekit.geometry.skeleton import COCO17, H36M17, MPII16, SMPL24, SPIN24
from posekit.studio import wild
from posekit.studio.pictures import StudioPictures
from posekit.studio.poses import ACTIONS, TEST, TRAIN, load, performance
from posekit.studio.wild import Wild

SIZE = 96


@pytest.fixture(scope="module")
def strangers():
    return Wild("test", 24, size=SIZE)


@pytest.fixture(scope="module")
def actors():
    return StudioPictures(("S9",), frames=52, every=26, size=SIZE)


def same(one, other):
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return all(torch.equal(a, b) for (_, a), (_, b) in pairs)


def test_bytes_depend_on_the_index_alone(strangers):
    alone = [strangers.sample(index) for index in (3, 7, 1, 12)]
    assert same(join(alone), strangers[[3, 7, 1, 12]])
    again = Wild("test", 5_000, size=SIZE)
    assert same(alone[1], again[torch.tensor([7])])
    assert not torch.equal(alone[0].images, alone[1].images)


def test_bytes_do_not_depend_on_workers(strangers):
    batches = [[0, 1, 2], [9, 4], [20]]
    loaded = list(loader(strangers, batches, workers=1))
    assert [batch.index.tolist() for batch in loaded] == batches
    expected = [strangers[indices] for indices in batches]
    assert all(same(a, b) for a, b in zip(loaded, expected, strict=True))


def test_bytes_do_not_depend_on_threads(strangers):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = strangers[range(4)]
        torch.set_num_threads(2)
        assert same(one, strangers[range(4)])
    finally:
        torch.set_num_threads(before)


def test_strangers_are_seen_and_labelled(strangers):
    batch = strangers[range(len(strangers))]
    assert batch.images.shape == (24, 3, SIZE, SIZE)
    assert (batch.masks.flatten(1).sum(1) > 0.005 * SIZE**2).all()
    assert (batch.visible == SEEN).float().mean() > 0.5
    assert (batch.visible == HIDDEN).any()
    # The cut: a square around the box, 1.25 times its longer side.
    longer = batch.boxes[:, 2:].amax(1)
    assert torch.allclose(longer, torch.full((24,), SIZE / 1.25), atol=0.1)
    middle = batch.boxes[:, :2] + batch.boxes[:, 2:] / 2
    assert torch.allclose(middle, torch.full((24, 2), (SIZE - 1) / 2), atol=0.1)
    for mask, box in zip(batch.masks, batch.boxes.tolist(), strict=True):
        rows, columns = mask.nonzero().T
        assert box[0] - 1 <= columns.min() and columns.max() <= box[0] + box[2] + 1
        assert box[1] - 1 <= rows.min() and rows.max() <= box[1] + box[3] + 1
    homogeneous = batch.joints3d @ batch.intrinsics.mT
    assert torch.allclose(homogeneous[..., :2] / homogeneous[..., 2:], batch.joints2d, atol=0.01)


def test_a_photograph_holds_everybody(strangers):
    pictures = [strangers.photograph(index) for index in range(5)]
    assert {len(picture) for picture in pictures} > {1}
    for picture in pictures:
        assert torch.equal(picture.images[0], picture.images[-1])
        assert picture.masks.sum(0).max() <= 1  # each pixel is one person's
        assert sorted(picture.size) == [480, 640]


def test_the_splits_share_no_actor_and_no_pose(strangers):
    assert len(strangers.poses) == len(TEST) * 15 * 2 * 60
    assert wild.SPLITS == {"train": TRAIN, "test": TEST} and not set(TRAIN) & set(TEST)
    poses = wild.Moments(TRAIN[:1]), strangers.poses
    train, test = (torch.stack([each[k] for k in range(0, len(each), 20)]) for each in poses)
    gap = torch.cdist(train.flatten(1), test.flatten(1))
    assert gap.min() > 0.01
    take = torch.from_numpy(performance("S1", ACTIONS[0], 2).rotations).float()
    assert torch.equal(wild.Moments(TRAIN)[60 + 7], take[70])


def test_pictures_need_not_be_squares():
    for pictures in (Wild("test", 2, size=(96, 64)), StudioPictures(("S9",), size=(96, 64))):
        batch = pictures[[1]]
        assert batch.images.shape == (1, 3, 96, 64)
        seen = batch.joints3d @ batch.intrinsics.mT
        pixels = seen[..., :2] / seen[..., 2:]
        assert (pixels - batch.joints2d).abs().max() < 2  # the lens's distortion


def test_studio_pictures_are_the_studios_frames(actors):
    poses = load(frames=52, every=26, detector="truth", subjects=("S9",))
    assert len(actors) == len(poses)
    assert actors.frames.astype(str).equals(poses.frames.astype(str))
    for index in (0, 5, 101, len(actors) - 1):
        batch = actors.sample(index)
        assert torch.allclose(batch.joints3d[0], poses.pose3d[index], atol=0.05)
        # The crop only moves and scales the camera's pixels: so do the joints.
        there, here = poses.pose2d[index], batch.joints2d[0]
        scale = (here - here.mean(0)).norm() / (there - there.mean(0)).norm()
        assert torch.allclose((there - there.mean(0)) * scale, here - here.mean(0), atol=0.05)
    assert actors.skeleton == H36M17


def test_actors_keep_their_clothes_and_strangers_have_others(actors, strangers):
    def trunk(pictures, index, joint):
        batch = pictures.sample(index)
        x, y = batch.joints2d[0, pictures.skeleton.index(joint)].round().int().tolist()
        return batch.images[0, :, y - 2 : y + 3, x - 2 : x + 3].float().mean((1, 2))

    own = torch.stack([trunk(actors, index, "spine") for index in range(0, 160, 16)])
    others = torch.stack([trunk(strangers, index, "spine") for index in range(10)])
    assert others.std(0).mean() > 1.5 * own.std(0).mean()
    varied = StudioPictures(("S9",), frames=52, every=26, size=SIZE, varied=True)
    assert torch.allclose(varied.sample(16).joints3d, actors.sample(16).joints3d, atol=0.01)
    other_clothes = torch.stack([trunk(varied, index, "spine") for index in range(0, 160, 16)])
    assert other_clothes.std(0).mean() > 1.5 * own.std(0).mean()


@pytest.mark.parametrize("skeleton", [COCO17, MPII16, SMPL24])
def test_any_skeleton_can_be_asked_for(skeleton):
    batch = Wild("test", 2, size=64, skeleton=skeleton)[[1]]
    assert batch.joints2d.shape == (1, len(skeleton), 2)
    assert (batch.visible > 0).all()


def test_a_users_backgrounds_and_occluders_are_used(tmp_path):
    green = np.zeros((80, 120, 3), dtype=np.uint8)
    green[..., 1] = 200
    cv2.imwrite(str(tmp_path / "lawn.png"), green)
    (tmp_path / "notes.txt").write_text("not a picture")
    red = np.zeros((40, 40, 4), dtype=np.uint8)
    red[..., [0, 3]] = 255
    pictures = Wild("test", 16, size=64, backgrounds=tmp_path, occluders=[red])
    images = pictures[range(16)].images.float()
    plain = images[:, 1] > 1.5 * images[:, [0, 2]].amax(1).clamp(min=20)
    assert (plain.flatten(1).float().mean(1) > 0.2).float().mean() > 0.8
    covered = (images[:, 0] > 3 * images[:, 1:].amax(1).clamp(min=25)).flatten(1).float().mean(1)
    assert 0 < (covered > 0.02).float().mean() < 0.6


def test_nobody_sees_a_face_from_behind():
    batch = Wild("test", 60, size=64, people=1)[range(60)]
    ears = batch.joints3d[:, [SPIN24.index("left_ear"), SPIN24.index("right_ear")]].mean(1)
    ahead = batch.joints3d[:, SPIN24.index("nose")] - ears
    sight = torch.nn.functional.normalize(ears, dim=1)
    away = (torch.nn.functional.normalize(ahead, dim=1) * sight).sum(1)  # 1: looks where we look
    seen = batch.visible[:, SPIN24.index("nose")] == SEEN
    assert (away > 0.7).sum() > 5
    assert seen[away > 0.7].float().mean() < 0.1
    assert seen[away < -0.7].float().mean() > 0.7


def test_pictures_are_asked_for_as_lists_and_slices(strangers):
    assert same(strangers[2:4], strangers[[2, 3]])
    assert same(strangers[3], strangers[[3]])


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"size": 0}, "size 0 is the pixels"),
        ({"size": 5000}, "whole numbers, 16 to 1024"),
        ({"count": -3}, "count -3"),
        ({"people": 0}, "people 0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_numbers_that_make_no_picture_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        Wild("test", **{"count": 2, **wrong})


def test_mistakes_are_named(strangers):
    with pytest.raises(IndexError, match="no picture 24: there are 24"):
        strangers[[0, 24]]
    with pytest.raises(ValueError, match="no split 'valid'"):
        Wild("valid")
    with pytest.raises(FileNotFoundError, match="no folder lawns"):
        Wild("test", 2, backgrounds="lawns")
    with pytest.raises(ValueError, match="every 0 1 or more"):
        StudioPictures("S9", every=0)
    with pytest.raises(ValueError, match="no subject 'S2'"):
        StudioPictures(("S2",))
    with pytest.raises(ValueError, match="no batches"):
        strangers[[]]
    with pytest.raises(ValueError, match="do not join"):
        join([strangers.sample(0), Wild("test", 1, size=64).sample(0)])
    assert np.isfinite(strangers.sample(0).joints3d.numpy()).all()
