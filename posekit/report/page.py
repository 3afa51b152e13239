"""What a page of results/ needs of its paper, and how claims and errata are linked."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from posekit.claims.audit import load_errata
from posekit.claims.contrasts import Contrast, differences, load_contrasts
from posekit.claims.family import Family
from posekit.claims.finding import CONFIRMED
from posekit.claims.ledger import Judged, judge_claims, tests
from posekit.claims.measurements import Measurements, Record, values_by_data
from posekit.claims.paper import load_paper, read_table, split
from posekit.claims.paper_tables import paper_tables
from posekit.claims.selection import load_questions
from posekit.report.markdown import Markdown

ABOUT = ("title", "authors", "place", "claim", "headline", "method", "easy", "hard", "note")
FAILS = ("inconsistent", "contradicted")
OPEN = ("inconclusive",)
COUNTS = ("params", "macs", "stem_params")  # that follow from how a network is built


class Figure(NamedTuple):
    """A picture, the page it leads to, its title and caption; paths are relative to results."""

    picture: str
    target: str
    title: str
    caption: str
    plays: bool  # whether the page that it leads to shows a motion


class Changes(NamedTuple):
    """Changes of one measure on one data set: at which size, how good evidence, what was measured."""

    data: str
    size: str
    evidence: str
    tried: list[Contrast]
    table: pd.DataFrame  # `differences`


class Page:
    """A paper: its claims judged by records, tables, errata, figures, and the notebook."""

    def __init__(self, slug: str, records: list[Record], results: Path, papers: Path):
        folder = papers / slug
        self.slug = slug
        self.paper = load_paper(slug, papers)
        self.claims = judge_claims(self.paper, records)
        self.own = [claim for claim in self.claims if claim.verdict != "quoted"]
        self.records = [record for record in records if record.paper == slug]
        self.contrasts = load_contrasts(slug, papers)
        self.questions = load_questions(slug, papers)
        self.errata = load_errata(slug, papers)
        self.tables = paper_tables(self.paper, self.claims, records, self.errata, papers)
        about = read_table(folder / "about.csv", ABOUT, lambda r: (slug, r), optional=True)
        self.about = about.get(slug, dict.fromkeys(ABOUT, ""))
        self.title = self.about["title"] or slug
        self.notebook = _first(results, f"executed/{slug}.html", f"executed/{slug}.ipynb")
        self.source = _first(results, f"executed/{slug}.ipynb")
        self.figures = _load_figures(results, slug, folder / "figures.csv")

    def with_verdict(self, *words: str) -> list[Judged]:
        """The claims that got one of these verdicts."""
        return [claim for claim in self.claims if claim.verdict in words]

    @cached_property
    def family(self) -> Family:
        """All comparisons of trained networks on the page, which correct each other's p."""
        findings = [part for judged in self.claims for part in judged.parts]
        return tests(self.paper, self.records, findings)

    @cached_property
    def changes(self) -> list[Changes]:
        """The changes that the paper tries, a table for each data set and measure."""
        groups: dict[tuple, list[Contrast]] = {}
        for contrast in self.contrasts:  # in any order
            groups.setdefault(contrast.measure, []).append(contrast)
        made, rule = [], Measurements((), self.paper)
        for (data, size), values in values_by_data(self.records).items():
            ids = set(values["record"])
            records = [record for record in self.records if record.id in ids]
            for group in groups.values():
                table = differences(group, values, self.paper, self.family)
                if not table.empty:
                    seeds, home = int(table["n"].max()), group[0].home(self.paper)
                    level = rule.evidence(home, data, seeds, records, ())
                    made.append(Changes(data, size, level, group, table))
        return made

    @property
    def checks(self) -> list[Judged]:
        """The specification checks: claims about what posekit has because the paper says so."""
        return self.with_verdict("as specified")

    @property
    def holds(self) -> list[Judged]:
        """The claims that hold beyond the specification checks."""
        return self.with_verdict(*CONFIRMED)

    @cached_property
    def score(self) -> "Score":
        """The numbers of the overview."""
        once = [claim for claim in self.own if claim.verdict != "repeated"]
        parts = [(c, part, found) for c in once for part, found in zip(c.claim.parts, c.parts)]
        results = [(part, f) for c, part, f in parts if c.claim.kind == "accuracy"]
        printed = {(part.names[0], part.card): part.home for part, _ in results}  # each cell once
        counts = {(part.text, part.card): f for c, part, f in parts if _is_count(c, part)}.values()
        stated = [found for found in counts if found.printed]
        in_code = [found for found in counts if found.recovered and not found.printed]
        orders = [c for c in once if _is_order(c)]
        return Score(
            printed=len(printed),
            human36m=sum(home.startswith("human36m") for home in printed.values()),
            tested=len(
                {(part.names[0], part.card) for part, f in results if f.evidence in ("E5", "E6")}
            ),
            counts=len(stated),
            confirmed=sum(found.verdict == "reproduced" for found in stated),
            recovered=len(in_code),
            equal=sum(found.verdict == "reproduced" for found in in_code),
            orders=len(orders),
            as_claimed=sum(c.verdict in CONFIRMED for c in orders),
            otherwise=sum(c.verdict == "contradicted" for c in orders),
            in_accuracy=sum(
                c.verdict in (*CONFIRMED, "contradicted")
                and any(part.card for part in c.claim.parts)
                for c in orders
            ),
            errors=len(self.errata),
            grave=sum(e.severity == "changes a conclusion" for e in self.errata),
        )


class Score(NamedTuple):
    """What was tested of a paper, and what came out, as numbers of its printed numbers or claims."""

    printed: int  # own accuracy numbers
    human36m: int  # of them, on Human3.6M
    tested: int  # of them, on the data that the paper tested on
    counts: int  # own counts of parameters and operations that the paper prints, each once
    confirmed: int  # of them, equal to the printed digits
    recovered: int  # the same from the published code or other documents, not printed
    equal: int  # of them, equal here
    orders: int  # of networks or settings, in accuracy, time, memory, size or loss of joints
    as_claimed: int
    otherwise: int
    in_accuracy: int  # of the decided ones, those about an error or a loss by a card
    errors: int
    grave: int  # of the errors, those that change a conclusion


def total(scores: Iterable[Score]) -> Score:
    """The sum of the scores of several papers."""
    return (
        Score(*map(sum, zip(*scores)))
        if (scores := list(scores))
        else Score(*[0] * len(Score._fields))
    )


def anchor(name: str) -> Markdown:
    """A place to link to, with its name as code."""
    return Markdown(f'<a id="{name}"></a>`{name}`')


def linked(names: Iterable[str], file: str = "") -> Markdown:
    """Links to claims or errata, by id."""
    return Markdown(", ".join(f"[{name}]({file}#{name})" for name in names))


def _is_count(judged: Judged, part) -> bool:
    """Whether a part states a count of parameters or operations as a number."""
    return judged.claim.kind == "structure" and part.relation == "=" and part.is_of(COUNTS)


def _is_order(judged: Judged) -> bool:
    """Whether a claim puts one network or setting before another."""
    parts = [part for part in judged.claim.parts if part.relation != "="]
    if judged.claim.kind == "structure":
        parts = [p for p in parts if p.is_of(COUNTS) and len({split(n)[1] for n in p.names}) > 1]
    return bool(parts) and judged.claim.kind in ("ordering", "speed", "structure")


def _load_figures(results: Path, slug: str, captions: Path) -> list[Figure]:
    """Pictures named after the paper, with the page to turn it on where there is one."""
    texts = read_table(captions, ("figure", "caption"), lambda r: tuple(r.values()), optional=True)
    figures = []
    for path in sorted((results / "figures").glob(f"{slug}-*.png")):
        picture, name = f"figures/{path.name}", path.stem.removeprefix(f"{slug}-")
        target = _first(results, picture.replace(".png", ".html"), picture)
        title = name.replace("-", " ").capitalize()
        plays = target != picture and "addFrames" in (results / target).read_text("utf-8")
        figures.append(Figure(picture, target, title, texts.get(name, ""), plays))
    return sorted(figures, key=lambda figure: not figure.target.endswith(".html"))


def _first(results: Path, *names: str) -> str:
    """The first of some files that is there, or ''."""
    return next((name for name in names if (results / name).is_file()), "")
