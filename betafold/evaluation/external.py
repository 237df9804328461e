"""Score any tool's structure files against native files (``betafold evaluate --native --predicted``)."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from betafold.errors import BetaFoldError
from betafold.evaluation import metrics, table
from betafold.evaluation.matching import MIN_IDENTITY, Pairing, group_by_name, on_native, pair_chains, stem
from betafold.evaluation.strata import HELICAL_FRACTION, helix_fraction_of
from betafold.evaluation.structure_files import Chain, read_chains, structure_files, torsions
from betafold.files import write_beside


@dataclass(frozen=True, eq=False)
class Native:
    """What ``table.score`` compares with: first model, its torsions in radians, all models."""

    coords: np.ndarray
    torsions: np.ndarray
    models: np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """One native with the conformers predicted for it, laid out on the native's residues."""

    native: Native
    conformers: np.ndarray  # [K, L, 3, 3]
    torsions: np.ndarray  # [L, 3] of the first conformer


def evaluate_files(native: Path, predicted: Path, out: Path) -> int:
    """Write one row per native file, then one per prediction without a native.

    A native without a usable prediction has a row too, with the reason in ``status``. Several predictions
    of one native (or several models in one file) are conformers in the order of their names; metrics are
    those of the first, ``ca_rmsd_best5`` is the best of five.

    Returns:
        Exit status: 0 if every native was scored, 2 if some were, 1 if none.
    """
    natives, predictions = structure_files(native), structure_files(predicted)
    groups, unnamed = group_by_name(natives, predictions)
    chains, named = {}, {}
    records, comparisons = [], []
    for path, group in groups.items():
        record = {"id": stem(path), "native_file": path.name, "status": "ok"}
        try:
            if (twin := named.setdefault(stem(path), path)) is not path:
                raise BetaFoldError(f"{twin} has the same name; rename one of them")
            chains[path] = _read(path)
            group = group or _by_sequence(chains[path], unnamed)
            comparisons.append(_compare(chains[path], group, record))
        except BetaFoldError as error:
            record["status"] = str(error)
            print(f"{path.name}: {error}", file=sys.stderr)
        records.append(record)
    rows = pd.DataFrame(records)
    _add_scores(rows, comparisons)
    for path in unnamed:
        rows.loc[len(rows), ["id", "predicted_file", "status"]] = [stem(path), path.name, "no native fits"]
    with write_beside(out) as partial:
        table.write_table(rows, partial)
    print(f"{len(comparisons)} of {len(natives)} natives scored, table in {out}", file=sys.stderr)
    return 0 if len(comparisons) == len(natives) else 2 if comparisons else 1


def _read(path: Path) -> list[Chain]:
    try:
        return read_chains(path)
    except BetaFoldError as error:
        raise BetaFoldError(f"unreadable: {str(error).removeprefix(f'{path}: ')} ({path.name})") from error


def _by_sequence(natives: list[Chain], unnamed: list[Path]) -> list[Path]:
    """The predictions among ``unnamed`` with a native chain's very sequence; they are taken off that list."""
    sequences = {chain.sequence for chain in natives}
    fitting = []
    for path in unnamed:
        try:
            if sequences & {chain.sequence for chain in _read(path)}:
                fitting.append(path)
        except BetaFoldError:
            continue  # its own row says that no native fits
    for path in fitting:
        unnamed.remove(path)
    return fitting


def _compare(natives: list[Chain], predictions: list[Path], record: dict) -> Comparison:
    """Pair chains and residues; fills ``record`` with what was compared. BetaFoldError if nothing fits."""
    if not predictions:
        raise BetaFoldError("no prediction: no file of that name or sequence")
    record["predicted_file"] = predictions[0].name
    pairings = [pair_chains(natives, _read(predictions[0]))]
    first = pairings[0]
    shared = int((first.positions >= 0).sum())
    if first.identity < MIN_IDENTITY or shared < metrics.MIN_RESIDUES:
        raise BetaFoldError(
            f"no chain fits: best {first.native.id or '-'} with {first.predicted.id or '-'}, {shared} residues "
            f"aligned, {100 * first.identity:.0f}% identical"
        )
    pairings += _later_ranks(first.native, predictions[1 : table.CONFORMERS])
    conformers = np.concatenate(
        [on_native(pairing, pairing.predicted.coords, axis=1) for pairing in pairings]
    )
    native_coords = first.native.coords
    native = Native(native_coords[0], torsions(native_coords[0]), native_coords)
    fraction = helix_fraction_of(native.torsions, native.coords)
    record |= {
        "native_chain": first.native.id,
        "predicted_chain": first.predicted.id,
        "sequence": first.native.sequence,
        "length": len(first.native.sequence),
        "identity": first.identity,
        "n_conformers": len(conformers),
        "n_models": len(native_coords),
        "helix_fraction": fraction,
        "helical": fraction >= HELICAL_FRACTION,
    }
    return Comparison(native, conformers, _torsions_on_native(first))


def _later_ranks(native: Chain, paths: list[Path]) -> list[Pairing]:
    """Pairings of further conformers; one that is unreadable or another molecule is named and left out."""
    pairings = []
    for path in paths:
        try:
            pairing = pair_chains([native], _read(path))
            if pairing.identity < MIN_IDENTITY:
                raise BetaFoldError(f"another molecule ({path.name})")
        except BetaFoldError as error:
            print(f"betafold evaluate: {path.name}: left out of the best of 5: {error}", file=sys.stderr)
        else:
            pairings.append(pairing)
    return pairings


def _torsions_on_native(pairing: Pairing) -> np.ndarray:
    return on_native(pairing, torsions(pairing.predicted.coords[0]))


def _add_scores(rows: pd.DataFrame, comparisons: list[Comparison]) -> None:
    """Add the metrics' columns to the rows with status ok, in order."""
    if not comparisons:
        return
    scores = table.score(
        [comparison.native for comparison in comparisons],
        [comparison.conformers for comparison in comparisons],
        [comparison.torsions for comparison in comparisons],
    )
    scored = rows["status"] == "ok"
    for name in scores.columns:
        rows.loc[scored, name] = scores[name].to_numpy()
    rows.loc[scored, "coverage"] = rows.loc[scored, "n_compared"] / rows.loc[scored, "length"]
