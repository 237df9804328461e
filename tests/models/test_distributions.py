"""Densities, modes and draws against scipy and against numerical integration."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from betafold.models.distributions import (
    TorsionDistribution,
    concentration_of,
    resultant_length,
    sample_von_mises,
    von_mises_log_prob,
    wrap,
)

NAN = float("nan")


def distribution(seed=0, b=1, length=1, k=3, dtype=torch.float64, kappa=8.0):
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return (torch.rand(*shape, generator=generator, dtype=dtype) - 0.5) * 2 * math.pi

    return TorsionDistribution(
        log_weights=torch.log_softmax(uniform(b, length, k), -1),
        mean=uniform(b, length, k, 2),
        concentration=kappa * (0.5 + uniform(b, length, k, 2).sin().square()),
        omega_log_weights=torch.tensor([0.9, 0.1], dtype=dtype).log().expand(b, length, 2),
        omega_mean=torch.tensor([math.pi, 0.0], dtype=dtype).expand(b, length, 2),
        omega_concentration=torch.tensor([60.0, 20.0], dtype=dtype).expand(b, length, 2),
    )


def grid(n=180):
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) * 2 * math.pi / n - math.pi
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1), (2 * math.pi / n) ** 2


@given(st.floats(-10, 10), st.floats(-math.pi, math.pi), st.floats(0.1, 400))
@settings(max_examples=50, deadline=None)
def test_density_agrees_with_scipy(angle, mean, kappa):
    ours = von_mises_log_prob(*(torch.tensor(v, dtype=torch.float64) for v in (angle, mean, kappa)))
    assert float(ours) == pytest.approx(stats.vonmises.logpdf(angle, kappa, loc=mean), abs=1e-6)


def test_large_concentrations_are_finite_in_single_precision():
    kappa = torch.tensor([1e3, 1e5], requires_grad=True)
    log_prob = von_mises_log_prob(torch.tensor(0.01), torch.tensor(0.0), kappa)
    log_prob.sum().backward()
    assert log_prob.isfinite().all() and kappa.grad.isfinite().all()


def test_phi_psi_density_integrates_to_one():
    points, cell = grid()
    density = distribution().phi_psi_log_prob(points).exp()
    assert float(density.sum() * cell) == pytest.approx(1, abs=1e-6)


def test_a_missing_angle_is_marginalised():
    points, cell = grid()
    d = distribution()
    step = math.sqrt(cell)
    joint = d.phi_psi_log_prob(points).exp()
    psi = points[0, :, 1]
    without_phi = torch.stack([torch.full_like(psi, NAN), psi], -1)
    torch.testing.assert_close(d.phi_psi_log_prob(without_phi).exp()[0], joint.sum(0) * step)
    phi = points[:, 0, 0]
    without_psi = torch.stack([phi, torch.full_like(phi, NAN)], -1)
    torch.testing.assert_close(d.phi_psi_log_prob(without_psi).exp()[0], joint.sum(1) * step)
    assert d.log_prob(torch.full((1, 1, 3), NAN, dtype=torch.float64)).item() == 0


def test_missing_angles_leave_gradients_finite():
    d = distribution(length=4)
    for name in ("mean", "concentration"):
        getattr(d, name).requires_grad_()
    torsions = torch.rand(1, 4, 3, dtype=torch.float64)
    torsions[0, 0, 0] = torsions[0, 3, 1] = torsions[0, 3, 2] = torsions[0, 2] = NAN
    (-d.log_prob(torsions).sum()).backward()
    assert d.mean.grad.isfinite().all() and d.concentration.grad.isfinite().all()
    assert d.mean.grad[0, 0, :, 0].abs().max() == 0  # phi of the first residue was not seen


@pytest.mark.parametrize("seed", range(8))
def test_mode_is_the_highest_point_of_a_grid(seed):
    d = distribution(seed, k=4, kappa=12.0)
    points, _ = grid()
    mode = d.mode()
    highest = d.phi_psi_log_prob(points).max()
    assert float(d.phi_psi_log_prob(mode[..., :2])) > float(highest) - 1e-2
    assert abs(float(mode[0, 0, 2])) == pytest.approx(math.pi, abs=1e-9)


def test_expected_cosine_and_samples_agree_with_the_density():
    d = distribution(3)
    generator = torch.Generator().manual_seed(5)
    draws = d.sample(40000, generator)
    assert draws.shape == (40000, 1, 1, 3)
    assert (draws >= -math.pi).all() and (draws < math.pi).all()
    mode = d.mode()
    seen = torch.cos(draws - mode).mean(0)
    torch.testing.assert_close(seen, d.expected_cosine(mode), atol=0.012, rtol=0)
    points, cell = grid()
    density = d.phi_psi_log_prob(points).exp()
    integral = (density[..., None] * torch.cos(points - mode[..., :2])).sum((0, 1)) * cell
    torch.testing.assert_close(integral, d.expected_cosine(mode)[0, 0, :2], atol=1e-6, rtol=0)
    trans = (draws[..., 2].abs() > math.pi / 2).double().mean()
    assert float(trans) == pytest.approx(0.9, abs=0.01)


def test_one_seed_gives_the_same_draws_and_low_temperature_the_mode():
    d = distribution(4, b=2, length=5)
    a, b = (d.sample(3, torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(a, b)
    cold = d.sample(1, torch.Generator().manual_seed(9), temperature=1e-4)[0]
    weights = d.log_weights.argmax(-1)
    expected = d.mean.gather(2, weights[..., None, None].expand(2, 5, 1, 2)).squeeze(2)
    assert float(wrap(cold[..., :2] - expected).abs().max()) < 0.1


@pytest.mark.parametrize("kappa", [0.0, 0.5, 5.0, 100.0])
def test_draws_follow_the_von_mises_distribution(kappa):
    mean = torch.zeros(4000, dtype=torch.float64)
    draws = sample_von_mises(mean, torch.full_like(mean, kappa), torch.Generator().manual_seed(1)).numpy()
    reference = stats.uniform(-np.pi, 2 * np.pi) if kappa == 0 else stats.vonmises(kappa)
    assert stats.kstest(draws, reference.cdf).pvalue > 0.01


def test_concentration_belongs_to_its_resultant_length():
    kappa = torch.tensor([0.2, 1.0, 5.0, 50.0], dtype=torch.float64)
    torch.testing.assert_close(concentration_of(resultant_length(kappa), 100.0), kappa, rtol=0.1, atol=0)
    assert concentration_of(torch.tensor([1.0, 1.3]), 100.0).tolist() == [100.0, 100.0]
