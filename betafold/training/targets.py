"""The structure a model answers with, and how right it is: targets that need no gradient."""

import torch
from torch import Tensor

import betafold_ext
from betafold.models.distributions import TorsionDistribution

CA = 1  # atoms stand in the order N, CA, C


@torch.no_grad()
def mode_ca(distribution: TorsionDistribution, lengths: Tensor) -> Tensor:
    """CA coordinates [B, L, 3] (Angstrom, CPU) of the structure built from the distribution's mode."""
    torsions = distribution.mode().cpu().contiguous()
    return betafold_ext.nerf_batch(torsions, lengths.cpu())[:, :, CA].contiguous()


def ca_rmsd(ca: Tensor, coords: Tensor, lengths: Tensor) -> Tensor:
    """CA-RMSD [B] in Angstrom after superposition of ``ca`` [B, L, 3] on ``coords`` [B, L, 3, 3]."""
    return betafold_ext.kabsch_rmsd_batch(ca, _native_ca(coords), lengths.cpu())


def residue_lddt(ca: Tensor, coords: Tensor, lengths: Tensor) -> Tensor:
    """lDDT-CA per residue [B, L] in 0-1, NaN where it is not defined."""
    return betafold_ext.lddt_batch(ca, _native_ca(coords), lengths.cpu(), per_residue=True)


def _native_ca(coords: Tensor) -> Tensor:
    return coords[:, :, CA].cpu().contiguous()
