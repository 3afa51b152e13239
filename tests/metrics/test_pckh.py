"""PCKh: each rule by hand, and a real detector's predictions of 2,958 real persons."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from posekit.geometry.skeleton import MPII16
from posekit.metrics.pckh import PARTS, PCKH_PROTOCOLS, head_sizes
from posekit.metrics.protocol import measure

BEARPAW, HRNET, NAMAN = PCKH_PROTOCOLS.values()
EVERY = pytest.mark.parametrize("protocol", PCKH_PROTOCOLS.values(), ids=list(PCKH_PROTOCOLS))


def index(joint):
    return MPII16.index(joint)


@pytest.fixture
def people():
    """Four persons, predicted exactly, head sizes of 10 px."""
    true = torch.rand(4, 16, 2, generator=torch.Generator().manual_seed(0)).double() * 200
    return true.clone(), true, torch.ones(4, 16, dtype=torch.bool), torch.full((4,), 10.0)


@EVERY
def test_perfect_predictions_score_100_and_far_ones_0(protocol, people):
    pred, true, known, head = people
    numbers = protocol.evaluate(pred, true, known, head)
    assert set(numbers) == {"pckh", *(f"pckh/{part}" for part in PARTS)}
    assert all(value == 100 for value in numbers.values())
    assert all(value == 0 for value in protocol.evaluate(pred + 50, true, known, head).values())


def test_at_half_the_head_size_only_bearpaw_calls_a_joint_wrong(people):
    _, true, known, head = people
    true = true.round()
    at = true + torch.tensor([3.0, 4.0])
    scores = [protocol.evaluate(at, true, known, head)["pckh"] for protocol in (BEARPAW, HRNET)]
    assert scores == [0, 100]
    nearer = true + torch.tensor([3.0, 3.9])
    assert all(
        protocol.evaluate(nearer, true, known, head)["pckh"] == 100 for protocol in (BEARPAW, HRNET)
    )


def published_naman(pred, true, places, head):
    """Naman-ntc's metrics.py, PCKh: of heatmaps' maxima, x = index % 64 and y = index / 64 in floating
    point. `true` is 0 where nothing is labelled; `places` and `head` are in the picture's pixels."""

    def read(index):
        return np.stack([index % 64, index / 64], axis=-1)

    pred, true, right, all_of_them = read(pred), read(true), 0, 0
    for i in range(len(true)):
        there = [j for j in range(16) if (true[i, j] > 1e-8).all()]
        pairs = [j for j in there[1:] if (true[i, j] != true[i, there[0]]).any()] if there else []
        if not pairs or there[0] == 15:
            continue
        one, two = there[0], pairs[0]
        near = np.linalg.norm(true[i, one] - true[i, two])
        size = head[i] * near / np.linalg.norm(places[i, one] - places[i, two])
        for j in range(16):
            if j not in (6, 7) and (true[i, j] >= 1e-8).all():
                all_of_them += 1
                right += np.linalg.norm(pred[i, j] - true[i, j]) <= 0.5 * size
    return 100 * right / all_of_them


def test_naman_divides_rows_in_floating_point():
    random = np.random.default_rng(0)
    columns, rows = random.integers(1, 64, (2, 300, 16))
    true = 64 * rows + columns
    known = random.random((300, 16)) < 0.8
    shift = random.integers(-4, 5, (2, 300, 16))
    guess = np.clip(rows + shift[0], 0, 63) * 64 + np.clip(columns + shift[1], 0, 63)
    cells, guessed = (np.stack([index % 64, index // 64], -1) for index in (true, guess))
    head = random.uniform(20, 30, 300)  # in pictures of 256 px
    published = published_naman(guess, np.where(known, true, 0), 4.0 * cells, head)
    arrays = guessed.astype(float), cells.astype(float), known, head / 4
    tensors = [torch.from_numpy(array) for array in arrays]
    ours = NAMAN.evaluate(*tensors)["pckh"]
    assert ours == pytest.approx(published)
    assert abs(ours - HRNET.evaluate(*tensors)["pckh"]) > 0.1  # of whole rows
    larger = [tensors[0] * 4 + 1.5, tensors[1] * 4 + 1.5, tensors[2], tensors[3] * 4]
    assert NAMAN.evaluate(*larger)["pckh"] == pytest.approx(published)


@EVERY
def test_pelvis_and_thorax_do_not_count(protocol, people):
    pred, true, known, head = people
    pred[:, [index("pelvis"), index("mid_shoulders")]] += 100
    assert all(value == 100 for value in protocol.evaluate(pred, true, known, head).values())


def test_the_means_differ_where_labels_are_missing(people):
    pred, true, known, head = people
    # The right ankle, labelled once and missed; everything else, 13 joints of 4 persons, is found.
    known[1:, index("right_ankle")] = False
    pred[0, index("right_ankle")] += 30
    missed = {
        protocol: protocol.evaluate(pred, true, known, head) for protocol in PCKH_PROTOCOLS.values()
    }
    assert missed[BEARPAW]["pckh"] == pytest.approx(100 * 13 / 14)
    assert missed[HRNET]["pckh"] == missed[NAMAN]["pckh"] == pytest.approx(100 * 52 / 53)
    # Left and right ankle weigh the same, however many are labelled.
    assert all(numbers["pckh/ankle"] == 50 for numbers in missed.values())


def test_joints_that_nobody_has_labelled_are_in_no_mean(people):
    pred, true, known, head = people
    known[:, index("left_ankle")] = False
    pred[:2, index("right_ankle")] += 30
    numbers = BEARPAW.evaluate(pred, true, known, head)
    assert numbers["pckh/ankle"] == 50 and numbers["pckh"] == pytest.approx(100 * 12.5 / 13)
    known[:, index("right_ankle")] = False
    numbers = BEARPAW.evaluate(pred, true, known, head)
    assert math.isnan(numbers["pckh/ankle"]) and numbers["pckh"] == 100


@EVERY
def test_persons_without_a_head_size_do_not_count(protocol, people):
    pred, true, known, head = people
    pred[2] += 100
    whole = protocol.evaluate(pred, true, known, head)["pckh"]
    head[2] = math.nan
    assert whole == pytest.approx(75) and protocol.evaluate(pred, true, known, head)["pckh"] == 100


def test_naman_leaves_out_persons_with_joints_at_one_place(people):
    pred, true, known, head = people
    known[1] = False
    known[1, 3] = True  # alone
    known[2] = False
    known[2, [3, 4]] = True
    true[2, 4] = true[2, 3]  # two, at one place
    known[3] = False
    known[3, [3, 6]] = True  # the pelvis makes it two places
    pred[1:, 3:5] += 100
    assert NAMAN.evaluate(pred, true, known, head)["pckh"] == pytest.approx(100 * 14 / 15)
    assert HRNET.evaluate(pred, true, known, head)["pckh"] == pytest.approx(100 * 14 / 18)


@EVERY
def test_the_number_does_not_depend_on_the_size_of_the_pixels(protocol, people):
    pred, true, known, head = people
    pred += 4 * torch.randn(pred.shape, generator=torch.Generator().manual_seed(1))
    small = protocol.evaluate(pred / 7, true / 7, known, head / 7)
    assert small == pytest.approx(protocol.evaluate(pred, true, known, head))
    assert 20 < small["pckh"] < 95


@EVERY
def test_what_is_wrong_is_named(protocol, people):
    pred, true, known, head = people

    def spoiled(array, place, value):
        array = array.clone()
        array[place] = value
        return array

    cases = [
        ((spoiled(pred, (2, 5, 0), math.nan), true, known, head), "person 2: the prediction"),
        ((spoiled(pred, (3, 6, 1), math.inf), true, known, head), "person 3: the prediction"),
        ((pred, spoiled(true, (1, 0, 0), math.nan), known, head), "person 1: a labelled joint"),
        ((pred, true, known, spoiled(head, 3, 0.0)), "person 3: the head size is not positive"),
        ((pred, true, known, spoiled(head, 0, math.inf)), "person 0: the head size is infinite"),
        ((pred, true, known, head * math.nan), "nobody has both"),
        ((pred, true, known & False, head), "nobody has both"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=f"{protocol.name}.*{message}"):
            protocol.evaluate(*arguments)
    unlabelled = spoiled(known, (1, 0), False)
    assert (
        protocol.evaluate(pred, spoiled(true, (1, 0, 0), math.nan), unlabelled, head)["pckh"] == 100
    )


def test_flags_are_bool_and_shapes_are_not_broadcast(people, unchecked):
    """COCO's 0, 1 and 2 would count hidden joints by bits, and a row of flags for everybody."""
    pred, true, known, head = people
    for flags in (2 * known.to(torch.uint8), known.float()):
        with pytest.raises(ValueError, match="which joints are known is bool, not torch"):
            BEARPAW.evaluate(pred, true, flags, head)
        with pytest.raises(ValueError, match="which joints are known is bool, not torch"):
            head_sizes(true, flags)
    with pytest.raises(ValueError, match="wanted"):
        BEARPAW.evaluate(pred, true, known[:1], head)
    with pytest.raises(ValueError, match=r"wanted \(persons, 16, 2\) and \(persons, 16\)"):
        head_sizes(true, known[:1])


def test_rows_name_the_subject(people):
    rows = measure("ours", [BEARPAW, HRNET], "mpii", *people)
    assert len(rows) == 16 and ("pckh/ours", "mpii-bearpaw-pckh", "mpii", 100.0) in rows
    assert ("pckh/ours/elbow", "mpii-hrnet-pckh", "mpii", 100.0) in rows
    assert all(
        name == protocol.name and protocol.unit == "%" for name, protocol in PCKH_PROTOCOLS.items()
    )


@pytest.fixture(scope="module")
def tompson(shared):
    """A real detector's predictions and the truth of MPII's 2,958 validation persons."""
    held = loadmat(shared / "mpii_val_tompson" / "detections_our_format.mat")
    low, high = held["headboxes_src"]
    pred, true = (held[name].transpose(2, 0, 1).copy() for name in ("pos_pred_src", "pos_gt_src"))
    return pred, true, held["jnt_missing"].T == 0, 0.6 * np.linalg.norm(high - low, axis=0)


def test_a_real_detector_is_scored_as_by_counting(tompson):
    pred, true, known, head = tompson
    right, labelled = np.zeros(16), np.zeros(16)
    for person in range(len(head)):
        for joint in range(16):
            if known[person, joint]:
                labelled[joint] += 1
                x, y = pred[person, joint] - true[person, joint]
                right[joint] += math.hypot(x, y) <= 0.5 * head[person]
    counted = [joint for joint in range(16) if joint not in (6, 7)]
    rates = 100 * right / labelled
    arguments = [torch.from_numpy(array) for array in tompson]
    upright = replace(NAMAN, slant=0.0)
    alike, weighted, pooled = (
        protocol.evaluate(*arguments) for protocol in (BEARPAW, HRNET, upright)
    )
    assert alike["pckh"] == pytest.approx(rates[counted].mean())
    weights = labelled[counted] / labelled[counted].sum()
    assert weighted["pckh"] == pytest.approx((rates[counted] * weights).sum())
    assert pooled["pckh"] == pytest.approx(100 * right[counted].sum() / labelled[counted].sum())
    pairs = {"head": (9, 9), "shoulder": (12, 13), "elbow": (11, 14), "wrist": (10, 15)}
    pairs |= {"hip": (2, 3), "knee": (1, 4), "ankle": (0, 5)}
    for part, sides in pairs.items():
        assert weighted[f"pckh/{part}"] == pytest.approx(rates[list(sides)].mean())


def test_a_real_detector_scores_near_its_published_test_numbers(tompson):
    # Tompson et al., CVPR 2015, on MPII's test set, as Newell et al. (2016) print them in figure 7.
    published = [96.1, 91.9, 83.9, 77.8, 80.9, 72.3, 64.8]
    numbers = HRNET.evaluate(*(torch.from_numpy(array) for array in tompson))
    measured = [numbers[f"pckh/{part}"] for part in PARTS]
    assert np.abs(np.array(measured) - published).max() < 1.2
    assert numbers["pckh"] == pytest.approx(82.0, abs=0.4)
    assert numbers["pckh"] - BEARPAW.evaluate(*(torch.from_numpy(array) for array in tompson))[
        "pckh"
    ] == pytest.approx(0.878, abs=1e-3)  # what the two means differ by


def test_head_sizes_from_joints_are_those_of_the_head_boxes(shared):
    held = loadmat(shared / "mpii_val_tompson" / "detections_our_format.mat")
    low, high = held["headboxes_src"]
    boxes = 0.6 * np.linalg.norm(high - low, axis=0)
    joints = torch.from_numpy(held["pos_gt_src"].transpose(2, 0, 1))
    known = torch.from_numpy(held["jnt_missing"].T == 0) & (joints > 0).all(-1)
    ratio = head_sizes(joints, known).numpy() / boxes
    there = np.isfinite(ratio)
    assert there.sum() > 2800
    assert np.percentile(ratio[there], [1, 50, 99]) == pytest.approx([0.992, 1, 1.007], abs=0.002)


def test_a_head_without_length_is_not_known(people):
    pred, true, known, _ = people
    true[2, index("neck")] = true[2, index("head_top")]
    known[3, index("neck")] = False
    sizes = head_sizes(true, known)
    assert sizes.isnan().tolist() == [False, False, True, True]
    pred[2:] += 100  # of persons who do not count
    assert HRNET.evaluate(pred, true, known, sizes)["pckh"] == 100
