"""PDBbind's layout: read in every shape it comes in, written from labels, and both with real entries."""

import csv
import gzip
import math

import numpy as np
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, get_structure

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.structures.labels import read_labels
from betafold.structures.pdbbind import list_pdbbind
from betafold.structures.sources import read_structures

INDEX_LINES = """\
# ==============================================================================
# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference, ligand name
2tpi  2.10  1982   4.31  Kd=49uM       // 2tpi.pdf (2-mer)
1abc  NMR   2001   2.00  Kd=10mM       // 1abc.pdf (MLY)
"""


def put(path, text="HEADER\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def reasons(skipped):
    return {entry: reason for entry, _, reason in skipped}


@pytest.mark.parametrize(
    "index, folder",
    [
        ("index/INDEX_general_PL.2020R1.lst", "P-L/1981-2000/{}"),
        ("index/INDEX_general_PL_data.2020", "P-L/{}"),
        ("refined-set/index/INDEX_refined_data.2020", "refined-set/{}"),
        ("v2020-other-PL/index/INDEX_general_PL_data.2020", "v2020-other-PL/{}"),
        ("index/INDEX_refined_set.2016", "general-set-except-refined/{}"),
    ],
)
def test_every_release_is_read(tmp_path, index, folder):
    put(tmp_path / index, INDEX_LINES)
    files = [put(tmp_path / folder.format(code) / f"{code}_protein.pdb") for code in ("1abc", "2tpi")]
    for other in ("pocket.pdb", "ligand.mol2"):
        put(tmp_path / folder.format("2tpi") / f"2tpi_{other}")
    entries, skipped = list_pdbbind(tmp_path)
    assert [(entry.name, entry.path) for entry in entries] == [("1abc", files[0]), ("2tpi", files[1])]
    assert math.isnan(entries[0].resolution) and entries[1].resolution == 2.1
    assert skipped == []


def test_what_does_not_fit_together_is_said(tmp_path):
    lines = "9zzz  1.80  2015  Ki=1nM // 9zzz.pdf (ABC)\n../../etc  1.8  2001\n8nof  1.5  2001\nnonsense\n"
    put(tmp_path / "index" / "INDEX_general_PL.2020", INDEX_LINES + lines)
    put(tmp_path / "index" / "INDEX_general_PL_name.2020", "2tpi  1982  P00760  TRYPSIN\n1abc  2001  P0  X\n")
    put(tmp_path / "index" / "INDEX_general_PP.2020", "4ppi  1.80  2015  Kd=1nM // a protein pair\n")
    put(tmp_path / "index" / "README", "not an index")
    chosen = put(tmp_path / "refined-set" / "2TPI" / "2TPI_protein.pdb")
    put(tmp_path / "general-set" / "2tpi" / "2tpi_protein.pdb")
    put(tmp_path / "refined-set" / "3xyz" / "3xyz_protein.pdb")
    put(tmp_path / "refined-set" / "1abc" / "2abc_protein.pdb")
    put(tmp_path / "refined-set" / "8nof" / "8nof_pocket.pdb")
    entries, skipped = list_pdbbind(tmp_path)
    assert [(entry.name, entry.path, entry.resolution) for entry in entries] == [("2tpi", chosen, 2.1)]
    assert {entry: reason[:25] for entry, reason in reasons(skipped).items()} == {
        "9zzz": "in the index only: no fol",
        "INDEX_general_PL.2020:6": "not a line of an index: '",
        "INDEX_general_PL.2020:8": "not a line of an index: '",
        "8nof": "a folder without protein ",
        "1abc": "a folder without protein ",
        "2abc": "not in a folder with the ",
        "3xyz": "not in the index; add a l",
        "2tpi": "entry 2tpi is taken from ",
    }


def test_folders_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    put(tmp_path / "bare" / "P-L" / "2tpi" / "2tpi_protein.pdb")
    put(tmp_path / "lonely" / "index" / "INDEX_general_PL.2020", INDEX_LINES)
    for name, words in {
        "none": "no such folder",
        "empty": "no index",
        "bare": "no index",
        "lonely": "no entry",
    }.items():
        with pytest.raises(BetaFoldError, match=words) as refused:
            list_pdbbind(tmp_path / name)
        assert "\n" not in str(refused.value)


def test_links_are_followed_and_loops_are_not(tmp_path):
    put(tmp_path / "disk" / "2tpi" / "2tpi_protein.pdb")
    top = tmp_path / "pdbbind"
    put(top / "index" / "INDEX_general_PL.2020", INDEX_LINES)
    (top / "P-L").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "2tpi" / "again").symlink_to(top)
    entries, _ = list_pdbbind(top)
    assert [entry.path for entry in entries] == [top / "P-L" / "2tpi" / "2tpi_protein.pdb"]


# --- real entries


def full_structure(path):
    """All atoms of a wwPDB file, waters and hydrogens included, by biotite."""
    fields = ["occupancy", "b_factor"]
    with gzip.open(path, "rt") as handle:
        if ".cif" in path.name:
            return get_structure(CIFFile.read(handle), model=1, altloc="occupancy", extra_fields=fields)
        return PDBFile.read(handle).get_structure(model=1, altloc="occupancy", extra_fields=fields)


def write_protein_file(folder, code, atoms):
    """CODE/CODE_protein.pdb with the three lines of heading that PDBbind's files have."""
    path = folder / code / f"{code}_protein.pdb"
    path.parent.mkdir(parents=True)
    file = PDBFile()
    file.set_structure(atoms)
    heading = [f"HEADER    {code.upper()}_PROTEIN", f"COMPND    {code.upper()}_PROTEIN"]
    file.lines[:0] = [*heading, "REMARK    GENERATED BY X-TOOL on Wed Nov 21 18:02:19 2012"]
    file.write(path)
    return path


def run(tmp_path, source, *options):
    """Fetch, label and split ``source`` by hand; returns the samples and the rejections."""
    results = tmp_path / "results"
    table, labels = results / "structures.tsv", results / "labels.zarr" / "00"
    fetch = ["fetch", "structures", "--source", "pdbbind", "--path", str(source), "--shards", "1"]
    assert main([*fetch, "--out", str(table)]) == 0
    label = ["label", "--entries", str(table), "--shard", "0", "--max-length", "512", *options]
    assert main([*label, "--out", str(labels), "--rejected", f"{results}/rejected.tsv"]) == 0
    assert main(["split", "--labels", str(labels), "--out", f"{results}/split.tsv"]) == 0
    with open(results / "rejected.tsv", newline="") as handle:
        return read_labels(labels), list(csv.DictReader(handle, delimiter="\t"))


def test_a_folder_of_the_test_data_through_fetch_label_and_split(tmp_path, data_dir):
    """Blank chain ids and hydrogens as in old releases, waters as in all."""
    top = tmp_path / "pdbbind"
    blank, trypsin = full_structure(data_dir / "pdb7f32.ent.gz"), full_structure(data_dir / "pdb1ppe.ent.gz")
    blank.chain_id[:] = ""
    assert "H" in blank.element and "HOH" in trypsin.res_name
    write_protein_file(top / "P-L" / "2011-2019", "7f32", blank)
    write_protein_file(top / "P-L" / "1981-2000", "1ppe", trypsin)
    write_protein_file(top / "P-L" / "1981-2000", "1cbn", full_structure(data_dir / "pdb1cbn.ent.gz"))
    put(
        top / "index" / "INDEX_general_PL.2020R1.lst", "7f32  NMR  2021\n1ppe  2.00  1994\n1cbn  0.83  1991\n"
    )
    samples, _ = run(tmp_path, top, "--fragments-per-chain", "0")
    assert {(s.id, s.kind) for s in samples} == {
        ("7f32___1-18", "free"),
        ("1ppe_E_1-223", "chain"),
        ("1ppe_I_1-29", "bound"),
        ("1cbn_A_1-46", "chain"),
    }
    resolutions = {sample.entry: sample.resolution for sample in samples}
    assert math.isnan(resolutions.pop("7f32"))
    assert resolutions == pytest.approx({"1ppe": 2.0, "1cbn": 0.83})


def test_a_header_in_the_file_goes_before_the_index(tmp_path, data_dir):
    top = tmp_path / "pdbbind"
    text = gzip.decompress((data_dir / "pdb5awl.ent.gz").read_bytes()).decode()
    put(top / "P-L" / "5awl" / "5awl_protein.pdb", text)
    put(top / "index" / "INDEX_general_PL", "5awl  9.99  2016\n")
    ((sample,), _) = run(tmp_path, top)
    assert sample.resolution == pytest.approx(1.11)


def export(labels, out, *options):
    return main(["export", "--labels", str(labels), "--format", "pdbbind", "--out", str(out), *options])


def test_labels_to_a_folder_and_back(tmp_path, data_dir, capsys):
    names = ("pdb5awl.ent.gz", "pdb1ppe.ent.gz", "pdb1cbn.ent.gz", "pdb7f32.ent.gz")
    files = [str(data_dir / name) for name in names]
    first = tmp_path / "labels.zarr" / "00"
    label = ["label", *files, "--max-length", "512", "--fragments-per-chain", "0", "--out", str(first)]
    assert main([*label, "--rejected", f"{tmp_path}/r.tsv"]) == 0
    assert export(first, tmp_path / "out" / "pdbbind") == 0
    assert (tmp_path / "out" / "pdbbind.provenance.json").is_file()
    path = tmp_path / "out" / "pdbbind" / "P-L" / "1ppe" / "1ppe_protein.pdb"
    atoms = PDBFile.read(path).get_structure(model=1)
    assert set(atoms.chain_id) == {"E", "I"} and set(atoms.atom_name) == {"N", "CA", "C"}
    originals = {sample.id: sample for sample in read_labels(first)}
    samples, rejections = run(tmp_path, tmp_path / "out" / "pdbbind", "--fragments-per-chain", "0")
    assert rejections == [] and {sample.id for sample in samples} == originals.keys()
    for sample in samples:
        original = originals[sample.id]
        assert (sample.sequence, sample.kind) == (original.sequence, original.kind)
        np.testing.assert_allclose(sample.coords, original.coords, atol=6e-4)
        np.testing.assert_equal(sample.resolution, original.resolution)
    capsys.readouterr()
    assert export(first, tmp_path / "out" / "pdbbind") == 1  # what is there is never replaced
    assert capsys.readouterr().err.count("\n") == 1


def test_samples_that_the_layout_cannot_hold_are_one_line_each(tmp_path, data_dir, capsys):
    (tmp_path / "my peptide.pdb").write_bytes(gzip.decompress((data_dir / "pdb5awl.ent.gz").read_bytes()))
    label = [
        "label",
        f"{tmp_path}/my peptide.pdb",
        str(data_dir / "pdb1a0m.ent.gz"),
        "--out",
        f"{tmp_path}/0",
    ]
    assert main([*label, "--rejected", f"{tmp_path}/r.tsv"]) == 0
    capsys.readouterr()
    assert export(tmp_path / "0", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "item 1 (my-peptide_A_1-10): not of a PDB entry" in line
    assert [path.name for path in (tmp_path / "out" / "P-L").iterdir()] == ["1a0m"]
    assert export(tmp_path / "0", tmp_path / "other", "--kinds", "fragment") == 1
    assert "fragments overlap" in capsys.readouterr().err and not (tmp_path / "other").exists()


def test_a_folder_made_of_mirror_entries(tmp_path, shared):
    """Twenty entries of the mirror, all atoms, through fetch, label and split; CA against biotite."""
    with open(shared / "pdb" / "index.tsv", newline="") as handle:
        rows = [
            row for row in csv.DictReader(handle, delimiter="\t") if row["class"] == "A" and row["resolution"]
        ]
    rows = [row for row in rows if 40 <= int(row["length"]) <= 200]
    by_entry = {row["pdb_id"]: row for row in rows}
    top, lines, entries = tmp_path / "pdbbind", [], list(by_entry.values())
    structures = {}
    for row in entries[:: len(entries) // 20][:20]:
        code, year = row["pdb_id"].lower(), row["date"][:4]
        structures[code] = full_structure(shared / "pdb" / row["file"])
        years = "1981-2000" if year <= "2000" else "2001-2010" if year <= "2010" else "2011-2019"
        write_protein_file(top / "P-L" / years, code, structures[code])
        lines.append(f"{code}  {float(row['resolution']):.2f}  {year}  Kd=49uM       // {code}.pdf (2-mer)\n")
    put(top / "index" / "INDEX_general_PL.2020R1.lst", "".join(lines))
    samples, _ = run(tmp_path, top, "--fragments-per-chain", "0")
    chains = [sample for sample in samples if sample.kind == "chain"]
    assert len(read_structures(tmp_path / "results" / "structures.tsv")) == 20
    assert len({sample.entry for sample in chains}) >= 10
    for sample in chains:
        assert 31 <= sample.length <= 512 and sample.resolution == np.float32(
            by_entry[sample.entry]["resolution"]
        )
        atoms = structures[sample.entry]
        ca = atoms.coord[
            (atoms.chain_id == sample.chain) & (atoms.atom_name == "CA") & (atoms.element == "C")
        ]
        distances = np.linalg.norm(ca[:, None] - sample.coords[None, :, 1], axis=-1)
        assert distances.min(0).max() < 2e-3
