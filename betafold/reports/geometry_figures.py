"""Figures that rebuild structures: example traces, and how torsion errors turn into RMSD.

Both run on ``betafold_ext``: NeRF for the backbones, Kabsch for superposition and RMSD.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import betafold_ext
from betafold.evaluation.metrics import pad
from betafold.reports import comparison
from betafold.reports.accuracy_figures import model_colours
from betafold.reports.inputs import ModelResults, Run
from betafold.reports.style import GREY, INK, canvas

NOISE = (0, 5, 10, 15, 20, 30, 40, 50, 60, 70)
REPEATS = 8
CA = 1
ANGLES = ("phi", "psi", "omega")


def _torsions(residues: pd.DataFrame, suffix: str = "") -> np.ndarray:
    """[L, 3] in radians of one peptide's residue rows."""
    return np.radians(residues[[f"{angle}{suffix}" for angle in ANGLES]].to_numpy(dtype=np.float64))


def peptides(model: ModelResults) -> list[pd.DataFrame]:
    """Residue rows of each test peptide, in chain order."""
    residues = model.test_residues.sort_values(["id", "position"])
    return [part for _, part in residues.groupby("id", sort=True)]


def noise_curve(model: ModelResults, seed: int = 0) -> pd.DataFrame:
    """Mean CA-RMSD to the native of backbones rebuilt from native torsions plus noise.

    Columns: sigma (degrees, normal noise on phi and psi, independent at every residue), ca_rmsd. Sigma 0 is the
    floor that ideal bond lengths and angles leave.
    """
    known = [
        part
        for part in peptides(model)
        if np.isfinite(part["native_x"]).all() and part[["phi_native", "psi_native"]].notna().any(axis=None)
    ]
    torsions, lengths = pad([np.nan_to_num(_torsions(part, "_native"), nan=np.pi) for part in known])
    native, _ = pad([part[["native_x", "native_y", "native_z"]].to_numpy(dtype=np.float64) for part in known])
    generator = np.random.default_rng(seed)
    rows = []
    for sigma in NOISE:
        values = []
        for _ in range(REPEATS if sigma else 1):
            noisy = torsions.copy()
            noisy[..., :2] += generator.normal(0, np.radians(sigma), noisy[..., :2].shape)
            built = betafold_ext.nerf_batch(noisy, lengths=lengths)[:, :, CA]
            values.append(
                betafold_ext.kabsch_rmsd_batch(np.ascontiguousarray(built), native, lengths=lengths)
            )
        rows.append({"sigma": sigma, "ca_rmsd": float(np.nanmean(values))})
    return pd.DataFrame(rows)


def operating_point(model: ModelResults) -> tuple[float, float]:
    """Root mean square error of phi and psi in degrees, and mean CA-RMSD, of a model on the test split."""
    errors = model.test_residues[["phi_error", "psi_error"]].to_numpy(dtype=np.float64)
    return float(np.sqrt(np.nanmean(errors**2))), float(model.test()["ca_rmsd"].mean())


def sensitivity(run: Run, curve: pd.DataFrame) -> Figure:
    """CA-RMSD against torsion noise, with each model at its own torsion error."""
    figure, (ax,) = canvas(1, width=4.6, height=3.1)
    ax.plot(curve["sigma"], curve["ca_rmsd"], "o-", color=INK, markersize=4, label="native torsions + noise")
    for model in run.models:
        sigma, rmsd = operating_point(model)
        ax.plot(sigma, rmsd, "D", color=model_colours(run)[model.name], markersize=7, label=model.name)
    ax.set(xlabel="RMS error of φ and ψ (°)", ylabel="mean CA-RMSD (Å)")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def example_ids(run: Run) -> dict[str, str]:
    """Best, median and worst test peptide of the main model by CA-RMSD per residue.

    Of whole chains that would be the longest and the shortest; where there are any, lDDT orders them.
    """
    rows = run.main.test().dropna(subset=["ca_rmsd", "lddt"])
    rows = rows.assign(error=-rows["lddt"] if comparison.has_chains(run) else rows["ca_rmsd_per_residue"])
    ordered = rows.sort_values(["error", "id"])["id"].tolist()
    return {"best": ordered[0], "median": ordered[len(ordered) // 2], "worst": ordered[-1]}


def predicted_ca(residues: pd.DataFrame) -> np.ndarray:
    """CA trace [L, 3] of one peptide's residue rows in chain order."""
    if "x" in residues:
        return residues[["x", "y", "z"]].to_numpy(dtype=np.float64)
    # A table from before predictions were kept in it, when every model built them on ideal geometry.
    return np.ascontiguousarray(betafold_ext.nerf_batch(_torsions(residues)[None])[0, :, CA])


def superposed(residues: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """Predicted CA trace moved onto the native one, the native trace (both [L, 3]) and their RMSD."""
    residues = residues.sort_values("position")
    native = residues[["native_x", "native_y", "native_z"]].to_numpy(dtype=np.float64)
    built = predicted_ca(residues)
    known = np.isfinite(native).all(axis=1)
    rmsd, rotation, translation = betafold_ext.kabsch_superpose_batch(built[known][None], native[known][None])
    return built @ rotation[0].T + translation[0], native, float(rmsd[0])


def examples(run: Run) -> Figure:
    """CA traces of the main model's best, median and worst test peptides over the native ones."""
    model = run.main
    figure, axes = canvas(3, height=3.0)
    for ax, (rank, identifier) in zip(axes, example_ids(run).items(), strict=True):
        residues = model.test_residues[model.test_residues["id"] == identifier]
        predicted, native, rmsd = superposed(residues)
        centre = np.nanmean(native, axis=0)
        # The plane that shows most of the native trace.
        _, _, basis = np.linalg.svd(np.nan_to_num(native - centre), full_matrices=False)
        for trace, colour, name, style in (
            (native, GREY, "native", {"linewidth": 3.5, "alpha": 0.7}),
            (predicted, model_colours(run)[model.name], "predicted", {"linewidth": 1.8}),
        ):
            x, y = ((trace - centre) @ basis[:2].T).T
            ax.plot(x, y, "-o", color=colour, markersize=3.5, label=name, **style)
            ax.plot(x[0], y[0], "o", color=colour, markersize=8)
        ax.set_title(f"{rank}: {rmsd:.2f} Å\n{identifier}", fontsize=8.5)
        ax.set_aspect("equal", adjustable="datalim")
        ax.axis("off")
    axes[0].legend(loc="best")
    return figure
