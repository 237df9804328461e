"""``betafold embed`` on labels and on FASTA."""

import numpy as np
import pytest
import zarr

from betafold.cli.__main__ import main
from betafold.embeddings.esm2 import load_esm2
from betafold.embeddings.records import embed_records
from betafold.embeddings.store import read_embeddings
from betafold.embeddings.weights import resolve_weights
from betafold.structures.labels import write_labels
from betafold.structures.samples import Sample, sample_id

SEQUENCES = ["ACDEFGHIKL", "MNPQRSTVWYACD", "ACDEFGHIKL"]


def sample(entry, sequence):
    length = len(sequence)
    return Sample(
        id=sample_id(entry, "A", 0, length),
        sequence=sequence,
        coords=np.zeros((length, 3, 3), np.float32),
        torsions=np.zeros((length, 3), np.float32),
        mask=np.ones(length, bool),
        kind="free",
        entry=entry,
        chain="A",
        start=0,
        parent=sequence,
    )


@pytest.fixture
def weights(weight_files, cache, tmp_path):
    path = tmp_path / "esm2.safetensors"
    assert main(["fetch", "weights", "--weights", str(weight_files["fair-esm"]), "--out", str(path)]) == 0
    return path


def test_labels_to_embeddings(tmp_path, weights, capsys):
    samples = [sample(f"{i}abc", sequence) for i, sequence in enumerate(SEQUENCES)]
    write_labels(tmp_path / "labels" / "00", samples, {})
    out = tmp_path / "embeddings" / "00"
    labels = str(tmp_path / "labels" / "00")
    assert (
        main(["embed", "--labels", labels, "--weights", str(weights), "--out", str(out), "--device", "cpu"])
        == 0
    )
    embeddings, attrs = read_embeddings([out])
    encoder = load_esm2(resolve_weights(weights))
    assert attrs == {"model": encoder.name, "layer": 2, "dim": 24, "weights_sha256": encoder.weights_sha256}
    assert list(embeddings) == [one.id for one in samples]
    for one in samples:
        np.testing.assert_allclose(embeddings[one.id], encoder.embed([one.sequence])[0], atol=2e-3)
    stored = zarr.open_group(out, mode="r").attrs
    assert {"git_commit", "code_digest", "data_sha256", "weights_origin"} <= set(stored)
    assert "3 records, 33 residues" in capsys.readouterr().out


def test_equal_sequences_are_computed_once(tmp_path, weights, monkeypatch):
    encoder = load_esm2(weights)
    asked = []
    embed = encoder.embed
    monkeypatch.setattr(
        encoder, "embed", lambda sequences, *args, **kw: asked.append(sequences) or embed(sequences)
    )
    embed_records(tmp_path / "00", ["a", "b", "c"], SEQUENCES, encoder, {})
    assert asked == [SEQUENCES[:2]]


def test_empty_shard(tmp_path, weights):
    write_labels(tmp_path / "labels", [], {})
    out = tmp_path / "00"
    assert (
        main(["embed", "--labels", str(tmp_path / "labels"), "--weights", str(weights), "--out", str(out)])
        == 0
    )
    assert read_embeddings([out])[0] == {}


def test_fasta_with_bad_records(tmp_path, weights, capsys):
    fasta = tmp_path / "in.fasta"
    fasta.write_text(">one\nACDEFGHIKL\n>two\nACDEFGHIKJ\n>three\nACDEFGHI\n")
    arguments = ["embed", "--fasta", str(fasta), "--weights", str(weights), "--out", str(tmp_path / "00")]
    assert main(arguments) == 2
    assert list(read_embeddings([tmp_path / "00"])[0]) == ["one"]
    assert capsys.readouterr().err.count("\n") == 2
    fasta.write_text(">two\nACDEFGHIKJ\n")
    assert main(arguments) == 1
    assert "none of its 1 records" in capsys.readouterr().err
