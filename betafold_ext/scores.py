"""Similarity scores of predicted against native structures, and distance matrices."""

import numpy as np

from betafold_ext import _kernels
from betafold_ext.arrays import (
    check_count,
    check_number,
    check_same_shape,
    check_threads,
    lengths_array,
    like,
    real_array,
)


def lddt_batch(
    predicted, native, lengths=None, *, per_residue=False, cutoff=15.0, min_separation=3, n_threads=1
):
    """lDDT on one atom per residue (CA): the share of native distances that are kept.

    Args:
        predicted, native: [B, N, 3] in Angstrom. float32 or float64, numpy arrays or torch CPU tensors.
        lengths: [B] integers, residues of each item; all N when None.
        per_residue: a score for every residue instead of one for every item.
        cutoff: inclusion radius in Angstrom; a pair counts when its *native* distance is below it.
        min_separation: a pair counts when |i - j| is at least this (1 counts neighbours, as biotite and OpenStructure
            do).
        n_threads: threads to use; small batches stay on one.

    Returns:
        [B], or [B, N] with `per_residue`, in 0-1: the mean over pairs of the shares kept within 0.5, 1, 2 and 4
        Angstrom. NaN for items with a NaN or infinite coordinate, where no pair counts, and beyond `lengths`.

    Raises:
        ValueError: bad shape, dtype, length, cutoff or empty input; the message names the argument.

    Source: Mariani et al. 2013, Bioinformatics 29, 2722.
    """
    p, q, lengths = _scored_pair(predicted, native, lengths)
    cutoff = check_number(cutoff, "cutoff", positive=True)
    min_separation = check_count(min_separation, "min_separation")
    score = np.empty(p.shape[:2] if per_residue else p.shape[0], p.dtype)
    _kernels.lddt(
        p, q, lengths, cutoff, min_separation, per_residue, score.reshape(-1), check_threads(n_threads)
    )
    return like(score, predicted)


def gdt_batch(predicted, native, lengths=None, n_threads=1):
    """GDT-TS and GDT-HA with fixed residue correspondence.

    Args:
        predicted, native: [B, N, 3] CA coordinates in Angstrom. float32 or float64, numpy arrays or torch CPU tensors.
        lengths: [B] integers, residues of each item; all N when None.
        n_threads: threads to use; small batches stay on one.

    Returns:
        (gdt_ts [B], gdt_ha [B]) in 0-1: the mean, over cutoffs of 1, 2, 4, 8 (TS) or 0.5, 1, 2, 4 Angstrom (HA), of
        the largest share of residues within the cutoff under any superposition found. Every fragment of L, L/2, ...
        3 residues is superposed, then for each cutoff three times again with weights that favour residues near the
        cutoff over those far beyond it. Like LGA's it is a heuristic search, so the result is a lower bound; on
        average it is above LGA's rule applied to every fragment. NaN for items with a NaN or infinite coordinate.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Source: Zemla 2003, Nucleic Acids Res. 31, 3370.
    """
    p, q, lengths = _scored_pair(predicted, native, lengths)
    gdt_ts, gdt_ha = np.empty(p.shape[0], p.dtype), np.empty(p.shape[0], p.dtype)
    _kernels.gdt(p, q, lengths, gdt_ts, gdt_ha, check_threads(n_threads))
    return like(gdt_ts, predicted), like(gdt_ha, predicted)


def tm_score_batch(predicted, native, lengths=None, n_threads=1):
    """TM-score with fixed residue correspondence, normalised by the native's length.

    Args:
        predicted, native: [B, N, 3] CA coordinates in Angstrom. float32 or float64, numpy arrays or torch CPU tensors.
        lengths: [B] integers, residues of each item; all N when None.
        n_threads: threads to use; small batches stay on one.

    Returns:
        [B] in 0-1, the largest score found. The search starts from the fragments of the paper and climbs each time to
        the nearest maximum of the score itself, where the paper superposes the residues within a radius; it finds the
        same maximum or a higher one, often by several hundredths in short chains. d0 = 1.24 (L - 15)^(1/3) - 1.8,
        and 0.5 Angstrom up to L = 21, where that rule falls below 0.5. NaN for items with a NaN or infinite coordinate.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Source: Zhang & Skolnick 2004, Proteins 57, 702.
    """
    p, q, lengths = _scored_pair(predicted, native, lengths)
    score = np.empty(p.shape[0], p.dtype)
    _kernels.tm_score(p, q, lengths, score, check_threads(n_threads))
    return like(score, predicted)


def distance_matrix_batch(X, lengths=None, n_threads=1):
    """Euclidean distances [B, N, N] in Angstrom between the atoms of each item of X [B, N, 3].

    Rows and columns beyond `lengths`, and of atoms with a NaN coordinate, are NaN.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.
    """
    x = real_array(X, "X", ("N", 3))
    batch, n_atoms = x.shape[:2]
    distances = np.empty((batch, n_atoms, n_atoms), x.dtype)
    _kernels.distances(x, lengths_array(lengths, batch, n_atoms), distances, check_threads(n_threads))
    return like(distances, X)


def _scored_pair(predicted, native, lengths):
    p = real_array(predicted, "predicted", ("N", 3))
    q = real_array(native, "native", ("N", 3), p.dtype)
    check_same_shape(q, "native", p, "predicted")
    return p, q, lengths_array(lengths, *p.shape[:2])
