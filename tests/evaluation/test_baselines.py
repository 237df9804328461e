"""Trivial baselines: what they know, and that they know no more."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from betafold.evaluation import baselines


@pytest.fixture(scope="module")
def training():
    generator = np.random.default_rng(0)
    sequences = ["ACDEFGHIKLMN", "WWYPGSTTRRKK", "LLLLEEEEKKKKAAAA"]
    torsions = [generator.uniform(-np.pi, np.pi, (len(sequence), 3)) for sequence in sequences]
    torsions[0][0, 0] = np.nan
    return sequences, torsions


def test_constants_build_a_helix_and_a_strand():
    helix = baselines.build(baselines.constant(baselines.HELIX)("x", "A" * 19))[0][:, 1]
    strand = baselines.build(baselines.constant(baselines.EXTENDED)("x", "A" * 19))[0][:, 1]
    # 1.5 Angstrom of rise a residue in an alpha helix, over 3.2 in a strand.
    assert np.linalg.norm(helix[18] - helix[0]) / 18 == pytest.approx(1.5, abs=0.1)
    assert np.linalg.norm(strand[18] - strand[0]) / 18 > 3.2


def test_ramachandran_draws_training_residues_and_ignores_sequence(training):
    _, torsions = training
    predict = baselines.ramachandran(torsions, conformers=400)
    pool = np.concatenate(torsions)
    pool = pool[np.isfinite(pool).all(axis=1)]
    drawn = predict("p", "A" * 10)
    assert drawn.shape == (400, 10, 3)
    assert (drawn.reshape(-1, 1, 3) == pool[None]).all(axis=2).any(axis=1).all()
    assert ks_2samp(drawn[..., 0].ravel(), pool[:, 0]).pvalue > 0.01
    assert (predict("p", "W" * 10) == drawn).all()
    assert not (predict("q", "A" * 10) == drawn).all()


def test_nearest_copies_through_the_alignment(training):
    sequences, torsions = training
    predict = baselines.nearest(sequences, torsions, conformers=2)
    copied = predict("x", "ACDEFHIKLMN")  # one deletion after F
    template = np.delete(torsions[0], 5, axis=0)
    helix = np.radians(baselines.HELIX)
    assert copied[0][1:] == pytest.approx(template[1:])
    assert copied[0][0] == pytest.approx([helix[0], *template[0, 1:]])


def test_nearest_fills_what_is_not_covered_with_helix(training):
    sequences, torsions = training
    copied = baselines.nearest(sequences, torsions)("x", "HHHHHWWYPGSTTRRKKHHHHH")
    assert copied[0][5:17] == pytest.approx(torsions[1])
    assert copied[0][:5] == pytest.approx(np.tile(np.radians(baselines.HELIX), (5, 1)))
    assert len(copied) == 3
    assert np.isfinite(baselines.nearest(["WWWWWWWWWW"], [np.zeros((10, 3))])("x", "DDDDDDDDDD")).all()


def test_nearest_still_finds_its_neighbour_among_many(training, monkeypatch):
    sequences, torsions = training
    monkeypatch.setattr(baselines, "MAX_ALIGNED", 1)
    predict = baselines.nearest(sequences, torsions, conformers=1)
    assert predict("x", "WWYPGSTTRRKK")[0] == pytest.approx(torsions[1])
    assert predict("x", "QQQQQQQQQQ").shape == (1, 10, 3)


def test_without_torsions_only_the_constants_are_left(training):
    sequences, torsions = training
    assert list(baselines.train_baselines(sequences, torsions)) == list(baselines.METHODS)
    nothing = [np.full_like(values, np.nan) for values in torsions]
    assert list(baselines.train_baselines(sequences, nothing)) == ["helix", "extended"]


def test_samples_without_torsions_are_no_templates(training):
    sequences, torsions = training
    unknown = [np.full_like(torsions[0], np.nan), *torsions[1:]]
    predict = baselines.train_baselines(sequences, unknown)["nearest"]
    known = baselines.train_baselines(sequences[1:], torsions[1:])["nearest"]
    np.testing.assert_array_equal(predict("x", sequences[0]), known("x", sequences[0]))
