"""Measures coordinates from distances against other libraries: `python benchmarks/scaling.py [--rounds N]`.

One process, one thread, candidates interleaved. Runs in the environment of the package, which has scikit-learn; the
table belongs into docs/performance.md. Matrices are those of chains of helices and strands with 0.5 A of noise. (s): a
subset, multiplied; errors are those of the subset for all.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from sklearn.manifold import ClassicalMDS, smacof
from timing import interleave

import betafold_ext
from betafold.geometry.scaling import ca_from_distances, classical_mds
from betafold.geometry.stress import minimise_stress
from betafold.geometry.trace import backbone_from_ca

torch.set_num_threads(1)
NOISE = 0.5  # Angstrom
ITERATIONS = 100


def matrices(batch, length):
    """Noisy CA distances float64 [B, L, L] of chains of helices and strands."""
    generator = np.random.default_rng(length)
    is_helix = np.repeat(generator.random((batch, length // 8 + 1, 1)) < 0.5, 8, axis=1)[:, :length]
    torsions = np.where(is_helix, [-63.0, -42.0, 180.0], [-110.0, 130.0, 180.0])
    torsions = np.radians(torsions + generator.normal(size=torsions.shape) * [15.0, 15.0, 3.0])
    distances = betafold_ext.distance_matrix_batch(betafold_ext.nerf_batch(torsions)[:, :, 1].copy())
    noise = NOISE / 2**0.5 * generator.normal(size=distances.shape)
    noisy = torch.from_numpy(np.maximum(distances + noise + noise.transpose(0, 2, 1), 0.1))
    noisy.diagonal(dim1=1, dim2=2).zero_()
    return noisy


def rms_error(ca, distances):
    """Mean over the batch of the root mean square error of the distances."""
    ca = torch.as_tensor(ca)
    pairs = distances.shape[1] * (distances.shape[1] - 1)
    errors = torch.cdist(ca, ca) - distances[: len(ca)]
    return errors.square().sum((1, 2)).div(pairs).sqrt().mean().item()


def torch_eigh(distances):
    """Classical scaling of a padded batch as one writes it in torch."""
    length = distances.shape[1]
    centring = torch.eye(length, dtype=distances.dtype) - 1 / length
    values, vectors = torch.linalg.eigh(-0.5 * centring @ distances.square() @ centring)
    return vectors[..., -3:] * values[:, None, -3:].clamp(min=0).sqrt()


def torch_svd(distances):
    length = distances.shape[1]
    centring = torch.eye(length, dtype=distances.dtype) - 1 / length
    left, values, _ = torch.linalg.svd(-0.5 * centring @ distances.square() @ centring)
    return left[..., :3] * values[:, None, :3].sqrt()


def torch_smacof(distances, start):
    """Guttman transforms of the whole batch, as one writes them in torch."""
    ca = start
    for _ in range(ITERATIONS):
        ratio = distances / torch.cdist(ca, ca).clamp(min=1e-9)
        majorant = torch.diag_embed(ratio.sum(2)) - ratio
        ca = majorant @ ca / distances.shape[1]
    return ca


def sklearn_smacof(distances, start):
    return np.stack(
        [
            smacof(d, n_components=3, init=x, n_init=1, max_iter=ITERATIONS, eps=0.0)[0]
            for d, x in zip(distances.numpy(), start.numpy(), strict=True)
        ]
    )


def classical(distances, subset):
    part = distances[:subset].numpy()
    return {
        "betafold": (lambda: classical_mds(distances)[0], 1),
        "torch eigh": (lambda: torch_eigh(distances), 1),
        "torch svd": (lambda: torch_svd(distances[:subset]), len(distances) / subset),
        "scikit-learn ClassicalMDS": (
            lambda: np.stack([ClassicalMDS(3, metric="precomputed").fit_transform(d) for d in part]),
            len(distances) / subset,
        ),
    }


def stress(distances, subset):
    start = classical_mds(distances)[0]
    return {
        "betafold, to convergence": (lambda: minimise_stress(start, distances, 0.0), 1),
        f"betafold, {ITERATIONS} iterations": (
            lambda: minimise_stress(start, distances, 0.0, ITERATIONS, tolerance=0.0),
            1,
        ),
        f"torch, {ITERATIONS} iterations": (
            lambda: torch_smacof(distances[:subset], start[:subset]),
            len(distances) / subset,
        ),
        f"scikit-learn, {ITERATIONS} iterations": (
            lambda: sklearn_smacof(distances[:subset], start[:subset]),
            len(distances) / subset,
        ),
    }


def whole(distances, _):
    ca = ca_from_distances(distances).ca
    return {
        "ca_from_distances": (lambda: ca_from_distances(distances).ca, 1),
        "backbone_from_ca": (lambda: backbone_from_ca(ca)[:, :, 1], 1),
    }


TASKS = {"classical scaling": classical, "stress minimisation": stress, "whole": whole}
SIZES = ((200, 30, 20), (16, 128, 4), (1, 512, 1))  # batch, length, subset for the slow ones


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("| task | size | candidate | ms | RMS error of distances, A |\n|---|---|---|---|---|")
    for name, task in TASKS.items():
        for batch, length, subset in SIZES:
            distances = matrices(batch, length)
            candidates = task(distances, subset)
            times = interleave(candidates, rounds)
            for candidate, (function, scale) in candidates.items():
                mark = " (s)" if scale != 1 else ""
                print(
                    f"| {name} | {batch} x {length} | {candidate}{mark} | {times[candidate].median * 1e3:.3g} "
                    f"| {rms_error(function()[:subset], distances):.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
