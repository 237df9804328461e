"""Structure files as models to draw: backbone atoms, confidence, and the PDB text that goes into the page."""

import re
import string
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from betafold.evaluation.structure_files import protein_chains
from betafold.geometry.complete import place_o_cb
from betafold.structures.reader import Structure, read_structure
from betafold.structures.records import MmcifAtoms, is_mmcif, pdb_models
from betafold.structures.residues import atom_coords
from betafold.structures.textfile import read_text

ATOMS = ("N", "CA", "C", "O", "CB")
CA = ATOMS.index("CA")
CHAIN_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits


@dataclass(frozen=True, eq=False)
class Strand:
    """One protein chain of L residues.

    ``coords`` [L, 5, 3] of :data:`ATOMS` in Angstrom, NaN where absent; ``plddt`` [L] on 0-100, NaN where the
    file has no confidence; ``names`` are component codes, ``numbers`` the file's own with insertion codes.
    """

    id: str
    sequence: str
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    coords: np.ndarray
    plddt: np.ndarray

    def __getitem__(self, part: slice) -> "Strand":
        """Some of the residues."""
        arrays = ("sequence", "names", "numbers", "coords", "plddt")
        return replace(self, **{name: getattr(self, name)[part] for name in arrays})

    @property
    def ca(self) -> np.ndarray:
        """CA trace [L, 3]."""
        return self.coords[:, CA]


@dataclass(frozen=True, eq=False)
class Model:
    """All protein chains of one model of a file."""

    strands: tuple[Strand, ...]

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> "Model":
        """The model with each point x [3] at ``rotation @ x + translation``."""
        return Model(tuple(replace(s, coords=s.coords @ rotation.T + translation) for s in self.strands))

    @property
    def ca(self) -> np.ndarray:
        """CA atoms of all chains [n, 3], in order."""
        return np.concatenate([strand.ca for strand in self.strands])

    @property
    def plddt(self) -> float:
        """Mean over the residues; NaN without confidence."""
        return float(np.mean(np.concatenate([strand.plddt for strand in self.strands])))


def read_models(path: Path, most: int | None = None) -> list[Model]:
    """The first ``most`` models of a PDB or mmCIF file; BetaFoldError, without the path, if it has none.

    Further models of a file are read as N, CA and C; their O and CB are put where they belong.
    """
    structure = read_structure(path)
    first = structure.models[0]
    chains = protein_chains(structure)
    b_factors = confidence(structure, read_text(path).splitlines())
    models = []
    for number in range(len(structure.models))[:most]:
        strands = []
        for chain in chains:
            if number:
                coords = place_o_cb(chain.coords[number])
                coords[np.array(list(chain.sequence)) == "G", ATOMS.index("CB")] = np.nan
            else:
                coords = atom_coords(first, chain.residues, ATOMS)
            strands.append(
                Strand(
                    chain.id,
                    chain.sequence,
                    tuple(residue.name for residue in chain.residues),
                    tuple(residue.number for residue in chain.residues),
                    coords,
                    b_factors[[residue.atoms["CA"] for residue in chain.residues]],
                )
            )
        models.append(Model(tuple(strands)))
    return models


def confidence(structure: Structure, lines: list[str]) -> np.ndarray:
    """pLDDT, 0-100, of each atom of the first model, from the B column of the file's ``lines``.

    NaN throughout where the file names an experiment, or the column cannot be a pLDDT. One on 0-1, as some
    predictors write, is multiplied by 100.
    """
    unknown = np.full(len(structure.models[0].name), np.nan)
    method = structure.header.method
    if method and "MODEL" not in method:  # EXPDTA THEORETICAL MODEL
        return unknown
    values = np.array([_number(text) for text in _b_column(lines)])
    if len(values) != len(unknown) or not ((values >= 0) & (values <= 100)).all() or not values.any():
        return unknown
    if values.max() <= 1:
        return 100 * values if np.ptp(values) > 0 else unknown
    return values


def _b_column(lines: list[str]) -> list[str]:
    """B factors of the atoms of the first model, in order, as written; [] where there are none."""
    if not is_mmcif(lines):
        return [line[60:66] for line in pdb_models(lines)[0] if not line.startswith("TER")]
    table = MmcifAtoms(lines)
    if "B_iso_or_equiv" not in table.items:
        return []
    column = table.items.index("B_iso_or_equiv")
    return [row.split()[column] for row in table.models()[0]]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def pdb_text(model: Model) -> str:
    """Backbone atoms as PDB records, pLDDT in the B column (0 where unknown).

    Chains whose id is not one letter get one; residues whose numbers do not fit the columns count from 1.
    """
    lines, serial = [], 0
    used = {strand.id for strand in model.strands}
    free = iter([letter for letter in CHAIN_LETTERS if letter not in used])
    for strand in model.strands:
        chain = strand.id if len(strand.id) == 1 else next(free, "A")
        numbers = [re.fullmatch(r"(-?\d{1,4})([A-Za-z]?)", number) for number in strand.numbers]
        if not all(match and len(match[1]) <= 4 for match in numbers):
            numbers = [re.fullmatch(r"(\d+)()", str(1 + place % 9999)) for place in range(len(numbers))]
        plddt = np.nan_to_num(strand.plddt)
        for name, number, atoms, value in zip(strand.names, numbers, strand.coords, plddt, strict=True):
            for atom, (x, y, z) in zip(ATOMS, atoms, strict=True):
                if not np.isfinite(x):
                    continue
                serial += 1
                lines.append(
                    f"ATOM  {serial % 100000:>5}  {atom:<3} {name[:3]:>3} {chain}{number[1]:>4}{number[2]:1}   "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{value:6.2f}          {atom[0]:>2}"
                )
        lines.append("TER")
    return "\n".join([*lines, "END", ""])
