"""Heads: properties of distance matrices, normalisation of coordinates, equivariance of the refinement."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from betafold.models.mtp.heads import (
    DIHEDRAL_BINS,
    CoordinateHead,
    DihedralHead,
    DistanceHead,
    EquivariantRefinement,
    pair_distances,
)

MASK = torch.arange(9) < torch.tensor([[9], [6]])


def rotation(seed: int) -> torch.Tensor:
    return torch.from_numpy(Rotation.random(random_state=seed).as_matrix())


@pytest.fixture
def distance_head():
    torch.manual_seed(1)
    head = DistanceHead(16, 8, dropout=0.3).double().eval()
    torch.nn.init.normal_(head.hidden[-1].weight)
    return head


@pytest.fixture
def refinement():
    torch.manual_seed(2)
    module = EquivariantRefinement(16, 12, layers=2).double()
    for layer in module.layers:
        torch.nn.init.normal_(layer.coordinate[-1].weight)
    return module


@pytest.mark.parametrize("training", [False, True])
def test_distances_are_symmetric_positive_and_zero_on_the_diagonal(distance_head, training):
    d = distance_head.train(training)(torch.randn(2, 9, 16).double(), MASK)
    torch.testing.assert_close(d, d.transpose(1, 2), rtol=0, atol=0)
    assert (d.diagonal(dim1=1, dim2=2) == 0).all()
    pairs = MASK[:, :, None] & MASK[:, None] & ~torch.eye(9, dtype=torch.bool)
    assert (d[pairs] > 0).all() and (d[~pairs] == 0).all()


def test_distances_do_not_see_padding(distance_head):
    h = torch.randn(2, 9, 16).double()
    alone = distance_head(h[1:, :6], MASK[1:, :6])
    torch.testing.assert_close(distance_head(h, MASK)[1, :6, :6], alone[0], rtol=1e-12, atol=1e-12)


def test_an_untrained_head_predicts_a_random_coil():
    d = DistanceHead(16, 8, dropout=0.0)(torch.randn(1, 9, 16), MASK[:1])
    torch.testing.assert_close(d[0, 0], 3.8 * torch.arange(9).sqrt())


def test_dihedrals_are_probabilities_and_do_not_see_padding():
    torch.manual_seed(0)
    head = DihedralHead(16, 8, 0.1).double().eval()
    h = torch.randn(2, 14, 16, dtype=torch.float64)
    found = head(h)
    assert found.shape == (2, 11, DIHEDRAL_BINS)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2, 11, dtype=torch.float64))
    torch.testing.assert_close(head(h[:, :10]), found[:, :7])


def test_coordinates_are_normalised_inside_and_in_angstrom_outside():
    ca = torch.randn(500, 3) * 7 + torch.tensor([30.0, -5, 12])
    ca[::7] = float("nan")
    head = CoordinateHead(16)
    head.fit_normalisation(ca)
    seen = ca[ca.isfinite().all(-1)]
    torch.testing.assert_close(head.mean, seen.mean(0))
    assert head.scale == pytest.approx(float((seen - seen.mean(0)).std()), rel=0.01)
    with torch.no_grad():
        h = torch.randn(1, 4, 16)
        torch.testing.assert_close((head(h) - head.mean) / head.scale, head.out(h), rtol=1e-4, atol=1e-5)


def test_refinement_is_equivariant(refinement):
    """E(n): rotated, shifted and mirrored inputs give the same answer rotated, shifted and mirrored."""
    h, ca = torch.randn(2, 9, 16).double(), 5 * torch.randn(2, 9, 3).double()
    distances = pair_distances(torch.randn(2, 9, 3).double())
    answer = refinement(h, ca, distances, MASK)
    assert (answer - ca).abs().max() > 0.1
    mirror = torch.diag(torch.tensor([1.0, 1, -1]).double())
    for turn in (rotation(0), rotation(1), rotation(2) @ mirror):
        shift = torch.tensor([11.0, -40, 3]).double()
        moved = refinement(h, ca @ turn.T + shift, distances, MASK)
        torch.testing.assert_close(moved[MASK], (answer @ turn.T + shift)[MASK], rtol=1e-10, atol=1e-9)


def test_refinement_follows_a_permutation_of_residues(refinement):
    h, ca = torch.randn(1, 9, 16).double(), torch.randn(1, 9, 3).double()
    distances = pair_distances(torch.randn(1, 9, 3).double())
    order = torch.randperm(9)
    answer = refinement(h, ca, distances, MASK[:1])
    permuted = refinement(h[:, order], ca[:, order], distances[:, order][:, :, order], MASK[:1])
    torch.testing.assert_close(permuted, answer[:, order])


def test_refinement_does_not_see_padding(refinement):
    h, ca = torch.randn(2, 9, 16).double(), torch.randn(2, 9, 3).double()
    distances = pair_distances(ca)
    alone = refinement(h[1:, :6], ca[1:, :6], distances[1:, :6, :6], MASK[1:, :6])
    torch.testing.assert_close(refinement(h, ca, distances, MASK)[1, :6], alone[0])


def test_an_untrained_refinement_moves_nothing():
    ca = torch.randn(1, 9, 3)
    module = EquivariantRefinement(16, 12, layers=2)
    assert torch.equal(module(torch.randn(1, 9, 16), ca, pair_distances(ca), MASK[:1]), ca)
