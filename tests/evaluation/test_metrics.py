"""Metrics against biotite, mdtraj and tmtools, and their properties."""

import biotite.structure as struc
import mdtraj
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from betafold.evaluation import metrics
from tests.evaluation.synthetic import peptide
from tests.ext.search_reference import highest_tm_score


@pytest.fixture(scope="module")
def pair():
    """A native and a disturbed backbone [L, 3, 3] of each of six lengths."""
    generator = np.random.default_rng(3)
    native = [
        peptide(generator, f"x_{n}", n, helical=bool(n % 2)).coords.astype(np.float64)
        for n in (10, 13, 17, 22, 25, 30)
    ]
    predicted = [chain + generator.normal(0, 1.2, chain.shape) for chain in native]
    return predicted, native


def ca(chains):
    return [chain[:, 1] for chain in chains]


def test_ca_rmsd_agrees_with_biotite_and_mdtraj(pair):
    predicted, native = map(ca, pair)
    ours = metrics.ca_scores(predicted, native)["ca_rmsd"]
    for rmsd, left, right in zip(ours, predicted, native, strict=True):
        fitted, _ = struc.superimpose(right, left)
        assert rmsd == pytest.approx(struc.rmsd(right, fitted), abs=1e-6)
        topology = mdtraj.Topology()
        for _ in left:
            chain = topology.add_chain()
            topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain))
        traces = [mdtraj.Trajectory(points[None] / 10, topology) for points in (left, right)]
        assert rmsd == pytest.approx(10 * mdtraj.rmsd(*traces)[0], abs=5e-3)  # float32 inside


def test_lddt_agrees_with_biotite(pair):
    predicted, native = map(ca, pair)
    ours = metrics.ca_scores(predicted, native)["lddt"]
    for value, left, right in zip(ours, predicted, native, strict=True):
        i, j = np.triu_indices(len(left), k=metrics.LDDT_MIN_SEPARATION)
        near = np.linalg.norm(right[i] - right[j], axis=1) < 15
        contacts = np.stack([i[near], j[near]], axis=1)
        distances = [np.linalg.norm(x[contacts[:, 0]] - x[contacts[:, 1]], axis=1) for x in (left, right)]
        deviation = np.abs(distances[0] - distances[1])
        expected = np.mean([(deviation < limit).mean() for limit in (0.5, 1, 2, 4)])
        assert value == pytest.approx(expected, abs=1e-6)
    # biotite's own lDDT counts neighbours too, so it can only be compared with all pairs in.
    atoms = struc.AtomArray(len(native[0]))
    atoms.coord, atoms.res_id = native[0].astype(np.float32), np.arange(len(native[0]))
    other = atoms.copy()
    other.coord = predicted[0].astype(np.float32)
    import betafold_ext

    every = betafold_ext.lddt_batch(predicted[0][None], native[0][None], min_separation=1)[0]
    assert every == pytest.approx(struc.lddt(atoms, other), abs=1e-4)


def test_distance_errors_agree_with_scipy(pair):
    predicted, native = map(ca, pair)
    scores = metrics.ca_scores(predicted, native)
    for row, (left, right) in enumerate(zip(predicted, native, strict=True)):
        difference = pdist(left) - pdist(right)
        assert scores["distance_mae"][row] == pytest.approx(np.abs(difference).mean(), rel=1e-9)
        assert scores["distance_mse"][row] == pytest.approx((difference**2).mean(), rel=1e-9)
        assert scores["drmsd"][row] == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-9)


def test_tm_score_is_the_maximum_over_superpositions(pair):
    """TM-align cannot be the oracle here: on structures this different it misses half of what superposition alone gives."""
    predicted, native = map(ca, pair)
    ours = metrics.ca_scores(predicted, native)["tm_score"]
    for value, left, right in zip(ours, predicted, native, strict=True):
        assert -1e-3 < value - highest_tm_score(left, right) < 0.01


def test_d0_follows_tm_align():
    assert [metrics.tm_d0(n) for n in (10, 21)] == [0.5, 0.5]
    assert metrics.tm_d0(25) == pytest.approx(0.87, abs=0.01)
    assert metrics.tm_d0(30) == pytest.approx(1.26, abs=0.01)


def test_identity_scores_perfectly(pair):
    _, native = pair
    scores = metrics.ca_scores(ca(native), ca(native))
    for name in ("ca_rmsd", "drmsd", "end_drift", "error_last_third"):
        assert scores[name] == pytest.approx(0, abs=1e-4)
    for name in ("lddt", "gdt_ts", "gdt_ha", "tm_score"):
        assert scores[name] == pytest.approx(1, abs=1e-4)


def test_rigid_motion_changes_nothing_but_a_mirror_does(pair):
    predicted, native = pair
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    before = metrics.ca_scores(ca(predicted), ca(native))
    moved = metrics.ca_scores([x @ turn.T + [5, -3, 9] for x in ca(predicted)], ca(native))
    for name, values in before.items():
        assert moved[name] == pytest.approx(values, abs=1e-4, nan_ok=True), name
    mirrored = metrics.ca_scores([x * [1, 1, -1] for x in ca(native)], ca(native))
    assert mirrored["drmsd"] == pytest.approx(0, abs=1e-5)
    assert mirrored["ca_rmsd_mirror_image"] == pytest.approx(0, abs=1e-4)
    assert (mirrored["ca_rmsd"] > 0.3).all()


def test_missing_residues_are_left_out(pair):
    predicted, native = pair
    left, right = ca(predicted)[3].copy(), ca(native)[3]
    left[[0, 1, 20]] = np.nan
    kept = np.isfinite(left[:, 0])
    with_gap = metrics.ca_scores([left], [right])
    without = metrics.ca_scores([left[kept]], [right[kept]])
    for name, values in without.items():
        assert with_gap[name] == pytest.approx(values, nan_ok=True), name
    per_residue = metrics.residue_lddt([left], [right])[0]
    assert (np.isnan(per_residue) == ~kept).all()
    assert np.isnan(metrics.ca_scores([np.full((10, 3), np.nan)], [right[:10]])["ca_rmsd"][0])


def test_backbone_rmsd_ignores_ca_only_residues(pair):
    predicted, native = pair
    partial = predicted[2].copy()
    partial[4, 0] = np.nan
    kept = np.arange(len(partial)) != 4
    assert metrics.backbone_rmsd([partial], [native[2]]) == pytest.approx(
        metrics.backbone_rmsd([predicted[2][kept]], [native[2][kept]])
    )
    only_ca = np.full_like(partial, np.nan)
    only_ca[:, 1] = partial[:, 1]
    assert np.isnan(metrics.backbone_rmsd([only_ca], [native[2]])[0])


def test_torsion_errors_wrap_around():
    errors = metrics.torsion_errors(np.radians([179.0, 10.0, np.nan]), np.radians([-179.0, 190.0, 0.0]))
    assert errors[:2] == pytest.approx([2, 180])
    assert np.isnan(errors[2])
    mean = metrics.mean_torsion_errors([np.zeros((3, 3))], [np.radians([[np.nan] * 3, [10] * 3, [-20] * 3])])
    assert mean["phi_mae"] == pytest.approx(15)


def test_drift_and_thirds_see_a_bent_end():
    generator = np.random.default_rng(0)
    native = peptide(generator, "x_1", 24, helical=True)
    from betafold.evaluation.baselines import build

    bent = np.nan_to_num(native.torsions.astype(np.float64))
    bent[12, 1] += np.pi / 2
    scores = metrics.ca_scores([build(bent[None])[0][:, 1]], [native.coords[:, 1].astype(np.float64)])
    assert scores["end_drift"][0] > 3 * scores["error_middle_third"][0] > 0


def test_ensemble_scores_by_hand():
    generator = np.random.default_rng(1)
    models = generator.normal(0, 4, (3, 12, 3))
    scores = metrics.ensemble_scores(models[2], models)
    expected = np.mean(
        [
            struc.rmsd(models[a], struc.superimpose(models[a], models[b])[0])
            for a, b in ((0, 1), (0, 2), (1, 2))
        ]
    )
    assert scores["ca_rmsd_closest_model"] == pytest.approx(0, abs=1e-3)
    assert scores["ensemble_spread"] == pytest.approx(expected, abs=1e-4)
    assert np.isnan(metrics.ensemble_scores(models[0], models[:1])["ensemble_spread"])
