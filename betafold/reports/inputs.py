"""The tables of a run, read and matched by model name."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import pandas as pd

from betafold.errors import BetaFoldError
from betafold.evaluation import table
from betafold.evaluation.baselines import METHODS
from betafold.prediction.confidence import Calibration, read_calibration

CHECKS = ("test", "reliability", "summary", "coverage", "risk_coverage", "strata")


@dataclass(frozen=True)
class Evaluated:
    """What ``betafold evaluate`` says about one model.

    Attributes:
        evaluation: rows of the model and of the baselines, all held-out splits.
        residues: one row per residue of the model's rank 1.
        record: provenance beside the evaluation table.
    """

    name: str
    evaluation: pd.DataFrame
    residues: pd.DataFrame
    record: dict

    def rows(self, split: str, method: str | None = None) -> pd.DataFrame:
        """Rows of a method, by default the model itself, in one part of the split."""
        rows = self.evaluation
        return rows[(rows["split"] == split) & (rows["method"] == (method or self.name))]

    def test(self, method: str | None = None) -> pd.DataFrame:
        """Test rows of a method, by default the model itself."""
        return self.rows("test", method)

    @property
    def test_residues(self) -> pd.DataFrame:
        return self.residues[self.residues["split"] == "test"]

    @property
    def training(self) -> dict:
        """What the checkpoint says about its origin."""
        return self.record.get("training", {})

    @property
    def family(self) -> str:
        return self.training.get("family", "torsion")

    def of_peptides(self, ids: Collection[str]) -> Self:
        """The same model with only these test peptides; other parts of the split stay as they are."""
        evaluation, residues = (
            table[(table["split"] != "test") | table["id"].isin(ids)]
            for table in (self.evaluation, self.residues)
        )
        return replace(self, evaluation=evaluation, residues=residues)


@dataclass(frozen=True)
class ModelResults(Evaluated):
    """A model with its calibration.

    Attributes:
        checks: the tables of ``betafold calibrate`` on the test split, by name.
        history: rows of training, None where not given.
    """

    calibration: Calibration
    checks: dict[str, pd.DataFrame]
    history: pd.DataFrame | None = None

    @property
    def summary(self) -> pd.DataFrame:
        """Headline quantities, indexed by name."""
        return self.checks["summary"].set_index("quantity")


@dataclass(frozen=True)
class Run:
    """All models of a run (the first is the main one) and the data they share.

    Their accuracy is compared on the test peptides that every model takes; ``left_out`` counts the main model's others.
    """

    models: list[ModelResults]
    split: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    left_out: int = 0

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
    shared = shared_peptides(models)
    return Run(
        [model.of_peptides(shared) for model in models],
        left_out=len(models[0].test()) - len(shared),
        split=read_table(split) if split else None,
        rejected=read_table(rejected) if rejected else None,
    )


def _load_model(path: Path, folder: Path, history: Path | None) -> ModelResults:
    return ModelResults(
        **vars(load_evaluated(path)),
        calibration=read_calibration(folder / "calibration.json"),
        checks={name: read_table(folder / f"{name}.tsv") for name in CHECKS},
        history=read_table(history) if history else None,
    )


def shared_peptides(models: Sequence[Evaluated]) -> set[str]:
    """Ids of the test peptides that every model was evaluated on: some take longer ones than others.

    Raises BetaFoldError where there is none, or where models were evaluated on different splits, so that one may have
    learned from what tests another.
    """
    main, *others = models
    shared = set(main.test()["id"])
    for model in others:
        splits = {known.record.get("split_sha256") for known in (main, model)} - {None}
        shared &= set(model.test()["id"])
        if len(splits) > 1 or not shared:
            raise BetaFoldError(
                f"models {main.name} and {model.name} were not evaluated on the same split; run betafold evaluate again"
            )
    return shared


def load_evaluated(path: Path) -> Evaluated:
    """The evaluation table ``path`` with the residue table and the record beside it."""
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
    return Evaluated(names[0], evaluation, read_table(table.residues_path(path)), record)


def read_table(path: Path) -> pd.DataFrame:
    """A tab-separated table; BetaFoldError if it is none."""
    try:
        return pd.read_csv(path, sep="\t", dtype={"id": str, "entry": str, "residue": str})
    except (OSError, ValueError) as error:
        raise BetaFoldError(f"{path}: not a readable table ({error})") from error
