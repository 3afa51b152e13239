"""Data sets mixed into one: whose turn it is, and what each knows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import batch as make_batch
from builders import mpii as make_mpii

from posekit.data import mixture
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.mixture import BOUCHIAT_POINTS, Mixed, Turns, as_skeleton
from posekit.data.mpii import read
from posekit.data.people import PeoplePictures
from posekit.data.pictures import Pictures, draw
from posekit.geometry.skeleton import COCO17, H36M17, LSP14, MOON_POINTS, MPII16, SPIN24
from posekit.studio.pictures import StudioPictures
from posekit.studio.wild import Wild
from posekit.training.integral import targets

SIZE = 64
MADE = make_mpii.people(40)


class Listed(Pictures):
    """So many pictures that say who they are: index is the number, every pixel is the set's."""

    name, version = "listed", "1"

    def __init__(self, count, skeleton=H36M17, shade=0, side=16):
        self.count, self.skeleton, self.shade = count, skeleton, shade
        self.one = make_batch.make_batch(1, (side, side), skeleton)

    def __len__(self):
        return self.count

    def sample(self, index):
        shaded = torch.full_like(self.one.images, self.shade)
        return replace(self.one, images=shaded, index=torch.tensor([index]))


@pytest.fixture(scope="module")
def mpii(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mpii")
    make_mpii.write_pictures(folder, MADE)
    make_mpii.write_bearpaw(folder / "mpii.json", MADE)
    return PeoplePictures(read(folder / "mpii.json"), folder, size=SIZE)


@pytest.fixture(scope="module")
def studio():
    return StudioPictures(("S1",), frames=100, every=50, size=SIZE)


def prefix_shares(mixed, sets):
    """The largest distance of any set's number among the first n from its share of n."""
    n = np.arange(1, len(mixed) + 1)
    total = np.bincount(mixed.which, minlength=sets) / len(mixed)
    counts = np.stack([np.cumsum(mixed.which == k) for k in range(sets)])
    return np.abs(counts - total[:, None] * n).max()


# ---- whose turn it is


def test_without_shares_every_picture_is_there_once_one_set_after_the_other():
    mixed = Mixed([Listed(5), Listed(3)])
    assert len(mixed) == 8
    assert mixed.which.tolist() == [0] * 5 + [1] * 3
    assert mixed.rows.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.parametrize("shares", [(1, 1), (3, 1), (0.3, 0.6, 0.1), (1, 2, 3, 4, 5)])
def test_any_stretch_has_the_shares(shares):
    mixed = Mixed([Listed(7)] * len(shares), shares, length=1000)
    counts = np.bincount(mixed.which)
    assert np.abs(counts - 1000 * np.array(shares) / sum(shares)).max() < 1
    assert prefix_shares(mixed, len(shares)) <= 1.0
    for start in (0, 130, 977):
        stretch = np.bincount(mixed.which[start : start + 20], minlength=len(shares))
        assert np.abs(stretch - 20 * np.array(shares) / sum(shares)).max() <= 2


def test_pictures_come_all_once_before_any_comes_again():
    mixed = Mixed([Listed(10), Listed(3)], (1, 1), length=60)
    for number, size in ((0, 10), (1, 3)):
        rows = mixed.rows[mixed.which == number]
        assert len(rows) == 30
        passes = rows.reshape(-1, size)
        assert (np.sort(passes, axis=1) == np.arange(size)).all()
        assert len({tuple(each) for each in passes.tolist()}) > 1  # in another order


def test_the_length_shows_all_pictures_of_all_sets():
    """Equal shares: the largest set once, the others several times, as Moon et al. count."""
    mixed = Mixed([Listed(100), Listed(9)], (1, 1))
    assert len(mixed) == 200
    assert np.bincount(mixed.which).tolist() == [100, 100]
    # 30 : 60 : 10 shares of sets of 3, 60 and 2: 60 is 60 % of 100.
    mixed = Mixed([Listed(3), Listed(60), Listed(2)], (0.3, 0.6, 0.1))
    assert np.bincount(mixed.which).tolist() == [30, 60, 10]
    # Rounded up, never down: 7 needs 3 : 7 shares of 10, 8 of 11.43.
    mixed = Mixed([Listed(1), Listed(8)], (3, 7))
    assert len(mixed) == 12 and np.bincount(mixed.which)[1] == 8


def test_the_order_depends_on_the_seed_alone():
    sets = [Listed(50), Listed(20)]
    one, again, other = (Mixed(sets, (1, 1), seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.rows, again.rows) and np.array_equal(one.which, again.which)
    assert not np.array_equal(one.rows, other.rows)
    # A longer one begins with other turns only where counts round otherwise; passes are the same.
    longer = Mixed(sets, (1, 1), length=400, seed=3)
    own = longer.rows[longer.which == 0]
    assert np.array_equal(own[:50], one.rows[one.which == 0][:50])


def test_samples_are_those_of_their_sets_under_a_new_index():
    mixed = Mixed([Listed(5, shade=10), Listed(3, shade=200)], (1, 1))
    batch = mixed[range(len(mixed))]
    assert batch.index.tolist() == list(range(10))
    shades = batch.images[:, 0, 0, 0]
    assert torch.equal(shades == 200, torch.from_numpy(mixed.which == 1))
    assert mixed.name == "listed+listed" and mixed.version == "1+1"


# ---- what is known of them


def test_mpii_and_the_studio_make_one_batch(studio, mpii):
    mixed = Mixed([studio, mpii], (1, 1), length=12)
    batch = mixed[range(12)]
    flat = torch.from_numpy(mixed.which == 1)
    assert batch.skeleton == H36M17 and batch.masks is None and batch.size == (SIZE, SIZE)
    assert torch.equal(batch.has_joints3d, ~flat)
    assert not batch.has_body[flat].any() and batch.has_body[~flat].all()
    assert not batch.joints3d[flat].any()
    for index in range(12):
        own = (studio, mpii)[mixed.which[index]].sample(int(mixed.rows[index]))
        assert torch.equal(own.images[0], batch.images[index])
        assert torch.equal(own.intrinsics[0], batch.intrinsics[index])
        assert torch.equal(own.boxes[0], batch.boxes[index])
        if not flat[index]:
            assert torch.equal(own.joints2d[0], batch.joints2d[index])
            assert torch.equal(own.visible[0], batch.visible[index])


def test_mpii_s_joints_go_by_name_and_those_it_lacks_are_unknown(mpii):
    named = Mixed([mpii], stand_ins={})[range(20)]
    own = mpii[range(20)]
    shared = [joint for joint in H36M17.joints if joint in MPII16.joints]
    assert len(shared) == 13  # pelvis, legs and arms
    for joint in H36M17.joints:
        at = H36M17.index(joint)
        if joint not in shared:
            assert (named.visible[:, at] == UNKNOWN).all() and not named.joints2d[:, at].any()
        else:
            there = MPII16.index(joint)
            assert torch.equal(named.joints2d[:, at], own.joints2d[:, there]), joint
            assert torch.equal(named.visible[:, at], own.visible[:, there]), joint
    assert {UNKNOWN, HIDDEN, SEEN} == set(named.visible[:, 1:4].flatten().tolist())


@pytest.mark.parametrize(
    ("stand_ins", "table"),
    [
        # JimmySuen/integral-human-pose and 3DMPPE: which of MPII's 16 each of the 17 is, or -1.
        (MOON_POINTS, [6, 2, 1, 0, 3, 4, 5, -1, 8, -1, 9, 13, 14, 15, 12, 11, 10]),
        # kaufmann-a/ETH_MP-Human-Pose-Prediction: by its names, the spine only is not there.
        (BOUCHIAT_POINTS, [6, 2, 1, 0, 3, 4, 5, -1, 7, 8, 9, 13, 14, 15, 12, 11, 10]),
    ],
)
def test_published_stand_ins_give_the_published_tables(mpii, stand_ins, table):
    batch = Mixed([mpii], stand_ins=stand_ins)[range(20)]
    own = mpii[range(20)]
    for joint, there in enumerate(table):
        if there < 0:
            assert (batch.visible[:, joint] == UNKNOWN).all()
        else:
            assert torch.equal(batch.joints2d[:, joint], own.joints2d[:, there])
            assert torch.equal(batch.visible[:, joint], own.visible[:, there])


def test_losses_see_no_depth_where_there_is_none(studio, mpii):
    mixed = Mixed([studio, mpii], (1, 1), length=8, stand_ins=BOUCHIAT_POINTS)
    batch = mixed[range(8)]
    found = targets(batch)
    flat = torch.from_numpy(mixed.which == 1)
    assert not found[flat][..., 4].any() and found[~flat][..., 4].all()
    assert torch.equal(found[..., 3] > 0, batch.visible != UNKNOWN)
    assert found.isfinite().all()


def test_strangers_in_mpii_s_place_keep_their_pixels_only(studio):
    strangers = Wild("train", 6, size=SIZE, skeleton=MPII16, people=1)
    mixed = Mixed([studio, strangers], (1, 1), length=6, flat=(1,))
    batch = mixed[range(6)]
    flat = torch.from_numpy(mixed.which == 1)
    assert torch.equal(batch.has_joints3d, ~flat) and torch.equal(batch.has_body, ~flat)
    assert not batch.joints3d[flat].any() and not batch.rotations[flat].any()
    assert (batch.visible[flat] != UNKNOWN).sum() == 14 * 3  # by name, and the neck for the thorax
    solid = Mixed([studio, strangers], (1, 1), length=6)[range(6)]
    assert solid.has_joints3d.all() and solid.joints3d[flat].any()
    assert torch.equal(solid.joints2d, batch.joints2d)


def test_a_joint_between_two_is_known_if_both_are():
    """LSP has hips and no pelvis."""
    batch = make_batch.make_batch(200, skeleton=LSP14, seed=4, unknown=True)
    mixed = as_skeleton(batch, H36M17)
    left, right = (LSP14.index(name) for name in ("left_hip", "right_hip"))
    pelvis = mixed.visible[:, 0]
    pair = batch.visible[:, [left, right]]
    expected = pair.amin(1)
    assert torch.equal(pelvis, expected) and {0, 1, 2} == set(pelvis.tolist())
    known = pelvis != UNKNOWN
    middle = (batch.joints2d[:, left] + batch.joints2d[:, right]) / 2
    assert torch.allclose(mixed.joints2d[known, 0], middle[known])
    assert not mixed.joints2d[~known, 0].any() and not mixed.joints3d[~known, 0].any()
    assert mixed.joints3d.isfinite().all()


def test_going_to_another_skeleton_and_back_keeps_what_both_have():
    batch = make_batch.make_batch(5, skeleton=SPIN24)
    there = as_skeleton(batch, COCO17, {})
    back = as_skeleton(there, SPIN24, {})
    both = [SPIN24.index(joint) for joint in COCO17.joints]
    known = batch.visible[:, both] != UNKNOWN
    assert torch.equal(back.visible[:, both], batch.visible[:, both])
    for name in ("joints2d", "joints3d"):
        one, other = getattr(batch, name)[:, both], getattr(back, name)[:, both]
        assert torch.equal(one[known], other[known])
    assert as_skeleton(batch, SPIN24) is batch


def test_all_of_it_can_be_drawn(studio, mpii):
    mixed = Mixed([studio, mpii], (1, 1), length=6)
    whole = draw(mixed, "mixed", workers=0)
    assert len(whole) == 6 and whole.index.tolist() == list(range(6))
    assert mixed.fingerprint() == Mixed([studio, mpii], (1, 1), length=6).fingerprint()
    assert mixed.fingerprint() != Mixed([studio, mpii], (1, 1), length=6, seed=1).fingerprint()


# ---- what can be wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sets": []}, "nothing to mix"),
        ({"sets": [Listed(0)]}, "nothing to mix"),
        ({"sets": [Listed(3)], "shares": (1, 1)}, "one positive number for each of 1 sets"),
        ({"sets": [Listed(3)] * 2, "shares": (1, 0)}, "one positive number"),
        ({"sets": [Listed(3)] * 2, "shares": (1, float("nan"))}, "one positive number"),
        ({"sets": [Listed(3)], "length": 5}, "a length needs shares"),
        ({"sets": [Listed(3)], "shares": (1,), "length": 0}, "length 0 must be 1 or more"),
        ({"sets": [Listed(3)], "flat": (1,)}, r"no sets \[1\]"),
        ({"sets": [Listed(3), Listed(3, side=32)]}, "do not join"),
    ],
)
def test_what_makes_no_mixture_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixed(**arguments)


def test_epochs_of_turns_show_all_pictures_of_a_set_before_any_again():
    turns = Turns((10, 4), (1, 1), 20)
    epochs = [turns.epoch(number) for number in range(3)]
    assert all(len(rows) == len(turns) == 20 for rows in epochs)
    for rows in epochs:
        assert sorted(rows[rows < 10].tolist()) == list(range(10))
    shown = torch.cat([rows[rows >= 10] for rows in epochs])
    assert sorted(torch.bincount(shown)[10:].tolist()) == [7, 7, 8, 8]  # 30 turns for four pictures
    for start in range(0, 28, 4):
        assert len(set(shown[start : start + 4].tolist())) == 4
    assert torch.equal(turns.epoch(2), epochs[2]) and not torch.equal(epochs[0], epochs[1])
    with pytest.raises(ValueError, match=r"shares \[1, 0\] are not one positive number"):
        Turns((10, 4), (1, 0), 20)


def test_the_rows_of_an_epoch_are_drawn_once_for_all_its_batches(monkeypatch):
    drawn, dice = [], mixture.dice
    monkeypatch.setattr(mixture, "dice", lambda *key: drawn.append(key) or dice(*key))
    first = [Turns((11, 4), (1, 1), 22).epoch(2) for _ in range(5)]
    assert len(drawn) == 3 + 9  # passes over 11 and over 4 pictures, three epochs of 11 each
    assert all(torch.equal(rows, first[0]) for rows in first)
