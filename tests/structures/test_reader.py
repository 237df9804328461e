"""Structure files: every format is read alike, every broken file is one line, no trap of the parser springs."""

import gzip
import os
import socket

import numpy as np
import prody
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.errors import BetaFoldError
from betafold.structures.naming import entry_name, is_structure_file
from betafold.structures.reader import read_structure


@pytest.fixture
def pdb_text(data_dir):
    return gzip.decompress((data_dir / "pdb5awl.ent.gz").read_bytes()).decode()


@pytest.fixture
def cif_text(data_dir):
    return gzip.decompress((data_dir / "1v5a.cif.gz").read_bytes()).decode()


def write(tmp_path, data, name="x.pdb"):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("name", ["x.pdb", "x.ent", "x.cif", "x.txt", "x"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_content_decides_not_the_suffix(tmp_path, pdb_text, cif_text, name, pack):
    chignolin = read_structure(write(tmp_path, pack(pdb_text.encode()), name))
    assert {str(chain) for chain in chignolin.models[0].chain} == {"A"}
    assert len(read_structure(write(tmp_path, pack(cif_text.encode()), name)).models) == 3


def test_header(data_dir):
    header = read_structure(data_dir / "pdb5awl.ent.gz").header
    assert header.method == "X-RAY DIFFRACTION" and header.resolution == 1.11
    assert header.full_lengths == {"A": 10}
    header = read_structure(data_dir / "1v5a.cif.gz").header
    assert header.method == "SOLUTION NMR" and np.isnan(header.resolution)
    assert header.full_lengths == {"A": 28}
    header = read_structure(data_dir / "5i55.cif.gz").header
    assert header.resolution == 1.45


def test_mmcif_and_pdb_of_the_same_atoms_agree(tmp_path, data_dir):
    with gzip.open(data_dir / "pdb7f32.ent.gz", "rt") as stream:
        group = prody.parsePDBStream(stream, model=1)
    prody.writeMMCIF(str(tmp_path / "x.cif"), group)
    a = read_structure(data_dir / "pdb7f32.ent.gz").models[0]
    b = read_structure(tmp_path / "x.cif").models[0]
    np.testing.assert_allclose(a.coords, b.coords, atol=2e-3)
    for name in ("chain", "number", "residue", "name", "altloc"):
        assert getattr(a, name).tolist() == getattr(b, name).tolist()


def test_mmcif_rows_broken_over_two_lines(tmp_path, cif_text):
    lines = [
        line.replace(" 1 ", " 1\n", 1) if line.startswith("ATOM") and i % 7 == 0 else line
        for i, line in enumerate(cif_text.splitlines())
    ]
    whole, broken = (read_structure(write(tmp_path, text, "x.cif")) for text in (cif_text, "\n".join(lines)))
    for a, b in zip(whole.models, broken.models, strict=True):
        np.testing.assert_array_equal(a.coords, b.coords)


def corrupt(text: str, columns: str) -> str:
    """The text with other columns in place of the x coordinate of the third atom."""
    lines = text.splitlines()
    third = [i for i, line in enumerate(lines) if line.startswith("ATOM")][2]
    lines[third] = lines[third][:30] + columns + lines[third][38:]
    return "\n".join(lines)


def broken_files(pdb_text: str, cif_text: str) -> dict[str, tuple[bytes | str, str]]:
    packed = gzip.compress(pdb_text.encode())
    return {
        "empty": (b"", "empty"),
        "blank": (b"\n \n", "empty"),
        "empty gzip": (gzip.compress(b""), "empty"),
        "truncated gzip": (packed[: len(packed) // 2], "gzip"),
        "damaged gzip": (packed[:400] + b"\xff" * 20 + packed[420:], "gzip"),
        "html": ("<!DOCTYPE html>\n<html><body>404 Not Found</body></html>", "HTML"),
        "prose": ("Dear colleague,\nplease find the structure attached.", "neither PDB nor mmCIF"),
        "binary": (b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        "stars": (corrupt(pdb_text, "********"), "unreadable atom records: invalid or missing coordinate"),
        "nan": (corrupt(pdb_text, "     nan"), "not finite"),
        "cut line": (pdb_text[: pdb_text.index("\nATOM") + 45], "unreadable atom records"),
        "header only": ("HEADER    TEST\nEND\n", "no atoms"),
        "cif without atoms": ("data_x\n_exptl.method 'SOLUTION NMR'\n", "mmCIF without atoms"),
        "cif without item": (cif_text.replace("_atom_site.Cartn_y", "_atom_site.y"), "Cartn_y"),
        "cif short row": (cif_text[: cif_text.index("\nATOM") + 30], "unreadable atom records"),
    }


def test_broken_files_are_one_line_each(tmp_path, pdb_text, cif_text):
    for name, (data, expected) in broken_files(pdb_text, cif_text).items():
        with pytest.raises(BetaFoldError) as error:
            read_structure(write(tmp_path, data))
        assert expected in str(error.value), f"{name}: {error.value}"
        assert "\n" not in str(error.value)


def test_missing_path_is_not_fetched_from_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: pytest.fail("network used"))
    monkeypatch.chdir(tmp_path)
    for path in ("1ubq", "1ubq.pdb"):
        with pytest.raises(BetaFoldError, match="no such file"):
            read_structure(path)


def test_no_trace_is_left_in_the_home_folder_and_in_prodys_log(tmp_path, monkeypatch, data_dir):
    monkeypatch.setenv("HOME", str(tmp_path))
    before = prody.LOGGER.verbosity
    read_structure(data_dir / "pdb5awl.ent.gz")
    with pytest.raises(BetaFoldError):
        read_structure(
            write(tmp_path, corrupt("ATOM      1  N   ALA A   1       1.0     2.0     3.0\n" * 4, "x" * 8))
        )
    assert prody.LOGGER.verbosity == before
    assert os.listdir(tmp_path) == ["x.pdb"]


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("bytes"), data)
    with pytest.raises(BetaFoldError):
        read_structure(path)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("pdb1abc.ent.gz", "1abc"),
        ("1ABC.cif", "1abc"),
        ("1abc.pdb.gz", "1abc"),
        ("my model/rank 1.pdb", "rank-1"),
        ("design_7.pdb", "design-7"),
        ("pdb12.ent", "pdb12"),
    ],
)
def test_entry_names(name, expected):
    assert entry_name(name) == expected and is_structure_file(name)


def test_other_files_are_not_structure_files():
    assert not any(map(is_structure_file, ("README.md", "x.fasta", "a.tar.gz", ".x.pdb", "pdb")))
