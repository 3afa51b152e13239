"""The table of networks on real photographs, from the records of notebooks."""

from pathlib import Path

from posekit.claims.measurements import Record
from posekit.report.comparisons import photograph_section


def record(seed: int, size: str, values: dict[str, float]) -> Record:
    found = {(f"pck/{name}", "lsp-pck-0.2", "lspet"): value for name, value in values.items()}
    about = (f"{seed:016x}", "bouchiat", "photographs, lsp-pck-0.2", size, seed, "{}", "", "", "")
    return Record(Path(f"{size}-{seed}.json"), *about, found)


def test_networks_on_photographs_are_shown_beside_the_mean_pose_which_comes_last():
    records = [
        record(seed, "medium", {"mean-pose": 8.0, "r50": 20.0 + seed, "r50-voc": 17.0})
        for seed in range(3)
    ]
    records.append(record(0, "small", {"mean-pose": 8.0, "r50": 9.0}))
    title, text, table = photograph_section(records)
    assert title == "## Real photographs"
    assert "size `medium`" in text and "over 3 seeds" in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    # 21 and 1.0 * t(0.975, 2) / sqrt(3)
    assert rows[0] == ["Network", "lsp-pck-0.2"]
    assert rows[2:] == [["r50", "21.00 ± 2.48"], ["r50-voc", "17"], ["mean-pose", "8"]]


def test_a_paper_without_photographs_has_no_such_section():
    assert not [*photograph_section([])]
