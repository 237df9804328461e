"""Pairwise sequence alignment (pyopal, BLOSUM62) as a map of positions."""

import re

import numpy as np
import pyopal

# Usual for BLOSUM62.
GAP_OPEN, GAP_EXTEND = 11, 1


def align(query: str, targets, *, algorithm: str, mode: str):
    """Results of pyopal for ``query`` against each of ``targets`` (strings or a pyopal.Database)."""
    return pyopal.align(
        query,
        targets,
        "BLOSUM62",
        gap_open=GAP_OPEN,
        gap_extend=GAP_EXTEND,
        algorithm=algorithm,
        mode=mode,
        threads=1,
    )


def aligned_positions(query: str, target: str, *, algorithm: str) -> np.ndarray:
    """Index in ``target`` of each residue of ``query``, -1 where it is not aligned.

    ``algorithm``: ``sw`` for the best local alignment, ``ov`` for a global one with free end gaps.
    """
    positions = np.full(len(query), -1)
    (result,) = align(query, [target], algorithm=algorithm, mode="full")
    ours, theirs = result.query_start, result.target_start
    # Nothing alike at all: no CIGAR string.
    for count, operation in re.findall(r"(\d+)([MID])", result.cigar() or ""):
        count = int(count)
        if operation == "M":
            positions[ours : ours + count] = np.arange(theirs, theirs + count)
        ours += count * (operation in "MI")
        theirs += count * (operation in "MD")
    return positions
