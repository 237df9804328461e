"""Fit calibrated confidence on the calibration split, with split-conformal RMSD bounds.

The calibration clusters are divided in two by a hash of the cluster's name. The isotonic map to CA-RMSD is
fitted on one half; the conformal factors come from the other, which the map has not seen. In the factors
every cluster has the same weight, because their promise is about a new cluster. In the fits a cluster of n
peptides weighs sqrt(n): between n, as if they were independent, and 1, as if they were copies.
"""

import hashlib

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

from betafold.errors import BetaFoldError
from betafold.prediction.confidence import SCORES, Calibration, Isotonic, chain_score

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MIN_CLUSTERS = 4
"""Fewer calibration clusters than this cannot be divided into two halves that mean anything."""
FIT_POWER = 0.5
MIN_RMSD = 0.1
"""Angstrom; the calibrated RMSD is a divisor of the conformal ratios and must stay positive."""


def conformal_clusters(clusters) -> set:
    """The half of the clusters that serves the conformal factors; the others serve the isotonic fit.

    Every second one in the order of a hash of their names, so that the halves are equal in number and the
    division has nothing to do with the data.
    """
    names = {name: hashlib.sha256(f"conformal:{name}".encode()).digest() for name in set(clusters)}
    return set(sorted(names, key=names.get)[1::2])


def cluster_weights(clusters, power: float = 1.0) -> np.ndarray:
    """Weights [n] by which a cluster of k members has the total k ** (1 - power): 1 by default."""
    _, codes, counts = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    return counts[codes] ** -power


def fit_isotonic(raw, observed, weights, low: float, high: float | None) -> Isotonic:
    """Weighted non-decreasing least-squares fit of ``observed`` on ``raw``, clipped to [low, high]."""
    fit = IsotonicRegression(y_min=low, y_max=high, increasing=True)
    fit.fit(raw, observed, sample_weight=weights)
    return Isotonic(tuple(map(float, fit.X_thresholds_)), tuple(map(float, fit.y_thresholds_)))


def conformal_factors(ratios, clusters, levels=LEVELS) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Levels that the data can support, with their factors.

    The factor of a level is the smallest ratio true / predicted RMSD below which lies a share ``level`` of
    the C clusters plus one, the new one (each cluster's weight spread over its peptides; Dunn, Wasserman &
    Ramdas 2022, pooled CDFs). With one peptide a cluster this is the rank ceil((C + 1) * level) of split
    conformal prediction. A level beyond C / (C + 1) would need an infinite factor and is left out.
    """
    ratios = np.asarray(ratios, dtype=np.float64)
    weights = cluster_weights(clusters)
    order = np.argsort(ratios, kind="stable")
    reached = np.cumsum(weights[order])
    n_clusters = len(np.unique(np.asarray(clusters)))
    kept, factors = [], []
    for level in levels:
        needed = level * (n_clusters + 1)
        # The sum of weights 1/n carries rounding error of its own.
        index = int(np.searchsorted(reached, needed - 1e-9))
        if index < len(order):
            kept.append(level)
            factors.append(float(ratios[order[index]]))
    return tuple(kept), tuple(factors)


def raw_scores(kind: str, table: pd.DataFrame) -> np.ndarray:
    """``chain_score`` of the rows of an evaluation table."""
    return chain_score(
        kind, table["plddt_raw"].to_numpy(), table["length"].to_numpy(), table["expected_rmsd"].to_numpy()
    )


def choose_score(table: pd.DataFrame) -> str:
    """The chain score that orders these peptides' CA-RMSD best (Spearman); the first where they tie."""
    correlations = {}
    for kind in SCORES:
        scores = raw_scores(kind, table)
        if np.isfinite(scores).all() and np.ptp(scores) > 0:
            correlations[kind] = spearmanr(scores, table["ca_rmsd"]).statistic
    if not correlations:
        raise BetaFoldError(
            "calibration: every raw confidence is missing or the same; train the model longer"
        )
    return max(correlations, key=correlations.get)


def fit(table: pd.DataFrame, residues: pd.DataFrame, *, conformers: dict, provenance: dict) -> Calibration:
    """Calibration from the model's rows of an evaluation table and its residue table.

    Only rows of split ``calibration`` are used; others may be present.
    """
    table = table[(table["split"] == "calibration") & np.isfinite(table["ca_rmsd"])]
    residues = residues[(residues["split"] == "calibration") & np.isfinite(residues["lddt"])]
    clusters = table["cluster"].nunique()
    if clusters < MIN_CLUSTERS:
        raise BetaFoldError(
            f"calibration: {clusters} sequence clusters in the calibration split, at least {MIN_CLUSTERS} are "
            "needed; use more structures or a larger calibration fraction"
        )
    second = table["cluster"].isin(conformal_clusters(table["cluster"]))
    fitted, held = table[~second], table[second]
    score = choose_score(fitted)
    rmsd = fit_isotonic(
        raw_scores(score, fitted),
        fitted["ca_rmsd"],
        cluster_weights(fitted["cluster"], FIT_POWER),
        MIN_RMSD,
        None,
    )
    levels, factors = conformal_factors(
        held["ca_rmsd"].to_numpy() / rmsd(raw_scores(score, held)), held["cluster"]
    )
    return Calibration(
        plddt=fit_isotonic(
            residues["plddt_raw"],
            residues["lddt"],
            cluster_weights(residues["cluster"], FIT_POWER),
            0.0,
            100.0,
        ),
        rmsd=rmsd,
        rmsd_score=score,
        levels=levels,
        factors=factors,
        conformers=conformers,
        counts={
            "peptides": len(table),
            "residues": len(residues),
            "clusters": int(clusters),
            "fit_clusters": int(fitted["cluster"].nunique()),
            "conformal_clusters": int(held["cluster"].nunique()),
        },
        provenance=provenance,
    )


def apply(calibration: Calibration, table: pd.DataFrame, residues: pd.DataFrame) -> pd.DataFrame:
    """Rows of the model with calibrated columns: plddt, predicted_rmsd, rmsd_bound_50 ..., confidence_score.

    ``plddt`` is the mean calibrated pLDDT of the peptide's residues. ``confidence_score`` is the raw chain
    score: it orders peptides as ``predicted_rmsd`` does but without the ties of a step function.
    """
    table = table.copy()
    calibrated = calibration.plddt(residues["plddt_raw"].to_numpy())
    means = pd.Series(calibrated).groupby(residues["id"].to_numpy()).mean()
    table["plddt"] = table["id"].map(means)
    table["confidence_score"] = raw_scores(calibration.rmsd_score, table)
    table["predicted_rmsd"] = calibration.rmsd(table["confidence_score"].to_numpy())
    for level, bound in calibration.upper_bounds(table["predicted_rmsd"].to_numpy()).items():
        table[bound_column(level)] = bound
    return table


def bound_column(level: float) -> str:
    """Name of the column with the CA-RMSD bound of a level: 0.9 -> ``rmsd_bound_90``."""
    return f"rmsd_bound_{round(100 * level)}"
