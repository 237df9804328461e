import math

import biotite.structure as struc
import numpy as np
import pytest
import torch

import betafold_ext
from betafold.models.distributions import TorsionDistribution
from betafold.models.inputs import pad_inputs
from betafold.prediction.candidates import Candidates, ConformerSettings, sequence_seed
from betafold.prediction.conformers import build_conformers, choose, rank_candidates
from betafold.prediction.torsion import draw
from tests.prediction.conftest import PEPTIDES, random_model

SEQUENCES = list(PEPTIDES.values())
SETTINGS = ConformerSettings(samples=16)


def features(sequence):
    """Fixed random features of one sequence."""
    generator = torch.Generator().manual_seed(sequence_seed(sequence, 1))
    return torch.randn(len(sequence), 40, generator=generator)


def batch(sequences):
    return pad_inputs(sequences, [features(sequence).numpy() for sequence in sequences])


def conformers_of(distribution, length, num_models, settings):
    """Conformers of one peptide with a distribution of its own."""
    candidates = draw(distribution, np.full(length, 80.0), "A" * length, 0, settings)
    return rank_candidates(candidates, num_models, settings.ranking)


def single(phi_psi, weights, kappa=200.0, length=12, cis=0.001):
    """The same mixture over (phi, psi), given in degrees, at every residue."""
    shape = (1, length, len(phi_psi))
    mean = torch.tensor(phi_psi, dtype=torch.float32).deg2rad().expand(*shape, 2)
    return TorsionDistribution(
        log_weights=torch.tensor(weights).log().expand(shape),
        mean=mean,
        concentration=torch.full_like(mean, kappa),
        omega_log_weights=torch.tensor([1 - cis, cis]).log().expand(1, length, 2),
        omega_mean=torch.tensor([math.pi, 0.0]).expand(1, length, 2),
        omega_concentration=torch.full((1, length, 2), 200.0),
    )


def biotite_rmsd(fixed, mobile):
    return float(struc.rmsd(fixed, struc.superimpose(fixed, mobile)[0]))


def ca(conformers, rank, item):
    return conformers.coords[rank, item, : conformers.lengths[item], 1].astype(float)


def test_shapes_ranges_and_padding():
    result = build_conformers(random_model(), batch(SEQUENCES), num_models=3, settings=SETTINGS)
    longest = max(map(len, SEQUENCES))
    assert result.coords.shape == (3, len(SEQUENCES), longest, 3, 3)
    assert result.lengths.tolist() == list(map(len, SEQUENCES))
    for index, length in enumerate(result.lengths):
        for values in (result.coords, result.plddt, result.torsions):
            assert np.isfinite(values[:, index, :length]).all()
            assert np.isnan(values[:, index, length:]).all()
    inside = result.plddt[np.isfinite(result.plddt)]
    assert inside.min() >= 0 and inside.max() <= 100
    assert (result.expected_rmsd > 0).all()
    # Later ranks are never more confident than the first, residue by residue.
    drop = result.plddt[1:] - result.plddt[:1]
    assert np.nanmax(drop) <= 1e-4


@pytest.mark.parametrize("ranking", ["medoid", "mode"])
def test_a_peptide_does_not_depend_on_its_batch(ranking):
    model, settings = random_model(), ConformerSettings(ranking=ranking, samples=16)
    together = build_conformers(model, batch(SEQUENCES), num_models=3, settings=settings)
    for order in (SEQUENCES[::-1], [SEQUENCES[2]]):
        other = build_conformers(model, batch(order), num_models=3, settings=settings)
        here, there = SEQUENCES.index(SEQUENCES[2]), order.index(SEQUENCES[2])
        for rank in range(3):
            np.testing.assert_allclose(ca(other, rank, there), ca(together, rank, here), atol=2e-3)
        np.testing.assert_allclose(other.expected_rmsd[:, there], together.expected_rmsd[:, here], atol=1e-3)


def test_the_seed_decides_and_fewer_models_are_a_prefix():
    model = random_model()
    first = build_conformers(model, batch(SEQUENCES), num_models=4, seed=5, settings=SETTINGS)
    again = build_conformers(model, batch(SEQUENCES), num_models=2, seed=5, settings=SETTINGS)
    other = build_conformers(model, batch(SEQUENCES), num_models=4, seed=6, settings=SETTINGS)
    np.testing.assert_array_equal(first.coords[:2], again.coords)
    assert np.nanmax(np.abs(first.coords - other.coords)) > 0.1
    assert sequence_seed("AAA", 1) != sequence_seed("AAA", 2) != sequence_seed("AAC", 2)


def test_rank_one_is_the_candidate_of_least_expected_rmsd():
    """Against biotite's superposition, over all candidates: with K = S + 1 candidates all but one are returned."""
    distribution = single([(-63, -42), (-120, 130)], [0.6, 0.4], kappa=30.0)
    settings = ConformerSettings(samples=12)
    result = conformers_of(distribution, 12, 12, settings)
    generator = torch.Generator().manual_seed(sequence_seed("A" * 12, 0))
    samples = distribution.sample(12, generator)[:, 0]
    candidates = torch.cat([distribution.mode(), samples]).numpy()
    coords = betafold_ext.nerf_batch(candidates)[:, :, 1].astype(float)
    expected = [
        np.mean([biotite_rmsd(coords[j], coords[i]) for j in range(1, 13) if j != i]) for i in range(13)
    ]
    best = int(np.argmin(expected))
    np.testing.assert_allclose(ca(result, 0, 0), coords[best], atol=1e-3)
    assert result.expected_rmsd[0, 0] == pytest.approx(expected[best], abs=1e-3)
    for rank in range(12):
        index = int(np.argmin([np.abs(ca(result, rank, 0) - c).max() for c in coords]))
        assert result.expected_rmsd[rank, 0] == pytest.approx(expected[index], abs=1e-3)


def test_mode_ranking_puts_the_most_probable_torsions_first():
    distribution = single([(-63, -42), (-120, 130)], [0.9, 0.1])
    settings = ConformerSettings(ranking="mode", samples=16)
    result = conformers_of(distribution, 12, 2, settings)
    np.testing.assert_allclose(np.degrees(result.torsions[0, 0, :, :2]), [(-63, -42)] * 12, atol=0.5)


def test_the_ranks_show_the_alternatives():
    """A chain that is all helix or all strand: both appear among two conformers, the likelier one first."""
    helix, strand = single([(-63, -42)], [1.0]), single([(-120, 130)], [1.0])

    class EitherOr:
        """Residues agree with each other, which independent mixtures cannot express."""

        def mode(self):
            return helix.mode()

        def sample(self, n, generator, temperature):
            parts = [helix.sample(n - n // 4, generator), strand.sample(n // 4, generator)]
            return torch.cat(parts)

    result = conformers_of(EitherOr(), 12, 2, SETTINGS)
    psi = np.degrees(result.torsions[:, 0, :-1, 1])
    assert abs(np.median(psi[0]) + 42) < 15 and abs(np.median(psi[1]) - 130) < 15
    assert result.plddt[1].mean() < result.plddt[0].mean()
    assert result.expected_rmsd[1, 0] > result.expected_rmsd[0, 0]


def test_cis_peptide_bonds_appear_as_often_as_predicted():
    distribution = single([(-63, -42)], [1.0], length=30, cis=0.25)
    settings = ConformerSettings(samples=100)
    result = conformers_of(distribution, 30, 100, settings)
    cis = np.abs(result.torsions[..., 2]) < math.pi / 2
    assert cis.mean() == pytest.approx(0.25, abs=0.04)  # 3000 draws: five standard errors
    bond = np.linalg.norm(np.diff(result.coords[0, 0, :, 1], axis=0), axis=1)
    is_cis = cis[0, 0, :-1]
    assert bond[is_cis].max() < 3.2 and bond[~is_cis].min() > 3.6  # Angstrom between neighbouring CA


def test_choose_covers_greedily():
    distances = np.array([[0.0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0], [5, 5, 5, 5]])
    assert choose(distances, 1, first=0) == [0]
    assert choose(distances, 2, first=0)[1] in (2, 3)
    assert sorted(choose(distances, 5, first=4)) == [0, 1, 2, 3, 4]


def test_wrong_settings():
    with pytest.raises(ValueError, match="medoid, mode"):
        ConformerSettings(ranking="best")
    with pytest.raises(ValueError, match="at least 2"):
        ConformerSettings(samples=1)
    with pytest.raises(ValueError, match="1-16"):
        build_conformers(random_model(), batch(SEQUENCES), num_models=17, settings=SETTINGS)


@pytest.mark.parametrize("where", ["samples", "everywhere"])
def test_a_residue_far_from_all_others_keeps_its_confidence(where):
    """As in structures that no chain could have: its lDDT to such a sample is not defined."""
    random = np.random.default_rng(0)
    ca = (1.5 * np.arange(12)[:, None] + random.normal(size=(9, 12, 3))).astype(np.float32)
    ca[0 if where == "everywhere" else 1 :, 4] += 500
    plddt = np.linspace(30, 90, 12, dtype=np.float32)
    assert np.isnan(betafold_ext.lddt_batch(ca[:1], ca[1:2], per_residue=True)[0, 4])

    def backbones(chosen):
        return np.zeros((len(chosen), 12, 3), np.float32), np.zeros((len(chosen), 12, 3, 3), np.float32)

    found = rank_candidates(Candidates(ca, plddt, backbones), 3)
    assert np.isfinite(found.plddt).all()
    np.testing.assert_allclose(found.plddt[0, 0], plddt)
    assert (found.plddt[1:, 0] <= plddt).all()
