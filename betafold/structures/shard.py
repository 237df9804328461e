"""A shard of structure files to its label group and its table of rejections."""

import os
from collections import Counter
from dataclasses import asdict, dataclass

from tqdm import tqdm

from betafold.provenance import provenance
from betafold.structures.entries import Entry
from betafold.structures.labelling import label_file
from betafold.structures.labels import write_labels
from betafold.structures.plan import LabelOptions
from betafold.structures.rejections import Rejection, write_rejections
from betafold.structures.samples import KINDS


@dataclass(frozen=True)
class ShardSummary:
    """What became of a shard."""

    entries: int
    samples: int
    kinds: Counter
    rejected: int

    def __str__(self) -> str:
        kinds = ", ".join(f"{self.kinds[kind]} {kind}" for kind in KINDS)
        return f"{self.entries} entries: {self.samples} samples ({kinds}); {self.rejected} rejections"


def label_shard(
    entries: list[Entry],
    out: str | os.PathLike,
    rejected: str | os.PathLike,
    options: LabelOptions,
) -> ShardSummary:
    """Label every entry, write the Zarr group ``out`` and the table ``rejected`` (also if both are empty).

    Of two files with the same entry name (1abc.pdb and 1abc.cif) the first counts, of two samples with the same
    id (in files of the exchange format) as well.
    """
    samples, rejections, seen = {}, [], {}
    for name, path, resolution in tqdm(entries, desc="label", unit="entry", disable=None):
        if name in seen:
            reason = f"{path}: the name is taken by {seen[name]}; rename one to use both"
            rejections.append(Rejection(name, "", "", reason))
            continue
        seen[name] = path
        found, left_out = label_file(path, name, options, resolution)
        rejections += left_out
        for sample in found:
            if samples.setdefault(sample.id, sample) is not sample:
                reason = f"{path}: there is a sample {sample.id} already; rename one to use both"
                rejections.append(Rejection(sample.entry, sample.chain, "", reason))
    samples = list(samples.values())
    write_labels(out, samples, provenance("label", options=asdict(options), n_entries=len(seen)))
    write_rejections(rejected, rejections)
    return ShardSummary(len(seen), len(samples), Counter(sample.kind for sample in samples), len(rejections))
