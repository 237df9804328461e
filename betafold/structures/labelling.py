"""From one file to labelled samples, and a reason for everything that is left out."""

import math
import os
from dataclasses import replace

import numpy as np

from betafold.errors import BetaFoldError
from betafold.structures.chains import Chain, bonded, read_chains
from betafold.structures.duplicates import earlier_copy
from betafold.structures.exchange import Item, read_items
from betafold.structures.header import Header
from betafold.structures.naming import is_exchange_file
from betafold.structures.plan import LabelOptions, Plan, plan_chain, plan_trace
from betafold.structures.quality import Segment, model_fault
from betafold.structures.reader import read_structure
from betafold.structures.rejections import Rejection
from betafold.structures.samples import Sample, sample_id
from betafold_ext import torsions_batch

DISULFIDE = 2.5  # Angstrom between SG atoms; the bond is 2.05


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
        mask=np.isfinite(models[0]).all((1, 2)),
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
    """Collects what one entry gives."""

    def __init__(self, name: str, header: Header, options: LabelOptions):
        self.name, self.header, self.options = name, header, options
        self.samples: list[Sample] = []
        self.rejections: list[Rejection] = []
        self._earlier: list[tuple[Chain, list[Segment]]] = []

    def _reject(self, chain: Chain, start: int, stop: int, reason: str) -> None:
        self.rejections.append(Rejection(self.name, chain.id, chain.span(start, stop), reason))

    def add(self, chain: Chain, plan: Plan) -> None:
        for rejected in plan.rejected:
            self._reject(chain, *rejected)
        if plan.samples:
            for number, reason in chain.left_out.items():
                self._reject(chain, 0, len(chain), f"model {number} left out: {reason}")
        for segment, kind in plan.samples:
            self._add_segment(chain, segment, kind)
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


def label_file(
    path: str | os.PathLike, entry: str, options: LabelOptions, resolution: float = math.nan
) -> tuple[list[Sample], list[Rejection]]:
    """Samples of one file of either kind, see :func:`label_structure` and :func:`label_items`."""
    if is_exchange_file(path):
        return label_items(path, entry, options)
    return label_structure(path, entry, options, resolution)


def label_structure(
    path: str | os.PathLike, entry: str, options: LabelOptions, resolution: float = math.nan
) -> tuple[list[Sample], list[Rejection]]:
    """Samples of one structure file, and everything in it that is left out.

    ``resolution`` counts where the file states none. A file that cannot be read gives no sample and one
    rejection; nothing is raised for it.
    """
    try:
        structure = read_structure(path)
    except BetaFoldError as error:
        return [], [Rejection(entry, "", "", str(error))]
    header = structure.header
    if "THEORETICAL MODEL" in header.method:
        return [], [Rejection(entry, "", "", "a theoretical model, not an experimental structure")]
    if math.isnan(header.resolution):
        header = replace(header, resolution=resolution)
    chains, polymers = read_chains(structure)
    if not chains:
        return [], [Rejection(entry, "", "", "no protein or peptide chain")]
    collected = _Entry(entry, header, options)
    for chain in chains:
        collected.add(chain, plan_chain(chain, polymers, options, f"{entry}_{chain.id}"))
    return collected.samples, collected.rejections


def label_items(
    path: str | os.PathLike, entry: str, options: LabelOptions
) -> tuple[list[Sample], list[Rejection]]:
    """Samples of one file in the JSON exchange format, and its items that are left out.

    ``entry`` stands in the rejections of items that have no name of their own. Nothing is raised for a file that
    cannot be read.
    """
    samples, rejections = [], []
    try:
        for number, name, item in read_items(path):
            if isinstance(item, Item):
                found, left_out = _label_item(item, options)
                samples += found
                rejections += [replace(row, reason=f"{row.reason} (item {number})") for row in left_out]
            else:
                rejections.append(Rejection(name or entry, "", "", f"{item} (item {number})"))
    except BetaFoldError as error:
        rejections.append(Rejection(entry, "", "", str(error).removeprefix(f"{path}: ")))
    return samples, rejections


def _label_item(item: Item, options: LabelOptions) -> tuple[list[Sample], list[Rejection]]:
    chain = item.as_chain()
    collected = _Entry(item.entry, Header(), options)
    if item.ca_only:
        collected.add(chain, plan_trace(chain, options))
    else:
        collected.add(chain, plan_chain(chain, [chain.polymer], options, f"{item.entry}_{chain.id}"))
    return [_shifted(sample, item.start) for sample in collected.samples], collected.rejections


def _shifted(sample: Sample, by: int) -> Sample:
    """The sample as part of a chain that has ``by`` more residues, all unknown, in front."""
    if not by:
        return sample
    start = sample.start + by
    return replace(
        sample,
        id=sample_id(sample.entry, sample.chain, start, sample.length),
        start=start,
        parent="X" * by + sample.parent,
    )
