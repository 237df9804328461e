import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import betafold_ext
from tests.ext import reference
from tests.ext.test_superposition import generic, turned


def perturbed(batch, n_atoms, noise, seed=0):
    native = generic(batch, n_atoms, seed)[0]
    return native + noise * np.random.default_rng(seed + 1).normal(size=native.shape), native


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64])
)
def test_lddt_against_the_definition(batch, n_atoms, seed, dtype):
    p, q = (np.round(x * 64).astype(dtype) / 64 for x in perturbed(batch, n_atoms, 1.5, seed))
    rng = np.random.default_rng(seed)
    lengths, separation, cutoff = (
        rng.integers(1, n_atoms + 1, batch),
        int(rng.integers(1, 5)),
        rng.uniform(5, 20),
    )
    options = {"min_separation": separation, "cutoff": cutoff}
    score = betafold_ext.lddt_batch(p, q, lengths, **options)
    residues = betafold_ext.lddt_batch(p, q, lengths, per_residue=True, **options)
    for item, n in enumerate(lengths):
        expected, per_residue = reference.lddt(p[item, :n], q[item, :n], cutoff, separation)
        np.testing.assert_allclose(score[item], expected, atol=1e-6)
        np.testing.assert_allclose(residues[item, :n], per_residue, atol=1e-6)
        assert np.isnan(residues[item, n:]).all()


def test_lddt_against_biotite():
    from biotite import structure

    p, q = (x.astype(np.float32) for x in perturbed(6, 30, 1.0))
    found = betafold_ext.lddt_batch(p, q, min_separation=1)
    for item in range(6):
        arrays = []
        for coords in (q[item], p[item]):
            atoms = structure.AtomArray(30)
            atoms.coord, atoms.res_id, atoms.atom_name[:] = coords, np.arange(1, 31), "CA"
            arrays.append(atoms)
        assert found[item] == pytest.approx(structure.lddt(*arrays), abs=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_perfect_scores_do_not_depend_on_the_pose(dtype):
    native = generic(9, 25)[0]
    p, q = turned(native).astype(dtype), native.astype(dtype)
    np.testing.assert_allclose(betafold_ext.lddt_batch(p, q), 1.0)
    np.testing.assert_allclose(betafold_ext.tm_score_batch(p, q), 1.0, atol=1e-5)
    for score in betafold_ext.gdt_batch(p, q):
        np.testing.assert_allclose(score, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 17), st.integers(1, 25), st.floats(0.1, 5), st.integers(0, 2**32))
def test_rigid_motion_changes_no_score(batch, n_atoms, noise, seed):
    p, q = perturbed(batch, n_atoms, noise, seed)
    moved_p, moved_q = turned(p), turned(q) + 50.0
    np.testing.assert_allclose(
        betafold_ext.distance_matrix_batch(moved_p), betafold_ext.distance_matrix_batch(p), atol=1e-9
    )
    # Counts may flip where a distance meets a threshold, and a climb may end elsewhere, by rounding alone.
    for score, tolerance in (
        (betafold_ext.lddt_batch, 1e-6),
        (betafold_ext.tm_score_batch, 1e-3),
        (lambda *a: np.stack(betafold_ext.gdt_batch(*a)), 1e-6),
    ):
        before, after = score(p, q), score(moved_p, moved_q)
        np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
        close = np.abs(after - before) <= tolerance
        assert (close | np.isnan(before)).mean() > 0.95


def test_mirror_images_score_low_where_chirality_counts():
    native = generic(9, 25)[0]
    mirror = native * [1, 1, -1]
    np.testing.assert_allclose(betafold_ext.lddt_batch(mirror, native), 1.0)
    assert (betafold_ext.tm_score_batch(mirror, native) < 0.6).all()
    assert (betafold_ext.gdt_batch(mirror, native)[1] < 0.9).all()


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("n_atoms", [10, 30, 60])
def test_tm_score_is_at_least_that_of_the_kabsch_superposition(noise, n_atoms):
    p, q = perturbed(10, n_atoms, noise)
    found = betafold_ext.tm_score_batch(p, q)
    for item in range(10):
        _, rotation, translation = reference.kabsch(p[item], q[item])
        assert found[item] >= reference.tm_of(p[item], q[item], rotation, translation) - 1e-9
    assert (found <= 1).all()


def test_tm_score_finds_the_rigid_half_of_a_hinge():
    native = generic(4, 40)[0]
    moved = native.copy()
    moved[:, 20:] = turned(native)[:, 20:] + 30.0
    assert (betafold_ext.tm_score_batch(moved, native) >= 0.5).all()
    assert (betafold_ext.gdt_batch(moved, native)[1] >= 0.5).all()


def test_tm_score_against_tmtools():
    """TM-align may shift the alignment, so where it keeps the identity the scores agree."""
    import tmtools

    p, q = perturbed(12, 60, 1.0)
    found = betafold_ext.tm_score_batch(p, q)
    for item in range(12):
        peer = tmtools.tm_align(p[item], q[item], "A" * 60, "A" * 60)
        if "-" not in peer.seqxA + peer.seqyA:
            assert found[item] >= peer.tm_norm_chain2 - 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_spoils_its_item_only(dtype, bad):
    p, q = (x.astype(dtype) for x in perturbed(19, 12, 1.0))
    broken = p.copy()
    broken[5, 3, 2] = bad
    keep = np.delete(np.arange(19), 5)

    def scores(p):
        yield betafold_ext.lddt_batch(p, q)
        yield betafold_ext.lddt_batch(p, q, per_residue=True)
        yield from betafold_ext.gdt_batch(p, q)
        yield betafold_ext.tm_score_batch(p, q)

    for found, expected in zip(scores(broken), scores(p), strict=True):
        assert np.isnan(found[5]).all()
        np.testing.assert_array_equal(found[keep], expected[keep])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_batch_padding_or_threads(dtype):
    p, q = (x.astype(dtype) for x in perturbed(200, 17, 1.0))
    padded = np.full((2, 200, 22, 3), np.nan, dtype)
    padded[0, :, :17], padded[1, :, :17] = p, q
    for score in (
        betafold_ext.lddt_batch,
        betafold_ext.tm_score_batch,
        lambda *a, **k: betafold_ext.gdt_batch(*a, **k)[0],
    ):
        whole = score(p, q)
        np.testing.assert_array_equal(whole, score(p, q, n_threads=2))
        np.testing.assert_array_equal(whole[7:12], score(p[7:12], q[7:12]))
        np.testing.assert_array_equal(whole, score(*padded, lengths=np.full(200, 17)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_atoms", [1, 2, 3, 4, 5, 13])
def test_distances_against_the_definition(dtype, n_atoms):
    x = generic(7, n_atoms)[0].astype(dtype)
    lengths = np.minimum([13, 1, 5, 12, 13, 2, 8], n_atoms)
    found = betafold_ext.distance_matrix_batch(x, lengths)
    for item, n in enumerate(lengths):
        np.testing.assert_allclose(found[item, :n, :n], reference.distances(x[item, :n]), atol=1e-5)
        assert np.isnan(found[item, n:]).all() and np.isnan(found[item, :, n:]).all()


def test_one_and_two_atoms():
    p, q = generic(3, 2)
    np.testing.assert_allclose(betafold_ext.tm_score_batch(p[:, :1], q[:, :1]), 1.0)
    assert (betafold_ext.tm_score_batch(p, q) > 0).all()
    assert np.isnan(betafold_ext.lddt_batch(p, q)).all()
