"""The device is chosen, or forced, or refused."""

import pytest
import torch

from betafold.errors import BetaFoldError
from betafold.training import device as module
from betafold.training.device import choose_device, get_rng_state, reproducible, set_rng_state


@pytest.mark.parametrize(
    "cuda, mps, expected", [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_best_there_is(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(module, "_available", lambda: {"cuda": cuda, "mps": mps, "cpu": True})
    assert choose_device("auto").type == expected
    assert choose_device("cpu").type == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_available", lambda: {"cuda": False, "mps": False, "cpu": True})
    with pytest.raises(BetaFoldError, match="--device cuda: not available on this machine; it has cpu"):
        choose_device("cuda")
    with pytest.raises(BetaFoldError, match="--device tpu: unknown"):
        choose_device("tpu")


def test_settings_are_restored():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with reproducible(3, before[0] + 1):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == before[0] + 1
        first = torch.rand(3)
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    with reproducible(3, 1):
        assert torch.equal(torch.rand(3), first)


def test_random_state_goes_on():
    cpu = torch.device("cpu")
    state = get_rng_state(cpu)
    first = torch.rand(3)
    set_rng_state(state | {"cuda": torch.zeros(1)}, cpu)  # a state from another kind of device is left out
    assert torch.equal(torch.rand(3), first)
