"""Tables of what runs measured: any metric, its slices and units, and counts of models alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from posekit.claims.measurements import Record
from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.protocol import measure
from posekit.report.measured_tables import count_table, error_tables

LOSSES = (0.00113, 0.00115, 0.00118)
STUDIO = "studio-wild"


def run(seed: int, values: dict, size: str = "small") -> Record:
    """A record; values by (quantity, card, data), or by quantity for counts."""
    keyed = {q if isinstance(q, tuple) else (q, "", ""): float(v) for q, v in values.items()}
    return Record(
        file=Path("none.json"),
        id=f"{seed:016x}",
        paper="toy",
        job="job",
        size=size,
        seed=seed,
        config="{}",
        trained_on=STUDIO,
        device="cpu",
        threads="1",
        values=keyed,
    )


def trained(seed: int, loss: float) -> Record:
    """A network with losses by epoch under two cards, and PCKh by part under two."""
    values = {}
    for card in ("kim-train-loss", "kim-test-loss"):
        values |= {(f"loss/net/epoch-{e}", card, STUDIO): loss * (3 - e) for e in (1, 2)}
        values |= {("loss/net", card, STUDIO): loss}
    for card in ("mpii-naman-pckh", "mpii-bearpaw-pckh"):
        parts = {"": 40.0 + seed, "/head": 60.0 + seed, "/ankle": 20.0}
        values |= {(f"pckh/net{part}", card, STUDIO): v for part, v in parts.items()}
    return run(seed, values)


@pytest.fixture
def records() -> list[Record]:
    return [trained(seed, loss) for seed, loss in enumerate(LOSSES)]


def test_losses_and_pckh_stand_beside_each_other_each_in_its_unit(records):
    [(title, caption, table), *_] = error_tables(records, ["kim-train-loss"])
    assert title == f"All cards on `{STUDIO}` (generated data, not the paper's), size `small`"
    assert caption.startswith("In 0.001 MSE; mpii-naman-pckh, mpii-bearpaw-pckh in %.")
    cards = ["kim-train-loss", "kim-test-loss", "mpii-naman-pckh", "mpii-bearpaw-pckh"]
    assert table["Card"].tolist() == ["trained on", *cards]
    half = stats.t.ppf(0.975, 2) * stats.sem(LOSSES)
    assert table.loc[1, ">net"] == f"{1e3 * np.mean(LOSSES):.3f} ± {1e3 * half:.3f}"


def test_losses_that_are_not_small_are_in_their_own_unit():
    records = [trained(seed, 0.0113 + seed / 1000) for seed in range(2)]
    [(_, caption, table), *_] = error_tables(records, ["kim-train-loss"])
    assert caption.startswith("In MSE; ") and table.loc[1, ">net"].startswith("0.0118 ± ")
    [(_, caption, table), *_] = error_tables([trained(0, 0.0012)], [])
    assert caption.startswith("In 0.001 MSE; ") and table.loc[1, ">net"] == "1.2"


def test_slices_are_those_of_the_papers_cards_and_of_one_card_of_any_other_metric(records):
    titles = [title.split("`")[1] for title, _, _ in error_tables(records, ["kim-train-loss"])]
    assert titles[1:] == ["kim-train-loss", "mpii-naman-pckh"]
    titles = [title.split("`")[1] for title, _, _ in error_tables(records, [])]
    assert titles[1:] == ["kim-train-loss", "mpii-naman-pckh"]


def test_a_loss_has_no_average_over_epochs(records):
    _, (_, caption, losses), (_, _, rates) = error_tables(records, ["kim-train-loss"])
    assert caption.startswith("In 0.001 MSE. ")
    assert losses["Slice"].tolist() == ["trained on", "epoch-1", "epoch-2", "headline"]
    assert rates["Slice"].tolist() == ["trained on", "average", "head", "ankle"]


def test_what_is_no_number_of_a_card_has_no_unit():
    values = {("mpjpe/a", "cmu-p1", "cmu"): 95.0, ("studio_ratio/a", "cmu-p1", "cmu"): 1.06}
    [(_, caption, table)] = error_tables([run(0, values)], [])
    assert caption.startswith("In mm; cmu-p1, studio ratio without a unit.")
    assert table["Card"].tolist() == ["trained on", "cmu-p1", "cmu-p1, studio ratio"]


COUNTS = {
    "params/original": 12647206,
    "params/reduced": 12529622,
    "stem_macs/original": 1630000000,
    "stem_macs/reduced": 1112000000,
}


def test_counts_are_of_models_and_of_no_data():
    others = {
        "configurations/all": 6,
        "configurations/conclusion": 6,
        "heatmaps/reduced": 16,
        "kernel/reduced/conv1": 7,
        ("lost/200", "", "mpii"): 4.5,
        ("lost/210", "", "mpii"): 3.25,
    }
    table = count_table([run(0, others | COUNTS)])
    assert list(table) == ["Model", ">params", ">stem macs"]
    assert table.to_numpy().tolist() == [
        ["reduced", "12,529,622", "1,112,000,000"],
        ["original", "12,647,206", "1,630,000,000"],
    ]


def test_counts_of_two_sizes_are_not_averaged():
    large = {name: count + 1 for name, count in COUNTS.items()}
    table = count_table([run(0, COUNTS), run(1, large, "large"), *[trained(2, 0.001)]])
    assert table.iloc[:, :2].to_numpy().tolist() == [
        ["original, small", "12,647,206"],
        ["reduced, small", "12,529,622"],
        ["original, large", "12,647,207"],
        ["reduced, large", "12,529,623"],
    ]


def test_one_model_alone_is_compared_with_nothing():
    assert count_table([run(0, {"params/original": 5, "layers/original": 2})]) is None


def test_shares_and_f1_of_one_card_stand_in_rows_of_their_own():
    generator = torch.Generator().manual_seed(0)
    records = []
    for seed in range(2):
        true = torch.randint(0, 7, (3, 20, 20), generator=generator).byte()
        missed = torch.rand(true.shape, generator=generator) < 0.3
        numbers = {}
        for protocol in MASK_PROTOCOLS.values():
            counts = protocol.count(true.masked_fill(missed, 0), true)
            for quantity, card, data, value in measure("net", [protocol], STUDIO, counts):
                numbers[quantity, card, data] = value
        records.append(run(seed, numbers))
    (_, caption, table), (title, _, parts), *_ = error_tables(records, ["lsp-parts"])
    cards = [f"{card}, {m}" for card in ("lsp-silhouette", "lsp-parts") for m in ("accuracy", "f1")]
    assert table["Card"].tolist() == ["trained on", *cards]
    assert caption.startswith("In %; lsp-silhouette, f1, lsp-parts, f1 without a unit.")
    names = parts["Slice"].tolist()
    assert names[1:4] == ["accuracy", "f1", "f1/background"] and "`lsp-parts`" in title
