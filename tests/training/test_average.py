"""The average is torch's to the last bit, without a second copy of what is frozen."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.optim import swa_utils

from betafold.training.average import AveragedModel
from betafold.training.train import train
from tests.models.mtp.backbones import save_esm2
from tests.training.test_mtp import make_spec
from tests.training.test_resume import assert_same


def averaged_by_torch(model, decay):
    return swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))


@pytest.mark.parametrize("family", ["torsion", "mtp"])
def test_a_run_ends_in_the_weights_that_torch_averages(world, small_spec, tmp_path, monkeypatch, family):
    if family == "torsion":
        spec, data, weights = small_spec(), world, None
        spec = dataclasses.replace(spec, model=dataclasses.replace(spec.model, dropout=0.3))
    else:
        samples, _, _, split = world
        spec, data = make_spec("egnn"), (samples, None, None, split)
        weights = str(save_esm2(tmp_path))
    train(spec, *data, tmp_path / "own", weights=weights, device="cpu")
    monkeypatch.setattr("betafold.training.trainer.AveragedModel", averaged_by_torch)
    train(spec, *data, tmp_path / "torch", weights=weights, device="cpu")
    for name in ("best.pt", "last.pt"):
        assert_same(*(torch.load(tmp_path / run / name, weights_only=True) for run in ("own", "torch")))


def test_frozen_parameters_are_shared_whatever_their_type():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    packed = torch.arange(200, 209, dtype=torch.uint8).reshape(3, 3)
    model[0].weight = nn.Parameter(packed.clone(), requires_grad=False)
    model[0].bias.requires_grad_(False)
    averaged = AveragedModel(model, 0.9)
    copy = averaged.module
    before = model[1].weight.detach().clone()
    for step in range(3):
        nn.init.constant_(model[1].weight, step)
        averaged.update_parameters(model)
    assert copy[0].weight is model[0].weight and copy[0].bias is model[0].bias
    assert torch.equal(model[0].weight, packed)
    assert copy[1].weight is not model[1].weight and copy[1].weight.requires_grad
    assert not torch.equal(before, copy[1].weight)
    torch.testing.assert_close(copy[1].weight, torch.full((3, 3), 0.9 * 0.1 * 1 + 0.1 * 2))
    assert copy[2].running_mean is not model[2].running_mean
    assert averaged.n_averaged == 3


def test_the_backbone_of_an_average_takes_no_memory(tmp_path):
    weights = str(save_esm2(tmp_path))
    spec = make_spec()
    model = spec.family.build(spec.model, weights, "cpu")
    copy = AveragedModel(model, 0.9).module
    own = {parameter.data_ptr() for parameter in model.parameters()}
    added = sum(p.numel() for p in copy.parameters() if p.data_ptr() not in own)
    assert added == sum(p.numel() for p in model.parameters() if p.requires_grad)
