"""Where a computation runs: CUDA, Apple's MPS or the CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from betafold.errors import BetaFoldError

DEVICES = ("auto", "cpu", "cuda", "mps")


def _available() -> dict[str, bool]:
    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` takes CUDA before MPS before the CPU.

    Raises BetaFoldError for an unknown name and for a device that this machine does not have.
    """
    available = _available()
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if name not in available:
        raise BetaFoldError(f"--device {name}: unknown; choose one of {', '.join(DEVICES)}")
    if not available[name]:
        here = ", ".join(device for device, there in available.items() if there)
        raise BetaFoldError(f"--device {name}: not available on this machine; it has {here}")
    return torch.device(name)


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seed torch, use its deterministic algorithms and ``threads`` CPU threads; restore the settings after.

    Where a device has no deterministic form of an operation, torch warns and goes on.
    """
    before = torch.get_num_threads()
    was = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    # cuBLAS is deterministic only with a fixed workspace; it reads this when it first runs.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was[0], warn_only=was[1])
        torch.set_num_threads(before)


def get_rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of every random number generator that training on ``device`` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = getattr(torch, device.type).get_rng_state()
    return states


def set_rng_state(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Go on where ``get_rng_state`` left off; the state of a device that is not ``device`` is left out."""
    torch.set_rng_state(states["cpu"])
    if device.type != "cpu" and device.type in states:
        getattr(torch, device.type).set_rng_state(states[device.type])
