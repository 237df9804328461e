"""A moving average of a model's weights over the steps of its optimisation."""

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class AveragedModel:
    """A copy of a model in which trained parameters are exponential moving averages; frozen ones are the model's own.

    torch's class of this name copies and averages frozen parameters too: a second backbone in memory, and nonsense
    where weights are packed into integers. What both average is equal to the last bit.

    Attributes:
        module: the copy; its buffers stay as they are.
        n_averaged: number of steps so far; the first one is copied.
    """

    def __init__(self, model: nn.Module, decay: float):
        frozen = {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
        self.module = deepcopy(model, frozen)  # takes what the memo holds as it is
        self.n_averaged = torch.tensor(0)
        self._average = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in ``model`` after a step."""
        averaged, current = _trained(self.module), _trained(model)
        if self.n_averaged == 0:
            for own, new in zip(averaged, current, strict=True):
                own.copy_(new)
        else:
            self._average(averaged, current, self.n_averaged)
        self.n_averaged += 1


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
