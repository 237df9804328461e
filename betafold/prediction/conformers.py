"""From a model's candidates to a few ranked conformers per peptide, without knowing the native structure.

Candidates are the model's single answer and samples of what it holds possible (see betafold.prediction.candidates).
With d = CA-RMSD, the mean of d from a candidate to the samples is the RMSD to expect of it.

- ``ranking="medoid"``: rank 1 is the candidate of least expected RMSD (a minimum Bayes risk decision).
- ``ranking="mode"``: rank 1 is the single answer (of a torsion model: the most probable torsions).

The next ranks are chosen one by one so that the mean distance from the samples to the *nearest* conformer chosen so
far falls most (greedy k-medoids, Kaufman & Rousseeuw 1990): plausible, and different from the ranks before.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn

import betafold_ext
from betafold.models.inputs import Inputs
from betafold.prediction.candidates import DEFAULT_SETTINGS, Candidates, ConformerSettings
from betafold.prediction.families import candidates_of


@dataclass(frozen=True)
class Conformers:
    """K ranked conformers of each of B peptides, padded to L residues with NaN.

    Attributes:
        lengths: [B].
        torsions: float32 [K, B, L, 3] phi, psi, omega in radians.
        coords: float32 [K, B, L, 3, 3] N, CA, C in Angstrom.
        plddt: float32 [K, B, L] raw (uncalibrated) confidence, 0-100. Rank 1 carries the confidence head's value;
            a later rank the same times its agreement with the samples relative to rank 1 (per-residue lDDT, at
            most 1).
        expected_rmsd: float32 [K, B] mean CA-RMSD to the (other) samples in Angstrom, uncalibrated.
        diagnostics: B dictionaries, see ``Candidates``.
    """

    lengths: np.ndarray
    torsions: np.ndarray
    coords: np.ndarray
    plddt: np.ndarray
    expected_rmsd: np.ndarray
    diagnostics: list[dict[str, float]]

    @property
    def mean_plddt(self) -> np.ndarray:
        """[K, B] mean of the raw pLDDT over the residues."""
        return np.nanmean(self.plddt, axis=-1)

    @classmethod
    def stack(cls, peptides: list[Self]) -> Self:
        """Batch of conformers of single peptides (each with B = 1 and its own L)."""
        length = max(int(peptide.lengths[0]) for peptide in peptides)

        def pad(name: str) -> np.ndarray:
            first = getattr(peptides[0], name)
            shape = (first.shape[0], len(peptides), length, *first.shape[3:])
            out = np.full(shape, np.nan, dtype=np.float32)
            for index, peptide in enumerate(peptides):
                out[:, index, : peptide.lengths[0]] = getattr(peptide, name)[:, 0]
            return out

        return cls(
            lengths=np.concatenate([peptide.lengths for peptide in peptides]),
            torsions=pad("torsions"),
            coords=pad("coords"),
            plddt=pad("plddt"),
            expected_rmsd=np.concatenate([peptide.expected_rmsd for peptide in peptides], axis=1),
            diagnostics=[values for peptide in peptides for values in peptide.diagnostics],
        )


def choose(distances: np.ndarray, count: int, first: int) -> list[int]:
    """Indices of ``count`` candidates, ``first`` first, that greedily cover the samples.

    Each next candidate is the one that most lowers the mean distance of the samples to the nearest chosen one.

    Args:
        distances: [C, S] from each candidate to each sample.
    """
    chosen = [first]
    nearest = distances[first]
    while len(chosen) < count:
        cost = np.minimum(distances, nearest).mean(axis=1)
        cost[chosen] = np.inf
        chosen.append(int(cost.argmin()))
        nearest = np.minimum(nearest, distances[chosen[-1]])
    return chosen


def rank_candidates(
    candidates: Candidates, num_models: int, ranking: str = "medoid", n_threads: int = 1
) -> Conformers:
    """The ``num_models`` conformers of one peptide (B = 1) that are chosen from its candidates, best first."""
    ca = candidates.ca
    distances = betafold_ext.rmsd_matrix(ca, n_threads=n_threads)[:, 1:]
    # A sample is not evidence for itself: its own distance of zero is left out of its mean.
    others = len(ca) - 1 - (np.arange(len(ca)) > 0)
    expected = distances.sum(axis=1, dtype=float) / others
    first = 0 if ranking == "mode" else int(expected.argmin())
    chosen = choose(distances, num_models, first)

    agreement = _agreement(ca[chosen], ca[1:], n_threads)
    relative = np.divide(agreement, agreement[:1], out=np.ones_like(agreement), where=agreement[:1] > 0)
    plddt = candidates.plddt * np.minimum(relative, 1)
    torsions, coords = candidates.backbones(chosen)
    return Conformers(
        lengths=np.array([ca.shape[1]]),
        torsions=torsions[:, None],
        coords=coords[:, None],
        plddt=plddt.astype(np.float32)[:, None],
        expected_rmsd=expected[chosen].astype(np.float32)[:, None],
        diagnostics=[candidates.diagnostics],
    )


def _agreement(conformers: np.ndarray, samples: np.ndarray, n_threads: int) -> np.ndarray:
    """Mean per-residue CA-lDDT [K, L] of each of K conformers [K, L, 3] to S samples [S, L, 3].

    A sample in which a residue is far from all others says nothing of it; 0 where none does.
    """
    pairs = len(conformers) * len(samples)
    left = np.repeat(conformers, len(samples), axis=0)
    right = np.tile(samples, (len(conformers), 1, 1))
    lddt = betafold_ext.lddt_batch(left, right, per_residue=True, n_threads=n_threads)
    lddt = lddt.reshape(len(conformers), pairs // len(conformers), -1)
    known = np.isfinite(lddt)
    return np.where(known, lddt, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


@torch.inference_mode()
def build_conformers(
    model: nn.Module,
    inputs: Inputs,
    num_models: int = 1,
    seed: int = 0,
    settings: ConformerSettings = DEFAULT_SETTINGS,
    n_threads: int = 1,
) -> Conformers:
    """Run ``model`` (in eval mode) on a padded batch and rank conformers of each peptide.

    Args:
        inputs: the batch, on the model's device; its sequences seed the sampling, together with ``seed``.
        num_models: K, at most ``settings.samples``.
    """
    if not 1 <= num_models <= settings.samples:
        raise ValueError(f"num_models must be 1-{settings.samples}, not {num_models}")
    candidates = candidates_of(model)(model, inputs, seed, settings, n_threads, num_models)
    return Conformers.stack(
        [rank_candidates(item, num_models, settings.ranking, n_threads) for item in candidates]
    )
