"""Turn a model's raw confidence into calibrated pLDDT and a calibrated CA-RMSD with upper bounds.

``calibration.json`` is written by ``betafold calibrate`` and read here. Version 1::

    {
      "format": "betafold.calibration",
      "version": 1,
      "conformers": {"ranking": "medoid", "samples": 64, "temperature": 1.0},
                                how rank 1 was chosen when the calibration was measured (ConformerSettings)
      "plddt": {"raw": [x0, x1, ...], "calibrated": [y0, y1, ...]},
                                per residue: raw pLDDT -> mean observed lDDT, both 0-100, knots of an isotonic fit
      "rmsd":  {"score": "ensemble", "raw": [...], "calibrated": [...]},
                                per peptide: ``chain_score`` of that kind -> CA-RMSD in Angstrom, isotonic knots
      "conformal": {"levels": [0.5, 0.8, 0.9], "factors": [f50, f80, f90]},
                                per peptide: P(true CA-RMSD <= factor * predicted CA-RMSD) >= level
      "counts": {"peptides": n, "residues": m, ...},
      "provenance": {...}       betafold.provenance plus checkpoint_sha256 (of the file) and weights_sha256
    }

``raw`` never decreases, ``calibrated`` never decreases; between knots values are interpolated linearly, outside
they stay constant. The factors are split-conformal quantiles of true / predicted RMSD, i.e. the value of rank
ceil((n + 1) * level) among n peptides *that did not enter the isotonic fit* (Vovk et al. 2005; Lei et al. 2018,
normalised residuals).
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from betafold.errors import BetaFoldError
from betafold.files import write_beside

FORMAT = "betafold.calibration"
VERSION = 1
SCORES = ("ensemble", "plddt")


def chain_score(kind: str, plddt: np.ndarray, length: np.ndarray, expected_rmsd: np.ndarray) -> np.ndarray:
    """One number per peptide that grows with its expected CA-RMSD; what the RMSD calibration is a function of.

    Args:
        kind: ``ensemble``: the mean CA-RMSD of the conformer to samples of the predicted distribution (Angstrom);
            ``plddt``: ``(1 - plddt / 100) * sqrt(length)``, for a random coil's size grows with the root of length.
        plddt: mean raw pLDDT of the conformer (0-100).
        length: residues.
        expected_rmsd: see ``ensemble``.
    """
    if kind == "ensemble":
        return np.asarray(expected_rmsd, dtype=float)
    if kind == "plddt":
        return (1 - np.asarray(plddt, dtype=float) / 100) * np.sqrt(np.asarray(length, dtype=float))
    raise ValueError(f"kind must be one of {', '.join(SCORES)}, not {kind!r}")


@dataclass(frozen=True)
class Isotonic:
    """A non-decreasing, piecewise linear function given by its knots; constant beyond the outer ones."""

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __post_init__(self):
        raw, calibrated = np.asarray(self.raw, dtype=float), np.asarray(self.calibrated, dtype=float)
        if raw.ndim != 1 or raw.size == 0 or raw.shape != calibrated.shape:
            raise ValueError("raw and calibrated must be two equally long lists of numbers")
        if not (np.isfinite(raw).all() and np.isfinite(calibrated).all()):
            raise ValueError("raw and calibrated must be finite")
        if (np.diff(raw) < 0).any() or (np.diff(calibrated) < 0).any():
            raise ValueError("raw and calibrated must not decrease")

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The function's value at each of ``values``; NaN stays NaN."""
        return np.interp(values, self.raw, self.calibrated)


@dataclass(frozen=True)
class Calibration:
    """Content of ``calibration.json``; see the module's docstring."""

    plddt: Isotonic
    rmsd: Isotonic
    rmsd_score: str
    levels: tuple[float, ...]
    factors: tuple[float, ...]
    conformers: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.rmsd_score not in SCORES:
            raise ValueError(f"rmsd.score must be one of {', '.join(SCORES)}, not {self.rmsd_score!r}")
        if min(self.plddt.calibrated) < 0 or max(self.plddt.calibrated) > 100:
            raise ValueError("plddt.calibrated must lie in 0-100")
        if min(self.rmsd.calibrated) < 0:
            raise ValueError("rmsd.calibrated must not be negative")
        if len(self.levels) != len(self.factors) or not all(0 < level < 1 for level in self.levels):
            raise ValueError("conformal.levels must lie between 0 and 1, with one factor each")
        if list(self.levels) != sorted(self.levels) or list(self.factors) != sorted(self.factors):
            raise ValueError("conformal.levels and conformal.factors must not decrease")

    def predicted_rmsd(self, plddt: np.ndarray, length: np.ndarray, expected_rmsd: np.ndarray) -> np.ndarray:
        """Calibrated CA-RMSD in Angstrom from raw values; arguments as in ``chain_score``."""
        return self.rmsd(chain_score(self.rmsd_score, plddt, length, expected_rmsd))

    def upper_bounds(self, predicted_rmsd: np.ndarray) -> dict[float, np.ndarray]:
        """For each level, the CA-RMSD (Angstrom) that the true one exceeds with probability at most 1 - level."""
        return {
            level: factor * np.asarray(predicted_rmsd)
            for level, factor in zip(self.levels, self.factors, strict=True)
        }

    def to_dict(self) -> dict:
        """The JSON document of the module's docstring."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "conformers": dict(self.conformers),
            "plddt": {"raw": list(self.plddt.raw), "calibrated": list(self.plddt.calibrated)},
            "rmsd": {
                "score": self.rmsd_score,
                "raw": list(self.rmsd.raw),
                "calibrated": list(self.rmsd.calibrated),
            },
            "conformal": {"levels": list(self.levels), "factors": list(self.factors)},
            "counts": dict(self.counts),
            "provenance": dict(self.provenance),
        }

    @property
    def sha256(self) -> str:
        """Digest of the whole document."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, document: dict) -> "Calibration":
        """Inverse of ``to_dict``; KeyError, TypeError or ValueError where the document is malformed."""
        return cls(
            plddt=Isotonic(tuple(document["plddt"]["raw"]), tuple(document["plddt"]["calibrated"])),
            rmsd=Isotonic(tuple(document["rmsd"]["raw"]), tuple(document["rmsd"]["calibrated"])),
            rmsd_score=document["rmsd"]["score"],
            levels=tuple(document["conformal"]["levels"]),
            factors=tuple(document["conformal"]["factors"]),
            conformers=document.get("conformers", {}),
            counts=document.get("counts", {}),
            provenance=document.get("provenance", {}),
        )


def write_calibration(path: str | os.PathLike, calibration: Calibration) -> None:
    """Write ``calibration.json``."""
    with write_beside(path) as partial:
        partial.write_text(json.dumps(calibration.to_dict(), indent=1, allow_nan=False) + "\n")


def read_calibration(path: str | os.PathLike) -> Calibration:
    """Read and check ``calibration.json``; BetaFoldError with one line where it can't be used."""
    path = Path(path)
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BetaFoldError(f"{path}: not a calibration file ({error}); run betafold calibrate") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BetaFoldError(f"{path}: not a calibration file (no format {FORMAT!r}); run betafold calibrate")
    if document.get("version") != VERSION:
        raise BetaFoldError(
            f"{path}: calibration format version {document.get('version')!r}, this BetaFold reads {VERSION}; "
            "run betafold calibrate again"
        )
    try:
        return Calibration.from_dict(document)
    except (KeyError, TypeError, ValueError) as error:
        detail = f"missing {error}" if isinstance(error, KeyError) else error
        raise BetaFoldError(
            f"{path}: malformed calibration ({detail}); run betafold calibrate again"
        ) from error
