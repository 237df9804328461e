"""The folder ``betafold predict`` writes: structures, summary.csv, failed.tsv, prediction.json.

A record counts as finished when summary.csv has a row for it with the same sequence and settings and all its
structure files exist. The row is added after the files, so an interrupted run leaves nothing half done.
"""

import csv
import json
import os
import re
from pathlib import Path

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.prediction.writers import PredictedStructure, write_structure
from betafold.structures.fasta import Record

BOUND_LEVELS = (0.5, 0.8, 0.9)
COLUMNS = (
    "id", "name", "sequence", "length", "plddt", "predicted_rmsd", "rmsd_bound_50", "rmsd_bound_80",
    "rmsd_bound_90", "status", "model", "settings",
)  # fmt: skip
FORMATS = ("pdb", "cif")


def make_folder(path: str | os.PathLike) -> None:
    """Make the folder ``path`` unless it exists; BetaFoldError if that is not possible."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise BetaFoldError(f"{path}: cannot be made ({error.strerror}); choose another --out") from error


class PredictionFolder:
    """An output folder, new or with the results of earlier runs.

    Args:
        path: the folder; made if it does not exist.
        key: short digest of the model and the settings; rows carry it in the column ``settings``.
        about: what the key stands for, for prediction.json.
        file_format: ``pdb`` or ``cif``.
    """

    def __init__(self, path: str | os.PathLike, key: str, about: dict, file_format: str = "pdb"):
        self.path = Path(path)
        self.key = key
        self.file_format = file_format
        make_folder(path)
        self.rows = self._read_rows()
        self._settings = self._read_settings() | {key: about}

    def _read_rows(self) -> dict[str, dict[str, str]]:
        """Rows of earlier runs by id, without those whose structure was deleted since."""
        summary = self.path / "summary.csv"
        if not summary.exists():
            return {}
        with open(summary, newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        if rows and not set(COLUMNS) <= set(rows[0]):
            raise BetaFoldError(f"{summary}: not written by this betafold predict; choose another --out")
        return {row["id"]: row for row in rows if self._any_format(row["id"])}

    def _read_settings(self) -> dict:
        try:
            return json.loads((self.path / "prediction.json").read_text())["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # written again below; the rows' keys still tell settings apart

    def _any_format(self, identifier: str) -> bool:
        return any((self.path / f"{identifier}.{suffix}").exists() for suffix in FORMATS)

    def structure_path(self, identifier: str, rank: int) -> Path:
        """DIR/<id>.pdb for rank 1, DIR/<id>_model_<k>.pdb for rank k."""
        stem = identifier if rank == 1 else f"{identifier}_model_{rank}"
        return self.path / f"{stem}.{self.file_format}"

    def is_current(self, record: Record) -> bool:
        """Whether the folder has a row for this very sequence, made with these very settings."""
        row = self.rows.get(record.id)
        return row is not None and row["sequence"] == record.sequence and row["settings"] == self.key

    def is_finished(self, record: Record, num_models: int) -> bool:
        """Whether nothing is left to do for ``record``."""
        return self.is_current(record) and all(
            self.structure_path(record.id, rank).exists() for rank in range(1, num_models + 1)
        )

    def add(self, record: Record, structures: list[PredictedStructure], row: dict) -> None:
        """Write a record's structures, rank 1 last, then take its row into the summary."""
        if not self.is_current(record):
            self._remove(record.id)
        for structure in reversed(structures):
            write_structure(self.structure_path(record.id, structure.rank), structure)
        self.rows[record.id] = row | {"settings": self.key}

    def _remove(self, identifier: str) -> None:
        """Remove the structures and the row an id has from another sequence, model or seed."""
        if self.rows.pop(identifier, None) is None:
            return
        own = re.compile(rf"{re.escape(identifier)}(_model_\d+)?\.({'|'.join(FORMATS)})")
        for path in self.path.iterdir():
            if own.fullmatch(path.name):
                path.unlink()

    def write_summary(self, order: list[str]) -> None:
        """Write summary.csv (records of ``order`` first, then those of earlier runs) and prediction.json."""
        first = [identifier for identifier in order if identifier in self.rows]
        others = self.rows.keys() - set(first)
        write_rows(self.path, [self.rows[identifier] for identifier in [*first, *sorted(others)]])
        used = {row["settings"] for row in self.rows.values()} | {self.key}
        settings = {key: about for key, about in self._settings.items() if key in used}
        with write_beside(self.path / "prediction.json") as partial:
            partial.write_text(json.dumps({"settings": settings}, indent=1, sort_keys=True) + "\n")


def write_rows(out: str | os.PathLike, rows: list[dict]) -> None:
    """Write summary.csv with one line per row; only the header if there is none."""
    with (
        write_beside(Path(out) / "summary.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.DictWriter(handle, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_failed(out: str | os.PathLike, failures: list[tuple[str, str]]) -> None:
    """Write failed.tsv: the records of this run that have no structure, and why."""
    make_folder(out)
    with (
        write_beside(Path(out) / "failed.tsv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(("id", "reason"))
        writer.writerows(failures)
