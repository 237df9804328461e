"""TM-score and GDT against scalar searches: a maximum is only as good as the search for it."""

import numpy as np
import pytest

import betafold_ext
from tests.ext import search_reference
from tests.ext.test_superposition import generic


def alpha_carbons(n, rng, spread):
    """Two chains, built from torsions that differ by noise of that many radians."""
    regions = np.radians([[-63.0, -43, 180], [-120, 130, 180]])
    torsions = regions[rng.integers(0, 2, n)] + rng.normal(size=(n, 3)) * [0.3, 0.3, 0.05]
    both = np.stack([torsions, torsions + spread * rng.normal(size=torsions.shape)])
    return betafold_ext.nerf_batch(both)[:, :, 1]


def pair(kind, n, seed):
    rng = np.random.default_rng([seed, n])
    if kind == "unrelated walks":
        return generic(1, n, seed + 100 * n)[:, 0]
    if kind == "noise":
        native = generic(1, n, seed + 100 * n)[0, 0]
        return native + rng.choice([0.7, 1.5, 3.0]) * rng.normal(size=native.shape), native
    return alpha_carbons(n, rng, 0.4 if kind == "alike" else 3.0)


KINDS = ["unrelated walks", "noise", "alike", "unrelated chains"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_tm_score_is_never_below_a_scalar_search(kind, dtype):
    for n in (5, 9, 13, 17, 22, 30, 40):
        p, q = pair(kind, n, 1)
        found = betafold_ext.tm_score_batch(p[None].astype(dtype), q[None].astype(dtype))[0]
        assert found >= search_reference.tm_score(p, q) - 1e-3
        assert found <= 1 + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_tm_score_is_never_below_the_superposition_of_tmtools(kind):
    import tmtools

    for n in (5, 8, 12, 20, 30, 60):
        for seed in range(5):
            p, q = pair(kind, n, seed)
            peer = tmtools.tm_align(p, q, "A" * n, "A" * n)
            squared = ((p @ peer.u.T + peer.t - q) ** 2).sum(1)
            reached = (1 / (1 + squared / search_reference.tm_d0(n) ** 2)).mean()
            assert betafold_ext.tm_score_batch(p[None], q[None])[0] >= reached - 1e-3


def test_gdt_is_above_the_rule_of_lga_on_average():
    shortfall = []
    for kind in KINDS:
        for n in (6, 10, 15, 20, 30):
            p, q = pair(kind, n, 2)
            shares = search_reference.gdt_shares(p, q)
            gdt_ts, gdt_ha = (score[0] for score in betafold_ext.gdt_batch(p[None], q[None]))
            shortfall.append([shares[1:].mean() - gdt_ts, shares[:4].mean() - gdt_ha])
    assert (np.mean(shortfall, axis=0) <= 0).all()
    assert np.max(shortfall) <= 0.05


def test_gdt_comes_close_to_an_exhaustive_search():
    shortfall = []
    for seed in range(2):
        for kind in KINDS:
            p, q = pair(kind, 7, seed)
            counts = np.round(search_reference.gdt_shares(p, q) * 7).astype(int)
            for c, cutoff in enumerate(search_reference.GDT_CUTOFFS):
                while counts[c] < 7 and search_reference.fits_more(p, q, cutoff, counts[c]):
                    counts[c] += 1
            gdt_ts, gdt_ha = (score[0] for score in betafold_ext.gdt_batch(p[None], q[None]))
            shortfall.append([counts[1:].mean() / 7 - gdt_ts, counts[:4].mean() / 7 - gdt_ha])
    assert (np.mean(shortfall, axis=0) <= 0.04).all()
    assert np.max(shortfall) <= 0.11
