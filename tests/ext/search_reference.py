"""Scalar searches for the superposition that maximises a score, written from the papers, in float64."""

import itertools

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from tests.ext.reference import kabsch

GDT_CUTOFFS = np.array([0.5, 1.0, 2.0, 4.0, 8.0])


def tm_d0(n):
    return max(0.5, 1.24 * np.cbrt(n - 15.0) - 1.8) if n > 15 else 0.5


def squared_distances(p, q, chosen):
    """Squared distances [S, n] after superposing each of the sets of residues chosen [S, n]."""
    weights = chosen / chosen.sum(1, keepdims=True)
    p_mean, q_mean = weights @ p, weights @ q
    correlation = np.einsum("sn,na,nb->sab", weights, p, q) - p_mean[:, :, None] * q_mean[:, None, :]
    u, _, vt = np.linalg.svd(correlation)
    u[:, :, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[:, None]
    rotation = np.einsum("sab,sbc->sca", u, vt)
    moved = np.einsum("sab,snb->sna", rotation, p - p_mean[:, None]) + q_mean[:, None]
    return ((moved - q) ** 2).sum(-1)


def all_fragments(n, smallest):
    """Every run of `smallest` to n residues, as rows of 0 and 1."""
    runs = [(start, start + size) for size in range(min(smallest, n), n + 1) for start in range(n - size + 1)]
    index = np.arange(n)
    return np.array([(index >= start) & (index < end) for start, end in runs], float)


def repeated_superposition(p, q, smallest, first_radius, later_radius):
    """Yields squared distances of every superposition on the way: each fragment, then the residues within the radius
    (the three closest at least), until that set is stable or 20 steps are done."""
    chosen, radius = all_fragments(len(p), smallest), first_radius
    for _ in range(21):
        squared = squared_distances(p, q, chosen)
        yield squared
        third = np.sort(squared, axis=1)[:, min(3, len(p)) - 1]
        close = (squared <= np.maximum(radius**2, third * (1 + 1e-12))[:, None]).astype(float)
        moving = (close != chosen).any(1)
        if not moving.any():
            return
        chosen, radius = np.unique(close[moving], axis=0), later_radius


def tm_score(p, q):
    """The iteration of Zhang & Skolnick 2004, from all fragments of 4 residues and more instead of L, L/2, L/4 ..."""
    d0 = tm_d0(len(p))
    radius = np.clip(d0, 4.5, 8.0)
    steps = repeated_superposition(p, q, 4, radius - 1, radius + 1)
    return max((1 / (1 + squared / d0**2)).mean(1).max() for squared in steps)


def highest_tm_score(p, q, climbs=12):
    """Gradient ascent over rotation and translation from the best superpositions of fragments."""
    d0 = tm_d0(len(p))

    def loss(pose):
        moved = Rotation.from_rotvec(pose[:3]).apply(p) + pose[3:]
        return -(1 / (1 + ((moved - q) ** 2).sum(1) / d0**2)).mean()

    starts = []
    for chosen in all_fragments(len(p), 3) > 0:
        _, rotation, translation = kabsch(p[chosen], q[chosen])
        starts.append(np.concatenate([Rotation.from_matrix(rotation).as_rotvec(), translation]))
    return max(-minimize(loss, start).fun for start in sorted(starts, key=loss)[:climbs])


def gdt_shares(p, q):
    """Largest share of residues within each cutoff by the iteration of LGA (Zemla 2003), from all fragments."""
    shares = np.zeros(len(GDT_CUTOFFS))
    for cutoff in GDT_CUTOFFS:
        for squared in repeated_superposition(p, q, 3, cutoff, cutoff):
            shares = np.maximum(shares, (squared[..., None] <= GDT_CUTOFFS**2).mean(1).max(0))
    return shares


def largest_distance(p, q):
    """The smallest possible largest distance of two small sets of atoms."""

    def largest(pose):
        moved = Rotation.from_rotvec(pose[:3]).apply(p) + pose[3:]
        return np.sqrt(((moved - q) ** 2).sum(1)).max()

    _, rotation, translation = kabsch(p, q)
    start = np.concatenate([Rotation.from_matrix(rotation).as_rotvec(), translation])
    simplex = start + np.vstack([np.zeros(6), 0.1 * np.eye(6)])
    options = {"initial_simplex": simplex, "maxiter": 600, "xatol": 1e-4, "fatol": 1e-4}
    return minimize(largest, start, method="Nelder-Mead", options=options).fun


def fits_more(p, q, cutoff, above):
    """Whether more than `above` residues fit within the cutoff at once, by trying all subsets.

    A distance between two residues that fit cannot change by more than two cutoffs, which leaves few to superpose.
    """
    change = np.abs(np.linalg.norm(p[:, None] - p, axis=-1) - np.linalg.norm(q[:, None] - q, axis=-1))
    for subset in map(list, itertools.combinations(range(len(p)), above + 1)):
        if change[np.ix_(subset, subset)].max() > 2 * cutoff or kabsch(p[subset], q[subset])[0] > cutoff:
            continue
        if largest_distance(p[subset], q[subset]) <= cutoff * (1 - 1e-3):
            return True
    return False
