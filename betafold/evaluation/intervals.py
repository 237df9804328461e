"""Bootstrap intervals that respect sequence clusters.

Peptides of one cluster (fragments of one chain above all) are not independent, so whole clusters are
resampled: the interval is that of a new set of clusters, not of more peptides from the same ones.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

RESAMPLES = 2000
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate with its percentile bootstrap interval, the number of peptides and of clusters."""

    estimate: float
    low: float
    high: float
    n: int
    clusters: int


def _prepare(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Finite rows of ``values`` [n] or [n, k], their cluster numbers 0..C-1, and C."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    _, codes = np.unique(np.asarray(clusters)[finite], return_inverse=True)
    return values[finite], codes, int(codes.max()) + 1 if len(codes) else 0


def _percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def mean_interval(
    values, clusters, *, macro: bool = False, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Mean of ``values`` [n] with a cluster bootstrap interval; non-finite values are left out.

    ``macro`` averages the clusters' means (every cluster counts once), otherwise every peptide counts
    once. With fewer than two clusters the interval is undefined (NaN).
    """
    values, codes, n_clusters = _prepare(values, clusters)
    if n_clusters == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    counts = np.bincount(codes, minlength=n_clusters).astype(np.float64)
    sums = np.bincount(codes, weights=values, minlength=n_clusters)
    if macro:
        sums, counts = sums / counts, np.ones(n_clusters)
    estimate = float(sums.sum() / counts.sum())
    if n_clusters < 2:
        return Interval(estimate, float("nan"), float("nan"), len(values), n_clusters)
    drawn = np.random.default_rng(seed).integers(n_clusters, size=(resamples, n_clusters))
    draws = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return Interval(estimate, *_percentiles(draws, level), len(values), n_clusters)


def share_interval(hits, clusters, *, macro: bool = False, level: float = LEVEL) -> Interval:
    """Mean of 0/1 values with an interval that is never narrower than the clusters allow.

    When every peptide (or none) is a hit, all bootstrap samples are alike and their interval has no width.
    The bootstrap interval is therefore widened to Wilson's (1927) for as many trials as there are clusters.
    """
    interval = mean_interval(hits, clusters, macro=macro, level=level)
    if interval.clusters == 0:
        return interval
    share, trials = interval.estimate, interval.clusters
    z = norm.ppf(0.5 + level / 2)
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    low, high = np.fmin(interval.low, centre - half), np.fmax(interval.high, centre + half)
    return interval._replace(low=float(max(0.0, low)), high=float(min(1.0, high)))


def statistic_interval(
    statistic: Callable[[np.ndarray], float],
    values,
    clusters,
    *,
    level: float = LEVEL,
    resamples: int = 300,
    seed: int = 0,
) -> Interval:
    """``statistic`` of the rows ``values`` [n, k] with a cluster bootstrap interval.

    Rows with a non-finite entry are left out. Use :func:`mean_interval` for a mean: it is much faster.
    """
    values, codes, n_clusters = _prepare(values, clusters)
    if n_clusters == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    estimate = float(statistic(values))
    if n_clusters < 2:
        return Interval(estimate, float("nan"), float("nan"), len(values), n_clusters)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    generator = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(
                values[np.concatenate([members[i] for i in generator.integers(n_clusters, size=n_clusters)])]
            )
            for _ in range(resamples)
        ]
    )
    return Interval(estimate, *_percentiles(draws, level), len(values), n_clusters)
