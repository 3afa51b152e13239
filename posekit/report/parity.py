"""The page parity.md: which networks were held against the published code, and how near they are."""

from collections.abc import Mapping

import pandas as pd

from posekit.report.markdown import link, table

TEXT = """\
The project's networks against those of the published code, with the same weights and the same \
inputs, in evaluation mode. Weights and inputs are filled by a documented generator \
(`posekit/inference/parity.py`). The published code is not part of posekit: of its outputs, \
measured once, digests are kept, and a test holds the networks to them. `posekit parity FOLDER` \
repeats the comparison with your clones of the projects in FOLDER."""

READING = """\
The difference is the largest of all numbers of all outputs, in root mean squares of the output. \
Zero means equal to the last bit. Where it is not zero, the order of additions differs, or the \
network's first layer takes RGB in [0, 1] here where the published one takes BGR / 256. Claims \
about the sizes of a network that is named here carry the evidence E2."""


def parity_page(known: Mapping[str, Mapping]) -> str:
    """The text of parity.md, of the records in papers/parity.json."""
    rows = [
        (
            name,
            link(
                record["project"], f"https://github.com/{record['project']}/tree/{record['commit']}"
            ),
            record["commit"][:7],
            record["compared"],
            f"{record['largest']:.1g}",
            "; ".join(f"{paper}: {', '.join(n)}" for paper, n in record["covers"].items()),
        )
        for name, record in known.items()
    ]
    head = ["Network", "Published code", "Commit", "Compared", ">Largest difference", "In claims"]
    made = table(pd.DataFrame(rows, columns=head, dtype=object))
    return f"# Held against the published code\n\n{TEXT}\n\n{made}\n\n{READING}\n"
