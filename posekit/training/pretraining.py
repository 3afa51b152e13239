"""What encoders learn before bodies, where ImageNet's weights can't be had: to draw joints.

From random weights HMR's regressor finds the mean body and stays there for tens of thousands of
pictures. An encoder that has first drawn the joints of the same pictures, by integral regression
(posekit.models.integral), tells them apart from the regressor's first steps on. The config of
`experiment` is {"subject", "shape" (arguments of `features`), "recipe", "device"}.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from posekit.data.albums import Album
from posekit.models.encoders import Encoder, feature_maps
from posekit.models.integral import IntegralNet
from posekit.models.mesh_encoders import mesh_encoder
from posekit.system import write_whole
from posekit.training.heatmaps import WEIGHTS
from posekit.training.integral import Lessons, Volumes, cube_loss
from posekit.training.loop import Recipe, train
from posekit.training.runs import Measured, cache_folder

DEPTH, CHANNELS = 16, 32  # of the volumes and of the layers that draw them: thrown away afterwards
AUGMENTATION = "bouchiat: flip"


def experiment(config: Mapping, seed: int, folder: Path, data: Sequence[Album]) -> Measured:
    """Teach an encoder the joints of the first data set and keep its layers up to its maps.

    Measured is the last epoch's loss: |x| + |y| + |z| apart, in cubes of a picture's side by 2 m.
    """
    (learn,) = data
    torch.manual_seed(seed)
    encoder = feature_maps(mesh_encoder(**config["shape"]))
    joints = len(learn.batch.skeleton)
    network = IntegralNet(encoder, joints=joints, depth=DEPTH, channels=CHANNELS)
    history = train(
        Volumes(network.to(memory_format=torch.channels_last)),
        Lessons(learn, AUGMENTATION, seed, config["device"]),
        Recipe(**{**config["recipe"], "drops": tuple(config["recipe"]["drops"])}),
        loss=partial(cube_loss, "joints", "ignore"),
        seed=seed,
        checkpoint=folder / "checkpoint.pt",
        device=config["device"],
        label=f"pretraining {config['subject']}, seed {seed}",
    )
    state = {name: value.cpu() for name, value in encoder.state_dict().items()}
    write_whole(folder / WEIGHTS, lambda path: torch.save(state, path))
    rows = [(f"pretraining_loss/{config['subject']}", "", learn.name, history.losses[-1])]
    series = {"loss": history.losses}
    return Measured(rows, series, history.samples, history.carried, history.waited)


def restore(encoder: Encoder, run: str) -> None:
    """Give an encoder, in place, the layers that the run of this id taught.

    FileNotFoundError where its weights are gone.
    """
    path = cache_folder() / run / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {path.parent} and run the notebook again")
    feature_maps(encoder).load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
