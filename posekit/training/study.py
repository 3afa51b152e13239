"""What the experiments of every notebook share: jobs by network and seed, latencies, notes, tables.

A work function is what a run does once and remembers; its config says all that it depends on.
`networks` maps names to constructors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from posekit.models.profile import latencies, parameters, remove_parametrizations
from posekit.training.runs import Job, Measured, Run, counted, job, run_all
from posekit.training.runs import run as run_now

Networks = Mapping[str, Callable[..., nn.Module]]
Runs = dict[tuple[str, int], Run]  # by network and seed


@dataclass(frozen=True)
class Study:
    """The experiments of one notebook: the same networks, setting and seeds in all of them.

    Every experiment returns its runs by (network, seed); what was done before is not done again.
    """

    paper: str
    networks: Networks
    setting: Mapping
    size: str
    seeds: int
    out: str
    device: str

    def latency(
        self,
        shape: Sequence[int],
        *,
        rounds: int,
        networks: Networks | None = None,
        metric: str = "latency_ms",
    ) -> Runs:
        """Milliseconds of one forward pass on an input of `shape`, measured once a seed.

        Of every network of the study that has parameters, or of others.
        """
        config = {"input": list(shape), "rounds": rounds, "metric": metric}
        work = partial(latency, networks or self.networks)
        return run_all(
            {("", seed): self.job(work, metric, seed, [], config) for seed in range(self.seeds)},
            workers=1,
        )

    def note(self, title: str, rows: Sequence[tuple[str, str, str, int, float | int]]) -> None:
        """Record what a notebook computed: quantity, card, data, seed, value."""
        for seed in sorted({row[3] for row in rows}):
            config = {name: [card, data, v] for name, card, data, s, v in rows if s == seed}
            about = {"paper": self.paper, "size": self.size, "out": self.out}
            run_now(counted, job=title, seed=seed, config=config, device=self.device, **about)

    def job(self, work, title: str, seed: int, data: Sequence, config: dict) -> Job:
        """One piece of this study's work."""
        about = {"paper": self.paper, "size": self.size, "out": self.out, "device": self.device}
        return job(work, job=title, seed=seed, data=data, config=config, **about)

    @property
    def workers(self) -> int:
        """How many jobs may train at a time; 0: one a core."""
        return 1 if self.size == "smoke" or self.device != "cpu" else 0


def table(runs: Runs) -> pd.DataFrame:
    """All quantities of some runs: network, seed, metric, slice, card, data, value."""
    rows = []
    for (_, seed), run in runs.items():
        for row in run.record["quantities"]:
            metric, network, *part = row["quantity"].split("/")
            about = {"network": network, "seed": seed, "metric": metric, "slice": "/".join(part)}
            rows.append(about | {name: row[name] for name in ("card", "data", "value")})
    return pd.DataFrame(rows)


def latency(networks: Networks, config: dict, seed: int, folder: Path, data: Sequence) -> Measured:
    """Milliseconds of one forward pass of an input of shape `config["input"]`."""
    built = {name: build() for name, build in networks.items()}
    for network in built.values():
        remove_parametrizations(network)
    timed = {name: network for name, network in built.items() if parameters(network)}
    times = latencies(timed, torch.randn(config["input"]), rounds=config["rounds"])
    return Measured([(f"{config['metric']}/{name}", "", "", ms) for name, ms in times.items()])
