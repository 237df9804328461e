"""Losses as pure functions: one number per residue [B, L] or per peptide [B], 0 where nothing is observed."""

import torch
from torch import Tensor

from betafold.geometry.autograd import nerf
from betafold.geometry.losses import rmsd_loss
from betafold.models.distributions import TorsionDistribution
from betafold.models.torsion import TorsionOutput

CA = 1  # atoms stand in the order N, CA, C
MIN_ATOMS = 3  # fewer can always be superposed
ANGLE_NORM_WEIGHT = 0.02  # as in AlphaFold 2, supplementary algorithm 27


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``values`` under ``weights`` of the same shape; 0 where all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-8)


def torsion_terms(output: TorsionOutput, torsions: Tensor) -> dict[str, Tensor]:
    """Terms ``phi_psi`` and ``omega`` [B, L] against ``torsions`` [B, L, 3] (NaN = not observed).

    Negative log-likelihood in nats for the mixture head, squared error for the sine/cosine head.
    """
    if output.sincos is not None:
        error = sincos_error(output.sincos, torsions)
        return {"phi_psi": error[..., :2].sum(-1), "omega": error[..., 2]}
    return {
        "phi_psi": -output.distribution.phi_psi_log_prob(torsions[..., :2]),
        "omega": -output.distribution.omega_log_prob(torsions[..., 2]),
    }


def sincos_error(sincos: Tensor, torsions: Tensor) -> Tensor:
    """Squared distance [B, L, 3] of ``sincos`` [B, L, 3, 2] to the angles' points on the unit circle.

    The weak pull of the vectors' length towards 1 keeps their direction defined where the conditional mean
    vanishes, and is too weak to hide how sure the regression is.
    """
    present = torsions.isfinite()
    angle = torch.where(present, torsions, 0.0)
    target = torch.stack([angle.sin(), angle.cos()], dim=-1)
    squared = (sincos - target).square().sum(-1)
    length = torch.sqrt(sincos.square().sum(-1) + 1e-12)
    return torch.where(present, squared + ANGLE_NORM_WEIGHT * (length - 1).abs(), 0.0)


def coordinate_error(
    distribution: TorsionDistribution, coords: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """CA-RMSD [B] (Angstrom) of the chain built from the mean direction of every torsion, with its gradient.

    Args:
        coords: native [B, L, 3, 3] in Angstrom; residues without a CA (NaN) are left out.
        lengths: [B] residues.

    Returns:
        The RMSD and True [B] where it is defined; elsewhere, with fewer than three CA observed, it is 0.
        phi of the first and psi and omega of the last residue move no CA, so they have no gradient.
    """
    ca = nerf(distribution.mean_direction(), lengths)[:, :, CA]
    native = coords[:, :, CA]
    observed = native.isfinite().all(-1)
    known = observed.sum(-1)
    # Observed atoms first, so that the others are padding.
    order = observed.logical_not().to(torch.uint8).argsort(dim=1, stable=True)
    order = order[..., None].expand_as(native)
    rmsd = rmsd_loss(ca.gather(1, order), native.gather(1, order).nan_to_num(), known.clamp(min=1))
    defined = known >= MIN_ATOMS
    return torch.where(defined, rmsd, 0.0), defined


def confidence_error(logits: Tensor, lddt: Tensor) -> Tensor:
    """Cross-entropy [B, L] in nats of binned ``logits`` [B, L, bins] and ``lddt`` [B, L] in 0-1.

    NaN lDDT (nothing observed to compare with) gives 0.
    """
    bins = logits.shape[-1]
    present = lddt.isfinite()
    target = (torch.where(present, lddt, 0.0) * bins).long().clamp(0, bins - 1)
    error = -torch.log_softmax(logits, dim=-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return torch.where(present, error, 0.0)
