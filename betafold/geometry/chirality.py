"""The hand of a CA trace: distances say nothing about it, real chains do."""

import numpy as np

from betafold.geometry import priors


def ca_dihedrals(ca):
    """Dihedrals of each four consecutive CA of a numpy array ca [..., L, 3], [..., L - 3] in radians."""
    bonds = np.diff(ca, axis=-2)
    normals = np.cross(bonds[..., :-1, :], bonds[..., 1:, :])
    first, second, middle = normals[..., :-1, :], normals[..., 1:, :], bonds[..., 1:-1, :]
    sine = (np.cross(first, second) * middle).sum(-1)
    return np.arctan2(sine, (first * second).sum(-1) * np.linalg.norm(middle, axis=-1))


def ca_log_odds(ca):
    """Log odds that CA traces are the right hand rather than the mirror image, from their pseudo-dihedrals.

    The dihedrals are a Markov chain in either hand: the pairs of consecutive ones, less the dihedrals that stand in
    two pairs, have the log odds of `priors.ca_dihedral_log_odds`.

    Args:
        ca: numpy array [B, L, 3] in Angstrom, without NaN.

    Returns:
        [B]; 0 for chains of fewer than 4 residues. The mirror image has the negative value.
    """
    if ca.shape[1] < 4:
        return np.zeros(len(ca))
    single, pair = priors.ca_dihedral_log_odds()
    bins = priors.bin_of(ca_dihedrals(ca))
    if bins.shape[1] == 1:
        return single[bins[:, 0]]
    return pair[bins[:, :-1], bins[:, 1:]].sum(1) - single[bins[:, 1:-1]].sum(1)


def predicted_log_odds(ca, log_probabilities):
    """The same, where a model has predicted the dihedrals of each chain.

    Args:
        ca: numpy array [B, L, 3] in Angstrom, without NaN.
        log_probabilities: numpy array [B, L - 3, N] of N equal bins from -180 degrees on.

    Returns:
        [B]; the mirror image has the negative value.
    """
    bins = priors.bin_of(ca_dihedrals(ca), log_probabilities.shape[-1])[..., None]
    mirrored = log_probabilities.shape[-1] - 1 - bins
    odds = np.take_along_axis(log_probabilities, bins, -1) - np.take_along_axis(
        log_probabilities, mirrored, -1
    )
    return odds.sum((1, 2))
