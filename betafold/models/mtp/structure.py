"""From an output to the CA trace that it means, where no gradient is needed."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from betafold.models.mtp.heads import pair_distances, pair_mask
from betafold.models.mtp.reconstruct import _triple_products, classical_scaling, guttman_transform


@dataclass(frozen=True)
class Reconstruction:
    """CA traces of B peptides of up to L residues, and how well they keep the distances asked for."""

    ca: Tensor  # [B, L, 3] Angstrom
    misfit: Tensor  # [B, L] Angstrom, root mean square error of each residue's distances in the trace
    outside_top3: Tensor  # [B], share of the eigenvalue mass that no trace in space can have

    @classmethod
    def of_coordinates(cls, ca: Tensor) -> Self:
        """Of predicted coordinates [B, L, 3], which keep their own distances."""
        return cls(ca.detach(), torch.zeros_like(ca[..., 0]), torch.zeros_like(ca[:, 0, 0]))


def reconstruct(distances: Tensor, mask: Tensor) -> Reconstruction:
    """Traces for distances [B, L, L] and mask [B, L] (True = residue)."""
    ca = classical_scaling(distances, mask)
    for _ in range(50):
        ca = guttman_transform(ca, distances, mask)
    ca = ca * torch.where(_triple_products(ca).sum(1) < 0, -1.0, 1.0)[:, None, None]
    return Reconstruction(ca, misfit(ca, distances, mask), torch.zeros_like(ca[:, 0, 0]))


def misfit(ca: Tensor, distances: Tensor, mask: Tensor) -> Tensor:
    """Root mean square difference [B, L] between ``distances`` [B, L, L] and those of ca [B, L, 3], per residue."""
    pairs = pair_mask(mask)
    squared = (pair_distances(ca) - distances).square() * pairs
    return (squared.sum(2) / pairs.sum(2).clamp(min=1)).sqrt()
