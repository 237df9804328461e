"""Backbones from CA traces: the best turns of all peptide planes by dynamic programming.

With ideal, planar peptides all that a CA trace leaves open is how each plane is turned about its CA-CA axis. A turn
meets the next one at the CA between them, where it sets the N-CA-C angle, phi and psi; the angle's distance from the
ideal and the Ramachandran distribution score the pair, so the best turns of a whole chain are a shortest path, found
exactly on a grid of turns (Viterbi 1967) and again on a fine grid around it. That the planes' turns decide the
backbone: Purisima & Scheraga 1984, Biopolymers 23, 1207.
"""

import math
from functools import cache

import numpy as np
import torch
from torch.nn.functional import normalize

from betafold.geometry import ideal, priors
from betafold.geometry.complete import TERMINAL_PSI
from betafold.geometry.peptide_plane import PeptidePlanes

ANGLE_SPREAD = math.radians(5.0)
"""Standard deviation of N-CA-C that counts as one unit of the score: that of real chains, and some for the trace."""
COARSE_TURNS = 24
ENERGY_TURNS = 12
"""Turns on the grid of `trace_energy`: more tell no more real traces from their mirror images."""
FINE_TURNS = torch.arange(-4, 5, dtype=torch.float64) * math.radians(2.0)
TERMINAL_PHI = math.radians(-90.0)
"""phi of the last residue, which nothing in a trace determines: the value with the smallest error of C on real chains."""

_PAIRS_AT_A_TIME = 1 << 17  # of turns: their tables fit into the cache


def backbone_from_ca(ca, sequences=None, lengths=None):
    """N, CA and C from CA traces.

    Args:
        ca: numpy array or torch tensor [B, L, 3] in Angstrom, float32 or float64. Consecutive CA nearer than 3.4 A are
            joined by a cis peptide bond.
        sequences: list of B strings of one-letter codes; known glycine and proline improve phi and psi.
        lengths: [B] integers, residues of each item; all L when None.

    Returns:
        coords [B, L, 3, 3] of the same kind and dtype, atoms N, CA, C; CA as given. NaN beyond `lengths`, and
        everywhere for items with a NaN or infinite coordinate. The first N takes psi from the next residue, and the
        last C takes a typical phi: nothing in the trace determines them.

    Raises:
        ValueError: bad shape, dtype, lengths or sequences; the message names the argument.
    """
    trace, lengths, usable = _checked(ca, lengths)
    kinds = _kinds(sequences, lengths, trace.shape[1])
    coords = torch.full((*trace.shape[:2], 3, 3), math.nan, dtype=torch.float64)
    for rows in _parts(usable, trace.shape[1], COARSE_TURNS):
        coords[rows] = _backbone(trace[rows], kinds[rows], lengths[rows])
    beyond = torch.arange(trace.shape[1]) >= lengths[:, None]
    coords[beyond] = math.nan
    coords = coords[:, : ca.shape[1]]
    if isinstance(ca, np.ndarray):
        return coords.numpy().astype(ca.dtype)
    return coords.to(ca.dtype).to(ca.device)


def trace_energy(ca, lengths=None):
    """How badly the best backbone fits CA traces, [B] float64, in units of -log probability.

    The mirror image of a real trace has a higher energy: its backbone needs phi and psi of D residues. NaN for items
    with a NaN or infinite coordinate. Arguments and errors as in `backbone_from_ca`.
    """
    trace, lengths, usable = _checked(ca, lengths)
    kinds = _kinds(None, lengths, trace.shape[1])
    energy = torch.full((len(trace),), math.nan, dtype=torch.float64)
    for rows in _parts(usable, trace.shape[1], ENERGY_TURNS):
        planes = PeptidePlanes(trace[rows])
        grid = _full_circle(planes, ENERGY_TURNS)
        energy[rows] = _best_turns(planes, grid, kinds[rows], lengths[rows])[1].double()
    return energy


def _checked(ca, lengths):
    """float64 traces of at least 3 residues with harmless CA beyond lengths, lengths [B], usable items bool [B]."""
    if ca.ndim != 3 or ca.shape[2] != 3 or 0 in ca.shape:
        raise ValueError(f"ca: expected shape [B, L, 3], got {list(ca.shape)}")
    trace = torch.as_tensor(ca).detach().cpu()
    if not trace.is_floating_point():
        raise ValueError(f"ca: expected floating-point numbers, got {trace.dtype}")
    trace = trace.double()
    lengths = check_lengths(lengths, *trace.shape[:2])
    if trace.shape[1] < 3:
        trace = torch.cat([trace, trace.new_zeros(len(trace), 3 - trace.shape[1], 3)], dim=1)
    position = torch.arange(trace.shape[1])
    inside = (position < lengths[:, None])[..., None]
    usable = (trace.isfinite() | ~inside).all(2).all(1)
    turn = 1.7 * position.double()
    helix = torch.stack([2.3 * turn.cos(), 2.3 * turn.sin(), 1.5 * position], dim=1)
    return torch.where(inside, trace, helix), lengths, usable


def check_lengths(lengths, batch, longest):
    """lengths as an int64 tensor [B]; all `longest` when None. ValueError if they aren't whole or out of range."""
    if lengths is None:
        return torch.full((batch,), longest)
    lengths = torch.as_tensor(lengths).cpu()
    if lengths.shape != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths: expected {batch} whole numbers, got {lengths.dtype} of {list(lengths.shape)}"
        )
    if lengths.min() < 1 or lengths.max() > longest:
        raise ValueError(
            f"lengths: expected values from 1 to {longest}, got {lengths.min()} to {lengths.max()}"
        )
    return lengths.long()


def _kinds(sequences, lengths, longest):
    """Index of the Ramachandran distribution of each residue, int64 [B, L]."""
    kinds = torch.full((len(lengths), longest), priors.ANY)
    if sequences is None:
        return kinds
    if len(sequences) != len(lengths):
        raise ValueError(f"sequences: expected {len(lengths)}, got {len(sequences)}")
    for row, (sequence, length) in enumerate(zip(sequences, lengths.tolist(), strict=True)):
        if len(sequence) != length:
            raise ValueError(
                f"sequences: number {row} has {len(sequence)} letters, the trace {length} residues"
            )
        kinds[row, :length] = torch.from_numpy(priors.residue_class(sequence))
    return kinds


def _parts(usable, length, turns):
    """Rows of usable traces, not too many at a time."""
    return usable.nonzero()[:, 0].split(max(1, _PAIRS_AT_A_TIME // (length * turns**2)))


def _full_circle(planes, states):
    turns = torch.arange(states, dtype=torch.float64) * (2 * math.pi / states)
    return turns.expand(*planes.axis.shape[:2], states)


def _backbone(trace, kinds, lengths):
    """coords [B, L, 3, 3] float64."""
    planes = PeptidePlanes(trace)
    turns, _ = _best_turns(planes, _full_circle(planes, COARSE_TURNS), kinds, lengths)
    turns, _ = _best_turns(planes, turns[..., None] + FINE_TURNS, kinds, lengths)
    to_c, to_n = (atom[:, :, 0] for atom in planes.atoms(turns[..., None]))
    coords = trace[:, :, None].repeat(1, 1, 3, 1)
    coords[:, :-1, 2] += to_c
    coords[:, 1:, 0] += to_n
    return _with_ends(coords, lengths)


def _with_ends(coords, lengths):
    """Places the first N and the last C, and the C of a chain of one residue where its plane has it."""
    n, ca, c = coords.unbind(2)
    next_psi = _dihedral(n[:, 1], ca[:, 1], c[:, 1], n[:, 2])
    psi = torch.where(lengths >= 3, next_psi, TERMINAL_PSI)
    coords[:, 0, 0] = _placed(n[:, 1], c[:, 0], ca[:, 0], ideal.N_CA, psi)
    rows, last = torch.arange(len(coords)), lengths - 1
    before = c[rows, (last - 1).clamp(min=0)]
    phi = torch.full_like(psi, TERMINAL_PHI)
    end = _placed(before, n[rows, last], ca[rows, last], ideal.CA_C, phi)
    coords[rows, last, 2] = torch.where((lengths > 1)[:, None], end, c[rows, last])
    return coords


def _dihedral(a, b, c, d):
    first, axis, last = b - a, normalize(c - b, dim=-1), d - c
    normal = torch.linalg.cross(first, axis)
    return torch.atan2(
        (first * torch.linalg.cross(axis, last)).sum(-1), (normal * torch.linalg.cross(axis, last)).sum(-1)
    )


def _placed(a, b, c, length, dihedral):
    """Atom d bonded to c with the ideal N-CA-C angle to b and the dihedral a-b-c-d."""
    axis = normalize(c - b, dim=-1)
    normal = normalize(torch.linalg.cross(b - a, axis), dim=-1)
    inwards = torch.linalg.cross(normal, axis)
    across = dihedral.cos()[:, None] * inwards + dihedral.sin()[:, None] * normal
    return c + length * (math.sin(ideal.N_CA_C) * across - math.cos(ideal.N_CA_C) * axis)


def _best_turns(planes, grid, kinds, lengths):
    """The turns [B, L - 1] of the grid [B, L - 1, S] with the lowest total energy, and that energy [B]."""
    batch, n_planes, states = grid.shape
    energy = _pair_energy(planes, grid, kinds[:, 1:n_planes])
    inside = torch.arange(1, n_planes) < lengths[:, None] - 1
    energy.masked_fill_(~inside[..., None, None], 0.0)
    total = torch.zeros(batch, states)
    best_before = []
    for pairs in energy.unbind(1):
        total, before = (total[:, :, None] + pairs).min(dim=1)
        best_before.append(before)
    energy, state = total.min(dim=1)
    path = [state]
    for before in reversed(best_before):
        state = before.gather(1, state[:, None])[:, 0]
        path.append(state)
    path = torch.stack(path[::-1], dim=1)
    return grid.gather(2, path[..., None])[..., 0], energy


def _pair_energy(planes, grid, kinds):
    """Energies [B, L - 2, S, S] of the turns of the planes before and behind each residue but the first and the last.

    Sine and cosine of phi are products of vectors of the plane before with the direction to C, those of psi of vectors
    of the plane behind with the direction to N.
    """
    to_c, to_n = planes.atoms(grid)
    bond = planes.span[:, :, None] + to_n - to_c  # from C to the next N
    n, c = normalize(to_n, dim=-1), normalize(to_c, dim=-1)
    phi_sine = normalize(torch.linalg.cross(to_n, bond), dim=-1)
    phi_cosine = torch.linalg.cross(n, phi_sine)
    psi_sine = normalize(torch.linalg.cross(bond, to_c), dim=-1)
    psi_cosine = torch.linalg.cross(psi_sine, c).neg()
    before = torch.stack([n, phi_sine, phi_cosine], dim=2)[:, :-1].float()
    behind = torch.stack([c, psi_sine, psi_cosine], dim=2)[:, 1:].float()
    cosine, psi_y, psi_x = (before[:, :, :1] @ behind.mT).unbind(2)
    phi_y, phi_x = (before[:, :, 1:] @ behind[:, :, :1].mT).unbind(2)
    misfit = (cosine - math.cos(ideal.N_CA_C)).div_(math.sin(ideal.N_CA_C) * ANGLE_SPREAD)
    tables = _tables()
    cells = tables.shape[1]
    row, column = (_cell(y, x, cells - 1) for y, x in ((phi_y, phi_x), (psi_y, psi_x)))
    place = row.add_(kinds.int()[:, :, None, None], alpha=cells).mul_(cells).add_(column)
    energy = tables.view(-1).index_select(0, place.view(-1)).view(place.shape)
    return energy.add_(misfit.square_(), alpha=0.5)


@cache
def _tables():
    """`priors.ramachandran_energy` with the first row and column once more at the end, so that no index must wrap."""
    tables = priors.ramachandran_energy()
    return torch.from_numpy(np.pad(tables, ((0, 0), (0, 1), (0, 1)), mode="wrap"))


def _cell(y, x, cells):
    """Index of the cell of the angle of (x, y), one of `cells` from -180 degrees on, or `cells` at 180."""
    return torch.atan2(y, x).mul_(cells / (2 * math.pi)).add_(cells / 2).int()
