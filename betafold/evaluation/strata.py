"""Groups of peptides that are always reported apart."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from betafold.geometry.chirality import ca_dihedrals
from betafold.structures.samples import KINDS

ALPHA_PHI = (-100.0, -30.0)
ALPHA_PSI = (-80.0, -5.0)
"""Right-handed helical basin of the Ramachandran plot, in degrees."""
MIN_HELIX_RUN = 4
"""One turn of an alpha helix; shorter runs are turns or chance."""
HELIX_CA_DIHEDRAL = (20.0, 80.0)
HELIX_CA_ANGLE = (78.0, 104.0)
"""Dihedral and angles of four consecutive CA of an alpha helix, in degrees (it has about 50 and 91)."""
HELICAL_FRACTION = 0.5
LENGTH_BANDS = ((10, 14), (15, 20), (21, 30), (31, 100), (101, 256), (257, 512))


def helix_fraction(torsions: np.ndarray) -> float:
    """Fraction of a chain's residues in helical runs, from torsions [L, 3] in radians (NaN undefined).

    A residue counts if its phi and psi lie in the alpha basin and so do those of at least three
    consecutive neighbours. Residues without both torsions (the two ends, at least) are not counted.
    """
    phi, psi = np.degrees(torsions[:, 0]), np.degrees(torsions[:, 1])
    defined = np.isfinite(phi) & np.isfinite(psi)
    if not defined.any():
        return float("nan")
    alpha = (phi >= ALPHA_PHI[0]) & (phi <= ALPHA_PHI[1]) & (psi >= ALPHA_PSI[0]) & (psi <= ALPHA_PSI[1])
    return sum(n for n in _runs(alpha) if n >= MIN_HELIX_RUN) / int(defined.sum())


def ca_helix_fraction(ca: np.ndarray) -> float:
    """What ``helix_fraction`` gives, from a CA trace [L, 3] in Angstrom (NaN unknown) where there are no torsions.

    Four consecutive CA with the dihedral and both angles of a helix say that the middle two residues are helical;
    three such windows in a row are the shortest helix that is counted.
    """
    if len(ca) < MIN_HELIX_RUN:
        return float("nan")
    bonds = np.diff(ca.astype(np.float64), axis=0)
    bonds /= np.linalg.norm(bonds, axis=1, keepdims=True)
    dihedrals = np.degrees(ca_dihedrals(ca.astype(np.float64)))
    angles = np.degrees(np.arccos(np.clip(-(bonds[:-1] * bonds[1:]).sum(axis=1), -1, 1)))
    bent = (angles >= HELIX_CA_ANGLE[0]) & (angles <= HELIX_CA_ANGLE[1])
    twisted = (dihedrals >= HELIX_CA_DIHEDRAL[0]) & (dihedrals <= HELIX_CA_DIHEDRAL[1])
    known = np.isfinite(angles)
    if not known.any():
        return float("nan")
    # A run of n windows holds n + 1 helical residues.
    runs = _runs(twisted & bent[:-1] & bent[1:])
    return sum(n + 1 for n in runs if n + 1 >= MIN_HELIX_RUN) / int(known.sum())


def helix_fraction_of(torsions: np.ndarray, coords: np.ndarray) -> float:
    """``helix_fraction`` of torsions [L, 3]; where there are none, that of the CA of coords [L, 3 atoms, 3]."""
    fraction = helix_fraction(torsions)
    return fraction if np.isfinite(fraction) else ca_helix_fraction(coords[:, 1])


def _runs(flags: np.ndarray) -> list[int]:
    """Lengths of the runs of True in ``flags`` [L]."""
    edges = np.flatnonzero(np.diff([False, *flags, False]))
    return (edges[1::2] - edges[::2]).tolist()


def length_band(length: int) -> str:
    """Name of the length band, such as ``15-20``."""
    for low, high in LENGTH_BANDS:
        if low <= length <= high:
            return f"{low}-{high}"
    return "other"


def strata(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield (stratum, group, rows) of an evaluation table: all, helical or not, kind, length, NMR, cyclic."""
    yield "all", "all", table
    yield "structure", "helical", table[table["helical"]]
    yield "structure", "not helical", table[~table["helical"]]
    for kind in KINDS:
        yield "kind", kind, table[table["kind"] == kind]
    bands = table["length"].map(length_band)
    for low, high in LENGTH_BANDS:
        yield "length", f"{low}-{high} residues", table[bands == f"{low}-{high}"]
    yield "method", "NMR ensemble", table[table["n_models"] > 1]
    yield "topology", "head-to-tail cyclic", table[table["cyclic"]]
