"""Figures on a held-out split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from betafold.models.inputs import PEPTIDES
from betafold.training.dataset import ordered_batches
from betafold.training.targets import ca_rmsd

if TYPE_CHECKING:
    from betafold.training.trainer import Trainer


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
def validate(trainer: Trainer) -> dict[str, float]:
    """``loss``, its terms, the family's own figures, and ``ca_rmsd`` of the single answer in Angstrom.

    Peptides are weighted as in training.
    """
    model, dataset = trainer.evaluated, trainer.validation
    model.eval()
    means = _Means()
    for batch in dataset.loader(ordered_batches(dataset.lengths, PEPTIDES)):
        batch = batch.to(trainer.device)
        output = trainer.forward(model, batch)
        for name, values in (trainer.terms(output, batch) | trainer.figures(output, batch)).items():
            means.add(name, *values)
        rmsd = ca_rmsd(trainer.answer(output, batch), batch.coords, batch.lengths)
        means.add("ca_rmsd", rmsd, batch.weight.cpu())
    figures = means.result()
    return {"loss": trainer.total(figures), **figures}
