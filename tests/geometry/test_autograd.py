import pytest
import torch

from betafold.geometry.autograd import nerf
from betafold.geometry.losses import distance_loss, rmsd_loss


def torsions(batch, length, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, length, 3, generator=generator, dtype=dtype) * 2 - 1) * 3.1


def test_nerf_passes_gradcheck():
    angles = torsions(3, 6).requires_grad_()
    assert torch.autograd.gradcheck(nerf, (angles, None))


def test_gradient_ignores_padding_and_undefined_torsions():
    angles = torsions(3, 7).requires_grad_()
    lengths = [7, 4, 1]
    coords = nerf(angles, lengths)
    torch.nan_to_num(coords).square().sum().backward()
    for item, length in enumerate(lengths):
        alone = angles.detach()[item : item + 1, :length].requires_grad_()
        nerf(alone).square().sum().backward()
        assert torch.equal(angles.grad[item, :length], alone.grad[0])
        assert (angles.grad[item, length:] == 0).all()
        assert angles.grad[item, 0, 0] == 0
        assert (angles.grad[item, length - 1, 1:] == 0).all()


def test_double_backward_is_refused_clearly():
    angles = torsions(1, 4).requires_grad_()
    (grad,) = torch.autograd.grad(nerf(angles).square().sum(), angles, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        grad.sum().backward()


def test_non_contiguous_gradient():
    angles = torsions(2, 5).requires_grad_()
    weights = torch.randn(3, 3, 5, 2, dtype=torch.float64).permute(3, 2, 1, 0)
    (nerf(angles) * weights).sum().backward()
    plain = angles.detach().clone().requires_grad_()
    (nerf(plain) * weights.contiguous()).sum().backward()
    assert torch.equal(angles.grad, plain.grad)


@pytest.mark.parametrize("loss", [rmsd_loss, distance_loss])
@pytest.mark.parametrize("lengths", [None, [18, 11]])
def test_losses_pass_gradcheck_through_nerf(loss, lengths):
    native = nerf(torsions(2, 6, seed=1)).reshape(2, 18, 3)
    angles = torsions(2, 6).requires_grad_()

    def through(angles):
        return loss(nerf(angles).reshape(2, 18, 3), native, lengths)

    assert torch.autograd.gradcheck(through, (angles,))


@pytest.mark.parametrize("loss", [rmsd_loss, distance_loss])
def test_losses_do_not_depend_on_the_pose(loss):
    predicted, native = (nerf(torsions(4, 8, seed=s)).reshape(4, 24, 3) for s in (0, 1))
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    rotation *= torch.sign(torch.linalg.det(rotation))
    moved = predicted @ rotation.T + 100.0
    torch.testing.assert_close(loss(moved, native), loss(predicted, native), rtol=1e-9, atol=1e-9)


def test_loss_gradients_are_finite_at_the_minimum():
    angles = torsions(2, 6).requires_grad_()
    native = nerf(angles.detach()).reshape(2, 18, 3)
    coords = nerf(angles).reshape(2, 18, 3)
    (rmsd_loss(coords, native) + distance_loss(coords, native)).sum().backward()
    assert torch.isfinite(angles.grad).all()


def test_rmsd_loss_sees_the_mirror_image_and_distance_loss_does_not():
    native = nerf(torsions(1, 8)).reshape(1, 24, 3)
    mirror = native * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    assert rmsd_loss(mirror, native).item() > 0.5
    assert distance_loss(mirror, native).item() == pytest.approx(1e-4)


def test_descent_recovers_a_native_structure():
    native = nerf(torsions(1, 6)).reshape(1, 18, 3)
    angles = (torsions(1, 6) + 0.3).requires_grad_()
    optimiser = torch.optim.Adam([angles], lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = rmsd_loss(nerf(angles).reshape(1, 18, 3), native).sum()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
