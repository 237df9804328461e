"""Peptides ready to draw: conformers superposed on the native or on rank 1, seen from their broad side."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

import betafold_ext
from betafold.errors import BetaFoldError
from betafold.evaluation.matching import MIN_IDENTITY, pair_chains
from betafold.evaluation.metrics import MIN_RESIDUES, shared_residues
from betafold.reports.view.files import Natives, Source, find_sources
from betafold.reports.view.models import Model, Strand, read_models

MAX_CONFORMERS = 20


@dataclass(frozen=True, eq=False)
class Peptide:
    """What the page shows of one peptide (or of all chains of a file).

    ``models`` and ``native`` (the stretch of its chain that the first model covers) lie in one frame; ``rmsd`` is
    each model's CA-RMSD to the native in Angstrom, NaN without one.
    """

    id: str
    models: list[Model]
    rmsd: list[float]
    native: Model | None
    native_name: str
    native_residues: int
    row: dict[str, str]

    @property
    def sequences(self) -> list[str]:
        return [strand.sequence for strand in self.models[0].strands]

    @property
    def length(self) -> int:
        return sum(map(len, self.sequences))

    def value(self, column: str) -> float:
        """A number of the peptide's row of summary.csv, NaN where there is none."""
        try:
            return float(self.row[column])
        except (KeyError, ValueError):
            return math.nan

    @property
    def plddt(self) -> float:
        """Mean pLDDT of the first model, NaN without confidence."""
        return self.models[0].plddt


@dataclass(frozen=True)
class Shown:
    """Peptides of a page, how many more there are, and ``(file, reason)`` of what could not be shown."""

    peptides: list[Peptide]
    left_out: int
    failures: list[tuple[str, str]]


def load_peptides(paths: list[Path], native: Path | None, most: int) -> Shown:
    """Read the first ``most`` peptides of ``paths``, with their natives from the file or folder ``native``."""
    sources = find_sources(paths)
    chosen = sources[:most]
    natives = Natives(native, chosen) if native else None
    peptides, failures = [], []
    for source in tqdm(chosen, unit="peptide", disable=None):
        models = _models(source, failures)
        if models:
            peptides.append(_peptide(source, models, natives, failures))
    failures += natives.failures if natives else []
    return Shown(peptides, len(sources) - len(chosen), failures)


def _models(source: Source, failures: list) -> list[Model]:
    """Models of all files of a peptide, at most ``MAX_CONFORMERS``; a broken file goes to ``failures``."""
    models = []
    for file in source.files[:MAX_CONFORMERS]:
        try:
            models += read_models(file, MAX_CONFORMERS - len(models))
        except BetaFoldError as error:
            failures.append((file.name, str(error).removeprefix(f"{file}: ")))
        if len(models) == MAX_CONFORMERS:
            break
    return models


def _peptide(source: Source, models: list[Model], natives: Natives | None, failures: list) -> Peptide:
    """Superpose everything on the native chain, or on the first model where there is none."""
    sequences = [strand.sequence for strand in models[0].strands]
    file = natives.of(source, sequences) if natives else None
    target, native = models[0].strands, None
    if file:
        try:
            native = _native_stretch(file, models[0])
            target = (native,)
        except BetaFoldError as error:
            failures.append(
                (source.id, f"native {file.name} not shown: {str(error).removeprefix(f'{file}: ')}")
            )
    fits = [superpose(model, target) for model in models]
    models = [model if fit is None else fit[0] for model, fit in zip(models, fits, strict=True)]
    # Without a native, numbers against rank 1 would only be mistaken for those against one.
    rmsd = [fit[1] if native and fit else math.nan for fit in fits]
    shared = fits[0][2] if native else 0
    frame = broad_side(models[0].ca)
    return Peptide(
        id=source.id,
        models=[model.moved(*frame) for model in models],
        rmsd=rmsd,
        native=Model((native,)).moved(*frame) if native else None,
        native_name=f"{file.name}, chain {native.id or '-'}" if native else "",
        native_residues=shared,
        row=source.row if source.row.get("sequence") in sequences else {},
    )


def _native_stretch(file: Path, model: Model) -> Strand:
    """What the model covers of the fitting chain of a native's first model; BetaFoldError if no chain fits."""
    strands = read_models(file, 1)[0].strands
    pairing = pair_chains(strands, model.strands)
    shared = shared_residues(*_paired(pairing)).sum()
    if pairing.identity < MIN_IDENTITY or shared < MIN_RESIDUES:
        raise BetaFoldError(
            f"no chain fits ({shared} residues aligned, {100 * pairing.identity:.0f}% identical)"
        )
    covered = pairing.positions[pairing.positions >= 0]
    return pairing.native[covered.min() : covered.max() + 1]


def _paired(pairing) -> tuple[np.ndarray, np.ndarray]:
    """CA atoms [n, 3] of the aligned residues of a pairing: predicted, native."""
    aligned = pairing.positions >= 0
    return pairing.predicted.ca[aligned], pairing.native.ca[pairing.positions[aligned]]


def superpose(model: Model, target: tuple[Strand, ...]) -> tuple[Model, float, int] | None:
    """The model on ``target`` by the CA atoms of the chains that fit best, CA-RMSD in Angstrom, residues compared.

    None if fewer than ``MIN_RESIDUES`` residues are on both sides.
    """
    ours, theirs = _paired(pair_chains(target, model.strands))
    shared = shared_residues(ours, theirs)
    if shared.sum() < MIN_RESIDUES:
        return None
    rmsd, rotation, translation = betafold_ext.kabsch_superpose_batch(
        ours[shared][None], theirs[shared][None]
    )
    return model.moved(rotation[0], translation[0]), float(rmsd[0]), int(shared.sum())


def broad_side(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation that put ``points`` [n, 3] around the origin, widest along x, flattest along z."""
    points = points[np.isfinite(points).all(axis=1)]
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd((points - centre).T @ (points - centre))
    if np.linalg.det(axes) < 0:
        axes[2] *= -1  # no mirror image
    return axes, -axes @ centre
