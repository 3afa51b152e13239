"""Body regression: training, pruning, further training, tests by pose and mask protocols.

B pictures, H x W pixels. A run can hold several trainings, one after the other: the first by the
config, then its stages, `then`, each of which goes on from an earlier one.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.utils import prune

from posekit.data.albums import Album
from posekit.data.batch import Batch, unit_range
from posekit.metrics.protocol import Row
from posekit.models import pruning
from posekit.models.hmr import HMR, start_from
from posekit.models.profile import macs, parameters
from posekit.training.augment import Augmented
from posekit.training.experiment import EVALUATED_TOGETHER, Session, Task, load_weights, predict
from posekit.training.mesh_evaluation import BodyModel, quantities
from posekit.training.mesh_loss import MeshWeights, mesh_loss
from posekit.training.mesh_networks import Number, awaken, begin, changed, cover, take

SHARE = pruning.PAPER_ROUNDS[0][0]  # of each convolution's weights that the paper masks


def stage(subject: str, of: str, epochs: int, pruned: str = "", share: Number = 0) -> dict:
    """A training that goes on from the network `of`, pruned before by `mesh_networks.changed`."""
    return {"subject": subject, "of": of, "epochs": epochs, "pruned": pruned, "share": share}


def masking_stages(of: str, epochs: Sequence[int]) -> list[dict]:
    """The paper's two rounds of masks, each trained on for some epochs, and `of` without masks.

    The second round masks a fifth of the weights that the first has left.
    """
    once = f"{of}-pruned"
    return [
        stage(once, of, epochs[0], "mask", SHARE),
        stage(f"{once}-twice", once, epochs[1], "mask", 1 - (1 - SHARE) ** 2),
        stage(f"{of}-longer", of, epochs[0]),
    ]


def _labels(batch: Batch) -> Batch:
    """The targets of a batch: all its labels."""
    return batch


class Mesh(Task):
    """Train a network that regresses bodies; prune it and train on where the config says so.

    `weights` are those of the loss (`MeshWeights`), `masked` the share of each convolution's
    weights that stay 0 throughout, `start` the id of a run of `pretraining` whose encoder is taken
    (`mesh_networks.take`). `then` lists trainings that go on from an earlier one (`stage`), with the
    recipe's changes in `tune`.

    With `picture` "whole" persons are cut out of their whole pictures after the augmentation
    (`training.whole_frames`), not "crop".

    Measured are, for every training, the protocols of every test set, and own_params, own_macs and
    zeros (the share of the convolutions' weights that are 0) of the network.
    """

    options: ClassVar = {
        "augmentation": "bae",
        "picture": "crop",
        "weights": {},
        "masked": 0,
        "start": "",
        "then": [],
        "tune": {},
    }

    def run(self, session: Session, train: Album, model: BodyModel, *tests: Album) -> list[Row]:
        config, rows, trained = session.config, [], {}
        loss = partial(
            mesh_loss,
            body=model.body.to(session.device),
            weights=MeshWeights(**config["weights"]),
        )
        how = {"seed": session.seed, "device": session.device}
        how["whole"] = config.get("picture") == "whole"
        data = Augmented(train, config["augmentation"], _labels, **how)
        for stage in ({"subject": config["subject"], "of": ""}, *config["then"]):
            subject, recipe = stage["subject"], config["recipe"]
            if stage["of"]:
                network = changed(trained[stage["of"]], stage, config["shape"]["size"])
                recipe = recipe | config["tune"] | {"epochs": stage["epochs"]}
            else:
                network = self.begun(config, session.seed, train)
            named = {"name": f"loss/{subject}", "checkpoint": f"{subject}.checkpoint"}
            session.train(network, data, loss, recipe=recipe, **named)
            if prune.is_pruned(network):
                pruning.unmask(network)
            session.save(network, subject if stage["of"] else "")
            trained[subject] = network
            for test in tests:
                pred = predict(network, test.batch.images)
                protocols = config["protocols"][test.name]
                rows += quantities(subject, pred, test, model.body, protocols)
            picture = torch.zeros(1, 3, *train.batch.size, device=session.device)
            rows.append((f"own_params/{subject}", "", "", parameters(network)))
            rows.append((f"own_macs/{subject}", "", "", macs(network, picture)))
            if config["network"] != "blind":
                rows.append((f"zeros/{subject}", "", "", pruning.sparsity(network)))
        return rows

    def build(self, config: Mapping) -> HMR:
        return super().build(config).to(memory_format=torch.channels_last)

    def begun(self, config: Mapping, seed: int, train: Album) -> HMR:
        """The network of a config as its training begins, from the mean body of the pictures."""
        torch.manual_seed(seed)
        network = self.build(config)
        known = train.batch.has_body
        begin(network, start_from(train.batch.rotations[known], train.batch.shape[known]))
        if config["start"]:
            take(network, load_weights(config["start"]))
        if config["shape"].get("weights", "random") == "random":
            step = -(-len(train) // EVALUATED_TOGETHER)
            awaken(network, unit_range(train.batch.images[::step]))
        if config["masked"]:
            cover(network, config["masked"])
        return network

    def loaded(self, config: Mapping, state: Mapping[str, Tensor], subject: str) -> HMR:
        stages = {stage["subject"]: stage for stage in config["then"]}
        if subject and subject not in stages:
            raise ValueError(f"no stage {subject!r} in this run; there are {', '.join(stages)}")
        network = self.build(config)
        if stages.get(subject, {}).get("pruned") == "shrink":
            network = changed(network, stages[subject], config["shape"]["size"])
        network.load_state_dict(state)
        return network
