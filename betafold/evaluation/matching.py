"""Which prediction belongs to which native: files by name, then chains and residues by sequence."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from betafold.evaluation.alignment import aligned_positions
from betafold.evaluation.structure_files import Chain
from betafold.structures.naming import SUFFIXES, entry_name

MIN_IDENTITY = 0.5
"""Over the aligned residues; below it two chains are taken for different molecules."""


class Pairing(NamedTuple):
    """A native and a predicted chain with the native residue of each predicted one (-1: none)."""

    native: Chain
    predicted: Chain
    positions: np.ndarray
    identity: float


def stem(path: Path) -> str:
    """File name without .pdb, .cif, .gz and the like, in lower case."""
    return SUFFIXES.sub("", path.name).lower()


def group_by_name(natives: list[Path], predictions: list[Path]) -> tuple[dict[Path, list[Path]], list[Path]]:
    """Predictions of each native, best rank first, and the predictions that fit no native's name.

    A prediction fits the longest native name that its own equals or continues after ``_``, ``-`` or ``.``
    (``1abc_model_2`` fits ``1abc``). The exact name comes first, then the others in natural order.
    """
    names: dict[str, Path] = {}
    for native in natives:
        for name in (entry_name(native).lower(), stem(native)):
            names.setdefault(name, native)
    by_length = sorted(names, key=len, reverse=True)
    groups: dict[Path, list[Path]] = {native: [] for native in natives}
    left = []
    for prediction in predictions:
        own = {stem(prediction), entry_name(prediction).lower()}
        fits = (name for name in by_length if any(_continues(candidate, name) for candidate in own))
        name = next(fits, None)
        if name is None:
            left.append(prediction)
        else:
            groups[names[name]].append(prediction)
    for group in groups.values():
        group.sort(key=lambda path: _natural(stem(path)))
    return groups, left


def _continues(candidate: str, name: str) -> bool:
    return candidate == name or (candidate.startswith(name) and candidate[len(name)] in "_-.")


def _natural(name: str) -> list:
    """Sort key that puts model_2 before model_10 and a name before its continuations."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def align(native: str, predicted: str) -> np.ndarray:
    """Index of the native residue for each predicted one, -1 where there is none.

    One sequence inside the other is placed exactly (first occurrence); else a global alignment with
    BLOSUM62 and free end gaps decides.
    """
    if predicted in native:
        return native.index(predicted) + np.arange(len(predicted))
    if native in predicted:
        start = predicted.index(native)
        positions = np.full(len(predicted), -1)
        positions[start : start + len(native)] = np.arange(len(native))
        return positions
    return aligned_positions(predicted, native, algorithm="ov")


def pair_chains(natives: list[Chain], predictions: list[Chain]) -> Pairing:
    """The native and predicted chain with the most identical aligned residues (the first of equals)."""
    best, most = None, -1
    for native in natives:
        for predicted in predictions:
            positions = align(native.sequence, predicted.sequence)
            aligned = np.flatnonzero(positions >= 0)
            same = sum(predicted.sequence[i] == native.sequence[positions[i]] for i in aligned)
            if same > most:
                most = same
                best = Pairing(native, predicted, positions, same / max(1, len(aligned)))
    return best


def on_native(pairing: Pairing, values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Values of the predicted residues (along ``axis``) laid out on the native's, NaN where unpaired."""
    moved = np.moveaxis(values, axis, 0)
    result = np.full((len(pairing.native.sequence), *moved.shape[1:]), np.nan)
    paired = pairing.positions >= 0
    result[pairing.positions[paired]] = moved[paired]
    return np.moveaxis(result, 0, axis)
