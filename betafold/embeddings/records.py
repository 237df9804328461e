"""From labelled samples or a FASTA file to a finished embedding group."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from betafold.embeddings.esm2 import Esm2Encoder
from betafold.embeddings.store import write_embeddings
from betafold.errors import BetaFoldError
from betafold.provenance import file_sha256, provenance
from betafold.structures.fasta import read_fasta
from betafold.structures.labels import labels_attrs, read_texts


def label_records(path: str | os.PathLike) -> tuple[list[str], list[str], dict]:
    """Ids and sequences of a labels group, and attributes that say where they are from."""
    texts = read_texts(path)
    about = {"source": Path(path).name, "data_sha256": labels_attrs(path)["data_sha256"]}
    return [text.id for text in texts], [text.sequence for text in texts], about


def fasta_records(path: str | os.PathLike) -> tuple[list[str], list[str], dict, list[tuple[str, str]]]:
    """Ids, sequences, attributes and ``(id, reason)`` failures of a FASTA file; one line on stderr per failure.

    Raises
    ------
    BetaFoldError
        The file cannot be read, or not one of its records can be embedded.
    """
    records, failures = read_fasta(path)
    for name, reason in failures:
        print(f"{path}: {name}: {reason}", file=sys.stderr)
    if not records:
        raise BetaFoldError(f"{path}: none of its {len(failures)} records can be embedded")
    about = {"source": Path(path).name, "data_sha256": file_sha256(path)}
    return [record.id for record in records], [record.sequence for record in records], about, failures


def embed_records(
    out: str | os.PathLike,
    ids: Sequence[str],
    sequences: Sequence[str],
    encoder: Esm2Encoder,
    about: dict,
    max_tokens: int = 4096,
) -> None:
    """Embed every different sequence once and write one group with a row block per id."""
    unique = list(dict.fromkeys(sequences))
    vectors = dict(zip(unique, encoder.embed(unique, max_tokens, progress=True), strict=True))
    attrs = {
        "model": encoder.name,
        "layer": encoder.layer,
        "dim": encoder.dim,
        "weights_sha256": encoder.weights_sha256,
        "weights_origin": encoder.metadata.get("origin", "unknown"),
        **provenance("embed", **about),
    }
    write_embeddings(out, ids, [vectors[sequence] for sequence in sequences], attrs)
