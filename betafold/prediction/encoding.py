"""From sequences to what a model reads, as its family asks: ESM-2 embeddings, or the sequences alone."""

import numpy as np
import torch
from torch import nn

from betafold.embeddings.esm2 import load_esm2
from betafold.embeddings.weights import resolve_weights
from betafold.errors import BetaFoldError
from betafold.models.inputs import Inputs, pad_inputs
from betafold.models.stored import DIGITS
from betafold.prediction.bundle import Bundle

DEFAULT_WEIGHTS = "wheel"


class EmbeddingReader:
    """Inputs with embeddings of the ESM-2 weights that ``bundle`` was trained on.

    Attributes:
        settings: what a prediction depends on, as plain values.
        notes: the same for who reads a structure file: label -> text.

    Raises BetaFoldError if ``weights`` (None = those of the wheel) are others.
    """

    def __init__(self, bundle: Bundle, weights: str | None, device: torch.device | str):
        path = resolve_weights(DEFAULT_WEIGHTS if weights is None else weights)
        self.encoder = load_esm2(path, device, bundle.meta.get("layer"))
        digest = self.encoder.weights_sha256
        if digest != bundle.weights_sha256:
            raise BetaFoldError(
                f"ESM-2 weights {digest[:DIGITS]} do not fit model {bundle.name!r}, trained on "
                f"weights {bundle.weights_sha256[:DIGITS]}; give those with --weights, or another --model"
            )
        self.settings = {
            "esm": self.encoder.name,
            "esm_layer": self.encoder.layer,
            "esm_weights_sha256": digest,
        }
        self.notes = {"features": f"{self.encoder.name}, weights sha256 {digest[:DIGITS]}"}

    def __call__(self, sequences: list[str]) -> Inputs:
        # Training reads features stored as float16, so prediction rounds them in the same way.
        return pad_inputs(sequences, [x.astype(np.float16) for x in self.encoder.embed(sequences)])


class SequenceReader:
    """Inputs for a model that has a language model of its own; attributes as in ``EmbeddingReader``."""

    def __init__(self, model: nn.Module):
        identity = model.backbone.identity
        digest = identity["weights_sha256"]
        self.settings = {"backbone": identity["name"], "backbone_weights_sha256": digest}
        self.notes = {"backbone": f"{identity['name']}, weights sha256 {digest[:DIGITS]}"}

    def __call__(self, sequences: list[str]) -> Inputs:
        return pad_inputs(sequences)
