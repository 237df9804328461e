"""Calibration: monotone fits, conformal coverage on exchangeable data, nothing learned from the test split."""

import numpy as np
import pytest
from scipy.stats import binom

from betafold.errors import BetaFoldError
from betafold.evaluation import calibration, diagnostics
from tests.evaluation.synthetic import tables

LEVELS = (0.5, 0.8, 0.9)


@pytest.fixture(scope="module")
def fitted():
    rows, residues = tables()
    model = rows[rows["method"] == "pretended"]
    return model, residues, calibration.fit(model, residues, conformers={"ranking": "medoid"}, provenance={})


def test_fits_are_monotone_and_in_range(fitted):
    _, _, result = fitted
    for curve in (result.plddt, result.rmsd):
        assert (np.diff(curve.raw) >= 0).all() and (np.diff(curve.calibrated) >= 0).all()
    assert 0 <= min(result.plddt.calibrated) and max(result.plddt.calibrated) <= 100
    assert min(result.rmsd.calibrated) >= calibration.MIN_RMSD
    assert list(result.factors) == sorted(result.factors)


def test_test_rows_do_not_enter(fitted):
    model, residues, result = fitted
    disturbed, noise = model.copy(), residues.copy()
    disturbed.loc[disturbed["split"] == "test", ["ca_rmsd", "plddt_raw"]] = 99.0
    noise.loc[noise["split"] == "test", "lddt"] = 0.0
    again = calibration.fit(disturbed, noise, conformers={"ranking": "medoid"}, provenance={})
    assert again.to_dict() == result.to_dict()


def test_conformal_half_does_not_enter_the_fit(fitted):
    model, residues, result = fitted
    chosen = model["split"] == "calibration"
    half = calibration.conformal_clusters(model.loc[chosen, "cluster"])
    assert len(half) == model.loc[chosen, "cluster"].nunique() // 2
    second = chosen & model["cluster"].isin(half)
    moved = model.copy()
    moved.loc[second, "ca_rmsd"] *= 3
    again = calibration.fit(moved, residues, conformers={}, provenance={})
    assert again.rmsd == result.rmsd
    assert again.factors == pytest.approx([3 * factor for factor in result.factors])


def test_conformal_coverage_on_exchangeable_singletons():
    generator = np.random.default_rng(0)
    trials, inside = 4000, np.zeros(len(LEVELS))
    for _ in range(trials):
        ratios = generator.lognormal(0, 0.5, 40)
        kept, factors = calibration.conformal_factors(ratios[:39], np.arange(39), LEVELS)
        assert kept == LEVELS
        inside += ratios[39] <= np.array(factors)
    # Split conformal coverage is ceil(40 * level) / 40 exactly; here that is the level itself.
    for level, hits in zip(LEVELS, inside, strict=True):
        assert binom.ppf(1e-4, trials, level) <= hits <= binom.ppf(1 - 1e-4, trials, level)


def test_conformal_factors_equal_the_rank_rule_for_singletons():
    ratios = np.array([0.5, 0.9, 1.0, 1.2, 1.3, 1.7, 2.0, 2.2, 3.0])
    kept, factors = calibration.conformal_factors(ratios, np.arange(9), (0.5, 0.9, 0.95))
    assert kept == (0.5, 0.9)  # rank ceil(10 * 0.95) = 10 is beyond nine clusters
    assert factors == (ratios[4], ratios[8])


def test_conformal_factors_weigh_clusters_not_members():
    ratios = np.concatenate([np.full(50, 9.0), np.linspace(1, 2, 9)])
    clusters = np.concatenate([np.zeros(50), np.arange(1, 10)])
    assert calibration.conformal_factors(ratios, clusters, (0.5,))[1][0] < 2


def test_pretended_model_is_covered_and_better_calibrated(fitted):
    model, residues, result = fitted
    test = calibration.apply(result, model[model["split"] == "test"], residues[residues["split"] == "test"])
    coverage = diagnostics.coverage(test, result).query("average == 'macro'")
    assert (coverage["high"] >= coverage["level"] - 0.1).all()
    summary = diagnostics.summary(test, residues[residues["split"] == "test"], result).set_index("quantity")
    assert summary.loc["ece_plddt_calibrated", "estimate"] < summary.loc["ece_plddt_raw", "estimate"]
    assert summary.loc["spearman_predicted_true_rmsd", "estimate"] > 0.6
    assert summary.loc["ca_rmsd_top20_minus_all", "high"] < 0


def test_too_few_clusters_are_refused(fitted):
    model, residues, _ = fitted
    few = model[model["cluster"].isin(model.loc[model["split"] == "calibration", "cluster"].unique()[:3])]
    with pytest.raises(BetaFoldError, match="3 sequence clusters"):
        calibration.fit(few, residues, conformers={}, provenance={})


def test_constant_confidence_is_refused(fitted):
    model, residues, _ = fitted
    flat = model.assign(expected_rmsd=1.0, plddt_raw=np.nan)
    with pytest.raises(BetaFoldError, match="confidence"):
        calibration.fit(flat, residues, conformers={}, provenance={})
