"""The torsion family: residue features -> distribution over backbone torsions, with confidence."""

from dataclasses import dataclass

from torch import Tensor, nn

from betafold.models.distributions import TorsionDistribution
from betafold.models.heads import ConfidenceHead, MixtureHead, SinCosHead
from betafold.models.transformer import TransformerEncoder


@dataclass(frozen=True)
class TorsionConfig:
    """Everything needed to rebuild a model; the keys of the ``model`` section of a spec."""

    input_dim: int = 320
    d_model: int = 64
    layers: int = 2
    heads: int = 8
    ffn: int = 128
    activation: str = "gelu"
    dropout: float = 0.3
    norm: str = "pre"
    positions: str = "learned"
    max_length: int = 32
    head: str = "mixture"
    components: int = 10
    confidence_width: int = 32
    confidence_dropout: float = 0.1
    confidence_bins: int = 50


@dataclass(frozen=True)
class TorsionOutput:
    """What a forward pass gives for B peptides of up to L residues."""

    h: Tensor  # [B, L, d_model], what the heads read
    distribution: TorsionDistribution
    sincos: Tensor | None  # [B, L, 3, 2], the baseline head's raw output
    plddt_logits: Tensor | None  # [B, L, bins] over lDDT in [0, 1]; None where not asked for
    attention: Tensor  # [layers, B, H, L, L]

    @property
    def features(self) -> Tensor:
        """What the confidence head reads beside ``h`` [B, L, FEATURES]."""
        return self.distribution.features()


class TorsionModel(nn.Module):
    """Input projection, Transformer encoder, torsion head and confidence head."""

    family = "torsion"

    def __init__(self, config: TorsionConfig):
        super().__init__()
        self.config = config
        d = config.d_model
        self.project = nn.Sequential(nn.LayerNorm(config.input_dim), nn.Linear(config.input_dim, d))
        self.encoder = TransformerEncoder(
            d,
            config.layers,
            config.heads,
            config.ffn,
            config.dropout,
            config.norm,
            config.activation,
            config.positions,
            config.max_length,
        )
        self.torsions = MixtureHead(d, config.components) if config.head == "mixture" else SinCosHead(d)
        self.confidence = ConfidenceHead(
            d,
            TorsionDistribution.FEATURES,
            config.confidence_width,
            config.confidence_bins,
            config.confidence_dropout,
        )

    def forward(self, x: Tensor, mask: Tensor, confidence: bool = True) -> TorsionOutput:
        """Residue features x [B, L, input_dim] and mask [B, L] (True = residue) -> output.

        Values at padded places are finite and mean nothing. ``confidence=False`` leaves that head out.
        """
        h, attention = self.encoder(self.project(x), mask)
        distribution, sincos = self.torsions(h)
        plddt_logits = self.confidence(h, distribution.features(), mask) if confidence else None
        return TorsionOutput(h, distribution, sincos, plddt_logits, attention)
