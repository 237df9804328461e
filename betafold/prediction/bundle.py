"""Model bundles: what ``betafold predict --model`` reads.

A bundle is a folder::

    model.safetensors    the torsion model's weights, float32 or float16
    model.json           format, architecture, provenance, training data, digest of the ESM-2 weights it needs
    calibration.json     see betafold.prediction.confidence; may be absent

Bundles that ship with the package lie in ``bundles/NAME/`` beside this file.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.models.torsion import TorsionConfig, TorsionModel
from betafold.prediction.confidence import Calibration, read_calibration, write_calibration
from betafold.prediction.conformers import ConformerSettings
from betafold.provenance import provenance
from betafold.training.checkpoint import load_checkpoint

FORMAT = "betafold-bundle-1"
SHIPPED = Path(__file__).resolve().parent / "bundles"
DEFAULT = "torsion"
WEIGHTS, DESCRIPTION, CALIBRATION = "model.safetensors", "model.json", "calibration.json"


@dataclass(frozen=True)
class Bundle:
    """A model ready to predict.

    Attributes:
        name: what the user calls it.
        model: in evaluation mode, on the device asked for.
        meta: the checkpoint's own record: ESM-2 name, layer and weights digest, data digest, commit, seed ...
        calibration: None if the model is uncalibrated.
        model_sha256: digest of architecture and weights as stored.
    """

    name: str
    model: TorsionModel
    meta: dict
    calibration: Calibration | None
    model_sha256: str

    @property
    def esm_sha256(self) -> str:
        """Digest of the ESM-2 weights whose features the model was trained on."""
        return self.meta["weights_sha256"]

    @property
    def conformers(self) -> ConformerSettings:
        """How rank 1 is chosen: as it was when the calibration was measured."""
        return ConformerSettings(**self.calibration.conformers) if self.calibration else ConformerSettings()


def model_sha256(model: TorsionModel) -> str:
    """SHA-256 over architecture, names and float32 values of all parameters and buffers."""
    digest = hashlib.sha256(json.dumps(asdict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def write_bundle(
    out: str | os.PathLike,
    model: TorsionModel,
    meta: dict,
    calibration: Calibration | None = None,
    half: bool = False,
    note: str = "",
) -> None:
    """Write a bundle folder; ``half`` stores float16 (half the size, torsions change by about 0.1 degree)."""
    if "weights_sha256" not in meta:
        raise BetaFoldError(
            f"{out}: the checkpoint does not say which ESM-2 weights it needs; train it again"
        )
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        state = {
            name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()
        }
    description = {
        "format": FORMAT,
        "config": asdict(model.config),
        "dtype": "float16" if half else "float32",
        "note": note,
        "training": meta,
        "provenance": provenance("bundle", checkpoint_model_sha256=model_sha256(model)),
    }
    with write_beside(out) as folder:
        folder.mkdir()
        save_file(state, folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
        if calibration is not None:
            write_calibration(folder / CALIBRATION, calibration)


def shipped_bundles() -> list[str]:
    """Names of the bundles inside the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{DESCRIPTION}"))


def load_model(spec: str = DEFAULT, device: str = "cpu") -> Bundle:
    """Bundle from the name of a shipped one, a bundle folder, or a checkpoint file (uncalibrated).

    A shipped name wins over a file or folder of the same name; write ``./NAME`` for the latter.
    """
    if spec in shipped_bundles():
        return read_bundle(SHIPPED / spec, device)
    path = Path(spec)
    if path.is_dir():
        return read_bundle(path, device)
    if path.is_file():
        model, meta = load_checkpoint(path, device)
        return Bundle(f"{path.resolve().parent.name}/{path.name}", model, meta, None, model_sha256(model))
    available = ", ".join(shipped_bundles()) or "none"
    raise BetaFoldError(
        f"{spec}: no such model; available by name: {available}; or give a bundle folder or a checkpoint file"
    )


def read_bundle(folder: str | os.PathLike, device: str = "cpu") -> Bundle:
    """Read a bundle folder; BetaFoldError if something in it is missing or damaged."""
    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        if description["format"] != FORMAT:
            raise BetaFoldError(
                f"{folder}: bundle format {description['format']!r}, this BetaFold reads {FORMAT!r}"
            )
        model = TorsionModel(TorsionConfig(**description["config"]))
        state = load_file(folder / WEIGHTS)
        model.load_state_dict({name: _as_float32(tensor) for name, tensor in state.items()})
        meta = description["training"]
        meta["weights_sha256"]
    except FileNotFoundError as error:
        raise BetaFoldError(
            f"{folder}: not a model bundle (no {Path(error.filename or WEIGHTS).name})"
        ) from None
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BetaFoldError(
            f"{folder}: damaged model bundle ({reason}); write it again with betafold bundle"
        ) from None
    calibration = folder / CALIBRATION
    return Bundle(
        name=folder.resolve().name,
        model=model.to(device).eval(),
        meta=meta,
        calibration=read_calibration(calibration) if calibration.exists() else None,
        model_sha256=model_sha256(model),
    )


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
