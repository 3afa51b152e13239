"""Pretraining of encoders on joints, where ImageNet's weights can't be had.

From random weights HMR's regressor finds the mean body and stays there for tens of thousands of
pictures. An encoder that has first been trained to predict the joints of the same pictures, by
integral regression, tells them apart from the regressor's first steps on.
"""

from typing import ClassVar

import torch

from posekit.data.albums import Album
from posekit.metrics.protocol import Row
from posekit.models.encoders import feature_maps
from posekit.models.integral import IntegralNet
from posekit.training.experiment import Session, Task
from posekit.training.integral import fit

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
