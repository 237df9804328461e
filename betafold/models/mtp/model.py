"""The mtp family: placeholder tokens of a language model -> distances or coordinates, with confidence."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from betafold.errors import BetaFoldError
from betafold.models.heads import ConfidenceHead
from betafold.models.mtp.backbone import Backbone
from betafold.models.mtp.config import MtpConfig
from betafold.models.mtp.dropout import drawn_from
from betafold.models.mtp.features import FEATURES
from betafold.models.mtp.heads import (
    CoordinateHead,
    DihedralHead,
    DistanceHead,
    EquivariantRefinement,
    pair_distances,
)
from betafold.models.mtp.labelwise import LabelWiseAttention, masked_max_pool
from betafold.models.mtp.losses import (
    coordinate_error,
    dihedral_error,
    distance_error,
    frame_aligned_error,
)
from betafold.models.mtp.output import MtpOutput, distances_of
from betafold.models.mtp.reconstruct import trace_from_distances
from betafold.models.mtp.structure import Reconstruction, misfit

FROZEN = "backbone.model."  # the language model; of its parameters only the adapters are the model's own
ADAPTER = ".lora_"


class MtpModel(nn.Module):
    """A backbone, label-wise attention over its placeholders, and the head of the configured output."""

    family = "mtp"

    def __init__(self, config: MtpConfig, backbone: Backbone):
        super().__init__()
        if config.readout == "residues" and not backbone.one_token_per_residue:
            raise BetaFoldError(
                f"model.readout: residues needs one token per residue, which the tokenizer of {backbone.name} does "
                "not give; use readout: placeholders"
            )
        self.config = config
        self.backbone = backbone
        width = config.width
        self.pool = nn.Sequential(nn.LayerNorm(backbone.dim), nn.Linear(backbone.dim, width))
        self.project = nn.Sequential(nn.LayerNorm(backbone.dim), nn.Linear(backbone.dim, width))
        self.labels = LabelWiseAttention(width, config.heads, config.max_length, config.dropout)
        if config.output == "coordinates":
            self.coordinates = CoordinateHead(width)
        else:
            self.distances = DistanceHead(width, config.pair_width, config.dropout)
        predicted = config.output != "coordinates" and config.hand == "predicted"
        self.dihedrals = DihedralHead(width, config.pair_width, config.dropout) if predicted else None
        if config.output == "egnn":
            self.refinement = EquivariantRefinement(width, config.pair_width, config.refinement_layers)
        self.confidence = ConfidenceHead(
            width, FEATURES, config.confidence_width, config.confidence_bins, config.confidence_dropout
        )

    def forward(self, sequences: list[str], mask: Tensor, confidence: bool = True) -> MtpOutput:
        """B sequences and their mask [B, L] (True = residue) -> output, with its confidence where asked for.

        Raises ValueError where mask and sequences are not equally long.
        """
        pooled, states = self.read(sequences, mask)
        output = self._answer(self.labels(pooled, states, mask), pooled, states, mask)
        if not confidence:
            return output
        return replace(output, plddt_logits=self.confidence(output.h, output.features, mask))

    def read(self, sequences: list[str], mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the backbone says: pooled input [B, width] and states of the residues [B, L, width]."""
        counts = mask.sum(dim=1)
        if counts.tolist() != [len(sequence) for sequence in sequences] or mask.shape[1] != counts.max():
            raise ValueError(f"mask of {counts.tolist()} residues for sequences of {[*map(len, sequences)]}")
        placeholders = self.config.readout == "placeholders"
        states = self.backbone(sequences, counts if placeholders else None)
        own = states.placeholders if placeholders else states.residues
        return self.pool(masked_max_pool(states.inputs, states.input_mask)), self.project(own)

    def _answer(
        self, h: Tensor, pooled: Tensor, states: Tensor, mask: Tensor, hand: Tensor | None = None
    ) -> MtpOutput:
        if self.config.output == "coordinates":
            coordinates = self.coordinates(h)
            return MtpOutput(self, h, mask, pooled, states, distances_of(coordinates, mask), coordinates)
        dihedrals = self.dihedrals(h) if self.dihedrals is not None and hand is None else None
        return MtpOutput(self, h, mask, pooled, states, self.distances(h, mask), None, dihedrals, hand)

    def terms(self, output: MtpOutput, native: Tensor) -> dict[str, Tensor]:
        """Loss terms, one number per peptide [B], against native CA [B, L, 3] (NaN = missing or padded).

        ``coordinates``: squared deviation in units of the training data's spread; ``distances`` and
        ``refined_distances``: square Angstrom; ``fape``: units of 10 Angstrom; ``dihedrals``: minus
        the log probability of one.
        """
        if output.coordinates is not None:
            return {"coordinates": coordinate_error(output.coordinates, native) / self.coordinates.scale**2}
        terms = {"distances": distance_error(output.distances, native)}
        if output.dihedrals is not None:
            terms["dihedrals"] = dihedral_error(output.dihedrals, native)
        if self.config.output == "distances":
            return terms
        ca = trace_from_distances(output.distances, output.mask, native)
        if self.config.output == "egnn":
            ca = self.refinement(output.h, ca, output.distances, output.mask)
            terms["refined_distances"] = distance_error(pair_distances(ca), native)
        return {**terms, "fape": frame_aligned_error(ca, native)}

    @torch.no_grad()
    def structure(self, output: MtpOutput) -> Reconstruction:
        """The CA trace that an output means, and how far its distances are from those of any structure."""
        if output.coordinates is not None:
            return Reconstruction.of_coordinates(output.coordinates, output.mask)
        found = Reconstruction.of_distances(output.distances, output.mask, output.hand, output.dihedrals)
        if self.config.output == "egnn":
            ca = self.refinement(output.h, found.ca, output.distances, output.mask)
            return replace(found, ca=ca, misfit=misfit(ca, output.distances, output.mask))
        return found

    def sample(
        self, output: MtpOutput, index: int, n: int, generator: torch.Generator, temperature: float = 1.0
    ) -> MtpOutput:
        """``n`` further answers for peptide ``index`` of a batch, without padding, by dropout in the heads.

        The backbone does not run again, and the answers depend on nothing but that peptide and ``generator``.
        ``temperature`` scales how far they lie from the answer without dropout.
        """
        length = int(output.mask[index].sum())
        pooled = output.pooled[index : index + 1]
        states = output.states[index : index + 1, :length]
        mask = torch.ones(n, length, dtype=torch.bool, device=states.device)
        # Which of two mirror images it is, is decided once.
        hand = output.ca[index : index + 1, :length].expand(n, -1, -1)
        head = self.coordinates if self.config.output == "coordinates" else self.distances
        with drawn_from(generator, self.labels, head):
            h = self.labels.draw(pooled, states, n)
            draws = self._answer(h, pooled.expand(n, -1), states.expand(n, -1, -1), mask, hand)
        return draws if temperature == 1 else self._spread(output, index, draws, temperature)

    @staticmethod
    def _spread(output: MtpOutput, index: int, draws: MtpOutput, temperature: float) -> MtpOutput:
        """``draws`` of peptide ``index``, ``temperature`` times as far from its answer."""
        length = draws.mask.shape[1]
        h = torch.lerp(output.h[index, :length].expand_as(draws.h), draws.h, temperature)
        if draws.coordinates is not None:
            centre = output.coordinates[index, :length].expand_as(draws.coordinates)
            coordinates = torch.lerp(centre, draws.coordinates, temperature)
            return replace(
                draws, h=h, coordinates=coordinates, distances=distances_of(coordinates, draws.mask)
            )
        centre = output.distances[index, :length, :length].expand_as(draws.distances)
        return replace(draws, h=h, distances=torch.lerp(centre, draws.distances, temperature).clamp(min=0))

    def adapter_state(self) -> dict[str, Tensor]:
        """Adapters, placeholder and heads by name: all of the model but the frozen backbone."""
        return {_public(name): value for name, value in self.state_dict().items() if _is_own(name)}

    def load_adapter_state(self, state: dict[str, Tensor]) -> None:
        """Inverse of ``adapter_state``; RuntimeError where names or shapes differ."""
        own = {_public(name): name for name in self.state_dict() if _is_own(name)}
        if differing := own.keys() ^ state.keys():
            raise RuntimeError(f"{len(differing)} tensors are missing or unknown, e.g. {min(differing)}")
        self.load_state_dict({own[name]: value for name, value in state.items()}, strict=False)


def _is_own(name: str) -> bool:
    return not name.startswith(FROZEN) or ADAPTER in name


def _public(name: str) -> str:
    """A parameter's name without the adapter's name that peft puts into it."""
    return name.replace(".default.", ".")
