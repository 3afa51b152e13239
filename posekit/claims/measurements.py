"""What was measured: run records, and the values of a claim's quantities seed by seed.

Records are results/runs/*.json. A value belongs to a quantity, a card and a data set ('' for
counts), and to one size and seed of one run; smoke runs never count. Evidence words: design E0-E6.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from posekit.claims.expressions import Call, Interval, Node, Operation, Quantity, evaluate
from posekit.claims.paper import AS_READ, Paper, Part, Reading

SIZES = ("small", "gpu", "paper")  # smallest first; smoke is for tests and never counts
TAUGHT = "recipe_trained_on/all/"
_SUBJECT = r"/T?S\d+"
_FIELDS = {"id": str, "paper": str, "job": str, "size": str, "seed": int, "config": dict}


@dataclass(frozen=True)
class Record:
    """One finished run; `trained_on` is its data set ('' for none), values by (quantity, card, data)."""

    file: Path
    id: str
    paper: str
    job: str
    size: str
    seed: int
    config: str
    trained_on: str
    device: str
    threads: str
    values: dict[tuple[str, str, str], float]


def load_records(folder: str | Path) -> list[Record]:
    """Every record in a folder but smoke runs, in order of file name; none if it is not there.

    Raises ValueError naming the file and the remedy for one that is damaged, and both files
    when two records say what happened under one key.
    """
    records = [_read(path) for path in sorted(Path(folder).glob("*.json"))]
    seen: dict[tuple, Record] = {}
    for r in records:
        key = (r.paper, r.job, r.size, r.seed, r.trained_on, r.config)
        if key in seen:
            raise ValueError(
                f"{seen[key].file} and {r.file} are two records of one run ({r.job}, {r.size}, "
                f"seed {r.seed}); delete the one that is out of date"
            )
        seen[key] = r
    return [r for r in records if r.size != "smoke"]


def _read(path: Path) -> Record:
    remedy = "delete it and run its notebook again"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a whole JSON file ({error}); {remedy}") from error
    if type(raw) is not dict:
        raise ValueError(f"{path} is not a run record; {remedy}")
    for name, kind in _FIELDS.items():
        if type(raw.get(name)) is not kind:
            raise ValueError(f"{path}: {name} is missing or no {kind.__name__}; {remedy}")
    if raw["size"] not in ("smoke", *SIZES):
        raise ValueError(f"{path}: unknown size {raw['size']!r}; {remedy}")
    fixed = {name: raw[name] for name in ("id", "paper", "job", "size", "seed")}
    return Record(
        file=path,
        config=json.dumps(raw["config"], sort_keys=True),
        trained_on=(raw.get("data") or {}).get("name", ""),
        device=str(raw.get("device", "")),
        threads=str(raw.get("threads", "")),
        values=_values(raw.get("quantities"), path, remedy),
        **fixed,
    )


def _values(rows: object, path: Path, remedy: str) -> dict[tuple[str, str, str], float]:
    values: dict[tuple[str, str, str], float] = {}
    if type(rows) is not list:
        raise ValueError(f"{path}: no list of quantities; {remedy}")
    for row in rows:
        try:
            name, value = (row["quantity"], row["card"], row["data"]), row["value"]
        except (KeyError, TypeError):
            raise ValueError(
                f"{path}: {row!r} lacks quantity, card, data or value; {remedy}"
            ) from None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"{path}: {name[0]} is {value}, not a number; {remedy}")
        if name in values:
            raise ValueError(f"{path}: {name[0]} ({name[1]}, {name[2]}) is given twice; {remedy}")
        values[name] = float(value)
    return values


class Measurements:
    """The values of one paper's records, found by quantity, card, data set, size and seed."""

    def __init__(self, records: Iterable[Record], paper: str):
        """Raises ValueError naming both files when two records measured one thing differently."""
        self.values: dict[tuple, dict[tuple[str, int], tuple[float, Record]]] = defaultdict(dict)
        self.by_id: dict[str, Record] = {}
        for record in records:
            if record.paper != paper or record.size == "smoke":
                continue
            self.by_id[record.id] = record
            for key, value in record.values.items():
                self._add(key, value, record)

    def _add(self, key: tuple[str, str, str], value: float, record: Record) -> None:
        known = self.values[key].setdefault((record.size, record.seed), (value, record))
        if known[0] != value:
            raise ValueError(
                f"{known[1].file} and {record.file} both give {key[0]} ({key[1]}, {key[2]}) of "
                f"size {record.size}, seed {record.seed}: {known[0]:g} and {value:g}; delete the "
                "one that is out of date, or name the subjects or data sets apart"
            )

    @property
    def datasets(self) -> list[str]:
        """The data sets anything was measured on, '' for counts."""
        return sorted({data for _, _, data in self.values})

    def seeds(
        self, name: str, card: str, data: str, size: str
    ) -> tuple[str, dict[int, tuple[float, Record]]]:
        """Where the quantity was found, and seed -> (value, record).

        A count has neither card nor data set, and serves wherever it is asked for.
        """
        for key in ((name, card, data), (name, "", data), (name, "", "")):
            found = {s: v for (z, s), v in self.values.get(key, {}).items() if z == size}
            if found:
                return key[2], dict(sorted(found.items()))
        return data, {}

    def test_subjects(self, name: str, card: str, data: str) -> set[str]:
        """Test subjects a headline quantity was measured on separately: mpjpe/ours/S9."""
        keys = (q for q, c, d in self.values if (c, d) == (card, data))
        return {q.removeprefix(name + "/") for q in keys if re.fullmatch(name + _SUBJECT, q)}


@dataclass(frozen=True)
class Sample:
    """A comparison's quantities on one data set at one size, one entry a seed.

    `subjects` are the differences per test subject where the records have them; `used` and
    `missing` the quantities that were measured and those a wildcard stands for that were not.
    `taught` and `untaught` are the data sets that the paper says its networks learnt from, and
    those it says they did not; both empty where it learnt from what it tests on.
    """

    data: str
    size: str
    seeds: tuple[int, ...]
    left: tuple[Interval, ...]
    right: tuple[Interval, ...]
    subjects: dict[str, tuple[float, ...]]
    used: tuple[str, ...]
    missing: tuple[str, ...]
    records: tuple[Record, ...]
    taught: frozenset[str] = frozenset()
    untaught: frozenset[str] = frozenset()

    @property
    def differences(self) -> tuple[float, ...]:
        """Left minus right, paired: one entry a seed."""
        return tuple(a.value - b.value for a, b in zip(self.left, self.right))

    def level(self, paper_data: str) -> str:
        """The evidence word: E1 counts, E2 references, E3 studio, E4 real, E5, E6 the paper's."""
        if self.data in ("", "reference"):
            return "E2" if self.data else "E1"
        if self.data.startswith("studio"):
            return "E3"
        trained = [set(r.trained_on.split("+")) for r in self.records if r.trained_on]
        taught = self.taught or {paper_data}
        # a set that is joined to the paper's, human36m+mpii, is part of the paper's recipe
        alike = all(taught <= sets and not self.untaught & sets for sets in trained)
        if self.data != paper_data or not alike:
            return "E4"
        return "E6" if len(self.seeds) >= 3 else "E5"


def samples(
    paper: Paper, part: Part, found: Measurements, kind: str, reading: Reading = AS_READ
) -> list[Sample]:
    """Everything measured for one comparison, a sample for each data set and size.

    `reading` takes the place of a stand-in that aliases.csv names first. Times are compared
    within one device only. A `min` or `max` over competitors is taken over those measured when
    it is an ordering; any other formula needs all its quantities.
    """
    partial = kind == "ordering" and _extremes_only(part.left) and _extremes_only(part.right)
    drawn = []
    for data in found.datasets:
        for size in SIZES:
            sample = _sample(paper, part, found, data, size, partial, kind == "speed", reading)
            drawn += [sample] if sample else []
    return drawn


def _extremes_only(node: Node) -> bool:
    """Whether every wildcard stands in a min() or max(), where leaving some out still bounds."""
    if isinstance(node, Quantity):
        return "*" not in node.name
    if isinstance(node, Operation):
        return _extremes_only(node.left) and _extremes_only(node.right)
    if isinstance(node, Call) and node.function not in ("min", "max"):
        return all(_extremes_only(argument) for argument in node.arguments)
    return True


def _sample(
    paper: Paper,
    part: Part,
    found: Measurements,
    data: str,
    size: str,
    partial: bool,
    one_device: bool,
    reading: Reading,
) -> Sample | None:
    values, missing, places = {}, [], set()
    for name in [q for wanted in part.names for q in paper.expand(part, wanted)]:
        measured = paper.measured_name(name, reading)
        place, seeds = found.seeds(measured, part.card, data, size)
        if seeds:
            values[name] = seeds
            places.add(place)
        elif not partial or name in part.names:
            return None
        else:
            missing.append(name)
    wild = [n for n in part.names if "*" in n]
    if places != {data} and places - {""} != {data}:
        return None  # counts alone: they belong to no data set
    if any(not set(paper.expand(part, n)) & set(values) for n in wild) or not values:
        return None
    seeds = sorted(set.intersection(*(set(s) for s in values.values())))
    if one_device:
        seeds = [s for s in seeds if len({v[s][1].device for v in values.values()}) == 1]
    if not seeds:
        return None
    sides = [_sides(paper, part, values, seed) for seed in seeds]
    records = {v[s][1].id: v[s][1] for v in values.values() for s in seeds}
    subjects = _per_subject(paper, part, found, (data, size, reading), values, seeds)
    left, right = zip(*sides)
    used = tuple(paper.measured_name(name, reading) for name in values)
    return Sample(
        data,
        size,
        tuple(seeds),
        left,
        right,
        subjects,
        used,
        tuple(missing),
        tuple(records.values()),
        *(_lessons(paper, said) for said in (1, 0)),
    )


def _lessons(paper: Paper, said: int) -> frozenset[str]:
    """The data sets of which the paper says (1) or denies (0) that all its networks learnt them."""
    entries = (e for e in paper.printed.values() if e.quantity.startswith(TAUGHT))
    return frozenset(
        e.quantity.removeprefix(TAUGHT) for e in entries if e.value and e.value.value == said
    )


def _sides(paper: Paper, part: Part, values: dict, seed: int) -> tuple[Interval, Interval]:
    def lookup(name: str) -> list[Interval]:
        known = (q for q in paper.expand(part, name) if q in values)
        return [Interval.exact(values[q][seed][0]) for q in known]

    return evaluate(part.left, lookup), evaluate(part.right, lookup)


def _per_subject(
    paper: Paper, part: Part, found: Measurements, place: tuple, values: dict, seeds: list[int]
) -> dict[str, tuple[float, ...]]:
    """Differences for each test subject that every quantity was measured on at every seed."""
    data, size, reading = place
    measured = {name: paper.measured_name(name, reading) for name in values}
    if any(name.count("/") > 1 for name in measured.values()):
        return {}
    shared = set.intersection(*(found.test_subjects(n, part.card, data) for n in measured.values()))
    rows = {}
    for subject in sorted(shared):
        own = {
            q: found.seeds(f"{n}/{subject}", part.card, data, size)[1] for q, n in measured.items()
        }
        if all(seed in entry for seed in seeds for entry in own.values()):
            pairs = [_sides(paper, part, own, seed) for seed in seeds]
            rows[subject] = tuple(a.value - b.value for a, b in pairs)
    return rows
