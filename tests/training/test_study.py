"""The study of a paper: what it shows, what it records, and what it refuses."""

import json

import plotly.graph_objects as go
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.data import TensorDataset

from posekit.claims.paper import load_paper
from posekit.figures.curves import loss_curves
from posekit.training.experiment import Task
from posekit.training.settings import SIZES, load_settings
from posekit.training.study import Study
from posekit.training.tables import from_rows, measured


def large():
    return nn.Sequential(nn.Linear(4, 2000), parametrizations.weight_norm(nn.Linear(2000, 2000)))


NETWORKS = {"small": lambda: nn.Linear(4, 4), "large": large, "none": nn.Identity}


class Points(TensorDataset):
    """Numbers to learn from, under a data set's name."""

    def __init__(self, name):
        x = torch.arange(12.0).view(6, 2)
        super().__init__(x, 2 * x)
        self.name, self.version = name, "1"

    def fingerprint(self):
        return self.name


class Doubling(Task):
    options = {"start": "", "bonus": 0}  # noqa: RUF012

    def run(self, session, train, *tests):
        torch.manual_seed(session.seed)
        network = self.build(session.config)
        session.train(network, train, nn.functional.mse_loss)
        session.save(network)
        name, error = session.config["subject"], session.series["loss"][-1]
        return [
            (f"mpjpe/{name}{part}", protocol, test.name, error + session.config["bonus"])
            for test in tests
            for protocol in session.config["protocols"][test.name]
            for part in ("", "/S9")
        ]


TASK = Doubling({"line": lambda bias=True: nn.Linear(2, 2, bias=bias)})
RECIPE = {"epochs": 2, "batch": 3, "drops": []}


@pytest.fixture
def study(tmp_path):
    return Study("tran2022", seeds=2, out=tmp_path / "out")


def records(tmp_path):
    return [json.loads(path.read_text()) for path in (tmp_path / "out" / "runs").glob("*.json")]


def trained(study, configurations, **more):
    tests = [(Points("studio"), ["h36m-martinez-p1", "h36m-martinez-p2"])]
    how = {"network": "line", "recipe": RECIPE} | more
    return study.train(TASK, configurations, Points("train"), tests, **how)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": 0}, "seeds is a whole number from 1 on, not 0"),
        ({"seeds": "three"}, "seeds is a whole number from 1 on, not 'three'"),
        ({"seeds": 1.5}, "seeds is a whole number from 1 on, not 1.5"),
        ({"size": "tiny"}, "size is one of smoke, small, medium, large, paper, not 'tiny'"),
        ({"data": "mnist=."}, "'mnist=.' is not NAME=FOLDER with a name of human36m"),
        ({"device": "cuda:77"}, "no device 'cuda:77'"),
    ],
)
def test_wrong_parameters_are_named_at_once(wrong, message):
    with pytest.raises(ValueError, match=message):
        unchecked = getattr(Study.__init__, "__wrapped__", Study.__init__)
        unchecked(object.__new__(Study), "tran2022", **wrong)


def test_a_paper_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="no paper 'tran'.*tran2022"):
        Study("tran")


def test_a_study_says_its_size_seeds_and_device():
    assert repr(Study("kim", device="cpu")).startswith("kim, size smoke, 1 seed; torch ")
    assert ", 3 seeds; " in repr(Study("kim", seeds=3))


def test_the_settings_mark_the_size_in_use():
    study = Study("tran2022", size="small")
    assert study.setting == load_settings("tran2022")["small"].to_dict()
    assert "small (used here)" in repr(study.settings) and "paper (used" not in repr(study.settings)


def test_a_size_trains_those_configurations_that_the_paper_has_for_it():
    named = {"r50": 1, "r50-zoom": 2, "final": 3}
    chosen = [[*Study("bouchiat", size=size).configurations(named)] for size in SIZES]
    assert chosen == [["r50"], ["r50"], ["r50"], ["r50", "r50-zoom"], [*named]]
    mobile, named = Study("choi2021", size="medium"), {"large": 1, "small": 2, "w1.0-c512": 3}
    assert mobile.configurations(named) == {"large": 1}
    assert Study("choi2021", size="small").configurations(named) == {"large": 1, "small": 2}
    assert mobile.configurations(named, "h36m-moon-p1") == {}


def test_claims_are_shown_with_what_they_claim():
    study = Study("tran2022")
    speed = study.claims(kinds=["speed"])
    assert speed.frame["claimed"].tolist() == ["latency_ms/ours < latency_ms/li"]
    assert repr(speed).startswith("1 claim\n")
    assert len(study.claims().frame) == len(load_paper("tran2022").claims)
    own = study.claims(where=lambda claim: claim.where.startswith("Table 1"))
    assert 0 < len(own.frame) < len(study.claims().frame)


def test_counts_stand_beside_what_the_paper_prints_and_are_recorded(study, tmp_path):
    table = study.count({"width/ours/gate-stage": 1024, "fc_layers/ours/gate-stage": 7, "x/y": 2.5})
    assert table.frame["printed"].tolist() == [1024, 8, ""]
    assert table.frame["equal"].tolist() == [True, False, None]
    (record,) = records(tmp_path)
    assert (record["job"], record["seed"]) == ("structure", 0)
    assert record["quantities"][2] == {"quantity": "x/y", "card": "", "data": "", "value": 2.5}


def test_notes_are_records_of_their_seed(study, tmp_path):
    study.note("counted", [("params/a", "", "", 0, 7), ("mpjpe/a", "cmu-p1", "cmu", 1, 2.5)])
    found = {r["seed"]: r["quantities"] for r in records(tmp_path)}
    assert found[0] == [{"quantity": "params/a", "card": "", "data": "", "value": 7}]
    assert found[1][0]["value"] == 2.5


def test_a_quantity_by_two_protocols_is_noted_twice(study, tmp_path):
    rows = [("mpjpe/a", "cmu-p1", "cmu", 0, 2.5), ("mpjpe/a", "cmu-p2", "cmu", 0, 1.5)]
    rows.append(rows[0])  # and what is said again, once
    assert sorted(measured(study.note("noted", [*rows, ("x/a", "", "", 0, 1)]))["value"]) == [
        1,
        1.5,
        2.5,
    ]
    assert sorted(len(record["quantities"]) for record in records(tmp_path)) == [1, 2]


def test_latencies_are_of_networks_with_parameters_and_once_a_seed(study):
    rows = measured(study.latency(NETWORKS, (64, 4), rounds=5))
    assert sorted(zip(rows["network"], rows["seed"], strict=True)) == [
        ("large", 0), ("large", 1), ("small", 0), ("small", 1)
    ]  # fmt: skip
    assert set(rows["metric"]) == {"latency_ms"} and (rows["value"] > 0).all()
    parts = study.latency({"stem": large}, (1, 4), rounds=2, metric="stem_ms")
    assert set(measured(parts)["network"]) == {"stem"}


def test_options_of_a_configuration_go_before_those_of_all(study):
    runs = trained(study, {"a": {}, "b": {"recipe": {"epochs": 3}, "shape": {"bias": False}}})
    assert list(runs) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    config = runs["b", 1].record["config"]
    assert config["recipe"] | {"epochs": 3, "batch": 3, "drops": []} == config["recipe"]
    assert config["shape"] == {"bias": False} and config["network"] == "line"
    assert config["protocols"] == {"studio": ["h36m-martinez-p1", "h36m-martinez-p2"]}
    assert [len(curve) for curve in study.losses(runs)["b"]] == [3, 3]
    assert TASK.restore(runs["b", 1]).bias is None


def test_a_training_can_start_from_an_earlier_run(study):
    first = trained(study, {"a": {}})
    second = trained(study, {"b": {"start": "a"}}, starts=first, title="{} after a")
    for seed in (0, 1):
        record = second["b", seed].record
        assert record["job"] == "b after a"
        assert record["config"]["start"] == first["a", seed].record["id"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1}, "a: no option rate; there are bonus, network, recipe, shape, start"),
        ({"network": "curve"}, "a: no network 'curve'; there are line"),
        ({"train": "another"}, "a: no training set 'another'; there are one"),
        ({"start": "b"}, "a: no run 'b' to start from with seed 0"),
    ],
)
def test_wrong_options_are_named(study, options, message):
    with pytest.raises(ValueError, match=message):
        how = {"network": "line", "recipe": RECIPE}
        study.train(TASK, {"a": options}, {"one": Points("train")}, starts={}, **how)


def test_results_are_means_over_seeds_with_baselines_below(study):
    runs = trained(study, {"a": {}, "b": {"bonus": 5}})
    mean = [("mpjpe/mean-pose", "h36m-martinez-p1", "studio", 90.0)]
    table = study.results(runs, baselines=mean)
    assert table.caption == "mpjpe, mm, on studio; size smoke, mean of 2 seeds"
    assert table.frame.index.tolist() == ["a", "b", "mean-pose"]
    assert table.frame.columns.tolist() == ["h36m-martinez-p1", "h36m-martinez-p2"]
    own = measured(runs)
    own = own[(own["network"] == "a") & (own["card"] == "h36m-martinez-p1") & (own["slice"] == "")]
    assert table.frame.loc["a", "h36m-martinez-p1"] == pytest.approx(own["value"].mean())
    slices = study.results(runs, columns="slice", card="h36m-martinez-p1")
    assert slices.frame.columns.tolist() == ["all", "S9"]


def test_a_figure_is_shown_and_saved_under_the_papers_name(study, tmp_path, capsys):
    curve = loss_curves({"a": [[1.0, 0.5]]})
    study.show(curve)
    assert not (tmp_path / "out" / "figures").exists()
    study.show(curve, "training-loss")
    assert (tmp_path / "out" / "figures" / "tran2022-training-loss.png").is_file()
    Study("tran2022").show(curve, "training-loss")


def test_a_figure_names_the_size_once(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "posekit.figures.output.show", lambda figure, still=None: shown.append(figure)
    )
    study = Study("tran2022", size="small")
    named = loss_curves({"a": [[1.0, 0.5]]}, title="Loss at size small")
    sheet = Figure()
    for axes, title in zip(sheet.subplots(1, 2), ("best", "worst"), strict=True):
        axes.set_title(title)
    scene = go.Figure().update_layout(title_text="A body")
    for figure in (loss_curves({"a": [[1.0, 0.5]]}), named, sheet, scene):
        for _ in range(2):
            study.show(figure)
    titles = [figure.axes[0].get_title().split("\n")[0] for figure in shown[:4:2]]
    assert titles == ["Training loss, size small", "Loss at size small"]
    assert sheet.get_suptitle() == "size small" and sheet.axes[0].get_title() == "best"
    assert scene.layout.title.text == "A body, size small"
    sheet.suptitle("Two cases")
    study.show(sheet, still=Figure())
    assert sheet.get_suptitle() == "Two cases, size small"


def test_one_protocol_on_two_data_sets_makes_two_columns(study):
    rows = [("mpjpe/a", "cmu-p1", "studio", 10.0), ("mpjpe/a", "cmu-p1", "cmu", 30.0)]
    frame = study.results(from_rows(rows)).frame
    assert frame.loc["a"].to_dict() == {"cmu-p1 on studio": 10.0, "cmu-p1 on cmu": 30.0}
    rows = [(quantity, "h36m-moon-p2", *rest) for quantity, _, *rest in rows]
    with pytest.raises(ValueError, match="mpjpe, h36m-moon-p2 was measured on studio, cmu"):
        Study("choi2021").contrasts(from_rows(rows))


def test_changes_on_other_people_are_found_by_the_rule_that_they_share():
    errors = {"studio": ("h36m-moon-p2", 90.0), "studio-others": ("studio-others-moon-p2", 84.0)}
    rows = [
        (f"mpjpe/{network}", card, data, error)
        for data, (card, large) in errors.items()
        for network, error in (("large", large), ("small", 92.0))
    ]
    study, values = Study("choi2021"), from_rows(rows)
    for data, (_, large) in errors.items():
        changes = study.contrasts(values, data=data)
        assert changes["mean"].to_dict() == {"large for small, protocol 2": large - 92.0}


def test_verdicts_are_counted_from_the_records(study):
    counts = study.verdicts().frame["claims"]
    assert counts.sum() == len(study.paper.claims) and (counts > 0).all()


def test_a_table_of_the_paper_is_shown_with_what_was_measured(tmp_path):
    study = Study("tran2022", size="small", out=tmp_path)
    rows = [("mpjpe/ours", "h36m-martinez-p1", "studio", seed, 65.0) for seed in range(3)]
    assert study.paper_table("Table 1, protocol 1").basis == ""
    study.note("errors", rows)
    table = study.paper_table("Table 1, protocol 1")
    assert table.basis == "studio, size small" and "50.6" in table._repr_html_()
    with pytest.raises(ValueError, match="no table 'Table 9'; tran2022 has Table 1, protocol 1"):
        study.paper_table("Table 9")


def test_smoke_trains_one_at_a_time():
    study = Study("tran2022", device="cpu")
    assert study.workers == 1
    study.size = "small"
    assert study.workers == 0
