"""Stress minimisation: coordinates whose distances are as near as possible to given ones, with chain restraints.

The stress is

    sum over i < j of w_ij (d_ij - delta_ij)^2  +  b * sum over |i - j| = 1, 2 of v_ij^2

with v_ij the distance of d_ij from the interval in which neighbours of a polypeptide chain lie. Each iteration
minimises a quadratic function that lies above it and touches it (SMACOF: de Leeuw 1977, Applications of convex
analysis to multidimensional scaling; the Guttman transform), so the stress never grows; an interval is the closest
of its points to the current distance. Anderson acceleration proposes longer steps, which are taken where they lower
the stress (Walker & Ni 2011, SIAM J. Numer. Anal. 49, 1715): about 5 times fewer iterations on noisy matrices,
near those of L-BFGS, without its line search.
"""

import math

import torch

TRANS = (3.75, 3.85)
"""Angstrom between consecutive CA across a trans peptide bond."""
CIS = (2.85, 3.05)
"""Angstrom between consecutive CA across a cis peptide bond."""
CIS_ODDS = 300.0
"""Trans peptide bonds for each cis one."""
SECOND_NEIGHBOURS = (5.0, 7.3)
"""Angstrom between CA of residues i and i + 2: virtual bond angles of about 82 to 148 degrees."""
BOND_WEIGHT = 2.0
"""b of the stress for each residue of the chain, in units of the mean w."""
ITERATIONS = 100
TOLERANCE = 3e-4
"""An item is finished when a check finds its root mean square error lower by less than this share."""

_CHECK_EVERY = 5
_MEMORY = 5
_RIDGE = 1e-10
_SMALL = 1e-9


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


class Stress:
    """The stress of B chains of the same length L, and the step that lowers it.

    Coordinates are [B, 3, L] here, centred on the origin: torch is slow at sums over a last axis of 3.

    Args:
        distances: float64 torch tensor [B, L, L] in Angstrom, symmetric.
        weights: [B, L, L], symmetric, > 0; all 1 when None. The diagonal of both is ignored.
        bond_weight: b of the stress; 0 leaves the restraints out.
    """

    def __init__(self, distances, weights=None, bond_weight=0.0):
        length = distances.shape[1]
        ones = torch.ones_like(distances) if weights is None else weights
        total = ones - torch.diag_embed(ones.diagonal(dim1=1, dim2=2))
        self.pull = total * distances
        self.constant = (self.pull * distances).sum((1, 2)) / 2
        self.own = length if weights is None else _laplacian(total)
        self.bond_weight = bond_weight
        self.bounds = neighbour_bounds(distances)[: length - 1] if bond_weight else ()
        for offset in range(1, len(self.bounds) + 1):
            total.diagonal(offset, dim1=1, dim2=2).add_(bond_weight)
            total.diagonal(-offset, dim1=1, dim2=2).add_(bond_weight)
        mean = distances.new_full((length, length), 1 / length)
        self.inverse = torch.linalg.inv(_laplacian(total) + mean) - mean

    def __call__(self, ca):
        """Stress [B] of ca [B, 3, L], and its Guttman transform [B, 3, L], which has no larger stress."""
        squares = ca.square().sum(1)
        inverse = torch.baddbmm(squares[:, None, :], ca.mT, ca, alpha=-2.0).add_(squares[:, :, None])
        ratio = inverse.clamp_(min=_SMALL**2).rsqrt_().mul_(self.pull)
        pulled = ca * ratio.sum(1, keepdim=True) - ca @ ratio
        own = ca * self.own if isinstance(self.own, int) else ca @ self.own
        value = self.constant + (ca * (own - 2 * pulled)).sum((1, 2))
        for offset, (lower, upper) in enumerate(self.bounds, start=1):
            step = ca[:, :, offset:] - ca[:, :, :-offset]
            length = step.square().sum(1).clamp_(min=_SMALL**2).sqrt_()
            target = torch.maximum(torch.minimum(length, upper), lower)
            value += self.bond_weight * (length - target).square_().sum(1)
            step *= (target / length).mul_(self.bond_weight)[:, None]
            pulled[:, :, offset:] += step
            pulled[:, :, :-offset] -= step
        return value, pulled @ self.inverse

    def select(self, keep):
        """The stress of the items of the index tensor `keep`."""
        other = object.__new__(Stress)
        other.bond_weight = self.bond_weight
        other.own = self.own if isinstance(self.own, int) else self.own[keep]
        other.pull, other.constant, other.inverse = self.pull[keep], self.constant[keep], self.inverse[keep]
        other.bounds = [tuple(bound[keep] for bound in bounds) for bounds in self.bounds]
        return other


def _laplacian(weights):
    return torch.diag_embed(weights.sum(2)) - weights


def minimise_stress(ca, stress, iterations=ITERATIONS, tolerance=TOLERANCE):
    """Coordinates of lower stress.

    Args:
        ca: float64 torch tensor [B, L, 3], where to begin.
        stress: the `Stress` of the same items.
        iterations: at most so many.
        tolerance: see `TOLERANCE`; 0 makes all iterations.

    Returns:
        [B, L, 3], centred on the origin. Every iteration lowers the stress of every item or leaves it.
    """
    found = (ca - ca.mean(1, keepdim=True)).mT.contiguous()
    items = torch.arange(len(ca), device=ca.device)
    at, memory = found.clone(), _Memory()
    value, step = stress(at)
    checked = value
    for iteration in range(1, iterations + 1):
        proposal = memory.extrapolate(at, step)
        value, at, step = _lower(stress, value, step, proposal)
        if iteration % _CHECK_EVERY == 0 or iteration == iterations:
            found[items] = at
            going = (checked - value > 2 * tolerance * checked).nonzero()[:, 0]
            if len(going) == 0:
                break
            if len(going) < len(items):
                items, at, step, value = items[going], at[going], step[going], value[going]
                stress = stress.select(going)
                memory.select(going)
            checked = value
    return found.mT


def _lower(stress, value, step, proposal):
    """Stress, place and next Guttman transform after taking `proposal`, or `step` where that is better."""
    at = proposal
    new_value, new_step = stress(at)
    worse = (~(new_value <= value)).nonzero()[:, 0]
    if len(worse):
        at = at.index_copy(0, worse, step[worse])
        safe_value, safe_step = stress.select(worse)(step[worse])
        new_value = new_value.index_copy(0, worse, safe_value)
        new_step = new_step.index_copy(0, worse, safe_step)
    return new_value, at, new_step


class _Memory:
    """The last places and residuals (step - place) of each item, and the Anderson step from them."""

    def __init__(self):
        self.places, self.residuals = [], []

    def select(self, keep):
        self.places = [place[keep] for place in self.places]
        self.residuals = [residual[keep] for residual in self.residuals]

    def extrapolate(self, at, step):
        self.places = [*self.places[-_MEMORY:], at]
        self.residuals = [*self.residuals[-_MEMORY:], step - at]
        if len(self.places) == 1:
            return step
        residuals = torch.stack(self.residuals, 1).flatten(2)
        moves = torch.stack(self.places, 1).flatten(2).diff(dim=1)
        turns = residuals.diff(dim=1)
        normal = turns @ turns.mT
        scale = normal.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] + 1e-30
        normal = normal + _RIDGE * scale * torch.eye(
            normal.shape[1], dtype=normal.dtype, device=normal.device
        )
        mixture = torch.linalg.solve(normal, turns @ residuals[:, -1, :, None])
        return step - ((moves + turns).mT @ mixture).view_as(step)
