"""One paper's claims under test, and made-up records to judge them by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from posekit.claims.ledger import verdicts
from posekit.claims.measurements import Record
from posekit.claims.paper import Claim, Paper, load_paper, split


@dataclass(frozen=True)
class PaperUnderTest:
    """A paper's tables, read once, and what records say of its claims."""

    slug: str

    @cached_property
    def paper(self) -> Paper:
        return load_paper(self.slug)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """The verdicts without any record, by id."""
        return verdicts(self.paper, []).set_index("id", drop=False)

    def claim(self, number: int) -> Claim:
        return next(c for c in self.paper.claims if c.id == f"{self.slug}-{number:03d}")

    def printed(self, quantity: str, card: str = "") -> str:
        """What the paper prints, as text."""
        return self.paper.printed[quantity, card].text

    def judged(self, number: int, records: Sequence[Record]) -> pd.Series:
        """The ledger's row of one claim after these runs, of networks that have learnt."""
        paper = replace(self.paper, claims=(self.claim(number),))
        return verdicts(paper, self.learnt(records)).iloc[0]

    def learnt(self, records: Sequence[Record]) -> list[Record]:
        """The runs and a floor of each card, from which all of their networks have come 3/4."""
        known = {(*key, r.size, r.seed): (v, r) for r in records for key, v in r.values.items()}
        added: dict[tuple, Record] = {}
        for floor in self.paper.floors.values():
            gaps = {}
            for (name, card, data, size, seed), (_, run) in known.items():
                subject = split(name)[1]
                if card != floor.card or subject == floor.floor:
                    continue
                key = (f"{floor.metric}/{subject}", floor.by, data)
                if (*key, size, seed) in known:
                    gap = abs(known[*key, size, seed][0] - floor.perfect)
                else:
                    gap = 10.0  # a network whose error by the floor's rule no claim is about
                    value = floor.perfect + (-gap if floor.perfect else gap)
                    added[*key, size, seed] = _also(run, key, value)
                gaps.setdefault((run.size, run.seed, data), {})[gap] = run
            for (size, seed, data), own in gaps.items():
                gap, run = 4 * max(own), next(iter(own.values()))
                key = (f"{floor.metric}/{floor.floor}", floor.by, data)
                value = floor.perfect + (-gap if floor.perfect else gap)
                added[*key, size, seed] = _also(run, key, value)
        return [*records, *added.values()]

    def records(
        self, values: dict[str, float], card: str = "", data: str = "", size: str = "small"
    ) -> list[Record]:
        """Three made-up runs of each quantity; on a data set up to 0.2 apart, else all alike."""
        return [
            Record(
                file=Path(f"{name}-{card}-{seed}.json"),
                id=f"{name}-{card}-{seed}",
                paper=self.slug,
                job=name,
                size=size,
                seed=seed,
                config="{}",
                trained_on=data,
                device="cpu",
                threads="1",
                values={(name, card, data): value + bool(data) * ((i + seed) % 3) / 10},
            )
            for i, (name, value) in enumerate(values.items())
            for seed in range(3)
        ]


def _also(run: Record, key: tuple[str, str, str], value: float) -> Record:
    """Another run of the same size, seed and training set, with one value."""
    name = "-".join((*key[:2], str(run.seed)))
    return replace(run, file=Path(f"{name}.json"), id=name, job=key[0], values={key: value})
