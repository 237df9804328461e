"""One row per (peptide, method): descriptors, metrics and raw confidence."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from betafold.errors import BetaFoldError
from betafold.evaluation import metrics
from betafold.evaluation.strata import HELICAL_FRACTION, helix_fraction_of

CONFORMERS = 5
"""``ca_rmsd_best5`` takes the best of so many conformers, chosen knowing the native: an oracle."""
CA = 1


def describe(samples: list, split: pd.DataFrame) -> pd.DataFrame:
    """Descriptor columns of samples, taken from them and from the split table (indexed by id)."""
    fractions = [helix_fraction_of(sample.torsions, sample.coords) for sample in samples]
    ids = [sample.id for sample in samples]
    return pd.DataFrame(
        {
            "id": ids,
            "entry": [sample.entry for sample in samples],
            "kind": [sample.kind for sample in samples],
            "length": [len(sample.sequence) for sample in samples],
            "split": split.loc[ids, "split"].to_numpy(),
            "cluster": split.loc[ids, "cluster"].to_numpy(),
            "helix_fraction": fractions,
            "helical": [fraction >= HELICAL_FRACTION for fraction in fractions],
            "cyclic": [bool(sample.cyclic) for sample in samples],
            "n_models": [len(sample.models) for sample in samples],
            "sequence": [sample.sequence for sample in samples],
        }
    )


def score(
    samples: list, predictions: list[np.ndarray], torsions: list[np.ndarray] | None = None
) -> pd.DataFrame:
    """Metrics of predictions [K_i, L_i, 3 atoms, 3], rank 1 first, against the samples' first models.

    ``ca_rmsd_best5`` is the lowest CA-RMSD of the first five conformers (of fewer if there are fewer).
    The entries with several models also get the closest model and the ensemble's own spread.

    Args:
        samples: anything with ``coords`` [L, 3, 3], ``torsions`` [L, 3] and ``models`` [M, L, 3, 3].
        torsions: [L_i, 3] of the first conformers; by default computed, which needs chains without gaps.
    """
    first = [prediction[0] for prediction in predictions]
    native = [sample.coords for sample in samples]
    native_ca = [chain[:, CA] for chain in native]
    columns = metrics.ca_scores([chain[:, CA] for chain in first], native_ca)
    columns["backbone_rmsd"] = metrics.backbone_rmsd(first, native)
    columns |= metrics.mean_torsion_errors(
        metrics.torsions(first) if torsions is None else torsions, [sample.torsions for sample in samples]
    )
    columns["ca_rmsd_best5"] = _best_of(predictions, native_ca)
    ensembles = [
        metrics.ensemble_scores(chain[:, CA], sample.models[:, :, CA])
        for chain, sample in zip(first, samples, strict=True)
    ]
    several = np.array([len(sample.models) > 1 for sample in samples])
    columns["ca_rmsd_first_model"] = np.where(several, columns["ca_rmsd"], np.nan)
    return pd.concat([pd.DataFrame(columns), pd.DataFrame(ensembles)], axis=1)


def _best_of(predictions: list[np.ndarray], native_ca: list[np.ndarray]) -> np.ndarray:
    """Lowest CA-RMSD [B] among the first ``CONFORMERS`` conformers of each chain."""
    ranks = min(CONFORMERS, max(map(len, predictions)))
    per_rank = [
        # A method with fewer answers repeats its last one, which leaves the minimum as it is.
        metrics.rmsd([chain[min(rank, len(chain) - 1), :, CA] for chain in predictions], native_ca)
        for rank in range(ranks)
    ]
    # A conformer that cannot be scored (NaN) does not hide those that can.
    return np.fmin.reduce(per_rank)


def rows(samples: list, split: pd.DataFrame, method: str, predictions: list[np.ndarray]) -> pd.DataFrame:
    """Descriptors and metrics of one method."""
    table = pd.concat([describe(samples, split), score(samples, predictions)], axis=1)
    table.insert(table.columns.get_loc("cluster") + 1, "method", method)
    return table


def residue_rows(
    samples: list, split: pd.DataFrame, predictions: list[np.ndarray], plddt: list[np.ndarray]
) -> pd.DataFrame:
    """One row per residue of the model's rank 1: raw pLDDT and true lDDT (0-100), angles in degrees.

    ``x``, ``y`` and ``z`` place the predicted CA, ``native_x`` and its companions the native one, each in a frame
    of its own, so that a reader of the table can superpose the traces or compare their distances.
    """
    first = [prediction[0] for prediction in predictions]
    built = [chain[:, CA] for chain in first]
    native = [sample.coords[:, CA] for sample in samples]
    lengths = [len(chain) for chain in native]
    ids = np.repeat([sample.id for sample in samples], lengths)
    table = pd.DataFrame(
        {
            "id": ids,
            "split": split["split"].reindex(ids).to_numpy(),
            "cluster": split["cluster"].reindex(ids).to_numpy(),
            "position": np.concatenate([np.arange(1, length + 1) for length in lengths]),
            "residue": list("".join(sample.sequence for sample in samples)),
            "plddt_raw": np.concatenate(plddt),
            "lddt": 100 * np.concatenate(metrics.residue_lddt(built, native)),
            "ca_error": np.concatenate(list(map(metrics.ca_deviation, built, native))),
        }
    )
    table[["x", "y", "z"]] = np.concatenate(built)
    table[["native_x", "native_y", "native_z"]] = np.concatenate(native)
    ours = np.concatenate(metrics.torsions(first))
    theirs = np.concatenate([sample.torsions for sample in samples])
    errors = metrics.torsion_errors(ours, theirs)
    for axis, name in enumerate(("phi", "psi", "omega")):
        table[name] = np.degrees(ours[:, axis])
        table[f"{name}_native"] = np.degrees(theirs[:, axis])
        table[f"{name}_error"] = errors[:, axis]
    return table


def residues_path(table_path: Path) -> Path:
    """Residue table that belongs to ``DIR/NAME.tsv``: ``DIR/NAME.residues.tsv.gz``."""
    return table_path.with_name(f"{table_path.stem}.residues.tsv.gz")


def write_table(table: pd.DataFrame, path: Path, digits: int = 4) -> None:
    """Write a table as .tsv or .csv, gzipped after a further .gz; equal tables give equal bytes."""
    path = Path(path)
    separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    data = table.round(digits).to_csv(sep=separator, index=False, na_rep="").encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read_evaluation(path: str | Path) -> pd.DataFrame:
    """Read an evaluation table; BetaFoldError if it is not one."""
    path = Path(path)
    try:
        table = pd.read_csv(path, sep="\t", keep_default_na=True, dtype={"id": str, "entry": str})
    except (OSError, ValueError) as error:
        raise BetaFoldError(f"{path}: not a readable table ({error}); run betafold evaluate") from error
    missing = {"id", "method", "split", "cluster", "ca_rmsd"} - set(table.columns)
    if missing:
        raise BetaFoldError(
            f"{path}: not an evaluation table (no column {', '.join(sorted(missing))}); run betafold evaluate"
        )
    return table
