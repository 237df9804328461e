"""``betafold evaluate --native --predicted`` on files, broken ones included."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pytest

from betafold.cli.__main__ import main
from betafold.evaluation.matching import align, group_by_name
from betafold.evaluation.structure_files import read_chains, torsions
from betafold.prediction.writers import THREE_LETTER


def pdb(chains, atoms=("N", "CA", "C")) -> str:
    """PDB text of [(chain id, sequence, coords [M, L, 3, 3])]; every chain has the same number of models."""
    lines = []
    for model in range(len(chains[0][2])):
        lines.append(f"MODEL     {model + 1:>4}")
        serial = 0
        for chain, sequence, coords in chains:
            for number, letter in enumerate(sequence):
                for slot, name in enumerate(("N", "CA", "C")):
                    if name in atoms:
                        serial += 1
                        x, y, z = coords[model, number, slot]
                        lines.append(
                            f"ATOM  {serial:>5}  {name:<3} {THREE_LETTER[letter]} {chain}{number + 1:>4}    "
                            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
                        )
            lines.append("TER")
        lines.append("ENDMDL")
    return "\n".join([*lines, "END", ""])


@pytest.fixture
def crambin(data_dir):
    (chain,) = read_chains(data_dir / "pdb1cbn.ent.gz")
    return chain


@pytest.fixture
def folders(tmp_path, data_dir):
    native, predicted = tmp_path / "native", tmp_path / "predicted"
    native.mkdir()
    predicted.mkdir()
    shutil.copy(data_dir / "pdb1cbn.ent.gz", native)
    return native, predicted


def evaluate(folders, out, status=0):
    assert (
        main(["evaluate", "--native", str(folders[0]), "--predicted", str(folders[1]), "--out", str(out)])
        == status
    )
    return pd.read_csv(out, sep="," if out.suffix == ".csv" else "\t")


def test_a_copy_of_the_native_is_perfect(folders, crambin, tmp_path):
    (folders[1] / "1cbn_model_1.pdb").write_text(pdb([("B", crambin.sequence, crambin.coords[:1])]))
    (row,) = evaluate(folders, tmp_path / "table.csv").to_dict("records")
    assert row["status"] == "ok" and row["predicted_chain"] == "B" and row["n_compared"] == 46
    assert row["ca_rmsd"] == pytest.approx(0, abs=2e-3) and row["backbone_rmsd"] == pytest.approx(0, abs=2e-3)
    assert row["phi_mae"] == pytest.approx(0, abs=0.2)
    assert row["lddt"] == row["gdt_ha"] == row["coverage"] == row["identity"] == 1


def test_ca_only_predictions_have_no_torsions(folders, crambin, tmp_path):
    text = pdb([("A", crambin.sequence, crambin.coords[:1])], atoms=("CA",))
    with gzip.open(folders[1] / "1CBN.pdb.gz", "wt") as handle:
        handle.write(text)
    (row,) = evaluate(folders, tmp_path / "table.tsv").to_dict("records")
    assert row["ca_rmsd"] == pytest.approx(0, abs=2e-3)
    assert np.isnan(row["backbone_rmsd"]) and np.isnan(row["phi_mae"])


def test_best_of_several_files_is_apart_from_the_first(folders, crambin, tmp_path):
    generator = np.random.default_rng(0)
    for rank, noise in ((1, 2.0), (2, 0.5), (10, 3.0)):
        coords = crambin.coords[:1] + generator.normal(0, noise, crambin.coords[:1].shape)
        (folders[1] / f"1cbn_model_{rank}.pdb").write_text(pdb([("A", crambin.sequence, coords)]))
    (row,) = evaluate(folders, tmp_path / "t.csv").to_dict("records")
    assert row["predicted_file"] == "1cbn_model_1.pdb" and row["n_conformers"] == 3
    assert row["ca_rmsd_best5"] < 1 < row["ca_rmsd"]


def test_chain_is_chosen_and_residues_are_matched_by_sequence(folders, crambin, tmp_path):
    decoy = ("A", "G" * 20, np.random.default_rng(1).normal(0, 5, (1, 20, 3, 3)))
    kept = np.r_[2:20, 23:44]
    partial = ("B", "".join(np.array(list(crambin.sequence))[kept]), crambin.coords[:1, kept])
    (folders[1] / "1cbn.pdb").write_text(pdb([decoy, partial]))
    (row,) = evaluate(folders, tmp_path / "t.csv").to_dict("records")
    assert row["predicted_chain"] == "B" and row["n_compared"] == len(kept)
    assert row["ca_rmsd"] == pytest.approx(0, abs=2e-3)
    assert row["coverage"] == pytest.approx(len(kept) / 46, abs=1e-4)


def test_nmr_natives_are_compared_with_every_model(folders, data_dir, tmp_path):
    (folders[0] / "pdb1cbn.ent.gz").unlink()
    shutil.copy(data_dir / "pdb7f32.ent.gz", folders[0])
    (chain,) = read_chains(data_dir / "pdb7f32.ent.gz")
    assert len(chain.coords) > 1
    (folders[1] / "anything.pdb").write_text(pdb([("A", chain.sequence, chain.coords[1:2])]))
    (row,) = evaluate(folders, tmp_path / "t.csv").to_dict("records")  # found by its sequence
    assert row["ca_rmsd_closest_model"] == pytest.approx(0, abs=2e-3)
    assert row["ca_rmsd"] == row["ca_rmsd_first_model"] > 0
    assert row["ensemble_spread"] > 0


def test_every_failure_is_a_row_with_a_reason(folders, crambin, data_dir, tmp_path, capsys):
    (folders[1] / "1cbn.pdb").write_text(pdb([("A", crambin.sequence, crambin.coords[:1])]))
    shutil.copy(data_dir / "pdb1ppe.ent.gz", folders[0])
    (folders[0] / "page.pdb").write_text("<!DOCTYPE html><html>not found</html>")
    shutil.copy(data_dir / "pdb5awl.ent.gz", folders[0])
    (folders[1] / "5awl.pdb").write_text(pdb([("A", "G" * 12, np.ones((1, 12, 3, 3)))]))
    (folders[0] / "cut.pdb.gz").write_bytes((data_dir / "pdb1cbn.ent.gz").read_bytes()[:2000])
    (folders[1] / "stranger.pdb").write_text(pdb([("A", "W" * 12, np.ones((1, 12, 3, 3)))]))
    table = evaluate(folders, tmp_path / "t.csv", status=2).set_index("id")
    assert table.loc["pdb1cbn", "status"] == "ok"
    assert table.loc["pdb1ppe", "status"].startswith("no prediction")
    assert "HTML" in table.loc["page", "status"]
    assert table.loc["pdb5awl", "status"].startswith("no chain fits")
    assert "gzip" in table.loc["cut", "status"]
    assert table.loc["stranger", "status"] == "no native fits"
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 5 and not any("Traceback" in line for line in lines)


def test_mistakes_are_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "t.csv")
    for arguments, words in (
        (["--native", str(tmp_path / "none"), "--predicted", str(tmp_path)], "no such file"),
        (["--native", str(tmp_path / "empty"), "--predicted", str(tmp_path)], "no .pdb"),
        (["--native", str(tmp_path)], "give either"),
    ):
        assert main(["evaluate", *arguments, "--out", out]) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line
    assert main(["evaluate", "--native", "a", "--predicted", "b", "--out", str(tmp_path / "t.xlsx")]) == 1


def test_the_longest_name_wins(tmp_path):
    natives = [tmp_path / name for name in ("pep1.pdb", "pep1_2.pdb", "pdb1abc.ent.gz")]
    predictions = [
        tmp_path / f"{name}.pdb"
        for name in ("pep1_model_10", "pep1_model_2", "pep1", "pep1_2", "1ABC", "pep12")
    ]
    groups, left = group_by_name(natives, predictions)
    assert [path.stem for path in groups[natives[0]]] == ["pep1", "pep1_model_2", "pep1_model_10"]
    assert [path.stem for path in groups[natives[1]]] == ["pep1_2"]
    assert [path.stem for path in groups[natives[2]]] == ["1ABC"]
    assert [path.stem for path in left] == ["pep12"]


def test_align_places_what_it_can():
    assert align("ACDEFGHIKL", "DEFG").tolist() == [2, 3, 4, 5]
    assert align("DEFG", "ACDEFGHIKL").tolist() == [-1, -1, 0, 1, 2, 3, -1, -1, -1, -1]
    assert align("ACDEFGHIKLMNPQRSTVWY", "ACDEFGHIKLMNPRSTVWY").tolist() == [*range(13), *range(14, 20)]


def test_torsions_stop_at_gaps(crambin):
    coords = crambin.coords[0].copy()
    whole = torsions(coords)
    coords[10, 0] = np.nan
    broken = torsions(coords)
    assert np.isnan(broken[10]).all() and np.isnan(broken[9, 1:]).all() and np.isnan(broken[11, 0])
    untouched = np.r_[0:9, 12:46]
    assert broken[untouched] == pytest.approx(whole[untouched], abs=1e-6, nan_ok=True)


def test_a_bad_later_rank_does_not_lose_the_first(folders, crambin, tmp_path, capsys):
    moved = crambin.coords + np.random.default_rng(0).normal(0, 0.3, crambin.coords.shape)
    text = pdb([("A", crambin.sequence, moved)])
    (folders[1] / "1cbn.pdb").write_text(text)
    alone = evaluate(folders, tmp_path / "alone.csv")
    (folders[1] / "1cbn_model_2.pdb").write_text("no structure at all\n")
    (folders[1] / "1cbn_model_3.pdb").write_text(pdb([("A", "W" * len(crambin.sequence), moved)]))
    table = evaluate(folders, tmp_path / "table.csv")
    assert table.loc[0, "status"] == "ok"
    assert table.loc[0, "ca_rmsd_best5"] == alone.loc[0, "ca_rmsd"]
    said = capsys.readouterr().err
    assert "1cbn_model_2.pdb: left out" in said and "1cbn_model_3.pdb: left out" in said


def test_natives_of_one_name_are_not_mixed_up(folders, crambin, tmp_path):
    below = folders[0] / "other"
    below.mkdir()
    shutil.copy(folders[0] / "pdb1cbn.ent.gz", below)
    (folders[1] / "1cbn.pdb").write_text(pdb([("A", crambin.sequence, crambin.coords)]))
    table = evaluate(folders, tmp_path / "table.csv", status=2)
    assert sorted(table["status"].str.contains("same name")) == [False, True]
    assert (table["status"] == "ok").sum() == 1
