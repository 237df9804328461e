"""The tables of what is left out, joined into one."""

import pytest

from betafold.cli.__main__ import main
from betafold.structures.rejections import Rejection, read_rejections, write_rejections


def test_tables_of_fetch_and_label_become_one(tmp_path):
    skipped = tmp_path / "structures.skipped.tsv"
    skipped.write_text("entry\tpath\treason\n9xyz\tx/9xyz.pdb\tempty file\n")
    rejected = tmp_path / "00.tsv"
    rows = [Rejection("1abc", "A", "12 to 30", "chain break"), Rejection("1abc", "B", "", "shorter than 10")]
    write_rejections(rejected, rows)
    assert main(["rejected", str(skipped), str(rejected), "--out", str(tmp_path / "all.tsv")]) == 0
    assert read_rejections(tmp_path / "all.tsv") == [Rejection("9xyz", "", "", "empty file"), *rows]


@pytest.mark.parametrize("text", [None, "id\tlength\nx\t3\n"])
def test_another_table_is_refused_in_one_line(tmp_path, capsys, text):
    table = tmp_path / "wrong.tsv"
    if text is not None:
        table.write_text(text)
    assert main(["rejected", str(table), "--out", str(tmp_path / "all.tsv")]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "wrong.tsv" in printed
