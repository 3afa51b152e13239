"""Silhouettes and parts: pixels counted by hand, confusion matrices, and bodies drawn again."""

import numpy as np
import pytest
import torch

from posekit.data.batch import IGNORE, join
from posekit.geometry import body
from posekit.metrics.masks import MASK_PROTOCOLS, PARTS, Counts, part_maps
from posekit.metrics.protocol import measure
from posekit.studio.wild import Wild

SILHOUETTE, PART = MASK_PROTOCOLS["lsp-silhouette"], MASK_PROTOCOLS["lsp-parts"]


def maps(*pictures: list[str]) -> torch.Tensor:
    """Pictures of rows of digits, "x" for what nobody labels."""
    digits = [
        [[IGNORE if d == "x" else int(d) for d in row] for row in picture] for picture in pictures
    ]
    return torch.tensor(digits, dtype=torch.uint8)


def noise(count=5, size=(31, 17), seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted part maps, and true ones that agree on a third and are not labelled on a tenth."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 7, (count, *size))
    pred = np.where(rng.random(true.shape) < 1 / 3, true, rng.integers(0, 7, true.shape))
    true[rng.random(true.shape) < 0.1] = IGNORE
    return tuple(torch.from_numpy(each.astype(np.uint8)) for each in (pred, true))


def confusion(pred: torch.Tensor, true: torch.Tensor, classes: int) -> np.ndarray:
    """Pixels by true class and predicted class, of those with a true class."""
    pred, true = (each.numpy().astype(np.int64).ravel() for each in (pred, true))
    kept = true < classes
    cells = np.bincount(true[kept] * classes + pred[kept], minlength=classes**2)
    return cells.reshape(classes, classes)


def f1(cells: np.ndarray) -> np.ndarray:
    """By way of precision and recall."""
    right = np.diagonal(cells)
    precision, recall = right / cells.sum(axis=0), right / cells.sum(axis=1)
    return 2 * precision * recall / (precision + recall)


def test_a_silhouette_counted_by_hand():
    pred, true = maps(["0110", "0110"]), maps(["0111", "0000"])
    numbers = SILHOUETTE.evaluate(SILHOUETTE.count(pred, true))
    # of 3 pixels of the person 2 are found, and 2 of the 5 others are taken for the person
    assert numbers["accuracy"] == pytest.approx(100 * 5 / 8)
    assert numbers["f1/person"] == pytest.approx(2 * 2 / (4 + 3))
    assert numbers["f1/background"] == pytest.approx(2 * 3 / (4 + 5))
    assert numbers["f1"] == pytest.approx((4 / 7 + 6 / 9) / 2)


def test_the_silhouette_protocol_takes_part_maps():
    pred, true = maps(["0630", "0250"]), maps(["0111", "0000"])
    same = SILHOUETTE.count(maps(["0110", "0110"]), true)
    found = SILHOUETTE.count(pred, true)
    assert all(torch.equal(a, b) for a, b in zip(vars(found).values(), vars(same).values()))


def test_a_pixel_that_nobody_labels_costs_accuracy_where_a_body_is_predicted_and_never_f1():
    true = maps(["0123456", "xx00000"])
    bare, covered = maps(["0123456", "0000000"]), maps(["0123456", "1100000"])
    perfect = PART.evaluate(PART.count(bare, true))
    assert set(perfect.values()) == {100.0, 1.0}
    assert PART.evaluate(PART.count(covered, true)) == perfect | {"accuracy": 100 * 12 / 14}


def test_a_picture_without_a_body_counts():
    true, nobody = maps(["0123456"], ["xxxxxxx"]), maps(["0123456"], ["0000000"])
    counts = PART.count(nobody, true)
    assert counts.true_positives[1].sum() == counts.false_positives[1].sum() == 0
    assert counts.false_negatives[1].sum() == 0
    assert PART.evaluate(counts)["accuracy"] == 100
    missed = PART.evaluate(PART.count(maps(["0000000"], ["0000000"]), true))
    assert missed["f1"] == pytest.approx(2 / (2 + 6) / 7)
    assert missed["accuracy"] == pytest.approx(100 * 8 / 14)


def test_parts_against_a_confusion_matrix():
    pred, true = noise()
    numbers = PART.evaluate(PART.count(pred, true))
    cells = confusion(pred, true, 7)
    each = f1(cells)
    assert numbers["f1"] == pytest.approx(each.mean())
    for name, value in zip(("background", *PARTS), each):
        assert numbers[f"f1/{name}"] == pytest.approx(value)
    bare = ((true == IGNORE) & (pred == 0)).sum().item()
    assert numbers["accuracy"] == pytest.approx(100 * (np.trace(cells) + bare) / true.numel())
    assert numbers["accuracy"] != pytest.approx(100 * np.trace(cells) / cells.sum(), abs=1)


def test_silhouettes_against_a_confusion_matrix():
    pred, true = noise(seed=1)
    true[true == IGNORE] = 0
    numbers = SILHOUETTE.evaluate(SILHOUETTE.count(pred, true))
    cells = confusion((pred > 0).byte(), (true > 0).byte(), 2)
    assert numbers["accuracy"] == pytest.approx(100 * np.trace(cells) / cells.sum())
    assert numbers["f1"] == pytest.approx(f1(cells).mean())


def test_all_pixels_count_together_whatever_the_pictures_sizes():
    small, large = noise(1, (8, 9), seed=2), noise(2, (40, 30), seed=3)
    joined = Counts.join([PART.count(*small), PART.count(*large)])
    cells = confusion(*small, 7) + confusion(*large, 7)
    assert PART.evaluate(joined)["f1"] == pytest.approx(f1(cells).mean())
    assert joined.pixels.tolist() == [72, 1200, 1200]
    shares = joined.accuracies()
    assert PART.evaluate(joined)["accuracy"] == pytest.approx(
        float((shares * joined.pixels).sum() / joined.pixels.sum())
    )
    with pytest.raises(ValueError, match="no counts to join"):
        Counts.join([])


def test_left_for_right_is_wrong_in_parts_and_right_in_silhouettes():
    true = maps(["0123456"] * 2)
    pred = maps(["0213546"] * 2)
    assert SILHOUETTE.evaluate(SILHOUETTE.count(pred, true))["accuracy"] == 100
    numbers = PART.evaluate(PART.count(pred, true))
    assert numbers["accuracy"] == pytest.approx(100 * 3 / 7) and numbers["f1/left arm"] == 0


def test_wrong_maps_are_refused_by_what_is_wrong():
    good = maps(["0123456"])
    with pytest.raises(ValueError, match="predicted map of picture 0 holds 255; its classes are 0"):
        PART.count(maps(["012345x"]), good)
    with pytest.raises(ValueError, match="true map of picture 0 holds 7.* and 255 where nothing"):
        PART.count(good, good + 1)
    with pytest.raises(ValueError, match="lsp-silhouette: the true map of picture 0 holds 255"):
        SILHOUETTE.count(good, maps(["012345x"]))
    with pytest.raises(ValueError, match=r"predicted maps \(1, 1, 7\), true ones \(1, 1, 6\)"):
        PART.count(good, good[..., 1:])
    with pytest.raises(ValueError, match="no true or predicted pixel of head, torso in 1 pictures"):
        PART.evaluate(PART.count(*[maps(["012045"])] * 2))
    with pytest.raises(ValueError, match="no pictures were counted"):
        PART.evaluate(PART.count(good[:0], good[:0]))


@pytest.fixture(scope="module")
def people():
    """Strangers alone in their pictures."""
    return join([Wild("test", 40, size=128, people=1).sample(k) for k in range(6)])


def test_the_true_body_drawn_again_is_the_true_silhouette_and_parts(people):
    model = body.free()
    posed = model(people.rotations, people.shape, people.translation)
    pred = part_maps(model, posed.vertices, people.intrinsics, *people.size)
    rows = []
    for protocol, true in ((SILHOUETTE, people.masks), (PART, people.parts)):
        rows += measure("true", [protocol], "studio-wild", protocol.count(pred, true))
    numbers = {(name, by): value for name, by, data, value in rows if data == "studio-wild"}
    assert len(numbers) == (2 + 2) + (2 + 7)
    # hair and clothes stand out from the body, and things before it hide some
    each = SILHOUETTE.count(pred, people.masks).accuracies()
    assert (each > 97).all(), each
    whole = numbers["accuracy/true", "lsp-silhouette"]
    assert (
        whole == pytest.approx(float(each.mean()))
        and whole > numbers["accuracy/true", "lsp-parts"] > 97
    )
    assert 0.85 < numbers["f1/true", "lsp-parts"] < numbers["f1/true", "lsp-silhouette"] < 1
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = SILHOUETTE.count(torch.roll(pred, shift, (1, 2)), people.masks)
        assert SILHOUETTE.evaluate(beside)["accuracy"] < whole - 0.1, shift
    turned = part_maps(model, posed.vertices[[*range(1, 6), 0]], people.intrinsics, *people.size)
    others = PART.evaluate(PART.count(turned, people.parts))
    assert others["f1"] < 0.5


def test_a_body_behind_the_camera_is_not_drawn(people):
    model = body.free()
    vertices = model(people.rotations, people.shape, -people.translation).vertices
    assert not part_maps(model, vertices, people.intrinsics, *people.size).any()


def test_protocols_say_their_rule_and_source():
    for name, protocol in MASK_PROTOCOLS.items():
        assert protocol.name == name and protocol.rule.endswith(".") and "20" in protocol.source
    assert len(PART.classes) == 7 and len(SILHOUETTE.classes) == 2
