"""What AdamW decays, and how fast it goes."""

import math
from collections.abc import Iterable

from torch import nn

# Tables of positions and anchors are places, not maps: shrinking them towards zero means nothing.
PLACES = ("positions", "anchors")


def parameter_groups(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict]:
    """Named parameters as two AdamW groups: weight matrices decay; biases, norms and places do not."""
    decayed, kept = [], []
    for name, parameter in parameters:
        is_matrix = parameter.ndim >= 2 and not any(place in name for place in PLACES)
        (decayed if is_matrix else kept).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Rate of ``step`` (from 0) out of ``steps``: a linear rise over the share ``warmup``, then a cosine to 0."""
    rise = warmup * steps
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    progress = min((step - rise) / max(steps - rise, 1), 1.0)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
