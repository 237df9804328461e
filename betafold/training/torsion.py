"""How torsion models are trained: likelihood (or squared error) of each residue's torsions, and coordinates."""

from dataclasses import dataclass

import torch
from torch import Tensor

from betafold.models.losses import coordinate_error, torsion_terms
from betafold.models.torsion import TorsionModel, TorsionOutput
from betafold.training.config import TrainingConfig
from betafold.training.dataset import Batch
from betafold.training.targets import mode_ca
from betafold.training.trainer import Trainer


@dataclass(frozen=True)
class TorsionTraining(TrainingConfig):
    """The ``training`` section of a torsion model's spec."""

    omega_weight: float = 0.5
    coordinate_weight: float = 0.0


class TorsionTrainer(Trainer):
    """Trains a TorsionModel; validation also gives ``phi_mae`` and ``psi_mae`` in degrees of the mode."""

    Config = TorsionTraining
    stage = "torsions"

    def forward(self, model: TorsionModel, batch: Batch) -> TorsionOutput:
        return model(batch.x, batch.mask, confidence=False)

    def terms(self, output, batch):
        terms = torsion_terms(output, batch.torsions)
        weighted = {name: (term, batch.residue_weight) for name, term in terms.items()}
        if self.config.coordinate_weight:
            error, defined = coordinate_error(output.distribution, batch.coords, batch.lengths)
            weighted["coordinate"] = error, batch.weight * defined
        return weighted

    def total(self, means):
        loss = means["phi_psi"] + self.config.omega_weight * means["omega"]
        if self.config.coordinate_weight:
            loss = loss + self.config.coordinate_weight * means["coordinate"]
        return loss

    def answer(self, output, batch):
        return mode_ca(output.distribution, batch.lengths)

    def figures(self, output, batch):
        error = torch.rad2deg(_circular_distance(output.distribution.mode(), batch.torsions))
        return {
            "phi_mae": (error[..., 0], batch.residue_weight),
            "psi_mae": (error[..., 1], batch.residue_weight),
        }


def _circular_distance(a: Tensor, b: Tensor) -> Tensor:
    """Absolute difference in [0, pi]; NaN where either is."""
    difference = a - b
    return torch.atan2(difference.sin(), difference.cos()).abs()
