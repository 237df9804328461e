"""The cluster bootstrap: right on independent data, wider where clusters are correlated."""

import numpy as np
import pytest

from betafold.evaluation.intervals import mean_interval, share_interval, statistic_interval


def test_covers_the_mean_of_independent_values():
    generator = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        values = generator.normal(1, 2, 60)
        interval = mean_interval(values, np.arange(60), resamples=400, seed=seed)
        hits += interval.low <= 1 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_repeating_members_of_a_cluster_adds_no_certainty():
    generator = np.random.default_rng(1)
    values = generator.normal(0, 1, 30)
    once = mean_interval(values, np.arange(30))
    tenfold = mean_interval(np.repeat(values, 10), np.repeat(np.arange(30), 10))
    naive = mean_interval(np.repeat(values, 10), np.arange(300))
    assert tenfold[:3] == pytest.approx(once[:3])
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_macro_counts_clusters_once():
    values, clusters = np.array([0.0, 0.0, 0.0, 4.0]), np.array(["a", "a", "a", "b"])
    assert mean_interval(values, clusters).estimate == 1
    assert mean_interval(values, clusters, macro=True).estimate == 2


def test_undefined_rather_than_wrong():
    assert np.isnan(mean_interval([1.0, 2.0], ["a", "a"]).low)
    assert mean_interval([1.0, np.nan], ["a", "b"]).n == 1
    empty = mean_interval([], [])
    assert np.isnan(empty.estimate) and empty.n == 0


def test_statistic_agrees_with_mean_interval():
    generator = np.random.default_rng(2)
    values, clusters = generator.normal(0, 1, 50), generator.integers(0, 12, 50)
    general = statistic_interval(lambda rows: rows[:, 0].mean(), values[:, None], clusters, resamples=2000)
    fast = mean_interval(values, clusters)
    assert general.estimate == pytest.approx(fast.estimate)
    assert general.low == pytest.approx(fast.low, abs=0.05)
    assert general.high == pytest.approx(fast.high, abs=0.05)


def test_a_share_of_all_is_not_certain():
    everyone = share_interval(np.ones(60), np.repeat(np.arange(6), 10))
    assert everyone.estimate == 1 and everyone.high == 1
    assert everyone.low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3)  # Wilson, 6 of 6
    some = share_interval(np.r_[np.ones(300), np.zeros(100)], np.arange(400))
    assert some.low == pytest.approx(0.706, abs=0.01) and some.high == pytest.approx(0.79, abs=0.01)
    assert share_interval([1.0], ["a"]).low < 0.3
