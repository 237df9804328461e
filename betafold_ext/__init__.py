"""Batched peptide geometry in C: torsions, coordinates, gradients, superposition and scores.

>>> import numpy as np, betafold_ext
>>> helix = np.tile(np.radians([-57.0, -47.0, 180.0]), (1000, 20, 1))
>>> betafold_ext.nerf_batch(helix).shape
(1000, 20, 3, 3)
"""

try:
    from betafold_ext import _kernels
except ImportError as error:
    raise ImportError(
        f"betafold_ext is not built ({error}): run `pip install .`, or `python setup.py build_ext --inplace` in a checkout"
    ) from error

from betafold_ext.backbone import nerf_batch, nerf_batch_vjp, torsions_batch
from betafold_ext.scores import distance_matrix_batch, gdt_batch, lddt_batch, tm_score_batch
from betafold_ext.stress import minimise_stress_batch
from betafold_ext.superposition import (
    kabsch_rmsd_batch,
    kabsch_superpose_batch,
    rmsd_matrix,
    rmsd_to_reference,
)

isa = _kernels.isa

__all__ = [
    "distance_matrix_batch",
    "gdt_batch",
    "isa",
    "kabsch_rmsd_batch",
    "kabsch_superpose_batch",
    "lddt_batch",
    "minimise_stress_batch",
    "nerf_batch",
    "nerf_batch_vjp",
    "rmsd_matrix",
    "rmsd_to_reference",
    "tm_score_batch",
    "torsions_batch",
]
