"""Groups of peptides that are always reported apart."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from betafold.structures.samples import KINDS

ALPHA_PHI = (-100.0, -30.0)
ALPHA_PSI = (-80.0, -5.0)
"""Right-handed helical basin of the Ramachandran plot, in degrees."""
MIN_HELIX_RUN = 4
"""One turn of an alpha helix; shorter runs are turns or chance."""
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
    in_helix = 0
    run = 0
    for residue in [*alpha, False]:
        if residue:
            run += 1
            continue
        in_helix += run if run >= MIN_HELIX_RUN else 0
        run = 0
    return in_helix / int(defined.sum())


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
