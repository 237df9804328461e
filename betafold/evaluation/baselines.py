"""Predictors that know nothing, or only the nearest training sequence: what a model has to beat.

Each is a function of a sequence that returns torsions [K, L, 3] in radians, best guess first; all are
built into coordinates by the same NeRF as the model's own. The two constants have one answer (K = 1).
"""

import zlib
from collections.abc import Callable, Iterable

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

import betafold_ext
from betafold.evaluation.alignment import align, aligned_positions

HELIX = (-63.0, -42.0, 180.0)
"""Degrees: alpha helix."""
EXTENDED = (-120.0, 130.0, 180.0)
"""Degrees: typical beta strand."""
METHODS = ("helix", "extended", "ramachandran", "nearest")
LABELS = {
    "helix": "constant alpha helix",
    "extended": "constant extended",
    "ramachandran": "sequence-blind Ramachandran prior",
    "nearest": "nearest training sequence",
}
SHORT_LABELS = {
    "helix": "helix",
    "extended": "extended",
    "ramachandran": "Ramachandran",
    "nearest": "nearest",
}
CONFORMERS = 5
MAX_ALIGNED = 1200

Baseline = Callable[[str, str], np.ndarray]


def constant(angles: tuple[float, float, float]) -> Baseline:
    """The same (phi, psi, omega), in degrees, at every residue."""

    def predict(_id: str, sequence: str) -> np.ndarray:
        return np.broadcast_to(np.radians(angles), (1, len(sequence), 3)).copy()

    return predict


def ramachandran(torsions: Iterable[np.ndarray], *, conformers: int = CONFORMERS, seed: int = 0) -> Baseline:
    """Torsion triples drawn, residue by residue, from all residues of the training chains [L_i, 3].

    The draw ignores the sequence; the first sample is the single answer. It depends only on ``seed`` and
    the peptide's id, not on the order of evaluation.
    """
    pool = np.concatenate(list(torsions))
    pool = pool[np.isfinite(pool).all(axis=1)].astype(np.float64)

    def predict(identifier: str, sequence: str) -> np.ndarray:
        generator = np.random.default_rng([seed, zlib.crc32(identifier.encode())])
        return pool[generator.integers(len(pool), size=(conformers, len(sequence)))]

    return predict


def nearest(sequences: list[str], torsions: list[np.ndarray], *, conformers: int = CONFORMERS) -> Baseline:
    """Torsions copied from the training sequences with the best local alignments (BLOSUM62).

    Conformer k comes from the k-th best sequence (equal scores: the first in training order). Residues
    that the alignment does not cover, and undefined torsions of the template, become helix. Of more than
    ``MAX_ALIGNED`` training sequences only those that share the most pairs of adjacent letters with the
    peptide are aligned.
    """
    if not sequences:
        raise ValueError("sequences must not be empty")
    pairs = CountVectorizer(analyzer="char", ngram_range=(2, 2), lowercase=False)
    postings = pairs.fit_transform(sequences).T.tocsr()  # [pairs of letters, training sequences]

    def candidates(sequence: str) -> np.ndarray:
        if len(sequences) <= MAX_ALIGNED:
            return np.arange(len(sequences))
        shared = pairs.transform([sequence]) @ postings
        if shared.nnz < conformers:  # nothing alike: any will do
            return np.arange(conformers)
        return np.sort(shared.indices[np.argsort(-shared.data, kind="stable")[:MAX_ALIGNED]])

    def predict(_id: str, sequence: str) -> np.ndarray:
        indices = candidates(sequence)
        database = [sequences[index] for index in indices]
        hits = align(sequence, database, algorithm="sw", mode="score")
        best = sorted(hits, key=lambda hit: (-hit.score, hit.target_index))[:conformers]
        chosen = [indices[hit.target_index] for hit in best]
        return np.stack([_copied(sequence, sequences[index], torsions[index]) for index in chosen])

    return predict


def _copied(sequence: str, template: str, torsions: np.ndarray) -> np.ndarray:
    """Torsions [L, 3] for ``sequence`` from an aligned template, helix where it has none."""
    positions = aligned_positions(sequence, template, algorithm="sw")
    source = np.where((positions >= 0)[:, None], torsions[positions], np.nan)
    return np.where(np.isfinite(source), source, np.radians(HELIX))


def train_baselines(
    sequences: list[str], torsions: list[np.ndarray], *, conformers: int = CONFORMERS, seed: int = 0
) -> dict[str, Baseline]:
    """All baselines of ``METHODS``, with the two that look at training data fitted to it.

    These two learn from the samples that have torsions, and are left out where none has any (samples of CA only).
    """
    constants = {"helix": constant(HELIX), "extended": constant(EXTENDED)}
    known = [index for index, values in enumerate(torsions) if np.isfinite(values).any()]
    if not known:
        return constants
    sequences, torsions = [sequences[index] for index in known], [torsions[index] for index in known]
    return {
        **constants,
        "ramachandran": ramachandran(torsions, conformers=conformers, seed=seed),
        "nearest": nearest(sequences, torsions, conformers=conformers),
    }


def build(torsions: np.ndarray) -> np.ndarray:
    """Backbones [K, L, 3 atoms, 3] on ideal geometry from torsions [K, L, 3]."""
    return betafold_ext.nerf_batch(np.ascontiguousarray(torsions, dtype=np.float64))
