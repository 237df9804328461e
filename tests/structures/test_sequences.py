"""A part of the split as FASTA: the right ones, no more than asked for, the same every time."""

import pandas as pd

from betafold.cli.__main__ import main
from betafold.structures.fasta import read_fasta


def write_split(path, rows: int = 40) -> pd.DataFrame:
    lengths = [10 + 2 * (index % 15) for index in range(rows)]
    table = pd.DataFrame(
        {
            "id": [f"1abc_A_{index + 1}-{index + length}" for index, length in enumerate(lengths)],
            "sequence": ["ACDEFGHIKLMNPQRSTVWY"[index % 20] * length for index, length in enumerate(lengths)],
            "length": lengths,
            "kind": "fragment",
            "parent": "p",
            "cluster": range(rows),
            "split": ["test" if index % 2 else "train" for index in range(rows)],
        }
    )
    table.to_csv(path, sep="\t", index=False)
    return table.set_index("id")


def test_the_part_and_nothing_else(tmp_path):
    table = write_split(tmp_path / "split.tsv")
    out = tmp_path / "test.fasta"
    assert main(["sequences", "--split", str(tmp_path / "split.tsv"), "--out", str(out)]) == 0
    records, failures = read_fasta(out)
    assert not failures
    expected = table[(table["split"] == "test") & (table["length"] <= 30)]
    assert {record.name: record.sequence for record in records} == expected["sequence"].to_dict()


def test_a_limit_takes_the_same_ones_again(tmp_path):
    write_split(tmp_path / "split.tsv")
    texts = []
    for name in ("a.fasta", "b.fasta"):
        assert main(["sequences", "--split", str(tmp_path / "split.tsv"), "--most", "5", "--out",
                     str(tmp_path / name)]) == 0  # fmt: skip
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert texts[0].count(">") == 5


def test_an_empty_part_is_one_line(tmp_path, capsys):
    write_split(tmp_path / "split.tsv")
    out = tmp_path / "none.fasta"
    command = [
        "sequences",
        "--split",
        str(tmp_path / "split.tsv"),
        "--part",
        "calibration",
        "--out",
        str(out),
    ]
    assert main(command) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no sequence of up to 30 residues in part calibration" in line
    assert not out.exists()
