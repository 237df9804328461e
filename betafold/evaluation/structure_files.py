"""Protein chains of any tool's PDB or mmCIF file, as far as their backbone is there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Bio.Data.PDBData import protein_letters_3to1_extended

from betafold.errors import BetaFoldError
from betafold.evaluation import metrics
from betafold.structures.chains import bonded
from betafold.structures.naming import is_structure_file
from betafold.structures.reader import Atoms, Structure, read_structure
from betafold.structures.records import BACKBONE
from betafold.structures.residues import Residue, atom_coords, residues_by_molecule


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of L residues in M models: letters, and coords [M, L, 3, 3] of N, CA, C (NaN where absent)."""

    id: str
    sequence: str
    coords: np.ndarray
    residues: tuple[Residue, ...] = ()  # of the first model


def structure_files(path: Path) -> list[Path]:
    """Structure files below a folder, or the one file itself, in order of name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BetaFoldError(f"{path}: no such file or folder")
    found = sorted(file for file in path.rglob("*") if is_structure_file(file) and file.is_file())
    if not found:
        raise BetaFoldError(f"{path}: no .pdb, .ent or .cif file in it (gzipped or not)")
    return found


def read_chains(path: Path) -> list[Chain]:
    """All protein chains of a file; BetaFoldError (without the path) if it has none or cannot be read."""
    return protein_chains(read_structure(path))


def protein_chains(structure: Structure) -> list[Chain]:
    """All protein chains of a structure; BetaFoldError if it has none."""
    models = [(atoms, _amino_acids(atoms)) for atoms in structure.models]
    first = models[0][1]
    chains = []
    for identifier in dict.fromkeys(chain for chain, _ in first):
        keys = [key for key in first if key[0] == identifier]
        coords = np.full((len(models), len(keys), 3, 3), np.nan)
        for number, (atoms, residues) in enumerate(models):
            rows = [row for row, key in enumerate(keys) if key in residues]
            coords[number, rows] = atom_coords(atoms, [residues[keys[row]] for row in rows], BACKBONE)
        members = tuple(first[key] for key in keys)
        chains.append(Chain(identifier, "".join(map(_letter, members)), coords, members))
    if not chains:
        raise BetaFoldError("no protein chain: no residue with a CA atom")
    return chains


def _amino_acids(atoms: Atoms) -> dict[tuple[str, str], Residue]:
    """(chain, number) -> residue of the amino acids of one model, in the order of the file; CA alone is enough."""
    found = {}
    for (chain, _), residues in residues_by_molecule(atoms).items():
        for residue in residues:
            # A calcium ion is an atom CA too; an unknown amino acid has the rest of a backbone or is an ATOM.
            known = _letter(residue) != "X" or not residue.hetero or residue.is_amino_acid
            if "CA" in residue.atoms and known:
                found.setdefault((chain, residue.number), residue)
    return found


def _letter(residue: Residue) -> str:
    """One-letter code, of a modified residue that of its parent; X where there is none."""
    return protein_letters_3to1_extended.get(residue.name.ljust(3), "X")


def torsions(coords: np.ndarray) -> np.ndarray:
    """phi, psi, omega in radians [L, 3] of N, CA, C coordinates [L, 3, 3] that may have gaps.

    NaN where an atom is missing and across chain breaks.
    """
    result = np.full((len(coords), 3), np.nan)
    complete = np.isfinite(coords).all(axis=(1, 2))
    linked = bonded(coords)
    starts = np.flatnonzero(complete & ~np.append(False, complete[:-1] & linked))
    ends = np.flatnonzero(complete & ~np.append(complete[1:] & linked, False)) + 1
    runs = list(zip(starts, ends, strict=True))
    if runs:
        for (start, end), values in zip(runs, metrics.torsions([coords[a:b] for a, b in runs]), strict=True):
            result[start:end] = values
    return result
