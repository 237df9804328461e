"""CA traces from distance matrices inside a training step: fast, and differentiable in the distances.

The eigenvectors of classical scaling have no usable gradient where eigenvalues meet, so they only give the start, without
a gradient. A few steps of stress majorisation from there carry it: X <- B(X) X / n, the Guttman transform (de Leeuw
1977; Borg & Groenen, Modern Multidimensional Scaling, eq. 8.25), linear in the distances. Near the minimum of the stress
this is the gradient of the first terms of the series of the implicit function there.
"""

import torch
from torch import Tensor

from betafold.models.mtp.heads import pair_distances, pair_mask

STEPS = 8


def trace_from_distances(distances: Tensor, mask: Tensor, native: Tensor, steps: int = STEPS) -> Tensor:
    """CA [B, L, 3] for distances [B, L, L] and mask [B, L] (True = residue), with a gradient; 0 where padded.

    Distances do not tell a structure from its mirror image. That is no error a loss should punish them for, so the
    hand is the one of ``native`` [B, L, 3] (0 where missing); where there is no native, ``ca_from_distances`` chooses.
    """
    with torch.no_grad():
        ca = classical_scaling(distances, mask)
        ca = ca * torch.where(_chirality(ca, native, mask) < 0, -1.0, 1.0)[:, None, None]
    for _ in range(steps):
        ca = guttman_transform(ca, distances, mask)
    return ca


def guttman_transform(ca: Tensor, distances: Tensor, mask: Tensor) -> Tensor:
    """One step of stress majorisation with equal weights; centred, padded places at 0."""
    count = mask.sum(dim=1)[:, None, None].clamp(min=1)
    ratio = -distances / pair_distances(ca) * pair_mask(mask)
    laplacian = ratio - torch.diag_embed(ratio.sum(dim=2))
    return laplacian @ ca / count


def classical_scaling(distances: Tensor, mask: Tensor) -> Tensor:
    """Coordinates [B, L, 3] of the three largest eigenvalues of the double-centred squared distances (Torgerson 1952)."""
    count = mask.sum(dim=1)[:, None, None].clamp(min=1)
    inside = (mask[:, :, None] & mask[:, None, :]).to(distances.dtype)
    centre = torch.diag_embed(mask.to(distances.dtype)) - inside / count
    gram = -0.5 * centre @ distances.square() @ centre
    values, vectors = torch.linalg.eigh(gram)
    return vectors[..., -3:] * values[..., None, -3:].clamp(min=1e-6).sqrt()


def _chirality(ca: Tensor, native: Tensor, mask: Tensor) -> Tensor:
    """Agreement [B] of the hands of two traces: the products of their CA(i..i+3) triple products, summed."""
    whole = mask[:, 3:] & mask[:, 2:-1] & mask[:, 1:-2] & mask[:, :-3]
    return (_triple_products(ca) * _triple_products(native) * whole).sum(dim=1)


def _triple_products(ca: Tensor) -> Tensor:
    """Signed volumes [B, L - 3] of consecutive CA-CA vectors; the sign is that of the CA pseudo-dihedral."""
    step = ca[:, 1:] - ca[:, :-1]
    return (torch.linalg.cross(step[:, :-2], step[:, 1:-1]) * step[:, 2:]).sum(-1)
