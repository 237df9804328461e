"""What the optimisation of all families shares."""

import dataclasses

import pytest
import torch

from betafold.models.families import FAMILIES
from betafold.training.config import TrainingConfig
from betafold.training.dataset import PeptideDataset, in_split
from betafold.training.families import TRAINERS, trainer_class
from betafold.training.torsion import TorsionTrainer


def make_trainer(world, spec):
    samples, embeddings, _, split = world
    parts = [PeptideDataset(in_split(samples, split, name), embeddings) for name in ("train", "validation")]
    torch.manual_seed(0)
    spec = dataclasses.replace(spec, model=dataclasses.replace(spec.model, dropout=0.0))
    model = spec.family.build(spec.model, None, "cpu")
    return TorsionTrainer(model, spec.training, *parts, torch.device("cpu"))


def gradients(trainer):
    return [p.grad.clone() for p in trainer.parameters.values() if p.grad is not None]


def test_gradients_of_a_step_are_averaged_over_its_batches(world, small_spec):
    trainer = make_trainer(world, small_spec())
    first, second = list(trainer.training.loader([[0, 1, 2], [3, 4]]))
    alone = []
    for batch in (first, second):
        trainer.add_gradient(batch)
        alone.append(gradients(trainer))
        trainer.optimiser.zero_grad()
    for batch in (first, second):
        trainer.add_gradient(batch, group=2)
    for a, b, both in zip(*alone, gradients(trainer), strict=True):
        torch.testing.assert_close(both, (a + b) / 2, atol=1e-5, rtol=1e-4)


def test_accumulation_makes_fewer_steps_and_none_is_lost(world, small_spec):
    for accumulation, steps in ((1, 5), (2, 3), (5, 1), (99, 1)):  # 40 peptides, 5 batches
        trainer = make_trainer(world, small_spec(accumulation=accumulation))
        trainer.run_epoch()
        assert int(trainer.averaged.n_averaged) == steps
        assert not gradients(trainer)


def test_frozen_parameters_and_the_confidence_head_are_left_alone(world, small_spec):
    trainer = make_trainer(world, small_spec())
    frozen = {"project.0.weight", "project.0.bias"}
    model = trainer.model
    for name in frozen:
        model.get_parameter(name).requires_grad_(False)
    trainer = TorsionTrainer(model, trainer.config, trainer.training, trainer.validation, trainer.device)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer.run_epoch()
    same = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    assert same >= frozen and {name for name in same - frozen if not name.startswith("confidence.")} == set()
    assert {name for name in before if name.startswith("confidence.")} <= same


def test_datasets_of_sequences_alone(world):
    samples, _, _, _ = world
    batch = next(iter(PeptideDataset(samples).loader([[0, 1]])))
    assert batch.x is None
    assert batch.sequences == [samples[0].sequence, samples[1].sequence]
    assert batch.to(torch.device("cpu")).mask.sum(1).tolist() == [samples[0].length, samples[1].length]


def test_every_family_has_a_trainer_of_its_own():
    assert TRAINERS.keys() == FAMILIES.keys()
    trainers = {name: trainer_class(name) for name in FAMILIES}
    assert len(set(trainers.values())) == len(FAMILIES)
    for name, trainer in trainers.items():
        assert trainer.__module__ == f"betafold.training.{name}"
        assert issubclass(trainer.Config, TrainingConfig)
    with pytest.raises(KeyError):
        trainer_class("another")
