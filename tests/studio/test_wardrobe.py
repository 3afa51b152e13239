from dataclasses import replace

import numpy as np
import pytest

from posekit.geometry import body
from posekit.studio.scene import wardrobe
from posekit.studio.scene.cast import figure, template

BODY = body.free()
FIGURE, PLACES = figure(BODY), template(BODY)
RED, GREEN = np.array([0.7, 0.02, 0.02]), np.array([0.02, 0.7, 0.02])


def look(**changes):
    drawn = wardrobe.draw(np.random.default_rng(1))
    top = replace(drawn.top, pattern="plain", colours=np.stack([RED] * 3))
    bottom = replace(drawn.bottom, pattern="plain", colours=np.stack([GREEN] * 3))
    return replace(drawn, top=top, bottom=bottom, hair_style="bald", tucked=False, **changes)


def worn(colours, cloth):
    return np.abs(colours / colours.max(1, keepdims=True) - cloth / cloth.max()).max(1) < 0.1


@pytest.mark.parametrize("sleeve, covered", [(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)])
def test_sleeves_end_where_the_look_says(sleeve, covered):
    shoulder, elbow, wrist = (
        FIGURE.at(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist")
    )
    along = np.linspace(0.05, 0.95, 19)[:, None]
    arm = np.concatenate([shoulder + along * (elbow - shoulder), elbow + along * (wrist - elbow)])
    colours, _ = wardrobe.paint(look(sleeve=sleeve), FIGURE, arm)
    assert worn(colours, RED).mean() == pytest.approx(covered, abs=0.03)


@pytest.mark.parametrize("leg, covered", [(1.0, 0.5), (2.0, 1.0)])
def test_trousers_end_where_the_look_says(leg, covered):
    knee, ankle = FIGURE.at("left_knee"), FIGURE.at("left_ankle")
    top = FIGURE.at("left_hip") - (0, 130, 0)
    along = np.linspace(0.03, 0.93, 31)[:, None]
    limb = np.concatenate([top + along * (knee - top), knee + along * (ankle - knee)])
    colours, _ = wardrobe.paint(look(leg=leg, hem=-10.0, sock_height=-20.0), FIGURE, limb)
    assert worn(colours, GREEN).mean() == pytest.approx(covered, abs=0.04)


def test_both_sides_of_the_body_wear_the_same():
    mirrored = PLACES * (-1, 1, 1)
    for seed in range(5):
        each = wardrobe.draw(np.random.default_rng(seed))
        plain = replace(each, top=replace(each.top, pattern="hoops"))
        off, other = (wardrobe.bulk(plain, FIGURE, at) for at in (PLACES, mirrored))
        assert off == pytest.approx(other, abs=1e-4)


def test_clothes_and_hair_stand_off_and_skin_does_not():
    drawn = look(sleeve=0.2, top_bulk=12.0, leg=1.5, bottom_bulk=9.0)
    off = wardrobe.bulk(drawn, FIGURE, PLACES)
    assert (off >= 0).all() and off.max() < 20
    hands = np.abs(PLACES[:, 0]) > FIGURE.at("left_wrist")[0]
    assert off[hands].max() == 0
    hairy = wardrobe.bulk(replace(drawn, hair_style="short", hair_bulk=25.0), FIGURE, PLACES)
    assert hairy[PLACES[:, 1].argmax()] == 25


def test_the_face_looks_ahead():
    colours, _ = wardrobe.paint(look(beard=False), FIGURE, FIGURE.eyes)
    assert colours.max() < 0.05  # pupils
    for x, y in ((0.0, 8.0), (20.0, -20.0)):  # bridge and cheek
        spot = FIGURE.eyes.mean(0) + (x, y - 10, 5.0)
        skin, _ = wardrobe.paint(look(beard=False), FIGURE, spot[None])
        assert skin.max() > 0.05
    nose = PLACES[np.linalg.norm(PLACES - FIGURE.nose, axis=1).argmin()]
    assert FIGURE.eyes[0, 0] > 0 > FIGURE.eyes[1, 0]  # the left one first
    assert nose[2] > FIGURE.eyes[:, 2].max()


def test_looks_differ_and_colours_stay_colours():
    drawn = [wardrobe.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert len({tuple(each.skin.round(3)) for each in drawn}) > 150
    assert {each.hair_style for each in drawn} == set(wardrobe.HAIR)
    assert {each.top.pattern for each in drawn} == set(wardrobe.PATTERNS)
    for each in drawn[:40]:
        colours, tips = wardrobe.paint(each, FIGURE, PLACES)
        assert np.isfinite(colours).all() and 0 <= colours.min() and colours.max() <= 1
        assert np.abs(tips).max() < 2


def test_noise_has_no_seams():
    period = wardrobe.CELLS * 10.0 / 4  # where the volume begins again, at scale 10
    steps = np.arange(0, 2 * period, 10 / 4)
    line = wardrobe._noise(steps * np.array([[1], [0], [0]]) + 0.5, 10.0, 7)
    assert (line[: wardrobe.CELLS] == line[wardrobe.CELLS :]).all()
    jumps = np.abs(np.diff(line, axis=0)).max(1)
    assert jumps[wardrobe.CELLS - 1] <= jumps.max()
    assert jumps.max() < 1.0
    assert wardrobe._volume().std() == pytest.approx(0.5, rel=0.01)
