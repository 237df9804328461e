"""Differentiable traces: exact distances give the structure back, and the gradient is the one of finite differences."""

import itertools

import pytest
import torch

import betafold_ext
from betafold.models.mtp.heads import pair_distances, pair_mask
from betafold.models.mtp.losses import frame_aligned_error
from betafold.models.mtp.reconstruct import guttman_transform, trace_from_distances


def walk(length: int, seed: int) -> torch.Tensor:
    step = torch.randn(length, 3, generator=torch.Generator().manual_seed(seed)).double()
    return (3.8 * step / step.norm(dim=-1, keepdim=True)).cumsum(0)


def exact(ca: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return pair_distances(ca, 0.0) * pair_mask(mask)


@pytest.mark.parametrize("length", [10, 30, 200])
def test_exact_distances_give_the_structure_back(length):
    ca = walk(length, 0)[None]
    mask = torch.ones(1, length, dtype=torch.bool)
    trace = trace_from_distances(exact(ca, mask), mask, ca)
    assert betafold_ext.kabsch_rmsd_batch(trace.numpy(), ca.numpy())[0] < 1e-6


def test_the_hand_is_the_native_one():
    ca = walk(20, 1)[None]
    mask = torch.ones(1, 20, dtype=torch.bool)
    mirrored = ca * torch.tensor([1.0, 1, -1]).double()
    for native in (ca, mirrored):
        trace = trace_from_distances(exact(ca, mask), mask, native)
        assert betafold_ext.kabsch_rmsd_batch(trace.numpy(), native.numpy())[0] < 1e-6


def test_a_missing_residue_does_not_decide_the_hand():
    mask = torch.ones(1, 14, dtype=torch.bool)
    turn = torch.arange(14).double() * 1.745
    helix = torch.stack([2.3 * turn.cos(), 2.3 * turn.sin(), 1.5 * torch.arange(14).double()], dim=1)[None]
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        native = helix + torch.randn(1, 14, 3, generator=generator).double() * 0.3
        native = native + torch.randn(1, 1, 3, generator=generator).double() * 40
        distances = exact(native, mask)
        incomplete = native.clone()
        incomplete[0, 5] = torch.nan
        trace = trace_from_distances(distances, mask, incomplete)
        assert betafold_ext.kabsch_rmsd_batch(trace.numpy(), native.numpy())[0] < 1e-6


def test_padding_changes_nothing():
    lengths = [12, 7]
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    ca = torch.stack([walk(12, 2), walk(12, 3)])
    distances = (exact(ca, mask) * 1.1 + 0.3) * pair_mask(mask)
    together = trace_from_distances(distances, mask, ca)
    alone = trace_from_distances(distances[1:, :7, :7], mask[1:, :7], ca[1:, :7])
    torch.testing.assert_close(pair_distances(together[1:, :7]), pair_distances(alone), rtol=1e-8, atol=1e-8)
    assert (together[1, 7:] == 0).all()


def test_no_step_raises_the_stress():
    mask = torch.ones(1, 15, dtype=torch.bool)
    noise = torch.randn(1, 15, 15, generator=torch.Generator().manual_seed(4)).double()
    distances = (exact(walk(15, 4)[None], mask) + noise + noise.transpose(1, 2)).abs() * pair_mask(mask)
    ca = walk(15, 8)[None]
    stress = []
    for _ in range(10):
        stress.append(((pair_distances(ca) - distances) * pair_mask(mask)).square().sum().item())
        ca = guttman_transform(ca, distances, mask)
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(stress))
    assert stress[-1] < 0.5 * stress[0]


def test_gradient_from_a_fixed_start():
    mask = torch.ones(1, 6, dtype=torch.bool)
    distances = exact(walk(6, 6)[None], mask).requires_grad_()

    def shape(d):
        ca = walk(6, 5)[None]
        for _ in range(3):
            ca = guttman_transform(ca, d, mask)
        return ca.square().sum(-1).sum(-1)

    assert torch.autograd.gradcheck(shape, distances)


def test_a_gradient_step_on_the_distances_lowers_a_loss_of_the_structure():
    """The gradient means something: following it brings the trace nearer to another structure."""
    mask = torch.ones(2, 12, dtype=torch.bool)
    start, target = torch.stack([walk(12, 4), walk(12, 5)]), torch.stack([walk(12, 6), walk(12, 7)])
    distances = exact(start, mask)
    losses = []
    for _ in range(30):
        distances = distances.detach().requires_grad_()
        loss = frame_aligned_error(trace_from_distances(distances, mask, target), target, clamp=1e3).sum()
        losses.append(loss.item())
        gradient = torch.autograd.grad(loss, distances)[0]
        gradient = gradient + gradient.transpose(1, 2)
        distances = (
            distances.detach() - 2.0 * gradient / gradient.norm() * len(losses) ** -0.5
        ).abs() * pair_mask(mask)
    assert losses[-1] < 0.9 * losses[0]


def test_gradient_is_finite_where_eigenvalues_meet():
    """Equal distances: a regular simplex, whose eigenvalues are all the same."""
    mask = torch.ones(1, 4, dtype=torch.bool)
    distances = (3.8 * pair_mask(mask).double()).requires_grad_()
    trace_from_distances(distances, mask, walk(4, 7)[None]).square().sum().backward()
    assert distances.grad.isfinite().all() and distances.grad.abs().max() > 0
