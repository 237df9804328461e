"""The tables of a run, read and matched by model name."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from betafold.errors import BetaFoldError
from betafold.evaluation import table
from betafold.evaluation.baselines import METHODS
from betafold.prediction.confidence import Calibration, read_calibration

CHECKS = ("test", "reliability", "summary", "coverage", "risk_coverage", "strata")


@dataclass(frozen=True)
class ModelResults:
    """Everything known about one model.

    Attributes:
        evaluation: rows of the model and of the baselines, all held-out splits.
        residues: one row per residue of the model's rank 1.
        checks: the tables of ``betafold calibrate`` on the test split, by name.
        record: provenance beside the evaluation table.
        history: rows of training, None where not given.
    """

    name: str
    evaluation: pd.DataFrame
    residues: pd.DataFrame
    calibration: Calibration
    checks: dict[str, pd.DataFrame]
    record: dict
    history: pd.DataFrame | None = None

    def test(self, method: str | None = None) -> pd.DataFrame:
        """Test rows of a method, by default the model itself."""
        rows = self.evaluation
        return rows[(rows["split"] == "test") & (rows["method"] == (method or self.name))]

    @property
    def test_residues(self) -> pd.DataFrame:
        return self.residues[self.residues["split"] == "test"]

    @property
    def summary(self) -> pd.DataFrame:
        """Headline quantities, indexed by name."""
        return self.checks["summary"].set_index("quantity")


@dataclass(frozen=True)
class Run:
    """All models of a run (the first is the main one) and the data they share."""

    models: list[ModelResults]
    split: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def main(self) -> ModelResults:
        return self.models[0]


def load_run(
    evaluations: Sequence[Path],
    calibrations: Sequence[Path],
    *,
    histories: Sequence[Path] = (),
    rejected: Path | None = None,
    split: Path | None = None,
) -> Run:
    """Read a run's tables; the order of ``evaluations`` is the order of the models.

    ``DIR/NAME.tsv`` belongs to the calibration folder ``.../NAME`` and the history ``.../NAME/history.tsv``.
    Raises BetaFoldError for a missing, unreadable or unmatched input.
    """
    folders = {path.name: path for path in calibrations}
    curves = {path.parent.name: path for path in histories}
    models = []
    for path in evaluations:
        if path.stem not in folders:
            raise BetaFoldError(f"{path}: no calibration folder named {path.stem}; run betafold calibrate")
        models.append(_load_model(path, folders[path.stem], curves.get(path.stem)))
    return Run(
        models,
        split=_read(split) if split else None,
        rejected=_read(rejected) if rejected else None,
    )


def _load_model(path: Path, folder: Path, history: Path | None) -> ModelResults:
    evaluation = table.read_evaluation(path)
    names = sorted(set(evaluation["method"]) - set(METHODS))
    if len(names) != 1:
        raise BetaFoldError(
            f"{path}: expected one model beside the baselines, found {', '.join(names) or 'none'}"
        )
    try:
        record = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        record = {}
    return ModelResults(
        name=names[0],
        evaluation=evaluation,
        residues=_read(table.residues_path(path)),
        calibration=read_calibration(folder / "calibration.json"),
        checks={name: _read(folder / f"{name}.tsv") for name in CHECKS},
        record=record,
        history=_read(history) if history else None,
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t", dtype={"id": str, "entry": str, "residue": str})
    except (OSError, ValueError) as error:
        raise BetaFoldError(f"{path}: not a readable table ({error})") from error
