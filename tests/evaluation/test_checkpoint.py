"""A small random model through evaluate and calibrate, as the command line runs them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from betafold.cli.__main__ import main
from betafold.embeddings.store import write_embeddings
from betafold.evaluation.baselines import METHODS
from betafold.evaluation.checkpoint import thin
from betafold.models.torsion import TorsionConfig, TorsionModel
from betafold.prediction.confidence import read_calibration
from betafold.structures.labels import write_labels
from betafold.training.checkpoint import save_checkpoint
from tests.evaluation.synthetic import data

DIM = 16


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder with labels, embeddings, split, checkpoint, and the evaluation and calibration made from them."""
    folder = tmp_path_factory.mktemp("run")
    samples, split = data()
    generator = np.random.default_rng(0)
    write_labels(folder / "labels", samples, {})
    arrays = [generator.normal(size=(sample.length, DIM)).astype(np.float32) for sample in samples]
    attrs = {"model": "esm2", "layer": 6, "dim": DIM, "weights_sha256": "0" * 64}
    write_embeddings(folder / "embeddings", [sample.id for sample in samples], arrays, attrs)
    split.reset_index().to_csv(folder / "split.tsv", sep="\t", index=False)
    torch.manual_seed(0)
    config = TorsionConfig(
        input_dim=DIM, d_model=16, layers=1, heads=2, ffn=16, components=2, confidence_bins=10
    )
    save_checkpoint(folder / "best.pt", TorsionModel(config), {"weights_sha256": "0" * 64, "seed": 0})
    assert evaluate(folder, "small.tsv") == 0
    table, out = folder / "small.tsv", folder / "calibration"
    options = ["--split", str(folder / "split.tsv"), "--out", str(out)]
    assert main(["calibrate", "--evaluation", str(table), *options]) == 0
    return folder


def evaluate(folder, name, embeddings="embeddings", *options):
    return main(
        ["evaluate", "--checkpoint", str(folder / "best.pt"), "--labels", str(folder / "labels")]
        + ["--embeddings", str(folder / embeddings), "--split", str(folder / "split.tsv")]
        + ["--device", "cpu", "--out", str(folder / name), *options]
    )  # fmt: skip


def test_one_row_per_held_out_peptide_and_method(run):
    table = pd.read_csv(run / "small.tsv", sep="\t")
    split = pd.read_csv(run / "split.tsv", sep="\t").set_index("id")
    held = set(split.index[split["split"] != "train"])
    assert set(table["method"]) == {"small", *METHODS}
    for _, rows in table.groupby("method"):
        assert rows["id"].is_unique and set(rows["id"]) == held
    assert (table["ca_rmsd_best5"] <= table["ca_rmsd"] + 1e-4).all()
    constant = table[table["method"].isin(["helix", "extended"])]
    assert (constant["ca_rmsd_best5"] == constant["ca_rmsd"]).all()
    assert table.loc[table["method"] == "small", ["plddt_raw", "expected_rmsd"]].notna().all(axis=None)
    ensembles = table["n_models"] > 1
    assert table.loc[ensembles, "ensemble_spread"].notna().all()
    assert table.loc[~ensembles, "ensemble_spread"].isna().all()
    helix = table[table["method"] == "helix"]
    assert helix.loc[helix["helical"], "ca_rmsd"].mean() < helix.loc[~helix["helical"], "ca_rmsd"].mean()


def test_residue_table_belongs_to_it(run):
    table = pd.read_csv(run / "small.tsv", sep="\t").query("method == 'small'").set_index("id")
    residues = pd.read_csv(run / "small.residues.tsv.gz", sep="\t", keep_default_na=False, na_values=[""])
    assert residues.groupby("id").size().to_dict() == table["length"].to_dict()
    assert residues.groupby("id")["plddt_raw"].mean().to_numpy() == pytest.approx(
        table["plddt_raw"].sort_index().to_numpy(), abs=1e-3
    )
    assert residues.groupby("id")["psi_error"].mean().to_numpy() == pytest.approx(
        table["psi_mae"].sort_index().to_numpy(), abs=1e-3
    )
    deviation = residues.groupby("id")["ca_error"].apply(lambda x: np.sqrt((x**2).mean()))
    assert deviation.to_numpy() == pytest.approx(table["ca_rmsd"].sort_index().to_numpy(), abs=1e-3)


def test_evaluation_is_reproducible_and_says_where_it_comes_from(run):
    assert evaluate(run, "again.tsv") == 0
    assert (run / "again.tsv").read_text().replace("again", "small") == (run / "small.tsv").read_text()
    assert (run / "again.residues.tsv.gz").read_bytes() == (run / "small.residues.tsv.gz").read_bytes()
    record = json.loads((run / "small.json").read_text())
    assert {"git_commit", "code_digest", "checkpoint_sha256", "weights_sha256", "conformers"} <= set(record)


def test_calibration_folder_is_complete(run):
    result = read_calibration(run / "calibration" / "calibration.json")
    assert result.conformers["ranking"] == "medoid"
    assert (
        result.provenance["checkpoint_sha256"]
        == json.loads((run / "small.json").read_text())["checkpoint_sha256"]
    )
    test = pd.read_csv(run / "calibration" / "test.tsv", sep="\t")
    assert set(test["split"]) == {"test"}
    expected = result.predicted_rmsd(test["plddt_raw"], test["length"], test["expected_rmsd"])
    assert test["predicted_rmsd"].to_numpy() == pytest.approx(expected, abs=2e-3)
    for name in ("reliability", "summary", "coverage", "risk_coverage", "strata"):
        assert len(pd.read_csv(run / "calibration" / f"{name}.tsv", sep="\t"))


def test_other_weights_are_refused(run, capsys):
    attrs = {"model": "esm2", "layer": 6, "dim": DIM, "weights_sha256": "f" * 64}
    write_embeddings(run / "other", ["x"], [np.zeros((10, DIM), np.float32)], attrs)
    assert evaluate(run, "t.tsv", "other") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "weights" in line


def test_a_torsion_model_needs_embeddings(run, capsys):
    options = ["--checkpoint", "best.pt", "--labels", "labels", "--split", "split.tsv", "--out", "t.tsv"]
    paths = [value if value.startswith("--") else str(run / value) for value in options]
    assert main(["evaluate", *paths, "--device", "cpu"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "a torsion model reads embeddings" in line and "--embeddings" in line


def test_too_few_samples_are_refused(run, capsys):
    assert evaluate(run, "t.tsv", "embeddings", "--samples", "4") == 1
    assert "--samples 4: at least 5" in capsys.readouterr().err


def test_another_split_is_refused(run, tmp_path, capsys):
    (tmp_path / "split.tsv").write_text((run / "split.tsv").read_text() + "\n")
    options = ["--split", str(tmp_path / "split.tsv"), "--out", str(tmp_path / "c")]
    assert main(["calibrate", "--evaluation", str(run / "small.tsv"), *options]) == 1
    assert "another split" in capsys.readouterr().err
    assert main(["calibrate", "--evaluation", str(run / "none.tsv"), *options]) == 1


def test_a_baseline_name_is_refused(run, capsys):
    assert evaluate(run, "helix.tsv") == 1
    assert "baseline" in capsys.readouterr().err


def test_thinning_hears_every_cluster_before_any_twice():
    samples, split = data(clusters=60)
    kept = thin(samples, split, 2)
    assert [sample for sample in samples if sample in kept] == kept
    assert sum(s.kind != "fragment" for s in kept) == sum(s.kind != "fragment" for s in samples)
    fragments = split.loc[[sample.id for sample in kept if sample.kind == "fragment"]]
    assert (fragments.groupby("split").size() == 2).all()
    assert (fragments.groupby("split")["cluster"].nunique() == 2).all()
    assert thin(samples, split, 10**6) == samples


def test_whole_chains_are_thinned_by_themselves():
    samples, split = data(clusters=60, longest=60)
    kept = thin(samples, split, 3, "chain")
    chains = split.loc[[sample.id for sample in kept if sample.kind == "chain"]]
    assert (chains.groupby("split").size() == 3).all()
    assert [s for s in kept if s.kind != "chain"] == [s for s in samples if s.kind != "chain"]


def test_what_is_thinned_out_is_said(run, capsys):
    assert evaluate(run, "thin.tsv", "embeddings", "--max-fragments", "1") == 0
    assert "kind fragment are not evaluated: at most 1 of each part" in capsys.readouterr().err
    table = pd.read_csv(run / "thin.tsv", sep="\t").query("method == 'thin' and kind == 'fragment'")
    assert (table.groupby("split").size() == 1).all()
    record = json.loads((run / "thin.json").read_text())
    assert record["max_fragments"] == 1 and record["max_chains"] == 1000
