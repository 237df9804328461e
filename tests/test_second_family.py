"""One path for both families: an mtp model from labels to predictions by the commands a torsion model takes."""

import csv
import json

import pandas as pd
import prody
import pytest
import torch

from betafold.cli.__main__ import main
from betafold.embeddings.layouts import read_weights
from betafold.evaluation.baselines import METHODS
from betafold.prediction.bundle import read_bundle
from betafold.structures.labels import write_labels
from betafold.training.checkpoint import read_checkpoint
from tests.evaluation.synthetic import data
from tests.prediction.conftest import random_esm

SPEC = """
family: mtp
model: {output: distances, width: 16, heads: 2, pair_width: 8, backbone: {lora: {rank: 2, alpha: 4}}}
training: {epochs: 1, batch_size: 16, confidence_epochs: 1, confidence_tuning_epochs: 1, ema: 0.0}
"""
CHAIN = "ACDEFGHIKLMNPQRSTVWY" * 2


def betafold(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_esm(tmp_path_factory.mktemp("esm") / "esm.safetensors", seed=0)


@pytest.fixture(scope="module")
def results(tmp_path_factory, weights):
    """A folder with a trained, evaluated, calibrated and bundled model; nothing was embedded."""
    folder = tmp_path_factory.mktemp("mtp")
    samples, split = data(clusters=24)
    write_labels(folder / "labels", samples, {})
    split.reset_index().to_csv(folder / "split.tsv", sep="\t", index=False)
    (folder / "spec.yaml").write_text(SPEC)
    known = ["--labels", folder / "labels", "--split", folder / "split.tsv", "--weights", weights]
    known += ["--device", "cpu"]
    assert betafold("train", "--spec", folder / "spec.yaml", *known, "--out", folder / "model") == 0
    best, table = folder / "model/best.pt", folder / "mtp.tsv"
    assert betafold("evaluate", "--checkpoint", best, *known, "--samples", 8, "--out", table) == 0
    options = ["--split", folder / "split.tsv", "--out", folder / "calibration"]
    assert betafold("calibrate", "--evaluation", table, *options) == 0
    options = ["--calibration", folder / "calibration", "--out", folder / "bundle"]
    assert betafold("bundle", "--checkpoint", best, *options) == 0
    return folder


def test_the_evaluation_has_the_model_beside_the_baselines(results):
    table = pd.read_csv(results / "mtp.tsv", sep="\t")
    assert set(table["method"]) == {"mtp", *METHODS}
    ours = table[table["method"] == "mtp"]
    assert ours[["ca_rmsd", "ca_rmsd_best5", "plddt_raw", "expected_rmsd"]].notna().all(axis=None)
    record = json.loads((results / "mtp.json").read_text())
    assert record["training"]["family"] == "mtp" and record["conformers"]["samples"] == 8


def test_no_file_holds_the_frozen_backbone(results, weights):
    bundle = read_bundle(results / "bundle")
    for stored in (bundle.stored, read_checkpoint(results / "model/best.pt")):
        kept = {tensor.numel() for tensor in stored.state.values()}
        frozen = {tensor.numel() for name, tensor in read_weights(weights).items() if "fc1.weight" in name}
        assert not kept & frozen
        assert sum(tensor.numel() for tensor in stored.state.values()) < stored.meta["parameters"] / 2
    last = torch.load(results / "model/last.pt", weights_only=True)
    assert last["trainer"]["model"].keys() == bundle.stored.state.keys()
    assert bundle.meta["backbone_kind"] == "esm2" and bundle.weights_sha256


def test_chains_are_predicted_like_peptides(results, weights, tmp_path, capsys):
    fasta, out = tmp_path / "in.fasta", tmp_path / "out"
    fasta.write_text(f">peptide\nGYDPETGTWG\n>chain\n{CHAIN}\n>long\n{'A' * 513}\n")
    options = ["--model", results / "bundle", "--weights", weights, "--device", "cpu", "--out", out]
    assert betafold("predict", fasta, *options, "--num-models", 2, "--threads", 1) == 2
    assert (
        "long: 513 residues, longer than 512; model bundle takes 10-512 residues" in capsys.readouterr().err
    )
    with open(out / "summary.csv", newline="") as handle:
        rows = {row["id"]: row for row in csv.DictReader(handle)}
    assert {name: row["status"] for name, row in rows.items()} == {"peptide": "ok", "chain": "ok"}
    assert float(rows["chain"]["predicted_rmsd"]) > 0
    for name in ("chain.pdb", "chain_model_2.pdb"):
        atoms = prody.parsePDB(str(out / name), verbosity="none")
        assert atoms.ca.getSequence() == CHAIN
    assert "BACKBONE: esm2" in (out / "chain.pdb").read_text()


def test_a_missing_or_other_backbone_is_one_line(results, tmp_path, capsys):
    other = random_esm(tmp_path / "other.safetensors", seed=1)
    command = ["predict", "--sequence", CHAIN, "--model", results / "bundle", "--out", tmp_path / "out"]
    for source, reason in ((other, "give the right one with --weights"), (tmp_path / "none", "none")):
        assert betafold(*command, "--weights", source) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and reason in error, error
