"""One feature vector per residue from a pooled input and the placeholders' states.

Label-wise attention (Mullenbach et al., NAACL 2018, eqs. 3-4) gives each label a query of its own over a document. Here
the labels are the residues, and the document is [pooled input, placeholder states].
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from betafold.models.mtp.dropout import Dropout


def masked_max_pool(x: Tensor, mask: Tensor) -> Tensor:
    """Maximum [B, D] of x [B, T, D] over the places where mask [B, T] is True; 0 where there is none."""
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], x.shape[2])
    pooled = x.masked_fill(~mask[..., None], torch.finfo(x.dtype).min).amax(dim=1)
    return torch.where(mask.any(dim=1)[:, None], pooled, 0.0)


class LabelWiseAttention(nn.Module):
    """Attention of L labels over the pooled input and the L placeholder states, then a feed-forward layer.

    A label's query is its placeholder's state plus a trained vector of the label's own, which starts at zero: labels
    beyond those that were trained still have a query.
    """

    def __init__(self, width: int, heads: int, max_length: int, dropout: float):
        """Raises ValueError unless ``width`` is a multiple of ``heads``."""
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.max_length = heads, max_length
        self.norm = nn.LayerNorm(width)
        self.label_positions = nn.Parameter(torch.zeros(max_length, width))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.drop = Dropout(dropout)
        self.drop_attention = Dropout(dropout)

    def forward(self, pooled: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Pooled input [B, W], states [B, L, W], mask [B, L] (True = label) -> features [B, L, W].

        Values at padded places are finite and mean nothing. Raises ValueError for more than ``max_length`` labels.
        """
        query, key, value = self._queries_keys_values(pooled, states)
        readable = F.pad(mask, (1, 0), value=True)  # the pooled input always is
        dropout = self.drop_attention.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, readable[:, None, None], dropout)
        return self._features(states, attended)

    def draw(self, pooled: Tensor, states: Tensor, n: int) -> Tensor:
        """``n`` features [n, L, W] of one peptide, pooled input [1, W] and states [1, L, W], by dropout.

        Dropout comes after queries, keys and attention, which all draws share. Raises ValueError for more than
        ``max_length`` labels.
        """
        query, key, value = (part.squeeze(0) for part in self._queries_keys_values(pooled, states))
        attention = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)  # [H, L, L + 1]
        attention = self.drop_attention(attention[:, None].expand(-1, n, -1, -1))
        attended = (attention.flatten(1, 2) @ value).unflatten(1, (n, -1))
        return self._features(states, attended.transpose(0, 1))

    def _queries_keys_values(self, pooled: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, H, L, W / H] of the labels, and twice [B, H, L + 1, W / H] of the document."""
        length = states.shape[1]
        if length > self.max_length:
            raise ValueError(f"{length} residues, but the model has labels for at most {self.max_length}")
        document = self.norm(torch.cat([pooled[:, None], states], dim=1))
        query = self._split(self.query(document[:, 1:] + self.label_positions[:length]))
        key, value = (self._split(part) for part in self.key_value(document).chunk(2, dim=-1))
        return query, key, value

    def _features(self, states: Tensor, attended: Tensor) -> Tensor:
        """States and attended values [B, H, L, W / H] -> features [B, L, W]."""
        x = states + self.drop(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feed_forward(x))

    def _split(self, x: Tensor) -> Tensor:
        """[B, L, W] -> [B, H, L, W / H]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
