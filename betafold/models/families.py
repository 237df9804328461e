"""The families of models: what sets each apart when a model is described, rebuilt and stored.

A family's own code is imported when it is first used, so that one family runs without the other's packages.
Its optimisation stands in ``betafold.training.families``, its candidate structures in
``betafold.prediction.families``; everything else is one path.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from betafold.structures.samples import MAX_LENGTH

DEFAULT = "torsion"


class Family(ABC):
    """How models of one family are described, built and stored."""

    name: str
    reads_embeddings: bool  # the frozen embeddings of `betafold embed`; otherwise the sequences themselves
    learns_torsions: bool  # needs samples with N, CA and C; otherwise CA is enough

    @abstractmethod
    def config(self, values: dict) -> Any:
        """Dataclass of the plain ``values`` of a spec's ``model`` section, a checkpoint or a bundle."""

    def mistakes(self, config: Any) -> list[str]:
        """What is wrong with ``config`` that a JSON schema cannot say, one line each."""
        return []

    @abstractmethod
    def max_length(self, config: Any) -> int:
        """Longest sequence a model takes, in residues."""

    @abstractmethod
    def build(self, config: Any, weights: str | None, device: torch.device | str) -> nn.Module:
        """New model on ``device``; ``weights`` is the source of its backbone (None = the usual one)."""

    @abstractmethod
    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """What is stored of a model: everything that training may change."""

    @abstractmethod
    def load_state(self, model: nn.Module, state: dict[str, Tensor]) -> None:
        """Inverse of ``state``; RuntimeError where names or shapes differ."""

    @abstractmethod
    def origin(self, model: nn.Module, embedding_attrs: dict | None) -> dict:
        """The frozen weights a trained model stands on: plain values, ``weights_sha256`` among them."""


class TorsionFamily(Family):
    """Distributions over torsions from frozen ESM-2 embeddings."""

    name = "torsion"
    reads_embeddings = True
    learns_torsions = True

    def config(self, values):
        from betafold.models.torsion import TorsionConfig

        return TorsionConfig(**values)

    def mistakes(self, config):
        if config.d_model % config.heads:
            return [f"model.d_model: {config.d_model} is not a multiple of heads ({config.heads})"]
        return []

    def max_length(self, config):
        return MAX_LENGTH

    def build(self, config, weights, device):
        from betafold.models.torsion import TorsionModel

        return TorsionModel(config).to(device)

    def state(self, model):
        return model.state_dict()

    def load_state(self, model, state):
        model.load_state_dict(state)

    def origin(self, model, embedding_attrs):
        return {
            "esm": embedding_attrs["model"],
            "layer": int(embedding_attrs["layer"]),
            "weights_sha256": embedding_attrs["weights_sha256"],
        }


class MtpFamily(Family):
    """Structures from a language model's placeholder tokens; the backbone is adapted, and never stored."""

    name = "mtp"
    reads_embeddings = False
    learns_torsions = False

    def config(self, values):
        from betafold.models.mtp.config import MtpConfig

        return MtpConfig.from_dict(values)

    def mistakes(self, config):
        return config.mistakes()

    def max_length(self, config):
        return config.max_length

    def build(self, config, weights, device):
        from betafold.models.mtp.backbone import build_backbone
        from betafold.models.mtp.model import MtpModel

        return MtpModel(config, build_backbone(config.backbone, weights, device)).to(device)

    def state(self, model):
        return model.adapter_state()

    def load_state(self, model, state):
        model.load_adapter_state(state)

    def origin(self, model, embedding_attrs):
        identity = model.backbone.identity
        return {
            "backbone": identity["name"],
            "backbone_kind": identity["kind"],
            "weights_sha256": identity["weights_sha256"],
        }


FAMILIES: dict[str, Family] = {family.name: family for family in (TorsionFamily(), MtpFamily())}


def family_of(model: nn.Module) -> Family:
    """The family a model says it is of."""
    return FAMILIES[model.family]
