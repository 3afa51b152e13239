"""The studio's data card: its text, and its measured distance from real people."""

import json

from posekit.claims.measurements import load_records
from posekit.report.studio_card import studio_card


def write(folder, name, seed, data, errors):
    rows = [
        {"quantity": f"mpjpe/ours{part}", "card": "cmu-p1", "data": data, "value": value}
        for part, value in errors.items()
    ]
    record = {"id": name, "paper": "tran2022", "job": name, "size": "small", "seed": seed}
    record |= {"config": {}, "data": {"name": "studio"}, "quantities": rows, "series": {}}
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_without_measurements_the_card_says_what_the_studio_is():
    card = studio_card([])
    assert card.startswith("# The studio's poses: a generated motion-capture data set")
    assert "What it is not" in card and "Ratio" not in card


def test_the_ratio_is_of_one_network_and_of_the_performers_that_both_were_tested_on(tmp_path):
    for seed, error in enumerate((99.0, 100.0, 101.0)):
        write(tmp_path, f"run{seed}", seed, "cmu", {"": error, "/01": 90.0, "/02": 110.0})
    # t(0.975, 2) = 4.303, standard error 1 / sqrt(3)
    assert "| small | ours |  | 100.0 ± 2.5 |  |  |  |" in studio_card(load_records(tmp_path))
    for seed in range(2):
        errors = {"": 60.0, "/01": 79.0, "/02": 79.0 + 4 * seed, "/35": 10.0}
        write(tmp_path, f"own{seed}", seed, "cmu-folds", errors)
    assert "| 1.25 |" in studio_card(load_records(tmp_path))  # 100 over the mean of 79 and 81
