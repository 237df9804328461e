"""The sequences of one part of a split, for programs that read FASTA."""

import hashlib
import os

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.structures.samples import MAX_LENGTH
from betafold.structures.split import read_split


def write_sequences(
    split: str | os.PathLike,
    part: str,
    out: str | os.PathLike,
    *,
    longest: int = MAX_LENGTH,
    most: int = 1000,
) -> int:
    """Write at most ``most`` sequences of ``part`` with up to ``longest`` residues as FASTA; return how many.

    Where there are more, those with the lowest hashes of their ids are taken, so that the same split gives the same file.
    """
    table = read_split(split)
    rows = table[(table["split"] == part) & (table["length"] <= longest)]
    if rows.empty:
        raise BetaFoldError(f"{split}: no sequence of up to {longest} residues in part {part}")
    chosen = sorted(rows.index, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:most]
    with write_beside(out) as partial:
        partial.write_text("".join(f">{name}\n{rows.at[name, 'sequence']}\n" for name in sorted(chosen)))
    return len(chosen)
