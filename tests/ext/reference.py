"""Plain float64 (or long double) twins of the kernels, written from the papers and not from the C code."""

import numpy as np

from betafold.geometry import ideal


def nerf(torsions, dtype=np.longdouble):
    """Parsons 2005 with explicit cross products: [L, 3] -> [L, 3, 3]."""
    torsions = np.asarray(torsions, dtype)
    angle = dtype(ideal.N_CA_C)
    atoms = [
        np.zeros(3, dtype),
        np.array([ideal.N_CA, 0, 0], dtype),
        np.array([ideal.N_CA - ideal.CA_C * np.cos(angle), ideal.CA_C * np.sin(angle), 0], dtype),
    ]
    for i in range(1, len(torsions)):
        for torsion, bond, angle in (
            (torsions[i - 1, 1], ideal.C_N, ideal.CA_C_N),
            (torsions[i - 1, 2], ideal.N_CA, ideal.C_N_CA),
            (torsions[i, 0], ideal.CA_C, ideal.N_CA_C),
        ):
            a, b, c = atoms[-3:]
            bond, angle = dtype(bond), dtype(angle)
            bc = (c - b) / np.sqrt(((c - b) ** 2).sum())
            normal = np.cross(b - a, bc)
            normal /= np.sqrt((normal**2).sum())
            local = bond * np.array(
                [-np.cos(angle), np.cos(torsion) * np.sin(angle), np.sin(torsion) * np.sin(angle)]
            )
            atoms.append(c + local[0] * bc + local[1] * np.cross(normal, bc) + local[2] * normal)
    return np.array(atoms).reshape(-1, 3, 3)


def kabsch(p, q, weights=None):
    """Singular value decomposition; the RMSD is the norm of the residual. Returns rmsd, rotation, translation."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, float)
    w = w[:, None] / w.sum()
    p_mean, q_mean = (w * p).sum(0), (w * q).sum(0)
    u, _, vt = np.linalg.svd((w * (p - p_mean)).T @ (q - q_mean))
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (vt.T * [1.0, 1.0, sign]) @ u.T
    residual = (p - p_mean) @ rotation.T - (q - q_mean)
    return np.sqrt((w * residual**2).sum()), rotation, q_mean - rotation @ p_mean


def distances(x):
    x = np.asarray(x, float)
    return np.linalg.norm(x[:, None] - x[None], axis=-1)


def lddt(p, q, cutoff=15.0, min_separation=3):
    """Returns the score of the structure and of every residue."""
    dp, dq = distances(p), distances(q)
    index = np.arange(len(p))
    counted = (dq < cutoff) & (np.abs(index[:, None] - index) >= min_separation)
    kept = np.mean([np.abs(dp - dq) < limit for limit in (0.5, 1.0, 2.0, 4.0)], axis=0)
    with np.errstate(invalid="ignore"):
        per_residue = (kept * counted).sum(1) / counted.sum(1)
        return (kept * counted).sum() / counted.sum(), per_residue


def tm_of(p, q, rotation, translation):
    """TM-score under one given superposition."""
    n = len(p)
    d0 = max(0.5, 1.24 * np.cbrt(n - 15.0) - 1.8) if n > 15 else 0.5
    squared = ((p @ rotation.T + translation - q) ** 2).sum(-1)
    return (1 / (1 + squared / d0**2)).mean()
