"""The calibration step: evaluation table in, calibration and its check on the test split out."""

import json
from pathlib import Path

import pandas as pd

from betafold.errors import BetaFoldError
from betafold.evaluation import calibration, diagnostics, table
from betafold.evaluation.baselines import METHODS
from betafold.files import write_beside
from betafold.prediction.confidence import write_calibration
from betafold.provenance import file_sha256, provenance


def calibrate(
    evaluation_path: Path, out: Path, *, residues_path: Path | None = None, split_path: Path | None = None
) -> None:
    """Write the folder ``out``: calibration.json and, measured on the test split, the tables of ``checks``."""
    rows = table.read_evaluation(evaluation_path)
    model = rows[~rows["method"].isin(METHODS)]
    if model["method"].nunique() != 1 or not {"plddt_raw", "expected_rmsd"} <= set(model.columns):
        raise BetaFoldError(
            f"{evaluation_path}: no model with a confidence in it; run betafold evaluate --checkpoint"
        )
    residues = read_residues(residues_path or table.residues_path(evaluation_path))
    record = _record(evaluation_path)
    if split_path is not None and record.get("split_sha256") not in (None, file_sha256(split_path)):
        raise BetaFoldError(
            f"{evaluation_path}: made with another split than {split_path}; run betafold evaluate again"
        )
    fitted = calibration.fit(
        model,
        residues,
        conformers=record.get("conformers", {}),
        provenance=provenance(
            "calibrate",
            evaluation_sha256=file_sha256(evaluation_path),
            checkpoint_sha256=record.get("checkpoint_sha256"),
            weights_sha256=record.get("weights_sha256"),
        ),
    )
    with write_beside(out) as partial:
        partial.mkdir()
        write_calibration(partial / "calibration.json", fitted)
        for name, frame in checks(model, residues, fitted).items():
            table.write_table(frame, partial / f"{name}.tsv")


def checks(
    model: pd.DataFrame, residues: pd.DataFrame, fitted: calibration.Calibration
) -> dict[str, pd.DataFrame]:
    """Tables on the test split: test, reliability, summary, coverage, risk_coverage, strata."""
    test = model[(model["split"] == "test") & model["ca_rmsd"].notna()]
    own = residues[residues["split"] == "test"]
    if test.empty:
        raise BetaFoldError(
            "calibration: no peptide in the test split; make the split again with a test fraction"
        )
    test = calibration.apply(fitted, test, own)
    scored = own[own["lddt"].notna()]
    reliability = {
        "plddt_raw": (scored["plddt_raw"], scored["lddt"], scored["cluster"]),
        "plddt_calibrated": (fitted.plddt(scored["plddt_raw"].to_numpy()), scored["lddt"], scored["cluster"]),
        "predicted_rmsd": (test["predicted_rmsd"], test["ca_rmsd"], test["cluster"]),
    }
    parts = []
    for quantity, columns in reliability.items():
        part = diagnostics.reliability(*columns)
        part.insert(0, "quantity", quantity)
        parts.append(part)
    return {
        "test": test,
        "reliability": pd.concat(parts, ignore_index=True),
        "summary": diagnostics.summary(test, own, fitted),
        "coverage": diagnostics.coverage(test, fitted),
        "risk_coverage": diagnostics.risk_coverage(test),
        "strata": diagnostics.by_stratum(test, own, fitted),
    }


def read_residues(path: Path) -> pd.DataFrame:
    """Residue table of an evaluation; BetaFoldError if it cannot be read."""
    try:
        # A peptide's residue column holds single letters; none of them is a missing value.
        return pd.read_csv(path, sep="\t", dtype={"id": str, "residue": str})
    except (OSError, ValueError) as error:
        raise BetaFoldError(
            f"{path}: not a readable residue table ({error}); run betafold evaluate"
        ) from error


def _record(evaluation_path: Path) -> dict:
    """Provenance that ``betafold evaluate`` left beside its table; empty if there is none."""
    try:
        return json.loads(evaluation_path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
