"""What trainings begin with: an encoder pretrained on joints, or posekit's own network.

`of_seeds` trains posekit's own network further for every seed. `Pretraining` is for encoders of
HMR: from random weights HMR's regressor finds the mean body and stays there for tens of thousands
of pictures. An encoder that has first been trained to predict the joints of the same pictures, by
integral regression, tells them apart from the regressor's first steps on.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from posekit.data.albums import Album
from posekit.metrics.protocol import Row
from posekit.models.encoders import feature_maps
from posekit.models.integral import IntegralNet
from posekit.training.experiment import Session, Task
from posekit.training.integral import Integral, fit

if TYPE_CHECKING:
    from posekit.training.study import Study

START = "strangers"  # the run that networks begin with
DEPTH, CHANNELS = 16, 32  # of the volumes and of the layers before them, which are thrown away


class Pretraining(Task):
    """Train an encoder to predict joints and keep its layers up to its feature maps.

    Taught are the joints and the volumes, with which an encoder learns from fewer pictures.
    Measured is the last epoch's loss: the mean of both (`cube_loss`).
    """

    options: ClassVar = {"augmentation": "bouchiat: flip"}

    def run(self, session: Session, train: Album) -> list[Row]:
        config, subject = session.config, session.config["subject"]
        torch.manual_seed(session.seed)
        encoder = feature_maps(self.build(config))
        joints = len(train.batch.skeleton)
        network = IntegralNet(encoder, joints=joints, depth=DEPTH, channels=CHANNELS)
        network = network.to(memory_format=torch.channels_last)
        losses = fit(session, network, train, config["augmentation"], loss="both")
        session.save(encoder)
        return [(f"pretraining_loss/{subject}", "", train.name, losses[-1])]


def of_seeds(
    study: "Study", task: Integral, tests: Sequence[tuple], beside: Album | None, **common
) -> dict:
    """Options of `Study.train` with which every seed's networks begin with a start of its own.

    posekit's own network is trained further on `start strangers` of the studio's strangers, others
    for every seed, with the actors `beside` them, for `start epochs`; then its weights, as far as
    the networks of `task` share them, are theirs. `tests` and `common` are those of `Study.train`.
    Nothing where the size has no strangers for it.
    """
    count, side = study.setting["start strangers"], study.setting["side"]
    if not count:
        return {}
    train = partial(study.data.strangers, count, size=side, beside=beside)
    own = {"network": "light", "shape": {"weights": "posekit"}, "augmentation": "bouchiat: flip"}
    own["recipe"] = {"epochs": study.setting["start epochs"]}
    how = common | {"title": "start on {}"}
    return {"starts": study.train(task, {START: own}, train, tests, **how), "start": START}
