"""Checkpoints: a model's weights with everything needed to rebuild it and to say where it came from."""

import os
import pickle
import zipfile
from dataclasses import asdict

import torch

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.models.torsion import TorsionConfig, TorsionModel

FORMAT = "betafold-checkpoint-1"


def save_checkpoint(
    path: str | os.PathLike, model: TorsionModel, meta: dict, state: dict | None = None
) -> None:
    """Write ``model`` and ``meta`` (plain values only) to ``path`` in one step.

    ``state`` is a state dict to store in the place of the model's present one.
    """
    state = model.state_dict() if state is None else state
    payload = {
        "format": FORMAT,
        "config": asdict(model.config),
        "state": {name: tensor.detach().cpu() for name, tensor in state.items()},
        "meta": meta,
    }
    with write_beside(path) as partial:
        torch.save(payload, partial)


def load_checkpoint(path: str | os.PathLike, device: str = "cpu") -> tuple[TorsionModel, dict]:
    """Model in evaluation mode on ``device``, and the ``meta`` it was saved with.

    Only tensors and plain values are unpickled (``weights_only``), so a file from a stranger is safe to open.
    Raises BetaFoldError for a file that is missing, damaged or no checkpoint of this program.
    """
    payload = read_payload(path, FORMAT)
    try:
        model = TorsionModel(TorsionConfig(**payload["config"]))
        model.load_state_dict(payload["state"])
        meta = dict(payload["meta"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise BetaFoldError(
            f"{path}: the checkpoint was made by another version of BetaFold; train it again"
        ) from None
    return model.to(device).eval(), meta


def read_payload(path: str | os.PathLike, expected: str) -> dict:
    """The dictionary in the torch file ``path``, whose ``format`` must be ``expected``."""
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BetaFoldError(f"{path}: no such file") from None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile):
        raise BetaFoldError(f"{path}: damaged, or not a file written by `betafold train`") from None
    if not isinstance(payload, dict) or payload.get("format") != expected:
        raise BetaFoldError(f"{path}: not a {expected} file written by `betafold train`")
    return payload
