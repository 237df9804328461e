"""Points from distances."""

import numpy as np

from betafold_ext import _kernels
from betafold_ext.arrays import check_count, check_number, check_threads, lengths_array, like, real_array

DIMENSIONS = (3, 6)


def minimise_stress_batch(
    distances,
    points,
    bounds=None,
    lengths=None,
    *,
    weight=0.0,
    iterations=500,
    tolerance=1e-4,
    n_threads=1,
):
    """Moves points so that their distances come as near as possible to given ones.

    The stress of an item is the sum over i < j of (d_ij - delta_ij)^2, and `weight` times the squared amounts by which
    the distances to the next and to the next but one point leave their bounds. It never grows.

    Args:
        distances: [B, N, N], delta; symmetric, only i < j is read. float32 or float64, numpy array or torch CPU tensor.
        points: [B, N, 3] or [B, N, 6], where to begin, in the same dtype.
        bounds: [B, N, 2, 2]: least and largest distance of point i to i + 1 and to i + 2; what has no such neighbour is
            ignored. No bounds when None.
        lengths: [B] integers, points of each item; all N when None.
        weight: of the bounds, not negative, for each point of the item.
        iterations: at most so many.
        tolerance: an item is at rest when ten iterations lower the root of its stress by less than this share.
        n_threads: threads to use; small batches stay on one.

    Returns:
        Points [B, N, 3 or 6], centred on the origin; NaN beyond `lengths` and in items with a NaN or infinite value.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Method: majorisation with the Guttman transform (SMACOF; de Leeuw 1977; Borg & Groenen 2005, Modern Multidimensional
    Scaling, eq. 8.25), relaxed (de Leeuw & Heiser 1980), with momentum (Nesterov 1983) that starts anew where the stress
    would grow.
    """
    wanted = real_array(distances, "distances", ("N", "N"))
    start = real_array(points, "points", ("N", "D"), wanted.dtype)
    batch, n_points, n_dims = start.shape
    if wanted.shape != (batch, n_points, n_points):
        raise ValueError(
            f"distances: expected shape [{batch}, {n_points}, {n_points}], got {list(wanted.shape)}"
        )
    if n_dims not in DIMENSIONS:
        raise ValueError(f"points: expected 3 or 6 coordinates, got {n_dims}")
    weight, tolerance = check_number(weight, "weight"), check_number(tolerance, "tolerance")
    iterations = check_count(iterations, "iterations", least=0)
    if bounds is None:
        bounds, weight = np.zeros((batch, n_points, 2, 2), wanted.dtype), 0.0
    else:
        bounds = real_array(bounds, "bounds", ("N", 2, 2), wanted.dtype)
        if bounds.shape[:2] != start.shape[:2]:
            raise ValueError(f"bounds: expected shape [{batch}, {n_points}, 2, 2], got {list(bounds.shape)}")
    lengths = lengths_array(lengths, batch, n_points)
    threads = check_threads(n_threads)
    out = np.full(start.shape, np.nan, start.dtype)
    for length in [n_points] if lengths is None else np.unique(lengths):
        items = slice(None) if lengths is None else np.flatnonzero(lengths == length)
        with np.errstate(invalid="ignore"):  # of infinities
            part = start[items, :length] - start[items, :length].mean(1, keepdims=True)
        _kernels.minimise_stress(
            np.ascontiguousarray(wanted[items, :length, :length]),
            np.ascontiguousarray(bounds[items, :length]),
            weight * length,
            iterations,
            tolerance,
            part,
            threads,
        )
        out[items, :length] = np.where(np.isfinite(part).all((1, 2), keepdims=True), part, np.nan)
    return like(out, points)
