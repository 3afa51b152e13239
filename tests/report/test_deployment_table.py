"""Tables of files and ways to run them, beside what a paper prints."""

from dataclasses import replace
from pathlib import Path

from posekit.claims.measurements import Record
from posekit.claims.paper import load_paper
from posekit.report.deployment_table import way_tables


def record(seed: int, values: dict[str, float]) -> Record:
    """A record of counts."""
    keyed = {(name, "", ""): value for name, value in values.items()}
    return Record(
        Path("none.json"), f"{seed:016x}", "choi2021", "j", "small", seed, "{}", "", "", "", keyed
    )


def test_ways_are_rows_and_the_paper_stands_beside_them():
    times = {"eager-float32-1": 300.0, "litert-int8-1": 50.0, "litert-float32-1": 600.0}
    times["eager-float32-all"] = 10.0
    ran = [
        record(seed, {f"latency_ms/large/{way}": ms + seed for way, ms in times.items()})
        for seed in (0, 2)
    ]
    ran.append(
        record(
            0,
            {
                "size_mb/large/tflite-float32": 16.0,
                "size_mb/large/tflite-int8": 4.8,
                "params/large": 5_000_000,  # 4.07 million printed
            },
        )
    )
    another_day = record(0, {"latency_ms/large/eager-float32-1": 900.0})
    ran.append(replace(another_day, size="medium", id="another"))
    (_, nearest, sizes), (_, fastest, times) = way_tables(ran, load_paper("choi2021"))
    assert sizes.to_numpy().tolist() == [
        ["tflite float32", "16.00"],
        ["tflite int8", "4.80"],
        ["printed", "5.59"],  # Table 10
        ["printed, bytes a parameter", "1.37"],
    ]
    assert nearest == "Nearest to what is printed: large tflite int8, 14 % smaller."
    times = times.set_index("Way")[">large"]
    assert times.index[0] == "eager float32, 1 thread" and times.iloc[0] == "301.0"
    assert times.index[3] == "eager float32, all threads" and times["printed, cpu"] == "108.0"
    assert "large 51.00 ms by litert int8, 1 thread (5.9 times)" in fastest
    assert "Slower than that: large by litert float32, 1 thread (2.0 times the time)" in fastest


def test_counts_of_other_kinds_make_no_such_table():
    ran = [record(0, {"params/large": 1.0, "channels_out/large/block-1": 2.0, "size_mb/large": 3})]
    assert not list(way_tables(ran, load_paper("choi2021")))
