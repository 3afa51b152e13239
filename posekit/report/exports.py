"""The tables of results/ for other programs: one row a comparison, a change, or a network.

No cell holds a list, and none that begins like a formula is left for a spreadsheet to run.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from posekit.claims.finding import Finding, cells
from posekit.claims.ledger import Judged, labels
from posekit.claims.measurements import Record, value_table
from posekit.claims.numbers import short
from posekit.claims.paper import load_metrics
from posekit.claims.statistics import t_interval
from posekit.report.page import Page
from posekit.report.records import beginning

Row = dict[str, str | float | int]


def ledger_csv(pages: list[Page]) -> str:
    """Every claim, one row for each comparison in it, as CSV."""
    return _csv(row for page in pages for judged in page.claims for row in _claim_rows(judged))


def comparisons_csv(pages: list[Page]) -> str:
    """Every change that a paper tries and whose two networks were trained here, as CSV."""
    return _csv(row for page in pages for row in _change_rows(page))


def networks_csv(pages: list[Page]) -> str:
    """Every network as it was tested here, a row for each protocol and data set, as CSV."""
    return _csv(row for page in pages for row in _network_rows(page))


def safe(text: str) -> str:
    """Text that a spreadsheet shows and does not run: after ' if it begins like a formula."""
    number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not number else text


def _csv(rows: Iterator[Row]) -> str:
    frame = pd.DataFrame(list(rows), dtype=object)
    frame = frame.map(lambda cell: safe(cell) if isinstance(cell, str) else cell)
    return frame.to_csv(index=False, lineterminator="\n")


def _claim_rows(judged: Judged) -> Iterator[Row]:
    claim, row = judged.claim, judged.row
    about = {"id": claim.id, "part": 1, "paper": claim.paper, "where": claim.where}
    about |= {"kind": claim.kind, "statement": claim.statement}
    rest = {"claim verdict": judged.verdict, "reason": judged.reason}
    rest |= {"repeats": judged.repeats, "note": ". ".join(row["note"].split("; "))}
    rest |= {"readings": ". ".join(row["readings"].split("; ")), "audit": row["audit"]}
    if not claim.parts:
        yield about | rest
    for number, (part, found, label) in enumerate(
        zip(claim.parts, judged.parts, labels(claim)), start=1
    ):
        records = found.sample.records if found.sample else []
        own = {"part": number, "label": label, "comparison": part.text, **_numbers(found)}
        own |= {
            "n": found.n,
            "margin": found.margin,
            "recovered": found.recovered,
            "p": found.p,
            "corrected p": found.corrected,
        }
        own |= {"evidence": found.evidence, "verdict": found.verdict, "protocol": part.card}
        own |= {"data": found.data, "size": found.sample.size if found.sample else ""}
        own |= {"runs": len(records), "first run": _file(records[0]) if records else ""}
        yield about | own | rest


def _numbers(found: Finding) -> dict[str, str]:
    """What is printed and measured; a difference without the threshold of ours that it is held to."""
    own = {"printed": found.plain_printed}
    own |= {name: getattr(found, name) for name in ("measured", "low", "high")}
    sample = found.sample
    if not (sample and sample.bare):
        return own
    plain = replace(sample, right=sample.bare)
    if found.low:
        return own | cells(t_interval(np.array(plain.units)))
    return own | {"measured": short(plain.differences[0])} if found.audit.outcome else own


def _change_rows(page: Page) -> Iterator[Row]:
    for data, size, evidence, group, changes in page.changes:
        for contrast in group:
            if contrast.name in changes.index:
                about = {"paper": page.slug, "change": contrast.name, "with": contrast.one}
                about |= {"without": contrast.another, "metric": contrast.metric}
                about |= {"slice": contrast.slice, "protocol": contrast.card, "data": data}
                about |= {"size": size, "evidence": evidence, "unit": contrast.unit}
                yield about | dict(changes.loc[contrast.name])


def _network_rows(page: Page) -> Iterator[Row]:
    """Means over the seeds of each headline number, with counts at full width, and the floor."""
    values = value_table(page.records)
    counts = values[(values["card"] == "") & (values["slice"] == "")]
    counts = counts.drop_duplicates(["metric", "network"]).set_index(["metric", "network"])["value"]
    own = values[(values["card"] != "") & (values["slice"] == "")]
    own = own[own["metric"].isin([name for name, is_slice in load_metrics() if not is_slice])]
    keys = ["network", "size", "trained_on", "data", "card", "metric"]
    means = own.groupby(["data", "size", "card", "metric", "network"])["value"].mean()
    first = {record.id: record for record in page.records}
    for (network, size, trained_on, data, card, metric), group in own.groupby(keys, sort=False):
        mean = t_interval(group["value"].to_numpy())
        about = {"paper": page.slug, "network": network, "size": size, "trained on": trained_on}
        # Counted of the paper's network, which a smaller size does not train.
        for name in ("params", "macs"):
            about[f"{name} of the paper's network"] = counts.get((name, network), "")
        about |= {"protocol": card, "data": data, "metric": metric}
        about |= {"unit": load_metrics()[metric, False].unit, "mean": mean.mean}
        about |= {"low": mean.low, "high": mean.high, "n": mean.n}
        floor = page.paper.floors.get(card)
        where = (data, size, floor.by, floor.metric, floor.floor) if floor else ()
        level = means.get(where, "") if floor else ""
        about |= {"floor": floor.floor if floor else "", "floor value": level}
        record = first[group["record"].iloc[0]]
        about |= {"began with": beginning(record, page.records)}
        yield about | {"config": record.config, "first run": _file(record)}


def _file(record: Record) -> str:
    """The record's path, relative to results."""
    return f"runs/{record.id}.json"
