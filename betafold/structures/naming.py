"""From file names to entry names; light enough for steps that never parse a structure."""

import os
import re
from pathlib import Path

SUFFIXES = re.compile(r"\.(pdb|ent|cif|mmcif|pdbx)(\.gz)?$", re.IGNORECASE)
EXCHANGE_SUFFIXES = re.compile(r"\.jsonl?(\.gz)?$", re.IGNORECASE)
WWPDB_STEM = re.compile(r"(?:pdb)?(\d[A-Za-z0-9]{3})", re.IGNORECASE)


def is_structure_file(path: str | os.PathLike) -> bool:
    """Whether the suffix is .pdb, .ent, .cif, .mmcif or .pdbx, gzipped or not (and the file not hidden)."""
    name = Path(path).name
    return bool(SUFFIXES.search(name)) and not name.startswith(".")


def entry_name(path: str | os.PathLike) -> str:
    """``1abc`` for pdb1abc.ent.gz or 1ABC.cif, else the file name without suffix, made safe in file names."""
    stem = SUFFIXES.sub("", Path(path).name)
    if wwpdb := WWPDB_STEM.fullmatch(stem):
        return wwpdb[1].lower()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", stem).strip("-.") or "entry"


def is_exchange_file(path: str | os.PathLike) -> bool:
    """Whether the suffix is .json or .jsonl, gzipped or not: chains in the exchange format."""
    return bool(EXCHANGE_SUFFIXES.search(Path(path).name))
