"""Experiments on body networks: taught, pruned, taught on, judged, interrupted, restored."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from posekit.data import albums
from posekit.data.albums import inside
from posekit.data.batch import unit_range
from posekit.geometry import body
from posekit.geometry.skeleton import H36M17, SPIN24
from posekit.models import pruning
from posekit.models.encoders import feature_maps
from posekit.models.hmr import Estimate, hmr, start_from
from posekit.models.light import light_pose
from posekit.models.mesh_encoders import mesh_encoder
from posekit.studio.pictures import StudioPictures
from posekit.studio.wild import Wild
from posekit.training import experiment as experiment_module
from posekit.training.experiment import experiment, predict
from posekit.training.mesh import Mesh, stage
from posekit.training.mesh_evaluation import BodyModel, compare, quantities
from posekit.training.mesh_loss import PAPER_WEIGHTS
from posekit.training.mesh_networks import awaken, blind, changed, pruned, take
from posekit.training.pretraining import Pretraining
from posekit.training.runs import job
from posekit.training.study import Study

SIDE = 32
SHAPE = {"encoder": "mobilenetv2", "width": 0.35, "size": SIDE}
TASK = Mesh({"hmr": hmr, "blind": blind})
RECIPE = {"epochs": 2, "batch": 4, "rate": 1e-3, "drops": [1]}
PRETRAINING = {"epochs": 1, "batch": 4, "rate": 3e-3, "drops": []}
THEN = [
    {"subject": "once", "of": "plain", "pruned": "mask", "share": 0.2, "epochs": 1},
    {"subject": "twice", "of": "once", "pruned": "mask", "share": 0.36, "epochs": 1},
    {"subject": "longer", "of": "plain", "pruned": "", "share": 0, "epochs": 1},
]
CONFIG = {
    "subject": "plain",
    "network": "hmr",
    "shape": SHAPE,
    "recipe": RECIPE,
    "augmentation": "bae",
    "weights": {},
    "masked": 0,
    "then": THEN,
    "tune": {"rate": 1e-4, "drops": []},
    "start": "",
    "protocols": {"studio-pictures": ["h36m-spin-p1", "h36m-spin-p1-pa"]}
    | {"studio-wild": ["3dpw-spin", "3dpw-spin-pa"]},
    "device": "cpu",
}


@pytest.fixture(scope="module")
def lessons():
    actors = StudioPictures(["S1"], frames=65, every=60, size=SIDE, skeleton=SPIN24)
    strangers = Wild("train", 8, size=SIDE, people=1)
    films = albums.read(actors, step=30, workers=0)
    return albums.mix(films, albums.read(strangers, workers=0), withhold_3d=True)


@pytest.fixture(scope="module")
def hall():
    pictures = StudioPictures(["S9", "S11"], frames=65, every=60, size=SIDE)
    return albums.read(pictures, step=37, workers=0)


@pytest.fixture(scope="module")
def wild():
    pictures = Wild("test", 6, size=SIDE, skeleton=H36M17, people=1)
    return albums.read(pictures, workers=0, masks=True)


@pytest.fixture(scope="module")
def model():
    return BodyModel(body.free())


@pytest.fixture(scope="module")
def run(lessons, hall, wild, model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield work(CONFIG, lessons, model, hall, wild).run()


def work(config, *data):
    about = {"paper": "bae", "job": config["subject"], "size": "smoke", "device": "cpu"}
    return job(partial(experiment, TASK), config=config, seed=0, data=data, **about)


def values(run):
    rows = run.record["quantities"]
    return {(row["quantity"], row["card"], row["data"]): row["value"] for row in rows}


def rows_of(subject, pred, test, model):
    return quantities(subject, pred, test, model.body, CONFIG["protocols"][test.name])


def truth(test):
    batch = test.batch
    return Estimate(batch.rotations, batch.shape, torch.tensor([[0.9, 0, 0]]).expand(len(batch), 3))


def test_every_training_of_a_run_is_tested_by_every_protocol(run):
    found = values(run)
    for subject in ("plain", "once", "twice", "longer"):
        for card, data in (("h36m-spin-p1", "studio-pictures"), ("3dpw-spin-pa", "studio-wild")):
            assert 0 < found[f"mpjpe/{subject}", card, data] < 2000
        for card in ("lsp-silhouette", "lsp-parts"):
            assert 0 <= found[f"accuracy/{subject}", card, "studio-wild"] <= 100
            assert 0 <= found[f"f1/{subject}", card, "studio-wild"] <= 1
        assert len(run.record["series"][f"loss/{subject}"]) == (2 if subject == "plain" else 1)


def test_masks_take_the_share_they_say_and_none_of_the_cost(run):
    found = values(run)
    zeros = [found[f"zeros/{subject}", "", ""] for subject in ("plain", "once", "twice", "longer")]
    assert zeros[0] == zeros[3] == 0
    assert zeros[1] == pytest.approx(0.2, abs=0.002)
    assert zeros[2] == pytest.approx(1 - 0.8**2, abs=0.002)
    for cost in ("own_params", "own_macs"):
        assert len({found[f"{cost}/{subject}", "", ""] for subject in ("plain", "twice")}) == 1


def test_a_restored_network_has_the_recorded_errors(run, wild, model):
    for later, subject in (("", "plain"), ("twice", "twice")):
        pred = predict(TASK.restore(run, later), wild.batch.images)
        for quantity, card, data, value in rows_of(subject, pred, wild, model):
            assert values(run)[quantity, card, data] == pytest.approx(value, rel=1e-4)


def test_a_stage_that_the_run_lacks_is_named(run):
    (run.folder / "thrice.network.pt").write_bytes((run.folder / "network.pt").read_bytes())
    with pytest.raises(ValueError, match="no stage 'thrice' in this run; there are once, twice"):
        TASK.restore(run, "thrice")


def test_a_pruning_that_is_none_is_named():
    with pytest.raises(ValueError, match="no pruning 'cut'; there are , mask, shrink"):
        changed(hmr(**SHAPE), {"pruned": "cut"}, SIDE)


@pytest.mark.parametrize("how", ["", "mask"])
def test_a_pruned_network_to_be_timed_has_its_weights_laid_out_as_the_whole(how):
    whole, less = hmr(**SHAPE), pruned(how, 0.2, **SHAPE)
    assert pruning.sparsity(less) == pytest.approx(0.2 if how else 0, abs=0.002)
    layouts = [[p.stride() for p in network.parameters()] for network in (whole, less)]
    assert layouts[0] == layouts[1]


def test_a_changed_network_leaves_the_one_it_came_from():
    network = hmr(**SHAPE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = changed(network, {"pruned": "mask", "share": 0.5}, SIDE)
    assert pruning.sparsity(copied) == pytest.approx(0.5, abs=0.002)
    assert pruning.sparsity(network) == 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_training_starts_with_the_mean_body_of_the_pictures(run, lessons):
    known = lessons.batch[lessons.batch.has_body]
    start = start_from(known.rotations, known.shape)
    network = TASK.restore(run)
    for name, part in start._asdict().items():
        assert torch.equal(getattr(network, f"start_{name}"), part)
    assert known.shape.std() > 0 or not torch.equal(start.shape, torch.zeros(10))


def test_an_awakened_encoder_tells_pictures_apart(lessons):
    network = hmr(**SHAPE)
    pictures = unit_range(lessons.batch.images)
    before = network.train().encoder(pictures).std(0).mean()
    awaken(network, pictures)
    torch.manual_seed(0)
    features = network.eval().encoder.train()(pictures).detach()
    assert before < 0.5
    assert features.std(0).mean() == pytest.approx(1, abs=0.2)  # dropout differs from time to time
    assert features.mean(0).abs().mean() < 0.3


def test_blocks_of_posekits_own_network_are_taken_and_train_as_they_do_there():
    state = light_pose(side=SIDE, weights="posekit").state_dict()
    network = hmr("my-mobilenetv2", size=SIDE)
    features = network.encoder.features
    last = features[14].conv[0][0].weight.clone()
    take(network, state)
    for part, rows in {"stem": range(4), "middle": range(4, 7), "deep": range(7, 14)}.items():
        for row in rows:
            for name, value in features[row].state_dict().items():
                assert torch.equal(value, state[f"{part}.{row}.{name}"])
    assert torch.equal(features[14].conv[0][0].weight, last)
    for each in (network, changed(network, stage("masked", "", 1, "mask", 0.2), SIDE)):
        features = each.encoder.features
        before = {name: value.clone() for name, value in features.state_dict().items()}
        each.train()(torch.rand(4, 3, SIDE, SIDE)).camera.sum().backward()
        taught = {n.split(".")[0] for n, p in features.named_parameters() if p.grad is not None}
        assert taught == {str(row) for row in range(4, 19)}
        after = features.state_dict()
        moved = {n.split(".")[0] for n, v in after.items() if not torch.equal(v, before[n])}
        assert moved == {str(row) for row in range(14, 19)}


def test_weights_of_other_layers_are_no_start():
    own = hmr("mobilenetv2", width=0.35, size=SIDE)
    light = light_pose(side=SIDE).state_dict()
    maps = feature_maps(hmr("mobilenetv2", size=SIDE).encoder).state_dict()
    short = dict(list(feature_maps(own.encoder).state_dict().items())[:-1])
    for state in (light, maps, short, {}):
        with pytest.raises(ValueError, match="not those of this encoder"):
            take(own, state)


def test_there_is_nothing_to_awaken_where_features_are_pooled_maps():
    network = hmr("resnet50")
    before = {name: value.clone() for name, value in network.named_parameters()}
    awaken(network, torch.rand(2, 3, SIDE, SIDE))
    assert all(torch.equal(before[name], value) for name, value in network.named_parameters())


def test_strangers_teach_no_body(lessons):
    known = lessons.batch.has_body
    assert known.any() and not known.all()
    assert (lessons.batch.rotations[~known] == 0).all()
    assert torch.equal(known, lessons.batch.has_joints3d)


def test_the_blind_network_says_the_same_of_all_pictures():
    network = blind().eval()
    said = network(torch.rand(3, 3, SIDE, SIDE))
    for part in said:
        torch.testing.assert_close(part, part[:1].expand_as(part))


def test_the_truth_of_strangers_has_no_error(wild, model):
    """Theirs are exact bodies: joints, surfaces and shapes have to come out to the micrometre."""
    told = {(q, c): v for q, c, _, v in rows_of("truth", truth(wild), wild, model)}
    assert told["mpjpe/truth", "3dpw-spin"] < 0.01
    assert told["surface/truth", ""] == 0 and told["shape/truth", ""] == 0


def test_the_truth_of_actors_is_off_by_what_their_shape_lacks(hall, model):
    """The studio says so: joints of the nearest body lie some 25 mm away."""
    told = {(q, c): v for q, c, _, v in rows_of("truth", truth(hall), hall, model)}
    assert 5 < told["mpjpe/truth", "h36m-spin-p1"] < 45


def test_a_mean_body_is_as_far_from_a_shape_as_its_vertices(wild, model):
    batch = wild.batch
    mean = Estimate(batch.rotations, torch.zeros_like(batch.shape), truth(wild).camera)
    said = compare(mean, wild, model.body)
    rests = [model.body.rest(shape) for shape in (batch.shape, torch.zeros_like(batch.shape))]
    a, b = (rest.vertices - rest.joints[:, :1] for rest in rests)
    torch.testing.assert_close(said.shape, (a - b).norm(dim=-1).mean(1))
    assert (said.shape > 5).all() and (said.surface > 5).all()


def test_pictures_are_inside_when_all_their_joints_are(hall):
    batch = hall.batch
    moved = batch.joints2d.clone()
    moved[:] = SIDE / 2
    whole = replace(batch, joints2d=moved)
    assert inside(whole).all()
    moved[1, 3, 0] = -1
    moved[2, 5, 1] = SIDE
    assert inside(whole).logical_not().nonzero().flatten().tolist() == [1, 2]
    assert hall.frames["inside"].tolist() == inside(batch).tolist()


def test_two_albums_make_one_with_all_that_is_known(hall, wild):
    one, another = hall, wild
    both = albums.mix(one, another)
    assert both.name == "studio-pictures+studio-wild" and len(both) == len(one) + len(another)
    assert both.batch.has_body.all()
    assert torch.equal(both.batch.images[len(one) :], another.batch.images)


def test_another_body_is_another_run(model):
    assert BodyModel(body.free(full=True)).fingerprint() != model.fingerprint()


def test_a_study_makes_a_run_of_every_configuration_and_seed(lessons, hall, model):
    study = Study("bae", seeds=2)
    common = {"augmentation": "bae", "weights": {"shape": 0.01}, "recipe": RECIPE}
    small = {"encoder": "shufflenetv2", "width": 0.5, "size": SIDE}
    configurations = {
        "masked": {"network": "hmr", "shape": small, "masked": 0.2, "recipe": {"epochs": 1}},
        "drawn": {"network": "hmr", "shape": small, "recipe": {"epochs": 1}, "start": "s"},
        "blind": {"network": "blind", "shape": {"size": SIDE}, "train": "b"},
    }
    encoder, how = Pretraining({"encoder": mesh_encoder}), {"title": "pretraining {}"}
    own = {"s": {"network": "encoder", "shape": small, "recipe": PRETRAINING}}
    drawn = study.train(encoder, own, lessons, **how)
    sets, tests = {"a": lessons, "b": lessons}, [(hall, ["h36m-spin-p1"])]
    more = {"also": [model], "starts": drawn}
    runs = study.train(TASK, configurations, sets, tests, **more, **common)
    assert set(runs) == {(name, seed) for name in configurations for seed in (0, 1)}
    config = runs["masked", 1].record["config"]
    assert config["recipe"]["epochs"] == 1 and config["shape"] == small
    assert values(runs["masked", 0])["zeros/masked", "", ""] == pytest.approx(0.2, abs=0.002)
    assert PAPER_WEIGHTS.shape != config["weights"]["shape"]
    assert runs["drawn", 1].record["config"]["start"] == drawn["s", 1].record["id"]
    losses = [runs[name, 0].record["series"][f"loss/{name}"] for name in ("drawn", "masked")]
    assert losses[0] != losses[1]


def test_shrunk_networks_come_back_from_their_weights(lessons, hall, model):
    pytest.importorskip("torch_pruning", reason='needs pip install "posekit[prune]"')
    slim = {"subject": "slim", "of": "plain", "pruned": "shrink", "share": 0.3, "epochs": 1}
    run = work(CONFIG | {"then": [slim], "recipe": RECIPE | {"epochs": 1}}, lessons, model, hall)
    run = run.run()
    found = values(run)
    for cost in ("own_params", "own_macs"):
        assert found[f"{cost}/slim", "", ""] < 0.9 * found[f"{cost}/plain", "", ""]
    pred = predict(TASK.restore(run, "slim"), hall.batch.images)
    rows = {(q, c): v for q, c, _, v in rows_of("slim", pred, hall, model)}
    key = "mpjpe/slim", "h36m-spin-p1"
    assert found[*key, "studio-pictures"] == pytest.approx(rows[key], rel=1e-4)


KILLED = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from test_mesh_training import CONFIG, BodyModel, body, checkpoint_always, work
checkpoint_always()
lessons, hall = torch.load(sys.argv[2], weights_only=False)
work(CONFIG, lessons, BodyModel(body.free()), hall).run()
"""


def checkpoint_always(set_=setattr):
    set_(experiment_module, "train", partial(experiment_module.train, checkpoint_seconds=0.0))


def test_a_run_that_was_killed_ends_with_the_same_numbers(
    lessons, hall, model, tmp_path, monkeypatch
):
    whole = work(CONFIG, lessons, model, hall).run().record
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "killed"))
    start = work(CONFIG, lessons, model, hall)
    torch.save((lessons, hall), tmp_path / "data.pt")
    words = [sys.executable, "-c", KILLED, Path(__file__).parent, tmp_path / "data.pt"]
    victim = subprocess.Popen(words)
    while not (start.folder / "once.checkpoint.pt").exists() and victim.poll() is None:
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (start.folder / "record.json").exists()
    checkpoint_always(monkeypatch.setattr)
    assert start.run().record["quantities"] == whole["quantities"]
