"""CA traces from distance matrices: classical scaling, stress minimisation, and the choice of the hand."""

import math
from dataclasses import dataclass

import numpy as np
import torch

import betafold_ext
from betafold.geometry.chirality import ca_log_odds, predicted_log_odds
from betafold.geometry.stress import BOND_WEIGHT, minimise_stress
from betafold.geometry.trace import check_lengths, trace_energy

EXACT = 1e-3
"""Angstrom: where classical scaling reproduces a matrix to this RMS error there is nothing to minimise or restrain."""

RELAXED_DIMENSIONS = 6
RELAXED_ITERATIONS = 20
"""The stress is first minimised with more than three dimensions, where points pass by each other, and then in the three
that hold most: fewer matrices end in a poor local minimum."""

_THINNEST = 0.01  # square Angstrom: least eigenvalue to begin with, as nothing ever leaves a plane
_ASYMMETRY = 1e-3  # Angstrom; rounding of float32 distances is far below
_PAIRS_AT_A_TIME = 1 << 18


@dataclass(frozen=True, eq=False)
class Embedding:
    """CA traces of B distance matrices, arrays of the kind and dtype of the distances (`mirrored`: bool)."""

    ca: np.ndarray | torch.Tensor
    """[B, L, 3] in Angstrom, each centred on the origin; NaN beyond lengths."""
    stress: np.ndarray | torch.Tensor
    """[B] root mean square difference of its distances and the given ones over all pairs, in Angstrom."""
    outside_top3: np.ndarray | torch.Tensor
    """[B] share (0-1) of the absolute eigenvalues of the centred Gram matrix outside the three that are used.

    0 for distances of points in space; a matrix that no structure can have has more."""
    log_odds: np.ndarray | torch.Tensor
    """[B] >= 0, log odds of the hand that was chosen against its mirror image."""
    mirrored: np.ndarray | torch.Tensor
    """[B] whether the first solution was reflected. That one's hand is an accident, so half of them are."""


def classical_mds(distances, lengths=None):
    """Points in space from distances by classical scaling (Torgerson 1952, Psychometrika 17, 401).

    Args:
        distances: numpy array or torch tensor [B, L, L] in Angstrom, symmetric and non-negative; the diagonal and what
            lies beyond `lengths` is ignored.
        lengths: [B] integers, residues of each item; all L when None.

    Returns:
        (ca [B, L, 3], outside_top3 [B]) as in `Embedding`, either hand. NaN for items with a NaN or infinite distance.

    Raises:
        ValueError: bad shape, dtype or lengths, negative or asymmetric distances; the message names the argument.
    """
    given, lengths, usable = _checked(distances, lengths)
    ca = given.new_full((*given.shape[:2], 3), math.nan)
    outside = given.new_full((len(given),), math.nan)
    for length, rows in _equal_lengths(lengths, usable):
        spectrum = _spectrum(given[rows, :length, :length])
        ca[rows, :length], outside[rows] = _points(*spectrum), _outside_top3(spectrum[0])
    return _like(ca, distances), _like(outside, distances)


def ca_from_distances(distances, lengths=None, bond_weight=BOND_WEIGHT, like=None, dihedrals=None):
    """CA traces whose distances are as near as possible to the given ones, in the hand of L amino acids.

    Classical scaling gives the start, `stress.minimise_stress` the trace, with consecutive CA held 3.8 A (cis: 2.95 A)
    and next but one 5.0-7.3 A apart; a matrix that already has an exact solution keeps it. The hand is the one with the
    higher odds by its CA pseudo-dihedrals, those of any protein (`chirality.ca_log_odds`) or predicted ones, and by the
    backbone that fits it (`trace.trace_energy`). Computed on the CPU without a gradient, in float64 but for the
    stress, which is minimised in float32.

    Args:
        distances, lengths: as in `classical_mds`.
        like: [B, L, 3] traces in Angstrom whose hand is known; an item takes the hand that is nearer to its trace (RMSD
            after superposition), and its `log_odds` are NaN. The odds decide when None.
        dihedrals: log probabilities [B, L - 3, N] of each chain's own CA pseudo-dihedrals, in N equal bins from -180
            degrees on; the distribution in proteins when None.
        bond_weight: of the restraints, for each residue, in units of a pair of residues; 0 leaves them out.

    Returns:
        `Embedding`. An item with a NaN or infinite distance is NaN, others are not touched by it. Padding and
        the other items of the batch change nothing but rounding.

    Raises:
        ValueError: as `classical_mds`, or a bad bond_weight, `like` or `dihedrals`; the message names the argument.
    """
    given, lengths, usable = _checked(distances, lengths)
    if not (math.isfinite(bond_weight) and bond_weight >= 0):
        raise ValueError(f"bond_weight: expected a number >= 0, got {bond_weight!r}")
    ca = given.new_full((*given.shape[:2], 3), math.nan)
    stress, outside, log_odds = given.new_full((3, len(given)), math.nan)
    mirrored = torch.zeros(len(given), dtype=torch.bool)
    like = _companion("like", like, ca.shape)
    dihedrals = _companion("dihedrals", dihedrals, (len(ca), max(ca.shape[1] - 3, 0), None))
    for length, rows in _equal_lengths(lengths, usable):
        wanted = given[rows, :length, :length]
        spectrum = _spectrum(wanted)
        outside[rows] = _outside_top3(spectrum[0])
        found = _minimised(spectrum, wanted, bond_weight)
        stress[rows] = _rms_error(found, wanted)
        if like is None:
            predicted = None if dihedrals is None else dihedrals[rows, : length - 3]
            log_odds[rows] = _hand(found, predicted)
            mirrored[rows] = log_odds[rows] < 0
        else:
            mirrored[rows] = _nearer_mirrored(found, like[rows, :length])
        ca[rows, :length] = torch.where(mirrored[rows, None, None], -found, found)
    results = (ca, stress, outside, log_odds.abs(), mirrored)
    return Embedding(*(_like(result, distances) for result in results))


def _checked(distances, lengths):
    """float64 CPU matrices with a zero diagonal, lengths [B], finite items bool [B]."""
    given = torch.as_tensor(distances).detach().cpu()
    if given.ndim != 3 or given.shape[1] != given.shape[2] or 0 in given.shape:
        raise ValueError(f"distances: expected shape [B, L, L], got {list(given.shape)}")
    if not given.is_floating_point():
        raise ValueError(f"distances: expected floating-point numbers, got {given.dtype}")
    lengths = check_lengths(lengths, *given.shape[:2])
    inside = torch.arange(given.shape[1]) < lengths[:, None]
    inside = inside[:, :, None] & inside[:, None, :] & ~torch.eye(given.shape[1], dtype=torch.bool)
    given = torch.where(inside, given.double(), 0.0)
    usable = given.isfinite().all(2).all(1)
    if (given < 0).any():
        raise ValueError(f"distances: expected none below 0, got {given[given < 0].min():g}")
    difference = (given - given.mT).abs().nan_to_num(0.0, 0.0)
    if (difference > _ASYMMETRY + 1e-5 * given.abs()).any():
        raise ValueError(
            f"distances: expected symmetric matrices, two halves differ by {difference.max():g}; average them first"
        )
    return (given + given.mT) / 2, lengths, usable


def _companion(name, values, shape):
    """What comes with the distances, as float64 on the CPU; ValueError if not of that shape (None = any size)."""
    if values is None:
        return None
    values = torch.as_tensor(values).detach().cpu().double()
    expected = [have if want is None else want for have, want in zip(values.shape, shape, strict=False)]
    if values.ndim != len(shape) or list(values.shape) != expected:
        wanted = ", ".join("N" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape [{wanted}], got {list(values.shape)}")
    return values


def _equal_lengths(lengths, usable):
    """(length, rows) of usable items of one length, not too many at a time.

    Items of a batch of one length need neither masks nor padding, so neither can change their result.
    """
    for length in lengths[usable].unique().tolist():
        rows = ((lengths == length) & usable).nonzero()[:, 0]
        for part in rows.split(max(1, _PAIRS_AT_A_TIME // length**2)):
            yield length, part


def _spectrum(distances):
    """Eigenvalues [n, L], ascending, and eigenvectors [n, L, L] of the centred Gram matrices."""
    squares = distances.square()
    rows = squares.mean(1, keepdim=True)
    return torch.linalg.eigh((squares - rows - rows.mT + rows.mean(2, keepdim=True)) / -2)


def _points(values, vectors, dimensions=3, thinnest=0.0):
    """Points [n, L, dimensions] of the largest eigenvalues."""
    top = min(dimensions, values.shape[1])
    points = vectors[:, :, -top:] * values[:, None, -top:].clamp(min=thinnest).sqrt()
    return torch.nn.functional.pad(points, (0, dimensions - top))


def _outside_top3(values):
    mass, used = values.abs().sum(1), values[:, -3:].clamp(min=0).sum(1)
    return torch.where(mass > 0, 1 - used / mass, 0.0).clamp(min=0)


def _minimised(spectrum, distances, bond_weight):
    """Centred traces [n, L, 3] in either hand."""
    found = _points(*spectrum)
    rough = (_rms_error(found, distances) > EXACT).nonzero()[:, 0]
    if len(rough):
        # float32 is twice as fast; what is rough has errors far above its rounding.
        distances = distances[rough].float()
        start = _points(*(part[rough] for part in spectrum), RELAXED_DIMENSIONS, _THINNEST).float()
        relaxed = minimise_stress(start, distances, bond_weight, RELAXED_ITERATIONS)
        found[rough] = minimise_stress(_widest(relaxed), distances, bond_weight).double()
    return found - found.mean(1, keepdim=True)


def _widest(points):
    """Centred points [n, L, K] in the three dimensions in which they spread most."""
    axes = torch.linalg.eigh(points.mT @ points).eigenvectors
    return points @ axes[:, :, -3:]


def _rms_error(ca, distances):
    length = ca.shape[1]
    if length < 2:
        return ca.new_zeros(len(ca))
    found = torch.cdist(ca, ca, compute_mode="donot_use_mm_for_euclid_dist")
    return (found - distances).square().sum((1, 2)).div(length * (length - 1)).sqrt()


def _hand(ca, dihedrals):
    """Log odds of the traces against their mirror images; 0 where there are too few residues to tell."""
    if ca.shape[1] < 4:
        return ca.new_zeros(len(ca))
    if dihedrals is None:
        by_dihedrals = ca_log_odds(ca.numpy())
    else:
        by_dihedrals = predicted_log_odds(ca.numpy(), dihedrals.numpy())
    return torch.from_numpy(by_dihedrals) + trace_energy(-ca) - trace_energy(ca)


def _nearer_mirrored(ca, like):
    """Whether the mirror images of the traces are nearer to `like` than they themselves, bool [n]."""
    ca, like = ca.contiguous(), like.contiguous()
    return betafold_ext.kabsch_rmsd_batch(-ca, like) < betafold_ext.kabsch_rmsd_batch(ca, like)


def _like(result, given):
    """The result in the kind, dtype and place of the argument; truth values stay such."""
    if isinstance(given, np.ndarray):
        return result.numpy() if result.dtype == torch.bool else result.numpy().astype(given.dtype)
    return result.to(torch.bool if result.dtype == torch.bool else given.dtype).to(given.device)
