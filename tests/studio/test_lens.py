import numpy as np
import pytest

from posekit.studio.scene import lens
from posekit.studio.scene.lens import Lens


def plain(value, size=64):
    return np.full((size, size, 3), value, dtype=np.float32)


def test_brighter_light_never_leaves_darker():
    ramp = np.linspace(0, 3, 600, dtype=np.float32).reshape(1, 600, 1).repeat(3, 2).repeat(4, 0)
    for contrast in (0.0, 0.5, 1.0):
        row = lens.expose(ramp, Lens(contrast=contrast))[0, :, 0].astype(int)
        assert (np.diff(row) >= 0).all()
        assert row[0] == 0 and row[-1] == 255


def test_the_meter_makes_a_dark_and_a_bright_place_alike():
    rng = np.random.default_rng(0)
    scene = rng.uniform(0.1, 0.4, (32, 32, 3)).astype(np.float32)
    settings = Lens(exposure=0.2)
    dark, bright = lens.expose(0.2 * scene, settings), lens.expose(1.7 * scene, settings)
    assert np.abs(dark.astype(int) - bright.astype(int)).max() <= 1


def test_noise_is_as_strong_as_its_settings_say():
    # Between neighbouring levels the tone curve is a straight line: its slope, measured without
    # noise, turns the spread of grey levels back into light.
    light = 0.3
    ramp = np.linspace(0.2, 0.4, 400, dtype=np.float32)
    greys = lens.expose(ramp[None, :, None].repeat(3, 2), Lens())[0, :, 0]
    slope = np.polynomial.polynomial.Polynomial.fit(ramp, greys, 3).deriv()(light)
    for shot, read in ((0.0, 0.02), (0.002, 0.0), (0.002, 0.01)):
        noisy = lens.expose(plain(light, 256), Lens(shot=shot, read=read)).astype(float)
        expected = np.sqrt(shot * light + read**2 + 1 / 12 / slope**2)  # and rounding
        assert noisy.std() / slope == pytest.approx(expected, rel=0.03)


def test_another_frame_has_other_noise_and_nothing_else():
    settings = lens.draw(np.random.default_rng(3))
    one, two = lens.with_noise_of(settings, 1), lens.with_noise_of(settings, 2)
    assert one.noise != two.noise
    assert lens.with_noise_of(settings, 1) == one
    assert one.exposure == settings.exposure and one.jpeg == settings.jpeg


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 145.0])
def test_motion_spreads_light_along_a_line(angle):
    dot = plain(0.0)
    dot[32, 32] = 1.0
    blurred = lens._blur(dot, Lens(motion=(8.0, angle)))[..., 0].astype(float)
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    y, x = np.mgrid[:64, :64] - 32.0
    way = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    # A correlation mirrors the kernel; a line is its own mirror image.
    along, across = way[0] * x + way[1] * y, way[1] * x - way[0] * y
    assert (blurred * along).sum() == pytest.approx(0, abs=0.05)
    # A line of length L has the variance L^2 / 12, and sharing between pixels adds up to 1/4.
    assert (blurred * along**2).sum() == pytest.approx(64 / 12, abs=0.6)
    assert (blurred * across**2).sum() < 0.3


def test_jpeg_keeps_the_colours_in_their_channels():
    red = plain(0.0)
    red[..., 0] = 0.8
    picture = lens.expose(red, Lens(jpeg=90))
    assert picture[..., 0].mean() > 150
    assert picture[..., 1:].mean() < 40


def test_the_corners_lose_the_light_that_vignette_says():
    picture = lens.expose(plain(0.5, 65), Lens(vignette=0.5))
    half = lens.expose(plain(0.25, 65), Lens())
    assert abs(int(picture[0, 0, 0]) - int(half[0, 0, 0])) <= 1
    assert picture[32, 32, 0] == lens.expose(plain(0.5, 65), Lens())[32, 32, 0]


@pytest.mark.parametrize("size", [64, 700])
def test_same_settings_same_bytes_at_any_size(size):
    settings = lens.draw(np.random.default_rng(5))
    light = np.random.default_rng(6).random((size, size, 3), dtype=np.float32)
    before = light.copy()
    assert (lens.expose(light, settings) == lens.expose(light, settings)).all()
    assert (light == before).all()


def test_bad_light_and_bad_settings_are_named():
    with pytest.raises(ValueError, match="NaN"):
        lens.expose(plain(np.nan), Lens())
    with pytest.raises(ValueError, match="quality 101"):
        lens.expose(plain(0.5), Lens(jpeg=101))
