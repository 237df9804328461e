"""Labelled samples in the formats of others, with a record of where they are from."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.provenance import provenance
from betafold.structures.exchange import write_items
from betafold.structures.labels import labels_attrs, read_labels
from betafold.structures.naming import is_exchange_file
from betafold.structures.pdbbind_writer import write_pdbbind

KINDS = ("free", "bound", "chain")  # fragments overlap, and say nothing that their chain does not


class Failure(NamedTuple):
    """A sample that the format cannot hold."""

    number: int  # counted from 1 over the samples of the wanted kinds
    id: str
    reason: str


def export_labels(
    labels: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    file_format: str,
    kinds: Sequence[str] = KINDS,
    atoms: str = "ca",
) -> tuple[int, list[Failure]]:
    """Write samples of label groups, and the record ``OUT.provenance.json`` beside them.

    Parameters
    ----------
    labels
        Label groups.
    out
        File for ``json`` (a list if it ends in .json, one object a line if in .jsonl; .gz compresses), folder for
        ``pdbbind``.
    file_format
        ``json`` (:mod:`betafold.structures.exchange`) or ``pdbbind`` (:mod:`betafold.structures.pdbbind_writer`).
    kinds
        Kinds of samples to write.
    atoms
        For ``json``: ``ca`` or ``backbone`` (N, CA, C).

    Returns
    -------
    (number of samples written, failures)

    Raises
    ------
    BetaFoldError
        ``out`` does not suit or would be overwritten, or no sample can be written.
    """
    out = Path(out)
    _check_out(out, file_format)
    if file_format == "pdbbind" and "fragment" in kinds:
        raise BetaFoldError(
            "--kinds fragment: fragments overlap and make no chain of a PDB file; use --format json"
        )
    samples = [sample for sample in read_labels(labels) if sample.kind in kinds]
    if not samples:
        raise BetaFoldError(f"no sample of kind {', '.join(kinds)} in these labels; see --kinds")
    with write_beside(out) as partial:
        if file_format == "json":
            bad = write_items(partial, samples, atoms)
        else:
            bad = write_pdbbind(partial, samples)
        failures = [Failure(position + 1, samples[position].id, reason) for position, reason in bad]
        if len(failures) == len(samples):
            raise BetaFoldError(f"{out}: none of {len(samples)} samples can be written: {failures[0].reason}")
    record = provenance(
        "export",
        format=file_format,
        atoms=atoms if file_format == "json" else "backbone",
        kinds=list(kinds),
        samples=len(samples) - len(failures),
        failures=len(failures),
        labels={str(path): labels_attrs(path)["data_sha256"] for path in labels},
    )
    with write_beside(out.with_name(f"{out.name}.provenance.json")) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")
    return len(samples) - len(failures), failures


def _check_out(out: Path, file_format: str) -> None:
    """Refuse an output of the wrong kind, above all a folder that would be replaced with all that is in it."""
    if file_format == "json":
        if not is_exchange_file(out):
            raise BetaFoldError(f"--out {out}: must end in .json, .jsonl, .json.gz or .jsonl.gz")
        if out.is_dir():
            raise BetaFoldError(f"--out {out}: is a folder; give a file")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BetaFoldError(f"--out {out}: exists; give a folder that is new or empty")
