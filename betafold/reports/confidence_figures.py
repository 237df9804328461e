"""Figures on confidence: reliability, predicted against true RMSD, risk-coverage, conformal coverage."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from betafold.reports.accuracy_figures import model_colours
from betafold.reports.inputs import Run
from betafold.reports.style import BLUE, GREEN, GREY, INK, ORANGE, STRATUM_COLOURS, canvas

RANKING_STYLES = {
    "confidence": {"linewidth": 2.2},
    "confidence within length band": {"linestyle": "--", "linewidth": 1.6},
    "length alone": {"color": ORANGE, "linestyle": "-.", "linewidth": 1.4},
    "oracle": {"color": GREEN, "linestyle": ":", "linewidth": 1.6},
    "random": {"color": GREY, "linestyle": (0, (4, 2)), "linewidth": 1.2},
}


def reliability(run: Run) -> Figure:
    """Predicted pLDDT against observed lDDT in equal-count bins, before and after calibration."""
    figure, axes = canvas(2, height=3.5, sharex=True, sharey=True)
    panels = zip(axes, ("plddt_raw", "plddt_calibrated"), ("before", "after"), strict=True)
    for ax, quantity, title in panels:
        ax.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--", label="perfect")
        for model in run.models:
            table = model.checks["reliability"]
            table = table[table["quantity"] == quantity]
            error = np.abs(
                table[["observed_low", "observed_high"]].to_numpy().T - table["observed"].to_numpy()
            )
            ax.errorbar(
                table["predicted"], table["observed"], yerr=error, fmt="o-", markersize=4.5, linewidth=1.3,
                elinewidth=1, color=model_colours(run)[model.name], label=model.name,
            )  # fmt: skip
        ax.set(
            xlabel="predicted pLDDT",
            ylabel="observed lDDT × 100",
            title=f"{title} calibration",
            aspect="equal",
        )
        ax.set(xlim=(0, 100), ylim=(0, 100))
        ax.legend(loc="upper left")
    return figure


def predicted_rmsd(run: Run) -> Figure:
    """Predicted against true CA-RMSD of every test peptide, with the bound of the level nearest 90 %."""
    figure, axes = canvas(len(run.models), height=3.4)
    for ax, model in zip(axes, run.models, strict=True):
        rows = model.checks["test"].assign(
            structure=lambda t: np.where(t["helical"], "helical", "not helical")
        )
        sns.scatterplot(
            rows, x="predicted_rmsd", y="ca_rmsd", hue="structure", palette=STRATUM_COLOURS, ax=ax, s=20, alpha=0.65,
            linewidth=0, hue_order=list(STRATUM_COLOURS),
        )  # fmt: skip
        limit = 1.05 * float(np.nanmax(rows["predicted_rmsd"]))
        ax.plot([0, limit], [0, limit], color=GREY, linewidth=1, linestyle="--", label="predicted = true")
        level = headline_level(model)
        if level is not None:
            factor = dict(zip(model.calibration.levels, model.calibration.factors, strict=True))[level]
            ax.plot(
                [0, limit],
                [0, factor * limit],
                color=INK,
                linewidth=1.2,
                label=f"{round(100 * level)} % bound",
            )
        ax.set(xlim=(0, limit), ylim=(0, 1.05 * float(np.nanmax(rows["ca_rmsd"]))), title=model.name)
        ax.set(xlabel="predicted CA-RMSD (Å)", ylabel="true CA-RMSD (Å)")
        ax.legend(title=None, loc="upper left")
    return figure


def headline_level(model) -> float | None:
    """The level to speak of: 0.9 where the calibration supports it, else the highest it supports."""
    levels = model.calibration.levels
    return 0.9 if 0.9 in levels else (levels[-1] if levels else None)


def risk_coverage(run: Run) -> Figure:
    """Mean CA-RMSD of the most confident share of test peptides, for the main model."""
    figure, axes = canvas(2, height=3.2)
    table = run.main.checks["risk_coverage"]
    panels = zip(
        axes, ("ca_rmsd", "ca_rmsd_per_residue"), ("CA-RMSD (Å)", "CA-RMSD per residue (Å)"), strict=True
    )
    for ax, risk, text in panels:
        for ranking, style in RANKING_STYLES.items():
            curve = table[(table["risk"] == risk) & (table["ranking"] == ranking)]
            ax.plot(100 * curve["coverage"], curve["mean_risk"], **{"color": BLUE, **style}, label=ranking)
        ax.axvline(20, color=GREY, linewidth=0.8)
        ax.set(xlabel="most confident share kept (%)", ylabel=f"mean {text}", xlim=(0, 100))
        ax.set_ylim(bottom=0)
    axes[0].legend(loc="lower right")
    return figure


def coverage(run: Run) -> Figure:
    """Observed against nominal coverage of the RMSD bounds, clusters counted once."""
    figure, (ax,) = canvas(1, width=3.9, height=3.4)
    ax.plot([40, 100], [40, 100], color=GREY, linewidth=1, linestyle="--", label="nominal")
    for shift, model in zip(np.linspace(-0.5, 0.5, len(run.models)), run.models, strict=True):
        table = model.checks["coverage"]
        table = table[table["average"] == "macro"]
        if table.empty:
            continue
        error = 100 * np.abs(table[["low", "high"]].to_numpy().T - table["estimate"].to_numpy())
        ax.errorbar(
            100 * table["level"] + shift, 100 * table["estimate"], yerr=error, fmt="o", markersize=5, elinewidth=1.2,
            color=model_colours(run)[model.name], label=model.name,
        )  # fmt: skip
    ax.set(
        xlabel="nominal level (%)", ylabel="true CA-RMSD below its bound (%)", xlim=(40, 100), ylim=(0, 102)
    )
    ax.legend(loc="lower right")
    return figure
