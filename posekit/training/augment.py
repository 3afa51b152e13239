"""The papers' augmentations of pictures, on whole batches, labels included.

`augment` draws from a recipe (`posekit.training.augmentations`, where the papers' own are) and `apply` does what
was drawn, in this order: one warp (mirror, turn, zoom about the picture's centre; `posekit.warp`),
things pasted over, an erased rectangle, colours. Where the papers paste or erase on the full frame
before they crop, here it happens on the crop, after the warp: shares are those of the crop, and
rectangles stay upright.

B persons, J joints, H x W pixels of the pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from posekit.data.albums import Album
from posekit.data.batch import HIDDEN, SEEN, Batch, join, unit_range
from posekit.training.augmentations import RECIPES, Drawn, Placed, Recipe
from posekit.training.warp import warp

__all__ = ["RECIPES", "Drawn", "Placed", "Recipe", "apply", "augment", "paint"]


class Augmented:
    """An album as a data set for training: batches of pictures, augmented anew in every epoch.

    `targets` makes the targets of a batch. With `only_3d`, pictures without 3D joints stay as they
    are, as Bouchiat et al. leave those of MPII.
    """

    def __init__(
        self,
        album: Album,
        augmentation: str,
        targets: Callable[[Batch], Tensor | Batch],
        *,
        seed: int = 0,
        device: str = "cpu",
        only_3d: bool = False,
    ):
        self.batch, self.targets, self.only_3d = album.batch.to(device), targets, only_3d
        self.augment = partial(augment, recipe=augmentation, seed=seed, occluders=album.occluders)

    def __len__(self) -> int:
        return len(self.batch)

    def samples(
        self, indices: Int64[Tensor, " B"], epoch: int = 0
    ) -> tuple[Float[Tensor, "B 3 H W"], Tensor | Batch]:
        """The pictures of these indices, augmented as in `epoch`, with their targets."""
        chosen = self.batch[indices.to(self.batch.images.device)]
        varied = chosen.has_joints3d if self.only_3d else torch.ones_like(chosen.has_joints3d)
        if varied.all():
            chosen = self.augment(chosen, epoch=epoch)
        elif varied.any():
            order = torch.cat([varied.nonzero(), (~varied).nonzero()]).flatten().argsort()
            chosen = join([self.augment(chosen[varied], epoch=epoch), chosen[~varied]])[order]
        return unit_range(chosen.images), self.targets(chosen)


def augment(
    batch: Batch,
    recipe: Recipe | str,
    *,
    seed: int,
    epoch: int = 0,
    occluders: Sequence[UInt8[np.ndarray, "_ _ 4"]] = (),
) -> Batch:
    """The batch after the recipe's dice of `seed` and `epoch`; see `Recipe.draw` and `apply`.

    ValueError for a name that is not in `RECIPES`, and those of both.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            names = ", ".join(f'"{name}"' for name in RECIPES)
            raise ValueError(f'there is no recipe "{recipe}", there are {names}')
        recipe = RECIPES[recipe]
    return apply(batch, recipe.draw(batch.index, batch.size, seed=seed, epoch=epoch), occluders)


def apply(
    batch: Batch,
    drawn: Drawn,
    occluders: Sequence[UInt8[np.ndarray, "_ _ 4"]] = (),
    *,
    hide: bool = True,
) -> Batch:
    """The batch after all that was drawn; the one given stays as it is.

    `occluders` are RGB and opacity, as `posekit.data.voc` and `posekit.scene.occluders` make them.
    With `hide`, joints SEEN become HIDDEN and masks and parts 0 where something covers them by half
    or more. ValueError when samples and draws differ in number or there is nothing to paste.
    """
    _check(batch, drawn, occluders)
    moved = warp(batch, drawn.matrices(batch.size).to(batch.images.device))
    return paint(moved, drawn, occluders, hide=hide)


def paint(
    batch: Batch,
    drawn: Drawn,
    occluders: Sequence[UInt8[np.ndarray, "_ _ 4"]] = (),
    *,
    hide: bool = True,
) -> Batch:
    """As `apply`, all but the warp: for pictures that were taken already turned and zoomed."""
    _check(batch, drawn, occluders)
    batch = replace(batch, images=batch.images.clone())
    covered = torch.zeros_like(batch.images[:, 0], dtype=torch.bool)
    for picture, cover, placed in zip(batch.images, covered, drawn.placed, strict=True):
        for place in placed:
            _paste(picture, cover, occluders[int(place.which * len(occluders))], place)
    for sample in drawn.erased[:, 2].nonzero()[:, 0].tolist():
        left, top, width, height = drawn.erased[sample].tolist()
        where = (..., slice(top, top + height), slice(left, left + width))
        rng = np.random.Generator(np.random.Philox(int(drawn.noise[sample])))
        noise = rng.integers(0, 256, (3, height, width), np.uint8)
        batch.images[sample][where] = torch.from_numpy(noise).to(covered.device)
        covered[sample][where] = True
    if hide and covered.any():
        batch = _hide(batch, covered)
    if (drawn.colour != 1).any():
        factors = drawn.colour[:, :, None, None].to(covered.device)
        # A few at a time: their float copies stay in the processor's cache.
        for pictures, factor in zip(batch.images.split(2), factors.split(2), strict=True):
            pictures.copy_((pictures * factor).round_().clamp_(0, 255))
    return batch


def _check(batch: Batch, drawn: Drawn, occluders: Sequence[np.ndarray]) -> None:
    if len(drawn.flip) != len(batch):
        raise ValueError(f"{len(drawn.flip)} draws do not fit {len(batch)} samples")
    if any(drawn.placed) and not len(occluders):
        raise ValueError(
            "the recipe pastes things over pictures: give occluders=occluders.shapes(rng, 50), of "
            "posekit.scene.occluders, or occluders=voc.occluders(folder), of posekit.data.voc"
        )


def _paste(
    picture: UInt8[Tensor, "3 H W"],
    cover: Bool[Tensor, "H W"],
    occluder: UInt8[np.ndarray, "h w 4"],
    place: Placed,
) -> None:
    """Blend one cut-out into the picture, as far as it lies inside, and note what it covers."""
    height, width = picture.shape[1:]
    scale = place.scale * min(height, width) / 256
    extent = [max(1, round(length * scale)) for length in occluder.shape[1::-1]]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    occluder = cv2.resize(occluder, extent, interpolation=way)
    left = round(place.x * width - extent[0] / 2)
    top = round(place.y * height - extent[1] / 2)
    x, y = slice(max(left, 0), left + extent[0]), slice(max(top, 0), top + extent[1])
    inside = occluder[y.start - top : height - top, x.start - left : width - left]
    layer = torch.from_numpy(np.ascontiguousarray(inside.transpose(2, 0, 1))).to(picture.device)
    opacity = layer[3:].float() / 255
    under = picture[:, y, x].float()
    picture[:, y, x] = under.lerp(layer[:3].float(), opacity).round_().to(torch.uint8)
    cover[y, x] |= layer[3] >= 128


def _hide(batch: Batch, covered: Bool[Tensor, "B H W"]) -> Batch:
    """Labels of a batch that is no longer seen where it is covered."""
    height, width = batch.size
    joints = batch.joints2d.nan_to_num(-1, -1, -1).round()
    inside = (joints >= 0).all(-1) & (joints < joints.new_tensor([width, height])).all(-1)
    x, y = joints.masked_fill(~inside[..., None], 0).long().unbind(-1)
    hidden = covered[torch.arange(len(batch), device=x.device)[:, None], y, x] & inside
    maps = {
        name: labels.masked_fill(covered, 0)
        for name in ("masks", "parts")
        if (labels := getattr(batch, name)) is not None
    }
    visible = batch.visible.masked_fill(hidden & (batch.visible == SEEN), HIDDEN)
    return replace(batch, visible=visible, **maps)
