"""Optimal superposition and RMSD."""

import numpy as np

from betafold_ext import _kernels
from betafold_ext.arrays import as_numpy, check_same_shape, check_threads, lengths_array, like, real_array


def kabsch_rmsd_batch(P, Q, lengths=None, weights=None, n_threads=1):
    """RMSD of pairs after optimal superposition by a proper rotation.

    Args:
        P, Q: [B, N, 3] in Angstrom. float32 or float64, numpy arrays or torch CPU tensors. A mirror image is never
            superposed by a reflection.
        lengths: [B] integers, atoms of each item; all N when None.
        weights: [B, N] or [N], not negative, in the dtype of P; the RMSD is then the weighted one. NaN where all
            weights of an item are zero.
        n_threads: threads to use; small batches stay on one.

    Returns:
        rmsd [B] in Angstrom, same kind and dtype; NaN for items with a NaN or infinite coordinate.

    Raises:
        ValueError: bad shape, dtype, length, weight or empty input; the message names the argument.

    Method: sums in float64; largest eigenvalue by Newton's method on the quaternion polynomial (Theobald 2005, Acta
    Cryst. A61, 478; Liu et al. 2010, J. Comput. Chem. 31, 1561), a Jacobi eigen-solver where that is ill-conditioned.
    """
    p, q, lengths, weights = _pair(P, Q, lengths, weights)
    rmsd = np.empty(p.shape[0], p.dtype)
    _kernels.superpose(p, q, lengths, weights, rmsd, None, None, check_threads(n_threads))
    return like(rmsd, P)


def kabsch_superpose_batch(P, Q, lengths=None, weights=None, n_threads=1):
    """Superposes P onto Q: `P @ rotation.T + translation` is nearest to Q.

    Arguments, errors and method as for `kabsch_rmsd_batch`.

    Returns:
        (rmsd [B], rotation [B, 3, 3], translation [B, 3]). The rotation is proper (determinant +1); where several
        are equally good (atoms on a line), it is one of them.
    """
    p, q, lengths, weights = _pair(P, Q, lengths, weights)
    batch = p.shape[0]
    rmsd, rotation, translation = (np.empty(shape, p.dtype) for shape in (batch, (batch, 3, 3), (batch, 3)))
    _kernels.superpose(p, q, lengths, weights, rmsd, rotation, translation, check_threads(n_threads))
    return like(rmsd, P), like(rotation, P), like(translation, P)


def rmsd_to_reference(X, ref, n_threads=1):
    """RMSD of each structure X [B, N, 3] to one reference [N, 3] after optimal superposition.

    Returns:
        rmsd [B] in Angstrom; NaN, errors and method as for `kabsch_rmsd_batch`.
    """
    x = real_array(X, "X", ("N", 3))
    reference = real_array(as_numpy(ref, "ref")[None], "ref", ("N", 3), x.dtype)
    if reference.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"ref: expected shape {list(x.shape[1:])} like an item of X, got {list(reference.shape[1:])}"
        )
    rmsd = np.empty(x.shape[0], x.dtype)
    _kernels.superpose(x, reference, None, None, rmsd, None, None, check_threads(n_threads))
    return like(rmsd, X)


def rmsd_matrix(X, Y=None, n_threads=1):
    """RMSD after optimal superposition between every pair of structures.

    Args:
        X: [n, N, 3] in Angstrom. float32 or float64, numpy array or torch CPU tensor.
        Y: [m, N, 3]; X itself when None, which costs half as much and gives a symmetric matrix with zero diagonal.
        n_threads: threads to use; small batches stay on one.

    Returns:
        rmsd [n, m] in Angstrom; rows and columns of structures with a NaN or infinite coordinate are NaN.

    Raises:
        ValueError: bad shape, dtype or empty input; the message names the argument.
    """
    x = real_array(X, "X", ("N", 3))
    y = x if Y is None else real_array(Y, "Y", ("N", 3), x.dtype)
    if y.shape[1] != x.shape[1]:
        raise ValueError(f"Y: expected {x.shape[1]} atoms like X, got {y.shape[1]}")
    rmsd = np.empty((x.shape[0], y.shape[0]), x.dtype)
    _kernels.rmsd_matrix(x, y, Y is None, rmsd, check_threads(n_threads))
    return like(rmsd, X)


def _pair(P, Q, lengths, weights):
    p = real_array(P, "P", ("N", 3))
    q = real_array(Q, "Q", ("N", 3), p.dtype)
    check_same_shape(q, "Q", p, "P")
    batch, n_atoms = p.shape[:2]
    if weights is not None:
        weights = as_numpy(weights, "weights")
        if weights.ndim == 1:
            weights = np.broadcast_to(weights, (batch, weights.shape[0]))
        weights = real_array(weights, "weights", ("N",), p.dtype)
        if weights.shape != (batch, n_atoms):
            raise ValueError(
                f"weights: expected shape [{batch}, {n_atoms}] or [{n_atoms}], got {list(weights.shape)}"
            )
        if (weights < 0).any():
            raise ValueError("weights: must not be negative")
    return p, q, lengths_array(lengths, batch, n_atoms), weights
