"""Two pages about all papers: the mistakes found in them, and the protocols that they mean."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from posekit.claims.audit import SEVERITIES
from posekit.claims.paper import FOLDER, read_table
from posekit.claims.table_html import PaperTable
from posekit.data.human36m.files import ACTIONS
from posekit.metrics.protocol import PoseProtocol
from posekit.metrics.registry import ALL
from posekit.report.markdown import Markdown, escape, link, table
from posekit.report.page import Page, linked

MANY = 10  # actions from which a table is one of all actions
_NAMES = ("paper", "words", "protocol", "remark")
ERRATA = """\
Found by holding each paper's printed numbers against each other, its text against its tables, and \
both against published code and the papers that it quotes. *Changes a conclusion*: a statement of \
the abstract or the conclusion, named in the finding, is not supported by the paper's own numbers, or \
rests on the mistake. *Misleads*: who \
believes the number or the description compares, builds or cites the wrong thing. *Slip*: a wrong \
word or digit with no further consequence."""
PROTOCOLS = """\
"Protocol 1" is at least three different rules. Two numbers may be compared only where persons, \
frames, joints, root, alignment and mean are the same; so no number here stands without the name of \
its rule. The names are posekit's, the rules those of the code that the papers evaluated with."""
ORDERS = """\
Rows of other papers are often copied column by column into a table of another order, and then stand \
under the wrong action. Two orders are in use: that of Martinez et al., with Photo after Phoning and \
WalkDog before Walking, and that of the metadata, which Sun et al. and Moon et al. follow, with Photo \
after Smoking and Walking before WalkDog."""


def errata_page(pages: list[Page]) -> str:
    """Every mistake found in a paper, gravest first, as Markdown."""
    parts = ["# Errata of the papers", ERRATA]
    for severity in SEVERITIES:
        rows = [
            (link(page.slug, f"{page.slug}.md#{e.id}"), e.title, e.where, e.finding)
            + (linked(e.claims, f"{page.slug}.md"),)
            for page in pages
            for e in page.errata
            if e.severity == severity
        ]
        if rows:
            parts.append(f"## {severity.capitalize()} ({len(rows)})")
            head = ["Paper", "Mistake", "Where", "Finding", "Claims"]
            parts.append(table(pd.DataFrame(rows, columns=head, dtype=object)))
    return "\n\n".join(parts) + "\n"


def protocols_page(pages: list[Page], papers: Path = FOLDER) -> str:
    """Which rule each paper's protocols are, all rules, and the orders of actions, as Markdown."""
    parts = ["# Protocols", PROTOCOLS, "## What each paper means"]
    named = read_table(
        papers / "protocol_names.csv", _NAMES, lambda r: (tuple(r.values()), r), optional=True
    )
    rows = [
        (link(page.slug, f"{page.slug}.md"), row["words"], _code(row["protocol"]))
        + (*_differs(row["protocol"]), row["remark"])
        for page in pages
        for row in named.values()
        if row["paper"] == page.slug
    ]
    head = ["Paper", "Its words", "Rule", "Tested on", "Alignment", "Joints", "Mean over", "Remark"]
    parts.append(table(pd.DataFrame(rows, columns=head, dtype=object)))
    parts += ["## The rules", table(_rules(pages)), *_orders(pages)]
    return "\n\n".join(parts) + "\n"


def _code(name: str) -> Markdown:
    return Markdown(f"[`{name}`](#{name})")


def _differs(name: str) -> tuple[str, str, str, str]:
    """What tells rules of 3D poses apart: frames, alignment, number of joints, and mean."""
    rule = ALL.get(name)
    if not isinstance(rule, PoseProtocol):
        return "", "", "", ""
    persons = ", ".join(rule.subjects) or "all of the test set"
    if rule.cameras:
        persons += f", camera {', '.join(rule.cameras)}"
    persons += f", every {rule.every}th frame" if rule.every > 1 else ", every frame"
    alignment = {"similarity": "rotation, translation, scale", "rigid": "rotation, translation"}
    return persons, alignment.get(rule.alignment, "none"), str(len(rule.joints)), rule.mean_over


def _rules(pages: list[Page]) -> pd.DataFrame:
    """The rules that numbers on these pages name."""
    used = {card for page in pages for _, card in page.paper.printed}
    used |= {card for page in pages for record in page.records for _, card, _ in record.values}
    rows = [
        (Markdown(f'<a id="{name}"></a>`{name}`'), rule.rule, rule.source)
        for name, rule in ALL.items()
        if name in used
    ]
    return pd.DataFrame(rows, columns=["Rule", "In words", "Source"], dtype=object)


def _orders(pages: list[Page]) -> Iterator[str]:
    """The orders in which tables of the papers have the actions of Human3.6M."""
    orders: dict[tuple[str, ...], list[str]] = {ACTIONS: ["Human3.6M's metadata"]}
    for page in pages:
        for own in page.tables:
            actions = _actions(own)
            if len(actions) > MANY:
                orders.setdefault(actions, []).append(f"{page.slug} {own.name}")
    if len(orders) > 1:
        yield "## Column orders of the action table"
        yield escape(ORDERS)
        columns = {"; ".join(names): list(order) for order, names in orders.items()}
        places = [str(place) for place in range(1, len(ACTIONS) + 1)]
        yield table(pd.DataFrame({">Column": places} | columns))


def _actions(own: PaperTable) -> tuple[str, ...]:
    """The actions that stand above the columns of a table, in its order."""
    names = [column.quantity.rpartition("/")[2] for column in own.columns]
    return tuple(name for name in names if name in ACTIONS)
