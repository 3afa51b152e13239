"""The studio's data card: its text, and its measured distance from real people."""

import json

from posekit.claims.measurements import load_records
from posekit.report.studio_card import studio_card


def write(folder, name, seed, quantities):
    rows = [{"quantity": q, "card": c, "data": "cmu", "value": v} for q, c, v in quantities]
    record = {"id": name, "paper": "tran2022", "job": name, "size": "small", "seed": seed}
    record |= {"config": {}, "data": {"name": "studio"}, "quantities": rows, "series": {}}
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_without_measurements_the_card_says_what_the_studio_is():
    card = studio_card([])
    assert card.startswith("# The studio's poses: a generated motion-capture data set")
    assert "What it is not" in card and "Ratio" not in card


def test_the_ratio_is_the_mean_over_seeds_with_its_interval(tmp_path):
    for seed, ratio in enumerate((1.1, 1.2, 1.3)):
        rows = [("studio_ratio/ours", "cmu-p1", ratio), ("mpjpe/ours", "cmu-p1", 100.0)]
        write(tmp_path, f"run{seed}", seed, rows)
    card = studio_card(load_records(tmp_path))
    # t(0.975, 2) = 4.303, standard error 0.1 / sqrt(3)
    assert "| small | ours |  | 100 |  | 1.20 ± 0.25 |" in card
