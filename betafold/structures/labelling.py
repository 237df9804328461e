"""From one structure file to labelled samples, and a reason for everything that is left out."""

import os
from dataclasses import dataclass, field

import numpy as np

from betafold.errors import BetaFoldError
from betafold.structures.chains import Chain, Polymer, bonded, is_bound, read_chains
from betafold.structures.duplicates import earlier_copy
from betafold.structures.fragments import FragmentOptions, fragments
from betafold.structures.header import Header
from betafold.structures.quality import Segment, breaks, model_fault, residue_faults, segments
from betafold.structures.reader import read_structure
from betafold.structures.rejections import Rejection
from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH, Sample, sample_id
from betafold_ext import torsions_batch

DISULFIDE = 2.5  # Angstrom between SG atoms; the bond is 2.05


@dataclass(frozen=True)
class LabelOptions:
    """Choices of the labelling step."""

    fragments: FragmentOptions = field(default_factory=FragmentOptions)
    duplicate_rmsd: float = 1.0  # Angstrom; copies of a sequence in one entry closer than this are one sample


@dataclass(frozen=True)
class _Plan:
    """Stretches of a chain to make samples of, their kind, and why the rest is left out."""

    rejected: list[tuple[int, int, str]]  # start, stop, reason
    usable: list[Segment] = field(default_factory=list)  # of 10 residues or more
    stretches: list[Segment] = field(default_factory=list)  # what becomes a sample
    kind: str = "fragment"


def _plan(chain: Chain, polymers: list[Polymer], options: FragmentOptions, key: str) -> _Plan:
    """Decide what a chain gives: a peptide as a whole, fragments, or nothing."""
    n = len(chain)
    if n < MIN_LENGTH:
        return _Plan([(0, n, f"chain of {n} residues, shorter than {MIN_LENGTH}")])
    if np.isnan(chain.coords[:, (0, 2)]).all():
        return _Plan([(0, n, "CA-only chain: N and C atoms are missing")])
    faults = residue_faults(chain)
    # A chain of which the experiment holds more than is seen is not a peptide.
    is_peptide = n <= MAX_LENGTH and chain.full_length <= MAX_LENGTH
    foreign = [reason for reason in faults.values() if reason.startswith(("D residue", "modified"))]
    if is_peptide and foreign:
        # Beside such a residue the backbone does what the sequence of standard residues would not.
        return _Plan([(0, n, f"peptide with {', '.join(foreign)}")])
    found = segments(chain)
    rejected = [(i, i + 1, reason) for i, reason in faults.items()]
    rejected += [(i - 1, i + 1, reason) for i, reason in breaks(chain).items()]
    rejected += [
        (s.start, s.stop, f"unbroken stretch of {len(s)} residues, shorter than {MIN_LENGTH}")
        for s in found
        if len(s) < MIN_LENGTH
    ]
    usable = [segment for segment in found if len(segment) >= MIN_LENGTH]
    if is_peptide and len(found) == 1:
        kind = "bound" if is_bound(chain, polymers) else "free"
        return _Plan(rejected, usable, usable, kind)
    if n <= MAX_LENGTH:
        return _Plan(rejected, usable, usable)
    return _Plan(rejected, usable, fragments(usable, options, key))


def _disulfides(sg: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pairs of residues i < j whose SG atoms, f8 [L, 3] (NaN: none), are bonded."""
    distances = np.linalg.norm(sg[:, None] - sg[None], axis=-1)
    pairs = np.argwhere(np.triu(distances < DISULFIDE, k=1))
    return tuple((int(i), int(j)) for i, j in pairs)


def _is_cyclic(chain: Chain, segment: Segment) -> bool:
    """Head-to-tail: C of the last residue of the whole chain is bonded to N of the first."""
    whole = len(segment) == len(chain)
    return whole and bool(bonded(chain.coords[[-1, 0]])[0])


def _sample(
    entry: str, header: Header, chain: Chain, segment: Segment, kind: str
) -> tuple[Sample, list[tuple[int, str]]]:
    """The sample of a stretch, and ``(model, reason)`` for each of its models that is left out."""
    span = slice(segment.start, segment.stop)
    models, dropped = [chain.coords[span]], []
    for number, coords in zip(chain.model_numbers[1:], chain.models[1:, span], strict=True):
        if fault := model_fault(coords):
            dropped.append((number, fault))
        else:
            models.append(coords)
    sample = Sample(
        id=sample_id(entry, chain.id, segment.start, len(segment)),
        sequence=chain.sequence[span],
        coords=models[0].astype(np.float32),
        torsions=torsions_batch(models[0][None])[0].astype(np.float32),
        mask=np.ones(len(segment), bool),
        kind=kind,
        entry=entry,
        chain=chain.id,
        start=segment.start,
        parent=chain.sequence,
        cyclic=kind != "fragment" and _is_cyclic(chain, segment),
        disulfides=_disulfides(chain.sg[span]),
        models=np.stack(models).astype(np.float32),
        method=header.method,
        resolution=header.resolution,
    )
    return sample, dropped


class _Entry:
    """Collects what one structure file gives."""

    def __init__(self, name: str, header: Header, options: LabelOptions):
        self.name, self.header, self.options = name, header, options
        self.samples: list[Sample] = []
        self.rejections: list[Rejection] = []
        self._earlier: list[tuple[Chain, list[Segment]]] = []

    def _reject(self, chain: Chain, start: int, stop: int, reason: str) -> None:
        self.rejections.append(Rejection(self.name, chain.id, chain.span(start, stop), reason))

    def add(self, chain: Chain, polymers: list[Polymer]) -> None:
        plan = _plan(chain, polymers, self.options.fragments, f"{self.name}_{chain.id}")
        for rejected in plan.rejected:
            self._reject(chain, *rejected)
        if plan.stretches:
            for number, reason in chain.left_out.items():
                self._reject(chain, 0, len(chain), f"model {number} left out: {reason}")
        for segment in plan.stretches:
            self._add_segment(chain, segment, plan.kind)
        self._earlier.append((chain, plan.usable))

    def _add_segment(self, chain: Chain, segment: Segment, kind: str) -> None:
        copy = earlier_copy(chain, segment, self._earlier, self.options.duplicate_rmsd)
        if copy:
            self._reject(chain, segment.start, segment.stop, f"duplicate of {copy}")
            return
        sample, dropped = _sample(self.name, self.header, chain, segment, kind)
        self.samples.append(sample)
        for number, reason in dropped:
            self._reject(chain, segment.start, segment.stop, f"model {number} left out: {reason}")


def label_structure(
    path: str | os.PathLike, entry: str, options: LabelOptions
) -> tuple[list[Sample], list[Rejection]]:
    """Samples of one structure file, and everything in it that is left out.

    A file that cannot be read gives no sample and one rejection; nothing is raised for it.
    """
    try:
        structure = read_structure(path)
    except BetaFoldError as error:
        return [], [Rejection(entry, "", "", str(error))]
    if "THEORETICAL MODEL" in structure.header.method:
        return [], [Rejection(entry, "", "", "a theoretical model, not an experimental structure")]
    chains, polymers = read_chains(structure)
    if not chains:
        return [], [Rejection(entry, "", "", "no protein or peptide chain")]
    collected = _Entry(entry, structure.header, options)
    for chain in chains:
        collected.add(chain, polymers)
    return collected.samples, collected.rejections
