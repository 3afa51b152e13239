"""Encoders that learn to draw joints first: what is kept, and what a network gets of it."""

from functools import partial

import pytest
import torch

from posekit.data import albums
from posekit.geometry.skeleton import SPIN24
from posekit.models.encoders import feature_maps
from posekit.models.mesh_encoders import mesh_encoder
from posekit.models.zoo import NETWORKS
from posekit.studio.pictures import StudioPictures
from posekit.training.experiment import experiment, load_weights
from posekit.training.integral import Integral
from posekit.training.pretraining import Pretraining, of_encoders, of_seeds, start_of
from posekit.training.runs import job
from posekit.training.study import Study

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


def test_every_seed_has_a_start_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    study = Study("choi2021", seeds=2, device="cpu")
    study.setting |= {"start strangers": 2, "start epochs": 1, "side": 32}
    task, shape = Integral(NETWORKS), {"side": 32}
    learn = albums.read(StudioPictures(["S9"], frames=65, every=64, size=32), step=60, workers=0)
    how = of_seeds(study, task, [(learn, ["h36m-moon-p2"])], learn, shape=shape)
    first, second = (how["starts"][how["start"], seed].record for seed in (0, 1))
    assert first["job"] == "start on strangers" and first["data"] != second["data"]
    assert first["config"]["shape"] == {"side": 32, "weights": "posekit"}
    own = {"network": "mobile", "shape": {"layout": "mobilenetv2", "channels": 8, "depth": 4}}
    own["recipe"] = {"rate": 1e-9}  # so that its weights stay those that it begins with
    runs = study.train(task, {"large": own}, learn, shape=shape, **how)
    trained, start = task.restore(runs["large", 1]), load_weights(second["id"])
    taken = trained.encoder.features[13].conv[0][0].weight
    torch.testing.assert_close(taken, start["deep.13.conv.0.0.weight"], rtol=0, atol=1e-6)
    study.setting["start strangers"] = 0
    assert of_seeds(study, task, [], None) == {}


def test_encoders_of_hmr_begin_with_a_run_of_their_own_or_with_the_one_of_the_seed(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    study = Study("bae", device="cpu")
    study.setting |= {"side": 32, "first epochs": 1, "first batch": 2}
    learn = albums.read(StudioPictures(["S9"], frames=65, every=64, size=32), step=60, workers=0)
    names = ("mobilenetv2", "my-mobilenetv2")
    encoders = {name: {"encoder": name, "width": 0.35} for name in names}
    own = of_encoders(study, encoders, learn, [])
    assert set(own) == {("mobilenetv2", 0)}
    assert [start_of(name, own) for name in names] == ["mobilenetv2"] * 2
    study.setting |= {"start strangers": 2, "start epochs": 1}
    one = of_encoders(study, encoders, learn, [(learn, ["h36m-moon-p2"])])
    assert [start_of(name, one) for name in names] == ["strangers"] * 2
    assert one["strangers", 0].record["config"]["recipe"]["rate"] == 1e-3
