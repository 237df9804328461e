"""Model against baselines on the test split: means with intervals and paired differences."""

from collections.abc import Iterable

import pandas as pd

from betafold.evaluation.baselines import LABELS, METHODS, SHORT_LABELS
from betafold.evaluation.intervals import Interval, mean_interval
from betafold.evaluation.strata import strata
from betafold.reports.inputs import Evaluated, Run
from betafold.structures.samples import MAX_LENGTH

MIN_CLUSTERS = 5

METRICS = {
    "ca_rmsd": ("CA-RMSD", "Å", 2, "lower"),
    "ca_rmsd_per_residue": ("CA-RMSD per residue", "Å", 3, "lower"),
    "ca_rmsd_best5": ("CA-RMSD, best of 5", "Å", 2, "lower"),
    "backbone_rmsd": ("backbone RMSD", "Å", 2, "lower"),
    "phi_mae": ("φ error", "°", 1, "lower"),
    "psi_mae": ("ψ error", "°", 1, "lower"),
    "drmsd": ("dRMSD", "Å", 2, "lower"),
    "distance_mae": ("distance MAE", "Å", 2, "lower"),
    "distance_mse": ("distance MSE", "Å²", 1, "lower"),
    "lddt": ("lDDT", "", 3, "higher"),
    "gdt_ts": ("GDT-TS", "", 3, "higher"),
    "gdt_ha": ("GDT-HA", "", 3, "higher"),
    "tm_score": ("TM-score", "", 3, "higher"),
}
"""Column -> label, unit, digits, which way is better."""


def label(method: str) -> str:
    """Words for a baseline's name; a model keeps its own."""
    return LABELS.get(method, method)


def short_label(method: str) -> str:
    """One word for a table head."""
    return SHORT_LABELS.get(method, method)


def baselines(model: Evaluated) -> list[str]:
    """The baselines of its table: those that copy torsions are missing where training samples had none."""
    known = set(model.evaluation["method"])
    return [method for method in METHODS if method in known]


def methods(run: Run) -> list[tuple[Evaluated, str]]:
    """Every model, then every baseline (taken from the main model's table)."""
    return [(model, model.name) for model in run.models] + [
        (run.main, method) for method in baselines(run.main)
    ]


def known_metrics(run: Run) -> dict[str, tuple]:
    """The entries of ``METRICS`` of which the tables of all models have values: natives of CA have no torsions."""
    return {
        name: entry
        for name, entry in METRICS.items()
        if all(name in model.evaluation and model.test()[name].notna().any() for model in run.models)
    }


def has_torsions(model: Evaluated) -> bool:
    """Whether any test native has torsions to compare with; one of which only CA is known has none."""
    return bool(model.test_residues[["phi_native", "psi_native"]].notna().all(axis=1).any())


def has_chains(run: Run) -> bool:
    """Whether the test split holds whole chains, longer than peptides."""
    return bool((run.main.test()["length"] > MAX_LENGTH).any())


def length_bins(lengths: pd.Series) -> pd.Series:
    """The middle of each length's bin: four residues wide up to 31, then each bin sqrt(2) times as long as the last."""
    edges = [*range(0, 32, 4), 32, 45, 64, 91, 128, 181, 256, 362, 512]
    middles = [(low + high - 1) / 2 for low, high in zip(edges, [*edges[1:], edges[-1] + 1], strict=True)]
    return pd.cut(lengths, [*edges, edges[-1] + 1], right=False, labels=middles).astype(float)


def scale_lengths(run: Run, ax) -> None:
    """A logarithmic axis of lengths with plain numbers where there are long chains."""
    if has_chains(run):
        ax.set_xscale("log", base=2)
        ax.set_xticks([16, 32, 64, 128, 256, 512], ["16", "32", "64", "128", "256", "512"])


def metric_table(run: Run, metrics: Iterable[str] | None = None) -> list[dict]:
    """One record per method with an Interval per metric, by default ``known_metrics``, on the test split."""
    metrics = known_metrics(run) if metrics is None else metrics
    records = []
    for model, method in methods(run):
        rows = model.test(method)
        cells = {name: mean_interval(rows[name], rows["cluster"]) for name in metrics}
        records.append({"method": method, "cells": cells})
    return records


def best(records: list[dict], metric: str) -> str | None:
    """Method with the best mean of a metric."""
    lower = METRICS[metric][3] == "lower"
    known = [r for r in records if pd.notna(r["cells"][metric].estimate)]
    if not known:
        return None
    choose = min if lower else max
    return choose(known, key=lambda record: record["cells"][metric].estimate)["method"]


def paired(model: Evaluated, baseline: str, metric: str, group: pd.DataFrame | None = None) -> Interval:
    """Mean of (model - baseline) over the same test peptides, with its interval.

    ``group`` restricts the peptides to those of its ``id`` column.
    """
    return difference(model.test(), model.test(baseline), metric, group)


def difference(
    ours: pd.DataFrame, theirs: pd.DataFrame, metric: str = "ca_rmsd", group: pd.DataFrame | None = None
) -> Interval:
    """Mean of (ours - theirs) over the peptides that both tables have, with its interval."""
    ours, theirs = ours.set_index("id"), theirs.set_index("id")
    ids = ours.index[ours.index.isin(theirs.index)]
    if group is not None:
        ids = ids[ids.isin(group["id"])]
    return mean_interval(ours.loc[ids, metric] - theirs.loc[ids, metric], ours.loc[ids, "cluster"])


def verdict(difference: Interval, lower_is_better: bool = True) -> str:
    """``better``, ``worse`` or ``undecided`` by whether the interval of a paired difference excludes zero.

    Below ``MIN_CLUSTERS`` clusters a bootstrap interval means too little for a verdict.
    """
    if (
        difference.clusters < MIN_CLUSTERS
        or pd.isna(difference.low)
        or difference.low <= 0 <= difference.high
    ):
        return "undecided"
    return "better" if (difference.high < 0) == lower_is_better else "worse"


def strongest_baseline(model: Evaluated, metric: str = "ca_rmsd", group: pd.DataFrame | None = None) -> str:
    """The baseline with the lowest mean of a metric on the test split, or in a group of its peptides."""

    def mean(method: str) -> float:
        rows = model.test(method)
        return (rows if group is None else rows[rows["id"].isin(group["id"])])[metric].mean()

    return min(baselines(model), key=mean)


def stratum_table(run: Run, metric: str = "ca_rmsd") -> list[dict]:
    """Per stratum: n, clusters, an Interval per method, and each model against its strongest baseline there."""
    groups = [(stratum, group, rows) for stratum, group, rows in strata(run.main.test()) if len(rows)]
    records = []
    for stratum, group, rows in groups:
        cells = {}
        for model, method in methods(run):
            own = model.test(method)
            own = own[own["id"].isin(rows["id"])]
            cells[method] = mean_interval(own[metric], own["cluster"])
        rivals = {model.name: strongest_baseline(model, metric, rows) for model in run.models}
        differences = {model.name: paired(model, rivals[model.name], metric, rows) for model in run.models}
        records.append(
            {
                "stratum": stratum,
                "group": group,
                "n": len(rows),
                "clusters": rows["cluster"].nunique(),
                "cells": cells,
                "rivals": rivals,
                "differences": differences,
            }
        )
    return records


SEQUENCE_PATTERNS = {
    "contains proline": lambda sequence: "P" in sequence,
    "two or more cysteines": lambda sequence: sequence.count("C") >= 2,
    "glycine 15 % or more": lambda sequence: sequence.count("G") >= 0.15 * len(sequence),
    "charged (DEKR) 40 % or more": lambda sequence: sum(map(sequence.count, "DEKR")) >= 0.4 * len(sequence),
    "aromatic (FWYH) 20 % or more": lambda sequence: sum(map(sequence.count, "FWYH")) >= 0.2 * len(sequence),
}


def pattern_table(model: Evaluated, least: int = 3) -> list[dict]:
    """CA-RMSD per residue of test peptides with and without each sequence pattern (``least`` peptides each)."""
    rows = model.test()
    records = []
    for name, test in SEQUENCE_PATTERNS.items():
        has = rows["sequence"].map(test)
        if has.sum() < least or (~has).sum() < least:
            continue
        records.append(
            {
                "pattern": name,
                "with": mean_interval(rows.loc[has, "ca_rmsd_per_residue"], rows.loc[has, "cluster"]),
                "without": mean_interval(rows.loc[~has, "ca_rmsd_per_residue"], rows.loc[~has, "cluster"]),
            }
        )
    return records
