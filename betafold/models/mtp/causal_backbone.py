"""A causal language model from the Hugging Face hub or a local directory as a backbone (Qwen2.5, Qwen3 and alike)."""

import hashlib
import importlib.util
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor

from betafold.errors import BetaFoldError
from betafold.models.mtp.backbone import Backbone, add_lora
from betafold.models.mtp.config import BackboneConfig
from betafold.provenance import file_sha256

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
# Of a model on the hub, what is needed to run it: never its code.
HUB_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


class CausalBackbone(Backbone):
    """Hidden states of the last layer of a decoder, with LoRA; padding stands on the right.

    A causal model's placeholder sees the input and the placeholders before it. Sequences are one token per residue
    where the tokenizer has a token for every amino acid's letter; otherwise they are tokenised like text, which a
    warning says once and ``one_token_per_residue`` says always.
    """

    def __init__(self, config: BackboneConfig, source: str, device: torch.device):
        """The model that ``source``, a directory or hub id, has, with new adapters.

        Raises BetaFoldError, in one line, where model, weights or tokenizer are missing, damaged or of another kind, or
        where ``config`` asks for layers, positions or a quantisation that cannot be had.
        """
        from safetensors import SafetensorError
        from transformers import AutoTokenizer

        folder = find_model(source)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model = _load(folder, config)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BetaFoldError(
                f"{source}: cannot be loaded as a language model ({_first_line(error)})"
            ) from error
        if getattr(model.config, "is_encoder_decoder", False):
            raise BetaFoldError(
                f"{source}: an encoder-decoder model; model.backbone.path takes a decoder like Qwen3"
            )
        letters = _letter_tokens(tokenizer)
        if letters is None and not _reads_letters(tokenizer):
            raise BetaFoldError(
                f"no tokenizer in {folder} that knows the letters of amino acids; "
                "copy tokenizer.json there from where the model is from"
            )
        embedding = model.get_input_embeddings().weight
        known = sorted(letters.values()) if letters else list(range(min(256, len(embedding))))
        # Placeholders start amidst what the model reads.
        super().__init__(embedding[known].float().mean(0), config.placeholder_positions)
        self.one_token_per_residue = letters is not None
        if letters is None and config.placeholder_positions == "residues":
            raise BetaFoldError(
                f"model.backbone.placeholder_positions: residues needs one token per residue, which the tokenizer of "
                f"{source} does not give; use continued"
            )
        if letters is None:
            _warn(
                f"{source}: its tokenizer has no token for each amino acid's letter; sequences are tokenised like "
                "text, several residues a token"
            )
        self.model, self.tokenizer, self._letters = model, tokenizer, letters
        self.name = folder.name if Path(source).is_dir() else source
        text = model.config.get_text_config()
        self.dim = text.hidden_size
        self.max_positions = getattr(text, "max_position_embeddings", None)
        self.identity = {"kind": "causal", "name": self.name, "weights_sha256": weights_sha256(folder)}
        add_lora(model, config)
        if config.gradient_checkpointing:
            _checkpoint_activations(model)
            model.enable_input_require_grads()
        self.to(device)

    def tokenise(self, sequence: str) -> tuple[list[int], int]:
        start = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        if self._letters is None:
            return start + self.tokenizer(sequence, add_special_tokens=False)["input_ids"], len(start)
        unknown = sorted(set(sequence) - self._letters.keys())
        if unknown:
            raise BetaFoldError(
                f"sequence '{sequence[:40]}': {self.name} has no token for residue {unknown[0]!r}"
            )
        return start + [self._letters[residue] for residue in sequence], len(start)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.model.get_input_embeddings()(tokens)

    def encode(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        output = self.model(
            inputs_embeds=x,
            attention_mask=mask.long(),
            position_ids=positions,
            use_cache=False,
            return_dict=True,
        )
        return output.last_hidden_state


def find_model(source: str) -> Path:
    """Directory of the model ``source``: a directory, or a hub id that is in the cache or can be downloaded.

    Raises BetaFoldError, in one line, where it is neither.
    """
    folder = Path(source)
    if folder.is_file():
        raise BetaFoldError(
            f"model.backbone.path: {source}: a file; give the directory that holds config.json"
        )
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BetaFoldError(f"{source}: no config.json, so no model in the Hugging Face format")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    def snapshot(**options) -> Path:
        return Path(snapshot_download(source, allow_patterns=list(HUB_FILES), **options))

    try:
        try:
            return snapshot(local_files_only=True)
        except LocalEntryNotFoundError:
            return snapshot()
    except HFValidationError:
        raise BetaFoldError(f"model.backbone.path: {source}: no such directory") from None
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise BetaFoldError(
            f"model.backbone.path: {source}: neither a directory nor a model that the hub gives ({_first_line(error)}); "
            f"where there is a network, `hf download {source} --local-dir DIR`, then give DIR with --weights"
        ) from error


def weights_sha256(folder: Path) -> str:
    """One digest of all weight files in ``folder``: their names and contents."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def _load(folder: Path, config: BackboneConfig) -> torch.nn.Module:
    """The decoder without its vocabulary head; only safetensors are read, never code or pickles.

    Raises BetaFoldError where a tensor is missing or of another shape: the library would make it up at random.
    """
    from transformers import AutoModel
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    options = {"dtype": getattr(torch, config.dtype)}
    if config.quantisation == "4bit":
        options["quantization_config"] = _four_bit(config)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a vocabulary head that is left out is no news
    try:
        model, loaded = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are reported below, beside those that are missing
            output_loading_info=True,
            **options,
        )
    finally:
        logging.set_verbosity(verbosity)
    unfit = sorted({*loaded["missing_keys"], *(name for name, *_ in loaded["mismatched_keys"])})
    if unfit:
        raise BetaFoldError(
            f"{folder}: its weights do not fit its config.json: {unfit[0]} is missing or of another shape "
            f"(the first of {len(unfit)})"
        )
    return model


def _checkpoint_activations(model: torch.nn.Module) -> None:
    """Keep only the input of each layer for the gradient; older releases of transformers have another name for it."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()


def _four_bit(config: BackboneConfig):
    """4-bit NormalFloat weights (Dettmers et al. 2023, QLoRA), computed with in the backbone's type."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BetaFoldError(
            "model.backbone.quantisation: 4bit needs the package bitsandbytes, which is not installed: "
            "pip install bitsandbytes, or quantisation: none"
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, config.dtype),
    )


def _warn(line: str) -> None:
    """A warning that stands on stderr as a plain line, without the place in the code that gives it."""
    formatted = warnings.formatwarning
    warnings.formatwarning = lambda message, *place: f"{message}\n"
    try:
        warnings.warn(line, stacklevel=3)
    finally:
        warnings.formatwarning = formatted


def _letter_tokens(tokenizer) -> dict[str, int] | None:
    """Token of every amino acid's letter (and of X, where it has one), or None where one is missing."""
    vocabulary = tokenizer.get_vocab()
    if not all(letter in vocabulary for letter in AMINO_ACIDS):
        return None
    return {letter: vocabulary[letter] for letter in AMINO_ACIDS + "XBZUO" if letter in vocabulary}


def _reads_letters(tokenizer) -> bool:
    """Whether a sequence is anything but unknown tokens; the library makes up an empty tokenizer where none is."""
    return bool(set(tokenizer(AMINO_ACIDS, add_special_tokens=False)["input_ids"]) - {tokenizer.unk_token_id})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
