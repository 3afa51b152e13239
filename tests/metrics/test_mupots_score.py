"""MuPoTS-3D's rules, on scenes whose answers are known, and against a plain second calculation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from posekit.data.people import People
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.mupots import MUPOTS_PROTOCOLS, Scene, match, scenes
from posekit.metrics.protocol import measure

REL, ABS = MUPOTS_PROTOCOLS["mupots-3dpck-rel"], MUPOTS_PROTOCOLS["mupots-3dpck-abs"]
PELVIS = 14
# Child and parent, in the order in which bones are given their lengths (datasets.md, 4.5).
BONES = [
    *((15, 14), (1, 15), (0, 1), (16, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6)),
    *((8, 14), (9, 8), (10, 9), (11, 14), (12, 11), (13, 12)),
]


def person(seed: int, x: float = 0.0, z: float = 4000.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    away = torch.randn(17, 3, generator=random, dtype=torch.float64) * 200
    return away + torch.tensor([x, 0.0, z])


def seen(people: torch.Tensor) -> torch.Tensor:
    return 1000 * people[..., :2] / people[..., 2:]


def scene(pred: torch.Tensor, true: torch.Tensor, sequence: str = "TS1") -> Scene:
    return Scene(sequence, seen(pred), pred, seen(true), true)


def score(protocol, *pictures: Scene) -> float:
    return protocol.evaluate(pictures)[protocol.metric]


PAIR = torch.stack([person(1, -1500), person(2, 1500)])


@pytest.mark.parametrize("spoilt", range(4))
def test_joints_of_other_shapes_are_not_broadcast(spoilt, unchecked):
    tensors = [seen(PAIR), PAIR, seen(PAIR), PAIR]
    tensors[spoilt] = tensors[spoilt][:, :1]
    with pytest.raises(ValueError, match=r"TS1: joints of shapes .* wanted \(persons, 17, 2\)"):
        Scene("TS1", *tensors)


# ---- who is whose


def test_persons_find_their_predictions_in_any_order():
    assert match(seen(PAIR.flip(0)), seen(PAIR)) == [1, 0]


def test_a_person_with_nobody_near_and_an_empty_picture_stay_alone():
    assert match(seen(PAIR[1:]), seen(PAIR)) == [-1, 0]
    assert match(torch.zeros(0, 17, 2), seen(PAIR)) == [-1, -1]
    assert match(seen(PAIR), torch.zeros(0, 17, 2)) == []


def test_the_prediction_with_most_joints_near_wins_and_is_then_taken():
    true = torch.zeros(2, 17, 2)
    pred = torch.full((2, 17, 2), 500.0)
    pred[0, 1:4] = 0  # 3 joints near
    pred[1, 1:9] = 0  # 8 joints near
    assert match(pred, true) == [1, 0]  # the second person gets what is left
    assert match(pred[1:], true) == [0, -1]


def test_near_is_below_40_pixels_in_x_and_in_y():
    true = torch.zeros(1, 17, 2)
    for offset, owner in (((39.9, 39.9), 0), ((40.0, 0.0), -1), ((0.0, -40.0), -1)):
        assert match((true + torch.tensor(offset)), true) == [owner]


@pytest.mark.parametrize("joint", ["head_top", "pelvis", "spine", "mid_head"])
def test_four_joints_do_not_vote(joint):
    true = torch.zeros(1, 17, 2)
    pred = torch.full((1, 17, 2), 500.0)
    pred[0, MPI_INF_3DHP17.index(joint)] = 0
    assert match(pred, true) == [-1]


# ---- the rules


@pytest.mark.parametrize(("away", "share"), [(149.0, 100.0), (150.5, 0.0), (151.0, 0.0)])
def test_a_person_in_the_wrong_place_counts_for_the_absolute_rule_alone(away, share):
    moved = PAIR + torch.tensor([0.0, 0.0, away])
    assert score(ABS, scene(moved, PAIR)) == share
    assert score(REL, scene(moved, PAIR)) == 100


def test_a_scaled_skeleton_is_forgiven_and_a_scaled_scene_only_relative():
    pelvis = PAIR[:, PELVIS : PELVIS + 1]
    smaller = 0.7 * (PAIR - pelvis) + pelvis
    assert score(REL, scene(smaller, PAIR)) == score(ABS, scene(smaller, PAIR)) == 100
    # The same picture from further away: 10 % of some 4.3 m are more than 150 mm.
    further = Scene("TS1", seen(PAIR), 1.1 * PAIR, seen(PAIR), PAIR)
    assert score(REL, further) == 100 and score(ABS, further) == 0
    # 3 % are less: the bones keep their true lengths, so all joints are off by what the pelvis is.
    nearer = Scene("TS1", seen(PAIR), 0.97 * PAIR, seen(PAIR), PAIR)
    assert 0.03 * PAIR[:, PELVIS].norm(dim=-1).max() < 150
    assert score(ABS, nearer) == 100


def test_persons_in_another_order_are_found_by_their_pixels():
    swapped = scene(PAIR.flip(0), PAIR)
    assert score(REL, swapped) == score(ABS, swapped) == 100
    # Pixels of one and pose of the other: matched to the wrong person, who stands 3 m away.
    wrong = Scene("TS1", seen(PAIR), PAIR.flip(0), seen(PAIR), PAIR)
    assert score(ABS, wrong) == 0 and score(REL, wrong) < 50


def test_a_missing_person_counts_unless_only_the_matched_do():
    one = scene(PAIR[1:], PAIR)
    for name, all_of_them, matched in (("3dpck", 50, 100), ("auc", 50 * 30 / 31, 100 * 30 / 31)):
        for where in ("rel", "abs"):
            protocol = MUPOTS_PROTOCOLS[f"mupots-{name}-{where}"]
            assert score(protocol, one) == pytest.approx(all_of_them)
            assert score(MUPOTS_PROTOCOLS[f"{protocol.name}-matched"], one) == pytest.approx(
                matched
            )


def test_somebody_predicted_twice_does_no_harm():
    twice = torch.cat([PAIR, PAIR[:1]])
    assert score(ABS, scene(twice, PAIR)) == 100


def test_the_headline_is_the_mean_of_the_sequences_not_of_the_persons():
    one, nobody = scene(PAIR[:1], PAIR), scene(PAIR[:0], PAIR, "TS2")
    numbers = ABS.evaluate([scene(PAIR, PAIR), scene(PAIR, PAIR), one, nobody])
    expected = {"pck": (500 / 6 + 0) / 2, "pck/TS1": 500 / 6, "pck/TS2": 0.0}
    assert numbers == pytest.approx(expected)


def test_a_bent_joint_takes_the_joints_beyond_it_along():
    pred = PAIR[:1].clone()
    hip, knee, ankle = (MPI_INF_3DHP17.index(f"left_{part}") for part in ("hip", "knee", "ankle"))
    thigh = PAIR[0, knee] - PAIR[0, hip]
    assert thigh.norm() > 75  # so that the knee ends up more than 150 mm away
    pred[0, [knee, ankle]] -= 2 * thigh
    bent = Scene("TS1", seen(PAIR[:1]), pred, seen(PAIR[:1]), PAIR[:1])
    assert score(REL, bent) == pytest.approx(100 * 12 / 14)


def test_pictures_in_which_nobody_counts_are_refused():
    matched = MUPOTS_PROTOCOLS["mupots-3dpck-rel-matched"]
    with pytest.raises(ValueError, match="mupots-3dpck-rel-matched: no person counts"):
        matched.evaluate([scene(PAIR[:0], PAIR)])


def test_the_bones_reach_every_joint_from_the_pelvis_outwards():
    placed = {"pelvis"}
    for parent, child in REL.bones:
        assert parent in placed
        placed.add(child)
    assert placed == set(MPI_INF_3DHP17.joints)


@pytest.mark.parametrize(("joint", "counts"), [("head_top", 1), ("left_ankle", 1), ("mid_head", 0)])
def test_14_joints_count(joint, counts):
    pred = PAIR.clone()
    place, neck = MPI_INF_3DHP17.index(joint), MPI_INF_3DHP17.index("neck_base")
    parent = neck if "head" in joint else MPI_INF_3DHP17.index("left_knee")
    bone = pred[:, place] - pred[:, parent]
    assert (2 * bone.norm(dim=-1) > 150).all()
    pred[:, place] -= 2 * bone  # the bone turns round
    for protocol in (REL, ABS):
        wrong = Scene("TS1", seen(PAIR), pred, seen(PAIR), PAIR)
        assert score(protocol, wrong) == pytest.approx(100 * (14 - counts) / 14)


# ---- a second calculation, joint by joint


def by_hand(pictures, absolute, misses):
    """3DPCK and AUC of the headline, in numpy and loops, from the words of the rule."""
    found = {}
    for s in pictures:
        errors = found.setdefault(s.sequence, [])
        free = list(range(len(s.pred2d)))
        for true2d, true3d in zip(s.true2d.numpy(), s.true3d.numpy(), strict=True):
            votes = [sum((np.abs(s.pred2d[p].numpy() - true2d) < 40).all(1)[1:14]) for p in free]
            if not votes or max(votes) == 0:
                if misses:
                    errors.append(np.full(14, 1e5))
                continue
            owner = free.pop(int(np.argmax(votes)))
            pred, true = s.pred3d[owner].numpy().copy(), true3d.copy()
            if not absolute:
                pred, true = pred - pred[PELVIS], true - true[PELVIS]
            grown = pred.copy()
            for child, parent in BONES:
                way = pred[child] - pred[parent]
                length = np.linalg.norm(true[child] - true[parent])
                grown[child] = grown[parent] + way / np.linalg.norm(way) * length
            errors.append(np.linalg.norm(grown - true, axis=1)[:14])
    takes = [np.array(errors) for errors in found.values() if errors]
    pck = 100 * np.mean([(errors < 150).mean() for errors in takes])
    grid = range(0, 151, 5)
    return pck, 100 * np.mean([[(errors < t).mean() for t in grid] for errors in takes])


def crowd(seed: int) -> list[Scene]:
    """Persons close to one another, some not predicted, some predicted who are not there."""
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(24):
        people = [person(100 * number + k, x, 4000) for k, x in enumerate((-900, -500, 600))]
        true = torch.stack(people)[: random.integers(1, 4)]
        noise = torch.from_numpy(random.normal(0, random.choice([20, 60, 120]), true.shape))
        pred = (true + noise)[random.permutation(len(true))[: random.integers(0, len(true) + 1)]]
        pred = torch.cat([pred, person(7000 + number, 200)[None]])
        pictures.append(scene(pred, true, f"TS{1 + number % 3}"))
    return pictures


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("ending", ["", "-matched"])
@pytest.mark.parametrize("where", ["rel", "abs"])
def test_the_numbers_are_those_of_a_second_calculation(seed, where, ending):
    pictures = crowd(seed)
    pck, auc = by_hand(pictures, where == "abs", ending == "")
    assert 5 < pck < 95
    assert score(MUPOTS_PROTOCOLS[f"mupots-3dpck-{where}{ending}"], *pictures) == pytest.approx(pck)
    assert score(MUPOTS_PROTOCOLS[f"mupots-auc-{where}{ending}"], *pictures) == pytest.approx(auc)


# ---- from what is read to a record


def annotated() -> People:
    """Two pictures: both persons in TS1's, the second alone in TS2's."""
    true = torch.cat([PAIR, PAIR[1:]])
    rows = pd.DataFrame(
        {
            "image": ["TS1/img_000000.jpg", "TS1/img_000000.jpg", "TS2/img_000005.jpg"],
            "subject": ["TS1", "TS1", "TS2"],
        }
    )
    visible = torch.full((3, 17), 2, dtype=torch.uint8)
    camera = torch.diag(torch.tensor([1000.0, 1000.0, 1.0])).double().expand(3, 3, 3)
    labels = torch.zeros(3, 4).double(), seen(true), visible, camera, true
    return People("mupots", "release, universal", MPI_INF_3DHP17, rows, *labels)


def test_predictions_are_grouped_by_picture():
    people = annotated()
    pred3d = people.joints3d.clone()
    pred3d[0] *= 1.2  # the same pixels from some 800 mm further away
    pictures = scenes(people, pred3d.float())
    assert [(s.sequence, len(s.pred3d), len(s.true3d)) for s in pictures] == [
        ("TS1", 2, 2),
        ("TS2", 1, 1),
    ]
    assert torch.allclose(pictures[0].pred2d, people.joints2d[:2], atol=1e-3)
    rows = measure("ours", MUPOTS_PROTOCOLS.values(), "mupots", pictures)
    assert {name for _, name, _, _ in rows} == set(MUPOTS_PROTOCOLS) and len(rows) == 8 * 3
    assert ("pck/ours", "mupots-3dpck-abs", "mupots", 75.0) in rows
    assert ("pck/ours/TS1", "mupots-3dpck-rel", "mupots", 100.0) in rows


def test_wrong_predictions_are_named():
    people = annotated()
    true = people.joints3d
    for wrong in (true[:2], true[:, :14]):
        with pytest.raises((ValueError, TypeError)):  # TypeError where annotations are checked
            scenes(people, wrong)
    for wrong in (true * torch.nan, -true):
        with pytest.raises(ValueError, match=r"person 0 of mupots \(TS1/img_000000.jpg\)"):
            scenes(people, wrong)
    with pytest.raises(ValueError, match="wants 17 joints"):
        ABS.errors(torch.zeros(1, 21, 3), torch.zeros(1, 21, 3))


def test_protocols_say_their_rule_and_source():
    for protocol in MUPOTS_PROTOCOLS.values():
        assert protocol.rule.endswith(".") and "Moon" in protocol.source
    assert replace(ABS, root=("pelvis",)).errors(PAIR + 500, PAIR).tolist() == [100, 100]
