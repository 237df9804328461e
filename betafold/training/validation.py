"""Figures on a held-out split."""

import torch
from torch import Tensor

from betafold.models.losses import torsion_terms
from betafold.models.torsion import TorsionModel
from betafold.training.dataset import PeptideDataset, ordered_batches
from betafold.training.targets import ca_rmsd, mode_ca

BATCH_SIZE = 128


class _Means:
    """Weighted means by name, accumulated over batches."""

    def __init__(self):
        self.sums: dict[str, float] = {}
        self.weights: dict[str, float] = {}

    def add(self, name: str, values: Tensor, weights: Tensor) -> None:
        used = values.isfinite()
        values = torch.where(used, values, 0.0)
        self.sums[name] = self.sums.get(name, 0.0) + float((values * weights).sum())
        self.weights[name] = self.weights.get(name, 0.0) + float((used * weights).sum())

    def result(self) -> dict[str, float]:
        return {name: total / max(self.weights[name], 1e-8) for name, total in self.sums.items()}


@torch.no_grad()
def validate(
    model: TorsionModel, dataset: PeptideDataset, device: torch.device, omega_weight: float
) -> dict[str, float]:
    """Loss terms per residue, ``phi_mae`` and ``psi_mae`` in degrees, ``ca_rmsd`` in Angstrom of the mode.

    Peptides are weighted as in training.
    """
    model.eval()
    means = _Means()
    for batch in dataset.loader(ordered_batches(dataset.lengths, BATCH_SIZE)):
        batch = batch.to(device)
        output = model(batch.x, batch.mask, confidence=False)
        for name, term in torsion_terms(output, batch.torsions).items():
            means.add(name, term, batch.residue_weight)
        error = torch.rad2deg(_circular_distance(output.distribution.mode(), batch.torsions))
        means.add("phi_mae", error[..., 0], batch.residue_weight)
        means.add("psi_mae", error[..., 1], batch.residue_weight)
        rmsd = ca_rmsd(mode_ca(output.distribution, batch.lengths), batch.coords, batch.lengths)
        means.add("ca_rmsd", rmsd, batch.weight.cpu())
    figures = means.result()
    return {"loss": figures["phi_psi"] + omega_weight * figures["omega"], **figures}


def _circular_distance(a: Tensor, b: Tensor) -> Tensor:
    """Absolute difference in [0, pi]; NaN where either is."""
    difference = a - b
    return torch.atan2(difference.sin(), difference.cos()).abs()
