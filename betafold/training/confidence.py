"""Second stage: fit the confidence head to how right the finished torsion model is.

The head is fitted on the validation split. On its own training peptides the torsion model is better than
it will ever be again, so a head fitted there learns to promise too much. The validation split has chosen
the epoch, but no weight has been fitted to it; the calibration and test splits stay untouched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from betafold.models.distributions import TorsionDistribution
from betafold.models.losses import confidence_error, weighted_mean
from betafold.models.torsion import TorsionModel
from betafold.training.dataset import PeptideDataset, ordered_batches
from betafold.training.optimiser import learning_rate, parameter_groups
from betafold.training.spec import TrainingConfig
from betafold.training.targets import mode_ca, residue_lddt


@dataclass(frozen=True)
class _Fixed:
    """What the frozen torsion model makes of one batch."""

    h: Tensor
    distribution: TorsionDistribution
    mask: Tensor
    lddt: Tensor
    weight: Tensor


def fit_confidence(
    model: TorsionModel, dataset: PeptideDataset, config: TrainingConfig, device: torch.device
) -> list[dict]:
    """Train ``model.confidence`` in place on ``dataset``; nothing else changes.

    Returns one row per epoch with ``epoch``, ``learning_rate`` and ``train_loss`` (cross-entropy in nats).
    """
    fixed = _run_torsion_model(model, dataset, config.batch_size, device)
    head = model.confidence
    groups = parameter_groups(head.named_parameters(), config.confidence_weight_decay)
    optimiser = torch.optim.AdamW(groups, lr=config.confidence_learning_rate)
    torch.manual_seed(config.seed)
    order = torch.Generator().manual_seed(config.seed)
    steps, step, rows = config.confidence_epochs * len(fixed), 0, []
    head.train()
    for epoch in tqdm(range(1, config.confidence_epochs + 1), desc="confidence", unit="epoch", disable=None):
        total = 0.0
        for index in torch.randperm(len(fixed), generator=order).tolist():
            batch = fixed[index]
            rate = learning_rate(step, steps, config.confidence_learning_rate, config.warmup)
            for group in optimiser.param_groups:
                group["lr"] = rate
            logits = head(batch.h, batch.distribution, batch.mask)
            loss = weighted_mean(confidence_error(logits, batch.lddt), batch.weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
            step += 1
        rows.append({"epoch": epoch, "learning_rate": rate, "train_loss": total / len(fixed)})
    model.eval()
    return rows


@torch.no_grad()
def _run_torsion_model(
    model: TorsionModel, dataset: PeptideDataset, batch_size: int, device: torch.device
) -> list[_Fixed]:
    model.eval()
    fixed = []
    for batch in dataset.loader(ordered_batches(dataset.lengths, batch_size)):
        batch = batch.to(device)
        h, _ = model.encode(batch.x, batch.mask)
        distribution, _ = model.torsions(h)
        lddt = residue_lddt(mode_ca(distribution, batch.lengths), batch.coords, batch.lengths).to(device)
        weight = batch.residue_weight * lddt.isfinite()
        fixed.append(_Fixed(h, distribution, batch.mask, lddt, weight))
    return fixed
