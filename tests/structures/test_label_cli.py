"""``betafold label`` by hand and as a step of the workflow."""

import csv
import gzip
import shutil

import pytest

from betafold.cli.__main__ import main
from betafold.structures.labels import labels_attrs, read_labels


def rejected(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_a_folder_with_good_and_bad_files(tmp_path, data_dir, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(data_dir / "pdb5awl.ent.gz", folder)
    shutil.copy(data_dir / "5i55.cif.gz", folder)
    (folder / "empty.pdb").touch()
    (folder / "page.pdb").write_text("<html>404</html>")
    (folder / "cut.ent.gz").write_bytes((data_dir / "pdb5awl.ent.gz").read_bytes()[:3000])
    (folder / "5awl.pdb").write_bytes(gzip.decompress((data_dir / "pdb5awl.ent.gz").read_bytes()))
    (folder / "notes.txt").write_text("not a structure")
    arguments = [
        "label",
        str(folder),
        "--out",
        f"{tmp_path}/labels.zarr/0",
        "--rejected",
        f"{tmp_path}/r.tsv",
    ]
    assert main(arguments) == 0
    assert [sample.id for sample in read_labels(tmp_path / "labels.zarr" / "0")] == [
        "5awl_A_1-10",
        "5i55_A_1-22",
    ]
    rows = {row["entry"]: row["reason"] for row in rejected(tmp_path / "r.tsv")}
    assert "empty" in rows["empty"] and "HTML" in rows["page"] and "gzip" in rows["cut"]
    assert "taken by" in rows["5awl"] and len(rows) == 4
    assert "2 samples (2 free, 0 bound, 0 fragment, 0 chain); 4 rejections" in capsys.readouterr().err
    attrs = labels_attrs(tmp_path / "labels.zarr" / "0")
    assert attrs["options"]["duplicate_rmsd"] == 1.0 and attrs["code_digest"]


def entries_table(tmp_path, *rows):
    path = tmp_path / "structures.tsv"
    path.write_text("\n".join("\t".join(row) for row in (("entry", "path", "shard"), *rows)) + "\n")
    return str(path)


def test_one_shard_of_a_table(tmp_path, data_dir):
    table = entries_table(
        tmp_path,
        ("5awl", str(data_dir / "pdb5awl.ent.gz"), "0"),
        ("1k33", str(data_dir / "pdb1k33.ent.gz"), "1"),
        ("gone", str(tmp_path / "gone.pdb"), "1"),
    )

    def run(shard, *options):
        out, reasons = tmp_path / "labels.zarr" / shard, tmp_path / f"{shard}.tsv"
        arguments = [
            "label",
            "--entries",
            table,
            "--shard",
            shard,
            "--out",
            str(out),
            "--rejected",
            str(reasons),
        ]
        assert main([*arguments, *options]) == 0
        return read_labels(out), rejected(reasons)

    samples, rows = run("0")
    assert [sample.entry for sample in samples] == ["5awl"] and rows == []
    dense, rows = run("1")
    assert {sample.entry for sample in dense} == {"1k33"}
    assert next(row["reason"] for row in rows if row["entry"] == "gone").endswith("no such file")
    assert len(run("1", "--fragment-stride", "20")[0]) < len(dense)
    assert run("1", "--fragments-per-chain", "0")[0] == []
    assert run("2") == ([], [])  # an empty shard is a complete group


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["nowhere.pdb"], "nowhere.pdb: no such file"),
        ([], "no structure file"),
        (["--shard", "0", "."], "--shard needs --entries"),
        (["--entries", "t.tsv", "."], "either --entries or files"),
        (["--fragment-stride", "0", "."], "--fragment-stride"),
        (["--fragments-per-chain", "-1", "."], "--fragments-per-chain"),
        (["--duplicate-rmsd", "-1", "."], "--duplicate-rmsd"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, expected):
    monkeypatch.chdir(tmp_path)
    assert main(["label", *arguments, "--out", "x.zarr/0", "--rejected", "r.tsv"]) == 1
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_nothing_usable_is_an_error_by_hand(tmp_path):
    (tmp_path / "x.pdb").touch()
    arguments = [
        "label",
        str(tmp_path / "x.pdb"),
        "--out",
        f"{tmp_path}/0",
        "--rejected",
        f"{tmp_path}/r.tsv",
    ]
    assert main(arguments) == 1
    assert len(rejected(tmp_path / "r.tsv")) == 1 and read_labels(tmp_path / "0") == []
