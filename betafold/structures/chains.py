"""Polymer chains of a structure: which residues, in which models, bonded how, in contact with what."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from betafold.structures.reader import Atoms, Structure
from betafold.structures.records import BACKBONE
from betafold.structures.residues import SUGAR, Residue, atom_coords, heavy_coords, residues_by_molecule

MAX_PEPTIDE_BOND = 2.0  # Angstrom; C(i)-N(i + 1) is 1.33, and 2.4 or more across a gap
CONTACT = 5.0  # Angstrom between heavy atoms
MIN_PARTNER = 4  # residues; what is smaller is a ligand
MAX_COPY_DIFFERENCE = 5  # residues that one copy of a chain may show more than another


@dataclass(frozen=True, eq=False)
class Polymer:
    """A protein, peptide or nucleic acid chain as a possible partner of a peptide."""

    sequence: str  # one-letter codes; of nucleic acids the residue names
    heavy: np.ndarray  # f8 [A, 3], all atoms but hydrogens


@dataclass(frozen=True, eq=False)
class Chain:
    """The n amino acid residues of one chain, in the order of the file."""

    id: str  # as its authors gave it; "_", "_1", "_2" ... for chains without one
    sequence: str  # one letter per residue, X for non-standard
    names: tuple[str, ...]  # chemical component codes
    numbers: tuple[str, ...]  # author's residue numbers with insertion codes
    models: np.ndarray  # f8 [M, n, 3, 3] N, CA, C; NaN where missing
    model_numbers: tuple[int, ...]  # of ``models``, counted from 1
    left_out: dict[int, str]  # number of a model that does not match the first -> why
    cb: np.ndarray  # f8 [n, 3], first model, NaN where missing
    sg: np.ndarray  # f8 [n, 3], first model, NaN where missing
    polymer: Polymer
    full_length: int  # residues of the molecule in the experiment, 0 where the file does not say

    @property
    def coords(self) -> np.ndarray:
        """f8 [n, 3, 3], first model."""
        return self.models[0]

    def __len__(self) -> int:
        return len(self.sequence)

    def span(self, start: int, stop: int) -> str:
        """Author's numbers of the residues start ... stop - 1."""
        first, last = self.numbers[start], self.numbers[stop - 1]
        return first if stop - start == 1 else f"{first} to {last}"


def bonded(coords: np.ndarray) -> np.ndarray:
    """Whether C of each residue is bonded to N of the next: bool [n - 1] for coords [n, 3, 3]."""
    return np.linalg.norm(coords[1:, 0] - coords[:-1, 2], axis=-1) < MAX_PEPTIDE_BOND


def _chain_residues(atoms: Atoms, residues: list[Residue]) -> list[Residue]:
    """Amino acids without those that are ligands: HETATM and without a peptide bond to either neighbour."""
    links = np.concatenate([[False], bonded(atom_coords(atoms, residues, BACKBONE)), [False]])
    return [residue for i, residue in enumerate(residues) if not residue.hetero or links[i] or links[i + 1]]


def _proteins(atoms: Atoms) -> dict[tuple[str, int], list[Residue]]:
    """Amino acids of each chain, by chain id and 0; chains without an id count 0, 1, 2 ... from TER to TER.

    Elsewhere TER says little: some files have one at every gap.
    """
    proteins, unnamed = {}, 0
    for (chain, _), residues in residues_by_molecule(atoms).items():
        amino_acids = [residue for residue in residues if residue.is_amino_acid]
        if amino_acids:
            proteins.setdefault((chain, 0 if chain else unnamed), []).extend(amino_acids)
            unnamed += not chain
    return proteins


def _nucleic_acids(atoms: Atoms) -> list[Polymer]:
    if not np.isin(atoms.name, SUGAR).any():
        return []
    polymers = []
    for residues in residues_by_molecule(atoms).values():
        nucleotides = [residue for residue in residues if residue.is_nucleotide]
        if len(nucleotides) >= MIN_PARTNER:
            names = " ".join(residue.name for residue in nucleotides)
            polymers.append(Polymer(names, heavy_coords(atoms, nucleotides)))
    return polymers


def _matched(atoms: Atoms, there: list[Residue], residues: list[Residue], first: np.ndarray) -> np.ndarray:
    """Backbone f8 [n, 3, 3] of ``residues`` in a further model; ValueError says how it differs from ``first``."""
    by_name = {(residue.number, residue.name): residue for residue in there}
    for residue in residues:
        if (residue.number, residue.name) not in by_name:
            raise ValueError(f"{residue.name} {residue.number} of the first model is not in it")
    coords = atom_coords(atoms, [by_name[r.number, r.name] for r in residues], BACKBONE)
    if (np.isnan(coords) != np.isnan(first)).any():
        raise ValueError("its backbone atoms are not those of the first model")
    return coords


def read_chains(structure: Structure) -> tuple[list[Chain], list[Polymer]]:
    """Amino acid chains of the first model, and all polymers (theirs first, then nucleic acids)."""
    atoms, *further = structure.models
    grouped = [_proteins(model) for model in further]
    chains = []
    for key, amino_acids in _proteins(atoms).items():
        residues = _chain_residues(atoms, amino_acids)
        if not residues:
            continue
        sequence = "".join(residue.letter for residue in residues)
        models, left_out = {1: atom_coords(atoms, residues, BACKBONE)}, {}
        for number, (model, there) in enumerate(zip(further, grouped, strict=True), start=2):
            try:
                models[number] = _matched(model, there.get(key, []), residues, models[1])
            except ValueError as error:
                left_out[number] = str(error)
        chains.append(
            Chain(
                id=key[0] or f"_{key[1] or ''}",
                sequence=sequence,
                names=tuple(residue.name for residue in residues),
                numbers=tuple(residue.number for residue in residues),
                models=np.stack(list(models.values())),
                model_numbers=tuple(models),
                left_out=left_out,
                cb=atom_coords(atoms, residues, ("CB",))[:, 0],
                sg=atom_coords(atoms, residues, ("SG",))[:, 0],
                polymer=Polymer(sequence, heavy_coords(atoms, residues)),
                full_length=structure.header.full_lengths.get(key[0], 0),
            )
        )
    proteins = [chain.polymer for chain in chains if len(chain) >= MIN_PARTNER]
    return chains, proteins + _nucleic_acids(atoms)


def _is_copy(a: str, b: str) -> bool:
    """Whether two chains are the same molecule, of which one may show more residues at its ends."""
    short, long = sorted((a, b), key=len)
    return short in long and len(long) - len(short) <= MAX_COPY_DIFFERENCE


def is_bound(chain: Chain, polymers: list[Polymer]) -> bool:
    """Whether another molecule, protein or nucleic acid of 4 or more residues, lies within 5 A of the chain.

    Copies of the chain itself do not count: a crystal or a symmetric oligomer of one peptide is the peptide's
    own. Neighbours across crystal symmetry are not in the file and not seen.
    """
    tree = cKDTree(chain.polymer.heavy)
    return any(
        np.isfinite(tree.query(other.heavy, distance_upper_bound=CONTACT)[0]).any()
        for other in polymers
        if other is not chain.polymer and not _is_copy(chain.sequence, other.sequence)
    )
