"""How far a predicted backbone is from the native one.

Chains are lists of arrays of different length. A residue that either side lacks is NaN and is left out
of the comparison; a chain with fewer than ``MIN_RESIDUES`` shared residues scores NaN. All superpositions
are proper rotations, so a mirror image is not a hit. The arithmetic is that of ``betafold_ext``.
"""

import numpy as np

import betafold_ext

MIN_RESIDUES = 4
LDDT_MIN_SEPARATION = 3
"""Neighbours along the chain are at nearly fixed distances and would only flatter the score."""

CA_SCORES = (
    *(
        "n_compared",
        "ca_rmsd",
        "ca_rmsd_per_residue",
        "ca_rmsd_mirror_image",
        "drmsd",
        "distance_mae",
        "distance_mse",
        "lddt",
        "gdt_ts",
        "gdt_ha",
        "tm_score",
        "tm_d0",
    ),
    *("error_first_third", "error_middle_third", "error_last_third", "end_drift"),
)
THIRDS = CA_SCORES[-4:-1]

MIRROR = np.array([1.0, 1.0, -1.0])

Chains = list[np.ndarray]


def pad(chains: Chains) -> tuple[np.ndarray, np.ndarray]:
    """Stack chains [L_i, ...] into one zero-padded float64 array [B, max L, ...] and their lengths [B]."""
    lengths = np.array([len(chain) for chain in chains], dtype=np.int64)
    stacked = np.zeros((len(chains), lengths.max(), *chains[0].shape[1:]))
    for row, chain in zip(stacked, chains, strict=True):
        row[: len(chain)] = chain
    return stacked, lengths


def shared_residues(predicted: np.ndarray, native: np.ndarray) -> np.ndarray:
    """Mask [L] of the residues whose points [L, 3] are known on both sides."""
    return np.isfinite(predicted).all(axis=-1) & np.isfinite(native).all(axis=-1)


def _compared(predicted: Chains, native: Chains) -> tuple[list[int], Chains, Chains]:
    """Indices of the chains that can be compared and, for those, the shared points of both sides."""
    indices, left, right = [], [], []
    for index, (ours, theirs) in enumerate(zip(predicted, native, strict=True)):
        shared = shared_residues(ours, theirs)
        if shared.sum() >= MIN_RESIDUES:
            indices.append(index)
            left.append(ours[shared])
            right.append(theirs[shared])
    return indices, left, right


def tm_d0(length: int) -> float:
    """Distance scale of TM-score in Angstrom: Zhang & Skolnick (2004), 0.5 up to 21 residues as in TM-align."""
    return 0.5 if length <= 21 else 1.24 * np.cbrt(length - 15) - 1.8


def ca_scores(predicted: Chains, native: Chains) -> dict[str, np.ndarray]:
    """Scores of CA traces [L_i, 3] in Angstrom (lDDT, GDT and TM-score on 0-1), each an array [B].

    ``distance_mae`` (Angstrom) and ``distance_mse`` (Angstrom squared) are the mean absolute and mean square
    difference of the CA-CA distances of all pairs i < j; ``drmsd`` is the root of the latter, ``ca_rmsd_mirror_image``
    the CA-RMSD of the prediction's mirror image, which distances cannot tell from it. ``error_first_third`` and its two
    companions are mean CA deviations along the chain after one superposition of the whole chain;
    ``end_drift`` is the mean deviation of the last third when only the first third is superposed, that is
    how far small torsion errors have carried the end of the chain.
    """
    scores = {name: np.full(len(predicted), np.nan) for name in CA_SCORES}
    scores["n_compared"] = np.array(
        [shared_residues(ours, theirs).sum() for ours, theirs in zip(predicted, native, strict=True)]
    )
    indices, left, right = _compared(predicted, native)
    if not indices:
        return scores
    ours, lengths = pad(left)
    theirs, _ = pad(right)
    rmsd, rotation, translation = betafold_ext.kabsch_superpose_batch(ours, theirs, lengths=lengths)
    gdt_ts, gdt_ha = betafold_ext.gdt_batch(ours, theirs, lengths=lengths)
    values = {
        "ca_rmsd": rmsd,
        "ca_rmsd_per_residue": rmsd / lengths,
        "ca_rmsd_mirror_image": betafold_ext.kabsch_rmsd_batch(ours * MIRROR, theirs, lengths=lengths),
        **_distance_errors(left, right),
        "lddt": betafold_ext.lddt_batch(ours, theirs, lengths=lengths, min_separation=LDDT_MIN_SEPARATION),
        "gdt_ts": gdt_ts,
        "gdt_ha": gdt_ha,
        "tm_score": betafold_ext.tm_score_batch(ours, theirs, lengths=lengths),
        "tm_d0": np.array([tm_d0(length) for length in lengths]),
        "end_drift": _end_drift(left, right),
        **_errors_by_third(ours, theirs, lengths, rotation, translation),
    }
    for name, value in values.items():
        scores[name][indices] = value
    return scores


def _distance_errors(ours: Chains, theirs: Chains) -> dict[str, np.ndarray]:
    """MAE, MSE and its root, each [B], of the CA-CA distances of all pairs i < j of traces [L_i, 3]."""
    absolute, square = np.empty((2, len(ours)))
    for row, chains in enumerate(zip(ours, theirs, strict=True)):
        predicted, native = betafold_ext.distance_matrix_batch(np.stack(chains))
        pairs = len(native) * (len(native) - 1)  # both halves of the matrix; its diagonal adds nothing
        difference = predicted - native
        absolute[row] = np.abs(difference).sum() / pairs
        square[row] = (difference**2).sum() / pairs
    return {"distance_mae": absolute, "distance_mse": square, "drmsd": np.sqrt(square)}


def _thirds(length: int) -> list[slice]:
    """First, middle and last third of a chain; the middle takes the remainder."""
    third = length // 3
    return [slice(0, third), slice(third, length - third), slice(length - third, length)]


def _errors_by_third(ours, theirs, lengths, rotation, translation) -> dict[str, np.ndarray]:
    """Mean CA deviation [B] in each third of the chain after superposing all of it."""
    moved = ours @ np.swapaxes(rotation, 1, 2) + translation[:, None, :]
    deviation = np.linalg.norm(moved - theirs, axis=-1)
    columns = np.array(
        [
            [row[part].mean() if row[part].size else np.nan for part in _thirds(length)]
            for row, length in zip(deviation, lengths, strict=True)
        ]
    )
    return dict(zip(THIRDS, columns.T, strict=True))


def _end_drift(ours: Chains, theirs: Chains) -> np.ndarray:
    """Mean CA deviation [B] of the last third after superposing the first (NaN below 9 residues)."""
    drift = np.full(len(ours), np.nan)
    # Fewer than three points do not fix a frame.
    indices = [index for index, chain in enumerate(ours) if len(chain) >= 9]
    if not indices:
        return drift
    starts = [_thirds(len(ours[index]))[0] for index in indices]
    left, lengths = pad([ours[index][start] for index, start in zip(indices, starts, strict=True)])
    right, _ = pad([theirs[index][start] for index, start in zip(indices, starts, strict=True)])
    _, rotation, translation = betafold_ext.kabsch_superpose_batch(left, right, lengths=lengths)
    for row, index in enumerate(indices):
        end = _thirds(len(ours[index]))[2]
        moved = ours[index][end] @ rotation[row].T + translation[row]
        drift[index] = np.linalg.norm(moved - theirs[index][end], axis=-1).mean()
    return drift


def rmsd(predicted: Chains, native: Chains) -> np.ndarray:
    """RMSD [B] in Angstrom after optimal proper rotation, over points [L_i, 3] known on both sides."""
    result = np.full(len(predicted), np.nan)
    indices, left, right = _compared(predicted, native)
    if indices:
        ours, lengths = pad(left)
        theirs, _ = pad(right)
        result[indices] = betafold_ext.kabsch_rmsd_batch(ours, theirs, lengths=lengths)
    return result


def ca_deviation(predicted: np.ndarray, native: np.ndarray) -> np.ndarray:
    """Distance [L] in Angstrom of each point [L, 3] from its native after superposing the whole chain."""
    shared = shared_residues(predicted, native)
    deviation = np.full(len(predicted), np.nan)
    if shared.sum() >= MIN_RESIDUES:
        ours, theirs = predicted[shared].astype(np.float64), native[shared].astype(np.float64)
        _, rotation, translation = betafold_ext.kabsch_superpose_batch(ours[None], theirs[None])
        deviation[shared] = np.linalg.norm(ours @ rotation[0].T + translation[0] - theirs, axis=-1)
    return deviation


def backbone_rmsd(predicted: Chains, native: Chains) -> np.ndarray:
    """RMSD [B] over N, CA and C of chains [L_i, 3 atoms, 3], residues with all three on both sides."""
    left, right = [], []
    for ours, theirs in zip(predicted, native, strict=True):
        complete = np.isfinite(ours).all(axis=(1, 2)) & np.isfinite(theirs).all(axis=(1, 2))
        left.append(ours[complete].reshape(-1, 3))
        right.append(theirs[complete].reshape(-1, 3))
    return rmsd(left, right)


def residue_lddt(predicted: Chains, native: Chains) -> Chains:
    """Per-residue lDDT on 0-1 of CA traces [L_i, 3]: arrays [L_i], NaN where not compared.

    Mariani et al. (2013): 15 Angstrom, thresholds 0.5, 1, 2 and 4, here without pairs closer than
    ``LDDT_MIN_SEPARATION`` among the compared residues.
    """
    result = [np.full(len(chain), np.nan) for chain in predicted]
    indices, left, right = _compared(predicted, native)
    if not indices:
        return result
    ours, lengths = pad(left)
    theirs, _ = pad(right)
    values = betafold_ext.lddt_batch(
        ours, theirs, lengths=lengths, per_residue=True, min_separation=LDDT_MIN_SEPARATION
    )
    for row, index in enumerate(indices):
        result[index][shared_residues(predicted[index], native[index])] = values[row, : lengths[row]]
    return result


def torsions(chains: Chains) -> Chains:
    """phi, psi, omega in radians [L_i, 3] of chains [L_i, 3 atoms, 3]; NaN where undefined."""
    coords, lengths = pad(chains)
    values = betafold_ext.torsions_batch(coords, lengths=lengths)
    return [value[:length] for value, length in zip(values, lengths, strict=True)]


def torsion_errors(predicted: np.ndarray, native: np.ndarray) -> np.ndarray:
    """Absolute angular differences in degrees, 0-180, of angles in radians (any equal shapes)."""
    difference = np.asarray(predicted, dtype=np.float64) - np.asarray(native, dtype=np.float64)
    return np.degrees(np.abs(np.arctan2(np.sin(difference), np.cos(difference))))


def mean_torsion_errors(predicted: Chains, native: Chains) -> dict[str, np.ndarray]:
    """Mean absolute error [B] in degrees of phi, psi and omega, over the residues where both exist."""
    rows = []
    for ours, theirs in zip(predicted, native, strict=True):
        errors = torsion_errors(ours, theirs)
        known = np.isfinite(errors).sum(axis=0)
        sums = np.nansum(errors, axis=0)
        rows.append(np.divide(sums, known, out=np.full(3, np.nan), where=known > 0))
    return dict(zip(("phi_mae", "psi_mae", "omega_mae"), np.array(rows).T, strict=True))


def ensemble_scores(predicted: np.ndarray, models: np.ndarray) -> dict[str, float]:
    """One CA trace [L, 3] against all models [M, L, 3] of an NMR entry.

    ``ensemble_spread`` is the mean pairwise CA-RMSD among the models: the noise floor of the experiment.
    """
    known = np.isfinite(models).all(axis=(0, 2)) & np.isfinite(predicted).all(axis=-1)
    if len(models) < 2 or known.sum() < MIN_RESIDUES:
        return {"ca_rmsd_closest_model": np.nan, "ensemble_spread": np.nan}
    traces = np.ascontiguousarray(models[:, known], dtype=np.float64)
    ours = np.ascontiguousarray(predicted[known], dtype=np.float64)
    pairwise = betafold_ext.rmsd_matrix(traces)[np.triu_indices(len(traces), k=1)]
    return {
        "ca_rmsd_closest_model": float(betafold_ext.rmsd_to_reference(traces, ours).min()),
        "ensemble_spread": float(pairwise.mean()),
    }
