"""Run records, their values as one table, and the values of a comparison seed by seed.

Records are results/runs/*.json. A value belongs to a quantity, a protocol card and a data set (''
for counts), and to one size and seed of one run; smoke runs never count.
"""

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd

from posekit.claims.expressions import Call, Node, Quantity, evaluate
from posekit.claims.numbers import Interval
from posekit.claims.paper import AS_READ, WITH_SMOKE, Claim, Paper, Part, split
from posekit.claims.published import equal_to_published
from posekit.claims.statistics import FEWEST, Estimate, t_interval
from posekit.metrics.registry import ALL as PROTOCOLS

SIZES = WITH_SMOKE[1:]  # smoke is for tests and never counts
COSTS = ("seconds", "samples_per_second", "peak_memory_mb")
_FIELDS = {"id": str, "paper": str, "job": str, "size": str, "seed": int, "config": dict}
_COLUMNS = ["record", "job", "size", "seed", "start", "trained_on"]
_COLUMNS += ["metric", "network", "slice", "card", "data", "value"]
SUBJECT = re.compile(r"T?S\d+|\d\d")  # people of Human3.6M, MPI-INF-3DHP, the studio; of CMU
SAME_RULE = {name: rule.same_as for name, rule in PROTOCOLS.items() if rule.same_as}
"""Protocols whose rule is another's, on other people, and that one's name."""
_RUN = re.compile(r"[0-9a-f]{16}")  # the id of a run: weights that one network alone begins with

Key = tuple[str, str, str]  # quantity, card, data


@dataclass(frozen=True)
class Record:
    """One finished run; `trained_on` is its data set ('' for none), `config` JSON text.

    `costs` are seconds, samples_per_second and peak_memory_mb; `start` is the pretrained weights
    that the training began with: their name, which the networks of a pair share, or the id of the
    run that made them; '' for random ones. `finished` is the day, `commit` the code's.
    """

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
    values: dict[Key, float]
    costs: dict[str, float] = field(default_factory=dict)
    start: str = ""
    finished: str = ""
    commit: str = ""

    @property
    def trial(self) -> "Trial":
        """What the two trainings of a pair have in common: the seed, and the name of the start."""
        return self.seed, "" if _RUN.fullmatch(self.start) else self.start


def record_digest(record: Mapping) -> str:
    """A hash of all that a record holds but its own entry `digest`."""
    plain = {name: value for name, value in record.items() if name != "digest"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def load_records(folder: str | Path) -> list[Record]:
    """Every record in a folder but smoke runs, in order of file name; none if it is not there.

    Raises ValueError naming the file and the remedy for one that is damaged, and both files
    when two records say what happened under one key.
    """
    seen: dict[tuple, Record] = {}
    for record in map(_read, sorted(Path(folder).glob("*.json"))):
        key = (record.paper, record.job, record.size, record.seed)
        other = seen.setdefault((*key, record.trained_on, record.config), record)
        if other is not record:
            raise ValueError(
                f"{other.file} and {record.file} are two records of one run ({record.job}, "
                f"{record.size}, seed {record.seed}); delete the one that is out of date"
            )
    return [record for record in seen.values() if record.size != "smoke"]


def _read(path: Path) -> Record:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if type(raw) is not dict:
            raise ValueError("it is not a run record")
        for name, kind in _FIELDS.items():
            if type(raw.get(name)) is not kind:
                raise ValueError(f"{name} is missing or no {kind.__name__}")
        if raw["id"] != path.stem:
            raise ValueError(f"it is the record of another run, {raw['id']}")
        if raw.get("digest", record_digest(raw)) != record_digest(raw):  # older ones have none
            raise ValueError("its numbers are not those that were written")
        if raw["size"] not in ("smoke", *SIZES):
            raise ValueError(f"unknown size {raw['size']!r}")
        return Record(
            file=path,
            **{name: raw[name] for name in ("id", "paper", "job", "size", "seed")},
            config=json.dumps(raw["config"], sort_keys=True),
            trained_on=(raw.get("data") or {}).get("name", ""),
            device=str(raw.get("device", "")),
            threads=str(raw.get("threads", "")),
            values=_values(raw.get("quantities")),
            costs={name: raw[name] for name in COSTS if raw.get(name) is not None},
            start=_start(raw),
            finished=str(raw.get("finished") or "")[:10],
            commit=str(raw.get("commit") or "")[:7],
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        reason = f"it is not a whole JSON file ({error})"
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{path}: {reason}; delete it and run its notebook again")


def _start(raw: Mapping) -> str:
    config = raw["config"]
    return str(raw.get("start") or config.get("start") or config.get("pretrained") or "")


def _values(rows: object) -> dict[Key, float]:
    if type(rows) is not list:
        raise ValueError("no list of quantities")
    values: dict[Key, float] = {}
    for row in rows:
        try:
            key, value = (row["quantity"], row["card"], row["data"]), row["value"]
        except (KeyError, TypeError):
            raise ValueError(f"{row!r} lacks quantity, card, data or value") from None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"{key[0]} is {value}, not a number")
        if key in values:
            raise ValueError(f"{key[0]} ({key[1]}, {key[2]}) is there twice")
        values[key] = float(value)
    return values


def value_table(records: Iterable[Record]) -> pd.DataFrame:
    """Every value of some records, one a row: what it is, of which run, and the number."""
    rows = [
        (r.id, r.job, r.size, *r.trial, r.trained_on, *split(quantity), card, data, value)
        for r in records
        for (quantity, card, data), value in r.values.items()
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def values_by_data(records: Iterable[Record]) -> dict[tuple[str, str], pd.DataFrame]:
    """The values of some records under cards, by data set and size.

    Of each data set the largest size that has FEWEST seeds, or else the largest: smaller ones say
    nothing that it does not say better. A rule that is another's on other people is called by that
    one's name.
    """
    table = value_table(records)
    tables = dict(
        iter(table[table["card"] != ""].replace({"card": SAME_RULE}).groupby(["data", "size"]))
    )
    rank = {
        (data, size): rank_of("", values["seed"].nunique(), size)
        for (data, size), values in tables.items()
    }
    best = {data: max(rank[key] for key in rank if key[0] == data) for data, _ in rank}
    return {key: values for key, values in tables.items() if rank[key] == best[key[0]]}


def rank_of(evidence: str, seeds: int, size: str) -> tuple[str, bool, int]:
    """What of one data set is taken: the best evidence, enough seeds, the largest size."""
    return evidence, seeds >= FEWEST, SIZES.index(size)


def is_generated(data: str) -> bool:
    """Whether it is the studio's data, or a variant of it."""
    return data.startswith("studio")


def over_people(subjects: Mapping[str, Sequence[float]]) -> Estimate | None:
    """Mean and t interval of a difference over test persons; None for fewer than FEWEST.

    `subjects` are differences, one a seed, by test subject; sequences such as TS1 are no persons.
    """
    persons = [fmean(values) for name, values in subjects.items() if name[0] != "T"]
    return t_interval(np.array(persons)) if len(persons) >= FEWEST else None


@dataclass(frozen=True)
class Sample:
    """Both sides of a comparison on one data set at one size, one entry a seed.

    `bare` is the right side without a threshold of ours, where there is one; `starts` the weights
    that the trainings of an entry began with, '' for random ones; `subjects` the differences per
    test subject where the records have them; `used` and `missing` the quantities that were
    measured and those a wildcard stands for that were not. `evidence` is E1 for counts, E2 for
    references and counts in networks that equal published code, E3 the studio, E4 other real data,
    and on the paper's data E5, or E6 with 3 seeds or more.
    """

    data: str
    size: str
    evidence: str
    seeds: tuple[int, ...]
    left: tuple[Interval, ...]
    right: tuple[Interval, ...]
    bare: tuple[Interval, ...]
    starts: tuple[str, ...]
    subjects: dict[str, tuple[float, ...]]
    used: tuple[str, ...]
    missing: tuple[str, ...]
    records: tuple[Record, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """Left minus right, paired: one entry a seed."""
        return tuple(a.value - b.value for a, b in zip(self.left, self.right))

    @property
    def rank(self) -> tuple[str, bool, int]:
        """Its place among the samples of one data set: `rank_of`."""
        return rank_of(self.evidence, len(self.seeds), self.size)

    @property
    def is_from_studio(self) -> bool:
        """Whether it tests on other data what the studio alone has taught."""
        sets = {each for record in self.records for each in record.trained_on.split("+") if each}
        return bool(sets) and all(map(is_generated, sets)) and not is_generated(self.data)

    @property
    def shares_starts(self) -> bool:
        """Whether several seeds began with the same pretrained weights."""
        return any(start and self.starts.count(start) > 1 for start in self.starts)

    @property
    def units(self) -> tuple[float, ...]:
        """The differences that are independent: one a seed, or the mean of the seeds of a start."""
        if not self.shares_starts:
            return self.differences
        groups = defaultdict(list)
        for start, difference in zip(self.starts, self.differences):
            groups[start].append(difference)
        return tuple(map(fmean, groups.values()))


Trial = tuple[int, str]  # a seed, and the pretrained weights that records name their start
Seeds = dict[Trial, tuple[float, Record]]  # a value and its record


class Measurements:
    """The values of one paper's records by quantity, card, data set, size and seed."""

    def __init__(self, records: Iterable[Record], paper: Paper):
        """Raises ValueError naming both files when two records measured one thing differently."""
        self.paper = paper
        self.records = [r for r in records if r.paper == paper.slug and r.size != "smoke"]
        self.values: dict[tuple[str, str, str, str], Seeds] = defaultdict(dict)
        for record in self.records:
            for key, value in record.values.items():
                if same := SAME_RULE.get(key[1]):  # the same rule on other people is evidence, too
                    self.values[key[0], same, key[2], record.size][record.trial] = value, record
                known = self.values[*key, record.size].setdefault(record.trial, (value, record))
                if known[0] != value:
                    raise ValueError(
                        f"{known[1].file} and {record.file} both give {key[0]} ({key[1]}, "
                        f"{key[2]}) of size {record.size}, seed {record.seed}: {known[0]:g} and "
                        f"{value:g}; delete the one that is out of date, or name the subjects or "
                        "data sets apart"
                    )
        self.datasets = sorted({data for _, _, data, _ in self.values})
        slices = {split(quantity)[2] for quantity, _, _, _ in self.values}
        self.subjects = sorted(filter(SUBJECT.fullmatch, slices))

    def samples(self, claim: Claim, part: Part, reading: tuple[str, str] = AS_READ) -> list[Sample]:
        """Everything measured for one comparison, a sample for each data set and size.

        `reading` takes the place of a stand-in that aliases.csv names first. Times are compared
        within one device only. A `min` or `max` over competitors is taken over those measured
        when it is an ordering; any other formula needs all its quantities.
        """
        places = ((data, size) for data in self.datasets for size in SIZES)
        drawn = (self._sample(claim, part, reading, *place) for place in places)
        return [sample for sample in drawn if sample is not None]

    def find(self, name: str, card: str, data: str, size: str) -> tuple[str, Seeds]:
        """The data set a quantity was measured on, and its values by seed.

        A count has neither card nor data set, and serves wherever it is asked for.
        """
        for key in ((name, card, data), (name, "", data), (name, "", "")):
            if seeds := self.values.get((*key, size)):
                return key[2], seeds
        return data, {}

    def _sample(
        self, claim: Claim, part: Part, reading: tuple[str, str], data: str, size: str
    ) -> Sample | None:
        measured = {q: self.paper.measured_name(q, reading) for q in part.printed}
        found = {q: self.find(name, part.card, data, size) for q, name in measured.items()}
        values = {q: seeds for q, (_, seeds) in found.items() if seeds}
        missing = [q for q in measured if q not in values]
        partial = claim.kind == "ordering" and all(map(_bounds, (part.left, part.right)))
        if missing and (not partial or set(missing) & set(part.names)):
            return None
        if any(not set(quantities) & set(values) for quantities in part.expanded.values()):
            return None
        places = {found[q][0] for q in values}
        if data not in places or places - {data, ""}:
            return None  # counts alone: they belong to no data set
        seeds = sorted(set.intersection(*map(set, values.values())))
        if claim.kind == "speed":
            seeds = [s for s in seeds if len({v[s][1].device for v in values.values()}) == 1]
        if not seeds:
            return None
        records = {v[s][1].id: v[s][1] for v in values.values() for s in seeds}
        left, right, bare = zip(*(_sides(part, values, seed) for seed in seeds))
        begun = [{v[s][1].start for v in values.values()} for s in seeds]
        return Sample(
            data=data,
            size=size,
            evidence=self.evidence(
                part.home, data, len(seeds), records.values(), [measured[q] for q in values]
            ),
            seeds=tuple(seed for seed, _ in seeds),
            left=left,
            right=right,
            bare=bare if part.bare else (),
            starts=tuple("+".join(sorted(starts - {""})) for starts in begun),
            subjects=self._by_subject(part, {q: measured[q] for q in values}, data, size, seeds),
            used=tuple(measured[q] for q in values),
            missing=tuple(missing),
            records=tuple(records.values()),
        )

    def evidence(
        self, home: str, data: str, seeds: int, records: Iterable[Record], used: Sequence[str]
    ) -> str:
        """The level of so many seeds of quantities `used` on `data`; the paper's is on `home`."""
        if data in ("", "reference"):
            return "E2" if data or equal_to_published(self.paper.slug, used) else "E1"
        if is_generated(data):
            return "E3"
        said = self.paper.training_sets(home)
        learnt = {name for name, yes in said.items() if yes} or {home}
        others = {name for name, yes in said.items() if not yes}
        trained = [set(r.trained_on.split("+")) for r in records if r.trained_on]
        # a set that is joined to the paper's, human36m+mpii, is part of the paper's recipe
        alike = all(learnt <= sets and not others & sets for sets in trained)
        if data != home or not alike:
            return "E4"
        return "E6" if seeds >= FEWEST else "E5"

    def _by_subject(
        self, part: Part, measured: Mapping[str, str], data: str, size: str, seeds: list[Trial]
    ) -> dict[str, tuple[float, ...]]:
        """Differences for each test subject that every quantity was measured on at every seed."""
        differences = {}
        for subject in self.subjects:
            values = {
                q: self.find(f"{name}/{subject}", part.card, data, size)[1]
                for q, name in measured.items()
            }
            if all(own.keys() >= set(seeds) for own in values.values()):
                sides = (_sides(part, values, seed) for seed in seeds)
                differences[subject] = tuple(a.value - b.value for a, b, _ in sides)
        return differences


def _bounds(node: Node) -> bool:
    """Whether every wildcard stands in a min() or max(), where leaving some out still bounds."""
    if isinstance(node, Quantity):
        return "*" not in node.name
    if isinstance(node, Call) and node.function not in ("min", "max"):
        return all(map(_bounds, node.arguments))
    return True


def _sides(part: Part, values: Mapping[str, Seeds], seed: Trial) -> tuple[Interval, ...]:
    """Left and right, and right without a threshold of ours."""
    known = {
        name: [Interval.exact(values[q][seed][0]) for q in quantities if q in values]
        for name, quantities in part.expanded.items()
    }
    sides = part.left, part.right, part.bare or part.right
    return tuple(evaluate(side, known) for side in sides)
