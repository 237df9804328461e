"""Samples and their embeddings as padded batches."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from betafold.errors import BetaFoldError
from betafold.models.inputs import Inputs, cut_batches, residue_mask
from betafold.structures.samples import Sample

BUCKET = 20  # batches whose peptides are sorted by length together


@dataclass(frozen=True)
class Batch(Inputs):
    """Inputs of B peptides, and what is known about them."""

    torsions: Tensor  # f4 [B, L, 3] radians, NaN where undefined or padded
    coords: Tensor  # f4 [B, L, 3, 3] Angstrom, NaN where missing or padded
    weight: Tensor  # f4 [B], how much a peptide counts
    lengths: Tensor  # i8 [B]

    @property
    def residue_weight(self) -> Tensor:
        """Weight [B, L] of every residue, 0 where padded."""
        return self.weight[:, None] * self.mask


class Item(NamedTuple):
    """One peptide of a dataset; the fields of a Batch without padding."""

    sequence: str
    x: Tensor | None
    torsions: Tensor
    coords: Tensor
    weight: float


class PeptideDataset(Dataset):
    """Samples held in memory, embeddings (where a model reads any) in half precision until a batch needs them."""

    def __init__(
        self,
        samples: list[Sample],
        embeddings: dict[str, np.ndarray] | None = None,
        weights: dict[str, float] | None = None,
    ):
        """``weights`` maps a kind to how much its samples count (default 1)."""
        self.samples = samples
        self.embeddings = (
            None if embeddings is None else [_embedding(sample, embeddings) for sample in samples]
        )
        self.weights = [(weights or {}).get(sample.kind, 1.0) for sample in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        sample = self.samples[index]
        x = None
        if self.embeddings is not None:
            x = torch.from_numpy(np.asarray(self.embeddings[index], dtype=np.float32))
        torsions, coords = torch.from_numpy(sample.torsions), torch.from_numpy(sample.coords)
        return Item(sample.sequence, x, torsions, coords, self.weights[index])

    def loader(self, batches: list[list[int]]) -> DataLoader:
        """Padded batches of the given indices."""
        # A generator of its own: the loader must not draw from the one that dropout uses.
        return DataLoader(self, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())

    @property
    def lengths(self) -> list[int]:
        return [sample.length for sample in self.samples]


def _embedding(sample: Sample, embeddings: dict[str, np.ndarray]) -> np.ndarray:
    if sample.id not in embeddings:
        raise BetaFoldError(
            f"{sample.id}: labelled but not embedded; run `betafold embed` on the same labels"
        )
    x = embeddings[sample.id]
    if len(x) != sample.length:
        raise BetaFoldError(
            f"{sample.id}: {sample.length} residues but an embedding of {len(x)}; run `betafold embed` again"
        )
    return x


def collate(items: list[Item]) -> Batch:
    """Pad the dataset's items to one batch."""
    sequences, x, torsions, coords, weight = zip(*items, strict=True)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    nan = float("nan")
    return Batch(
        sequences=list(sequences),
        mask=residue_mask(lengths),
        x=None if x[0] is None else pad_sequence(x, batch_first=True),
        torsions=pad_sequence(torsions, batch_first=True, padding_value=nan),
        coords=pad_sequence(coords, batch_first=True, padding_value=nan),
        weight=torch.tensor(weight, dtype=torch.float32),
        lengths=lengths,
    )


def shuffled_batches(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of indices of an epoch: a random order, similar lengths together, a function of its arguments.

    Because an epoch's order depends on nothing that came before it, a resumed run needs no sampler state.
    Of chains longer than peptides a batch holds fewer, see ``cut_batches``.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths)).tolist()
    batches = []
    for start in range(0, len(order), BUCKET * batch_size):
        batches += ordered_batches(lengths, batch_size, order[start : start + BUCKET * batch_size])
    return [batches[i] for i in rng.permutation(len(batches))]


def ordered_batches(lengths: list[int], batch_size: int, indices: list[int] | None = None) -> list[list[int]]:
    """Batches of ``indices`` (None = all), shortest peptides first."""
    order = sorted(range(len(lengths)) if indices is None else indices, key=lambda i: lengths[i])
    return [
        [order[place] for place in batch] for batch in cut_batches([lengths[i] for i in order], batch_size)
    ]


def in_split(samples: list[Sample], split: pd.DataFrame, name: str) -> list[Sample]:
    """Samples of the split called ``name``, ordered by id whatever shard they came from."""
    chosen = set(split.index[split["split"] == name])
    return sorted((sample for sample in samples if sample.id in chosen), key=lambda sample: sample.id)


def data_sha256(samples: Iterable[Sample], split: pd.DataFrame) -> str:
    """Digest of what is trained on: every sample's labels and which split it is in, order not counting."""
    digest = hashlib.sha256()
    assigned = split["split"].to_dict()
    for sample in sorted(samples, key=lambda sample: sample.id):
        header = (sample.id, sample.sequence, sample.kind, assigned.get(sample.id, ""))
        digest.update("\t".join(header).encode())
        digest.update(np.ascontiguousarray(sample.torsions, dtype="<f4").tobytes())
        digest.update(np.ascontiguousarray(sample.coords, dtype="<f4").tobytes())
    return digest.hexdigest()
