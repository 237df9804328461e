"""CA traces from distance matrices inside a training step, with a gradient.

The eigenvectors of classical scaling have no usable gradient where eigenvalues meet, so they only give the start, without
a gradient. A few Guttman transforms from there carry it: each is linear in the distances, and none raises the stress
(de Leeuw 1977; Borg & Groenen, Modern Multidimensional Scaling, eq. 8.25). Near the solution their derivative is the
first terms of the series of the solution's own.
"""

import torch
from torch import Tensor

from betafold.geometry.scaling import classical_mds
from betafold.models.mtp.heads import pair_distances, pair_mask
from betafold.models.mtp.losses import observed_ca, whole_fours

STEPS = 8


def trace_from_distances(distances: Tensor, mask: Tensor, native: Tensor, steps: int = STEPS) -> Tensor:
    """CA [B, L, 3] for distances [B, L, L] and mask [B, L] (True = residue), with a gradient; 0 where padded.

    Distances do not tell a structure from its mirror image. That is no error a loss should punish them for, so the
    hand is the one of ``native`` [B, L, 3] (NaN where missing), by the stretches of four that it has.
    """
    start = classical_mds(distances.detach(), mask.sum(dim=1))[0]
    ca = torch.where(mask[..., None], start, 0.0)
    ca = ca * torch.where(_agreement(ca, native, mask) < 0, -1.0, 1.0)[:, None, None]
    for _ in range(steps):
        ca = guttman_transform(ca, distances, mask)
    return ca


def guttman_transform(ca: Tensor, distances: Tensor, mask: Tensor) -> Tensor:
    """One step of stress majorisation with equal weights: B(X) X / n, [B, L, 3], centred; 0 where padded."""
    count = mask.sum(dim=1)[:, None, None].clamp(min=1)
    ratio = distances / pair_distances(ca) * pair_mask(mask)
    return (ratio.sum(dim=2, keepdim=True) * ca - ratio @ ca) / count


def _agreement(ca: Tensor, native: Tensor, mask: Tensor) -> Tensor:
    """Of the hands of two traces [B, L, 3], [B]: the products of their CA(i..i+3) triple products, summed."""
    native, observed = observed_ca(native)
    agreement = _triple_products(ca) * _triple_products(native)
    return (agreement * whole_fours(mask & observed)).sum(dim=1)


def _triple_products(ca: Tensor) -> Tensor:
    """Signed volumes [B, L - 3] of consecutive CA-CA vectors; the sign is that of the CA pseudo-dihedral."""
    step = ca[:, 1:] - ca[:, :-1]
    return (torch.linalg.cross(step[:, :-2], step[:, 1:-1]) * step[:, 2:]).sum(-1)
