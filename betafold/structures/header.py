"""What a structure file says about its experiment: method, resolution, length of the full chains."""

import io
import math
from dataclasses import dataclass, field

from Bio.PDB.MMCIF2Dict import MMCIF2Dict

RESOLUTION_ITEMS = (
    "_refine.ls_d_res_high",
    "_em_3d_reconstruction.resolution",
    "_reflns.d_resolution_high",
)


@dataclass(frozen=True)
class Header:
    """Unknown values are "", NaN and absent, as in files cut out of an entry."""

    method: str = ""
    resolution: float = math.nan  # Angstrom
    # chain id -> residues of the molecule in the experiment, those without coordinates included
    full_lengths: dict[str, int] = field(default_factory=dict)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def pdb_header(lines: list[str]) -> Header:
    """Header of a PDB file: EXPDTA, REMARK 2 and SEQRES (columns of the wwPDB format 3.3).

    ProDy's own header reader raises on some old entries, and all but these three records are of no use here.
    """
    # Before 1996 the entry name stood at the end of each line.
    methods = [line[10:70].strip() for line in lines if line.startswith("EXPDTA")]
    resolutions = [_number(line[23:30]) for line in lines if line.startswith("REMARK   2 RESOLUTION")]
    lengths = {}
    for line in lines:
        if line.startswith("SEQRES") and line[13:17].strip().isdigit():
            lengths[line[11].strip()] = int(line[13:17])
    return Header(" ".join(methods).upper(), next(iter(resolutions), math.nan), lengths)


def mmcif_header(lines: list[str]) -> Header:
    """Header of an mmCIF file, from its lines without the (long) atom table.

    Biopython reads the quoting and the multi-line texts; ProDy 2.6.1 takes the method from the first line only.
    """
    items = MMCIF2Dict(io.StringIO("\n".join(lines)))
    resolutions = [_number(value) for item in RESOLUTION_ITEMS for value in items.get(item, [])]
    lengths = {}
    sequences = items.get("_entity_poly.pdbx_seq_one_letter_code_can", [])
    for chains, sequence in zip(items.get("_entity_poly.pdbx_strand_id", []), sequences, strict=False):
        for chain in chains.split(","):
            lengths[chain.strip()] = len("".join(sequence.split()))
    return Header(
        method="; ".join(items.get("_exptl.method", [])).replace("?", "").upper(),
        resolution=next((value for value in resolutions if not math.isnan(value)), math.nan),
        full_lengths=lengths,
    )
