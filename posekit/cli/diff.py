"""`posekit diff A B`: what changed between two folders of results, or those of two commits.

Verdicts are those of each ledger.csv, by the rules of its time. Numbers are means over seeds of the
run records: one has changed where the new mean lies outside the 95 % interval of the old one.
"""

import csv
import io
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from posekit.claims.measurements import Record, load_records, value_table
from posekit.claims.numbers import number
from posekit.claims.statistics import Estimate, t_interval
from posekit.system import ROOT

SAME = 1e-6  # relative; numbers without an interval that are nearer have not changed
COSTLIER = 1.25  # times the cost of before, or a part of it, from which a cost has changed
SHOWN = 40  # lines of a list; the rest is counted
_NUMBER = ["paper", "metric", "network", "card", "data", "size"]


@dataclass(frozen=True)
class Results:
    """A name, verdict, evidence and reason of each claim by id, and the run records."""

    name: str
    verdicts: dict[str, tuple[str, str, str]]
    records: list[Record]


def compare(before: str, after: str) -> str:
    """What changed, as text. Raises ValueError for what is neither a folder nor a commit."""
    one, two = _results(before), _results(after)
    parts = [f"{one.name} -> {two.name}", *_verdicts(one, two), *_numbers(one, two)]
    return "\n".join([*parts, *_costs(one, two)])


def _results(name: str) -> Results:
    """Of a folder, or of the folder results of a commit."""
    if Path(name).is_dir():
        return _read(name, Path(name))
    command = ["git", "-C", str(ROOT), "archive", name, "results/runs", "results/ledger.csv"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(f"{name} is neither a folder of results nor a commit with such: {said}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        return _read(name, Path(folder) / "results")


def _read(name: str, folder: Path) -> Results:
    ledger = folder / "ledger.csv"
    if not ledger.is_file():
        raise ValueError(f"{folder} has no ledger.csv: `posekit render --out {folder}` writes it")
    with ledger.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    levels, words = defaultdict(list), {}
    for row in rows:  # one a comparison, with the verdict of the whole claim; once one a claim
        words[row["id"]] = row.get("claim verdict") or row["verdict"], row.get("reason", "")
        if row.get("claim verdict") in ("", None, row["verdict"]):
            levels[row["id"]].append(row["evidence"])
    verdicts = {
        name: (word, " ".join(dict.fromkeys(levels[name])), why)
        for name, (word, why) in words.items()
    }
    return Results(name, verdicts, load_records(folder / "runs"))


def _verdicts(one: Results, two: Results) -> Iterator[str]:
    shared = [name for name in two.verdicts if name in one.verdicts]
    moved, proven = defaultdict(list), defaultdict(list)
    for name in shared:
        (old, before, _), (new, after, reason) = one.verdicts[name], two.verdicts[name]
        if old != new:
            told = f" ({reason})" if reason and new == "inconclusive" else ""
            moved[f"{old} -> {new}{told}"].append(name)
        elif before != after:
            proven[f"{new}, {before or 'none'} -> {after or 'none'}"].append(name)
    for what, found in (("verdicts", moved), ("evidence of the same verdict", proven)):
        yield f"\n{what}: {sum(map(len, found.values()))} of {len(shared)} claims changed"
        for change, names in sorted(found.items(), key=lambda each: -len(each[1])):
            yield f"  {len(names):4d}  {change}: {_few(names)}"
    yield from _only("claims", one.verdicts, two.verdicts)


def _numbers(one: Results, two: Results) -> Iterator[str]:
    old, new = _means(one.records), _means(two.records)
    shared, lines = [key for key in new if key in old], []
    for key in shared:
        before, after = old[key], new[key]
        if before.n > 1:
            beyond = not before.low <= after.mean <= before.high
        else:
            beyond = abs(after.mean - before.mean) > SAME * abs(before.mean)
        if beyond:
            paper, metric, network, *where = key
            what = f"{paper} {metric}/{network} {' '.join(filter(None, where))}"
            lines.append(f"  {what}: {_shown(before)} -> {_shown(after)}")
    yield f"\nnumbers: {len(lines)} of {len(shared)} beyond the interval of before"
    yield from _listed(lines)
    yield from _only("numbers", [" ".join(key) for key in old], [" ".join(key) for key in new])


def _costs(one: Results, two: Results) -> Iterator[str]:
    totals = [_totals(each.records) for each in (one, two)]
    yield "\ncosts"
    for key in sorted(totals[0] | totals[1]):
        told = [
            f"{t[key][1]} runs, {t[key][0] / 3600:.1f} hours" if key in t else "-" for t in totals
        ]
        if told[0] != told[1]:
            yield f"  {' '.join(key)}: {' -> '.join(told)}"
    old, new = (_job_costs(each.records) for each in (one, two))
    lines = [
        f"  {' '.join(key)}: {number(old[key])} -> {number(new[key])}"
        for key in sorted(old.keys() & new.keys())
        if not old[key] / COSTLIER <= new[key] <= old[key] * COSTLIER
    ]
    yield f"  {len(lines)} means over runs of a job beyond {COSTLIER} times"
    yield from _listed(lines)


def _means(records: Iterable[Record]) -> dict[tuple[str, ...], Estimate]:
    """Every number that is no slice of another: mean over seeds, and its interval."""
    records = list(records)
    papers = {record.id: record.paper for record in records}
    values = value_table(records)
    values = values[values["slice"] == ""].assign(paper=lambda v: v["record"].map(papers))
    groups = values.groupby(_NUMBER, sort=False)["value"]
    return {key: t_interval(own.to_numpy()) for key, own in groups}


def _totals(records: Iterable[Record]) -> dict[tuple[str, str], tuple[float, int]]:
    """Seconds and number of the runs, by paper and size."""
    found = pd.DataFrame(
        [(r.paper, r.size, r.costs.get("seconds", 0.0)) for r in records],
        columns=["paper", "size", "seconds"],
    ).groupby(["paper", "size"])["seconds"]
    return {key: (float(own.sum()), len(own)) for key, own in found}


def _job_costs(records: Iterable[Record]) -> dict[tuple[str, ...], float]:
    """Mean seconds and peak memory, by paper, job, size and cost."""
    found = defaultdict(list)
    for record in records:
        for cost, value in record.costs.items():
            if value and cost != "samples_per_second":
                found[record.paper, record.job, record.size, cost.replace("_", " ")].append(value)
    return {key: sum(own) / len(own) for key, own in found.items()}


def _shown(mean: Estimate) -> str:
    if mean.n < 2:
        return number(mean.mean)
    ends = [number(value, mean.mean or 1.0) for value in (mean.mean, mean.low, mean.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}] n={mean.n}"


def _few(names: list[str]) -> str:
    return " ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))


def _listed(lines: list[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"  and {len(lines) - SHOWN} more"


def _only(what: str, old: Iterable[str], new: Iterable[str]) -> Iterator[str]:
    """What only one of the two has, by the paper that its name begins with."""
    old, new = set(old), set(new)
    for word, names in (("new", new - old), ("gone", old - new)):
        if names:
            papers = Counter(name.split(" ")[0].split("-")[0] for name in names)
            told = ", ".join(f"{paper} {count}" for paper, count in sorted(papers.items()))
            yield f"  {word} {what}: {told}"
