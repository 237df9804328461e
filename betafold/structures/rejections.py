"""The table of everything that was looked at and left out, each with its reason."""

import csv
import os
from dataclasses import astuple, dataclass, fields

from betafold.errors import BetaFoldError
from betafold.files import write_beside


@dataclass(frozen=True)
class Rejection:
    """A file (chain and residues empty), a chain, or a range of residues that gives no sample."""

    entry: str
    chain: str
    residues: str  # author's numbers: "52", "12 to 30"
    reason: str


def write_rejections(path: str | os.PathLike, rejections: list[Rejection]) -> None:
    """Write a tab-separated table with one row per rejection; the heading is there even if none is."""
    with write_beside(path) as partial, open(partial, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(field.name for field in fields(Rejection))
        for rejection in rejections:
            # One line each, whatever a broken file put into an error message.
            writer.writerow(" ".join(value.split()) for value in astuple(rejection))


def read_rejections(path: str | os.PathLike) -> list[Rejection]:
    """Rows of a table of rejections, or of the files that ``betafold fetch structures`` skipped.

    Raises
    ------
    BetaFoldError
        The table cannot be read or is of another kind.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
    except OSError as error:
        raise BetaFoldError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return [
            Rejection(row["entry"], row.get("chain", ""), row.get("residues", ""), row["reason"])
            for row in rows
        ]
    except KeyError as error:
        raise BetaFoldError(f"{path}: no column {error}, not a table of rejections") from error
