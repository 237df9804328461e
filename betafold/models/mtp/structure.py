"""From an output to the CA traces that it means, where no gradient is needed."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from betafold.geometry.scaling import ca_from_distances
from betafold.models.mtp.heads import pair_distances, pair_mask


@dataclass(frozen=True)
class Reconstruction:
    """CA traces of B peptides of up to L residues, and how well they keep the distances asked for."""

    ca: Tensor  # [B, L, 3] Angstrom, 0 where padded
    misfit: Tensor  # [B, L] Angstrom, root mean square error of each residue's distances in the trace
    outside_top3: Tensor  # [B], share of the eigenvalue mass that no trace in space can have
    log_odds: Tensor  # [B], of the hand against its mirror image, from 0 on; NaN where another trace decided

    @classmethod
    def of_distances(
        cls,
        distances: Tensor,
        mask: Tensor,
        like: Tensor | None = None,
        dihedrals: Tensor | None = None,
    ) -> Self:
        """Of distances [B, L, L] and mask [B, L] (True = residue), in the likelier hand or that of ``like`` [B, L, 3].

        ``dihedrals`` [B, L - 3, bins] are log probabilities that the hand's odds rest on (None = proteins in general).
        """
        found = ca_from_distances(distances, mask.sum(dim=1), like=like, dihedrals=dihedrals)
        ca = torch.where(mask[..., None], found.ca, 0.0)
        return cls(ca, misfit(ca, distances, mask), found.outside_top3, found.log_odds)

    @classmethod
    def of_coordinates(cls, ca: Tensor, mask: Tensor) -> Self:
        """Of predicted coordinates [B, L, 3], which keep their own distances and have their own hand."""
        ca = torch.where(mask[..., None], ca.detach(), 0.0)
        nothing = torch.zeros_like(ca[:, 0, 0])
        return cls(ca, torch.zeros_like(ca[..., 0]), nothing, nothing)

    def diagnostics(self, index: int, length: int) -> dict[str, float]:
        """Of item ``index``, which has ``length`` residues: ``stress`` is the root mean square misfit in Angstrom."""
        return {
            "stress": self.misfit[index, :length].square().mean().sqrt().item(),
            "outside_top3": self.outside_top3[index].item(),
            "hand_log_odds": self.log_odds[index].item(),
        }


def misfit(ca: Tensor, distances: Tensor, mask: Tensor) -> Tensor:
    """Root mean square difference [B, L] between ``distances`` [B, L, L] and those of ca [B, L, 3], per residue."""
    pairs = pair_mask(mask)
    squared = (pair_distances(ca) - distances).square() * pairs
    return (squared.sum(2) / pairs.sum(2).clamp(min=1)).sqrt()
