"""A model as a checkpoint or bundle holds it, before it is built."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from betafold.errors import BetaFoldError
from betafold.models.families import DEFAULT, FAMILIES, Family, family_of

DIGITS = 12  # of a digest where a person reads it


@dataclass(frozen=True, eq=False)
class StoredModel:
    """Plain description and tensors of a model; frozen backbone weights are not part of it.

    Attributes:
        source: file or folder it was read from, for messages.
        family_name: key of ``FAMILIES``.
        config: plain values of the model's config.
        state: what ``Family.state`` gave, on the CPU.
        meta: where it came from: data, commit, seed, ``weights_sha256`` of the frozen weights it stands on ...
    """

    source: str
    family_name: str
    config: dict
    state: dict[str, Tensor]
    meta: dict

    @classmethod
    def of(cls, model: nn.Module, meta: dict, state: dict | None = None) -> "StoredModel":
        """A model's present state, or ``state`` in its place."""
        family = family_of(model)
        state = family.state(model) if state is None else state
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        return cls("", family.name, asdict(model.config), state, meta)

    @classmethod
    def from_description(cls, source: str, description: dict, state: dict, meta: dict) -> "StoredModel":
        """From ``describe``'s values; a file without a family is of the time when there was only one."""
        name = description.get("family", DEFAULT)
        if name not in FAMILIES:
            raise BetaFoldError(
                f"{source}: model family {name!r}, this BetaFold knows {', '.join(FAMILIES)}; update BetaFold"
            )
        return cls(source, name, description["config"], state, meta)

    def describe(self) -> dict:
        """Family and config, as files carry them."""
        return {"family": self.family_name, "config": self.config}

    @property
    def family(self) -> Family:
        return FAMILIES[self.family_name]

    @cached_property
    def max_length(self) -> int:
        """Longest sequence the model takes, in residues."""
        return self.family.max_length(self._config())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over config, names and float32 values of all tensors."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for name, tensor in sorted(self.state.items()):
            digest.update(name.encode())
            digest.update(tensor.float().contiguous().numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    def build(self, weights: str | None = None, device: torch.device | str = "cpu") -> nn.Module:
        """The model in evaluation mode on ``device``, its backbone from ``weights`` (None = the usual source).

        Raises BetaFoldError if description or tensors do not fit the program's model, or the backbone is another
        one.
        """
        config = self._config()
        try:
            model = self.family.build(config, weights, device)
        except (KeyError, TypeError, ValueError) as error:  # a RuntimeError is of the device: it may be full
            raise self._foreign(error) from None
        if not self.family.reads_embeddings:  # first: tensors do not fit a backbone of another size
            self._check_backbone(self.family.origin(model, None))
        try:
            self.family.load_state(model, self.state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise self._foreign(error) from None
        return model.eval()

    def _config(self):
        try:
            return self.family.config(self.config)
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(error) from None

    def _foreign(self, error: Exception) -> BetaFoldError:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        return BetaFoldError(f"{self.source}: made by another version of BetaFold ({reason}); train it again")

    def _check_backbone(self, found: dict) -> None:
        wanted = self.meta.get("weights_sha256")
        if wanted not in (None, found["weights_sha256"]):
            raise BetaFoldError(
                f"{self.source}: trained on backbone {self.meta.get('backbone', 'unknown')}, weights "
                f"{wanted[:DIGITS]}, not on {found['backbone']}, weights {found['weights_sha256'][:DIGITS]}; "
                "give the right one with --weights"
            )
