"""The coordinate term: value, gradient, and atoms that are not there."""

import dataclasses

import biotite.structure as struc
import numpy as np
import pytest
import torch

import betafold_ext
from betafold.models.distributions import TorsionDistribution
from betafold.models.losses import coordinate_error

FREE = (
    "log_weights",
    "mean",
    "omega_log_weights",
    "omega_mean",
)  # concentrations are constants of the gradient


def random_distribution(batch=3, length=9, components=4, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (batch, length)
    return TorsionDistribution(
        log_weights=torch.log_softmax(normal(*shape, components), -1),
        mean=2 * normal(*shape, components, 2),
        concentration=1 + 4 * normal(*shape, components, 2).square(),
        omega_log_weights=torch.log_softmax(normal(*shape, 2), -1),
        omega_mean=torch.pi + 0.2 * normal(*shape, 2),
        omega_concentration=1 + 9 * normal(*shape, 2).square(),
    )


@pytest.fixture
def native():
    torsions = np.random.default_rng(1).normal(size=(3, 9, 3))
    return torch.from_numpy(betafold_ext.nerf_batch(torsions))


def test_mean_direction_is_that_of_many_draws():
    distribution = random_distribution(length=4)
    draws = distribution.sample(40_000, torch.Generator().manual_seed(0))
    expected = torch.atan2(draws.sin().mean(0), draws.cos().mean(0))
    resultant = torch.hypot(draws.sin().mean(0), draws.cos().mean(0))
    difference = distribution.mean_direction() - expected
    off = torch.atan2(difference.sin(), difference.cos()).abs()
    # The standard error of a mean direction grows as the resultant shrinks.
    assert (off * resultant).max() < 0.02


def test_it_is_the_ca_rmsd_of_the_chain_built_from_the_mean_directions(native):
    distribution = random_distribution()
    lengths = torch.tensor([9, 7, 5])
    for row, length in enumerate(lengths):
        native[row, length:] = float("nan")
    native[1, 2] = float("nan")
    error, defined = coordinate_error(distribution, native, lengths)
    built = betafold_ext.nerf_batch(distribution.mean_direction().numpy())[:, :, 1]
    assert defined.all()
    for row in range(3):
        seen = native[row, :, 1].isfinite().all(-1).numpy()
        fixed, mobile = native[row, seen, 1].numpy(), built[row][seen]
        expected = struc.rmsd(fixed, struc.superimpose(fixed, mobile)[0])
        assert float(error[row]) == pytest.approx(float(expected), abs=1e-6)


def test_gradient_agrees_with_finite_differences(native):
    distribution = random_distribution(components=2)
    lengths = torch.tensor([9, 8, 6])
    native[1, 8:] = native[2, 6:] = native[2, 1] = float("nan")
    values = [getattr(distribution, name).clone().requires_grad_() for name in FREE]

    def error(*tensors):
        moved = dataclasses.replace(distribution, **dict(zip(FREE, tensors, strict=True)))
        return coordinate_error(moved, native, lengths)[0]

    assert torch.autograd.gradcheck(error, values, atol=1e-5)


def test_torsions_that_move_no_ca_and_padding_have_no_gradient(native):
    distribution = random_distribution()
    mean = distribution.mean.clone().requires_grad_()
    lengths = torch.tensor([9, 7, 7])
    native[1:, 7:] = float("nan")
    coordinate_error(dataclasses.replace(distribution, mean=mean), native, lengths)[0].sum().backward()
    assert mean.grad.isfinite().all()
    assert not mean.grad[:, 0, :, 0].any()  # phi of the first residue
    assert not mean.grad[1:, 6, :, 1].any()  # psi of the last
    assert not mean.grad[1:, 7:].any() and mean.grad[1:, 1:6].any()


def test_peptides_with_too_few_atoms_count_for_nothing(native):
    distribution = random_distribution()
    mean = distribution.mean.clone().requires_grad_()
    native[0] = float("nan")
    native[1, 2:] = float("nan")
    moved = dataclasses.replace(distribution, mean=mean)
    error, defined = coordinate_error(moved, native, torch.full((3,), 9))
    assert defined.tolist() == [False, False, True] and error[:2].tolist() == [0, 0]
    error.sum().backward()
    assert mean.grad.isfinite().all() and not mean.grad[:2].any() and mean.grad[2].any()


def test_following_the_gradient_lowers_the_error(native):
    distribution = random_distribution()
    mean = distribution.mean.clone().requires_grad_()
    optimiser = torch.optim.Adam([mean], lr=0.05)
    errors = []
    for _ in range(60):
        moved = dataclasses.replace(distribution, mean=mean)
        error = coordinate_error(moved, native, torch.full((3,), 9))[0].mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.6 * errors[0]
