import numpy as np
import pytest

from betafold.geometry import priors
from betafold.geometry.chirality import ca_dihedrals, ca_log_odds, predicted_log_odds


def test_dihedrals_are_those_of_biotite(real_chains):
    from biotite import structure

    for _, coords in real_chains:
        ca = coords[:, 1]
        np.testing.assert_allclose(
            ca_dihedrals(ca), structure.dihedral(ca[:-3], ca[1:-2], ca[2:-1], ca[3:]), atol=1e-5
        )


def test_mirror_image_has_the_opposite_log_odds(real_chains):
    for _, coords in real_chains:
        ca = coords[None, :, 1]
        assert ca_log_odds(ca)[0] > 0
        np.testing.assert_allclose(ca_log_odds(-ca), -ca_log_odds(ca))


def test_helices_have_their_hand_and_short_chains_none():
    turn = np.radians(100.0) * np.arange(12)
    helix = np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(12)], axis=1)[None]
    assert ca_log_odds(helix)[0] > 20
    assert ca_log_odds(helix[:, :3])[0] == 0
    assert ca_log_odds(helix[:, :4])[0] > 1
    assert ca_log_odds(helix[:, :5])[0] > ca_log_odds(helix[:, :4])[0]


def test_predicted_dihedrals_decide_by_their_probabilities(real_chains):
    random = np.random.default_rng(0)
    for _, coords in real_chains:
        ca = coords[None, :, 1]
        angles = ca_dihedrals(ca)[0]
        log_probabilities = np.log(random.dirichlet(np.ones(24), size=(1, len(angles))))
        expected = 0.0
        for angle, row in zip(angles, log_probabilities[0], strict=True):
            here, mirrored = (int((np.degrees(value) + 180) // 15) for value in (angle, -angle))
            expected += row[here] - row[mirrored]
        np.testing.assert_allclose(predicted_log_odds(ca, log_probabilities), expected, rtol=1e-9)
        np.testing.assert_allclose(predicted_log_odds(-ca, log_probabilities), -expected, rtol=1e-9)


def test_tables_are_distributions_with_the_features_of_proteins():
    single, pair = priors.ca_dihedral_log_odds()
    np.testing.assert_allclose(single, -single[::-1])
    np.testing.assert_allclose(pair, -pair[::-1, ::-1])
    assert single[priors.bin_of(np.radians(50.0))] > 2  # right-handed helix
    energy = priors.ramachandran_energy()
    cells = priors.UPSAMPLING * priors.BINS
    assert energy.shape == (len(priors.CLASSES) + 1, cells, cells)
    probability = np.exp(-energy.astype(float)).sum((1, 2)) / priors.UPSAMPLING**2
    np.testing.assert_allclose(probability, 1.0, atol=0.1)
    at = {name: energy[k] for k, name in enumerate(priors.CLASSES)}

    def of(name, phi, psi):
        return at[name][tuple(priors.bin_of(np.radians([phi, psi]), cells))]

    assert (
        of("general", -63, -43) < of("general", -120, 130) < of("general", 60, 40) < of("general", 60, -120)
    )
    assert of("glycine", 85, 10) < of("general", 85, 10)
    assert of("proline", -140, 130) > of("general", -140, 130)


@pytest.mark.parametrize(
    ("sequence", "kinds"), [("AGPA", [0, 1, 2, 0]), ("APGP", [3, 2, 1, 2]), ("xp", [3, 2])]
)
def test_kinds_of_residues(sequence, kinds):
    assert priors.residue_class(sequence).tolist() == kinds


def test_bins_are_periodic():
    np.testing.assert_array_equal(priors.bin_of(np.array([-np.pi, np.pi, 0.0, 3.1415])), [0, 0, 18, 35])
