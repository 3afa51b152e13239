"""The page parity.md: what was held against the published code, and how near it is."""

from collections.abc import Mapping

import pandas as pd

from posekit.report.markdown import link, table

TEXT = """\
The project's networks, metrics and losses against those of the published code, with the same \
inputs. Weights and inputs are filled by a documented generator \
(`posekit/inference/parity_numbers.py`). The published code is not part of posekit: of its outputs, \
measured once, digests are kept, and tests hold posekit to them. `posekit parity FOLDER` repeats the \
comparison with your clones of the projects in FOLDER.

The difference is the largest of all numbers of all outputs, in root mean squares of the output."""

NETWORKS = """\
With the same weights, in evaluation mode. Zero means equal to the last bit. Where it is not zero, \
the order of additions differs, or the network's first layer takes RGB in [0, 1] here where the \
published one takes BGR / 256. Claims about the sizes of a network that is named here carry the \
evidence E2."""

RULES = """\
Names that begin with "h36m" or "mpii" are those of posekit's protocols. Where a loss is a sum there \
and a mean here, it is compared up to that factor. The published code is run as it stands, on poses \
and volumes that are random numbers; a claim about just what was compared carries the evidence E2."""


def parity_page(known: Mapping[str, Mapping]) -> str:
    """The text of parity.md, of the records in papers/parity.json."""
    parts = [
        (
            record.get("covers") is None,
            name,
            link(
                record["project"], f"https://github.com/{record['project']}/tree/{record['commit']}"
            ),
            record["commit"][:7],
            record["compared"],
            f"{record['largest']:.1g}",
            "; ".join(f"{paper}: {', '.join(n)}" for paper, n in _claims(record).items()),
        )
        for name, record in known.items()
    ]
    text = f"# Held against the published code\n\n{TEXT}\n"
    for rule, title, reading in ((False, "Network", NETWORKS), (True, "Metric or loss", RULES)):
        rows = [row for is_rule, *row in parts if is_rule == rule]
        head = [title, "Published code", "Commit", "Compared", ">Largest difference", "In claims"]
        if rows:
            made = table(pd.DataFrame(rows, columns=head, dtype=object))
            heading = "Metrics and losses" if rule else "Networks"
            text += f"\n## {heading}\n\n{reading}\n\n{made}\n"
    return text


def _claims(record: Mapping) -> Mapping:
    """By paper: the networks, or the quantities, of claims that the record says something of."""
    return record.get("covers") or record.get("decides") or {}
