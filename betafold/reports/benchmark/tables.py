"""The numbers of the benchmark page, all on the test split."""

import pandas as pd

from betafold.evaluation.baselines import METHODS
from betafold.evaluation.intervals import Interval, mean_interval, share_interval
from betafold.evaluation.strata import strata
from betafold.reports import comparison
from betafold.reports.benchmark.inputs import Benchmark, Contender

SHOWN = (
    *("ca_rmsd", "ca_rmsd_best5", "drmsd", "distance_mae", "distance_mse", "gdt_ts", "tm_score", "lddt"),
    *("phi_mae", "psi_mae"),
)
"""Columns of the main table; the first carries its interval."""
COMPARED = ("ca_rmsd", "drmsd", "distance_mae", "gdt_ts", "tm_score", "lddt")
RIGHT_DISTANCES = 2.0
"""dRMSD in Angstrom below which a mirror image is told from a wrong fold."""
DIAGNOSTICS = {
    "outside_top3": "eigenvalue mass outside the top three",
    "stress": "misfit of distances and trace (Å)",
    "hand_log_odds": "log odds of the hand against its mirror image",
}
"""Columns that a family may add to its rows -> what they say."""


def metrics(run: Benchmark) -> dict[str, tuple]:
    """Metrics of the main table that all tables have, as in ``comparison.METRICS``."""
    known = comparison.known_metrics(run)
    return {name: known[name] for name in SHOWN if name in known}


def groups(run: Benchmark) -> list[dict]:
    """Per stratum but the whole: n, clusters, and the main table of its peptides."""
    known = metrics(run)
    tables = []
    for stratum, group, rows in strata(run.main.test()):
        if stratum == "all" or rows.empty:
            continue
        part = run.of_peptides(set(rows["id"]))
        tables.append(
            {
                "group": group,
                "n": len(rows),
                "clusters": rows["cluster"].nunique(),
                "records": comparison.metric_table(part, known),
            }
        )
    return tables


def pairs(run: Benchmark) -> list[dict]:
    """Paired differences that answer the page's questions: each record has names, a label and Intervals by metric.

    The best models of two families against each other, then each of them against the strongest baseline.
    """
    chosen = run.representatives()
    rival = comparison.strongest_baseline(run.main)
    contests = [
        (first, second.name, second.test()) for i, first in enumerate(chosen) for second in chosen[i + 1 :]
    ]
    contests += [(model, rival, run.main.test(rival)) for model in chosen]
    compared = [name for name in COMPARED if name in metrics(run)]
    return [
        {
            "first": model.name,
            "second": comparison.short_label(other),
            "cells": {name: comparison.difference(model.test(), rows, name) for name in compared},
        }
        for model, other, rows in contests
    ]


def mirror_share(rows: pd.DataFrame) -> Interval | None:
    """Share whose mirror image lies closer to the native, of the predictions whose distances are about right.

    Of a prediction that is wrong in its distances too, either hand is as good. None for a table that does not know.
    """
    if "ca_rmsd_mirror_image" not in rows:
        return None
    rows = rows[rows["drmsd"] < RIGHT_DISTANCES]
    return share_interval((rows["ca_rmsd_mirror_image"] < rows["ca_rmsd"]).astype(float), rows["cluster"])


def handedness(run: Benchmark) -> list[dict]:
    """Per method the share of mirror images and, of models, the diagnostics that their rows have."""
    records = []
    for model, method in comparison.methods(run):
        rows = model.test(method)
        share = mirror_share(rows)
        if share is None:
            return []
        means = {} if method in METHODS else diagnostics(model)
        records.append({"method": method, "share": share, "diagnostics": means})
    return records


def diagnostics(model: Contender) -> dict[str, float]:
    """Means over the test split of those columns of ``DIAGNOSTICS`` that the model's rows have."""
    rows = model.test()
    known = [name for name in DIAGNOSTICS if name in rows and rows[name].notna().any()]
    return {name: float(rows[name].astype(float).mean()) for name in known}


def model_section(model: Contender) -> dict:
    """The ``model`` section of the spec that a checkpoint was trained from."""
    return model.training.get("spec", {}).get("model", {})


def outputs(run: Benchmark) -> list[dict]:
    """The ProteinMTP models of the run: what each reads out and puts out, and its difference from the first of them."""
    models = run.family("mtp")
    known = metrics(run)
    records = []
    for model in models:
        rows, section = model.test(), model_section(model)
        records.append(
            {
                "model": model,
                "output": section.get("output", "–").replace("_", " + "),
                "readout": section.get("readout", "–"),
                "positions": section.get("backbone", {}).get("placeholder_positions"),
                "backbone": model.training.get("backbone", "–"),
                "cells": {
                    name: mean_interval(rows[name], rows["cluster"]) for name in COMPARED if name in known
                },
                "mirror": mirror_share(rows),
                "difference": None if model is models[0] else comparison.difference(rows, models[0].test()),
            }
        )
    return records


def costs(run: Benchmark) -> list[dict]:
    """Time, memory and size of each model."""
    records = []
    for model in run.models:
        predict = model.cost("predict")
        records.append(
            {
                "model": model,
                "train": model.cost("train"),
                "evaluate": model.cost("evaluate"),
                "predict": predict,
                "per_peptide": predict.seconds / run.predicted if run.predicted else float("nan"),
                "trainable": model.training.get("trainable_parameters"),
                "total": model.training.get("parameters"),
                "epoch": model.training.get("epoch"),
            }
        )
    return records
