import numpy as np
import pytest
import torch

from betafold.geometry.stress import CIS, SECOND_NEIGHBOURS, TRANS, Stress, minimise_stress, neighbour_bounds

BONDS = 30.0


@pytest.fixture
def problem():
    """Starts [B, L, 3], noisy distances and weights [B, L, L]."""
    generator = torch.Generator().manual_seed(8)
    steps = torch.nn.functional.normalize(torch.randn(6, 17, 3, generator=generator), dim=-1)
    ca = (3.8 * steps).cumsum(1).double()
    ca = ca - ca.mean(1, keepdim=True)
    noise = torch.randn(6, 17, 17, generator=generator).double()
    distances = (torch.cdist(ca, ca) + 0.7 * (noise + noise.mT)).clamp(min=0.2)
    distances.diagonal(dim1=1, dim2=2).zero_()
    weights = torch.rand(6, 17, 17, generator=generator).double() + 0.1
    start = ca + 2 * torch.randn(ca.shape, generator=generator).double()
    return start - start.mean(1, keepdim=True), distances, (weights + weights.mT) / 2


def plain_stress(ca, distances, weights, bond_weight):
    """The definition, pair by pair."""
    total = 0.0
    length = len(ca)
    (low, high), (low2, high2) = ((x[0].numpy() for x in b) for b in neighbour_bounds(distances[None]))
    for i in range(length):
        for j in range(i + 1, length):
            d = float(np.linalg.norm(ca[i] - ca[j]))
            total += float(weights[i, j]) * (d - float(distances[i, j])) ** 2
            if j - i <= 2:
                lower, upper = ((low, high), (low2, high2))[j - i - 1]
                total += bond_weight * max(lower[i] - d, d - upper[i], 0.0) ** 2
    return total


def test_value_is_the_definition(problem):
    ca, distances, weights = problem
    value, _ = Stress(distances, weights, BONDS)(ca.mT)
    equal, _ = Stress(distances)(ca.mT)
    for i in range(len(ca)):
        assert value[i] == pytest.approx(plain_stress(ca[i], distances[i], weights[i], BONDS), rel=1e-9)
        ones = torch.ones_like(weights[i])
        assert equal[i] == pytest.approx(plain_stress(ca[i], distances[i], ones, 0.0), rel=1e-9)


def test_guttman_transform_is_the_one_of_scikit_learn(problem):
    from sklearn.manifold import smacof

    ca, distances, _ = problem
    _, step = Stress(distances)(ca.mT)
    for i in range(len(ca)):
        theirs, _ = smacof(
            distances[i].numpy(), n_components=3, init=ca[i].numpy(), n_init=1, max_iter=1, eps=0
        )
        np.testing.assert_allclose(step[i].T, theirs, atol=1e-9)


@pytest.mark.parametrize("bond_weight", [0.0, BONDS])
def test_stress_never_grows(problem, bond_weight):
    ca, distances, weights = problem
    stress = Stress(distances, weights, bond_weight)
    values = [stress(ca.mT)[0]]
    plain = ca.mT
    for iterations in range(1, 30):
        values.append(stress(minimise_stress(ca, stress, iterations, tolerance=0.0).mT)[0])
        before, step = stress(plain)
        assert (stress(step)[0] <= before * (1 + 1e-12)).all()
        plain = step
    values = torch.stack(values)
    assert (values.diff(dim=0) <= 1e-9 * values[0]).all()
    # Acceleration is worth its while: most items are lower than after as many plain steps.
    assert (values[-1] < stress(plain)[0]).sum() >= 4


def test_the_end_is_a_minimum(problem):
    """L-BFGS from there finds nothing better; from the same start it does no better on average."""
    from scipy.optimize import minimize

    ca, distances, weights = problem
    found = minimise_stress(ca, Stress(distances, weights), 2000, tolerance=1e-12)

    def stress_and_gradient(flat, i):
        x = torch.tensor(flat.reshape(-1, 3), requires_grad=True)
        square = (x[:, None] - x).square().sum(-1) + torch.eye(len(x))
        error = weights[i] * (square.sqrt() - distances[i] - torch.eye(len(x))).square()
        value = error.triu(1).sum()
        value.backward()
        return value.item(), x.grad.numpy().ravel()

    ours, restarted = [], []
    for i in range(len(ca)):
        at = found[i].numpy().ravel()
        value, gradient = stress_and_gradient(at, i)
        assert np.abs(gradient).max() < 0.05
        assert value - minimize(stress_and_gradient, at, (i,), "L-BFGS-B", jac=True).fun < 1e-3 * value
        ours.append(value)
        restarted.append(minimize(stress_and_gradient, ca[i].numpy().ravel(), (i,), "L-BFGS-B", jac=True).fun)
    assert np.mean(ours) < 1.05 * np.mean(restarted)


def test_finished_items_do_not_stop_the_others(problem):
    ca, distances, _ = problem
    exact = torch.cdist(ca[:1], ca[:1])
    both = torch.cat([exact, distances[1:2]])
    found = minimise_stress(ca[:2], Stress(both))
    np.testing.assert_allclose(torch.cdist(found[:1], found[:1]), exact, atol=1e-6)
    np.testing.assert_allclose(found[1:], minimise_stress(ca[1:2], Stress(both[1:])), atol=1e-6)


def test_bounds_need_evidence_for_cis():
    distances = torch.full((2, 9, 9), 6.0)
    bonds = torch.full((2, 8), 3.8)
    bonds[:, 3] = 3.0
    bonds[1] += torch.tensor([0.9, -0.7, 0.8, 0.0, -0.9, 1.0, -0.8, 0.6])
    for offset in (1, -1):
        distances.diagonal(offset, dim1=1, dim2=2).copy_(bonds)
    (lower, upper), (lower2, upper2) = neighbour_bounds(distances)
    assert (lower[0, 3], upper[0, 3]) == CIS
    assert (lower[0, 0], upper[0, 0]) == TRANS
    assert (lower[1] == TRANS[0]).all()  # bonds this noisy are no evidence
    assert (lower2[0, 0], upper2[0, 0]) == SECOND_NEIGHBOURS
