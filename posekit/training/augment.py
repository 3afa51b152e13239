"""Apply the papers' augmentations to batches of pictures, labels included.

What was drawn (`posekit.training.augmentations`) happens in this order: one warp (mirroring,
rotation and zoom about the picture's centre; `posekit.training.warp`), 3D joints scaled about the
camera, so that their projections stay, things pasted over, an erased rectangle, colours. Where the
papers paste or erase on the full frame before they crop, here it happens on the crop, after the
warp: shares are those of the crop, and rectangles stay upright. With `whole` frames
(`posekit.training.whole_frames`) it happens as in the papers' code.

B persons, J joints, H x W pixels of the pictures.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from itertools import repeat

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from posekit.data.albums import Album
from posekit.data.batch import HIDDEN, SEEN, Batch, join, unit_range
from posekit.training.augmentations import AUGMENTATIONS, Augmentation, Draw, Placed
from posekit.training.warp import similarities, warp
from posekit.training.whole_frames import Frame, cut, read_frames

Occluders = Sequence[UInt8[np.ndarray, "_ _ 4"]]  # RGB and opacity


class Augmented:
    """An album as a data set for training: batches of pictures, augmented anew in every epoch.

    `targets` makes the targets of a batch. With `only_3d`, pictures without 3D joints stay as they
    are, as Bouchiat et al. leave those of MPII. With `whole`, persons are cut out of their whole
    pictures after the augmentation. If the album has `turns`, they choose the rows of each epoch.
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
        whole: bool = False,
    ):
        self.album, self.targets, self.device = album, targets, torch.device(device)
        self.only_3d, self.whole = only_3d, whole
        self.augment = partial(
            augment, augmentation=augmentation, seed=seed, occluders=album.occluders
        )

    def __len__(self) -> int:
        return len(self.album.turns or self.album)

    def on(self, device: str) -> "Augmented":
        """The same for a training on another device."""
        other = copy(self)
        other.__dict__.pop("batch", None)
        other.device = torch.device(device)
        return other

    @cached_property
    def batch(self) -> Batch:
        """The album's pictures, on the device where they fit."""
        batch = self.album.batch
        return batch.to(self.device) if _fits(batch.images, self.device) else batch

    def samples(
        self, indices: Int64[Tensor, " B"], epoch: int = 0
    ) -> tuple[Float[Tensor, "B 3 H W"], Tensor | Batch]:
        """The pictures of these indices, augmented as in `epoch`, with their targets."""
        turns, device, held = self.album.turns, self.device, self.album.batch
        rows = indices if turns is None else turns.epoch(epoch)[indices]
        # What decides here is read on the host: a GPU would have to wait for its own work.
        varied = held.has_joints3d[rows] if self.only_3d else torch.ones(len(rows)).bool()
        chosen = self.batch[rows.to(self.batch.images.device)].to(device)
        if turns is None:
            numbers = held.index[rows]
        else:  # a picture that is shown twice is not augmented twice alike
            numbers, chosen = indices, replace(chosen, index=indices.to(device))
        how = {"epoch": epoch, "numbers": numbers[varied].tolist()}
        if self.whole and varied.any():
            own = rows[varied]
            how["frames"] = read_frames(self.album, own.tolist(), held.images[own])
        if varied.all():
            chosen = self.augment(chosen, **how)
        elif varied.any():
            first, rest = (part.nonzero()[:, 0].to(device) for part in (varied, ~varied))
            changed = self.augment(chosen[first], **how)
            chosen = join([changed, chosen[rest]])[torch.cat([first, rest]).argsort()]
        return unit_range(chosen.images), self.targets(chosen)


def _fits(images: UInt8[Tensor, "N 3 H W"], device: torch.device) -> bool:
    """Whether pictures may lie on the device; others are read from memory or disk, by batches."""
    return device.type != "cuda" or images.numel() < torch.cuda.mem_get_info(device)[0] / 4


def augment(
    batch: Batch,
    augmentation: Augmentation | str,
    *,
    seed: int,
    epoch: int = 0,
    occluders: Occluders = (),
    frames: Sequence[Frame] = (),
    numbers: Sequence[int] | None = None,
) -> Batch:
    """The batch augmented as in `epoch` of a training with this `seed`; with `frames`, from these.

    Each sample's random numbers are those of its number, by default the batch's `index`.
    Raises ValueError for a name that is not in AUGMENTATIONS, and where the augmentation pastes
    things and there are no `occluders`.
    """
    if isinstance(augmentation, str):
        if augmentation not in AUGMENTATIONS:
            names = ", ".join(f'"{name}"' for name in AUGMENTATIONS)
            raise ValueError(f'no augmentation "{augmentation}", there are {names}')
        augmentation = AUGMENTATIONS[augmentation]
    numbers = batch.index.tolist() if numbers is None else numbers
    how, edges = {"seed": seed, "epoch": epoch}, [frame.edges for frame in frames] or repeat(())
    draws = [
        augmentation.draw(each, batch.size, edges=edge, **how)
        for each, edge in zip(numbers, edges, strict=False)
    ]
    return apply(batch, draws, occluders, frames)


def apply(
    batch: Batch,
    draws: Sequence[Draw],
    occluders: Occluders = (),
    frames: Sequence[Frame] = (),
) -> Batch:
    """The batch after what was drawn for each sample; the one passed in stays as it is.

    The persons' `frames`, where there are any, are changed in place and cut anew.

    Joints SEEN become HIDDEN, and masks and parts 0, where something covers them by half or more.
    """
    if any(draw.placed for draw in draws) and not len(occluders):
        raise ValueError(
            "this augmentation pastes things over pictures and the album has no occluders; take "
            "replace(album, occluders=...) with DataSets.occluders(seed) of posekit.training"
        )
    moved, device = matrices(draws, batch.size), batch.images.device
    if frames:
        pairs = zip(frames, draws, moved, strict=True)
        parts = [_from_frame(frame, draw, occluders, by, batch.size) for frame, draw, by in pairs]
        images, covered = (torch.stack(each).to(device) for each in zip(*parts, strict=True))
        batch = warp(batch, moved.to(device), images)
    else:
        batch = warp(batch, moved.to(device))
        covered = torch.zeros_like(batch.images[:, 0], dtype=torch.bool)
        for picture, cover, draw in zip(batch.images, covered, draws, strict=True):
            left, top, width, height = draw.erased
            rectangle = slice(top, top + height), slice(left, left + width)
            _cover(picture, cover, draw, occluders, rectangle)
    depth = batch.joints3d.new_tensor([draw.depth for draw in draws])
    batch = replace(batch, joints3d=batch.joints3d * depth[:, None, None])
    if any(draw.placed or draw.erased[2] for draw in draws):
        batch = _hide(batch, covered)
    colour = torch.tensor([draw.colour for draw in draws])
    if (colour != 1).any():
        factors = colour[:, :, None, None].to(covered.device)
        # A few at a time: their float copies stay in the processor's cache.
        for pictures, factor in zip(batch.images.split(2), factors.split(2), strict=True):
            pictures.copy_((pictures * factor).round_().clamp_(0, 255))
    return batch


def matrices(draws: Sequence[Draw], size: tuple[int, int]) -> Float[Tensor, "B 3 3"]:
    """The similarities in pictures of `size` that mirror, rotate and zoom as was drawn."""
    flip = torch.tensor([draw.flip for draw in draws])
    turn, side = torch.tensor([(d.turn, d.side) for d in draws], dtype=torch.float64).unbind(1)
    return similarities(size, flip, turn, 1 / side)


def _from_frame(
    frame: Frame,
    draw: Draw,
    occluders: Occluders,
    matrix: Float[Tensor, "3 3"],
    size: tuple[int, int],
) -> tuple[UInt8[Tensor, "3 H W"], Bool[Tensor, "H W"]]:
    """One person cut out of the whole picture after what was drawn, and what of it is covered."""
    cover = torch.zeros(frame.image.shape[:2], dtype=torch.bool)
    picture = torch.from_numpy(frame.image).permute(2, 0, 1)
    _cover(picture, cover, draw, occluders, frame.inside(draw.erased))
    return cut(frame, cover, matrix, size)


def _cover(
    picture: UInt8[Tensor, "3 H W"],
    cover: Bool[Tensor, "H W"],
    draw: Draw,
    occluders: Occluders,
    rectangle: tuple[slice, slice],
) -> None:
    """Paste what was drawn and erase a rectangle of rows and columns, in place."""
    for place in draw.placed:
        _paste(picture, cover, occluders[int(place.which * len(occluders))], place)
    if draw.erased[2]:
        where = (..., *rectangle)
        rng = np.random.Generator(np.random.Philox(draw.noise))
        noise = rng.integers(0, 256, picture[where].shape, np.uint8)
        picture[where] = torch.from_numpy(noise).to(cover.device)
        cover[where] = True


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
