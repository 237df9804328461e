"""Nothing incomplete ever stands under a final name."""

import pytest

from betafold.files import write_beside


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    final = tmp_path / "table.tsv"
    final.write_text("old")
    with pytest.raises(RuntimeError), write_beside(final) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_the_final_name_appears_at_the_end_only(tmp_path):
    final = tmp_path / "new" / "table.tsv.gz"
    with write_beside(final) as partial:
        partial.write_text("whole")
        assert not final.exists()
        assert partial.name.endswith("table.tsv.gz")
    assert final.read_text() == "whole"


def test_a_folder_replaces_the_one_before(tmp_path):
    final = tmp_path / "store"
    for name in ("first", "second"):
        with write_beside(final) as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in final.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [final]
