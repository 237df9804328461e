"""What the optimisation of every family of models can be told."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingConfig:
    """Keys of the ``training`` section of a spec that all families share; the schema says what they mean."""

    seed: int = 7
    epochs: int = 60
    patience: int = 8
    batch_size: int = 32
    batches_per_epoch: int = 0
    accumulation: int = 1
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    ema: float = 0.99
    kind_weights: dict[str, float] = field(
        default_factory=lambda: {"free": 3.0, "bound": 3.0, "fragment": 1.0, "chain": 1.0}
    )
    confidence_epochs: int = 15
    confidence_tuning_epochs: int = 10
    confidence_learning_rate: float = 1e-3
    confidence_weight_decay: float = 0.1

    def mistakes(self, model: Any) -> list[str]:
        """One line for every mistake that a JSON schema cannot tell, for a model of the config ``model``."""
        if not any(self.kind_weights.values()):
            return ["training.kind_weights: all are 0, which leaves nothing to train on"]
        return []
