"""Experiments on networks from a picture to a body: train, prune, train on, and judge by cards.

B pictures, V vertices, H x W pixels. `Study` is what a notebook asks. The config of the work
function is {"subject", "network", "shape", "recipe", "augmentation", "weights", "masked", "then",
"tune", "pretrained", "device"}.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.utils import prune

from posekit.data.albums import TOGETHER, Album, light
from posekit.data.batch import Batch
from posekit.geometry.body import Body
from posekit.models import pruning
from posekit.models.hmr import HMR, Estimate, Start, Step, hmr, rest_start, start_from
from posekit.models.profile import macs, parameters
from posekit.system import write_whole
from posekit.training import pretraining, study
from posekit.training.augment import augment
from posekit.training.loop import History, Recipe, train
from posekit.training.losses import MeshWeights, mesh_loss
from posekit.training.mesh_evaluation import BodyModel, Exam, judge
from posekit.training.runs import Measured, Run, run_all
from posekit.training.study import Networks, Runs

Number = int | float
PRUNED = ("", "mask", "shrink")


class Study(study.Study):
    """The experiments of a notebook on networks that recover bodies.

    `setting` has shape (arguments of the networks), epochs, batch, rate, drops, augmentation,
    weights (arguments of `mesh_loss.Weights`), tune, the recipe's rate and drops of what comes
    after a pruning, and pretraining, the recipe of `pretrain`.
    """

    def pretrain(self, shapes: Mapping[str, Mapping], learn: Album) -> Runs:
        """Encoders that first learn to draw the joints of an album (`pretraining`), by name."""
        jobs = {}
        for seed in range(self.seeds):
            for name, own in shapes.items():
                config = {
                    "subject": name,
                    "shape": self.setting["shape"] | own,
                    "recipe": self.setting["pretraining"],
                    "device": self.device,
                }
                title = f"pretraining {name}"
                jobs[name, seed] = self.job(pretraining.experiment, title, seed, [learn], config)
        return run_all(jobs, workers=self.workers)

    def train(
        self,
        configurations: Mapping[str, Mapping],
        learn: Mapping[str, Album],
        exams: Sequence[Exam],
        model: BodyModel,
        pretrained: Runs | None = None,
    ) -> Runs:
        """Every configuration taught by an album of `learn` and judged by all `exams`.

        A configuration has the name of its network and, where they are not the first or the usual
        ones, its album, a shape and parts of a recipe of its own, `pretrained`, the name among those
        of `pretrain` with which its encoder begins, and `masked`, the share of each convolution's
        weights that stay 0 throughout. `then` are trainings that go on from an earlier one:
        {"subject", "of", "pruned" (of PRUNED), "share" (of all weights or channels), "epochs"}.
        """
        jobs = {}
        for seed in range(self.seeds):
            for name, own in configurations.items():
                recipe = {k: self.setting[k] for k in ("epochs", "batch", "rate", "drops")}
                config = {
                    "subject": name,
                    "network": own["network"],
                    "shape": self.setting["shape"] | own.get("shape", {}),
                    "recipe": recipe | own.get("recipe", {}),
                    "augmentation": self.setting["augmentation"],
                    "weights": self.setting["weights"],
                    "masked": own.get("masked", 0),
                    "then": [dict(stage) for stage in own.get("then", ())],
                    "tune": self.setting["tune"],
                    "pretrained": "",
                    "device": self.device,
                }
                if "pretrained" in own:
                    config["pretrained"] = pretrained[own["pretrained"], seed].record["id"]
                work = partial(experiment, self.networks)
                lessons = learn[own.get("learn", next(iter(learn)))]
                jobs[name, seed] = self.job(work, name, seed, [lessons, model, *exams], config)
        return run_all(jobs, workers=self.workers)


class Lessons:
    """Pictures to learn from, every epoch otherwise augmented, each with all that is known of it."""

    def __init__(self, album: Album, augmentation: str, seed: int, device: str):
        self.batch, self.augmentation, self.seed = album.batch.to(device), augmentation, seed

    def __len__(self) -> int:
        return len(self.batch)

    def lesson(self, indices: Int64[Tensor, " B"], epoch: int) -> tuple[Tensor, Batch]:
        """Pictures and labels of some of the batch."""
        chosen = self.batch[indices.to(self.batch.images.device)]
        chosen = augment(chosen, self.augmentation, seed=self.seed, epoch=epoch)
        return light(chosen.images), chosen


class Blind(nn.Module):
    """An encoder that looks at nothing: what is learnt after it is the best answer for all."""

    channels = 1

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1"]:
        return pictures.new_zeros(len(pictures), 1)


def blind(*, size: int = 224) -> HMR:
    """The regressor without a picture, of whatever size: the best body for all, found by training."""
    start = rest_start()
    return HMR(Blind(), Step(Blind.channels, start), start)


def pruned(how: str, share: Number, **shape) -> HMR:
    """The network `hmr(**shape)` with `share` of its weights or channels gone, of PRUNED.

    Which ones depends on weights that are random: it has the costs of a trained one, not its use.
    """
    network = changed(hmr(**shape), {"pruned": how, "share": share}, shape["size"])
    if prune.is_pruned(network):
        pruning.unmask(network)
    # as `hmr` lays weights out: in another way they are faster or slower, masked or not
    return network.to(memory_format=torch.contiguous_format)


@dataclass(frozen=True)
class _Course:
    """One run: what all of its trainings share."""

    networks: Networks
    config: dict
    seed: int
    folder: Path
    learn: Album
    body: Body

    def trained(self) -> Iterator[tuple[str, HMR, History]]:
        """Each training of the run, one after the other: of whom, the network, its history."""
        config, made = self.config, {}
        network, recipe = fresh(self.networks, config, self.seed), Recipe(**plan(config["recipe"]))
        known = self.learn.batch[self.learn.batch.has_body]
        begin(network, start_from(known.rotations, known.shape))
        if config["pretrained"]:
            pretraining.restore(network.encoder, config["pretrained"])
        if config["shape"].get("weights", "random") == "random":
            awaken(network, light(self.learn.batch.images[:: -(-len(self.learn) // TOGETHER)]))
        if config["masked"]:
            cover(network, config["masked"])
        made[config["subject"]] = network
        yield config["subject"], network, self._teach(network, recipe, config["subject"])
        for stage in config["then"]:
            network = changed(made[stage["of"]], stage, config["shape"]["size"])
            tune = plan(config["recipe"] | config["tune"] | {"epochs": stage["epochs"]})
            made[stage["subject"]] = network
            history = self._teach(network, Recipe(**tune), stage["subject"])
            yield stage["subject"], network, history

    def _teach(self, network: HMR, recipe: Recipe, subject: str) -> History:
        """Train in place and keep the weights, as plain ones, under the subject's name."""
        config = self.config
        weights = MeshWeights(**config["weights"])
        history = train(
            network,
            Lessons(self.learn, config["augmentation"], self.seed, config["device"]),
            recipe,
            loss=partial(mesh_loss, body=self.body.to(config["device"]), weights=weights),
            seed=self.seed,
            checkpoint=self.folder / f"{subject}.checkpoint.pt",
            device=config["device"],
            label=f"{subject}, seed {self.seed}",
        )
        if prune.is_pruned(network):
            pruning.unmask(network)
        state = {name: value.cpu() for name, value in network.state_dict().items()}
        write_whole(weights_of(self.folder, subject), lambda path: torch.save(state, path))
        return history


def plan(recipe: Mapping) -> dict:
    """Arguments of `train.Recipe` as a config, which knows lists only, has them."""
    return {**recipe, "drops": tuple(recipe["drops"])}


def fresh(networks: Networks, config: Mapping, seed: int) -> HMR:
    """The network of a config before it has learnt anything."""
    torch.manual_seed(seed)
    network = networks[config["network"]](**config["shape"])
    return network.to(memory_format=torch.channels_last)


def begin(network: HMR, start: Start) -> None:
    """Let the network's corrections begin with another body."""
    for name, part in start._asdict().items():
        getattr(network, f"start_{name}").copy_(part)


@torch.no_grad()
def awaken(network: HMR, pictures: Float[Tensor, "B 3 H W"]) -> None:
    """Scale and shift the encoder's last layer so that over these pictures each feature has mean 0
    and deviation 1, as Mishkin and Matas do with every layer (ICLR 2016).

    Random encoders say nearly the same of all pictures, far less than the regressor's dropout
    blurs: without this, networks learn the mean body and nothing else for thousands of steps.
    """
    layers = [layer for layer in network.encoder.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        return  # pooled maps, or none at all
    features = network.train().encoder(pictures)
    deviation, mean = torch.std_mean(features, dim=0)
    deviation = deviation.clamp(min=1e-6)
    layers[-1].weight /= deviation[:, None]
    layers[-1].bias.sub_(mean).div_(deviation)


def changed(network: HMR, stage: Mapping, side: int) -> HMR:
    """A copy, pruned as the stage of a configuration has it."""
    if stage["pruned"] not in PRUNED:
        raise ValueError(f"no pruning {stage['pruned']!r}; there are {', '.join(PRUNED)}")
    if stage["pruned"] == "shrink":
        picture = network.start_pose.new_zeros(1, 3, side, side)
        return pruning.shrink(network, picture, stage["share"], keep=[network.step])
    network = copy.deepcopy(network)
    if stage["pruned"] == "mask":
        cover(network, stage["share"])
    return network


def cover(network: HMR, share: Number) -> None:
    """Mask the smallest `share` of each convolution's weights, in place."""
    network.to(memory_format=torch.contiguous_format)  # torch can't sort weights laid otherwise
    pruning.mask(network, share, scope="layer")
    network.to(memory_format=torch.channels_last)


def weights_of(folder: Path, subject: str) -> Path:
    """Where a run keeps what it taught."""
    return folder / f"{subject}.pt"


def experiment(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence
) -> Measured:
    """Train on the first data set, with the body model that comes next, and judge by the others.

    Quantities of each training: those of the exams, and own_params, own_macs and zeros (the share
    of the convolutions' weights) of the network as it is here.
    """
    learn, model, *exams = data
    course = _Course(networks, config, seed, folder, learn, model.body)
    picture = torch.zeros(1, 3, *learn.batch.size)
    rows, series, samples, carried, waited = [], {}, 0, 0.0, 0.0
    for subject, network, history in course.trained():
        for exam in exams:
            found = estimates(network, exam.filmed.album.batch.images)
            rows += judge(subject, found, exam, model.body)
        params = parameters(network)
        operations = macs(network, picture.to(config["device"]))
        rows.append((f"own_params/{subject}", "", "", params))
        rows.append((f"own_macs/{subject}", "", "", operations))
        if config["network"] != "blind":
            rows.append((f"zeros/{subject}", "", "", pruning.sparsity(network)))
        series[f"loss/{subject}"] = history.losses
        samples, carried = samples + history.samples, carried + history.carried
        waited += history.waited
    return Measured(rows, series, samples, carried, waited)


@torch.no_grad()
def estimates(network: HMR, images: UInt8[Tensor, "B 3 H W"]) -> Estimate:
    """What a network says of pictures, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    parts = [network(light(part.to(device))) for part in images.split(TOGETHER)]
    return Estimate(*(torch.cat(each).float().cpu() for each in zip(*parts, strict=True)))


def restore(networks: Networks, run: Run, subject: str = "") -> HMR:
    """The trained network of a finished `experiment`, on the CPU, in eval mode: its first, or that
    of a later training's subject. ValueError for one that isn't among them."""
    config = run.record["config"]
    stages = {stage["subject"]: stage for stage in config["then"]}
    subject = subject or config["subject"]
    if subject not in (config["subject"], *stages):
        raise ValueError(f"no {subject!r} in this run: {', '.join([config['subject'], *stages])}")
    path = weights_of(run.folder, subject)
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {run.folder} and run the notebook again")
    network = fresh(networks, config, 0)
    if stages.get(subject, {}).get("pruned") == "shrink":
        network = changed(network, stages[subject], config["shape"]["size"])
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.eval()
