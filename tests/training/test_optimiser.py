"""Learning rate and decay groups."""

import pytest

from betafold.models.torsion import TorsionModel
from betafold.training.optimiser import learning_rate, parameter_groups


def test_learning_rate_rises_then_falls_along_a_cosine():
    rates = [learning_rate(step, 1000, 0.01, 0.1) for step in range(1000)]
    assert rates[0] < 2e-4 and max(rates) == pytest.approx(0.01, rel=0.01)
    assert rates.index(max(rates)) in (99, 100)
    assert rates[:100] == sorted(rates[:100]) and rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[550] == pytest.approx(0.005, rel=0.01)
    assert rates[-1] < 1e-6
    assert learning_rate(0, 1, 0.01, 0.0) == 0.01


def test_only_weight_matrices_decay(small_spec):
    model = TorsionModel(small_spec().model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, kept = parameter_groups(model.named_parameters(), 0.05)
    assert decayed["weight_decay"] == 0.05 and kept["weight_decay"] == 0
    decayed, kept = ({names[id(p)] for p in group["params"]} for group in (decayed, kept))
    assert decayed | kept == set(names.values()) and not decayed & kept
    assert all(name.endswith("weight") and "norm" not in name for name in decayed)
    assert {"encoder.positions.table", "torsions.anchors", "encoder.norm.weight"} <= kept
    assert "encoder.blocks.0.attention.qkv.weight" in decayed
