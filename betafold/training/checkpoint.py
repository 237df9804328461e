"""Checkpoints: a model's weights with everything needed to rebuild it and to say where it came from."""

import json
import os
import pickle
import zipfile

import torch
from safetensors.torch import save_file
from torch import nn

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.models.stored import StoredModel

FORMAT = "betafold-checkpoint-1"


def save_checkpoint(path: str | os.PathLike, model: nn.Module, meta: dict, state: dict | None = None) -> None:
    """Write ``model`` and ``meta`` (plain values only) to ``path`` in one step.

    ``state`` is what ``Family.state`` once gave, to store in the place of the model's present one.
    """
    stored = StoredModel.of(model, meta, state)
    payload = {"format": FORMAT, **stored.describe(), "state": stored.state, "meta": meta}
    with write_beside(path) as partial:
        torch.save(payload, partial)


def save_adapter(path: str | os.PathLike, model: nn.Module, meta: dict, state: dict | None = None) -> None:
    """Write what ``save_checkpoint`` stores of ``model`` as safetensors in float32, for other programs to read.

    The file's metadata are texts: family, spec (JSON), digest of the backbone's weights, commit and code digest.
    """
    stored = StoredModel.of(model, meta, state)
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in stored.state.items()
    }
    metadata = {"family": stored.family_name, "spec": json.dumps(meta["spec"], sort_keys=True)}
    metadata |= {name: meta[name] for name in ("weights_sha256", "git_commit", "code_digest")}
    with write_beside(path) as partial:
        save_file(tensors, partial, metadata)


def read_checkpoint(path: str | os.PathLike) -> StoredModel:
    """What the file ``path`` holds, not yet built.

    Only tensors and plain values are unpickled (``weights_only``), so a file from a stranger is safe to open.
    Raises BetaFoldError for a file that is missing, damaged or no checkpoint of this program.
    """
    payload = read_payload(path, FORMAT)
    try:
        return StoredModel.from_description(str(path), payload, payload["state"], dict(payload["meta"]))
    except (KeyError, TypeError, ValueError):
        raise BetaFoldError(
            f"{path}: the checkpoint was made by another version of BetaFold; train it again"
        ) from None


def load_checkpoint(
    path: str | os.PathLike, device: torch.device | str = "cpu", weights: str | None = None
) -> tuple[nn.Module, dict]:
    """Model in evaluation mode on ``device``, and the ``meta`` it was saved with.

    ``weights`` is where a family that adapts a backbone finds it; see ``StoredModel.build``.
    """
    stored = read_checkpoint(path)
    return stored.build(weights, device), stored.meta


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
