"""Encoders that learn to draw joints first: what is kept, and what a network gets of it."""

from functools import partial

import pytest
import torch

from posekit.data import albums
from posekit.geometry.skeleton import SPIN24
from posekit.models.encoders import feature_maps
from posekit.models.mesh_encoders import mesh_encoder
from posekit.studio.pictures import StudioPictures
from posekit.training.experiment import experiment, load_weights
from posekit.training.pretraining import Pretraining
from posekit.training.runs import job

SHAPE = {"encoder": "mobilenetv2", "width": 0.35, "size": 32}
TASK = Pretraining({"encoder": mesh_encoder})
CONFIG = {
    "subject": "narrow",
    "network": "encoder",
    "augmentation": "bouchiat: flip",
    "shape": SHAPE,
    "recipe": {"epochs": 12, "batch": 4, "rate": 3e-3, "drops": [9]},
    "device": "cpu",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    pictures = StudioPictures(["S1"], frames=65, every=60, size=32, skeleton=SPIN24)
    learn = albums.read(pictures, step=20, workers=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        about = {"paper": "bae", "job": "pretraining narrow", "size": "smoke", "seed": 0}
        yield job(partial(experiment, TASK), config=CONFIG, data=[learn], **about).run()


def test_an_encoder_learns_where_the_joints_are(run):
    losses = run.record["series"]["loss"]
    assert len(losses) == 12 and losses[-1] < 0.9 * losses[0]
    (row,) = run.record["quantities"]
    assert row["quantity"] == "pretraining_loss/narrow" and row["data"] == "studio-pictures"
    assert row["value"] == pytest.approx(losses[-1], rel=1e-4)


def test_a_network_gets_the_layers_up_to_the_maps_and_no_others(run):
    torch.manual_seed(1)
    encoder, mine = mesh_encoder(**SHAPE), mesh_encoder("my-mobilenetv2", width=0.35, size=32)
    last = encoder.net.classifier[1].weight.clone()
    for network in (encoder, mine):
        feature_maps(network).load_state_dict(load_weights(run.folder))
    assert torch.equal(encoder.net.classifier[1].weight, last)
    pictures = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        drawn = [feature_maps(network).eval()(pictures) for network in (encoder, mine)]
    assert torch.equal(*drawn)
    taught = torch.load(run.folder / "network.pt", weights_only=True)
    assert all(torch.equal(taught[k], v) for k, v in feature_maps(encoder).state_dict().items())


def test_weights_that_are_gone_are_named(run):
    with pytest.raises(FileNotFoundError, match="0123/network.pt is gone"):
        load_weights("0123")
