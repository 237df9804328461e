"""Which residues count: alternate locations, modified and D residues, breaks, impossible geometry."""

import gzip

import numpy as np
import pytest

from betafold.structures.chains import read_chains
from betafold.structures.quality import breaks, chiral_volumes, residue_faults
from betafold.structures.quality import segments as unbroken
from betafold.structures.reader import read_structure
from betafold.structures.residues import LETTERS


def segments(chain):
    return unbroken(len(chain), residue_faults(chain), breaks(chain))


@pytest.fixture
def lines(data_dir):
    """Atom records of chignolin (10 residues, chain A, numbers 1-10)."""
    text = gzip.decompress((data_dir / "pdb5awl.ent.gz").read_bytes()).decode()
    return [line for line in text.splitlines() if line.startswith(("ATOM", "TER"))]


def edit(line, *, altloc=None, residue=None, chain=None, number=None, icode=None, occupancy=None, shift=None):
    """One PDB record with some columns replaced (format 3.3)."""
    fields = list(line.ljust(80))
    for text, first, last in ((altloc, 16, 17), (residue, 17, 20), (chain, 21, 22), (icode, 26, 27)):
        if text is not None:
            fields[first:last] = text
    if number is not None:
        fields[22:26] = f"{number:4d}"
    if occupancy is not None:
        fields[54:60] = f"{occupancy:6.2f}"
    if shift is not None:
        fields[30:38] = f"{float(line[30:38]) + shift:8.3f}"
    return "".join(fields)


def number(line):
    return int(line[22:26])


def chain_of(tmp_path, lines):
    path = tmp_path / "x.pdb"
    path.write_text("\n".join(lines) + "\nEND\n")
    (chain,) = read_chains(read_structure(path))[0]
    return chain


def test_plain_peptide(tmp_path, lines):
    chain = chain_of(tmp_path, lines)
    assert chain.sequence == "YYDPETGTWY" and chain.span(0, 10) == "1 to 10"
    assert not residue_faults(chain) and not breaks(chain)
    (segment,) = segments(chain)
    assert (segment.start, segment.stop) == (0, 10)


@pytest.mark.parametrize(
    "first, second, chosen", [(0.3, 0.7, "second"), (0.7, 0.3, "first"), (0.5, 0.5, "first")]
)
@pytest.mark.parametrize("labels", ["AB", "BC", "12"])
def test_the_most_occupied_conformer_is_taken(tmp_path, lines, first, second, chosen, labels):
    """Also where none of the two is called A; on a tie the first of the file."""
    plain = chain_of(tmp_path, lines)
    doubled = []
    for line in lines:
        if line.startswith("ATOM") and number(line) == 5:
            doubled.append(edit(line, altloc=labels[0], occupancy=first))
            doubled.append(edit(line, altloc=labels[1], occupancy=second, shift=0.2))
        else:
            doubled.append(line)
    chain = chain_of(tmp_path, doubled)
    assert chain.sequence == plain.sequence
    moved = chain.coords[:, :, 0] - plain.coords[:, :, 0]
    np.testing.assert_allclose(moved[4], 0.2 if chosen == "second" else 0.0, atol=1e-6)
    np.testing.assert_allclose(np.delete(moved, 4, axis=0), 0, atol=1e-6)


def test_microheterogeneity_is_one_residue(tmp_path, lines, data_dir):
    doubled = []
    for line in lines:
        if line.startswith("ATOM") and number(line) == 6:  # THR
            doubled.append(edit(line, altloc="A", residue="SER", occupancy=0.4))
            doubled.append(edit(line, altloc="B", occupancy=0.6))
        else:
            doubled.append(line)
    assert chain_of(tmp_path, doubled).sequence == "YYDPETGTWY"
    (crambin,) = read_chains(read_structure(data_dir / "pdb1cbn.ent.gz"))[0]
    assert len(crambin) == 46 and not residue_faults(crambin)


def test_insertion_codes_and_wild_numbers_do_not_break_a_chain(tmp_path, lines):
    wild = {5: (5, "A"), 6: (5, "B"), 7: (900, " "), 8: (-3, " ")}
    renumbered = [
        edit(line, number=wild[number(line)][0], icode=wild[number(line)][1])
        if line.startswith("ATOM") and number(line) in wild
        else line
        for line in lines
    ]
    chain = chain_of(tmp_path, renumbered)
    assert chain.sequence == "YYDPETGTWY" and chain.numbers[4:8] == ("5A", "5B", "900", "-3")
    assert len(segments(chain)) == 1


def test_lost_insertion_code_is_still_two_residues(tmp_path, lines):
    renumbered = [
        edit(line, number=5) if line.startswith("ATOM") and number(line) == 6 else line for line in lines
    ]
    assert chain_of(tmp_path, renumbered).sequence == "YYDPETGTWY"


def test_a_missing_residue_is_a_break(tmp_path, lines):
    chain = chain_of(tmp_path, [line for line in lines if not line.startswith("ATOM") or number(line) != 4])
    assert chain.sequence == "YYDETGTWY"
    (reason,) = breaks(chain).values()
    assert reason.startswith("chain break: C-N ")
    assert [(s.start, s.stop) for s in segments(chain)] == [(0, 3), (3, 9)]


def test_a_missing_atom_is_named(tmp_path, lines):
    chain = chain_of(
        tmp_path, [line for line in lines if not (line[12:16].strip() == "C" and number(line) == 4)]
    )
    assert residue_faults(chain) == {3: "backbone atoms C of PRO 4 missing"}
    assert [(s.start, s.stop) for s in segments(chain)] == [(0, 3), (4, 10)]


@pytest.mark.parametrize(
    "name, reason",
    [("SEP", "modified residue SEP 6"), ("DTH", "D residue DTH 6"), ("UNK", "modified residue UNK 6")],
)
def test_a_foreign_residue_is_named(tmp_path, lines, name, reason):
    changed = [
        edit(line, residue=name).replace("ATOM  ", "HETATM") if number(line) == 6 else line for line in lines
    ]
    chain = chain_of(tmp_path, changed)
    assert chain.sequence == "YYDPEXGTWY" and residue_faults(chain) == {5: reason}


@pytest.mark.parametrize("name", ["MSE", "HIE", "CYX"])
def test_names_of_the_same_backbone_are_read_as_their_parents(tmp_path, lines, name):
    changed = [edit(line, residue=name) if number(line) == 6 else line for line in lines]
    chain = chain_of(tmp_path, changed)
    assert chain.sequence[5] == LETTERS[name] and not residue_faults(chain)


def test_the_mirror_image_is_found_by_chirality(tmp_path, lines):
    mirrored = [
        line[:30] + f"{-float(line[30:38]):8.3f}" + line[38:] if line.startswith("ATOM") else line
        for line in lines
    ]
    chain = chain_of(tmp_path, mirrored)
    faults = residue_faults(chain)
    assert sorted(faults) == [i for i, letter in enumerate(chain.sequence) if letter != "G"]
    assert all("chirality of a D residue" in reason for reason in faults.values())
    volumes = chiral_volumes(chain.coords, chain.cb)
    assert np.nanmax(volumes) < -2 and np.isnan(volumes).sum() == 1


@pytest.mark.parametrize("atom, expected", [("N", "N-CA"), ("CA", "N-CA"), ("C", "CA-C")])
def test_impossible_geometry_is_named(tmp_path, lines, atom, expected):
    shifted = [
        edit(line, shift=0.6) if line[12:16].strip() == atom and number(line) == 6 else line for line in lines
    ]
    faults = residue_faults(chain_of(tmp_path, shifted))
    assert 5 in faults and "impossible geometry" in faults[5] and "THR 6" in faults[5]


def test_ligands_waters_and_caps_are_no_residues(tmp_path, lines):
    glycine = [
        "HETATM  900  N   GLY A 301      40.000  40.000  40.000  1.00 10.00           N  ",
        "HETATM  901  CA  GLY A 301      41.450  40.000  40.000  1.00 10.00           C  ",
        "HETATM  902  C   GLY A 301      42.000  41.400  40.000  1.00 10.00           C  ",
        "HETATM  903 CA    CA A 302      50.000  40.000  40.000  1.00 10.00          CA  ",
        "HETATM  904  O   HOH A 303      60.000  40.000  40.000  1.00 10.00           O  ",
        "HETATM  905  N   NH2 A  11      10.000  40.000  40.000  1.00 10.00           N  ",
    ]
    assert chain_of(tmp_path, lines + glycine).sequence == "YYDPETGTWY"


def copy_of(lines, **changes):
    """The peptide again, 100 A away."""
    return [edit(line, shift=100, **changes) if line.startswith("ATOM") else line for line in lines]


def chain_ids(tmp_path, lines):
    path = tmp_path / "x.pdb"
    path.write_text("\n".join(lines))
    return [(chain.id, len(chain)) for chain in read_chains(read_structure(path))[0]]


def test_chains_are_told_apart_by_id_and_without_one_by_ter(tmp_path, lines):
    assert chain_ids(tmp_path, lines + copy_of(lines, chain="b")) == [("A", 10), ("b", 10)]
    assert chain_ids(tmp_path, lines + copy_of(lines)) == [("A", 20)]
    blank = [edit(line, chain=" ") if line.startswith("ATOM") else line for line in lines]
    assert chain_ids(tmp_path, blank + copy_of(lines, chain=" ")) == [("_", 10), ("_1", 10)]
