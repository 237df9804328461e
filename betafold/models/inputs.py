"""What a model reads of a batch of peptides, and how many fit into one batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

PEPTIDES = 128  # in a batch at most where nothing is trained
PAIRS = (
    30**2
)  # residue pairs a peptide may have on average in a padded batch: attention and distances grow with them


@dataclass(frozen=True)
class Inputs:
    """B peptides padded to the longest of them, L residues."""

    sequences: list[str]  # B one-letter sequences
    mask: Tensor  # bool [B, L], True = residue
    x: Tensor | None  # f4 [B, L, D] embeddings, 0 where padded; None for families that read sequences

    def to(self, device: torch.device | str) -> Self:
        """The same batch with its tensors on ``device``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in values.items()}
        return type(self)(**moved)


def residue_mask(lengths: Tensor) -> Tensor:
    """True [B, L] at the residues of peptides of ``lengths`` [B]."""
    return torch.arange(int(lengths.max())) < lengths[:, None]


def pad_inputs(sequences: list[str], features: Sequence[np.ndarray] | None = None) -> Inputs:
    """Batch of ``sequences`` and, for families that read them, their embeddings (one [length, D] each)."""
    mask = residue_mask(torch.tensor([len(sequence) for sequence in sequences]))
    if features is None:
        return Inputs(sequences, mask, None)
    x = torch.zeros(*mask.shape, features[0].shape[-1])
    for row, feature in zip(x, features, strict=True):
        row[: len(feature)] = torch.from_numpy(np.asarray(feature, dtype=np.float32))
    return Inputs(sequences, mask, x)


def cut_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices of ``lengths`` in their order, cut at ``size`` peptides or ``size`` * PAIRS residue pairs.

    Peptides of up to 30 residues come ``size`` at a time; the longer the chains, the fewer.
    """
    batch: list[int] = []
    longest = 0
    for index, length in enumerate(lengths):
        longest = max(longest, length)
        if batch and (len(batch) == size or (len(batch) + 1) * longest**2 > size * PAIRS):
            yield batch
            batch, longest = [], length
        batch.append(index)
    if batch:
        yield batch


def inference_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """``cut_batches`` where nothing is trained."""
    return cut_batches(lengths, PEPTIDES)
