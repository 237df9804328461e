"""Is the confidence right? Reliability, rank correlation, risk-coverage and conformal coverage."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from betafold.evaluation.calibration import bound_column, cluster_weights
from betafold.evaluation.intervals import mean_interval, share_interval, statistic_interval
from betafold.evaluation.strata import length_band, strata
from betafold.prediction.confidence import Calibration

BINS = 10
TOP = 0.2
"""Share of peptides called the most confident."""


def spearman(pairs: np.ndarray) -> float:
    """Rank correlation of two columns [n, 2]; NaN when a column is constant or there are under three rows."""
    if len(pairs) < 3 or (np.ptp(pairs, axis=0) == 0).any():
        return float("nan")
    return float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def _equal_count_bins(predicted: np.ndarray, bins: int) -> list[np.ndarray]:
    """Indices of ``predicted`` in order, in so many groups of (nearly) equal size."""
    order = np.argsort(predicted, kind="stable")
    return [part for part in np.array_split(order, min(bins, len(order))) if len(part)]


def calibration_error(rows: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of rows (predicted, observed) or (predicted, observed, weight).

    The regression counterpart of ECE: mean over equal-count bins of |mean predicted - mean observed|,
    in the unit of the values.
    """
    predicted, observed = rows[:, 0], rows[:, 1]
    weights = rows[:, 2] if rows.shape[1] > 2 else np.ones(len(rows))
    gaps, totals = [], []
    for group in _equal_count_bins(predicted, bins):
        gaps.append(abs(np.average(predicted[group] - observed[group], weights=weights[group])))
        totals.append(weights[group].sum())
    return float(np.average(gaps, weights=totals))


def reliability(predicted, observed, clusters, bins: int = BINS) -> pd.DataFrame:
    """Equal-count bins: n, mean predicted, mean observed and its cluster bootstrap interval."""
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    clusters = np.asarray(clusters)
    rows = []
    for number, group in enumerate(_equal_count_bins(predicted, bins), start=1):
        interval = mean_interval(observed[group], clusters[group])
        rows.append(
            {
                "bin": number,
                "n": len(group),
                "clusters": interval.clusters,
                "predicted": predicted[group].mean(),
                "observed": interval.estimate,
                "observed_low": interval.low,
                "observed_high": interval.high,
            }
        )
    return pd.DataFrame(rows)


def risk_curve(score: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Mean ``risk`` [n] of the k peptides with the lowest ``score``, for k = 1..n.

    Tied scores are averaged over, so their order in the input does not matter.
    """
    order = np.argsort(score, kind="stable")
    _, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    tie_means = np.bincount(inverse, weights=risk[order]) / counts
    return np.cumsum(tie_means[inverse]) / np.arange(1, len(risk) + 1)


def area_under_risk(pairs: np.ndarray) -> float:
    """Area under the risk-coverage curve of (score, risk) [n, 2]: mean of the curve over all coverages."""
    return float(risk_curve(pairs[:, 0], pairs[:, 1]).mean())


def top_risk(pairs: np.ndarray, share: float = TOP) -> float:
    """Mean risk of the ``share`` with the lowest score, of (score, risk) [n, 2]."""
    keep = max(1, round(share * len(pairs)))
    return float(risk_curve(pairs[:, 0], pairs[:, 1])[keep - 1])


def rank_within_length(table: pd.DataFrame) -> np.ndarray:
    """Confidence rank in (0, 1] among peptides of the same length band, low = most confident."""
    bands = table["length"].map(length_band)
    return table.groupby(bands)["confidence_score"].rank(pct=True, method="average").to_numpy()


def rankings(table: pd.DataFrame, risk: str) -> dict[str, np.ndarray]:
    """Scores to order peptides by, lowest first: the confidence, the same within length bands, rivals."""
    return {
        "confidence": table["confidence_score"].to_numpy(),
        "confidence within length band": rank_within_length(table),
        "length alone": table["length"].to_numpy(dtype=float),
        "oracle": table[risk].to_numpy(),
        "random": np.zeros(len(table)),
    }


RISKS = ("ca_rmsd", "ca_rmsd_per_residue")


def risk_coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Curves of every ranking for both risks: risk, ranking, coverage, n, mean_risk."""
    parts = []
    for risk in RISKS:
        values = table[risk].to_numpy()
        for name, score in rankings(table, risk).items():
            curve = risk_curve(score, values)
            kept = np.arange(1, len(values) + 1)
            parts.append(
                pd.DataFrame(
                    {
                        "risk": risk,
                        "ranking": name,
                        "coverage": kept / len(values),
                        "n": kept,
                        "mean_risk": curve,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def coverage(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """For each nominal level, the share of peptides whose CA-RMSD lies below its bound.

    ``macro`` counts every cluster once, as the conformal guarantee does; ``micro`` every peptide once.
    """
    rows = []
    for level in calibration.levels:
        bound = table[bound_column(level)]
        inside = (table["ca_rmsd"] <= bound).to_numpy(dtype=float)
        for average in ("macro", "micro"):
            interval = share_interval(inside, table["cluster"], macro=average == "macro")
            rows.append({"level": level, "average": average, **_named(interval), "mean_bound": bound.mean()})
    return pd.DataFrame(rows)


def _named(interval) -> dict:
    return interval._asdict()


def summary(table: pd.DataFrame, residues: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Headline numbers of the calibrated rows, each with a cluster bootstrap interval.

    Quantities whose name ends in ``macro`` count every cluster once, the others every residue or peptide.

    Args:
        table: calibrated rows (:func:`betafold.evaluation.calibration.apply`).
        residues: their residues.
    """
    residues = residues[np.isfinite(residues["lddt"])]
    calibrated = calibration.plddt(residues["plddt_raw"].to_numpy())
    weights = cluster_weights(residues["cluster"])
    per_residue = {
        "ece_plddt_raw": (calibration_error, [residues["plddt_raw"], residues["lddt"]]),
        "ece_plddt_calibrated": (calibration_error, [calibrated, residues["lddt"]]),
        "ece_plddt_raw_macro": (calibration_error, [residues["plddt_raw"], residues["lddt"], weights]),
        "ece_plddt_calibrated_macro": (calibration_error, [calibrated, residues["lddt"], weights]),
        "spearman_residue_plddt_lddt": (spearman, [residues["plddt_raw"], residues["lddt"]]),
    }
    rows = []
    for name, (statistic, columns) in per_residue.items():
        values = np.column_stack(columns)
        interval = statistic_interval(statistic, values, residues["cluster"], resamples=200)
        rows.append({"quantity": name, **_named(interval)})
    for name, (statistic, left, right) in _chain_quantities(table).items():
        interval = statistic_interval(statistic, np.column_stack([left, right]), table["cluster"])
        rows.append({"quantity": name, **_named(interval)})
    for risk in RISKS:
        rows.append({"quantity": f"{risk}_all", **_named(mean_interval(table[risk], table["cluster"]))})
    return pd.DataFrame(rows)


def _chain_quantities(table: pd.DataFrame) -> dict:
    """Name -> (statistic, column, column) of the peptide-level numbers."""
    quantities = {
        "spearman_predicted_true_rmsd": (spearman, table["predicted_rmsd"], table["ca_rmsd"]),
        "spearman_length_true_rmsd": (spearman, table["length"], table["ca_rmsd"]),
        "spearman_chain_plddt_lddt": (spearman, table["plddt_raw"], 100 * table["lddt"]),
        "ece_predicted_rmsd": (calibration_error, table["predicted_rmsd"], table["ca_rmsd"]),
    }
    for risk in RISKS:
        for name, score in rankings(table, risk).items():
            label = name.replace(" ", "_")
            quantities[f"aurc_{risk}_{label}"] = (area_under_risk, score, table[risk])
            if name != "random":
                quantities[f"{risk}_top20_{label}"] = (top_risk, score, table[risk])
        score = table["confidence_score"]
        quantities[f"{risk}_top20_minus_all"] = (_top_minus_all, score, table[risk])
        within = rank_within_length(table)
        quantities[f"{risk}_top20_minus_all_within_length"] = (_top_minus_all, within, table[risk])
    return quantities


def _top_minus_all(pairs: np.ndarray) -> float:
    return top_risk(pairs) - float(pairs[:, 1].mean())


def by_stratum(table: pd.DataFrame, residues: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """The same questions within each stratum: calibration error, rank correlation, coverage of the bounds."""
    level = 0.9 if 0.9 in calibration.levels else (calibration.levels or (None,))[-1]
    rows = []
    for stratum, group, part in strata(table):
        if part.empty:
            continue
        own = residues[residues["id"].isin(part["id"]) & np.isfinite(residues["lddt"])]
        pairs = np.column_stack([calibration.plddt(own["plddt_raw"].to_numpy()), own["lddt"]])
        row = {
            "stratum": stratum,
            "group": group,
            "n": len(part),
            "clusters": part["cluster"].nunique(),
            "ca_rmsd": part["ca_rmsd"].mean(),
            "predicted_rmsd": part["predicted_rmsd"].mean(),
            "ece_plddt": calibration_error(pairs) if len(pairs) else np.nan,
            "spearman_rmsd": spearman(part[["confidence_score", "ca_rmsd"]].to_numpy(dtype=float)),
        }
        if level is not None:
            inside = (part["ca_rmsd"] <= part[bound_column(level)]).astype(float)
            interval = share_interval(inside, part["cluster"], macro=True)
            row |= {
                "level": level,
                "coverage": interval.estimate,
                "coverage_low": interval.low,
                "coverage_high": interval.high,
            }
        rows.append(row)
    return pd.DataFrame(rows)
