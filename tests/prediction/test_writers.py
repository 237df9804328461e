"""Files are read back by programs that did not write them."""

import io

import biotite.structure as struc
import biotite.structure.io.pdb as biotite_pdb
import biotite.structure.io.pdbx as biotite_pdbx
import mdtraj
import modelcif.reader
import numpy as np
import prody
import pytest

import betafold_ext
from betafold.errors import BetaFoldError
from betafold.geometry.complete import place_o_cb
from betafold.prediction.writers import PredictedStructure, cif_text, pdb_text, write_structure

SEQUENCE = "ACDEFGHIKLMNPQRSTVWYG"
prody.LOGGER.verbosity = "none"


def structure(phi=-63.0, psi=-42.0, sequence=SEQUENCE, **changes):
    torsions = np.radians(np.tile([phi, psi, 180.0], (1, len(sequence), 1)))
    values = {
        "id": "all20",
        "name": "all twenty, and glycine",
        "sequence": sequence,
        "coords": place_o_cb(betafold_ext.nerf_batch(torsions)[0]),
        "plddt": np.linspace(0, 100, len(sequence)),
        "predicted_rmsd": 2.345,
        "rank": 2,
        "models": 5,
        "notes": {"model": "tiny, sha256 0123", "a long note": "word " * 60},
    }
    return PredictedStructure(**values | changes)


def expected_atoms(written):
    """(residue number, atom name, coordinates, B) of every atom that must be in the file."""
    for index, letter in enumerate(written.sequence):
        for atom, name in enumerate(("N", "CA", "C", "O", "CB")):
            if not (letter == "G" and name == "CB"):
                yield index + 1, name, written.coords[index, atom], written.plddt[index]


def check(written, numbers, names, coords, betas):
    expected = list(expected_atoms(written))
    assert list(zip(numbers, names, strict=True)) == [(number, name) for number, name, _, _ in expected]
    np.testing.assert_allclose(coords, [xyz for _, _, xyz, _ in expected], atol=6e-4)
    np.testing.assert_allclose(betas, [beta for _, _, _, beta in expected], atol=6e-3)


def test_prody_reads_the_pdb():
    written = structure()
    atoms, header = prody.parsePDBStream(io.StringIO(pdb_text(written)), header=True)
    check(written, atoms.getResnums(), atoms.getNames(), atoms.getCoords(), atoms.getBetas())
    assert atoms.ca.getSequence() == SEQUENCE
    assert header["A"].sequence == SEQUENCE  # SEQRES
    assert atoms.numCoordsets() == 1 and set(atoms.getChids()) == {"A"} and set(atoms.getOccupancies()) == {1}


def test_biotite_reads_the_pdb():
    written = structure()
    array = biotite_pdb.PDBFile.read(io.StringIO(pdb_text(written))).get_structure(
        model=1, extra_fields=["b_factor"]
    )
    check(written, array.res_id, array.atom_name, array.coord, array.b_factor)


def test_pdb_lines_keep_to_the_format():
    lines = pdb_text(structure(name="Ünicode \t name " * 10)).splitlines()
    assert all(len(line) <= 80 and line.isascii() for line in lines)
    records = [line[:6].strip() for line in lines]
    assert list(dict.fromkeys(records)) == ["TITLE", "EXPDTA", "REMARK", "SEQRES", "ATOM", "TER", "END"]
    assert records.count("TER") == 1 and records[-1] == "END"
    assert [line[8:10].strip() for line in lines if line.startswith("TITLE")] == ["", "2", "3"]
    text = " ".join(line[11:] for line in lines if line.startswith("REMARK"))
    for expected in ("NOT AN EXPERIMENTAL STRUCTURE", "PLDDT, 0-100", "2.35 ANGSTROM", "sha256 0123"):
        assert expected in text


def test_biotite_reads_the_cif(tmp_path):
    written = structure()
    write_structure(tmp_path / "a.cif", written)
    block = biotite_pdbx.CIFFile.read(tmp_path / "a.cif")
    array = biotite_pdbx.get_structure(block, model=1, extra_fields=["b_factor"])
    check(written, array.res_id, array.atom_name, array.coord, array.b_factor)
    assert str(next(iter(biotite_pdbx.get_sequence(block).values()))) == SEQUENCE


def test_prody_reads_the_cif():
    written = structure()
    atoms = prody.parseMMCIFStream(io.StringIO(cif_text(written)))
    check(written, atoms.getResnums(), atoms.getNames(), atoms.getCoords(), atoms.getBetas())


def test_the_cif_carries_modelcif_quality_scores():
    written = structure(plddt=np.full(len(SEQUENCE), 71.25))
    (system,) = modelcif.reader.read(io.StringIO(cif_text(written)))
    (model,) = [model for group in system.model_groups for model in group]
    local = {metric.residue.seq_id: metric.value for metric in model.qa_metrics if hasattr(metric, "residue")}
    assert local == pytest.approx(dict.fromkeys(range(1, len(SEQUENCE) + 1), 71.25))
    whole = {metric.name: metric.value for metric in model.qa_metrics if not hasattr(metric, "residue")}
    assert whole == pytest.approx({"pLDDT": 71.25, "expected CA-RMSD": 2.345})
    assert {software.name for software in system.software} == {"BetaFold"}


@pytest.mark.parametrize(("phi", "psi", "code"), [(-63.0, -42.0, "H"), (-120.0, 130.0, "C")])
def test_secondary_structure_is_assigned(tmp_path, phi, psi, code):
    write_structure(tmp_path / "a.pdb", structure(phi, psi, sequence="A" * 16))
    assigned = mdtraj.compute_dssp(mdtraj.load(tmp_path / "a.pdb"))[0]
    assert (assigned[2:-2] == code).all()
    array = biotite_pdb.PDBFile.read(tmp_path / "a.pdb").get_structure(model=1)
    assert set(struc.annotate_sse(array)[3:-3]) == {"a" if code == "H" else "b"}


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(BetaFoldError, match=r"use \.pdb or \.cif"):
        write_structure(tmp_path / "a.xyz", structure())
    assert not list(tmp_path.iterdir())
