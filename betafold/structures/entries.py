"""Which structure files there are, and under which entry names."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from betafold.errors import BetaFoldError
from betafold.structures.naming import entry_name, is_structure_file

Entries = list[tuple[str, Path]]  # entry name, file


def read_entries(table: str | os.PathLike, shard: int | None = None) -> Entries:
    """Entries of a tab-separated table with the columns entry, path, shard; all, or those of one shard.

    Relative paths count from the current directory. Raises BetaFoldError if it is not such a table.
    """
    if not Path(table).is_file():
        raise BetaFoldError(f"{table}: no such table; make it with `betafold fetch structures`")
    with open(table, newline="", encoding="utf-8") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        missing = {"entry", "path", "shard"} - set(rows.fieldnames or ())
        if missing:
            raise BetaFoldError(
                f"{table}: no column {min(missing)}; make it with `betafold fetch structures`"
            )
        return [
            (row["entry"], Path(row["path"])) for row in rows if shard is None or row["shard"] == str(shard)
        ]


def find_structures(paths: Iterable[str | os.PathLike]) -> Entries:
    """The given files, whatever their suffix, and all structure files below the given folders, in sorted order.

    Raises BetaFoldError for a path that does not exist, and if there is no file at all.
    """
    found = {}
    for path in map(Path, paths):
        if path.is_dir():
            found.update(dict.fromkeys(sorted(filter(is_structure_file, path.rglob("*")))))
        elif path.exists():
            found[path] = None
        else:
            raise BetaFoldError(f"{path}: no such file or folder")
    if not found:
        raise BetaFoldError("no structure file; give .pdb, .ent or .cif files or folders, gzipped or not")
    return [(entry_name(path), path) for path in found]
