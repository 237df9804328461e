"""Model bundles: what ``betafold predict --model`` reads.

A bundle is a folder::

    model.safetensors    the trained weights, float32 or float16; never those of a frozen encoder or backbone
    model.json           format, family, architecture, provenance, training data, digest of the frozen weights it needs
    calibration.json     see betafold.prediction.confidence; may be absent

Bundles that ship with the package lie in ``bundles/NAME/`` beside this file.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.models.stored import StoredModel
from betafold.prediction.candidates import DEFAULT_SETTINGS, ConformerSettings
from betafold.prediction.confidence import Calibration, read_calibration, write_calibration
from betafold.provenance import provenance
from betafold.training.checkpoint import read_checkpoint

FORMAT = "betafold-bundle-1"
SHIPPED = Path(__file__).resolve().parent / "bundles"
DEFAULT = "torsion"
WEIGHTS, DESCRIPTION, CALIBRATION = "model.safetensors", "model.json", "calibration.json"


@dataclass(frozen=True)
class Bundle:
    """A model with its calibration, not yet built: what there is to know before its weights are needed.

    Attributes:
        name: what the user calls it.
        stored: family, config and tensors.
        calibration: None if the model is uncalibrated.
    """

    name: str
    stored: StoredModel
    calibration: Calibration | None

    @property
    def meta(self) -> dict:
        """The checkpoint's own record: name and digest of the frozen weights, data digest, commit, seed ..."""
        return self.stored.meta

    @property
    def model_sha256(self) -> str:
        """Digest of architecture and weights as stored."""
        return self.stored.sha256

    @property
    def weights_sha256(self) -> str:
        """Digest of the frozen weights (ESM-2, backbone) that the model was trained on."""
        return self.meta["weights_sha256"]

    @property
    def conformers(self) -> ConformerSettings:
        """How rank 1 is chosen: as it was when the calibration was measured."""
        return ConformerSettings(**self.calibration.conformers) if self.calibration else DEFAULT_SETTINGS


def write_bundle(
    out: str | os.PathLike,
    stored: StoredModel,
    calibration: Calibration | None = None,
    half: bool = False,
    note: str = "",
) -> None:
    """Write a bundle folder; ``half`` stores float16 (half the size, torsions change by about 0.1 degree)."""
    if "weights_sha256" not in stored.meta:
        raise BetaFoldError(
            f"{out}: the checkpoint does not say which frozen weights it needs; train it again"
        )
    description = {
        "format": FORMAT,
        **stored.describe(),
        "dtype": "float16" if half else "float32",
        "note": note,
        "training": stored.meta,
        "provenance": provenance("bundle", checkpoint_model_sha256=stored.sha256),
    }
    dtype = torch.float16 if half else torch.float32
    with write_beside(out) as folder:
        folder.mkdir()
        save_file(_cast(stored.state, dtype), folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
        if calibration is not None:
            write_calibration(folder / CALIBRATION, calibration)


def shipped_bundles() -> list[str]:
    """Names of the bundles inside the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{DESCRIPTION}"))


def load_model(spec: str = DEFAULT) -> Bundle:
    """Bundle from the name of a shipped one, a bundle folder, or a checkpoint file (uncalibrated).

    A shipped name wins over a file or folder of the same name; write ``./NAME`` for the latter.
    """
    if spec in shipped_bundles():
        return read_bundle(SHIPPED / spec)
    path = Path(spec)
    if path.is_dir():
        return read_bundle(path)
    if path.is_file():
        return Bundle(f"{path.resolve().parent.name}/{path.name}", read_checkpoint(path), None)
    available = ", ".join(shipped_bundles()) or "none"
    raise BetaFoldError(
        f"{spec}: no such model; available by name: {available}; or give a bundle folder or a checkpoint file"
    )


def read_bundle(folder: str | os.PathLike) -> Bundle:
    """Read a bundle folder; BetaFoldError if something in it is missing or damaged."""
    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        if description["format"] != FORMAT:
            raise BetaFoldError(
                f"{folder}: bundle format {description['format']!r}, this BetaFold reads {FORMAT!r}"
            )
        meta = description["training"]
        meta["weights_sha256"]
        state = _cast(load_file(folder / WEIGHTS), torch.float32)
        stored = StoredModel.from_description(str(folder), description, state, meta)
    except FileNotFoundError as error:
        raise BetaFoldError(
            f"{folder}: not a model bundle (no {Path(error.filename or WEIGHTS).name})"
        ) from None
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BetaFoldError(
            f"{folder}: damaged model bundle ({reason}); write it again with betafold bundle"
        ) from None
    path = folder / CALIBRATION
    calibration = read_calibration(path) if path.exists() else None
    return Bundle(folder.resolve().name, stored, calibration)


def _cast(state: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The same tensors with those of floating point in ``dtype``."""
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }
