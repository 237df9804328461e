"""A folder of structure files on this machine, such as a mirror of the wwPDB archive in divided layout."""

import os
import re
from collections import defaultdict
from pathlib import Path

from betafold.errors import BetaFoldError
from betafold.structures.folders import walk
from betafold.structures.naming import WWPDB_STEM, entry_name, is_structure_file

# "1abc_0.ent.gz": some chains of entry 1abc, cut out by somebody, number 0.
CUT = re.compile(r"(\d[a-z0-9]{3})-\d+", re.IGNORECASE)
MMCIF = re.compile(r"\.(cif|mmcif|pdbx)(\.gz)?$", re.IGNORECASE)


def pdb_id(entry: str) -> str | None:
    """PDB id that an entry name stands for or was cut from; None for any other name."""
    match = WWPDB_STEM.fullmatch(entry) or CUT.fullmatch(entry)
    return match[1].lower() if match else None


def list_mirror(folder: str | os.PathLike) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Structure files below ``folder`` at any depth, one per entry, and the others with the reason.

    An entry that is there more than once is taken from the first of: a folder in divided layout
    (``ab/pdb1abc.ent.gz``, ``ab/1abc.cif.gz``) before any other; a folder ``derived`` last; PDB before mmCIF format, whose alternate
    locations and models ProDy reads more reliably; then by path. Cuts of an entry (``1abc_0.ent.gz``)
    are entries of their own, but give way to the whole entry.

    Raises
    ------
    BetaFoldError
        No such folder, or no structure file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BetaFoldError(f"{folder}: no such folder (--path names a folder of .pdb, .ent or .cif files)")
    candidates = defaultdict(list)
    for parent, _, names in walk(folder):
        for name in filter(is_structure_file, names):
            candidates[entry_name(name)].append(parent / name)
    if not candidates:
        raise BetaFoldError(f"{folder}: holds no .pdb, .ent or .cif file, gzipped or not")
    chosen, skipped = {}, []
    for entry, paths in candidates.items():
        chosen[entry], *others = sorted(paths, key=_preference)
        skipped += [(path, f"entry {entry} is taken from {chosen[entry]}") for path in others]
    for entry in list(chosen):
        whole = pdb_id(entry)
        if CUT.fullmatch(entry) and whole in chosen:
            skipped.append(
                (chosen.pop(entry), f"a cut of entry {whole}, which is taken from {chosen[whole]}")
            )
    return sorted(chosen.values()), sorted(skipped)


def _preference(path: Path) -> tuple:
    """Sort key: the file to take stands first."""
    entry = entry_name(path)
    divided = path.parent.name.lower() == entry[1:3] and WWPDB_STEM.fullmatch(entry) is not None
    return not divided, "derived" in path.parts, bool(MMCIF.search(path.name)), len(path.parts), str(path)
