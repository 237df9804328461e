"""A Transformer encoder written out by hand (Vaswani et al. 2017; Pre-LN after Xiong et al. 2020).

Parameters are laid out as in ``torch.nn.MultiheadAttention`` and ``torch.nn.TransformerEncoderLayer``, and
the results agree with theirs for the same weights; unlike theirs, a peptide that is all padding gives
finite numbers, and attention weights come out of the whole stack.

Shapes: B peptides, L residues, d features, H heads. A mask is True where there is a residue.
"""

import math

import torch
from torch import Tensor, nn

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class MultiHeadAttention(nn.Module):
    """Scaled dot-product self-attention with H heads."""

    def __init__(self, d_model: int, heads: int, dropout: float = 0.0):
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model {d_model} is not a multiple of heads {heads}")
        self.heads = heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, L, d], mask [B, L] -> attended [B, L, d], weights [B, H, L, L] (before dropout)."""
        b, length, d = x.shape
        q, k, v = self.qkv(x).view(b, length, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)  # [B, H, L, L]
        if mask is not None:
            # The smallest finite number, not -inf: a row without any residue must not become NaN.
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)
        attended = self.dropout(weights) @ v  # [B, H, L, d/H]
        return self.out(attended.transpose(1, 2).reshape(b, length, d)), weights


class FeedForward(nn.Sequential):
    """Position-wise two-layer network [B, L, d] -> [B, L, d]."""

    def __init__(self, d_model: int, ffn: int, dropout: float = 0.0, activation: str = "gelu"):
        super().__init__(
            nn.Linear(d_model, ffn), ACTIVATIONS[activation](), nn.Dropout(dropout), nn.Linear(ffn, d_model)
        )


class TransformerBlock(nn.Module):
    """Attention and feed-forward, each with residual and layer norm before (``pre``) or after (``post``)."""

    def __init__(
        self,
        d_model: int,
        heads: int,
        ffn: int,
        dropout: float = 0.0,
        norm: str = "pre",
        activation: str = "gelu",
    ):
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"norm is {norm!r}; it is 'pre' or 'post'")
        self.pre_norm = norm == "pre"
        self.attention = MultiHeadAttention(d_model, heads, dropout)
        self.feed_forward = FeedForward(d_model, ffn, dropout, activation)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, L, d], mask [B, L] -> x [B, L, d], attention weights [B, H, L, L]."""
        if self.pre_norm:
            attended, weights = self.attention(self.norm1(x), mask)
            x = x + self.dropout(attended)
            x = x + self.dropout(self.feed_forward(self.norm2(x)))
        else:
            attended, weights = self.attention(x, mask)
            x = self.norm1(x + self.dropout(attended))
            x = self.norm2(x + self.dropout(self.feed_forward(x)))
        return x, weights


class LearnedPositions(nn.Module):
    """One trained vector per absolute position."""

    def __init__(self, max_length: int, d_model: int):
        super().__init__()
        self.table = nn.Parameter(torch.randn(max_length, d_model) * 0.02)

    def forward(self, length: int) -> Tensor:
        """Vectors [length, d] of the first positions."""
        return _first(self.table, length)


class SinusoidalPositions(nn.Module):
    """Fixed sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017)."""

    def __init__(self, max_length: int, d_model: int):
        super().__init__()
        rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        phase = torch.arange(max_length)[:, None] * rate
        table = torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)[:, :d_model]
        self.register_buffer("table", table, persistent=False)

    def forward(self, length: int) -> Tensor:
        """Vectors [length, d] of the first positions."""
        return _first(self.table, length)


def _first(table: Tensor, length: int) -> Tensor:
    if length > len(table):
        raise ValueError(f"{length} residues, but the model has positions for at most {len(table)}")
    return table[:length]


POSITIONS = {"learned": LearnedPositions, "sinusoidal": SinusoidalPositions}


class TransformerEncoder(nn.Module):
    """Positions, a stack of blocks and, for Pre-LN, the closing layer norm."""

    def __init__(
        self,
        d_model: int,
        layers: int,
        heads: int,
        ffn: int,
        dropout: float = 0.0,
        norm: str = "pre",
        activation: str = "gelu",
        positions: str = "learned",
        max_length: int = 32,
    ):
        super().__init__()
        self.positions = POSITIONS[positions](max_length, d_model)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(d_model, heads, ffn, dropout, norm, activation) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, L, d], mask [B, L] -> features [B, L, d], attention weights [layers, B, H, L, L]."""
        x = self.dropout(x + self.positions(x.shape[1]))
        attention = []
        for block in self.blocks:
            x, weights = block(x, mask)
            attention.append(weights)
        return self.norm(x), torch.stack(attention)
