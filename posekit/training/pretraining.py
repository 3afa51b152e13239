"""What trainings begin with: an encoder pretrained on joints, or posekit's own network.

`of_seeds` trains posekit's own network further for every seed. `Pretraining` is for encoders of
HMR (`of_encoders`): from random weights HMR's regressor finds the mean body and stays there for
tens of thousands of pictures. An encoder that has first been trained to predict the joints of the
same pictures, by integral regression, tells them apart from the regressor's first steps on.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from posekit.data.albums import Album
from posekit.metrics.protocol import Row
from posekit.models.encoders import feature_maps
from posekit.models.integral import IntegralNet
from posekit.models.light import light_pose
from posekit.models.mesh_encoders import NETS, mesh_encoder
from posekit.training.experiment import Session, Task
from posekit.training.integral import Integral, fit
from posekit.training.tables import Runs

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


def of_encoders(
    study: "Study", encoders: Mapping[str, Mapping], train: Album, tests: Sequence[tuple]
) -> Runs:
    """Runs that the encoders of HMR begin with (`start_of`), arguments of `mesh_encoder` by name.

    Where the size has `start strangers`, posekit's own network, trained further for every seed and
    tested by `tests` as in `Study.train`; else a `Pretraining` of each on `train`.
    """
    side = study.setting["side"]
    recipe = {"drops": [], "average": 0, "schedule": "one-cycle"}
    how = {"shape": {"side": side}, "loss": "both", "outside": "ignored"}
    how["recipe"] = recipe | {"rate": 1e-3, "clip": 5.0}
    if begun := of_seeds(study, Integral({"light": light_pose}), tests, None, **how):
        return begun["starts"]
    names = [name for name in NETS if name in encoders and start_of(name) == name]
    own = {name: {"network": "encoder", "shape": encoders[name]} for name in names}
    recipe |= {name: study.setting[f"first {name}"] for name in ("epochs", "batch")}
    how = {"title": "pretraining {}", "shape": {"size": side}, "recipe": recipe | {"rate": 3e-3}}
    return study.train(Pretraining({"encoder": mesh_encoder}), own, train, **how)


def start_of(encoder: str, starts: Runs | None = None) -> str:
    """The name of the run that an encoder begins with: its own, or of `starts` the one there is."""
    name = encoder.removeprefix("my-")  # My MobileNetV2 has MobileNetV2's layers up to its maps
    return START if starts and (START, 0) in starts else name
