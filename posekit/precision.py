"""What fewer bits cost a trained network: the error of its files beside its own, by a card."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from posekit import deploy, posing
from posekit.data.pictures import Album
from posekit.keypoints import light
from posekit.picture_cards import PictureCard
from posekit.speed import RUNNING, write

CALIBRATION = 100  # pictures that int8's scales are found on


def errors(
    network: nn.Module,
    ways: Sequence[str],
    learn: Album,
    test: posing.Filmed,
    card: PictureCard,
) -> dict[str, float]:
    """mm on `test` of the network itself ("torch-float32") and of its files, each run in a way of
    `speed.RUNNING`. int8's scales are found on pictures of `learn`, spread over all of it.

    Errors as `posekit.export`; KeyError for another way.
    """
    pictures = test.album.batch.images
    chosen = learn.batch.images[:: max(1, len(learn) // CALIBRATION)]
    found = {"torch-float32": posing.joints(network, pictures)}
    with tempfile.TemporaryDirectory() as folder:
        for way in ways:
            file, precision = RUNNING[way]
            path = write(network, file, Path(folder), light(pictures[:1]), light(chosen))
            loaded = deploy.load(path, threads=1, precision=precision)
            found[way] = torch.cat([loaded(light(part)) for part in pictures.split(100)])
    return {
        way: next(mm for *_, mm in posing.quantities("", cube, test, [card], 0.0))
        for way, cube in found.items()
    }
