"""One feature vector per residue from a pooled input and the placeholders' states.

Label-wise attention (Mullenbach et al., NAACL 2018, eqs. 3-4) gives each label a query of its own over a document. Here
the labels are the residues, and the document is [pooled input, placeholder states].
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def masked_max_pool(x: Tensor, mask: Tensor) -> Tensor:
    """Maximum [B, D] of x [B, T, D] over the places where mask [B, T] is True; 0 where there is none."""
    pooled = x.masked_fill(~mask[..., None], torch.finfo(x.dtype).min).amax(dim=1)
    return torch.where(mask.any(dim=1)[:, None], pooled, 0.0)


class LabelWiseAttention(nn.Module):
    """Attention of L labels over the pooled input and the L placeholder states, then a feed-forward layer.

    A label's query is its placeholder's state plus a trained vector of the label's own, which starts at zero: labels
    beyond those that were trained still have a query.
    """

    def __init__(self, width: int, heads: int, max_length: int, dropout: float):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.max_length, self.dropout = heads, max_length, dropout
        self.norm = nn.LayerNorm(width)
        self.label_positions = nn.Parameter(torch.zeros(max_length, width))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, pooled: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Pooled input [B, W], states [B, L, W], mask [B, L] (True = label) -> features [B, L, W].

        Values at padded places are finite and mean nothing. Raises ValueError for more than ``max_length`` labels.
        """
        length = states.shape[1]
        if length > self.max_length:
            raise ValueError(f"{length} residues, but the model has labels for at most {self.max_length}")
        document = self.norm(torch.cat([pooled[:, None], states], dim=1))
        readable = F.pad(mask, (1, 0), value=True)  # the pooled input always is
        query = self._split(self.query(document[:, 1:] + self.label_positions[:length]))
        key, value = (self._split(part) for part in self.key_value(document).chunk(2, dim=-1))
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, readable[:, None, None], dropout)
        x = states + self.drop(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feed_forward(x))

    def _split(self, x: Tensor) -> Tensor:
        """[B, L, W] -> [B, H, L, W / H]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
