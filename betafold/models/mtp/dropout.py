"""Dropout of the heads, which besides training serves to draw answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """Dropout which, within ``drawn_from``, zeroes values in evaluation as well, from that generator alone."""

    generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.generator is None:
            return super().forward(x)
        # Four values share a random number, which takes a third of the time of torch's own dropout on the CPU.
        dropped = round(self.p * _LEVELS)
        numbers = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=self.generator.device)
        bits = numbers.random_(-(2**63), None, generator=self.generator).view(torch.int16)[: x.numel()]
        kept = bits.to(x.device).view(x.shape) >= dropped - _LEVELS // 2
        return (x * kept).mul_(_LEVELS / (_LEVELS - dropped))


@contextmanager
def drawn_from(generator: torch.Generator, *heads: nn.Module) -> Iterator[None]:
    """Within, all ``Dropout`` of ``heads`` is on and drawn from ``generator``."""
    layers = [module for head in heads for module in head.modules() if isinstance(module, Dropout)]
    for layer in layers:
        layer.generator = generator
    try:
        yield
    finally:
        for layer in layers:
            layer.generator = None
