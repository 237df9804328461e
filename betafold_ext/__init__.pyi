from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# float32 or float64; a numpy array or a torch CPU tensor, and the result is of the same kind.
_Array = TypeVar("_Array", NDArray[np.float32], NDArray[np.float64], Tensor)
Lengths: TypeAlias = Sequence[int] | NDArray[np.integer] | Tensor | None

def nerf_batch(torsions: _Array, lengths: Lengths = None, n_threads: int = 1) -> _Array: ...
def nerf_batch_vjp(
    torsions: _Array, coords: _Array, grad_coords: _Array, lengths: Lengths = None, n_threads: int = 1
) -> _Array: ...
def torsions_batch(coords: _Array, lengths: Lengths = None, n_threads: int = 1) -> _Array: ...
def kabsch_rmsd_batch(
    P: _Array, Q: _Array, lengths: Lengths = None, weights: _Array | None = None, n_threads: int = 1
) -> _Array: ...
def kabsch_superpose_batch(
    P: _Array, Q: _Array, lengths: Lengths = None, weights: _Array | None = None, n_threads: int = 1
) -> tuple[_Array, _Array, _Array]: ...
def rmsd_to_reference(X: _Array, ref: _Array, n_threads: int = 1) -> _Array: ...
def rmsd_matrix(X: _Array, Y: _Array | None = None, n_threads: int = 1) -> _Array: ...
def lddt_batch(
    predicted: _Array,
    native: _Array,
    lengths: Lengths = None,
    *,
    per_residue: bool = False,
    cutoff: float = 15.0,
    min_separation: int = 3,
    n_threads: int = 1,
) -> _Array: ...
def gdt_batch(
    predicted: _Array, native: _Array, lengths: Lengths = None, n_threads: int = 1
) -> tuple[_Array, _Array]: ...
def tm_score_batch(
    predicted: _Array, native: _Array, lengths: Lengths = None, n_threads: int = 1
) -> _Array: ...
def distance_matrix_batch(X: _Array, lengths: Lengths = None, n_threads: int = 1) -> _Array: ...
def minimise_stress_batch(
    distances: _Array,
    points: _Array,
    bounds: _Array | None = None,
    lengths: Lengths = None,
    *,
    weight: float = 0.0,
    iterations: int = 500,
    tolerance: float = 1e-4,
    n_threads: int = 1,
) -> _Array: ...
def isa() -> str: ...
