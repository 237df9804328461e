"""Protein chains of any tool's PDB or mmCIF file, as far as their backbone is there."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Bio.Data.PDBData import protein_letters_3to1_extended

from betafold.errors import BetaFoldError
from betafold.evaluation import metrics
from betafold.structures.chains import bonded
from betafold.structures.naming import is_structure_file
from betafold.structures.reader import Atoms, read_structure
from betafold.structures.records import BACKBONE


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of L residues in M models: letters, and coords [M, L, 3, 3] of N, CA, C (NaN where absent)."""

    id: str
    sequence: str
    coords: np.ndarray


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
    models = [_residues(atoms) for atoms in read_structure(path).models]
    chains = []
    for identifier in dict.fromkeys(chain for chain, _ in models[0]):
        keys = [key for key in models[0] if key[0] == identifier]
        coords = np.full((len(models), len(keys), 3, 3), np.nan)
        for number, residues in enumerate(models):
            for row, key in enumerate(keys):
                if key in residues:
                    coords[number, row] = residues[key][1]
        chains.append(Chain(identifier, "".join(models[0][key][0] for key in keys), coords))
    if not chains:
        raise BetaFoldError("no protein chain: no residue with a CA atom")
    return chains


def _residues(atoms: Atoms) -> dict[tuple[str, str], tuple[str, np.ndarray]]:
    """(chain, number) -> (letter, coords [3, 3]) of the amino acids of one model, in the order of the file.

    Of alternate locations the one with the highest occupancy counts, atom by atom.
    """
    best, codes = {}, {}
    for index in np.flatnonzero(np.isin(atoms.name, BACKBONE)):
        key = (str(atoms.chain[index]), str(atoms.number[index]))
        codes.setdefault(key, (str(atoms.residue[index]), bool(atoms.hetero[index])))
        slot = (key, BACKBONE.index(atoms.name[index]))
        if slot not in best or atoms.occupancy[index] > atoms.occupancy[best[slot]]:
            best[slot] = index
    present = Counter(key for key, _ in best)
    residues = {}
    for key, (code, hetero) in codes.items():
        letter = protein_letters_3to1_extended.get(code.ljust(3), "X")
        # A calcium ion is an atom CA too; an unknown amino acid has the rest of a backbone or is an ATOM.
        if (key, 1) not in best or (letter == "X" and hetero and present[key] < 3):
            continue
        coords = np.full((3, 3), np.nan)
        for slot in range(3):
            if (key, slot) in best:
                coords[slot] = atoms.coords[best[key, slot]]
        residues[key] = (letter, coords)
    return residues


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
