"""Run records on pages: the mean of a value over seeds, common settings, costs, and links."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from statistics import fmean

import pandas as pd

from posekit.claims.measurements import COSTS, SIZES, Record, is_generated
from posekit.report.markdown import Markdown, counted, link


def settings(records: list[Record]) -> Iterator[tuple[str, str]]:
    """(size, the settings that all its trainings have in common), for each size."""
    for size in SIZES:
        configs = [json.loads(record.config) for record in records if record.size == size]
        trained = [config for config in configs if "recipe" in config]
        common = [
            f"{'side' if name == 'size' else name.replace('_', ' ')} {value}"
            for part in ("shape", "recipe")
            for name, value in (trained[0].get(part, {}) if trained else {}).items()
            if value and all(c.get(part, {}).get(name) == value for c in trained)
        ]
        if trained:
            yield size, ", ".join(common)


def beginning(record: Record, records: Iterable[Record]) -> str:
    """The weights that a training began with: random, named ones, or those of another job.

    Empty for a record of something else.
    """
    config = json.loads(record.config)
    if "recipe" not in config:
        return ""
    if not record.start:
        return config.get("shape", {}).get("weights", "random")
    return next((other.job for other in records if other.id == record.start), record.start)


def cost(every: list[Record]) -> str:
    """Runs, hours and devices, by size."""
    texts = []
    for size in SIZES:
        records = [record for record in every if record.size == size]
        hours = sum(record.costs.get("seconds", 0.0) for record in records) / 3600
        devices = " and ".join(sorted({record.device for record in records if record.device}))
        if records:
            runs = counted(len(records), "run")
            texts.append(f"{runs} of size {size}, {hours:.1f} hours of computing on {devices}")
    return "; ".join(texts) + "." if texts else ""


def cost_table(records: list[Record]) -> pd.DataFrame:
    """Each job: what it began with, seeds, time, speed, memory, device, links to its records."""
    jobs = defaultdict(list)
    for record in records:
        jobs[record.job, record.size, record.trained_on].append(record)
    rows = []
    for job, group in sorted(jobs.items()):
        means = [_mean(record.costs.get(name) for record in group) for name in COSTS]
        devices = ", ".join(sorted({record.device for record in group}))
        title = job[0].replace("taught by cmu", "trained on CMU, cross-validated over performers")
        start = beginning(group[0], records)
        rows.append((title, *job[1:], start, str(len(group)), *means, devices, run_links(group)))
    head = ["Job", "Size", "Trained on", "Began with"]
    head += [">Seeds", ">Seconds a run", ">Samples a second"]
    head += [">Peak memory, MB", "Device", "Runs"]
    return pd.DataFrame(rows, columns=head, dtype=object)


def made_before(records: list[Record], text: str) -> str:
    """When and by which commits the runs were made, and whether `text` says of rules that they have
    changed since: it names the day as "before 29 November 2026". '' for runs without a day."""
    days = sorted({record.finished for record in records} - {""})
    if not days:
        return ""
    commits = ", ".join(f"`{name}`" for name in sorted({r.commit for r in records} - {""}))
    when = " to ".join(dict.fromkeys(map(_day, (days[0], days[-1]))))
    told = f"The runs shown here are of {when}" + f", made with the commits {commits}" * bool(
        commits
    )
    named = set(re.findall(r"before (\d{1,2} [A-Z][a-z]+ \d{4})", text))
    dates = {datetime.strptime(name, "%d %B %Y").date().isoformat() for name in named}
    if since := min((date for date in dates if date > days[0]), default=""):
        old = sum("" < record.finished < since for record in records)
        told += (
            f". **{old} of {len(records)} were made before rules or settings changed on "
            f'{_day(since)}; below, "before {_day(since)}" says what did**'
        )
    return f"{told}."


def _day(iso: str) -> str:
    """2026-11-29 as 29 November 2026."""
    date = datetime.fromisoformat(iso)
    return f"{date.day} {date:%B %Y}"


def run_links(records: Iterable[Record], *, most: int | None = None, rest: str = "") -> Markdown:
    """Links to run records, by seed; for those beyond `most` one link to the page `rest`."""
    ordered = sorted(records, key=lambda r: (r.seed, r.id))
    links = [link(r.id[:6], f"runs/{r.id}.json") for r in ordered[:most]]
    if len(ordered) > len(links):
        links.append(link(f"and {len(ordered) - len(links)} more", rest))
    return Markdown(" ".join(links))


def generated(data: str) -> str:
    """The remark that stands behind the name of generated data."""
    return " (generated data, not the paper's)" if is_generated(data) else ""


def _mean(values: Iterable[float | None]) -> str:
    known = [float(value) for value in values if value is not None]
    mean = fmean(known) if known else 0.0
    return f"{mean:,.{0 if mean >= 100 else 1}f}" if mean >= 0.05 else ""  # less is nothing to tell
