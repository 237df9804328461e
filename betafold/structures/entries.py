"""Structure files to label: those of a table, or those that a user names on the command line."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from betafold.errors import BetaFoldError
from betafold.structures.naming import entry_name, is_structure_file


class Entry(NamedTuple):
    """One file and the name under which its samples go."""

    name: str
    path: Path
    resolution: float = math.nan  # Angstrom, where a source knows it and the file may not say it


def find_structures(paths: Iterable[str | os.PathLike]) -> list[Entry]:
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
        raise BetaFoldError(
            "no structure file; give .pdb, .ent or .cif files or folders of them, or .json files, gzipped or not"
        )
    return [Entry(entry_name(path), path) for path in found]
