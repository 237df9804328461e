"""Figures of the benchmark page that the calibration page does not have."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import betafold_ext
from betafold.evaluation import baselines
from betafold.evaluation.intervals import mean_interval
from betafold.reports import comparison
from betafold.reports.accuracy_figures import colours
from betafold.reports.benchmark.inputs import Benchmark, Contender
from betafold.reports.geometry_figures import CA, peptides, predicted_ca
from betafold.reports.style import BASELINE_DASHES, GREY, STRATUM_COLOURS, canvas

MIN_PEPTIDES = 10
"""Fewer make no point of a curve."""
FEW = 100
"""Test peptides, below which a tenth of them make a point, but three at least."""
RESAMPLES = 300


def by_length(run: Benchmark) -> Figure:
    """CA-RMSD and distance MAE against length: the best model of each family and the strongest baseline."""
    columns = [name for name in ("ca_rmsd", "distance_mae") if name in comparison.known_metrics(run)]
    figure, axes = canvas(len(columns), height=3.3)
    rival = comparison.strongest_baseline(run.main)
    curves = [(model.name, model.test()) for model in run.representatives()] + [(rival, run.main.test(rival))]
    for ax, column in zip(axes, columns, strict=True):
        text, unit, *_ = comparison.METRICS[column]
        for method, rows in curves:
            bins = comparison.length_bins(rows["length"])
            _curve(ax, rows[column], rows["cluster"], bins, method, colours(run)[method], least(run))
        ax.set(xlabel="residues", ylabel=f"{text} ({unit})", title=text)
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        comparison.scale_lengths(run, ax)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def least(run: Benchmark) -> int:
    """How many peptides make a point of a curve."""
    peptides = len(run.main.test())
    return MIN_PEPTIDES if peptides >= FEW else max(3, peptides // 10)


def _curve(
    ax, values: pd.Series, clusters: pd.Series, at: pd.Series, method: str, colour: str, least: int
) -> None:
    """Mean of ``values`` with its interval at every value of ``at`` that enough peptides have."""
    points = {
        x: mean_interval(part, clusters.loc[part.index], resamples=RESAMPLES)
        for x, part in values.groupby(at)
        if part.notna().sum() >= least
    }
    estimate, low, high = (
        [getattr(cell, name) for cell in points.values()] for name in ("estimate", "low", "high")
    )
    ax.plot(
        list(points), estimate, color=colour, linestyle=BASELINE_DASHES.get(method, "-"), linewidth=1.9,
        marker="o", markersize=3, label=comparison.label(method),
    )  # fmt: skip
    ax.fill_between(list(points), low, high, color=colour, alpha=0.13, linewidth=0)


def separation_errors(model: Contender) -> dict[str, pd.DataFrame]:
    """Mean |predicted - native| CA distance of each test peptide and each |i - j|, of the model and a constant helix.

    Two tables with columns cluster, separation, error (Angstrom).
    """
    tables: dict[str, list] = {model.name: [], "helix": []}
    for part in peptides(model):
        native = part[["native_x", "native_y", "native_z"]].to_numpy(dtype=np.float64)
        helix = baselines.build(baselines.constant(baselines.HELIX)("", "A" * len(part)))[0, :, CA]
        distances = betafold_ext.distance_matrix_batch(np.stack([native, predicted_ca(part), helix]))
        left, right = np.triu_indices(len(part), k=1)
        for method, predicted in zip(tables, distances[1:], strict=True):
            errors = pd.Series(np.abs(predicted - distances[0])[left, right]).dropna()
            means = errors.groupby((right - left)[errors.index]).mean()
            tables[method].append(means.rename_axis("separation").reset_index(name="error"))
            tables[method][-1]["cluster"] = part["cluster"].iloc[0]
    return {method: pd.concat(parts, ignore_index=True) for method, parts in tables.items()}


def by_separation(run: Benchmark, errors: dict[str, pd.DataFrame]) -> Figure:
    """Distance error against |i - j|, of ``separation_errors`` of several models."""
    figure, (ax,) = canvas(1, width=5.6, height=3.3)
    for method, rows in errors.items():
        _curve(
            ax, rows["error"], rows["cluster"], rows["separation"], method, colours(run)[method], least(run)
        )
    ax.set(xlabel="residues apart along the chain, |i − j|", ylabel="mean distance error (Å)")
    ax.set_ylim(bottom=0)
    if comparison.has_chains(run):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.legend()
    return figure


def head_to_head(first: Contender, second: Contender) -> Figure:
    """CA-RMSD of two models, one dot per test peptide."""
    rows = first.test().merge(second.test()[["id", "ca_rmsd"]], on="id", suffixes=("", "_other"))
    figure, (ax,) = canvas(1, width=4.2, height=3.9)
    for group, colour in STRATUM_COLOURS.items():
        part = rows[rows["helical"] == (group == "helical")]
        ax.plot(
            part["ca_rmsd"],
            part["ca_rmsd_other"],
            "o",
            color=colour,
            markersize=4,
            alpha=0.6,
            mew=0,
            label=group,
        )
    limit = 1.05 * float(np.nanmax(rows[["ca_rmsd", "ca_rmsd_other"]].to_numpy()))
    ax.plot([0, limit], [0, limit], color=GREY, linewidth=1, linestyle="--", label="equal")
    ax.set(xlabel=f"CA-RMSD of {first.name} (Å)", ylabel=f"CA-RMSD of {second.name} (Å)", aspect="equal")
    ax.set(xlim=(0, limit), ylim=(0, limit))
    ax.legend(loc="upper left")
    return figure
