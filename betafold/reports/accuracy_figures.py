"""Figures on accuracy: against baselines, by length, along the chain, by torsion basin and residue type."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from betafold.evaluation.baselines import METHODS
from betafold.evaluation.intervals import mean_interval
from betafold.reports import comparison
from betafold.reports.inputs import ModelResults, Run
from betafold.reports.style import (
    BASELINE_COLOURS,
    BASELINE_DASHES,
    GREY,
    INK,
    MODEL_COLOURS,
    STRATUM_COLOURS,
    canvas,
)


def model_colours(run: Run) -> dict[str, str]:
    """A colour per model, in order."""
    colours = (MODEL_COLOURS * (len(run.models) // len(MODEL_COLOURS) + 1))[: len(run.models)]
    return {model.name: colour for model, colour in zip(run.models, colours, strict=True)}


def colours(run: Run) -> dict[str, str]:
    """A colour per method."""
    return {**model_colours(run), **BASELINE_COLOURS}


def by_method(run: Run, strata: list[dict]) -> Figure:
    """Mean CA-RMSD with intervals: all, helical and other test peptides (of ``comparison.stratum_table``)."""
    groups = [record for record in strata if record["stratum"] in ("all", "structure")]
    names = [method for _, method in comparison.methods(run)]
    palette = colours(run)
    figure, axes = canvas(len(groups), height=1.2 + 0.3 * len(names), sharey=True, sharex=True)
    for ax, record in zip(axes, groups, strict=True):
        for row, method in enumerate(names):
            cell = record["cells"][method]
            ax.plot(
                [cell.low, cell.high], [row, row], color=palette[method], linewidth=2, solid_capstyle="round"
            )
            ax.plot(
                cell.estimate, row, "s" if method in METHODS else "o", color=palette[method], markersize=6
            )
        ax.set_title(f"{record['group']} (n = {record['n']})")
        ax.set_yticks(range(len(names)), [comparison.label(name) for name in names])
    axes[0].set_xlim(left=0)
    axes[0].invert_yaxis()
    figure.supxlabel("mean CA-RMSD (Å) with 95 % interval, lower is better", fontsize=9)
    return figure


def cumulative(run: Run) -> Figure:
    """Share of test peptides below each CA-RMSD: rank 1 and best of five."""
    figure, axes = canvas(2, height=3.5, sharey=True, sharex=True)
    palette = colours(run)
    for ax, column, title in zip(
        axes, ("ca_rmsd", "ca_rmsd_best5"), ("single answer", "best of 5"), strict=True
    ):
        for model, method in comparison.methods(run):
            sns.ecdfplot(
                model.test(method),
                x=column,
                ax=ax,
                color=palette[method],
                linestyle=BASELINE_DASHES.get(method, "-"),
                linewidth=2 if method == model.name else 1.3,
                label=comparison.label(method),
            )
        ax.set(xlabel="CA-RMSD (Å)", ylabel="share of test peptides", title=title)
    axes[0].set_xlim(0, np.nanquantile(run.main.test("extended")["ca_rmsd"], 0.75))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def by_length(run: Run) -> Figure:
    """CA-RMSD against length, per model, helical or not."""
    figure, axes = canvas(len(run.models), sharey=True, height=3.2)
    for ax, model in zip(axes, run.models, strict=True):
        rows = model.test().assign(structure=lambda t: np.where(t["helical"], "helical", "not helical"))
        sns.scatterplot(
            rows, x="length", y="ca_rmsd", hue="structure", palette=STRATUM_COLOURS, ax=ax, s=20, alpha=0.65,
            linewidth=0, hue_order=list(STRATUM_COLOURS),
        )  # fmt: skip
        _banded_line(ax, rows, INK, "-", f"mean of {model.name}")
        _banded_line(ax, model.test("helix"), BASELINE_COLOURS["helix"], "--", "mean of constant helix")
        ax.set(xlabel="residues", ylabel="CA-RMSD (Å)", title=model.name)
        comparison.scale_lengths(run, ax)
        ax.legend(title=None, loc="upper left")
    axes[0].set_ylim(bottom=0)
    return figure


def _banded_line(ax, rows: pd.DataFrame, colour: str, dash: str, label: str) -> None:
    """Mean CA-RMSD in bins of length, as a line."""
    means = rows.groupby(comparison.length_bins(rows["length"]))["ca_rmsd"].mean()
    ax.plot(means.index, means, color=colour, linestyle=dash, linewidth=1.8, label=label)


def along_chain(run: Run) -> Figure:
    """Mean CA deviation by relative position along the chain, after superposing all of it."""
    figure, axes = canvas(len(run.models), sharey=True, height=2.8)
    for ax, model in zip(axes, run.models, strict=True):
        residues = model.test_residues.merge(model.test()[["id", "length", "helical"]], on="id")
        tenth = ((residues["position"] - 1) / (residues["length"] - 1) * 9.999).astype(int)
        for group, colour in STRATUM_COLOURS.items():
            part = residues[residues["helical"] == (group == "helical")]
            if part.empty:
                continue
            intervals = [
                mean_interval(chunk["ca_error"], chunk["cluster"], resamples=500)
                for _, chunk in part.groupby(tenth.loc[part.index])
            ]
            x = np.array(sorted(tenth.loc[part.index].unique())) / 9
            ax.plot(x, [i.estimate for i in intervals], "o-", color=colour, markersize=4, label=group)
            ax.fill_between(
                x, [i.low for i in intervals], [i.high for i in intervals], color=colour, alpha=0.15
            )
        ax.set(
            xlabel="position along the chain (N- to C-terminus)", ylabel="CA deviation (Å)", title=model.name
        )
        ax.set_xticks([0, 0.5, 1], ["N-term", "middle", "C-term"])
        ax.legend()
    axes[0].set_ylim(bottom=0)
    return figure


def ramachandran(run: Run) -> Figure:
    """Density of (phi, psi) over all test residues: native, and each model's rank 1."""
    figure, axes = canvas(1 + len(run.models), sharey=True, height=2.9)
    panels = [("native", run.main, "_native"), *((model.name, model, "") for model in run.models)]
    for ax, (title, model, suffix) in zip(axes, panels, strict=True):
        angles = model.test_residues[[f"phi{suffix}", f"psi{suffix}"]].dropna().to_numpy()
        counts, x, y = np.histogram2d(*angles.T, bins=36, range=[[-180, 180], [-180, 180]])
        density = np.ma.masked_equal(counts.T / max(1, len(angles)), 0)
        mesh = ax.pcolormesh(x, y, density, cmap="viridis_r", vmin=0, vmax=0.03, rasterized=True)
        ax.axhline(0, color=GREY, linewidth=0.6)
        ax.axvline(0, color=GREY, linewidth=0.6)
        ax.set(xlabel="φ (°)", title=f"{title} (n = {len(angles)})", aspect="equal")
        ax.set_xticks(range(-180, 181, 90))
        ax.set_yticks(range(-180, 181, 90))
    axes[0].set_ylabel("ψ (°)")
    bar = figure.colorbar(mesh, ax=axes, shrink=0.85, extend="max")
    bar.set_label("share of residues per 10° × 10°")
    return figure


def by_residue(run: Run) -> Figure:
    """Mean psi error per residue type for the main model, sorted, with intervals and counts."""
    table = residue_errors(run)
    figure, (ax,) = canvas(1, height=2.9)
    x = np.arange(len(table))
    ax.vlines(x, table["low"], table["high"], color=MODEL_COLOURS[0], linewidth=2)
    ax.plot(x, table["estimate"], "o", color=MODEL_COLOURS[0], markersize=5)
    overall = run.main.test_residues["psi_error"].mean()
    ax.axhline(overall, color=GREY, linestyle="--", linewidth=1)
    ax.annotate(
        "all residues",
        (x[-1], overall),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=GREY,
        fontsize=8,
    )
    ax.set_xticks(x, [f"{residue}\n{n}" for residue, n in zip(table.index, table["n"], strict=True)])
    ax.set(xlabel="residue type, number of test residues below", ylabel="mean ψ error (°)")
    ax.set_ylim(bottom=0)
    ax.grid(axis="x", visible=False)
    return figure


def residue_errors(run: Run) -> pd.DataFrame:
    """Mean psi error of the main model per residue type: Interval columns, worst first."""
    residues = run.main.test_residues
    rows = {
        residue: mean_interval(part["psi_error"], part["cluster"], resamples=500)._asdict()
        for residue, part in residues.groupby("residue")
        if part["psi_error"].notna().any()
    }
    return pd.DataFrame(rows).T.astype({"n": int}).sort_values("estimate", ascending=False)


def training(run: Run) -> Figure:
    """Loss and, where recorded, validation CA-RMSD by epoch, for the models whose history is given."""
    histories = {model.name: training_rows(model) for model in run.models if model.history is not None}
    with_rmsd = {name: rows for name, rows in histories.items() if "validation_ca_rmsd" in rows}
    figure, axes = canvas(2 if with_rmsd else 1, height=2.6)
    palette = model_colours(run)
    for name, rows in histories.items():
        axes[0].plot(rows["epoch"], rows["train_loss"], ":.", color=palette[name], label=f"{name}, training")
        axes[0].plot(rows["epoch"], rows["validation_loss"], color=palette[name], label=f"{name}, validation")
        best = rows.loc[rows["validation_loss"].idxmin()]
        axes[0].plot(best["epoch"], best["validation_loss"], "o", color=palette[name], markersize=5)
    axes[0].set(xlabel="epoch", ylabel="loss", title="loss (dot: epoch kept)")
    axes[0].legend()
    for name, rows in with_rmsd.items():
        axes[1].plot(rows["epoch"], rows["validation_ca_rmsd"], ".-", color=palette[name], label=name)
        axes[1].set(xlabel="epoch", ylabel="CA-RMSD (Å)", title="validation CA-RMSD")
        axes[1].legend()
    return figure


def training_rows(model: ModelResults) -> pd.DataFrame:
    """The history of the structures, without that of the confidence head."""
    history = model.history
    return history[~history["stage"].str.startswith("confidence")] if "stage" in history else history
