"""Residues of a model: alternate locations settled, one-letter codes, backbone atoms as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from Bio.Data.IUPACData import protein_letters_1to3, protein_letters_3to1

from betafold.structures.reader import Atoms
from betafold.structures.records import BACKBONE

# Three-letter code -> one-letter code. Beside the twenty standard residues: selenomethionine, put in for
# methionine to solve the phase problem, and the names force fields give to protonation states.
LETTERS = {
    **{name.upper(): letter for name, letter in protein_letters_3to1.items()},
    "MSE": "M",
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "H"),
    **dict.fromkeys(("CYX", "CYM"), "C"),
    "ASH": "D",
    "GLH": "E",
    "LYN": "K",
}
# One-letter code -> three-letter code of the twenty standard residues.
THREE_LETTER = {letter: name.upper() for letter, name in protein_letters_1to3.items()}
# Chemical component codes of the D forms of the standard residues (glycine has none).
D_RESIDUES = frozenset(
    ("DAL", "DAR", "DAS", "DCY", "DGL", "DGN", "DHI", "DIL", "DLE", "DLY")
    + ("DPN", "DPR", "DSG", "DSN", "DTH", "DTR", "DTY", "DVA", "MED")
)
SUGAR = ("C4'", "C4*")  # an atom that every nucleotide has and no amino acid


@dataclass(frozen=True)
class Residue:
    """One residue in its most occupied conformer."""

    number: str  # author's number with insertion code
    name: str  # chemical component code
    hetero: bool
    atoms: dict[str, int]  # atom name -> index into Atoms

    @property
    def letter(self) -> str:
        """One-letter code, X for a residue that is not standard."""
        return LETTERS.get(self.name, "X")

    @property
    def is_amino_acid(self) -> bool:
        """A standard residue with any backbone atom, or any other with all of N, CA and C.

        Caps (ACE, NH2, NME), waters, ions and most ligands have no such backbone.
        """
        present = sum(name in self.atoms for name in BACKBONE)
        return present == len(BACKBONE) or (self.name in LETTERS and present > 0)

    @property
    def is_nucleotide(self) -> bool:
        return any(name in self.atoms for name in SUGAR)


def _runs(atoms: Atoms) -> Iterator[list[int]]:
    """Indices of the atoms of each residue, in the order of the file.

    A residue is a run of one chain, molecule and number. Two names in a run are two residues, unless
    alternate locations say that both occupy the place (microheterogeneity).
    """
    keys = zip(atoms.chain.tolist(), atoms.molecule.tolist(), atoms.number.tolist(), strict=True)
    names, altlocs = atoms.residue.tolist(), atoms.altloc.tolist()
    for _, group in groupby(enumerate(keys), key=lambda item: item[1]):
        run = []
        for index, _ in group:
            if run and names[index] != names[run[-1]] and not altlocs[index] and not altlocs[run[-1]]:
                yield run
                run = []
            run.append(index)
        yield run


def _conformers(atoms: Atoms, run: list[int]) -> list[str]:
    """Alternate locations in a residue: most occupied first, equals in the order of the file."""
    occupancies = {}
    for index in run:
        if altloc := str(atoms.altloc[index]):
            occupancies.setdefault(altloc, []).append(atoms.occupancy[index])
    return sorted(occupancies, key=lambda altloc: -float(np.mean(occupancies[altloc])))


def _residue(atoms: Atoms, run: list[int]) -> Residue:
    conformers = _conformers(atoms, run)
    rank = {altloc: place for place, altloc in enumerate(["", *conformers])}
    in_rank = sorted(run, key=lambda index: rank[str(atoms.altloc[index])])
    best = conformers[0] if conformers else ""
    lead = next(index for index in run if str(atoms.altloc[index]) in ("", best))
    chosen = {}
    for index in in_rank:
        # An atom that the best conformer lacks comes from the next one: no residue loses its backbone.
        if atoms.residue[index] == atoms.residue[lead]:
            chosen.setdefault(str(atoms.name[index]), index)
    return Residue(str(atoms.number[lead]), str(atoms.residue[lead]), bool(atoms.hetero[lead]), chosen)


def residues_by_molecule(atoms: Atoms) -> dict[tuple[str, int], list[Residue]]:
    """Residues of each (chain id, molecule), both in the order of the file."""
    molecules = {}
    for run in _runs(atoms):
        key = (str(atoms.chain[run[0]]), int(atoms.molecule[run[0]]))
        molecules.setdefault(key, []).append(_residue(atoms, run))
    return molecules


def atom_coords(atoms: Atoms, residues: list[Residue], names: tuple[str, ...]) -> np.ndarray:
    """Coordinates f8 [n, len(names), 3] of the named atoms of n residues, NaN where one is missing."""
    coords = np.full((len(residues), len(names), 3), np.nan)
    for row, residue in enumerate(residues):
        for column, name in enumerate(names):
            if (index := residue.atoms.get(name)) is not None:
                coords[row, column] = atoms.coords[index]
    return coords


def is_hydrogen(name: str) -> bool:
    """Whether an atom of a residue is a hydrogen or deuterium, by its name ("HA", "1HB", "D1")."""
    return name.lstrip("0123456789")[:1] in ("H", "D")


def heavy_coords(atoms: Atoms, residues: list[Residue]) -> np.ndarray:
    """Coordinates f8 [A, 3] of all atoms but hydrogens."""
    indices = [
        index for residue in residues for name, index in residue.atoms.items() if not is_hydrogen(name)
    ]
    return atoms.coords[indices]
