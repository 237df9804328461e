"""Copies of one molecule in an entry: crystals often hold several, hardly different."""

from collections.abc import Iterator

from betafold.structures.chains import Chain
from betafold.structures.quality import Segment
from betafold_ext import kabsch_rmsd_batch


def _occurrences(text: str, part: str) -> Iterator[int]:
    """Every start of ``part`` in ``text``, overlapping ones included."""
    start = text.find(part)
    while start >= 0:
        yield start
        start = text.find(part, start + 1)


def earlier_copy(
    chain: Chain, segment: Segment, earlier: list[tuple[Chain, list[Segment]]], limit: float
) -> str:
    """Where an earlier chain shows the same residues in the same shape, in words; "" if none does.

    The same shape is a CA-RMSD below ``limit`` (Angstrom). Only usable segments of the earlier chains count,
    so a stretch that is disordered in the first copy is still taken from the second.
    """
    sequence = chain.sequence[segment.start : segment.stop]
    trace = chain.coords[segment.start : segment.stop, 1]
    for other, segments in earlier:
        for usable in segments:
            text = other.sequence[usable.start : usable.stop]
            for offset in _occurrences(text, sequence):
                start = usable.start + offset
                stop = start + len(segment)
                rmsd = float(kabsch_rmsd_batch(trace[None], other.coords[None, start:stop, 1])[0])
                if rmsd < limit:
                    return f"chain {other.id} {other.span(start, stop)} (CA-RMSD {rmsd:.2f} A)"
    return ""
