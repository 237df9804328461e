"""Sentences of the benchmark page. Every claim is conditional on this run's numbers."""

import numpy as np
import pandas as pd

from betafold.evaluation.intervals import Interval, mean_interval
from betafold.evaluation.strata import LENGTH_BANDS
from betafold.reports import comparison
from betafold.reports.benchmark import tables
from betafold.reports.benchmark.figures import least
from betafold.reports.benchmark.inputs import Benchmark, Contender
from betafold.reports.wording import compared, counted, duration, interval, number, percent

FAMILY_NAMES = {"torsion": "torsion family", "mtp": "ProteinMTP family"}
CLOSE = (1, 4)
FAR = (10, 30)
"""Ranges of |i - j| that the text speaks of."""


def quoted(model: Contender) -> str:
    return f"“{model.name}”"


def named(run: Benchmark, method: str) -> str:
    """A method in a sentence: a model in quotes, a baseline with its article."""
    models = [model.name for model in run.models]
    return f"“{method}”" if method in models else f"the {comparison.label(method)}"


def family_name(model: Contender) -> str:
    return FAMILY_NAMES.get(model.family, model.family)


def mean(rows: pd.DataFrame, metric: str = "ca_rmsd") -> Interval:
    return mean_interval(rows[metric], rows["cluster"])


def headline(run: Benchmark) -> list[str]:
    """Accuracy of the best model of each family beside the strongest baseline, distances, cost, and how much to trust it."""
    chosen = run.representatives()
    rival = comparison.strongest_baseline(run.main)
    rows = run.main.test()
    values = [
        f"{interval(mean(model.test()), 2, 'Å')} for {quoted(model)} ({family_name(model)})"
        for model in chosen
    ]
    first = (
        f"On {len(rows)} test peptides from {rows['cluster'].nunique()} sequence clusters, the mean CA-RMSD of the single "
        f"answer is {', '.join(values)} and {interval(mean(run.main.test(rival)), 2, 'Å')} for the "
        f"{comparison.label(rival)}, the strongest of the {counted(comparison.baselines(run.main))} trivial baselines. "
    )
    if len(run.models) > len(chosen):
        first += "Of each family the model with the lowest CA-RMSD on the validation split stands for all. "
    return [first + contests(run), distances(run), *filter(None, [spending(run)]), trust(run)]


def contests(run: Benchmark, metric: str = "ca_rmsd") -> str:
    """The best models of each family against each other and against the strongest baseline."""
    chosen = run.representatives()
    rival = comparison.strongest_baseline(run.main)
    sentences = []
    for index, first in enumerate(chosen):
        for second in chosen[index + 1 :]:
            difference = comparison.difference(first.test(), second.test(), metric)
            sentences.append(f"{quoted(first)} {compared(difference, quoted(second), metric)}.")
    clauses = []
    for model in chosen:
        difference = comparison.difference(model.test(), run.main.test(rival), metric)
        clauses.append(f"{quoted(model)} {compared(difference, named(run, rival), metric)}")
    return " ".join([*sentences, "; ".join(clauses) + "."])


def structures(run: Benchmark, strata: list[dict]) -> str:
    """Which method has the lowest mean on helical and on other peptides; the best models against the strongest baseline."""
    sentences = []
    for record in strata:
        if record["stratum"] != "structure":
            continue
        cells = record["cells"]
        winner = min(cells, key=lambda method: np.nan_to_num(cells[method].estimate, nan=np.inf))
        clauses = [
            f"{quoted(model)} {compared(record['differences'][model.name], named(run, record['rivals'][model.name]))}"
            for model in run.representatives()
        ]
        sentences.append(
            f"On {record['group'].replace('not ', 'non-')} peptides (n = {record['n']}) the lowest mean is that of "
            f"{named(run, winner)}, {number(cells[winner].estimate, 2, 'Å')}; {'; '.join(clauses)}."
        )
    return " ".join(sentences)


def distances(run: Benchmark) -> str:
    """Distance errors of the same methods."""
    if "distance_mae" not in tables.metrics(run):
        return "These tables hold no distance errors; betafold evaluate adds them."
    rival = comparison.strongest_baseline(run.main)
    methods = [(quoted(model), model.test()) for model in run.representatives()]
    methods.append((named(run, rival), run.main.test(rival)))
    values = [
        f"{number(rows['distance_mae'].mean(), 2, 'Å')} and {number(rows['distance_mse'].mean(), 1, 'Å²')} for {name}"
        for name, rows in methods
    ]
    chosen = run.representatives()
    text = f"Mean absolute and mean square error of the Cα–Cα distances are {'; '.join(values)}."
    if len(chosen) > 1:
        difference = comparison.difference(chosen[0].test(), chosen[1].test(), "distance_mae")
        text += f" By distance MAE, {quoted(chosen[0])} {compared(difference, quoted(chosen[1]), 'distance_mae')}."
    return text


def spending(run: Benchmark) -> str:
    """Time and size of the best models, as far as known."""
    clauses = []
    for record in tables.costs(run):
        if record["model"] not in run.representatives():
            continue
        facts = []
        if np.isfinite(record["train"].seconds):
            facts.append(f"{duration(record['train'].seconds)} to train")
        if np.isfinite(record["per_peptide"]):
            facts.append(f"{duration(record['per_peptide'])} per predicted peptide")
        if record["trainable"]:
            facts.append(f"{record['trainable']:,} trained parameters")
        if facts:
            clauses.append(f"{quoted(record['model'])}: {', '.join(facts)}")
    return f"Cost of {'; of '.join(clauses)}." if clauses else ""


def trust(run: Benchmark) -> str:
    """How far the numbers carry."""
    clusters = run.main.test()["cluster"].nunique()
    size = (
        f"With {clusters} clusters the intervals are wide and themselves approximate, and a difference of the size that "
        "usually separates two models may stay undecided"
        if clusters < 30
        else f"The intervals come from {clusters} clusters"
    )
    return (
        f"{size}. Each model was trained once with one seed, so that the intervals say how the result would change with "
        "other peptides, not with another training run."
    )


def accuracy(run: Benchmark) -> str:
    """Who is best in which metric, and whether it matters which one is asked."""
    records, metrics = comparison.metric_table(run), tables.metrics(run)
    winners: dict[str, list[str]] = {}
    for name, (label, *_) in metrics.items():
        winner = comparison.best(records, name)
        if winner:
            winners.setdefault(winner, []).append(label.removeprefix("CA-RMSD, "))
    clauses = [f"{named(run, winner)} in {', '.join(names)}" for winner, names in winners.items()]
    agreement = (
        "One method has the best mean in every column: "
        if len(clauses) == 1
        else "Which method has the best mean depends on the metric: "
    )
    return (
        f"{agreement}{'; '.join(clauses)}. A best mean alone is no established difference: the table of paired "
        "differences says which of them are."
    )


def differences(run: Benchmark) -> str:
    """What is established among the paired differences, and by how many looks."""
    records = tables.pairs(run)
    looks = sum(len(record["cells"]) for record in records)
    found = []
    for record in records:
        results: dict[str, list[str]] = {}
        for name, cell in record["cells"].items():
            label, _, _, direction = comparison.METRICS[name]
            results.setdefault(comparison.verdict(cell, direction == "lower"), []).append(label)
        found += [
            f"{record['first']} is {result} than {record['second']} in {', '.join(results[result])}"
            for result in ("better", "worse")
            if result in results
        ]
    outcome = (
        f"Established here: {'; '.join(found)}." if found else "No difference in the table is established."
    )
    return (
        f"{outcome} Of {looks} intervals at 95 %, about {max(1, round(looks / 20))} would exclude zero by chance alone, "
        "so a single coloured cell is weak evidence."
    )


def lengths(run: Benchmark) -> str:
    """Error at the short end and from 21 residues on."""
    clauses = []
    for model in run.representatives():
        rows = model.test()
        parts = [
            f"{number(part['ca_rmsd'].mean(), 2, 'Å')} at {low} to {high} residues (n = {len(part)})"
            for low, high in (LENGTH_BANDS[0], *LENGTH_BANDS[2:])
            if len(part := rows[rows["length"].between(low, high)])
        ]
        clauses.append(f"{quoted(model)} has a mean CA-RMSD of {', '.join(parts)}")
    return "; ".join(clauses) + f". Shades are 95 % intervals; points need at least {least(run)} peptides."


def separations(errors: dict[str, pd.DataFrame]) -> str:
    """Distance errors of near and of far residues."""
    clauses = []
    for method, rows in errors.items():
        parts = [
            f"{number(part['error'].mean(), 2, 'Å')} at |i − j| of {low} to {high}"
            for low, high in (CLOSE, FAR)
            if len(part := rows[rows["separation"].between(low, high)])
        ]
        clauses.append(f"{comparison.label(method)} {' and '.join(parts)}")
    return (
        f"Mean distance error: {'; '.join(clauses)}. Neighbours are at nearly fixed distances, so the mean over all pairs "
        "depends on the lengths of the peptides more than this curve does."
    )


def head_to_head(first: Contender, second: Contender) -> str:
    """On how many peptides each is closer, and whether they fail on the same ones."""
    rows = first.test().merge(second.test()[["id", "ca_rmsd"]], on="id", suffixes=("", "_other"))
    closer = (rows["ca_rmsd"] < rows["ca_rmsd_other"]).mean()
    rho = rows["ca_rmsd"].corr(rows["ca_rmsd_other"], method="spearman")
    both = np.minimum(rows["ca_rmsd"], rows["ca_rmsd_other"]).mean()
    return (
        f"{quoted(first)} is closer on {percent(closer)} of the test peptides. The errors of the two models rank the peptides "
        f"with a Spearman correlation of {number(rho)}. If one knew which of the two to trust on each peptide, the mean would "
        f"be {number(both, 2, 'Å')}: what a choice between the families could gain at most."
    )


def limits(run: Benchmark) -> list[str]:
    """What these numbers cannot say."""
    rows = run.main.test()
    kinds = rows["kind"].value_counts()
    peptides = kinds.get("free", 0) + kinds.get("bound", 0)
    parts = [f"{peptides} of the {len(rows)} test samples are peptides of their own"]
    if chains := kinds.get("chain", 0):
        parts.append(f"{chains} are whole chains, of other proteins than those learned from")
    if fragments := kinds.get("fragment", 0):
        parts.append(
            f"{fragments} are fragments of longer chains, whose fold may depend on the rest of the chain"
        )
    sample = "; ".join(parts) + "."
    trained = {model.training.get("n_training") for model in run.models} - {None}
    if not trained:
        return [sample]
    sizes = " or ".join(f"{size:,}" for size in sorted(trained))
    data = (
        f"The models learned from {sizes} samples. A family that gains more from data may order differently where there is "
        "more of it."
    )
    return [data, sample]
