"""The tables of all models of a run, cut to the same test peptides, and what each model costs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from betafold.errors import BetaFoldError
from betafold.reports.inputs import Evaluated, load_evaluated, read_table, shared_peptides
from betafold.structures.fasta import read_fasta

STEPS = ("train", "evaluate", "predict")


@dataclass(frozen=True)
class Cost:
    """What one step took: wall-clock and CPU seconds, and the most memory in MB; NaN where not measured."""

    seconds: float = np.nan
    memory: float = np.nan
    cpu_seconds: float = np.nan


@dataclass(frozen=True)
class Contender(Evaluated):
    """A model with its costs by step."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def cost(self, step: str) -> Cost:
        return self.costs.get(step, Cost())


@dataclass(frozen=True)
class Benchmark:
    """Models, the main one first, cut to the test peptides that all of them take.

    Attributes:
        further: the models that take more, on the peptides that the others do not take.
        predicted: how many peptides the step ``predict`` was given, 0 where not known.
    """

    models: list[Contender]
    further: Self | None = None
    predicted: int = 0

    @property
    def main(self) -> Contender:
        return self.models[0]

    def of_peptides(self, ids: Collection[str]) -> Self:
        """The same models with only these test peptides."""
        return Benchmark([model.of_peptides(ids) for model in self.models], predicted=self.predicted)

    def family(self, name: str) -> list[Contender]:
        """Models of one family, in order."""
        return [model for model in self.models if model.family == name]

    def representatives(self) -> list[Contender]:
        """The model of each family that is best on the validation split, which no number of the page comes from."""
        families = dict.fromkeys(model.family for model in self.models)
        return [min(self.family(name), key=_validation_rmsd) for name in families]


def _validation_rmsd(model: Contender) -> float:
    mean = model.rows("validation")["ca_rmsd"].mean()
    return mean if np.isfinite(mean) else np.inf


def load_benchmark(
    evaluations: Sequence[Path], benchmarks: Sequence[Path] = (), sequences: Path | None = None
) -> Benchmark:
    """Read a run's evaluation tables, in the order of the models, and Snakemake's ``.../STEP/NAME.tsv``.

    ``sequences`` is the FASTA file that every model was given in the step ``predict``. Raises BetaFoldError for a
    missing or unreadable input, and for models that were not evaluated on the same split.
    """
    costs = {(path.parent.name, path.stem): _read_cost(path) for path in benchmarks}
    models = [
        Contender(
            **vars(load_evaluated(path)),
            costs={step: costs[step, path.stem] for step in STEPS if (step, path.stem) in costs},
        )
        for path in evaluations
    ]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise BetaFoldError(f"models {', '.join(names)}: give each its own name (betafold evaluate --name)")
    shared = shared_peptides(models)
    further = [model for model in models if set(model.test()["id"]) - shared]
    predicted = len(read_fasta(sequences)[0]) if sequences else 0
    return Benchmark(
        [model.of_peptides(shared) for model in models],
        _beyond(further, shared) if further else None,
        predicted,
    )


def _beyond(models: list[Contender], shared: set[str]) -> Benchmark | None:
    """Models on the peptides that they all take and that are not ``shared``."""
    ids = set.intersection(*(set(model.test()["id"]) for model in models)) - shared
    return Benchmark(models).of_peptides(ids) if ids else None


def _read_cost(path: Path) -> Cost:
    """The last row of one of Snakemake's benchmark files; a job too short to be sampled has no memory."""
    table = read_table(path)
    if not {"s", "max_rss"} <= set(table.columns) or table.empty:
        raise BetaFoldError(f"{path}: not a benchmark file of Snakemake (no column s or max_rss)")
    row = pd.to_numeric(table.iloc[-1].reindex(["s", "max_rss", "cpu_time"]), errors="coerce")
    return Cost(*row.astype(float))
