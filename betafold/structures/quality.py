"""Which residues of a chain can be learned from, and what is wrong with the others."""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from betafold.structures.chains import MAX_PEPTIDE_BOND, Chain, bonded
from betafold.structures.records import BACKBONE
from betafold.structures.residues import D_RESIDUES

# Accepted distances (Angstrom) and angle (degrees). 99.9 % of the residues of PDB entries lie well inside;
# what lies outside is a mistake of the model, often at the edge of what the experiment shows.
BONDS = {"N-CA": (1.25, 1.70), "CA-C": (1.30, 1.75), "C-N": (1.10, 1.60)}
CA_CA = (2.7, 4.1)  # cis about 2.9, trans about 3.8
N_CA_C = (90.0, 135.0)
# (N - CA) x (C - CA) . (CB - CA) is +2.5 cubic Angstrom for an L and -2.5 for a D residue.
MIN_CHIRAL_VOLUME = 1.0


@dataclass(frozen=True)
class Segment:
    """Residues start ... stop - 1 of a chain: unbroken, standard, complete, L, of possible geometry."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def _outside(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """NaN counts as inside: missing atoms have a reason of their own."""
    return (values < limits[0]) | (values > limits[1])


def _angles(coords: np.ndarray) -> np.ndarray:
    """Angle N-CA-C in degrees, f8 [n]."""
    to_n, to_c = coords[:, 0] - coords[:, 1], coords[:, 2] - coords[:, 1]
    cosine = (to_n * to_c).sum(-1) / np.linalg.norm(to_n, axis=-1) / np.linalg.norm(to_c, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def chiral_volumes(coords: np.ndarray, cb: np.ndarray) -> np.ndarray:
    """Signed volume at CA in cubic Angstrom, f8 [n]: positive for L, NaN without CB (glycine)."""
    n, ca, c = coords[:, 0], coords[:, 1], coords[:, 2]
    return (np.cross(n - ca, c - ca) * (cb - ca)).sum(-1)


def _geometry_faults(coords: np.ndarray) -> dict[int, str]:
    """Residue index -> impossible distance or angle in coords f8 [n, 3, 3]; of a pair the second residue."""
    faults = {}

    def note(values: np.ndarray, limits: tuple[float, float], what: str, unit: str, shift: int = 0):
        for i in np.flatnonzero(_outside(values, limits)):
            faults.setdefault(int(i) + shift, f"impossible geometry: {what} {values[i]:.2f} {unit}")

    for what, (a, b) in {"N-CA": (0, 1), "CA-C": (1, 2)}.items():
        note(np.linalg.norm(coords[:, a] - coords[:, b], axis=-1), BONDS[what], what, "A")
    note(_angles(coords), N_CA_C, "N-CA-C", "degrees")
    # Across a gap nothing can be said about the distance to the next residue.
    joined = np.where(bonded(coords), 1.0, np.nan)
    note(joined * np.linalg.norm(coords[1:, 0] - coords[:-1, 2], axis=-1), BONDS["C-N"], "C-N", "A", 1)
    note(joined * np.linalg.norm(coords[1:, 1] - coords[:-1, 1], axis=-1), CA_CA, "CA-CA", "A", 1)
    return faults


def residue_faults(chain: Chain) -> dict[int, str]:
    """Index of each residue that cannot be used -> the reason, which names the residue."""
    faults = {}
    missing = np.isnan(chain.coords).any(-1)  # [n, 3]
    volumes = chiral_volumes(chain.coords, chain.cb)
    geometry = _geometry_faults(chain.coords)
    for i, (name, number) in enumerate(zip(chain.names, chain.numbers, strict=True)):
        if name in D_RESIDUES:
            faults[i] = f"D residue {name} {number}"
        elif chain.sequence[i] == "X":
            faults[i] = f"modified residue {name} {number}"
        elif missing[i].any():
            atoms = ", ".join(atom for atom, lacks in zip(BACKBONE, missing[i], strict=True) if lacks)
            faults[i] = f"backbone atoms {atoms} of {name} {number} missing"
        elif volumes[i] < -MIN_CHIRAL_VOLUME:
            faults[i] = f"D residue: {name} {number} has the chirality of a D residue"
        elif volumes[i] < MIN_CHIRAL_VOLUME:
            faults[i] = f"impossible geometry: CA of {name} {number} is flat"
        elif i in geometry:
            faults[i] = f"{geometry[i]} at {name} {number}"
    return faults


def breaks(chain: Chain) -> dict[int, str]:
    """Index of each residue that is not bonded to the one before it -> the reason.

    Judged by distance, never by residue numbers: those jump and repeat in good chains.
    """
    distances = np.linalg.norm(chain.coords[1:, 0] - chain.coords[:-1, 2], axis=-1)
    return {
        int(i) + 1: f"chain break: C-N {distances[i]:.1f} A"
        for i in np.flatnonzero(distances >= MAX_PEPTIDE_BOND)  # NaN: missing atoms, a fault of their own
    }


def trace_breaks(ca: np.ndarray) -> dict[int, str]:
    """Index of each residue whose CA, f8 [n, 3], is not where the next residue's can be -> the reason."""
    distances = np.linalg.norm(np.diff(ca, axis=0), axis=-1)
    return {
        int(i) + 1: f"chain break: CA-CA {distances[i]:.2f} A between residues {i + 1} and {i + 2}"
        for i in np.flatnonzero(_outside(distances, CA_CA))
    }


def segments(n: int, unusable: Container[int], broken: Container[int]) -> list[Segment]:
    """Maximal stretches, of any length, of n residues: without ``unusable`` ones, cut before ``broken`` ones."""
    found, start = [], 0
    for i in range(n + 1):
        if i == n or i in unusable or i in broken:
            if i > start:
                found.append(Segment(start, i))
            start = i + 1 if i in unusable else i
    return found


def model_fault(coords: np.ndarray) -> str:
    """Why a further model f8 [n, 3, 3] of a good sample cannot be used, or ""."""
    if not bonded(coords).all():
        return "chain break"
    return next(iter(_geometry_faults(coords).values()), "")
