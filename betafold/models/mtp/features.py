"""What tells how far an mtp model's answer can be trusted, for its confidence head."""

import torch
from torch import Tensor

from betafold.models.mtp.heads import CA_CA, pair_mask
from betafold.models.mtp.structure import Reconstruction

FEATURES = 6
DRAWS = 8


def confidence_features(
    distances: Tensor, draws: list[Tensor], structure: Reconstruction, mask: Tensor
) -> Tensor:
    """Features [B, L, FEATURES] of the residues of B peptides; 0 where padded.

    In the order of the last axis: spread of the draws; error of the residue's distances in the trace; mean distance to
    the other residues, relative to a freely jointed chain's; and of the whole peptide the eigenvalue mass outside three
    dimensions, the log odds of its hand, and the logarithm of its length.

    Args:
        distances: [B, L, L] Angstrom, of the answer.
        draws: per peptide, distances [n, length, length] of answers drawn by dropout.
        structure: the answer's traces.
        mask: bool [B, L], True = residue.
    """
    spread = torch.zeros_like(structure.misfit)
    for row, draw in zip(spread, draws, strict=True):
        row[: draw.shape[1]] = draw.var(dim=0).mean(dim=-1).sqrt()
    place = torch.arange(mask.shape[1], device=mask.device)
    coil = CA_CA * (place[:, None] - place).abs().sqrt()
    pairs = pair_mask(mask)
    extent = (distances * pairs).sum(2) / (coil * pairs).sum(2).clamp(min=1)
    whole = [structure.outside_top3, structure.log_odds.log1p(), mask.sum(1).log()]
    whole = [value[:, None].expand_as(spread) for value in whole]
    return torch.stack([spread.log1p(), structure.misfit.log1p(), extent, *whole], dim=-1) * mask[..., None]
