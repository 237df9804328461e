"""Stress minimisation against scikit-learn and the definition; the physics is tested in tests/geometry/test_stress.py."""

import numpy as np
import pytest

import betafold_ext

RNG = np.random.default_rng(11)


def problem(batch, n, dims=3, dtype=np.float64):
    points = RNG.normal(size=(batch, n, dims)) * 4
    noise = RNG.normal(size=(batch, n, n))
    wanted = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1) + 0.3 * (
        noise + noise.transpose(0, 2, 1)
    )
    start = points + RNG.normal(size=points.shape)
    start -= start.mean(1, keepdims=True)
    return np.maximum(wanted, 0.1).astype(dtype), start.astype(dtype)


def stress(points, wanted):
    pairs = np.triu_indices(points.shape[1], 1)
    found = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    return ((found - wanted)[:, pairs[0], pairs[1]] ** 2).sum(1)


@pytest.mark.parametrize("dims", [3, 6])
@pytest.mark.parametrize("n", [2, 3, 7, 30])
def test_one_step_goes_nearly_twice_as_far_as_that_of_scikit_learn(n, dims):
    from sklearn.manifold import smacof

    wanted, start = problem(5, n, dims)
    found = betafold_ext.minimise_stress_batch(wanted, start, iterations=1)
    for i in range(5):
        full = wanted[i] * (1 - np.eye(n))
        step, _ = smacof(full, n_components=dims, init=start[i], n_init=1, max_iter=1, eps=0)
        np.testing.assert_allclose(found[i], start[i] + 1.9 * (step - start[i]), atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-3), (np.float64, 1e-12)])
def test_it_ends_where_scikit_learn_ends(dtype, tolerance):
    from sklearn.manifold import smacof

    wanted, start = problem(6, 12, dtype=dtype)
    found = betafold_ext.minimise_stress_batch(wanted, start, iterations=5000, tolerance=1e-7)
    for i in range(6):
        full = wanted[i].astype(float) * (1 - np.eye(12))
        _, theirs = smacof(
            full, n_components=3, init=start[i].astype(float), n_init=1, max_iter=5000, eps=1e-14
        )
        ours = stress(found[i : i + 1].astype(float), wanted[i : i + 1].astype(float))[0]
        assert ours <= theirs * (1 + 1e-3)


def test_bounds_hold_neighbours():
    """Twelve points that all want to be 6 apart; strong bounds keep the chain's own distances."""
    n = 12
    wanted = np.full((3, n, n), 6.0)
    bounds = np.zeros((3, n, 2, 2))
    bounds[:, :, 0], bounds[:, :, 1] = (3.7, 3.9), (5.0, 7.0)
    _, start = problem(3, n)
    found = betafold_ext.minimise_stress_batch(
        wanted, start, bounds, weight=100.0, iterations=3000, tolerance=1e-8
    )
    first = np.linalg.norm(np.diff(found, axis=1), axis=-1)
    second = np.linalg.norm(found[:, 2:] - found[:, :-2], axis=-1)
    assert first.min() > 3.65 and first.max() < 3.95
    assert second.min() > 4.95 and second.max() < 7.05
    bounds[:, -1], bounds[:, -2, 1] = np.nan, np.nan  # points that do not exist
    again = betafold_ext.minimise_stress_batch(
        wanted, start, bounds, weight=100.0, iterations=3000, tolerance=1e-8
    )
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_threads_and_padding_change_nothing(dtype):
    wanted, start = problem(37, 14, dtype=dtype)
    lengths = RNG.integers(1, 15, 37)
    together = betafold_ext.minimise_stress_batch(wanted, start, lengths=lengths)
    np.testing.assert_array_equal(
        together, betafold_ext.minimise_stress_batch(wanted, start, lengths=lengths, n_threads=3)
    )
    for i, n in enumerate(lengths):
        alone = betafold_ext.minimise_stress_batch(wanted[i : i + 1, :n, :n], start[i : i + 1, :n])
        np.testing.assert_array_equal(together[i, :n], alone[0])
        assert np.isnan(together[i, n:]).all()


def test_nan_stays_with_its_item():
    wanted, start = problem(9, 8)
    clean = betafold_ext.minimise_stress_batch(wanted, start)
    wanted[2, 0, 5], start[6, 3, 1] = np.nan, np.inf
    found = betafold_ext.minimise_stress_batch(wanted, start)
    assert np.isnan(found[[2, 6]]).all()
    rest = [0, 1, 3, 4, 5, 7, 8]
    np.testing.assert_array_equal(found[rest], clean[rest])


def test_arguments():
    wanted, start = problem(2, 5)
    minimise = betafold_ext.minimise_stress_batch
    for arguments, options, message in (
        ((wanted[:, :4], start), {}, "distances: expected shape"),
        ((wanted, start[..., :2]), {}, "points: expected 3 or 6 coordinates, got 2"),
        ((wanted, start.astype(np.float32)), {}, "points: expected dtype float64"),
        ((wanted, start, np.zeros((2, 4, 2, 2))), {}, "bounds: expected shape"),
        ((wanted, start, np.zeros((2, 5, 2, 2))), {"weight": -1.0}, "weight: expected a number >= 0"),
        ((wanted, start), {"iterations": -1}, "iterations: expected a whole number >= 0"),
        ((wanted, start), {"tolerance": np.nan}, "tolerance: expected a number >= 0"),
        ((wanted, start), {"lengths": [5, 6]}, "lengths: expected values from 1 to 5"),
    ):
        with pytest.raises(ValueError, match="^" + message):
            minimise(*arguments, **options)
