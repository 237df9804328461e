"""Differentiable losses between predicted and native structures that do not depend on their pose."""

import torch

import betafold_ext


def _atom_mask(coords, lengths):
    """[B, N] True inside `lengths` (everywhere when None)."""
    batch, n_atoms = coords.shape[:2]
    if lengths is None:
        return coords.new_ones((batch, n_atoms), dtype=torch.bool)
    lengths = torch.as_tensor(lengths, device=coords.device)
    return torch.arange(n_atoms, device=coords.device) < lengths[:, None]


def rmsd_loss(predicted, native, lengths=None, eps=1e-8):
    """Kabsch RMSD of each pair, differentiable in `predicted`.

    At the optimal superposition the RMSD does not change with the rotation to first order, so the rotation is a
    constant of the gradient and no derivative of a singular value decomposition, which is unbounded where singular
    values meet, is needed.

    Args:
        predicted, native: torch tensors [B, N, 3] in Angstrom of the same dtype.
        lengths: [B] integers, atoms of each item; all N when None.
        eps: added under the root (square Angstrom), so that the gradient is finite at RMSD 0.

    Returns:
        rmsd [B] in Angstrom. NaN where an atom inside `lengths` is NaN.
    """
    with torch.no_grad():
        _, rotation, _ = betafold_ext.kabsch_superpose_batch(
            predicted.detach().cpu(),
            native.detach().cpu(),
            None if lengths is None else torch.as_tensor(lengths).cpu(),
        )
        rotation = rotation.to(predicted.device)
    mask = _atom_mask(predicted, lengths)[..., None]
    count = mask.sum(dim=1)
    moved = torch.where(mask, predicted, 0.0) @ rotation.transpose(1, 2)
    difference = moved - torch.where(mask, native.detach(), 0.0)
    centred = torch.where(mask, difference - (difference.sum(dim=1) / count)[:, None], 0.0)
    return torch.sqrt(centred.square().sum(dim=(1, 2)) / count[:, 0] + eps)


def distance_loss(predicted, native, lengths=None, cutoff=None, min_separation=1, eps=1e-8):
    """Root mean square difference of the inter-atomic distances (dRMSD), differentiable in `predicted`.

    Args:
        predicted, native: torch tensors [B, N, 3] in Angstrom of the same dtype.
        lengths: [B] integers, atoms of each item; all N when None.
        cutoff: only pairs with a native distance below it count (Angstrom); every pair when None.
        min_separation: only pairs with |i - j| at least this count.
        eps: added under the roots (square Angstrom), so that gradients are finite at distance 0.

    Returns:
        dRMSD [B] in Angstrom; 0 where no pair counts. Blind to mirror images, so it is no replacement for `rmsd_loss`.
    """
    n_atoms = predicted.shape[1]
    mask = _atom_mask(predicted, lengths)
    first, second = torch.triu_indices(n_atoms, n_atoms, offset=min_separation, device=predicted.device)
    pairs = mask[:, first] & mask[:, second]

    def pair_distances(coords):
        coords = torch.where(mask[..., None], coords, 0.0)
        return torch.sqrt((coords[:, first] - coords[:, second]).square().sum(dim=-1) + eps)

    wanted = pair_distances(native.detach())
    if cutoff is not None:
        pairs = pairs & (wanted < cutoff)
    squared = torch.where(pairs, (pair_distances(predicted) - wanted).square(), 0.0)
    return torch.sqrt(squared.sum(dim=1) / pairs.sum(dim=1).clamp(min=1) + eps)
