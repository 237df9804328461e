"""One predicted backbone as PDB (ProDy) or mmCIF with ModelCIF quality categories (python-modelcif).

Both hold N, CA, C, O and CB (no CB in glycine) of chain A, numbered from 1, with pLDDT (0-100) in the B column.
"""

import io
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np

from betafold import __version__
from betafold.errors import BetaFoldError
from betafold.files import write_beside

ATOM_NAMES = ("N", "CA", "C", "O", "CB")
ELEMENTS = ("N", "C", "C", "O", "C")
THREE_LETTER = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE", "K": "LYS",
    "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "V": "VAL",
    "W": "TRP", "Y": "TYR",
}  # fmt: skip
CHAIN = "A"


@dataclass(frozen=True)
class PredictedStructure:
    """What a structure file says.

    Attributes:
        id: identifier of the record.
        name: the record's full name, free text.
        sequence: L one-letter codes.
        coords: [L, 5, 3] N, CA, C, O, CB in Angstrom; CB of glycine is ignored.
        plddt: [L], 0-100.
        predicted_rmsd: expected CA-RMSD to the native structure in Angstrom.
        rank: 1 for the best of ``models`` conformers.
        models: number of conformers predicted for the record.
        version: of the program.
        notes: label -> text, written as remarks in this order.
    """

    id: str
    name: str
    sequence: str
    coords: np.ndarray
    plddt: np.ndarray
    predicted_rmsd: float
    rank: int = 1
    models: int = 1
    version: str = __version__
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """One line of plain ASCII that names the peptide."""
        name = " ".join((self.name or self.id).encode("ascii", "replace").decode().split())
        return f"{name}, predicted conformer {self.rank} of {self.models}"


def atoms_of(sequence: str) -> np.ndarray:
    """[n, 2] (residue, atom) indices of the atoms that exist, in file order: no CB in glycine."""
    exists = np.ones((len(sequence), len(ATOM_NAMES)), dtype=bool)
    exists[np.array(list(sequence)) == "G", ATOM_NAMES.index("CB")] = False
    return np.argwhere(exists)


def _remarks(structure: PredictedStructure) -> list[str]:
    return [
        "BACKBONE PREDICTED BY BETAFOLD; NOT AN EXPERIMENTAL STRUCTURE",
        "B FACTOR: PLDDT, 0-100, EXPECTED PER-RESIDUE LDDT; HIGHER IS BETTER",
        f"EXPECTED CA-RMSD: {structure.predicted_rmsd:.2f} ANGSTROM",
        *(f"{label.upper()}: {text}" for label, text in structure.notes.items()),
    ]


def pdb_text(structure: PredictedStructure) -> str:
    """PDB format 3.3: TITLE, EXPDTA, free-text remarks (number 6), SEQRES, atoms, TER, END."""
    residue, atom = atoms_of(structure.sequence).T
    group = _atom_group(structure.sequence)
    group.setCoords(structure.coords[residue, atom].astype(float))
    group.setBetas(structure.plddt[residue].astype(float))

    stream = io.StringIO()
    for number, line in enumerate(textwrap.wrap(structure.title.upper(), 68), start=1):
        stream.write(f"TITLE   {number if number > 1 else '':>2}{' ' if number > 1 else ''}{line}\n")
    stream.write("EXPDTA    THEORETICAL MODEL\nREMARK   6\n")
    for remark in _remarks(structure):
        for line in textwrap.wrap(remark, 68, break_on_hyphens=False):
            stream.write(f"REMARK   6 {line}\n")
    codes = [THREE_LETTER[letter] for letter in structure.sequence]
    for row in range(0, len(codes), 13):
        line = " ".join(codes[row : row + 13])
        stream.write(f"SEQRES {row // 13 + 1:>3} {CHAIN} {len(codes):>4}  {line}\n")
    _prody().writePDBStream(stream, group, write_remarks=False)
    return stream.getvalue()


@lru_cache(maxsize=4)
def _atom_group(sequence: str):
    """ProDy atoms of a peptide, without coordinates: making them costs as much as writing them."""
    residue, atom = atoms_of(sequence).T
    group = _prody().AtomGroup(sequence)
    group.setNames(np.array(ATOM_NAMES)[atom])
    group.setElements(np.array(ELEMENTS)[atom])
    group.setResnames(np.array([THREE_LETTER[letter] for letter in sequence])[residue])
    group.setResnums(residue + 1)
    group.setChids(np.full(len(residue), CHAIN))
    group.setOccupancies(np.ones(len(residue)))
    group.setFlags("pdbter", np.arange(len(residue)) == len(residue) - 1)
    return group


@cache
def _prody():
    """ProDy with its log to stderr off (its own ``confProDy`` would write into the home directory)."""
    import prody

    prody.LOGGER.verbosity = "none"
    return prody


@cache
def _quality_scores():
    """ModelCIF score classes for per-residue and mean pLDDT and for the expected RMSD."""
    import modelcif.qa_metric

    class LocalPLDDT(modelcif.qa_metric.Local, modelcif.qa_metric.PLDDT):
        """Predicted local distance difference test, 0-100"""

        name = "pLDDT"
        software = None

    class MeanPLDDT(modelcif.qa_metric.Global, modelcif.qa_metric.PLDDT):
        """Mean of the per-residue pLDDT, 0-100"""

        name = "pLDDT"
        software = None

    class ExpectedRMSD(modelcif.qa_metric.Global, modelcif.qa_metric.Distance):
        """Expected CA-RMSD to the native structure, Angstrom"""

        name = "expected CA-RMSD"
        software = None

    return LocalPLDDT, MeanPLDDT, ExpectedRMSD


def cif_text(structure: PredictedStructure) -> str:
    """mmCIF with the ModelCIF extension: atoms, sequence, software, protocol and ``_ma_qa_metric*``."""
    import modelcif
    import modelcif.dumper
    import modelcif.model
    import modelcif.protocol

    system = modelcif.System(
        title=structure.title, id=structure.id, model_details=" ".join(_remarks(structure))
    )
    entity = modelcif.Entity(structure.sequence, description=structure.name or structure.id)
    chain = modelcif.AsymUnit(entity, details=structure.name or structure.id, id=CHAIN)
    assembly = modelcif.Assembly([chain], name="peptide")
    program = modelcif.Software(
        "BetaFold", "model building", "Backbone prediction of short peptides", None, version=structure.version
    )
    system.software.append(program)

    class BackboneModel(modelcif.model.AbInitioModel):
        def get_atoms(self):
            for residue, atom in atoms_of(structure.sequence):
                x, y, z = structure.coords[residue, atom].tolist()
                yield modelcif.model.Atom(
                    asym_unit=chain,
                    seq_id=int(residue) + 1,
                    atom_id=ATOM_NAMES[atom],
                    type_symbol=ELEMENTS[atom],
                    x=x,
                    y=y,
                    z=z,
                    biso=float(structure.plddt[residue]),
                    occupancy=1.0,
                )

    model = BackboneModel(assembly=assembly, name=f"rank {structure.rank}")
    local, mean, expected = _quality_scores()
    model.qa_metrics.append(mean(round(float(structure.plddt.mean()), 2)))
    model.qa_metrics.append(expected(round(float(structure.predicted_rmsd), 3)))
    for index, value in enumerate(structure.plddt.tolist(), start=1):
        model.qa_metrics.append(local(chain.residue(index), round(value, 2)))
    system.model_groups.append(modelcif.model.ModelGroup([model]))
    protocol = modelcif.protocol.Protocol()
    protocol.steps.append(
        modelcif.protocol.ModelingStep(
            input_data=entity, output_data=model, name="prediction", software=program
        )
    )
    system.protocols.append(protocol)
    stream = io.StringIO()
    modelcif.dumper.write(stream, [system])
    return stream.getvalue()


def write_structure(path: str | os.PathLike, structure: PredictedStructure) -> None:
    """Write ``structure`` in the format that the suffix of ``path`` names (.pdb or .cif)."""
    suffix = os.path.splitext(path)[1]
    if suffix == ".pdb":
        text = pdb_text(structure)
    elif suffix == ".cif":
        text = cif_text(structure)
    else:
        raise BetaFoldError(f"{path}: unknown structure format {suffix!r}; use .pdb or .cif")
    with write_beside(path) as partial:
        partial.write_text(text)
