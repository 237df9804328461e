"""A folder in the layout of PDBbind (Wang et al., J. Med. Chem. 47:2977, 2004), of any release.

    index/INDEX_general_PL.2020R1.lst         "2tpi  2.10  1982  Kd=49uM  // 2tpi.pdf (2-mer)" one entry a line
    P-L/1981-2000/2tpi/2tpi_protein.pdb       releases from 2024 on, in ranges of years
    refined-set/2tpi/, v2020-other-PL/2tpi/   earlier ones; the index may lie in refined-set/index/

The protein files have no header, so the resolution comes from the index. Only protein-ligand complexes have a
folder with a protein file; the indices of other complexes (PP, PN, NL) are not read.
"""

import math
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from betafold.errors import BetaFoldError
from betafold.structures.entries import Entry
from betafold.structures.folders import walk
from betafold.structures.textfile import read_text

CODE = re.compile(r"[1-9][a-z0-9]{3}")
PROTEIN = re.compile(r"([1-9][a-z0-9]{3})_protein\.pdb(\.gz)?", re.IGNORECASE)
INDEX = re.compile(r"INDEX_(?!.*_(PP|PN|NL)\b)(?!.*_(PP|PN|NL)_).*", re.IGNORECASE)
MAX_RESOLUTION = 100.0  # Angstrom; the index of names has the year in this place
Skipped = list[tuple[str, str, str]]  # entry, path, reason


@dataclass
class _Folders:
    """What a walk found."""

    indices: list[Path] = field(default_factory=list)
    proteins: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    without: dict[str, Path] = field(default_factory=dict)  # folders of an entry without protein file
    misplaced: list[Path] = field(default_factory=list)


def list_pdbbind(folder: str | os.PathLike) -> tuple[list[Entry], Skipped]:
    """Entries that have both a line in an index and a protein file, and all others with the reason.

    Of an entry with several folders the first counts, those of a refined set before any other.

    Raises
    ------
    BetaFoldError
        No such folder, no index in it, or no entry that can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BetaFoldError(f"{folder}: no such folder (--path names the folder that holds PDBbind's index/)")
    found = _survey(folder)
    if not found.indices:
        raise BetaFoldError(
            f"{folder}: no index/INDEX_* file; give PDBbind's top folder, or use --source mirror"
        )
    listed, skipped = _read_indices(found.indices)
    entries = []
    for code in sorted(listed.keys() | found.proteins.keys() | found.without.keys()):
        chosen, *others = sorted(found.proteins.get(code, []), key=_preference) or [None]
        skipped += [(code, str(path), f"entry {code} is taken from {chosen}") for path in others]
        if chosen is None:
            skipped.append(_without_file(code, found.without.get(code)))
        elif code not in listed:
            skipped.append((code, str(chosen), "not in the index; add a line to index/INDEX_* to use it"))
        else:
            entries.append(Entry(code, chosen, listed[code]))
    skipped += [
        (path.name[:4].lower(), str(path), "not in a folder with the name of its entry")
        for path in found.misplaced
    ]
    if not entries:
        raise BetaFoldError(f"{folder}: no entry of the index has a folder CODE with CODE_protein.pdb in it")
    return entries, skipped


def _survey(folder: Path) -> _Folders:
    """Index files, protein files by code, and folders named like an entry that lack one."""
    found = _Folders()
    for parent, folders, names in walk(folder):
        found.indices += [parent / name for name in names if INDEX.fullmatch(name)]
        code, has_protein = parent.name.lower(), False
        for match in filter(None, map(PROTEIN.fullmatch, names)):
            if match[1].lower() == code:
                found.proteins[code].append(parent / match[0])
                has_protein = True
            else:
                found.misplaced.append(parent / match[0])
        if CODE.fullmatch(code) and not has_protein and not folders and parent != folder:
            found.without[code] = parent
    return found


def _without_file(code: str, folder: Path | None) -> tuple[str, str, str]:
    if folder is None:
        return code, "", f"in the index only: no folder {code} with {code}_protein.pdb"
    return code, str(folder), f"a folder without protein file: no {code}_protein.pdb in it"


def _preference(path: Path) -> tuple:
    """Sort key: the folder to take stands first."""
    return not any("refined" in part.lower() for part in path.parts), len(path.parts), str(path)


def _read_indices(paths: list[Path]) -> tuple[dict[str, float], Skipped]:
    """Code -> resolution (NaN: NMR or not stated) over all index files, and lines that are none."""
    listed, skipped = {}, []
    for path in paths:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            code = words[0].lower()
            if len(words) < 2 or not CODE.fullmatch(code):
                skipped.append((f"{path.name}:{number}", str(path), f"not a line of an index: {line[:60]!r}"))
                continue
            resolution = _resolution(words[1])
            if math.isnan(listed.get(code, math.nan)):
                listed[code] = resolution
    return listed, skipped


def _resolution(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        return math.nan  # "NMR"
    return value if 0 < value < MAX_RESOLUTION else math.nan
