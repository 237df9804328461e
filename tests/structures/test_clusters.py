"""Chains that are related end up together, chains that are not stay apart."""

import random
from collections import Counter

import numpy as np
import pyopal
import pytest
from Bio.Align import PairwiseAligner, substitution_matrices
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.structures.clusters import (
    GAP_EXTEND,
    GAP_OPEN,
    LAMBDA,
    K,
    cluster_chains,
    identical_residues,
    required_score,
)
from betafold.structures.samples import STANDARD

CHAINS = st.text(STANDARD, min_size=10, max_size=60)


def random_chain(length, seed):
    return "".join(random.Random(seed).choices(STANDARD, k=length))


def mutate(chain, share, seed):
    """``chain`` with about ``1 - share`` of its residues exchanged for others."""
    generator = random.Random(seed)
    places = generator.sample(range(len(chain)), round((1 - share) * len(chain)))
    letters = list(chain)
    for place in places:
        letters[place] = generator.choice(STANDARD.replace(letters[place], ""))
    return "".join(letters)


@settings(max_examples=30, deadline=None)
@given(st.lists(CHAINS, min_size=1, max_size=5, unique=True), st.data())
def test_contained_stretches_are_always_linked(chains, data):
    whole = data.draw(st.sampled_from(chains))
    start = data.draw(st.integers(0, len(whole) - 10))
    end = data.draw(st.integers(start + 10, len(whole)))
    around = data.draw(st.text(STANDARD, max_size=5))
    labels = cluster_chains([*chains, around + whole[start:end] + around[::-1]])
    assert labels[-1] == labels[chains.index(whole)]


def test_identity_over_the_shorter_chain():
    short, other = random_chain(60, 1), random_chain(150, 2)
    long = other[:50] + mutate(short, 0.7, 3) + other[50:]
    assert not any(short[i : i + 10] in long for i in range(51))
    assert list(cluster_chains([short, long, other], identity=0.6)) == [0, 0, 0]  # long holds other's words
    assert list(cluster_chains([short, long], identity=0.6)) == [0, 0]
    assert list(cluster_chains([short, long], identity=0.9)) in ([0, 1], [1, 0])


def test_unrelated_chains_stay_apart():
    chains = [random_chain(length, length) for length in range(10, 250, 3)]
    assert len(set(cluster_chains(chains))) == len(chains)


def test_numbers_follow_size_then_sequence():
    family = [random_chain(80, 5)]
    family += [mutate(family[0], 0.8, seed) for seed in (1, 2)]
    alone = [random_chain(40, seed) for seed in (11, 12, 13)]
    labels = cluster_chains([alone[0], *family, *alone[1:]])
    assert list(labels[1:4]) == [0, 0, 0]
    assert [chain for _, chain in sorted(zip(labels[[0, 4, 5]], alone, strict=True))] == sorted(alone)


def test_order_and_threads_do_not_matter():
    base = [random_chain(70, seed) for seed in range(6)]
    chains = base + [mutate(chain, 0.65, seed) for seed, chain in enumerate(base)] + [random_chain(12, 99)]
    expected = dict(zip(chains, cluster_chains(chains), strict=True))
    random.Random(3).shuffle(chains)
    assert dict(zip(chains, cluster_chains(chains, threads=2), strict=True)) == expected
    assert Counter(expected.values()) == dict.fromkeys(range(6), 2) | {6: 1}


def test_non_standard_residues_never_match():
    one, other = random_chain(12, 1), random_chain(12, 2)
    assert len(set(cluster_chains([one + "X" * 40, other + "X" * 41]))) == 2
    assert len(set(cluster_chains(["X" * 12, "X" * 13, "BZ" * 6]))) == 3


def test_extra_stretches_count():
    one, other = random_chain(20, 1), random_chain(20, 2)
    assert len(set(cluster_chains([one, other]))) == 2
    assert len(set(cluster_chains([one, other], extra=[(1, one[3:14])]))) == 1


def test_one_chain_and_none():
    assert list(cluster_chains(["ACDEFGHIKL"])) == [0]
    assert list(cluster_chains([])) == []


@pytest.mark.parametrize("seed", range(5))
def test_identical_residues_agree_with_another_aligner(seed):
    query = random_chain(40, seed)
    target = random_chain(30, seed + 50) + mutate(query[:18] + query[21:], 0.8, seed)
    aligner = PairwiseAligner(mode="local", substitution_matrix=substitution_matrices.load("BLOSUM62"))
    aligner.open_gap_score, aligner.extend_gap_score = -GAP_OPEN, -GAP_EXTEND
    hit = pyopal.Aligner("BLOSUM62", gap_open=GAP_OPEN, gap_extend=GAP_EXTEND).align(
        query, pyopal.Database([target]), mode="full"
    )[0]
    alignments = list(aligner.align(target, query))
    assert hit.score == alignments[0].score
    assert identical_residues(query, hit) in {alignment.counts().identities for alignment in alignments}


def test_required_score_is_the_karlin_altschul_limit():
    for m, n, chance in ((100, 200, 1e-3), (12, 200, 1e-3), (12, 30, 1e-2)):
        score = required_score(m, np.array([n]))[0]
        assert K * m * n * np.exp(-LAMBDA * score) == pytest.approx(chance)
