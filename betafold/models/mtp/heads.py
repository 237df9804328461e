"""From one vector per residue to a structure: coordinates, pair distances, and an equivariant refinement."""

import math

import torch
from torch import Tensor, nn

from betafold.models.mtp.dropout import Dropout

CA_CA = 3.8  # Angstrom between consecutive alpha carbons of a trans peptide
DIHEDRAL_BINS = 36  # of CA pseudo-dihedrals, from -180 degrees on
SEPARATIONS = 64  # along the chain, told apart one by one; the rest only by their logarithm

_VALUES_AT_A_TIME = 1 << 16  # of pairs, which fit into the cache of a processor


def pair_mask(mask: Tensor) -> Tensor:
    """True [B, L, L] where both residues of mask [B, L] are there, and not the same."""
    pairs = mask[:, :, None] & mask[:, None, :]
    return pairs & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)


def pair_distances(ca: Tensor, eps: float = 1e-8) -> Tensor:
    """Distances [B, L, L] of coordinates [B, L, 3], with a finite gradient at 0; sqrt(eps) on the diagonal."""
    return torch.sqrt((ca[:, :, None] - ca[:, None, :]).square().sum(-1) + eps)


class CoordinateHead(nn.Module):
    """Absolute CA coordinates, the documented baseline: regressed in normalised units, given in Angstrom.

    Coordinates depend on the frame that an entry happens to be deposited in, which no sequence tells; so this head
    can do no better than a mean over frames.
    """

    def __init__(self, width: int):
        super().__init__()
        self.out = nn.Linear(width, 3)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("scale", torch.ones(()))

    def fit_normalisation(self, ca: Tensor) -> None:
        """Take mean and standard deviation from the CA coordinates [N, 3] of the training data (NaN = missing)."""
        ca = ca[ca.isfinite().all(-1)]
        self.mean.copy_(ca.mean(0))
        self.scale.copy_((ca - ca.mean(0)).square().mean().sqrt())

    def forward(self, h: Tensor) -> Tensor:
        """Features [B, L, W] -> CA [B, L, 3] in Angstrom."""
        return self.out(h) * self.scale + self.mean


class DistanceHead(nn.Module):
    """CA-CA distances [B, L, L]: symmetric, not negative, 0 on the diagonal, by construction.

    A pair is described by what does not depend on its order: the sum and the product of projections of its two
    vectors, and the separation along the chain. The answer is a factor on the root-mean-square distance of a freely
    jointed chain, so that training starts from a random coil.
    """

    def __init__(self, width: int, pair_width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.drop = Dropout(dropout)
        self.total = nn.Linear(width, pair_width)
        self.product = nn.Linear(width, pair_width)
        self.separation_positions = nn.Embedding(SEPARATIONS + 1, pair_width)
        self.log_separation = nn.Linear(1, pair_width, bias=False)
        self.hidden = nn.Sequential(
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(pair_width, pair_width),
            nn.GELU(),
            nn.Linear(pair_width, 1),
        )
        nn.init.zeros_(self.hidden[-1].weight)
        nn.init.zeros_(self.hidden[-1].bias)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Features [B, L, W] and mask [B, L] -> distances in Angstrom, 0 where padded."""
        length = h.shape[1]
        first, second = torch.triu_indices(length, length, offset=1, device=h.device)  # of P pairs
        separation = second - first
        h = self.drop(self.norm(h))
        total, product = self.total(h), self.product(h)
        along = self.separation_positions(separation.clamp(max=SEPARATIONS))
        along = along + self.log_separation(separation[:, None].to(h.dtype).log())
        at_a_time = max(1, _VALUES_AT_A_TIME // max(along.numel(), 1)) if h.device.type == "cpu" else len(h)
        parts = zip(total.split(at_a_time), product.split(at_a_time), strict=True)
        raw = torch.cat([self._raw(*part, first, second, along) for part in parts])
        factor = nn.functional.softplus(raw + math.log(math.e - 1))  # 1 at the start
        upper = h.new_zeros(len(h), length, length)
        upper[:, first, second] = CA_CA * separation.sqrt() * factor
        return (upper + upper.transpose(1, 2)) * pair_mask(mask)

    def _raw(self, total: Tensor, product: Tensor, first: Tensor, second: Tensor, along: Tensor) -> Tensor:
        """What the hidden layers say of P pairs, [B, P]."""
        # index_select, as indexing takes several times as long on the CPU.
        pairs = product.index_select(1, first) * product.index_select(1, second)
        pairs = pairs + total.index_select(1, first) + total.index_select(1, second) + along
        return self.hidden(pairs).squeeze(-1)


class DihedralHead(nn.Module):
    """CA pseudo-dihedrals as a sequence suggests them: what tells a structure from its mirror image."""

    def __init__(self, width: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.four = nn.Conv1d(width, hidden, 4)
        self.out = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, DIHEDRAL_BINS))

    def forward(self, h: Tensor) -> Tensor:
        """Features [B, L, W] -> log probabilities [B, L - 3, DIHEDRAL_BINS] of the dihedrals of CA(i..i+3)."""
        hidden = self.four(self.norm(h).transpose(1, 2)).transpose(1, 2)
        return self.out(hidden).log_softmax(-1)


class EquivariantLayer(nn.Module):
    """One layer of an E(n)-equivariant graph network (Satorras, Hoogeboom & Welling, ICML 2021, eqs. 3-6).

    Edges join all pairs of residues and carry the predicted distance. The step of the coordinates starts at zero, so
    that refinement starts from the structure it is given. The ``last`` layer leaves the features, which nobody reads.
    """

    def __init__(self, width: int, hidden: int, last: bool = False):
        super().__init__()
        self.edge = nn.Sequential(
            nn.Linear(2 * width + 2, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.coordinate = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.node = None
        if not last:
            self.node = nn.Sequential(nn.Linear(width + hidden, hidden), nn.SiLU(), nn.Linear(hidden, width))
        nn.init.zeros_(self.coordinate[-1].weight)
        nn.init.zeros_(self.coordinate[-1].bias)

    def forward(self, h: Tensor, ca: Tensor, distances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, L, W], CA [B, L, 3], edge attributes [B, L, L], mask [B, L] -> new features and CA."""
        pairs = pair_mask(mask)[..., None]
        count = pairs.sum(dim=2).clamp(min=1)  # C = 1 / (M - 1), M residues
        difference = ca[:, :, None] - ca[:, None, :]
        squared = difference.square().sum(-1, keepdim=True)
        shape = (*squared.shape[:3], h.shape[-1])
        ends = [h[:, :, None].expand(shape), h[:, None].expand(shape)]
        # Lengths enter in units of 10 Angstrom, to be of the same size as the features.
        message = (
            self.edge(torch.cat([*ends, squared / 100, distances[..., None] / 10], dim=-1)) * pairs
        )  # eq. 3
        ca = ca + (difference * self.coordinate(message) * pairs).sum(dim=2) / count  # eq. 4
        if self.node is None:
            return h, ca
        gathered = message.sum(dim=2) / count  # eq. 5; a mean, for chains of 10 and of 512 residues
        return h + self.node(torch.cat([h, gathered], dim=-1)), ca  # eq. 6


class EquivariantRefinement(nn.Module):
    """A few equivariant layers that move the CA of a reconstruction, given the features of its residues."""

    def __init__(self, width: int, hidden: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(EquivariantLayer(width, hidden, i == layers - 1) for i in range(layers))

    def forward(self, h: Tensor, ca: Tensor, distances: Tensor, mask: Tensor) -> Tensor:
        """Features [B, L, W], CA [B, L, 3], distances [B, L, L], mask [B, L] -> CA [B, L, 3]."""
        for layer in self.layers:
            h, ca = layer(h, ca, distances, mask)
        return ca
