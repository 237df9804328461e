"""NeRF as one would write it with each of the peers. All use the constants and the frame of betafold_ext."""

import math

import jax
import jax.numpy as jnp
import numba
import numpy as np
from torch_nerf import COS_BEND, FIRST_C, LENGTHS, SIN_BEND


@numba.njit(fastmath=True)
def _numba_loop(torsions, cos_bend, sin_bend, length, first_c):
    batch, residues, _ = torsions.shape
    zero, one = torsions.dtype.type(0), torsions.dtype.type(1)
    coords = np.empty((batch, residues, 3, 3), torsions.dtype)
    for b in range(batch):
        a0, a1, a2 = cos_bend[2], sin_bend[2], zero
        i0, i1, i2 = -sin_bend[2], cos_bend[2], zero
        n0, n1, n2 = zero, zero, one
        x, y, z = first_c[0], first_c[1], zero
        coords[b, 0] = zero
        coords[b, 0, 1, 0] = length[1]
        coords[b, 0, 2, 0] = x
        coords[b, 0, 2, 1] = y
        for i in range(1, residues):
            for k in range(3):
                angle = torsions[b, i, 0] if k == 2 else torsions[b, i - 1, k + 1]
                c, s = math.cos(angle), math.sin(angle)
                u0, u1, u2 = c * i0 + s * n0, c * i1 + s * n1, c * i2 + s * n2
                n0, n1, n2 = c * n0 - s * i0, c * n1 - s * i1, c * n2 - s * i2
                i0, i1, i2 = (
                    cos_bend[k] * u0 - sin_bend[k] * a0,
                    cos_bend[k] * u1 - sin_bend[k] * a1,
                    cos_bend[k] * u2 - sin_bend[k] * a2,
                )
                a0, a1, a2 = (
                    cos_bend[k] * a0 + sin_bend[k] * u0,
                    cos_bend[k] * a1 + sin_bend[k] * u1,
                    cos_bend[k] * a2 + sin_bend[k] * u2,
                )
                x += length[k] * a0
                y += length[k] * a1
                z += length[k] * a2
                coords[b, i, k, 0] = x
                coords[b, i, k, 1] = y
                coords[b, i, k, 2] = z
    return coords


def numba_loop(torsions):
    """A hand-written loop with carried frames: the algorithm of betafold_ext, one chain after another."""
    constants = (np.array(values, torsions.dtype) for values in (COS_BEND, SIN_BEND, LENGTHS, FIRST_C))
    return _numba_loop(torsions, *constants)


@jax.jit
def jax_scan(torsions):
    """lax.scan over the residues, vectorised over the batch, carried frames."""
    batch, dtype = torsions.shape[0], torsions.dtype

    def vector(*values):
        return jnp.broadcast_to(jnp.array(values, dtype), (batch, 3))

    def step(carry, angles):
        along, inward, normal, at = carry
        atoms = []
        for k in range(3):
            c, s = jnp.cos(angles[:, k, None]), jnp.sin(angles[:, k, None])
            turned = c * inward + s * normal
            normal = c * normal - s * inward
            inward = COS_BEND[k] * turned - SIN_BEND[k] * along
            along = COS_BEND[k] * along + SIN_BEND[k] * turned
            at = at + LENGTHS[k] * along
            atoms.append(at)
        return (along, inward, normal, at), jnp.stack(atoms, 1)

    start = (
        vector(COS_BEND[2], SIN_BEND[2], 0),
        vector(-SIN_BEND[2], COS_BEND[2], 0),
        vector(0, 0, 1),
        vector(*FIRST_C),
    )
    first = jnp.stack([vector(0, 0, 0), vector(LENGTHS[1], 0, 0), vector(*FIRST_C)], 1)[:, None]
    turns = jnp.concatenate([torsions[:, :-1, 1:], torsions[:, 1:, :1]], -1)
    _, rest = jax.lax.scan(step, start, jnp.swapaxes(turns, 0, 1))
    return jnp.concatenate([first, jnp.swapaxes(rest, 0, 1)], 1)


@jax.jit
def jax_scan_vjp(torsions, grad):
    return jax.vjp(jax_scan, torsions)[1](grad)[0]
