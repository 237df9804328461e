"""What an mtp model gives for a batch; what costs more than a pass through the heads is made when it is first read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from betafold.models.mtp.features import DRAWS, confidence_features
from betafold.models.mtp.heads import pair_distances, pair_mask
from betafold.models.mtp.structure import Reconstruction

if TYPE_CHECKING:
    from betafold.models.mtp.model import MtpModel


@dataclass(frozen=True, eq=False)
class MtpOutput:
    """B peptides of up to L residues. Values at padded places are finite and mean nothing."""

    model: MtpModel = field(repr=False)  # whose heads gave it
    h: Tensor  # [B, L, width], what the heads read
    mask: Tensor  # bool [B, L], True = residue
    pooled: Tensor  # [B, width], of the input; with ``states`` what the heads start from
    states: Tensor  # [B, L, width], of placeholders or residues
    distances: Tensor  # [B, L, L] Angstrom, predicted or, for output coordinates, of those
    coordinates: Tensor | None  # [B, L, 3] Angstrom, absolute; None for the other outputs
    dihedrals: Tensor | None = None  # [B, L - 3, bins], log probabilities of CA dihedrals, where predicted
    hand: Tensor | None = None  # [B, L, 3], traces that decide between mirror images; None = the likelier one
    plddt_logits: Tensor | None = None  # [B, L, bins] over lDDT in [0, 1]; None where not asked for

    @cached_property
    def structure(self) -> Reconstruction:
        """The CA traces that the answer means, without gradient."""
        return self.model.structure(self)

    @property
    def ca(self) -> Tensor:
        """CA coordinates [B, L, 3] in Angstrom of the answer, without gradient."""
        return self.structure.ca

    @cached_property
    def features(self) -> Tensor:
        """What the confidence head reads beside ``h`` [B, L, FEATURES]."""
        with torch.no_grad():
            draws = [
                self.model.sample(self, index, DRAWS, torch.Generator().manual_seed(0)).distances
                for index in range(len(self.mask))
            ]
            return confidence_features(self.distances, draws, self.structure, self.mask)


def distances_of(coordinates: Tensor, mask: Tensor) -> Tensor:
    """Distances [B, L, L] of coordinates [B, L, 3], 0 on the diagonal and where padded."""
    return pair_distances(coordinates) * pair_mask(mask)
