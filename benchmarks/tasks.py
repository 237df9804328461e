"""What is measured. A task gives the extension's function, its peers, and the least work that any method must do."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import jax
import mdtraj
import numpy as np
import tmtools
import torch
from biotite import structure
from MDAnalysis.lib.distances import calc_dihedrals

sys.path.insert(0, str(Path(__file__).resolve().parent))
import nerf_peers
import torch_nerf

import betafold_ext

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
RNG = np.random.default_rng(20)


@dataclass(frozen=True)
class Task:
    name: str
    ours: object
    peers: dict  # name -> (function, scale)
    must: dict  # name of a peer -> ratio that the extension has to reach
    megabytes: float  # read and written once
    megaflops: (
        float  # additions, multiplications, square roots and divisions of the extension's own algorithm
    )
    note: str = ""
    check: dict = field(default_factory=dict)  # name of a peer -> tolerance of the results' difference


def torsions(batch, length, dtype):
    return RNG.uniform(-np.pi, np.pi, (batch, length, 3)).astype(dtype)


def chains(batch, atoms):
    """Random chains with CA-CA distances of 3.8 Angstrom."""
    steps = RNG.normal(size=(batch, atoms, 3))
    return np.cumsum(3.8 * steps / np.linalg.norm(steps, axis=-1, keepdims=True), axis=1).astype(np.float32)


def nerf(batch, length, dtype):
    angles = torsions(batch, length, dtype)
    tensor, jax_array = torch.from_numpy(angles), jax.numpy.asarray(angles)
    precision = "float32" if dtype == np.float32 else "float64"
    must = {"numba loop": 5, "jax scan": 15, "torch loop": 20} if dtype == np.float32 else {"numba loop": 3}
    return Task(
        f"NeRF {precision}, {batch} x {length}",
        lambda: betafold_ext.nerf_batch(angles),
        {
            "numba loop": (lambda: nerf_peers.numba_loop(angles), 1),
            "jax scan": (lambda: nerf_peers.jax_scan(jax_array).block_until_ready(), 1),
            "torch loop": (lambda: torch_nerf.torch_loop(tensor), 1),
        },
        must,
        megabytes=angles.nbytes * 4 / 1e6,
        megaflops=batch * length * (3 * (54 + 6 + 38) + 20) / 1e6,
        check={"numba loop": 1e-3, "jax scan": 1e-3, "torch loop": 5e-2},
    )


def nerf_gradient(batch, length):
    from betafold.geometry.autograd import nerf as differentiable

    tensor = torch.from_numpy(torsions(batch, length, np.float32)).requires_grad_()
    weights = torch.randn(batch, length, 3, 3)
    jax_array, jax_weights = jax.numpy.asarray(tensor.detach().numpy()), jax.numpy.asarray(weights.numpy())

    def gradient(function):
        return torch.autograd.grad(function(tensor), tensor, weights)[0]

    return Task(
        f"NeRF forward + backward through torch, {batch} x {length}",
        lambda: gradient(differentiable),
        {
            "jax jit vjp": (lambda: nerf_peers.jax_scan_vjp(jax_array, jax_weights).block_until_ready(), 1),
            "torch loop autograd": (lambda: gradient(torch_nerf.torch_loop), 1),
        },
        {"jax jit vjp": 12, "torch loop autograd": 60},
        megabytes=batch * length * 4 * (3 + 9 + 9 + 9 + 3) / 1e6,
        megaflops=batch * length * (314 + 3 * 31) / 1e6,
        check={"jax jit vjp": 5e-2},
    )


def torch_svd(p, q):
    """Kabsch RMSD of all pairs in one batched singular value decomposition."""
    p, q = p - p.mean(1, keepdim=True), q - q.mean(1, keepdim=True)
    correlation = p.transpose(1, 2) @ q
    values = torch.linalg.svdvals(correlation)
    best = values[:, 0] + values[:, 1] + values[:, 2] * torch.sign(torch.linalg.det(correlation))
    energy = (p * p).sum((1, 2)) + (q * q).sum((1, 2))
    return torch.sqrt(torch.clamp(energy - 2 * best, min=0) / p.shape[1])


def pairs(batch, atoms, must):
    p, q = chains(batch, atoms), chains(batch, atoms)
    tensors = torch.from_numpy(p), torch.from_numpy(q)
    return Task(
        f"Kabsch RMSD, {batch} pairs of {atoms} atoms",
        lambda: betafold_ext.kabsch_rmsd_batch(p, q),
        {"torch SVD": (lambda: torch_svd(*tensors), 1)},
        {"torch SVD": must},
        megabytes=2 * p.nbytes / 1e6,
        megaflops=batch * (atoms * 42 + 350) / 1e6,
        check={"torch SVD": 1e-3},
    )


def reference(batch, atoms):
    x = chains(batch, atoms)
    plain, centred = mdtraj.Trajectory(x / 10, None), mdtraj.Trajectory(x / 10, None)
    centred.center_coordinates()
    return Task(
        f"RMSD, one reference against {batch} of {atoms} atoms",
        lambda: betafold_ext.rmsd_to_reference(x, x[0]),
        {
            "mdtraj": (lambda: mdtraj.rmsd(plain, plain, 0, parallel=False) * 10, 1),
            "mdtraj precentered": (
                lambda: mdtraj.rmsd(centred, centred, 0, parallel=False, precentered=True) * 10,
                1,
            ),
        },
        {"mdtraj": 1.5, "mdtraj precentered": 1.0},
        megabytes=x.nbytes / 1e6,
        megaflops=batch * (atoms * 30 + 350) / 1e6,
        note="mdtraj sums in float32 and is up to 1e-2 A off for nearly identical structures",
        check={"mdtraj": 5e-2},
    )


def matrix(count, atoms):
    x = chains(count, atoms)
    trajectory = mdtraj.Trajectory(x / 10, None)
    trajectory.center_coordinates()

    def peer():
        rows = [
            mdtraj.rmsd(trajectory, trajectory, i, parallel=False, precentered=True) for i in range(count)
        ]
        return 10 * np.array(rows)

    return Task(
        f"RMSD, all against all, {count} of {atoms} atoms",
        lambda: betafold_ext.rmsd_matrix(x),
        {"mdtraj": (peer, 1)},
        {"mdtraj": 6},
        megabytes=(x.nbytes + count * count * 4) / 1e6,
        megaflops=count * count / 2 * (atoms * 18 + 350) / 1e6,
        note="the extension computes half of the symmetric matrix",
        check={"mdtraj": 5e-2},
    )


def dihedrals(batch, length):
    coords = betafold_ext.nerf_batch(torsions(batch, length, np.float32))

    def peer():
        atoms = coords.reshape(batch, 3 * length, 3)
        return calc_dihedrals(
            *(np.ascontiguousarray(atoms[:, k : 3 * length - 3 + k]).reshape(-1, 3) for k in range(4))
        )

    return Task(
        f"Torsions, {batch} x {length}",
        lambda: betafold_ext.torsions_batch(coords),
        {"MDAnalysis": (peer, 1)},
        {"MDAnalysis": 12},
        megabytes=coords.nbytes * 4 / 3 / 1e6,
        megaflops=batch * (3 * length - 3) * 55 / 1e6,
    )


def lddt(batch, atoms, subset):
    native = chains(batch, atoms)
    predicted = native + RNG.normal(size=native.shape).astype(np.float32)

    def atom_array(coords):
        array = structure.AtomArray(atoms)
        array.coord, array.res_id, array.atom_name[:] = coords, np.arange(atoms), "CA"
        return array

    arrays = [(atom_array(native[i]), atom_array(predicted[i])) for i in range(subset)]
    return Task(
        f"lDDT, {batch} pairs of {atoms} CA",
        lambda: betafold_ext.lddt_batch(predicted, native, min_separation=1),
        {"biotite": (lambda: np.array([structure.lddt(*pair) for pair in arrays]), batch / subset)},
        {"biotite": 50},
        megabytes=2 * native.nbytes / 1e6,
        megaflops=batch * atoms * (atoms - 1) / 2 * 30 / 1e6,
        check={"biotite": 1e-5},
    )


def tm_score(batch, atoms, subset):
    native = chains(batch, atoms)
    predicted = native + 1.5 * RNG.normal(size=native.shape).astype(np.float32)
    wide = predicted[:subset].astype(float), native[:subset].astype(float)
    sequence = "A" * atoms

    def peer():
        return np.array(
            [tmtools.tm_align(p, q, sequence, sequence).tm_norm_chain2 for p, q in zip(*wide, strict=True)]
        )

    return Task(
        f"TM-score, {batch} pairs of {atoms} CA",
        lambda: betafold_ext.tm_score_batch(predicted, native),
        {"tmtools": (peer, batch / subset)},
        {"tmtools": 10},
        megabytes=2 * native.nbytes / 1e6,
        megaflops=float("nan"),
        note="tmtools (TM-align) also searches the alignment; no installable peer searches superpositions only",
    )


TASKS = {
    "nerf-f32-20": lambda: nerf(10_000, 20, np.float32),
    "nerf-f32-30": lambda: nerf(10_000, 30, np.float32),
    "nerf-f64-20": lambda: nerf(10_000, 20, np.float64),
    "nerf-f64-30": lambda: nerf(10_000, 30, np.float64),
    "nerf-gradient": lambda: nerf_gradient(256, 30),
    "pairs-20": lambda: pairs(10_000, 20, 12),
    "pairs-60": lambda: pairs(10_000, 60, 8),
    "reference-60": lambda: reference(10_000, 60),
    "matrix": lambda: matrix(1000, 60),
    "torsions": lambda: dihedrals(10_000, 20),
    "lddt": lambda: lddt(10_000, 30, 100),
    "tm-score": lambda: tm_score(10_000, 30, 50),
}
