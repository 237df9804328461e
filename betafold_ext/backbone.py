"""Torsions to backbone coordinates, back, and the gradient between them."""

import numpy as np

from betafold_ext import _kernels
from betafold_ext.arrays import check_same_shape, check_threads, lengths_array, like, real_array


def nerf_batch(torsions, lengths=None, n_threads=1):
    """Builds backbones with ideal bond lengths and angles from torsions.

    Args:
        torsions: [B, L, 3], phi, psi, omega in radians; omega(i) is the bond between residues i and i+1. float32 or
            float64, numpy array or torch CPU tensor. phi(1), psi(L) and omega(L) are undefined and ignored.
        lengths: [B] integers, residues of each item; all L when None.
        n_threads: threads to use; small batches stay on one.

    Returns:
        coords [B, L, 3, 3], atoms N, CA, C in Angstrom, same kind and dtype. N of the first residue is the origin,
        its CA lies on +x and its C in the xy plane with y > 0. Entries beyond `lengths` are NaN. A NaN or infinity in
        any other torsion of an item makes that whole item NaN.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Method: NeRF (Parsons et al. 2005, J. Comput. Chem. 26, 1063) with carried orthonormal frames; constants of
    Engh & Huber (2001).
    """
    angles = real_array(torsions, "torsions", ("L", 3))
    batch, n_residues = angles.shape[:2]
    coords = np.empty((batch, n_residues, 3, 3), angles.dtype)
    _kernels.nerf(angles, lengths_array(lengths, batch, n_residues), coords, check_threads(n_threads))
    return like(coords, torsions)


def nerf_batch_vjp(torsions, coords, grad_coords, lengths=None, n_threads=1):
    """Gradient of a loss with respect to the torsions, from its gradient with respect to `nerf_batch`'s result.

    Args:
        torsions: [B, L, 3] that were given to `nerf_batch` (only their shape and dtype are used).
        coords: [B, L, 3, 3] that `nerf_batch` returned.
        grad_coords: [B, L, 3, 3], d loss / d coords; entries beyond `lengths` are ignored.
        lengths: as for `nerf_batch`.
        n_threads: threads to use; small batches stay on one.

    Returns:
        [B, L, 3], d loss / d torsions; zero where a torsion is undefined or beyond `lengths`, NaN in NaN items.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Method: one backward sweep of summed forces and torques about each bond (Abe et al. 1984, Comput. Chem. 8, 239).
    """
    angles = real_array(torsions, "torsions", ("L", 3))
    batch, n_residues = angles.shape[:2]
    atoms = real_array(coords, "coords", ("L", 3, 3), angles.dtype)
    grad_atoms = real_array(grad_coords, "grad_coords", ("L", 3, 3), angles.dtype)
    if atoms.shape[:2] != angles.shape[:2]:
        raise ValueError(
            f"coords: expected shape [{batch}, {n_residues}, 3, 3] like torsions, got {list(atoms.shape)}"
        )
    check_same_shape(grad_atoms, "grad_coords", atoms, "coords")
    grad = np.empty_like(angles, order="C")
    _kernels.nerf_vjp(
        atoms, grad_atoms, lengths_array(lengths, batch, n_residues), grad, check_threads(n_threads)
    )
    return like(grad, torsions)


def torsions_batch(coords, lengths=None, n_threads=1):
    """Measures backbone torsions.

    Args:
        coords: [B, L, 3, 3], atoms N, CA, C in Angstrom. float32 or float64, numpy array or torch CPU tensor.
        lengths: [B] integers, residues of each item; all L when None.
        n_threads: threads to use; small batches stay on one.

    Returns:
        torsions [B, L, 3], phi, psi, omega in (-pi, pi], same kind and dtype. phi(1), psi(L), omega(L), entries
        beyond `lengths` and every angle that has a NaN or infinite atom are NaN.

    Raises:
        ValueError: bad shape, dtype, length or empty input; the message names the argument.

    Sign convention: IUPAC-IUB (1970), Biochemistry 9, 3471.
    """
    atoms = real_array(coords, "coords", ("L", 3, 3))
    batch, n_residues = atoms.shape[:2]
    torsions = np.empty((batch, n_residues, 3), atoms.dtype)
    _kernels.torsions(atoms, lengths_array(lengths, batch, n_residues), torsions, check_threads(n_threads))
    return like(torsions, coords)
