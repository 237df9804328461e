"""Stress minimisation: coordinates whose distances are as near as possible to given ones, with chain restraints.

`betafold_ext.minimise_stress_batch` does the work; here stand the intervals in which the neighbours of a polypeptide
chain lie.
"""

import math

import torch

import betafold_ext

TRANS = (3.75, 3.85)
"""Angstrom between consecutive CA across a trans peptide bond."""
CIS = (2.85, 3.05)
"""Angstrom between consecutive CA across a cis peptide bond."""
CIS_ODDS = 300.0
"""Trans peptide bonds for each cis one."""
SECOND_NEIGHBOURS = (5.0, 7.3)
"""Angstrom between CA of residues i and i + 2: virtual bond angles of about 82 to 148 degrees."""
BOND_WEIGHT = 2.0
"""How much a restraint counts for each residue of the chain, in units of a pair of residues."""
ITERATIONS = 1000
TOLERANCE = 1e-4
"""An item is finished when ten iterations lower its root mean square error by less than this share."""


def neighbour_bounds(distances):
    """Intervals of the distances to the next and the next but one CA.

    A bond is cis where that explains its given distance better than trans by more than `CIS_ODDS`, with normal errors
    of the size that the item's bonds show.

    Args:
        distances: torch tensor [B, L, L] in Angstrom.

    Returns:
        ((lower, upper), (lower, upper)), tensors [B, L - 1] and [B, L - 2].
    """
    bonds = distances.diagonal(1, dim1=1, dim2=2)
    from_trans, from_cis = ((bonds - sum(interval) / 2).abs() for interval in (TRANS, CIS))
    error = 0.1
    if bonds.shape[1]:
        error = (1.48 * from_trans.median(dim=1, keepdim=True).values).clamp(min=error)
    is_cis = from_trans.square() - from_cis.square() > 2 * math.log(CIS_ODDS) * error**2
    first = tuple(
        torch.where(is_cis, bonds.new_tensor(cis), trans) for cis, trans in zip(CIS, TRANS, strict=True)
    )
    angles = distances.diagonal(2, dim1=1, dim2=2)
    return first, tuple(torch.full_like(angles, bound) for bound in SECOND_NEIGHBOURS)


def minimise_stress(points, distances, bond_weight=BOND_WEIGHT, iterations=ITERATIONS, tolerance=TOLERANCE):
    """Coordinates of lower stress, in as many dimensions.

    Args:
        points: CPU tensor [B, L, 3] or [B, L, 6], float32 or float64, where to begin.
        distances: [B, L, L] in Angstrom, symmetric, of the same dtype.
        bond_weight: see `BOND_WEIGHT`; 0 leaves the restraints out.
        iterations: at most so many.
        tolerance: see `TOLERANCE`; 0 makes all iterations.

    Returns:
        Tensor like `points`, centred on the origin. Every iteration lowers the stress of every item or leaves it.
    """
    bounds = points.new_zeros(*points.shape[:2], 2, 2)
    for offset, interval in enumerate(neighbour_bounds(distances)[: points.shape[1] - 1], start=1):
        bounds[:, :-offset, offset - 1] = torch.stack(interval, dim=-1)
    return betafold_ext.minimise_stress_batch(
        distances, points, bounds, weight=bond_weight, iterations=iterations, tolerance=tolerance
    )
