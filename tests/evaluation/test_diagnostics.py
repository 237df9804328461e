"""Diagnostics on cases whose answer is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from betafold.evaluation import diagnostics


def test_perfect_prediction_has_no_calibration_error():
    values = np.random.default_rng(0).uniform(0, 100, 500)
    assert diagnostics.calibration_error(np.column_stack([values, values])) == pytest.approx(0)


def test_noise_around_the_truth_has_little_and_a_shift_has_its_size():
    generator = np.random.default_rng(1)
    predicted = generator.uniform(0, 100, 5000)
    observed = predicted + generator.normal(0, 10, 5000)
    assert diagnostics.calibration_error(np.column_stack([predicted, observed])) < 1
    assert diagnostics.calibration_error(np.column_stack([predicted + 7, observed])) == pytest.approx(
        7, abs=0.7
    )


def test_oracle_risk_never_falls_and_bounds_every_order():
    generator = np.random.default_rng(2)
    risk = generator.exponential(2, 200)
    oracle = diagnostics.risk_curve(risk, risk)
    assert (np.diff(oracle) >= -1e-12).all()
    score = risk + generator.normal(0, 1, 200)
    curve = diagnostics.risk_curve(score, risk)
    assert (curve >= oracle - 1e-12).all()
    assert curve[-1] == pytest.approx(risk.mean())
    flat = diagnostics.risk_curve(np.zeros(200), risk)
    assert flat == pytest.approx(np.full(200, risk.mean()))


def test_ties_do_not_depend_on_order():
    risk = np.array([1.0, 5.0, 2.0, 8.0])
    score = np.array([0.0, 0.0, 1.0, 1.0])
    forward = diagnostics.risk_curve(score, risk)
    backward = diagnostics.risk_curve(score[::-1], risk[::-1])
    assert forward == pytest.approx(backward)
    assert forward == pytest.approx([3, 3, 11 / 3, 4])


def test_area_and_top_share():
    pairs = np.column_stack([np.arange(10.0), np.arange(10.0)])
    assert diagnostics.top_risk(pairs) == pytest.approx(0.5)
    assert diagnostics.area_under_risk(pairs) == pytest.approx(np.mean(np.arange(10) / 2))


def test_spearman_is_scipys_and_undefined_for_constants():
    pairs = np.random.default_rng(3).normal(size=(40, 2))
    assert diagnostics.spearman(pairs) == pytest.approx(spearmanr(*pairs.T).statistic)
    assert np.isnan(diagnostics.spearman(np.ones((5, 2))))


def test_reliability_bins_hold_everyone_once():
    generator = np.random.default_rng(4)
    predicted, observed = generator.uniform(0, 100, (2, 103))
    table = diagnostics.reliability(predicted, observed, np.arange(103))
    assert table["n"].sum() == 103 and table["n"].max() - table["n"].min() <= 1
    assert table["predicted"].is_monotonic_increasing
    assert np.average(table["observed"], weights=table["n"]) == pytest.approx(observed.mean())
