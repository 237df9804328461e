"""First stage: the torsion model's optimisation, one epoch at a time."""

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from betafold.errors import BetaFoldError
from betafold.models.losses import torsion_terms, weighted_mean
from betafold.models.torsion import TorsionModel
from betafold.training.dataset import Batch, PeptideDataset, shuffled_batches
from betafold.training.device import get_rng_state, set_rng_state
from betafold.training.optimiser import learning_rate, parameter_groups
from betafold.training.spec import TrainingConfig
from betafold.training.validation import validate


class TorsionTrainer:
    """Model, averaged model, optimiser and random state; everything that an epoch changes."""

    def __init__(
        self,
        model: TorsionModel,
        config: TrainingConfig,
        training: PeptideDataset,
        validation: PeptideDataset,
        device: torch.device,
    ):
        self.model, self.config, self.device = model.to(device), config, device
        self.training, self.validation = training, validation
        self.averaged = (
            AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema)) if config.ema else None
        )
        self.parameters = dict(_torsion_parameters(self.model))
        groups = parameter_groups(self.parameters.items(), config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        self.epoch = 0

    @property
    def evaluated(self) -> TorsionModel:
        """The model that is validated and kept: the average where there is one."""
        return self.averaged.module if self.averaged else self.model

    def run_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return the row of the history."""
        config = self.config
        batches = shuffled_batches(self.training.lengths, config.batch_size, config.seed, self.epoch)
        steps = config.epochs * len(batches)
        first = self.epoch * len(batches)
        sums: dict[str, float] = {}
        self.model.train()
        loader = self.training.loader(batches)
        progress = tqdm(loader, desc=f"epoch {self.epoch + 1}", unit="batch", leave=False, disable=None)
        for step, batch in enumerate(progress, start=first):
            rate = learning_rate(step, steps, config.learning_rate, config.warmup)
            for name, value in self._step(batch.to(self.device), rate).items():
                sums[name] = sums.get(name, 0.0) + value
        self.epoch += 1
        if not math.isfinite(sums["loss"]):
            raise BetaFoldError(f"epoch {self.epoch}: the loss is not finite; lower training.learning_rate")
        figures = validate(self.evaluated, self.validation, self.device, config.omega_weight)
        return {
            "epoch": self.epoch,
            "learning_rate": rate,
            **{f"train_{name}": total / len(batches) for name, total in sums.items()},
            **{f"validation_{name}": value for name, value in figures.items()},
        }

    def _step(self, batch: Batch, rate: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        output = self.model(batch.x, batch.mask, confidence=False)
        terms = torsion_terms(output, batch.torsions)
        means = {name: weighted_mean(term, batch.residue_weight) for name, term in terms.items()}
        loss = means["phi_psi"] + self.config.omega_weight * means["omega"]
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters.values(), self.config.gradient_clip)
        self.optimiser.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        return {"loss": loss.item(), **{name: mean.item() for name, mean in means.items()}}

    def state_dict(self) -> dict:
        """Everything needed to go on as if nothing had happened."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "optimiser": self.optimiser.state_dict(),
            "rng": get_rng_state(self.device),
        }

    def load_state_dict(self, state: dict) -> None:
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        set_rng_state(state["rng"], self.device)


def _torsion_parameters(model: TorsionModel) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters but those of the confidence head, which the second stage fits."""
    return (item for item in model.named_parameters() if not item[0].startswith("confidence."))
