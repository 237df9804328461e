"""How mtp models are trained: errors of distance matrices, of coordinates, or of both, per peptide."""

from dataclasses import dataclass

import torch
from torch import Tensor

from betafold.models.mtp.config import MtpConfig
from betafold.models.mtp.heads import pair_mask
from betafold.models.mtp.losses import observed_ca
from betafold.models.mtp.model import MtpModel
from betafold.models.mtp.output import MtpOutput, distances_of
from betafold.training.config import TrainingConfig
from betafold.training.dataset import Batch, PeptideDataset
from betafold.training.targets import CA
from betafold.training.trainer import Trainer


@dataclass(frozen=True)
class MtpTraining(TrainingConfig):
    """The ``training`` section of an mtp model's spec; the weights bring the terms to about the same size."""

    coordinates_weight: float = 1.0
    distances_weight: float = 0.1
    refined_distances_weight: float = 0.1
    fape_weight: float = 1.0
    dihedrals_weight: float = 0.5

    def mistakes(self, model: MtpConfig) -> list[str]:
        names = [f"{name}_weight" for name in terms_of(model)]
        if any(getattr(self, name) for name in names):
            return super().mistakes(model)
        line = f"training: nothing to train with output: {model.output}, as {' and '.join(names)} are 0"
        return [*super().mistakes(model), line]


class MtpTrainer(Trainer):
    """Trains an MtpModel; validation also gives ``distance_mae`` in Angstrom."""

    Config = MtpTraining
    stage = "structures"

    def __init__(
        self,
        model: MtpModel,
        config: MtpTraining,
        training: PeptideDataset,
        validation: PeptideDataset,
        device: torch.device,
    ):
        if model.config.output == "coordinates":
            coords = [torch.from_numpy(sample.coords[:, CA]) for sample in training.samples]
            model.coordinates.fit_normalisation(torch.cat(coords))
        super().__init__(model, config, training, validation, device)

    def forward(self, model: MtpModel, batch: Batch) -> MtpOutput:
        return model(batch.sequences, batch.mask, confidence=False)

    def terms(self, output: MtpOutput, batch: Batch):
        terms = output.model.terms(output, batch.coords[:, :, CA])
        return {name: (term, batch.weight) for name, term in terms.items()}

    def total(self, means):
        return sum(getattr(self.config, f"{name}_weight") * means[name] for name in means if _is_term(name))

    def answer(self, output: MtpOutput, batch: Batch) -> Tensor:
        return output.ca.cpu().contiguous()

    def figures(self, output: MtpOutput, batch: Batch):
        native, observed = observed_ca(batch.coords[:, :, CA])
        pairs = pair_mask(observed)
        error = (output.distances - distances_of(native, observed)).abs() * pairs
        return {"distance_mae": (error.sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1), batch.weight)}


def terms_of(model: MtpConfig) -> list[str]:
    """Names of the terms that ``MtpModel.terms`` gives."""
    if model.output == "coordinates":
        return ["coordinates"]
    terms = ["distances"]
    if model.hand == "predicted":
        terms.append("dihedrals")
    if model.output == "egnn":
        terms.append("refined_distances")
    return terms if model.output == "distances" else [*terms, "fape"]


def _is_term(name: str) -> bool:
    return hasattr(MtpTraining, f"{name}_weight")
