"""Peptide planes on a CA trace: where C and N stand once the plane's turn about its CA-CA axis is chosen."""

import math
from functools import cache

import numpy as np
import torch
from torch.nn.functional import normalize

from betafold.geometry import ideal

CIS_BELOW = 3.4
"""Angstrom: consecutive CA that are nearer are joined by a cis peptide bond (ideal: 2.95; trans: 3.80)."""

_OPENING = np.radians(np.linspace(-40.0, 25.0, 1301))


@cache
def _flat_peptides(is_cis):
    """Planar peptides whose two angles at C and N are opened by the same amount, with ideal bonds.

    Returns:
        CA-CA distances [1301] in ascending order, and [1301, 4]: C relative to its CA and N relative to its own,
        along the axis from CA to CA and perpendicular to it.
    """
    at_c = math.pi - ideal.CA_C_N - _OPENING
    at_n = math.pi - ideal.C_N_CA - _OPENING
    last = at_c + at_n if is_cis else at_c - at_n
    c = np.full(len(_OPENING), ideal.CA_C, complex)
    n = c + ideal.C_N * np.exp(1j * at_c)
    ca = n + ideal.N_CA * np.exp(1j * last)
    turn = np.exp(-1j * np.angle(ca))
    c, n = c * turn, (n - ca) * turn
    side = np.sign(c.imag)
    return np.abs(ca), np.stack([c.real, side * c.imag, n.real, side * n.imag], axis=1)


def offsets(distances):
    """C and N in the plane of the peptide bond between two CA.

    Args:
        distances: numpy array of CA-CA distances in Angstrom. Other than ideal ones open or close the angles at C and
            N; beyond what 25 degrees more or 40 less reach, the C-N bond takes the rest.

    Returns:
        [..., 4]: along the axis and perpendicular to it, of C from the first CA and of N from the second.
    """
    pair = [
        np.stack([np.interp(distances, length, column) for column in table.T], axis=-1)
        for length, table in (_flat_peptides(False), _flat_peptides(True))
    ]
    return np.where((distances < CIS_BELOW)[..., None], pair[1], pair[0])


class PeptidePlanes:
    """The L - 1 peptide planes of each CA trace [B, L, 3], L >= 3, float64 torch tensor without NaN.

    The turn of a plane is measured from the side that faces away from the neighbouring CA, so that all results turn
    and move with the trace.
    """

    def __init__(self, ca):
        self.span = ca.diff(dim=1)
        self.axis = normalize(self.span, dim=-1)
        neighbour = torch.cat([self.axis[:, 1:2], self.axis[:, :-1]], dim=1)
        normal = torch.linalg.cross(neighbour, self.axis)
        # Three CA in a line leave the side open: any will do.
        smallest = torch.nn.functional.one_hot(self.axis.abs().argmin(-1), 3).to(ca.dtype)
        is_straight = normal.norm(dim=-1, keepdim=True) < 1e-6
        normal = torch.where(is_straight, torch.linalg.cross(self.axis, smallest), normal)
        self.normal = normalize(normal, dim=-1)
        self.side = torch.linalg.cross(self.normal, self.axis)
        self.offsets = torch.from_numpy(offsets(self.span.norm(dim=-1).numpy()))

    def atoms(self, turns):
        """C relative to its CA and N relative to its own, two [B, L - 1, S, 3], at turns [B, L - 1, S] (radians)."""
        outwards = (
            turns.cos()[..., None] * self.side[:, :, None] + turns.sin()[..., None] * self.normal[:, :, None]
        )
        axis = self.axis[:, :, None]
        c_along, c_out, n_along, n_out = self.offsets[:, :, None, :, None].unbind(3)
        return c_along * axis + c_out * outwards, n_along * axis + n_out * outwards
