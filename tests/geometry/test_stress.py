import numpy as np
import pytest
import torch

from betafold.geometry.stress import CIS, SECOND_NEIGHBOURS, TRANS, minimise_stress, neighbour_bounds

BONDS = 2.0


@pytest.fixture
def problem():
    """Starts [B, L, 3], centred, and noisy distances [B, L, L]."""
    generator = torch.Generator().manual_seed(8)
    steps = torch.nn.functional.normalize(torch.randn(6, 17, 3, generator=generator), dim=-1)
    ca = (3.8 * steps).cumsum(1).double()
    noise = torch.randn(6, 17, 17, generator=generator).double()
    distances = (torch.cdist(ca, ca) + 0.7 * (noise + noise.mT)).clamp(min=0.2)
    distances.diagonal(dim1=1, dim2=2).zero_()
    start = ca + 2 * torch.randn(ca.shape, generator=generator).double()
    return start - start.mean(1, keepdim=True), distances


def stress(ca, distances, bond_weight=0.0):
    """The definition [B], pair by pair."""
    total, length = torch.zeros(len(ca), dtype=ca.dtype), ca.shape[1]
    intervals = neighbour_bounds(distances)
    for i in range(length):
        for j in range(i + 1, length):
            d = (ca[:, i] - ca[:, j]).norm(dim=1)
            total = total + (d - distances[:, i, j]).square()
            if j - i <= 2:
                lower, upper = (bound[:, i] for bound in intervals[j - i - 1])
                outside = torch.relu(lower - d) + torch.relu(d - upper)
                total = total + bond_weight * length * outside.square()
    return total


@pytest.mark.parametrize("bond_weight", [0.0, BONDS])
def test_stress_never_grows(problem, bond_weight):
    ca, distances = problem
    found = [ca] + [minimise_stress(ca, distances, bond_weight, n, tolerance=0.0) for n in range(1, 40)]
    values = torch.stack([stress(x, distances, bond_weight) for x in found])
    assert (values.diff(dim=0) <= 1e-12 * values[0]).all()
    assert (values[-1] < 0.3 * values[0]).all()


@pytest.mark.parametrize("bond_weight", [0.0, BONDS])
def test_the_end_is_a_minimum(problem, bond_weight):
    """L-BFGS from there finds nothing better, and from the same start it does no better on average."""
    from scipy.optimize import minimize

    ca, distances = problem
    found = minimise_stress(ca, distances, bond_weight, 20_000, tolerance=1e-9)

    def value_and_gradient(flat, i):
        x = torch.tensor(flat.reshape(1, -1, 3), requires_grad=True)
        value = stress(x, distances[i : i + 1], bond_weight)[0]
        value.backward()
        return value.item(), x.grad.numpy().ravel()

    ours, restarted = [], []
    for i in range(len(ca)):
        at = found[i].numpy().ravel()
        value, gradient = value_and_gradient(at, i)
        assert np.abs(gradient).max() < 0.05
        assert value - minimize(value_and_gradient, at, (i,), "L-BFGS-B", jac=True).fun < 1e-3 * value
        ours.append(value)
        restarted.append(minimize(value_and_gradient, ca[i].numpy().ravel(), (i,), "L-BFGS-B", jac=True).fun)
    assert np.mean(ours) < 1.05 * np.mean(restarted)


def test_finished_items_do_not_stop_the_others(problem):
    ca, distances = problem
    exact = torch.cdist(ca[:1], ca[:1])
    both = torch.cat([exact, distances[1:2]])
    found = minimise_stress(ca[:2], both, bond_weight=0.0)
    np.testing.assert_allclose(torch.cdist(found[:1], found[:1]), exact, atol=1e-6)
    np.testing.assert_array_equal(found[1:], minimise_stress(ca[1:2], both[1:], bond_weight=0.0))


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
