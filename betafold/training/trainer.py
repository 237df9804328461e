"""First stage: a model's optimisation, one epoch at a time, the same for every family."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from betafold.errors import BetaFoldError
from betafold.models.families import family_of
from betafold.models.losses import weighted_mean
from betafold.training.average import AveragedModel
from betafold.training.config import TrainingConfig
from betafold.training.dataset import Batch, PeptideDataset, shuffled_batches
from betafold.training.device import get_rng_state, set_rng_state
from betafold.training.optimiser import learning_rate, parameter_groups
from betafold.training.validation import validate

Weighted = tuple[Tensor, Tensor]  # values and how much each counts, of one shape; no value is NaN in a loss


class Trainer(ABC):
    """Model, averaged model, optimiser and random state; everything that an epoch changes.

    A family says what its model makes of a batch and how wrong that is.
    """

    Config: ClassVar[type[TrainingConfig]]
    stage: ClassVar[str]  # what the history calls these epochs

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        training: PeptideDataset,
        validation: PeptideDataset,
        device: torch.device,
    ):
        self.model, self.config, self.device = model.to(device), config, device
        self.training, self.validation = training, validation
        self.family = family_of(model)
        self.averaged = AveragedModel(self.model, config.ema) if config.ema else None
        self.parameters = _trained(self.model)
        groups = parameter_groups(self.parameters.items(), config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        self.epoch = 0

    @abstractmethod
    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """Output of ``model`` without its confidence; ``output.h`` and ``output.features`` are what that reads."""

    @abstractmethod
    def terms(self, output: Any, batch: Batch) -> dict[str, Weighted]:
        """Terms of the loss by name, per residue [B, L] or per peptide [B]."""

    @abstractmethod
    def total(self, means: Mapping[str, Any]) -> Any:
        """The loss: the weighted sum of the terms' means."""

    @abstractmethod
    def answer(self, output: Any, batch: Batch) -> Tensor:
        """CA coordinates [B, L, 3] (Angstrom, CPU) of the model's single answer."""

    def figures(self, output: Any, batch: Batch) -> dict[str, Weighted]:
        """What validation shows beside the terms and the CA-RMSD; NaN values do not count."""
        return {}

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and kept: the average where there is one."""
        return self.averaged.module if self.averaged else self.model

    def run_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return the row of the history."""
        config = self.config
        batches = shuffled_batches(self.training.lengths, config.batch_size, config.seed, self.epoch)
        batches = batches[: config.batches_per_epoch or None]
        groups = math.ceil(len(batches) / config.accumulation)
        steps, step = config.epochs * groups, self.epoch * groups
        sums: dict[str, float] = {}
        self.model.train()
        loader = self.training.loader(batches)
        progress = tqdm(loader, desc=f"epoch {self.epoch + 1}", unit="batch", leave=False, disable=None)
        for index, batch in enumerate(progress):
            place = index % config.accumulation
            size = min(config.accumulation, len(batches) - index + place)
            for name, value in self.add_gradient(batch.to(self.device), size).items():
                sums[name] = sums.get(name, 0.0) + value
            if place == size - 1:
                rate = learning_rate(step, steps, config.learning_rate, config.warmup)
                self.update(rate)
                step += 1
        self.epoch += 1
        if not math.isfinite(sums["loss"]):
            raise BetaFoldError(f"epoch {self.epoch}: the loss is not finite; lower training.learning_rate")
        return {
            "epoch": self.epoch,
            "learning_rate": rate,
            **{f"train_{name}": total / len(batches) for name, total in sums.items()},
            **{f"validation_{name}": value for name, value in validate(self).items()},
        }

    def add_gradient(self, batch: Batch, group: int = 1) -> dict[str, float]:
        """Add the gradient of one of ``group`` batches of a step; the loss and the means of its terms."""
        terms = self.terms(self.forward(self.model, batch), batch)
        means = {name: weighted_mean(*term) for name, term in terms.items()}
        loss = self.total(means)
        (loss / group).backward()
        return {"loss": loss.item(), **{name: mean.item() for name, mean in means.items()}}

    def update(self, rate: float) -> None:
        """Make the step that the gradients added so far ask for."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        nn.utils.clip_grad_norm_(self.parameters.values(), self.config.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.averaged:
            self.averaged.update_parameters(self.model)

    def state_dict(self) -> dict:
        """Everything needed to go on as if nothing had happened; frozen weights are not part of it."""
        averaged = self.averaged and {
            "n_averaged": self.averaged.n_averaged,
            "model": self.family.state(self.averaged.module),
        }
        return {
            "epoch": self.epoch,
            "model": self.family.state(self.model),
            "averaged": averaged,
            "optimiser": self.optimiser.state_dict(),
            "rng": get_rng_state(self.device),
        }

    def load_state_dict(self, state: dict) -> None:
        self.epoch = state["epoch"]
        self.family.load_state(self.model, state["model"])
        if self.averaged:
            self.averaged.n_averaged.copy_(state["averaged"]["n_averaged"])
            self.family.load_state(self.averaged.module, state["averaged"]["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        set_rng_state(state["rng"], self.device)


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are not frozen, but those of the confidence head, which the second stage fits."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith("confidence.")
    }
