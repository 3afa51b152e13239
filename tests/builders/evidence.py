"""One paper's claims under test, and made-up records to judge them by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from posekit.claims.ledger import verdicts
from posekit.claims.measurements import Record
from posekit.claims.paper import Claim, Paper, load_paper


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
        """The ledger's row of one claim after these runs."""
        return verdicts(replace(self.paper, claims=(self.claim(number),)), records).iloc[0]

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
