"""The parts of a paper's page that compare trained networks: differences, and which to take."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from posekit.claims.contrasts import Contrast, without_floors
from posekit.claims.family import FAMILY
from posekit.claims.learning import percent
from posekit.claims.measurements import Record, is_generated, values_by_data
from posekit.claims.numbers import number
from posekit.claims.paper import load_metrics, split
from posekit.claims.paper_tables import mean_text
from posekit.claims.selection import Question, choose, counted
from posekit.metrics.photographs import PHOTOGRAPH_PROTOCOLS
from posekit.metrics.registry import ALL as PROTOCOLS
from posekit.report.markdown import folded, table
from posekit.report.page import Page
from posekit.report.records import generated

CHOICE = (
    "The cheapest of those that are shown to be as good as the best: the 95 % interval of the "
    "difference, paired by seed, ends below the margin of the metric. Nothing is said where none is "
    "shown to be so, or where the best has not closed half of the gap between the floor and a "
    "perfect result. Costs are those of the whole networks; the table of sizes in the notebook says "
    "what was trained of them, and on what pictures."
)


ANSWER = "beyond seed noise"  # the column of `differences` that says what is decided, or why not
DIFFERENCES = (
    "What each change does to a number, the two networks of a pair from the same seed, and from the "
    "same start where their layers are the same; in brackets the 95 % interval of the mean over seeds. p is of the null hypothesis of no "
    "difference; *corrected* is after Holm's correction over {}, and decides below 0.05. "
    "*Gain* is the share of the gap between the floor and 0, or 100 %, that the two networks "
    "have closed{}: below 50 % they are undertrained, and decide nothing, "
    "whatever their interval (of networks tested on other data than they learnt from: too far from it, which longer "
    "training need not mend); a comparison with the floor itself needs no gain. Printed is one number each, on "
    "the paper's data: beside numbers on other data its sign may be compared, not its size."
)
PEOPLE = (
    "The second interval is over the test persons: where it has 0 in it, other people may turn the order "
    "round. p, where one is given, is the larger of that over seeds and that over persons."
)

PHOTOGRAPHS = (
    "The networks that were trained here, size {}, on real pictures (evidence E4): lsp-pck is the share of "
    "joints, in %, that are found within 0.2, or 0.1, of the torso's length in 400 photographs of Leeds "
    "Sports Pose's extended set; pose2sim the error of 12 joints in space, in mm, on pictures of calibrated "
    "cameras, whose truth is good to 20 to 40 mm (pa: aligned). mean-pose draws the mean training pose into "
    "the person's box: what any network has to beat. Mean ± half of the 95 % t interval over {} seeds."
)
LEARNT = (
    " These networks have learnt from other photographs of that set, with 2D joints: their lsp-pck and that of "
    "networks that have not can't be compared."
)


def photograph_section(records: Sequence[Record]) -> Iterator[str]:
    """The errors of networks on real photographs, where they were tested there; of each data set the
    size that `values_by_data` takes."""
    found = {
        key: values[values["card"].isin(PHOTOGRAPH_PROTOCOLS) & (values["slice"] == "")]
        for key, values in values_by_data(records).items()
    }
    found = {key: values for key, values in found.items() if len(values)}
    if not found:
        return
    sizes = dict.fromkeys(f"`{size}`" for _, size in found)
    values = pd.concat(found.values())
    yield "## Real photographs"
    text = PHOTOGRAPHS.format(" and ".join(sizes), values["seed"].nunique())
    yield text + LEARNT * bool(values["trained_on"].str.contains("lspet").any())
    of_seeds = values.groupby(["network", "card"], sort=False)["value"].agg(list)
    shown = of_seeds.map(mean_text).unstack(sort=False)
    rows = sorted(shown.index, key="mean-pose".__eq__)  # it comes last
    columns = [name for name in PHOTOGRAPH_PROTOCOLS if name in shown]
    shown = shown.loc[rows, columns].fillna("")
    yield table(shown.rename(columns=">{}".format).rename_axis("Network").reset_index())
    metrics = load_metrics()
    signs = {n: metrics[PHOTOGRAPH_PROTOCOLS[n].metric, False].sign for n in columns}
    errors = of_seeds.map(np.mean).unstack(sort=False)[columns] * signs  # less is better
    best = errors.drop(index="mean-pose", errors="ignore").min()
    if behind := [name for name in columns if best[name] >= errors[name].get("mean-pose", np.inf)]:
        yield f"By {' and '.join(behind)} none of the networks beats the mean pose."


def contrast_section(page: Page) -> Iterator[str]:
    """Each change that the paper tries: its measured difference, and whether that decides."""
    if page.changes:
        floors = page.paper.floors.items()
        apart = sorted({floor.by for card, floor in floors if floor.by != card})
        yield DIFFERENCES.format(FAMILY, f", by {' and '.join(apart)}" * bool(apart))
    for i, (data, size, evidence, group, changes) in enumerate(page.changes):
        metric, part, card = group[0].measure
        after = f", {part.replace('-', ' ')}" if part else ""
        rule = _rule(card, data, page.records)
        title = f"{metric}{after} by {rule} on {data}{generated(data)}, {evidence}, size {size}"
        sides = {name for each in group for name in (each.one, each.another)}
        if not is_generated(data):
            taught = _taught_by(sides, data, size, page.records)
            title += f", networks trained on {' and '.join(taught)}" * bool(taught)
        rows = [_row(c, changes.loc[c.name]) for c in group if c.name in changes.index]
        head = ["Change", "With", "Without", ">Printed", ">Here", ">p", ">Corrected p", ">Seeds"]
        shown = table(pd.DataFrame(rows, columns=[*head, ">Gain, %", "Verdict"]))
        told = noise_sentence(changes, group[0].unit) + f" {PEOPLE}" * bool(changes["people"].max())
        text = f"{told}\n\n{shown}\n"
        yield f"**{title}**\n\n{text}" if i == 0 else folded(title, text)


def _taught_by(sides: set[str], data: str, size: str, records: list[Record]) -> list[str]:
    """What networks that were tested on `data` were trained on, where that is not `data` itself."""
    return sorted(
        {
            record.trained_on
            for record in records
            for quantity, _, on in record.values
            if (record.size, on) == (size, data) and split(quantity)[1] in sides
        }
        - {data, ""}
    )


def _rule(card: str, data: str, records: list[Record]) -> str:
    """A card, with the name that records have for the same rule on this data, where they have one."""
    own = {rule for r in records for _, rule, on in r.values if on == data}
    same = sorted(n for n in own if n in PROTOCOLS and PROTOCOLS[n].same_as == card)
    return f"{card} ({', '.join(same)})" if same else card


def changes_in_short(page: Page) -> str:
    """Which of the changes that the paper tries help, by their first measure, and which are open.

    A comparison with the floor is no change that a paper tries.
    """
    changes = []
    for each in page.changes:
        names = [contrast.name for contrast in without_floors(each.tried, page.paper)]
        if len(own := each.table[each.table.index.isin(names)]):
            changes.append((each._replace(table=own), len(own) < len(each.table)))
    if not changes:
        return ""
    first = changes[0][0].tried[0].measure
    found = [pair for pair in changes if pair[0].tried[0].measure == first]
    told = []
    for each, fewer in found:
        place = f"on {each.data} ({each.evidence}), " if len(found) > 1 else ""
        aside = " (comparisons with the floor not counted)" * fewer
        told.append(place + _answers(each.table, aside))
    others = [each.table[ANSWER] for each, _ in changes if each.tried[0].measure != first]
    if others:
        decided = sum(int(answers.str.startswith("yes").sum()) for answers in others)
        told.append(f"by other measures {decided or 'none'} of {sum(map(len, others))} decided")
    return "; ".join(told)


def _answers(changes: pd.DataFrame, aside: str) -> str:
    """Which of some changes help or hurt, how many are open, and how far the networks had learnt."""
    decided, others = _sorted(changes[ANSWER], "not decided")
    text = (
        "the one change that was compared here"
        if len(changes) == 1
        else (f"of the {len(changes)} changes that were compared here")
    )
    text += aside
    if len(decided):
        named = "; ".join(
            f"{name} ({word}, {_sure(changes, name)})" for name, word in decided.items()
        )
        count = f" {len(decided)}" * (len(changes) > 1)
        text += f"{count} {'is' if len(decided) == 1 else 'are'} decided: {named}"
    else:
        text += f" {'is not' if len(changes) == 1 else 'none is'} decided"
    if len(others):
        text += f" ({', '.join(f'{count} {word}' for word, count in others.items())}"
        still = changes[~changes[ANSWER].str.startswith("yes")]
        gains = still[["one gain", "another gain"]].stack().dropna()
        if len(gains):
            ends = dict.fromkeys(map(percent, (gains.min(), gains.max())))
            text += (
                f": their networks have closed {' to '.join(ends)} % of the gap to a perfect result"
            )
            text += " (below 0: worse than the floor)" * bool(gains.min() < 0)
            text += ", and below 50 % decide nothing" * ("undertrained" in others)
        text += ")"
    return text


def _sure(changes: pd.DataFrame, name: str) -> str:
    """Corrected p of a change, and the smaller gain of its two networks."""
    row = changes.loc[name]
    gain = row[["one gain", "another gain"]].min()
    text = f"corrected p {row['corrected p']:.2g}"
    return text if pd.isna(gain) else f"{text}, gain {percent(gain)} % or more"


def _sorted(answers: pd.Series, no: str) -> tuple[pd.Series, pd.Series]:
    """By name which way the decided changes go, and how many are open why, `no` for chance."""
    yes = answers.str.startswith("yes")
    return answers[yes].str.removeprefix("yes, "), answers[~yes].replace("no", no).value_counts()


def noise_sentence(changes: pd.DataFrame, unit: str) -> str:
    """Which of some differences are decided, why the others are not, and how large these would
    have to be."""
    words, held = _sorted(changes[ANSWER], "not beyond chance")
    found = "; ".join(f"{name} ({word})" for name, word in words.items())
    text = f"{len(words) or 'None'} of {len(changes)} decided"
    text += f": {found}." if found else "."
    if len(held):
        text += f" Not decided: {', '.join(f'{count} {why}' for why, count in held.items())}."
    spans = [
        changes[f"{of}high"] - changes[f"{of}low"]
        for of in ("", "people ")
        if f"{of}low" in changes
    ]  # over seeds, over persons: the wider one decides
    reach = (pd.concat(spans, axis=1).max(axis=1) / 2)[changes[ANSWER] == "no"].dropna()
    if len(reach):
        ends = dict.fromkeys(number(value, 10.0) for value in (reach.min(), reach.max()))
        text += f" The intervals of those not beyond chance reach {' to '.join(ends)} {unit}"
        text += (
            " to either side of the mean; after the correction a difference has to be larger still."
        )
    return text


def _row(contrast: Contrast, row: pd.Series) -> tuple[str, ...]:
    here = _interval(row[["mean", "low", "high"]], contrast.unit)
    if row["people"]:
        people = _interval(row[["people mean", "people low", "people high"]], contrast.unit)
        here += f"; over {row['people']} persons {people}"
    printed = number(row["printed"], 10.0)
    printed = f"{printed} {contrast.unit}" if printed else ""
    ps = ("" if pd.isna(row[name]) else f"{row[name]:.2g}" for name in ("p", "corrected p"))
    gains = [row[name] for name in ("one gain", "another gain")]
    gain = "" if pd.isna(gains).any() else ", ".join(map(percent, gains))
    cells = (contrast.name, contrast.one, contrast.another, printed, here, *ps)
    word = row[ANSWER].removeprefix("yes, ")
    return (*cells, str(int(row["n"])), gain, "not decided" if word == "no" else word)


def _interval(row: pd.Series, unit: str) -> str:
    """A mean in its unit with the interval, where there is one; '' for none."""
    ends = row.astype(float).dropna()
    if ends.empty:
        return ""
    mean, *interval = (number(value, ends.abs().max()) for value in ends)
    return f"{mean} {unit}" + (f" [{', '.join(interval)}]" if interval else "")


def choice_section(questions: list[Question], records: list[Record]) -> Iterator[str]:
    """Which network to take, of those that the paper compares."""
    head = ["### Which to take", CHOICE]
    for question in questions:
        for (data, size), values in values_by_data(records).items():
            costs = counted((r for r in records if r.size == size), question.costs)
            if choice := choose(question, values, costs):
                yield from head
                head = []
                place = f"By `{question.card}` on `{data}`{generated(data)}, size `{size}`"
                yield f"**{question.question}** {place}: {choice.words}"
                frame = choice.table.add_prefix(">").rename_axis("Network").reset_index()
                yield table(frame)
