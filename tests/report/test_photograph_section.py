"""The table of networks on real photographs, from the records of notebooks."""

from pathlib import Path

from posekit.claims.measurements import Record
from posekit.report.comparisons import photograph_section


def record(
    seed: int, size: str, values: dict[str, float], measure=("pck", "lsp-pck-0.2", "lspet")
) -> Record:
    metric, *where = measure
    found = {(f"{metric}/{name}", *where): value for name, value in values.items()}
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


def test_the_page_says_where_no_network_beats_the_mean_pose():
    space = "mpjpe", "pose2sim-mpjpe", "pose2sim"
    values = {"mean-pose": 347.0, "r50": 420.0, "r50-voc": 350.0}
    parts = [record(0, "medium", {"mean-pose": 8.0, "r50": 7.0, "r50-voc": 17.0})]
    parts.append(record(1, "medium", values, space))
    *_, behind = photograph_section(parts)
    assert behind == "By pose2sim-mpjpe none of the networks beats the mean pose."
    parts[1] = record(1, "medium", values | {"r50-voc": 346.0}, space)
    assert len([*photograph_section(parts)]) == 3
    parts[0] = record(0, "medium", {"mean-pose": 8.0, "r50": 7.0, "r50-voc": 8.0})
    assert "By lsp-pck-0.2 none" in [*photograph_section(parts)][-1]


def test_a_paper_without_photographs_has_no_such_section():
    assert not [*photograph_section([])]
