"""The study of one paper: its sizes, claims, experiments, figures and verdicts, for a notebook.

Everything that measures also records: with an `out` folder, records go to `out`/runs and figures to
`out`/figures, where the results of all papers are made from them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from textwrap import shorten
from typing import TypeVar

import pandas as pd
import torch

from posekit import figures
from posekit.claims import audit, contrasts, ledger
from posekit.claims.measurements import SAME_RULE, load_records
from posekit.claims.paper import Claim, Paper, load_metrics, load_paper
from posekit.claims.paper_tables import paper_tables
from posekit.claims.table_html import PaperTable
from posekit.figures import output
from posekit.metrics.protocol import Row
from posekit.system import pick_device
from posekit.training import cluster, published_networks, rehearsal
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.data_sets import DataSets
from posekit.training.experiment import Networks, Task, experiment
from posekit.training.processes import check as check_processes
from posekit.training.processes import processes
from posekit.training.runs import check_folders, job, noted, run_all
from posekit.training.settings import SIZES, load_settings
from posekit.training.tables import Runs, Table, from_rows, measured
from posekit.training.timing import latency

LONGEST = 200  # characters of a formula in a table of claims
T = TypeVar("T")
Note = tuple[str, str, str, int, float | int]  # quantity, protocol, data set, seed, value


class Study:
    """The study of a paper at one size, with so many seeds, on one device.

    `data` names folders of data sets (`DataSets`); `device` is "cpu", "cuda" or empty for the best
    there is. With POSEKIT_ON set (`training.cluster`), trainings are done on a cluster. Raises
    ValueError for a size, a number of seeds, a data set or a device that there is not,
    FileNotFoundError for a paper or a folder, and OSError where nothing can be written in `out` or
    the cache.
    """

    def __init__(
        self,
        slug: str,
        *,
        size: str = "smoke",
        seeds: int = 1,
        data: str = "",
        out: str | Path = "",
        device: str = "",
    ):
        if size not in SIZES:
            raise ValueError(f"size is one of {', '.join(SIZES)}, not {size!r}")
        if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
            raise ValueError(f"seeds is a whole number from 1 on, not {seeds!r}")
        self.slug, self.size, self.seeds, self.out = slug, size, seeds, str(out)
        self.paper: Paper = load_paper(slug)
        self.engine = cluster.engine()
        self.device = str(pick_device(device if not self.engine else "cpu"))
        self.trained_on = (device or "cuda") if self.engine and self.engine.gpus else self.device
        check_processes(processes(), self.trained_on)
        check_folders(out)  # now, and not after minutes of drawing pictures
        self.data = DataSets.named(data, workers=0 if size == "smoke" else None)

    def __repr__(self) -> str:
        threads = f", {torch.get_num_threads()} threads" if self.device == "cpu" else ""
        about = f"{self.slug}, size {self.size}, {self._seeds}"
        return f"{about}; torch {torch.__version__} on {self.device}{threads}"

    @property
    def _seeds(self) -> str:
        return "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"

    # ---- what the paper says
    @cached_property
    def sizes(self) -> pd.DataFrame:
        """The settings of all sizes, a column each."""
        return load_settings(self.slug)

    @cached_property
    def setting(self) -> dict:
        """The settings of this study's size, by name."""
        return rehearsal.shortened(self.sizes[self.size].to_dict())

    def configurations(self, named: Mapping[str, T], card: str = "") -> dict[str, T]:
        """Those of all configurations, by name, that are trained at this size.

        The paper's configurations.csv says which are not, at all or for a protocol.
        """
        at = self.paper.trained_at
        return {name: own for name, own in named.items() if self.size in at(name, card)}

    def pick(self, *names: str) -> dict:
        """Some of this study's settings, by name."""
        return {name: self.setting[name] for name in names}

    @property
    def settings(self) -> Table:
        """The settings of all sizes, this study's marked."""
        return Table(self.sizes.rename(columns={self.size: f"{self.size} (used here)"}))

    def claims(self, *, kinds: Iterable[str] = (), where: Callable[[Claim], bool] | None = None):
        """The paper's claims with what each prints: of some kinds, or those for which `where`."""
        kinds, chosen = tuple(kinds), []
        for claim in self.paper.claims:
            if (not kinds or claim.kind in kinds) and (where is None or where(claim)):
                parts = "; ".join(dict.fromkeys(part.text for part in claim.parts))
                claimed = shorten(parts, LONGEST, placeholder=" ...")
                chosen.append((claim.id, claim.where, claim.statement, claimed))
        names = ["id", "where", "statement", "claimed"]
        many = "1 claim" if len(chosen) == 1 else f"{len(chosen)} claims"
        return Table(pd.DataFrame(chosen, columns=names), many)

    def audit(self) -> Table:
        """The claims and averages of the paper that its own printed numbers contradict."""
        return Table(audit.findings(self.paper))

    def verdicts(self) -> Table:
        """How many claims got each verdict from the records in `out`; smoke runs never count."""
        records = load_records(f"{self.out}/runs") if self.out else []
        counts = ledger.counts(ledger.verdicts(self.paper, records))[self.slug]
        return Table(counts[counts > 0].rename_axis("verdict").to_frame("claims"))

    def paper_table(self, name: str) -> PaperTable:
        """A table of the paper in its own shape, what the records in `out` measured beside it.

        Raises ValueError for a name that no table has.
        """
        records = load_records(f"{self.out}/runs") if self.out else []
        claims = ledger.judge_claims(self.paper, records)
        made = paper_tables(self.paper, claims, records, audit.load_errata(self.slug))
        found = {table.name: table for table in made}
        if name not in found:
            raise ValueError(f"no table {name!r}; {self.slug} has {', '.join(found)}")
        return found[name]

    # ---- what is measured
    def count(self, quantities: Mapping[str, int | float]) -> Table:
        """Record quantities that were counted on the networks; beside what the paper prints."""
        self.note("structure", [(name, "", "", 0, value) for name, value in quantities.items()])
        rows = []
        for name, value in quantities.items():
            printed = self.paper.find(name, "")
            text, equal = printed.text if printed else "", None
            if printed and printed.value:
                equal = printed.value.low <= value <= printed.value.high
            rows.append((name, value, int(text) if text.isdigit() else text, equal))
        columns = ["quantity", "counted", "printed", "equal"]
        return Table(pd.DataFrame(rows, columns=columns, dtype=object))

    def note(self, title: str, rows: Sequence[Note]) -> Runs:
        """Record measured values as the job `title`: quantity, protocol, data set, seed, value.

        Returns a run a seed, as `measured` takes them, and further ones where a quantity is given
        by several protocols or on several data sets: a record has it once.
        """
        records: dict[int, list[dict]] = {}
        for name, card, data, seed, value in dict.fromkeys(rows):
            own = records.setdefault(seed, [])
            if all(name in record for record in own):
                own.append({})
            free = next(record for record in own if name not in record)
            free[name] = [card, data, value]
        runs = {}
        for seed in sorted(records):
            for number, record in enumerate(records[seed]):
                name = f"{title}, {next(iter(record.values()))[0]}" if number else title
                runs[name, seed] = self._job(noted, name, seed, [], record).run()
        return runs

    def latency(
        self,
        networks: Networks,
        shape: Sequence[int],
        *,
        rounds: int,
        metric: str = "latency_ms",
    ) -> Runs:
        """Measure one forward pass on an input of `shape`, in ms, once a seed, networks in turns.

        Networks without parameters are left out.
        """
        config = {"input": list(shape), "rounds": rehearsal.rounds(rounds), "metric": metric}
        work = partial(latency, dict(networks))
        seeds = range(self.seeds)
        return run_all({("", s): self._job(work, metric, s, [], config) for s in seeds}, workers=1)

    def train(
        self,
        task: Task,
        configurations: Mapping[str, Mapping],
        train,
        tests: Iterable[tuple] = (),
        *,
        also: Sequence = (),
        starts: Runs | None = None,
        title: str = "{}",
        **common,
    ) -> Runs:
        """Train every configuration with every seed and test it; done runs are not done again.

        `configurations` maps names to options (`Task.config`), `common` are options of all of them.
        `train` is a data set, a function that makes one of a seed, or several of these by name, of
        which the option `train` chooses one; by default the first. `tests` are data sets with the
        names of their protocols, `also` further data sets of the task. Where a configuration has
        `start`, it begins with the weights of that run of `starts` with the same seed: each seed
        has a start of its own, which all its networks share, so that an interval over seeds is one
        over starts. `title` names the jobs in the records.
        """
        tests, protocols = _named(tests)
        albums = train if isinstance(train, Mapping) else {"": train}
        jobs = {}
        for seed in range(self.seeds):
            for name, own in configurations.items():
                options = _merged(common, own)
                chosen = options.pop("train", next(iter(albums)))
                if chosen not in albums:
                    there = ", ".join(albums)
                    raise ValueError(f"{name}: no training set {chosen!r}; there are {there}")
                config = task.config(name, options, self.setting)
                config |= {"protocols": protocols, "device": self.trained_on}
                if start := config.get("start"):
                    if (start, seed) not in (starts or {}):
                        raise ValueError(f"{name}: no run {start!r} to start from with seed {seed}")
                    config["start"] = starts[start, seed].record["id"]
                album = albums[chosen]
                data = [album(seed) if callable(album) else album, *also, *tests]
                augmentation = AUGMENTATIONS.get(config.get("augmentation", ""))
                if augmentation and augmentation.paste:
                    data[0] = replace(data[0], occluders=self.data.occluders(seed))
                work = partial(experiment, task)
                made = self._job(work, title.format(name), seed, data, config)
                jobs[name, seed] = replace(made, device=self.trained_on)
        return run_all(jobs, workers=self.workers, engine=self.engine)

    def published(
        self, kind: str, tests: Iterable[tuple], *, also: Sequence = (), **options
    ) -> Runs:
        """Test the published networks of a kind that `data` names, which are not trained here.

        There are none without `data`. `tests`, `also` and errors as in `train`; `options` are further
        entries of the config (`published_networks.test`). Each has one run, of seed 0.
        """
        tests, protocols = _named(tests)
        jobs = {}
        for network in self.data.published(kind):
            config = {"subject": network.subject, "kind": kind, "protocols": protocols}
            config |= {"device": self.device} | options
            data = [network, *also, *tests]
            work = published_networks.test
            title = f"{network.subject}, on {', '.join(protocols)}"
            jobs[network.subject, 0] = self._job(work, title, 0, data, config)
        return run_all(jobs, workers=1)

    def run(
        self, work, title: str, data: Sequence, config: Mapping, *, seeds: Iterable[int] = (0,)
    ) -> Runs:
        """Do other work of runs, `work(config, seed, folder, data)`, one at a time."""
        jobs = {("", seed): self._job(work, title, seed, data, config) for seed in seeds}
        return run_all(jobs, workers=1)

    @property
    def brief(self) -> bool:
        """Whether one network of each kind is measured: at size smoke, and in a rehearsal."""
        return self.size == "smoke" or rehearsal.rehearsing()

    @property
    def workers(self) -> int:
        """How many jobs may train at a time; 0: one a core or GPU."""
        return 1 if self.brief else 0

    def _job(self, work, title: str, seed: int, data: Sequence, config: Mapping):
        about = {"paper": self.slug, "size": self.size, "out": self.out, "device": self.device}
        return job(work, job=title, seed=seed, data=data, config=dict(config), **about)

    # ---- what is shown
    def results(
        self,
        runs: Runs | pd.DataFrame,
        *,
        metric: str = "mpjpe",
        rows: str = "network",
        columns: str = "card",
        baselines: Iterable[Row] = (),
        digits: int = 1,
        **only: str,
    ) -> Table:
        """A metric of some runs, mean over the seeds: by default networks by protocols.

        `runs` or what `measured` made of them; `baselines` are rows of further methods. `rows` and
        `columns` are two of network, card (the protocol), slice and data; `only` chooses among the
        others, as in `card="h36m-moon-p2"`. Slices, such as actions, are left out unless shown.
        Columns are of one data set each: where several share one, their names say which.
        """
        values = runs if isinstance(runs, pd.DataFrame) else measured(runs)
        if baselines:
            values = pd.concat([values, from_rows(baselines)], ignore_index=True)
        if "slice" not in (rows, columns):
            only = {"slice": ""} | only
        for name, value in ({"metric": metric} | only).items():
            values = values[values[name] == value]
        values = values.replace({"slice": {"": "all"}})
        if (values.groupby([rows, columns])["data"].nunique() > 1).any():
            values = values.assign(**{columns: values[columns] + " on " + values["data"]})
        table = values.pivot_table(index=rows, columns=columns, values="value", sort=False)
        known = load_metrics().get((metric, False))
        about = [metric, known.unit if known else "", *only.values()]
        caption = f"{', '.join(filter(None, about))}, on {', '.join(values['data'].unique())}"
        return Table(
            table.rename_axis(None, axis=1), f"{caption}; size {self.size}, {self._mean}", digits
        )

    @property
    def _mean(self) -> str:
        return self._seeds if self.seeds == 1 else f"mean of {self._seeds}"

    def contrasts(self, runs: Runs | pd.DataFrame, *, data: str = "", **only: str) -> pd.DataFrame:
        """What each change that the paper tries is worth: paired differences with intervals.

        Errors and columns as `claims.contrasts.differences`; `only` chooses among the contrasts
        by metric, slice or card, `data` a data set of other people, tested by the same rules.
        ValueError for a measure that was taken on several data sets.
        """
        values = runs if isinstance(runs, pd.DataFrame) else measured(runs)
        if data:
            values = values[values["data"] == data].replace({"card": SAME_RULE})
        tried = contrasts.load_contrasts(self.slug)
        chosen = [c for c in tried if all(getattr(c, key) == only[key] for key in only)]
        measures = {contrast.measure for contrast in chosen}
        for measure, own in values.groupby(["metric", "slice", "card"])["data"]:
            if measure in measures and own.nunique() > 1:
                about, sets = ", ".join(filter(None, measure)), ", ".join(own.unique())
                raise ValueError(f"{about} was measured on {sets}: choose one of them")
        return contrasts.differences(chosen, values, self.paper)

    def forest(
        self, changes: pd.DataFrame, title: str, unit: str, printed_on: str, name: str = ""
    ) -> None:
        """Show, and save as `name`, the differences that `contrasts` found beside the printed ones.

        `printed_on` says which data the paper's numbers are of.
        """
        marks, marked = changes["printed"].to_dict(), f"printed by the paper ({printed_on})"
        self.show(figures.forest(changes, marks, title=title, unit=unit, marked=marked), name)

    def losses(self, runs: Runs, names: Iterable[str] = (), series: str = "loss") -> dict:
        """The losses of some configurations, all seeds of each, for `figures.curves.loss_curves`.

        `series` is the name of a series in the records; "{}" in it is the configuration's.
        """
        names = list(names) or list(dict.fromkeys(name for name, _ in runs))
        return {
            name: [runs[name, s].record["series"][series.format(name)] for s in range(self.seeds)]
            for name in names
        }

    def show(self, figure, name: str = "", still=None) -> None:
        """Show a figure with this study's size in its title; save it where there is `out`.

        Its file has the paper's slug and this `name`; without a name it is shown only. `still` is
        the picture that stands for a 3D figure with more than lines in it.
        """
        for drawing in filter(None, (figure, still)):
            output.add_to_title(drawing, f"size {self.size}")
        output.show(figure, still)
        if self.out and name:
            output.save(figure, f"{self.out}/figures", f"{self.slug}-{name}", still=still)


def _named(tests: Iterable[tuple]) -> tuple[list, dict[str, list[str]]]:
    """Test sets, and the names of their protocols by theirs; ValueError for two of one name."""
    tests = [(test, list(protocols)) for test, protocols in tests]
    protocols = {test.name: names for test, names in tests}
    if len(protocols) < len(tests):
        raise ValueError(f"{len(tests)} test sets have {len(protocols)} names; rename some")
    return [test for test, _ in tests], protocols


def _merged(common: Mapping, own: Mapping) -> dict:
    """Options of all configurations with those of one: `shape` and `recipe` entry by entry."""
    merged = {**common, **own}
    for name in ("shape", "recipe"):
        if name in common and name in own:
            merged[name] = {**common[name], **own[name]}
    return merged
