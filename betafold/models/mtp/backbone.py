"""What a language model gives to the heads: hidden states of an input and of its placeholder tokens.

One placeholder token is appended per residue. All of them start from the same trained embedding, and tell each other
apart by their positions only: those after the input's, as a text goes on, or, as an alternative, those of the residues
that they stand for, so that a placeholder need not learn to count. Their hidden states are split off from those of the input (ProteinMTP, steps 1 and 2).
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from betafold.errors import BetaFoldError
from betafold.models.mtp.config import BackboneConfig

PLACEHOLDER = "placeholder"
UNUSED = ("contact_head", "lm_head")  # ESM-2's heads, which no hidden state comes from


@dataclass(frozen=True)
class BackboneStates:
    """Hidden states of B sequences of up to L residues, encoded as up to T tokens; 0 where padded."""

    inputs: Tensor  # [B, T, D]
    input_mask: Tensor  # bool [B, T], True = token
    placeholders: Tensor | None  # [B, L, D]; None where none were appended
    residues: Tensor | None  # [B, L, D], the residues' own tokens; None without one token per residue


class Backbone(nn.Module, ABC):
    """A frozen language model with adapters, and one trained placeholder embedding.

    Attributes:
        name: of the architecture or the directory.
        dim: D, width of a hidden state.
        identity: plain values: ``kind``, ``name``, ``weights_sha256`` of the frozen weights.
        one_token_per_residue: whether every residue is a token of its own.
        max_positions: of tokens and placeholders, that the model was made for; None = as many as there are.
    """

    name: str
    dim: int
    identity: dict
    one_token_per_residue: bool = True
    max_positions: int | None = None

    def __init__(self, placeholder: Tensor, placeholder_positions: str = "continued"):
        """``placeholder`` [D] is what the trained embedding starts from."""
        super().__init__()
        self.placeholder_positions = placeholder_positions
        self.placeholder = nn.Parameter(placeholder.detach().clone().to(torch.float32))

    @abstractmethod
    def tokenise(self, sequence: str) -> tuple[list[int], int]:
        """Token ids of ``sequence``, and how many of them stand before the first residue.

        Raises BetaFoldError for a residue that has no token.
        """

    @abstractmethod
    def embed(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] -> embeddings [B, T, D]."""

    @abstractmethod
    def encode(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Embeddings [B, T, D] at positions [B, T], mask [B, T] (True = token) -> last hidden states [B, T, D]."""

    def forward(self, sequences: Sequence[str], n_placeholders: Tensor | None) -> BackboneStates:
        """Hidden states of ``sequences``, each followed by ``n_placeholders`` [B] placeholders (None = no one).

        Raises ValueError unless there is one placeholder per residue, and BetaFoldError for a sequence with an
        unknown residue or one that takes more positions than the backbone has.
        """
        device = self.placeholder.device
        lengths = torch.tensor([len(sequence) for sequence in sequences], device=device)
        if n_placeholders is not None and not torch.equal(n_placeholders.to(device), lengths):
            raise ValueError(
                f"placeholders {n_placeholders.tolist()} for sequences of {lengths.tolist()} residues; "
                "each residue has one"
            )
        encoded = [self.tokenise(sequence) for sequence in sequences]
        if self.max_positions is not None:
            self._check_positions(sequences, encoded, n_placeholders is not None)
        sizes = torch.tensor([len(tokens) for tokens, _ in encoded], device=device)
        starts = torch.tensor([start for _, start in encoded], device=device)
        appended = torch.zeros_like(lengths) if n_placeholders is None else lengths
        place = torch.arange(int((sizes + appended).max()), device=device)
        tokens = torch.zeros(len(encoded), len(place), dtype=torch.long)
        for row, (ids, _) in zip(tokens, encoded, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        x = self.embed(tokens.to(device))
        is_input = place < sizes[:, None]
        mask = place < (sizes + appended)[:, None]
        x = torch.where((mask & ~is_input)[..., None], self.placeholder.to(x.dtype), x)
        positions = place.expand_as(mask)
        if self.placeholder_positions == "residues":
            shift = torch.where(is_input, 0, (sizes - starts)[:, None])
            positions = torch.where(mask, positions - shift, 0)  # padding has no positions of its own
        hidden = self.encode(x, mask, positions).to(self.placeholder.dtype)
        residues = _rows(hidden, starts, lengths) if self.one_token_per_residue else None
        placeholders = None if n_placeholders is None else _rows(hidden, sizes, lengths)
        longest = int(sizes.max())
        return BackboneStates(
            inputs=hidden[:, :longest] * is_input[:, :longest, None],
            input_mask=is_input[:, :longest],
            placeholders=placeholders,
            residues=residues,
        )

    def _check_positions(
        self, sequences: Sequence[str], encoded: list[tuple[list[int], int]], placeholders: bool
    ) -> None:
        continued = placeholders and self.placeholder_positions == "continued"
        for sequence, (tokens, start) in zip(sequences, encoded, strict=True):
            needed = len(tokens) + continued * len(sequence)
            if needed <= self.max_positions:
                continue
            longest = (self.max_positions - start) // (1 + continued)
            advice = f"; set model.max_length to {longest} or less" if self.one_token_per_residue else ""
            raise BetaFoldError(
                f"sequence '{sequence[:40]}': its {len(sequence)} residues take {needed} positions, and {self.name} "
                f"has {self.max_positions}{advice}"
            )


def _rows(hidden: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """``lengths`` [B] rows of ``hidden`` [B, T, D] from ``starts`` [B] on, as [B, L, D], 0 where padded."""
    offset = torch.arange(int(lengths.max()), device=hidden.device)
    index = (starts[:, None] + offset).clamp(max=hidden.shape[1] - 1)
    rows = hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[-1]))
    return rows * (offset < lengths[:, None])[..., None]


def build_backbone(
    config: BackboneConfig, weights: str | None = None, device: torch.device | str = "cpu"
) -> Backbone:
    """The backbone of ``config`` on ``device``; ``weights`` takes the place of ``config.path``.

    Raises BetaFoldError, in one line, where the backbone is missing (and how to get it), damaged or of another kind,
    or where ``config`` asks for what it does not have.
    """
    source = weights or config.path
    if config.kind == "esm2":
        from betafold.models.mtp.esm2_backbone import Esm2Backbone

        return Esm2Backbone(config, source, torch.device(device))
    from betafold.models.mtp.causal_backbone import CausalBackbone

    return CausalBackbone(config, source, torch.device(device))


def add_lora(model: nn.Module, config: BackboneConfig) -> None:
    """Freeze ``model`` and put adapters (float32) on its target modules, in place.

    Raises BetaFoldError, in one line that names the model's linear layers, for a target that is none of them.
    """
    model.requires_grad_(False)
    if not config.lora.rank:
        return
    layers = _linear_layers(model)
    adapted = {
        target: [name for name in layers if _is_called(name, target)] for target in config.target_modules
    }
    if unknown := [target for target, names in adapted.items() if not names]:
        there = sorted({name.rsplit(".", 1)[-1] for name in layers})
        raise BetaFoldError(
            "model.backbone.lora.target_modules: the backbone has no linear layer called "
            f"{', '.join(unknown)}; it has {', '.join(there)}"
        )
    with warnings.catch_warnings():
        # peft warns about targets of other architectures, and that a Conv1D holds its weights transposed.
        warnings.simplefilter("ignore")
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.tuners_utils import cast_adapter_dtype

        settings = LoraConfig(
            r=config.lora.rank,
            lora_alpha=config.lora.alpha,
            lora_dropout=config.lora.dropout,
            target_modules=sorted({name for names in adapted.values() for name in names}),
            bias="none",
        )
        inject_adapter_in_model(settings, model)
    cast_adapter_dtype(model, "default")


def _linear_layers(model: nn.Module) -> list[str]:
    """Names of the linear layers on the way to the last hidden state."""
    from transformers.pytorch_utils import Conv1D  # GPT-2's linear layer

    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and name.split(".", 1)[0] not in UNUSED
    ]


def _is_called(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
