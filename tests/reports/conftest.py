"""Tables of a pretended run of two families."""

import json

import pytest

from betafold.evaluation.table import residues_path, write_table
from tests.evaluation.synthetic import data, tables

# Name of a model -> what its checkpoint says about it.
TRAINING = {
    "mixture": {
        "family": "torsion",
        "spec": {"model": {"head": "mixture"}},
        "parameters": 120_000,
        "trainable_parameters": 119_000,
        "n_training": 887,
    },
    "mtp-distances": {
        "family": "mtp",
        "spec": {"model": {"output": "distances", "readout": "placeholders"}},
        "parameters": 8_100_000,
        "trainable_parameters": 610_000,
        "backbone": "esm2_t6_8M",
        "n_training": 887,
    },
    "mtp-residues": {
        "family": "mtp",
        "spec": {"model": {"output": "distances", "readout": "residues"}},
        "backbone": "esm2_t6_8M",
    },
}
STEPS = ("train", "evaluate", "predict")
SECONDS = {"train": 240.0, "evaluate": 30.0, "predict": 15.0}


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory):
    """Evaluation tables, records, Snakemake's benchmark files and the FASTA of a run of ``TRAINING``'s models."""
    folder = tmp_path_factory.mktemp("benchmark")
    for seed, (name, training) in enumerate(TRAINING.items()):
        rows, residues = tables(name, clusters=36, model_seed=seed)
        if name == "mtp-distances":
            rows.loc[rows["method"] == name, "outside_top3"] = 0.125
        write_evaluation(folder / "evaluation" / f"{name}.tsv", rows, residues, training)
        for step in STEPS:
            file = folder / "benchmarks" / step / f"{name}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"s\th:m:s\tmax_rss\n{SECONDS[step]}\t0:00:00\t{512 + seed}\n")
    split = data(36)[1]
    test = split[split["split"] == "test"]["sequence"]
    (folder / "test.fasta").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in test.items()))
    return folder


def write_evaluation(path, rows, residues, training, split="abc"):
    """An evaluation table with what lies beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(rows, path)
    write_table(residues, residues_path(path))
    record = {"git_commit": "abc", "split_sha256": split, "training": training}
    path.with_suffix(".json").write_text(json.dumps(record))
