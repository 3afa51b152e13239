"""`posekit maintain light`: train the network that `posekit predict` uses by default.

The studio's strangers and no photograph: MobileNetV2's weights, from ImageNet, are all that it has
seen of the world. Its first blocks and their batch normalisation stay as they are, the other blocks
learn at 0.3 of the rate. An average of the weights is what is kept.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from posekit.data import albums
from posekit.data.batch import unit_range
from posekit.geometry.skeleton import H36M17
from posekit.inference import evaluation
from posekit.inference.adapters import pose_network
from posekit.inference.trained import of_checkpoint
from posekit.models import checkpoint
from posekit.models.integral import from_cube
from posekit.models.light import LightPose
from posekit.studio.wild import Wild
from posekit.system import read_sealed, write_sealed
from posekit.training.augment import augment
from posekit.training.augmentations import Augmentation, Erase, Normal, Uniform
from posekit.training.experiment import predict
from posekit.training.integral import cube_loss, targets

SIDE, DEPTH = 128, 16  # px, voxels
STRANGERS, TESTS = 39_000, 600  # pictures
PEOPLE = 2  # in a picture at most
WORKERS = None  # processes that draw; one a core
BATCH, RATE, ENCODER, DECAY, CLIP = 32, 2e-3, 0.3, 0.01, 5.0
WARM, FALL = 6_000, 60_000  # pictures in which the rate rises at the start and falls at the end
AVERAGED, EVERY = 0.999, 8_000  # of the average after a step; pictures between two reports
AUGMENTATION = Augmentation(
    flip=0.5,
    turn=Normal(25, 2),
    turned=0.6,
    zoom=Normal(0.2, 1),
    colour=Uniform(0.6, 1.4),
    erase=Erase(0.2, Uniform(0, 0.2), Uniform(0.3, 1 / 0.3)),
)


def main(imagenet: Path, out: Path, seen: int, photographs: Mapping[str, Path]) -> None:
    """Train on `seen` pictures, again and again those of `STRANGERS`, and write the checkpoint.

    `imagenet` has MobileNetV2's weights as a state_dict, `photographs` the folders of sets that
    `posekit evaluate` knows, to say how good the network is on them. What is interrupted goes on
    from the file beside `out`.
    """
    network, state = LightPose(depth=DEPTH), out.with_suffix(".part")
    network.load_imagenet(torch.load(imagenet, weights_only=True, map_location="cpu"))
    network = network.to(memory_format=torch.channels_last).train()
    network.stem.requires_grad_(False)
    strangers = {"size": SIDE, "skeleton": H36M17, "people": PEOPLE}
    train = albums.read(
        Wild("train", STRANGERS, seed=77, **strangers), "strangers", workers=WORKERS
    ).batch
    test = albums.read(
        Wild("test", TESTS, seed=78, **strangers), "test strangers", workers=WORKERS
    ).batch
    encoder = [*network.middle.parameters(), *network.deep.parameters()]
    others = [p for m in (network.neck, network.up, network.final) for p in m.parameters()]
    groups = [{"params": others, "part": 1.0}, {"params": encoder, "part": ENCODER}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=DECAY)
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGED), use_buffers=True
    )
    parts = {"network": network, "optimiser": optimiser, "mean": mean}
    done = _resume(state, parts) if state.exists() else 0
    begun, losses = time.perf_counter(), []
    for step, rows in _batches(len(train), done, seen):
        rate = RATE * min(1, step / WARM, (seen - step) / FALL)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["part"]
        batch = augment(train[rows], AUGMENTATION, seed=0, epoch=step // len(train))
        pictures = _camera(unit_range(batch.images), seed=step)
        loss = cube_loss(network.volumes(pictures), targets(batch), kind="both")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        mean.update_parameters(network)
        losses.append(loss.item())
        if (step + BATCH) // EVERY > step // EVERY:
            apart, deep = _errors(mean.module, test)
            speed = BATCH * len(losses) / (time.perf_counter() - begun)
            print(
                f"{step + BATCH:,} pictures: loss {sum(losses) / len(losses):.4f}, test "
                f"{apart:.2f} px, {deep:.0f} mm; {speed:.0f} pictures/s",
                flush=True,
            )
            begun, losses = time.perf_counter(), []
            content = io.BytesIO()
            kept = {name: part.state_dict() for name, part in parts.items()}
            torch.save(kept | {"seen": step + BATCH}, content)
            write_sealed(state, content.getvalue())
            network.train()
    write(mean.module, out, seen, _errors(mean.module, test), photographs)


def write(
    network: LightPose,
    out: Path,
    seen: int,
    errors: tuple[float, float],
    photographs: Mapping[str, Path],
) -> None:
    """Write the checkpoint, with what was measured of it in its `origin`."""
    apart, deep = errors
    about = checkpoint.About(
        kind="integral",
        network="light",
        skeleton=H36M17.name,
        side=SIDE,
        name=out.stem,
        origin=f"trained by posekit on {seen:,} pictures of generated people, from ImageNet's "
        f"weights; on others of them {apart:.1f} px of {SIDE} and {deep:.0f} mm of depth off",
        shape={"side": SIDE, "depth": DEPTH},
    )
    checkpoint.save(out, network, about, precision="float16")
    for each in photographs:
        predictor = pose_network(of_checkpoint(out, "cpu"))
        table = evaluation.evaluate(predictor, {each: photographs[each]}).table
        for row in table.itertuples(index=False):
            said = f"; {row[1]} on {each}: {row[3]:.1f} {row[2]}, the mean pose {row[4]:.1f}"
            about = replace(about, origin=about.origin + said)
    checkpoint.save(out, network, about, precision="float16")


def _batches(count: int, done: int, seen: int):
    """How many pictures came before, and the rows of each batch; epochs are shuffled anew."""
    whole = count - count % BATCH
    while done + BATCH <= seen:
        epoch, at = divmod(done, whole)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(epoch))
        for rows in order[at:whole].split(BATCH):
            if done + BATCH > seen:
                return
            yield done, rows
            done += len(rows)


def _resume(path: Path, parts: dict) -> int:
    """How many pictures were seen before the training was interrupted; its state is taken over."""
    state = torch.load(io.BytesIO(read_sealed(path)), weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["seen"]


def _camera(pictures: Tensor, *, seed: int) -> Tensor:
    """What cameras do to pictures, by chance: grey, blur, gamma, contrast, noise."""
    dice = torch.Generator().manual_seed(seed)

    def chance() -> Tensor:
        return torch.rand(len(pictures), 1, 1, 1, generator=dice)

    grey = (chance() < 0.15).float()
    pictures = pictures * (1 - grey) + pictures.mean(1, keepdim=True) * grey
    blur = (chance() < 0.3).float() * chance()
    blurred = torch.nn.functional.avg_pool2d(pictures, 3, 1, 1)
    pictures = pictures * (1 - blur) + blurred * blur
    pictures = pictures.clamp(1e-3, 1) ** (2 ** (1.6 * chance() - 0.8))
    mean = pictures.mean((1, 2, 3), keepdim=True)
    pictures = (pictures - mean) * (0.6 + 0.8 * chance()) + mean
    return (pictures + torch.randn(pictures.shape, generator=dice) * 0.04 * chance()).clamp(0, 1)


def _errors(network: LightPose, test) -> tuple[float, float]:
    """The mean distance in the crops, px, and the mean difference in depth, mm."""
    pred = predict(network, test.images)
    pixels, depths = from_cube(pred, test.size)
    _, true = from_cube(targets(test)[..., :3], test.size)
    apart = (pixels - test.joints2d).norm(dim=-1).mean().item()
    return apart, (depths - true).abs().mean().item()
