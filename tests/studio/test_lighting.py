"""Light against the cosine law, and the lamps that rooms and skies draw."""

import numpy as np
import pytest
import torch

from posekit.studio.scene import light


def one_lamp(ambient=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0)):
    return light.lights(np.array(ambient), np.array(ground), [(np.array([0, 0, 2.0]), np.ones(3))])


def test_a_lamp_above_follows_the_wrapped_cosine():
    angle = torch.linspace(0, torch.pi, 50)
    normals = torch.stack([angle.sin(), 0 * angle, angle.cos()], -1)
    albedo = torch.tensor([0.2, 0.5, 1.0]).expand(50, 3)
    shaded = one_lamp().shade(normals, albedo)
    expected = ((angle.cos() + light.WRAP) / (1 + light.WRAP)).clamp(min=0)[:, None] * albedo
    assert torch.allclose(shaded, expected, atol=1e-6)
    assert shaded[0].tolist() == pytest.approx([0.2, 0.5, 1.0])
    assert (shaded[-1] == 0).all()


def test_the_sky_lights_what_looks_up_and_the_ground_what_looks_down():
    lamps = light.lights(
        np.array([0.4, 0.5, 0.6]), np.array([0.3, 0.2, 0.1]), [(np.array([1.0, 0, 0]), np.zeros(3))]
    )
    normals = torch.tensor([[0, 0, 1.0], [0, 0, -1.0], [0, 1.0, 0]])
    shaded = lamps.shade(normals, torch.ones(3, 3))
    expected = [[0.4, 0.5, 0.6], [0.3, 0.2, 0.1], [0.35, 0.35, 0.35]]
    assert torch.allclose(shaded, torch.tensor(expected), atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_drawn_lights_are_unit_warm_or_cool_and_of_a_plausible_level(seed):
    rng = np.random.default_rng(seed)
    for lamps in (light.indoors(rng, 1.0), light.indoors(rng, None), light.outdoors(rng, 0.3)):
        assert 1 <= len(lamps.directions) == len(lamps.colours) <= 3
        assert torch.allclose(lamps.directions.norm(dim=1), torch.ones(len(lamps.directions)))
        assert (lamps.directions[:, 2] > 0).all()
        white = lamps.shade(torch.tensor([[0, 0, 1.0]]), torch.ones(1, 3))
        assert 0.4 < white.min() and white.max() < 2.2
        assert (lamps.ground < lamps.ambient).all()


def test_a_window_gives_the_key_light_its_side():
    for seed in range(20):
        lamps = light.indoors(np.random.default_rng(seed), np.pi / 2)
        assert lamps.directions[0, 1] > 0.4
