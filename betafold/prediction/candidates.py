"""The structures a peptide may have, as a model sees them: what every family hands over to be ranked."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

RANKINGS = ("medoid", "mode")
FULL_LENGTH = 128
"""Residues up to which all samples are drawn; time and memory of a draw grow with their square."""
FEWEST_DRAWS = 16
"""For the longest chains."""


@dataclass(frozen=True)
class ConformerSettings:
    """How candidates are drawn and rank 1 is chosen; part of what a calibration holds for.

    Attributes:
        ranking: ``medoid`` or ``mode``.
        samples: draws per peptide, see ``draws``; the largest number of conformers that can be asked for.
        temperature: flattens (> 1) or sharpens (< 1) the distribution of the draws.
    """

    ranking: str = "medoid"
    samples: int = 64
    temperature: float = 1.0

    def __post_init__(self):
        if self.ranking not in RANKINGS:
            raise ValueError(f"ranking must be one of {', '.join(RANKINGS)}, not {self.ranking!r}")
        if self.samples < 2 or not self.temperature > 0:
            raise ValueError("samples must be at least 2 and temperature positive")

    def draws(self, length: int, num_models: int = 1) -> int:
        """How many samples to draw for ``length`` residues: ``samples``, of long chains fewer.

        Never fewer than ``num_models``, the conformers that are wanted.
        """
        affordable = int(self.samples * (FULL_LENGTH / length) ** 2)
        return min(self.samples, max(affordable, FEWEST_DRAWS, num_models))


DEFAULT_SETTINGS = ConformerSettings()


@dataclass(frozen=True)
class Candidates:
    """C structures of one peptide of L residues: the model's single answer first, then samples.

    The samples stand for what the model holds possible.

    Attributes:
        ca: float32 [C, L, 3] in Angstrom.
        plddt: [L] raw (uncalibrated) confidence in the single answer, 0-100.
        backbones: torsions float32 [K, L, 3] (phi, psi, omega in radians) and coordinates float32 [K, L, 3, 3] (N, CA, C
            in Angstrom) of the K candidates of the given indices; a family that has to build them builds no others.
        diagnostics: what else the family can say about the single answer, by name; columns of the evaluation table.
    """

    ca: np.ndarray
    plddt: np.ndarray
    backbones: Callable[[list[int]], tuple[np.ndarray, np.ndarray]]
    diagnostics: dict[str, float] = field(default_factory=dict)


def sequence_seed(sequence: str, seed: int) -> int:
    """Seed of a peptide's own random stream, so that its conformers don't depend on its batch or its order."""
    digest = hashlib.sha256(f"{seed}:{sequence}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1  # torch takes non-negative 63-bit seeds
