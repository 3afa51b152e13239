"""Generated occluders to lay over pictures."""

import numpy as np
import pytest

from posekit.studio.scene.occluders import SIZES, shapes


@pytest.fixture(scope="module")
def things() -> list[np.ndarray]:
    return shapes(np.random.default_rng(0), 80)


def test_the_same_generator_makes_the_same_bytes(things):
    again = shapes(np.random.default_rng(0), 10)
    assert all(np.array_equal(a, b) for a, b in zip(things[:10], again, strict=True))
    assert not np.array_equal(things[0], shapes(np.random.default_rng(1), 1)[0])


def test_things_have_a_body_an_outside_and_a_soft_edge(things):
    for thing in things:
        assert thing.dtype == np.uint8 and thing.shape[2] == 4
        assert SIZES[0] <= min(thing.shape[:2]) and max(thing.shape[:2]) <= SIZES[1]
        opacity = thing[..., 3]
        assert (opacity > 250).sum() >= 30
        assert (opacity == 0).any() and ((opacity > 20) & (opacity < 235)).any()
        # Nothing is cut off at the frame, where an edge would be hard.
        frame = [opacity[0], opacity[-1], opacity[:, 0], opacity[:, -1]]
        assert max(side.max() for side in frame) < 200


def test_things_are_of_many_forms_and_colours(things):
    filled = [float((thing[..., 3] > 127).mean()) for thing in things]
    assert min(filled) < 0.2 and max(filled) > 0.65
    colours = np.array([thing[thing[..., 3] > 250][:, :3].mean(0) for thing in things])
    assert (colours.std(axis=0) > 30).all()
    spread = [thing[thing[..., 3] > 250][:, :3].std(0).max() for thing in things]
    assert min(spread) < 15 and max(spread) > 40


def test_no_shapes_cannot_be_made():
    with pytest.raises(ValueError, match="cannot make 0 shapes"):
        shapes(np.random.default_rng(0), 0)
