"""One labelled stretch of backbone: what every later step trains on or compares with."""

from dataclasses import dataclass, field

import numpy as np

STANDARD = "ACDEFGHIKLMNPQRSTVWY"
MIN_LENGTH = 10
MAX_LENGTH = 30  # of peptides and fragments
MAX_CHAIN_LENGTH = 512  # of whole chains
KINDS = ("free", "bound", "fragment", "chain")


def sample_id(entry: str, chain: str, start: int, length: int) -> str:
    """``{entry}_{chain}_{first}-{last}``, positions 1-based within the observed residues of the chain."""
    return f"{entry}_{chain}_{start + 1}-{start + length}"


@dataclass(frozen=True, eq=False)
class Sample:
    """A peptide or a fragment of 10-30 residues, or a whole chain of 31-512: standard L-residues, no break.

    A sample read from CA coordinates has NaN for N, C and all torsions, and a mask that is False throughout.
    Coordinates are in Angstrom, torsions in radians. Atoms stand in the order N, CA, C, torsions in the
    order phi, psi, omega; ``omega[i]`` turns about the bond between residues i and i + 1, so phi of the
    first and psi and omega of the last residue are NaN.
    """

    id: str
    sequence: str  # one-letter codes, L standard residues
    coords: np.ndarray  # f4 [L, 3, 3], first model; NaN where an atom is missing
    torsions: np.ndarray  # f4 [L, 3], first model; NaN where undefined
    mask: np.ndarray  # bool [L], all three atoms present
    kind: str  # of KINDS: "free" and "bound" peptides, "fragment" of a longer chain, "chain"
    entry: str
    chain: str  # chain id as its authors gave it
    start: int  # index of the first residue in ``parent``
    parent: str  # observed sequence of the whole chain, X for non-standard residues
    cyclic: bool = False  # head-to-tail: C of the last residue is bonded to N of the first
    disulfides: tuple[tuple[int, int], ...] = ()  # pairs of indices into ``sequence``
    models: np.ndarray = field(default=None)  # f4 [M, L, 3, 3], all models, the first included
    method: str = ""  # experimental method as the file words it, "" where unknown
    resolution: float = float("nan")  # Angstrom, NaN where unknown or meaningless

    def __post_init__(self):
        if self.models is None:
            object.__setattr__(self, "models", self.coords[None])

    @property
    def length(self) -> int:
        return len(self.sequence)

    @property
    def ca_only(self) -> bool:
        """Whether only CA atoms are known, so that there is no torsion to learn from or to compare with."""
        return not self.mask.any()
