"""NeRF as a differentiable torch operation on the CPU kernels."""

import torch

import betafold_ext


class _Nerf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, torsions, lengths):
        angles = torsions.detach()
        coords = betafold_ext.nerf_batch(angles, lengths, n_threads=torch.get_num_threads())
        ctx.save_for_backward(angles, coords)
        ctx.lengths = lengths
        return coords

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_coords):
        angles, coords = ctx.saved_tensors
        grad = betafold_ext.nerf_batch_vjp(
            angles,
            coords.detach(),
            grad_coords.detach().contiguous(),
            ctx.lengths,
            n_threads=torch.get_num_threads(),
        )
        return grad, None


def nerf(torsions, lengths=None):
    """Differentiable `betafold_ext.nerf_batch`.

    Args:
        torsions: torch tensor [B, L, 3], phi, psi, omega in radians, float32 or float64. A tensor on another device
            is computed on the CPU and the result brought back.
        lengths: [B] integers, residues of each item; all L when None.

    Returns:
        coords [B, L, 3, 3], atoms N, CA, C in Angstrom, NaN beyond `lengths`. The gradient of phi(1), psi(L), omega(L)
        and padding is zero. Differentiating twice raises RuntimeError: the kernels have no second derivative.
    """
    if torsions.device.type == "cpu":
        return _Nerf.apply(torsions, lengths)
    if lengths is not None:
        lengths = torch.as_tensor(lengths).cpu()
    return _Nerf.apply(torsions.cpu(), lengths).to(torsions.device)
