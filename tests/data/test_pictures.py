"""Loading pictures: the same bytes for the same index, however they are loaded."""

import numpy as np
import pytest
import torch

from posekit.data import pictures
from posekit.data.batch import SEEN, Batch, within
from posekit.data.pictures import Pictures, dice, draw, loader
from posekit.geometry.skeleton import COCO17


class Noise(Pictures):
    """Small pictures that only their index decides."""

    name, version, skeleton = "noise", "1", COCO17

    def __init__(self, count: int = 40):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> Batch:
        noise = torch.from_numpy(dice(index).integers(0, 256, (1, 3, 24, 32), np.uint8))
        return Batch(
            skeleton=COCO17,
            index=torch.tensor([index]),
            images=noise,
            boxes=torch.tensor([[0.0, 0.0, 32.0, 24.0]]),
            joints2d=noise[:, 0, :17, :2].float(),
            visible=torch.full((1, 17), SEEN, dtype=torch.uint8),
            intrinsics=torch.eye(3)[None],
            joints3d=noise[:, 0, :17, :3].float(),
            has_joints3d=torch.tensor([True]),
            rotations=torch.eye(3).expand(1, 24, 3, 3),
            shape=torch.zeros(1, 10),
            translation=torch.zeros(1, 3),
            has_body=torch.tensor([False]),
            masks=noise[:, 0],
            parts=noise[:, 1],
        )


def same(one: Batch, other: Batch) -> bool:
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return all(torch.equal(a, b) for (_, a), (_, b) in pairs)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_bytes_do_not_depend_on_workers(workers):
    pictures, batches = Noise(), [[0, 1, 2], [9, 4], [30]]
    loaded = list(loader(pictures, batches, workers=workers))
    assert [batch.index.tolist() for batch in loaded] == batches
    expected = [pictures[indices] for indices in batches]
    assert all(same(a, b) for a, b in zip(loaded, expected, strict=True))
    whole = draw(pictures, "noise", workers, masks=True)
    assert same(whole, pictures[:])
    assert draw(pictures, "noise", 0).masks is None


def test_there_is_a_worker_for_each_core_that_may_be_used(monkeypatch):
    asked = []
    monkeypatch.setattr(pictures, "loader", lambda *_, workers: asked.append(workers) or [])
    monkeypatch.setattr(pictures, "cores", lambda: 2)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    for count in (40, 16):  # in batches of 16
        list(pictures.drawn(Noise(count), "noise"))
    assert asked == [2, 1]


def test_pictures_are_asked_for_as_lists_slices_and_numbers():
    pictures = Noise()
    assert same(pictures[2:4], pictures[[2, 3]])
    assert same(pictures[3], pictures[torch.tensor([3])])
    with pytest.raises(IndexError, match="no picture 40: there are 40"):
        pictures[40]


def test_fingerprints_tell_pictures_apart():
    assert Noise().fingerprint() == Noise().fingerprint()
    assert Noise().fingerprint() != Noise(39).fingerprint()


def test_random_numbers_depend_on_their_key_alone():
    assert dice(1, 2).integers(2**31) == dice(1, 2).integers(2**31)
    assert dice(1, 2).integers(2**31) != dice(2, 1).integers(2**31)


def test_a_point_is_within_a_picture_where_it_is_on_a_pixel():
    """Centres are whole numbers: each pixel has its upper left edge, and the next one the other."""
    points = [[-0.5, -0.5], [31.4, 23.4], [31.5, 5], [5, 23.5], [-0.6, 5], [5, -0.6], [np.nan, 5]]
    for kind in (torch.float32, torch.float64):
        found = within(torch.tensor(points, dtype=kind), (24, 32))
        assert found.tolist() == [True, True, False, False, False, False, False]
