"""A user's own pictures: what is taken, what is passed over, and what is refused with a remedy."""

import cv2
import numpy as np
import pytest
import torch

from posekit.studio.scene import backgrounds
from posekit.studio.scene.backgrounds import background, pictures_in


def draw(path, rows=60, columns=80, seed=0):
    rng = np.random.default_rng(seed)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (columns, rows))
    assert cv2.imwrite(str(path), picture)
    return picture


def test_a_whole_picture_comes_back_in_linear_light_red_first(tmp_path):
    picture = draw(tmp_path / "a.png")
    paths = pictures_in(tmp_path)
    shown = picture[..., ::-1].astype(float) / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    ways = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        view = background(paths, rng, 60, 80)
        assert view.colour.shape == (60, 80, 3) and view.colour.dtype == torch.float32
        assert view.depth.isinf().all() and not view.floor.any()
        # Every colour lies between the picture's, and its mean near the picture's.
        assert linear.min() - 1e-6 <= view.colour.min() and view.colour.max() <= linear.max() + 1e-6
        fresh = np.random.default_rng(seed)
        assert torch.equal(view.colour, background(paths, fresh, 60, 80).colour)
        ways.add(round(float(view.colour.mean()), 6))
    assert len(ways) > 20


def test_the_largest_part_is_the_picture_itself_or_its_mirror(tmp_path):
    picture = draw(tmp_path / "a.png")

    class Whole(np.random.Generator):
        """A generator that wants all of it."""

        mirror = False

        def integers(self, high):
            return 0

        def uniform(self, low, high):
            return high

        def random(self):
            return 0.0 if self.mirror else 1.0

    paths = pictures_in(tmp_path)
    for mirror in (False, True):
        rng = Whole(np.random.PCG64(0))
        rng.mirror = mirror
        colour = background(paths, rng, 60, 80).colour.numpy()
        shown = np.where(
            colour <= 0.0031308,
            colour * 12.92,
            1.055 * np.maximum(colour, 1e-6) ** (1 / 2.4) - 0.055,
        )
        back = np.rint(shown * 255).astype(int)[..., ::-1]
        assert np.array_equal(back[:, ::-1] if mirror else back, picture)


def test_pictures_are_taken_by_name_and_the_rest_is_passed_over(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("b.JPG", "a.png", "c.jpeg"):
        draw(folder / name)
    (folder / "notes.txt").write_text("where they are from")
    (folder / "more.png").mkdir()
    draw(tmp_path / "outside.png")
    (folder / "d.png").symlink_to(tmp_path / "outside.png")
    (folder / "e.png").symlink_to(folder / "a.png")
    (folder / "f.png").symlink_to(folder / "nowhere.png")
    names = [path.name for path in pictures_in(folder)]
    assert names == ["a.png", "b.JPG", "c.jpeg", "e.png"]


def test_folders_without_pictures_and_missing_ones_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        pictures_in(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no .jpg, .jpeg, .png pictures; add some"):
        pictures_in(tmp_path)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_pictures_are_named_with_the_remedy(tmp_path, data):
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(
        ValueError, match="bad.png is (neither a JPEG nor a PNG|cut off or damaged)"
    ):
        background(pictures_in(tmp_path), np.random.default_rng(0), 8, 8)


def test_a_torn_picture_is_refused(tmp_path):
    draw(tmp_path / "torn.png")
    data = (tmp_path / "torn.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(data[:40])
    with pytest.raises(ValueError, match="torn.png .*cut off or damaged: get it again"):
        background(pictures_in(tmp_path), np.random.default_rng(0), 8, 8)


def test_memory_holds_only_so_many_small_copies(tmp_path):
    for k in range(2):
        draw(tmp_path / f"{k}.jpg", 1500, 1200, seed=k)
    paths, rng = pictures_in(tmp_path), np.random.default_rng(0)
    before = backgrounds._read.cache_info().misses
    for _ in range(12):
        background(paths, rng, 16, 16)
    assert backgrounds._read.cache_info().misses == before + 2
    assert backgrounds._read.cache_info().maxsize == backgrounds.KEPT
    assert all(max(backgrounds._read(path).shape) == 1024 for path in paths)
