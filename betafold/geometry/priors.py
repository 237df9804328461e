"""Distributions of the CA pseudo-dihedrals and of (phi, psi) in real proteins, as tables.

The counts were made once by `benchmarks/geometry_priors.py` from protein chains of the wwPDB archive; the heads of the
two .tsv files beside this module say from how many. No chain of a peptide is among them.
"""

from functools import cache
from pathlib import Path

import numpy as np

BINS = 36
"""Of 10 degrees from -180; bin k begins at -180 + 10 k."""
CLASSES = ("general", "glycine", "proline", "before_proline")
"""Kinds of residue with a Ramachandran distribution of their own."""
ANY = len(CLASSES)
"""Index of the distribution of all residues together, for unknown sequences."""
UPSAMPLING = 4
"""Cells of the interpolated Ramachandran table for each bin and axis."""

_SMOOTHING = 1.0  # bins, standard deviation
_PSEUDOCOUNT = 0.5  # for each bin, so that what was never seen is unlikely and not impossible


@cache
def ca_dihedral_log_odds():
    """Log odds of seeing CA pseudo-dihedrals rather than their negatives.

    Returns:
        (single [36], pair [36, 36]): of one dihedral, and of two consecutive ones. Both change their sign under
        reflection.
    """
    pair = _smoothed(_read("ca_dihedrals.tsv", 0))
    single = pair.sum(1) + pair.sum(0)  # each dihedral once as the first and once as the second
    return np.log(single / single[::-1]), np.log(pair / pair[::-1, ::-1])


@cache
def ramachandran_energy():
    """-log probability of (phi, psi), float32 [5, 144, 144]: `CLASSES`, then all together; cells of 2.5 degrees."""
    counts = _read("ramachandran.tsv", 1).reshape(len(CLASSES), BINS, BINS)
    tables = []
    for count in (*counts, counts.sum(0)):
        smooth = _smoothed(count)
        tables.append(_interpolated(-np.log(smooth / smooth.sum())))
    return np.stack(tables).astype(np.float32)


def residue_class(sequence):
    """Index in `CLASSES` of each residue of a sequence of one-letter codes, int64 [L]; unknown letters are general."""
    letters = np.array(list(sequence.upper()))
    kinds = np.zeros(len(letters), np.int64)
    kinds[:-1][letters[1:] == "P"] = 3
    kinds[letters == "G"] = 1
    kinds[letters == "P"] = 2
    return kinds


def bin_of(angles, bins=BINS):
    """Index of the bin of angles in radians, any array."""
    return np.floor((angles / (2 * np.pi) + 0.5) * bins).astype(np.int64) % bins


def _read(name, skipped):
    columns = range(skipped, skipped + BINS)
    return np.loadtxt(Path(__file__).with_name(name), delimiter="\t", usecols=columns, dtype=np.float64)


def _smoothed(counts):
    """Counts smoothed by a periodic normal kernel along both axes, with pseudocounts."""
    offsets = np.minimum(np.arange(BINS), BINS - np.arange(BINS))
    kernel = np.exp(-0.5 * (offsets / _SMOOTHING) ** 2)
    spread = (kernel / kernel.sum())[(np.arange(BINS)[:, None] - np.arange(BINS)) % BINS]
    return spread @ counts @ spread + _PSEUDOCOUNT


def _interpolated(table):
    """Periodic bilinear interpolation of values at the centres of bins to cells `UPSAMPLING` times as fine."""
    at = (np.arange(BINS * UPSAMPLING) + 0.5) / UPSAMPLING - 0.5
    low = np.floor(at).astype(int)
    share = at - low
    mix = np.zeros((len(at), BINS))
    np.add.at(mix, (np.arange(len(at)), low % BINS), 1 - share)
    np.add.at(mix, (np.arange(len(at)), (low + 1) % BINS), share)
    return mix @ table @ mix.T
