"""Labels of real entries against biotite, and the kind, rings and bridges that their coordinates show."""

import csv
import gzip

import biotite.structure as struc
import numpy as np
import pytest
from biotite.structure.io import pdb, pdbx

from betafold.structures.chains import read_chains
from betafold.structures.fragments import FragmentOptions
from betafold.structures.labelling import label_structure
from betafold.structures.naming import entry_name
from betafold.structures.plan import LabelOptions
from betafold.structures.reader import read_structure
from betafold.structures.samples import STANDARD

OPTIONS = LabelOptions(fragments=FragmentOptions(per_chain=100, stride=10))
ENTRIES = (
    *("pdb5awl.ent.gz", "pdb1a0m.ent.gz", "pdb7f32.ent.gz", "1v5a.cif.gz", "5i55.cif.gz"),
    *("pdb1ppe.ent.gz", "pdb1k33.ent.gz", "pdb1cbn.ent.gz", "pdb1jno.ent.gz"),
)


def label(path, options=OPTIONS):
    return label_structure(path, entry_name(path), options)


@pytest.fixture(scope="session")
def labelled(data_dir):
    return {name: label(data_dir / name) for name in ENTRIES}


@pytest.fixture
def samples_of(labelled):
    return lambda name: labelled[name][0]


@pytest.fixture
def reasons_of(labelled):
    return lambda name: [(r.chain, r.residues, r.reason) for r in labelled[name][1]]


def biotite_backbone(path, chain):
    """N, CA, C of a chain's amino acids as an AtomArray, read without any code of ours but the text."""
    with gzip.open(path, "rt") as handle:
        if ".cif" in path.name:
            file = pdbx.CIFFile.read(handle)
            atoms = pdbx.get_structure(file, model=1, altloc="occupancy")
        else:
            atoms = pdb.PDBFile.read(handle).get_structure(model=1, altloc="occupancy")
    atoms = atoms[(atoms.chain_id == chain) & np.isin(atoms.atom_name, ["N", "CA", "C"])]
    return atoms[struc.filter_amino_acids(atoms)]


def assert_torsions_agree(path, samples):
    """phi, psi and omega of every sample to 1e-4 rad; returns how many torsions were compared."""
    compared = 0
    for sample in samples:
        atoms = biotite_backbone(path, sample.chain)
        rows = slice(3 * sample.start, 3 * (sample.start + sample.length))
        assert atoms.atom_name[rows].tolist() == ["N", "CA", "C"] * sample.length
        expected = np.stack(struc.dihedral_backbone(atoms[rows]), axis=-1)
        np.testing.assert_array_equal(np.isnan(sample.torsions), np.isnan(expected))
        difference = np.angle(np.exp(1j * (sample.torsions - expected)))
        assert np.nanmax(abs(difference)) < 1e-4, sample.id
        np.testing.assert_allclose(sample.coords.reshape(-1, 3), atoms.coord[rows], atol=1e-4)
        compared += np.isfinite(expected).sum()
    return compared


@pytest.mark.parametrize("name", [name for name in ENTRIES if name != "pdb1jno.ent.gz"])
def test_torsions_agree_with_biotite(data_dir, samples_of, name):
    assert assert_torsions_agree(data_dir / name, samples_of(name)) > 20


def test_torsions_of_twenty_mirror_entries_agree_with_biotite(shared):
    with open(shared / "pdb" / "clean_peptides.tsv", newline="") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["class"] == "A"]
    files = list(dict.fromkeys(row["file"] for row in rows))
    tested = 0
    for file in files[:: len(files) // 30]:
        path = shared / "pdb" / file
        samples = [sample for sample in label(path)[0] if sample.kind != "fragment"][:1]
        tested += bool(assert_torsions_agree(path, samples)) if samples else 0
    assert tested >= 20


def test_every_sample_is_sound(labelled):
    for samples, _ in labelled.values():
        for sample in samples:
            assert 10 <= sample.length <= 30 and set(sample.sequence) <= set(STANDARD)
            assert sample.parent[sample.start : sample.start + sample.length] == sample.sequence
            assert sample.id == (
                f"{sample.entry}_{sample.chain}_{sample.start + 1}-{sample.start + sample.length}"
            )
            assert sample.mask.all() and np.isfinite(sample.coords).all()
            undefined = np.zeros((sample.length, 3), bool)
            undefined[0, 0] = undefined[-1, 1] = undefined[-1, 2] = True
            np.testing.assert_array_equal(np.isnan(sample.torsions), undefined)
            np.testing.assert_array_equal(sample.models[0], sample.coords)


def test_kinds_rings_and_bridges(samples_of):
    (cyclic,) = samples_of("pdb7f32.ent.gz")
    assert cyclic.cyclic and cyclic.kind == "free" and cyclic.sequence == "SYCNCLCRRGVCRCICTI"
    assert len(cyclic.disulfides) == 3
    assert all(cyclic.sequence[i] == cyclic.sequence[j] == "C" for i, j in cyclic.disulfides)
    (linear,) = samples_of("pdb5awl.ent.gz")
    assert not linear.cyclic and linear.disulfides == () and linear.resolution == pytest.approx(1.11)
    inhibitor = samples_of("pdb1ppe.ent.gz")[-1]
    assert (inhibitor.chain, inhibitor.kind, inhibitor.length) == ("I", "bound", 29)
    assert {sample.kind for sample in samples_of("pdb1ppe.ent.gz")[:-1]} == {"fragment"}


def test_selenomethionine_is_methionine(samples_of):
    (sample,) = samples_of("5i55.cif.gz")
    assert sample.sequence == "MEFVAKLFKFFKDLLGKFLGNN" and sample.parent == sample.sequence


def test_nmr_models_are_all_kept_and_the_first_one_is_labelled(samples_of):
    assert samples_of("pdb7f32.ent.gz")[0].models.shape == (9, 18, 3, 3)
    (sample,) = samples_of("1v5a.cif.gz")
    assert sample.models.shape == (3, 28, 3, 3) and sample.method == "SOLUTION NMR"
    assert abs(sample.models[1] - sample.models[0]).max() > 0.1


def test_what_is_left_out_is_said(samples_of, reasons_of):
    assert samples_of("pdb1jno.ent.gz") == []
    for chain, residues, reason in reasons_of("pdb1jno.ent.gz"):
        assert chain in "AB" and residues == "1 to 15"
        assert "modified residue FVA 1" in reason and "D residue DLE 4" in reason
    ((chain, residues, reason),) = reasons_of("pdb1a0m.ent.gz")
    assert (chain, residues) == ("B", "1 to 16") and reason.startswith("duplicate of chain A 1 to 16")
    ((chain, residues, reason),) = reasons_of("pdb1k33.ent.gz")
    assert (chain, residues) == ("A", "32 to 37") and reason.startswith("chain break")


def test_fragments_do_not_cross_a_break(data_dir, samples_of):
    (chain,) = read_chains(read_structure(data_dir / "pdb1k33.ent.gz"))[0]
    gap = chain.numbers.index("37")
    for sample in samples_of("pdb1k33.ent.gz"):
        assert sample.start >= gap or sample.start + sample.length <= gap


def test_copies_of_another_shape_are_kept(data_dir):
    strict = LabelOptions(duplicate_rmsd=0.1)
    assert [sample.chain for sample in label(data_dir / "pdb1a0m.ent.gz", strict)[0]] == ["A", "B"]


def edited(tmp_path, data_dir, name, keep, change=lambda line: line):
    lines = gzip.decompress((data_dir / name).read_bytes()).decode().splitlines()
    path = tmp_path / "edited.pdb"
    path.write_text("\n".join(change(line) for line in lines if keep(line)) + "\n")
    return path


def is_atom(line):
    return line.startswith(("ATOM", "HETATM"))


@pytest.mark.parametrize(
    "name, keep, expected",
    [
        ("pdb5awl.ent.gz", lambda line: not is_atom(line) or line[12:16] == " CA ", "CA-only"),
        ("pdb5awl.ent.gz", lambda line: not is_atom(line) or int(line[22:26]) < 10, "chain of 9 residues"),
        ("pdb5awl.ent.gz", lambda line: not is_atom(line) or "HOH" in line, "no protein or peptide chain"),
        ("pdb1a0m.ent.gz", lambda line: not is_atom(line) or int(line[22:26]) != 9, "unbroken stretch of 8 "),
    ],
)
def test_useless_chains(tmp_path, data_dir, name, keep, expected):
    samples, rejections = label(edited(tmp_path, data_dir, name, keep))
    assert not samples and any(expected in rejection.reason for rejection in rejections)


def test_a_peptide_without_its_disordered_end_is_still_a_peptide(tmp_path, data_dir):
    def keep(line):
        return not is_atom(line) or (line[21] == "A" and (int(line[22:26]) < 16 or line[12:16] == " N  "))

    (sample,), (rejection,) = label(edited(tmp_path, data_dir, "pdb1a0m.ent.gz", keep))
    assert sample.kind == "free" and sample.length == 15 and len(sample.parent) == 16
    assert rejection.residues == "16" and "backbone atoms CA, C" in rejection.reason


def test_the_visible_part_of_a_longer_chain_is_a_fragment(tmp_path, data_dir):
    path = edited(
        tmp_path,
        data_dir,
        "pdb5awl.ent.gz",
        lambda line: True,
        lambda line: line[:13] + "  99" + line[17:] if line.startswith("SEQRES") else line,
    )
    (sample,), _ = label(path)
    assert sample.kind == "fragment" and sample.sequence == "YYDPETGTWY"


def test_models_that_differ_are_left_out_one_by_one(tmp_path, data_dir):
    """Of the nine models the second lacks a residue, the third an atom, the fourth is torn apart."""
    model = 0

    def keep(line):
        nonlocal model
        model += line.startswith("MODEL")
        residue = int(line[22:26]) if is_atom(line) else None
        lost = (model == 2 and residue == 5) or (model == 3 and residue == 5 and line[12:16] == " CA ")
        return not lost

    seen = 0

    def tear(line):
        nonlocal seen
        seen += line.startswith("MODEL")
        if seen == 4 and is_atom(line) and int(line[22:26]) > 9:
            return line[:30] + f"{float(line[30:38]) + 50:8.3f}" + line[38:]
        return line

    (sample,), rejections = label(edited(tmp_path, data_dir, "pdb7f32.ent.gz", keep, tear))
    assert sample.models.shape[0] == 6
    assert [rejection.reason.split(" left")[0] for rejection in rejections] == [
        "model 2",
        "model 3",
        "model 4",
    ]
    assert "CYS 5" in rejections[0].reason and "chain break" in rejections[2].reason


def test_theoretical_models_are_no_data(tmp_path, data_dir):
    def change(line):
        return "EXPDTA    THEORETICAL MODEL" if line.startswith("EXPDTA") else line

    samples, (rejection,) = label(edited(tmp_path, data_dir, "pdb5awl.ent.gz", lambda line: True, change))
    assert not samples and "theoretical model" in rejection.reason


def test_models_with_a_nucleic_acid_in_front_match(tmp_path, data_dir):
    """The second molecule of every model is the peptide, whatever stands before it."""
    nucleotides = "".join(
        f"ATOM  {i:5d}  {atom}   G R{i:4d}    {i * 9.0:8.3f}{90:8.3f}{90:8.3f}  1.00  0.00           {atom[0]}\n"
        for i in range(1, 6)
        for atom in ("C4'", "N9 ")
    )
    text = gzip.decompress((data_dir / "pdb7f32.ent.gz").read_bytes()).decode()
    lines = []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if line.startswith("MODEL"):
            lines.append(nucleotides + "TER\n")
    path = tmp_path / "complex.pdb"
    path.write_text("".join(lines))
    (sample,), rejections = label(path)
    assert sample.models.shape[0] == 9 and not rejections
