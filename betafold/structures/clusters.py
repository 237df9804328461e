"""Clusters of chains that tell a model about one another: shared stretches and sequence identity.

Two chains are linked when

1. they share ten residues in a row, exactly. A sample has at least ten residues, so samples that are
   identical, or one contained in the other, always come from linked chains; or
2. their best local alignment (Smith-Waterman, BLOSUM62, gaps 11 + 1 per residue) has at least ``identity``
   x the length of the *shorter* chain identical residues, and is better than chance explains.

A cluster is a connected component. X (a non-standard residue) never counts as equal to anything.

Why chance must be kept out: ten residues find five equal ones in almost any chain of a hundred, and a
handful of such links would join everything into one cluster. Chance is the expected number of alignments
that good between two random chains of the same lengths m and n, E = K m n exp(-lambda score) (Karlin &
Altschul, PNAS 87:2264, 1990; gapped lambda 0.267, K 0.041, Altschul et al., NAR 25:3389, 1997). Measured on
the 3,975 different chains (10-1,347 residues, 600 of them peptides of up to 30) of a mirror of 3,624 PDB files,
each of the 7.9 million pairs once as it is and once with one chain shuffled, identity 0.5:

    E below, for a pair   between two      links by    links    clusters    chains in    clusters with
    with a long chain     peptides         chance               in all      largest      peptides
    (no limit)            (no limit)       7,660       28,162   638         3,272        58
    1e-2                  1e-1             300         20,341   2,384       678          176
    1e-3                  1e-2             65          19,918   2,577       144          237      <- used
    1e-3                  1e-3             20          19,756   2,607       142          267
    (no such links: rule 1 alone)          0           0        2,827       141          452

Two peptides are given the laxer limit, because what is told of peptides must not lean on their relatives;
one step laxer still, 258 of the 600 peptides would be one cluster. The largest cluster is a family indeed
(T-cell receptors). Peptide pairs above ``identity`` that chance explains may thus stand in different parts.
Time: about 50 s on one thread for those chains; it grows with the square of the number of chains.
"""

import math
from collections.abc import Iterable, Sequence
from multiprocessing.pool import ThreadPool

import numpy as np
import pyopal
from scipy.cluster.hierarchy import DisjointSet
from tqdm import tqdm

from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH, STANDARD

WORD = MIN_LENGTH
LAMBDA, K = 0.267, 0.041
# opal charges the opening alone for a gap of one residue; BLAST's 11 + 1 is an opening of 12.
GAP_OPEN, GAP_EXTEND = 12, 1
MAX_CHANCE = 1e-3
MAX_CHANCE_PEPTIDES = 1e-2


def cluster_chains(
    chains: Sequence[str],
    identity: float = 0.5,
    extra: Iterable[tuple[int, str]] = (),
    threads: int = 1,
) -> np.ndarray:
    """Cluster number of every chain.

    Parameters
    ----------
    chains
        Different one-letter sequences; letters that are not standard residues count as X.
    identity
        Identical residues over the length of the shorter chain that link two chains, 0-1.
    extra
        ``(index, sequence)``: more stretches whose ten-residue words count for a chain.
    threads
        Threads that score alignments; the result does not depend on it.

    Returns
    -------
    int array [n], numbered 0, 1, 2 ... by falling number of chains, then by the smallest sequence.
    """
    chains = ["".join(letter if letter in STANDARD else "X" for letter in chain) for chain in chains]
    sets = DisjointSet(range(len(chains)))
    _join_shared_words(sets, [*enumerate(chains), *extra])
    _join_similar(sets, chains, identity, threads)
    subsets = [sorted(subset) for subset in sets.subsets()]
    subsets.sort(key=lambda subset: (-len(subset), min(chains[i] for i in subset)))
    labels = np.empty(len(chains), dtype=np.int64)
    for number, subset in enumerate(subsets):
        labels[subset] = number
    return labels


def _join_shared_words(sets: DisjointSet, stretches: Iterable[tuple[int, str]]) -> None:
    """Join chains that share a word of ten standard residues."""
    first: dict[str, int] = {}
    for i, sequence in stretches:
        for start in range(len(sequence) - WORD + 1):
            word = sequence[start : start + WORD]
            if "X" not in word:
                sets.merge(i, first.setdefault(word, i))


def required_score(m: int, n: np.ndarray) -> np.ndarray:
    """Lowest alignment score of chains of ``m`` and ``n`` residues that chance does not explain."""
    peptides = (m <= MAX_LENGTH) & (n <= MAX_LENGTH)
    chance = np.where(peptides, MAX_CHANCE_PEPTIDES, MAX_CHANCE)
    return (math.log(K * m) + np.log(n) - np.log(chance)) / LAMBDA


def _join_similar(sets: DisjointSet, chains: list[str], identity: float, threads: int) -> None:
    """Join chains by alignment; pairs that are joined already are not aligned in full."""
    order = sorted(range(len(chains)), key=lambda i: (len(chains[i]), chains[i]))
    lengths = np.array([len(chains[i]) for i in order])
    aligner = pyopal.Aligner("BLOSUM62", gap_open=GAP_OPEN, gap_extend=GAP_EXTEND)
    database = pyopal.Database([chains[i] for i in order])

    def candidates(row: int) -> list[int]:
        """Rows of longer chains whose score with the chain in ``row`` is no chance."""
        hits = aligner.align(chains[order[row]], database, mode="score", start=row + 1)
        scores = np.fromiter((hit.score for hit in hits), dtype=np.int64, count=len(hits))
        significant = scores >= required_score(lengths[row], lengths[row + 1 :])
        return (row + 1 + np.flatnonzero(significant)).tolist()

    with ThreadPool(threads) as pool:
        rows = range(len(order) - 1)
        found = tqdm(pool.imap(candidates, rows, chunksize=16), total=len(rows), unit="chain", disable=None)
        for row, others in zip(rows, found, strict=True):
            query = order[row]
            others = [other for other in others if not sets.connected(query, order[other])]
            if not others:
                continue
            needed = identity * len(chains[query])
            for hit in aligner.align(chains[query], database.extract(others), mode="full"):
                if identical_residues(chains[query], hit) >= needed:
                    sets.merge(query, order[others[hit.target_index]])


def identical_residues(query: str, hit: pyopal.FullResult) -> int:
    """Number of equal, standard residues in an alignment."""
    count, position = 0, hit.query_start
    for operation in hit.alignment:  # M equal, X different, D query only, I target only
        count += operation == "M" and query[position] != "X"
        position += operation != "I"
    return count
