"""Sentences on accuracy. Every claim is conditional on this run's numbers."""

import numpy as np
import pandas as pd

from betafold.evaluation.baselines import LABELS, METHODS
from betafold.evaluation.intervals import mean_interval
from betafold.evaluation.strata import LENGTH_BANDS, length_band
from betafold.reports import comparison
from betafold.reports.accuracy_figures import residue_errors, training_rows
from betafold.reports.geometry_figures import operating_point
from betafold.reports.inputs import Run
from betafold.reports.wording import against, amount, counted, interval, number, percent
from betafold.structures.samples import MAX_LENGTH


def headline(run: Run) -> list[str]:
    """Accuracy, and where it holds."""
    model = run.main
    rows = model.test()
    overall = mean_interval(rows["ca_rmsd"], rows["cluster"])
    baselines = comparison.baselines(model)
    rival = comparison.strongest_baseline(model)
    first = (
        f"On {overall.n} test peptides from {overall.clusters} sequence clusters, the single answer of “{model.name}” "
        f"lies {interval(overall, 2, 'Å')} from the native CA trace on average. Of the {counted(baselines)} trivial baselines the "
        f"{comparison.label(rival)} is the strongest; the model {against(model, rival)}."
    )
    sentences = [first]
    clauses = []
    for name, chosen in (("helical", rows[rows["helical"]]), ("non-helical", rows[~rows["helical"]])):
        if len(chosen):
            best = comparison.strongest_baseline(model, "ca_rmsd", chosen)
            clauses.append(
                f"on {name} peptides (n = {len(chosen)}) it {against(model, best, 'ca_rmsd', chosen)}"
            )
    if clauses:
        sentences.append(
            "Against the strongest baseline of each group, "
            + "; ".join(clauses)
            + ". Differences are model minus baseline over the same peptides, so a negative one favours the model."
        )
    return sentences


def data(run: Run) -> str:
    """How much data the numbers rest on, and what is thin."""
    rows = run.main.test()
    kinds = rows["kind"].value_counts()
    text = (
        f"The test split holds {len(rows)} peptides in {rows['cluster'].nunique()} clusters: "
        + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        + ". "
    )
    text += "".join(f"{sentence} " for sentence in (chains(run), without_torsions(run)) if sentence)
    if run.left_out:
        text += (
            f"{run.left_out} further test peptides of “{run.main.name}” are left out of the section on accuracy, "
            "because not every model takes them. "
        )
    counts = run.main.calibration.counts
    if counts:
        text += (
            f"Confidence was calibrated on {counts.get('peptides')} peptides in {counts.get('clusters')} clusters: "
            f"{counts.get('fit_clusters')} for the fit and {counts.get('conformal_clusters')} for the bounds. "
        )
    thin = [f"{kind} ({kinds.get(kind, 0)})" for kind in ("free", "bound") if kinds.get(kind, 0) < 20]
    if thin:
        text += f"There are few true peptides of kind {' and '.join(thin)}; numbers for them are indications only. "
    if rows["cluster"].nunique() < 30:
        text += "With under 30 test clusters every interval on this page is wide, and itself approximate."
    return text


def chains(run: Run) -> str:
    """What is meant by a peptide, where there are whole chains too."""
    rows = run.main.test()
    long = rows["length"][rows["length"] > MAX_LENGTH]
    if long.empty:
        return ""
    return (
        f"Of the {len(rows)} test samples {len(long)} are whole chains of {long.min()} to {long.max()} residues; where this "
        "page says “peptides”, it means all samples, chains included, unless a group is named. Means over all of them are ruled by the long "
        "chains, which a rod like the constant helix cannot resemble; the groups by length say more."
    )


def without_torsions(run: Run) -> str:
    """Which natives have no torsions, and which baselines are missing for want of them."""
    main = run.main
    sentences = []
    known = main.test_residues.groupby("id")["psi_native"].any()
    if share := (~known).mean():
        whom = "the test natives" if share == 1 else f"{percent(share)} of the test natives"
        sentences.append(
            f"Of {whom} only Cα is known: they have neither torsion errors nor backbone RMSD, and whether they are helical "
            "is judged by their Cα trace."
        )
    if missing := [LABELS[method] for method in METHODS if method not in comparison.baselines(main)]:
        sentences.append(
            f"No training sample has torsions, so the baselines that copy them are missing: {' and '.join(missing)}."
        )
    return " ".join(sentences)


def accuracy(run: Run) -> str:
    """What the comparison with baselines shows, per model."""
    sentences = []
    for model in run.models:
        clauses = [against(model, baseline) for baseline in comparison.baselines(model)]
        sentences.append(f"“{model.name}” " + "; it ".join(clauses) + ".")
    if len(run.models) > 1:
        first, second = run.models[:2]
        difference = comparison.difference(first.test(), second.test())
        result = comparison.verdict(difference)
        words = {
            "undecided": f"cannot be told apart (difference {interval(difference, 2, 'Å')})",
            "better": f"differ: the first is better {amount(difference)}",
            "worse": f"differ: the second is better {amount(difference)}",
        }[result]
        sentences.append(f"The models “{first.name}” and “{second.name}” {words}.")
    return " ".join(sentences)


def cumulative(run: Run) -> str:
    """Share below 2 Å and what five answers are worth."""
    clauses = []
    for model in run.models:
        rows = model.test()
        clauses.append(
            f"{percent((rows['ca_rmsd'] < 2).mean())} of the single answers of “{model.name}” lie within 2 Å and "
            f"{percent((rows['ca_rmsd_best5'] < 2).mean())} of the best of five"
        )
    helix = run.main.test("helix")
    rama = run.main.test("ramachandran")
    gain = run.main.test()["ca_rmsd"].mean() - run.main.test()["ca_rmsd_best5"].mean()
    text = (
        "; ".join(clauses)
        + f"; of the constant helix, {percent((helix['ca_rmsd'] < 2).mean())}. Best of five is chosen knowing the "
        f"native: for the main model it lowers the mean by {number(gain, 2, 'Å')}"
    )
    if rama.empty:
        return text + "; part of any such gain is mere choice."
    blind = rama["ca_rmsd"].mean() - rama["ca_rmsd_best5"].mean()
    return text + (
        f", for the sequence-blind prior by {number(blind, 2, 'Å')}, so part of any such gain is mere choice."
    )


def strata(run: Run, records: list[dict]) -> str:
    """Where the main model beats its strongest rival, where it loses, where it is open."""
    model = run.main
    found: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for record in records:
        if record["stratum"] != "all":
            found[comparison.verdict(record["differences"][model.name])].append(record["group"])
    words = {
        "better": "The main model is clearly better than the strongest baseline for: ",
        "worse": "It is clearly worse for: ",
        "undecided": "Undecided at this sample size: ",
    }
    return " ".join(f"{words[key]}{', '.join(groups)}." for key, groups in found.items() if groups)


def length(run: Run) -> str:
    """How the error grows with length."""
    rows = run.main.test()
    bands = rows["length"].map(length_band)
    means = [
        f"{number(rows.loc[bands == band, 'ca_rmsd'].mean(), 2, 'Å')} at {band} residues (n = {(bands == band).sum()})"
        for band in (f"{low}-{high}" for low, high in LENGTH_BANDS)
        if (bands == band).any()
    ]
    rho = run.main.summary.loc["spearman_length_true_rmsd"]
    return (
        f"Mean CA-RMSD of the main model is {', '.join(means)}; the rank correlation of length with RMSD is "
        f"{interval(rho)}. "
        + (
            "Part of any ranking by confidence is therefore a ranking by length, which is shown apart below."
            if rho.estimate > 0.2
            else "Length alone says little about the error here."
        )
    )


def chain(run: Run) -> str:
    """Where along the chain the error sits, and how far the end drifts."""
    clauses = []
    for model in run.models:
        rows = model.test()
        first, middle, last, drift = (
            rows[name].mean()
            for name in ("error_first_third", "error_middle_third", "error_last_third", "end_drift")
        )
        helix = model.test("helix")["end_drift"].mean()
        clauses.append(
            f"“{model.name}”: the mean deviation is {number(first)} / {number(middle)} / {number(last, 2, 'Å')} in "
            f"the first, middle and last third; superposing the first third alone leaves the last third "
            f"{number(drift, 1, 'Å')} away ({number(helix, 1, 'Å')} for a constant helix)"
        )
    rows = run.main.test()
    ends = (rows["error_first_third"].mean() + rows["error_last_third"].mean()) / 2
    why = (
        ", as expected of a chain built from local angles: each small torsion error turns everything after it"
        if run.main.family == "torsion"
        else ""
    )
    tail = (
        f" Both ends are off more than the middle{why}."
        if ends > 1.1 * rows["error_middle_third"].mean()
        else " The error is spread about evenly along the chain."
    )
    return f"{'; '.join(clauses)}.{tail}"


def basin_shares(residues: pd.DataFrame, suffix: str = "") -> dict[str, float]:
    """Share of residues in the helical, extended and left-handed regions of the Ramachandran plot."""
    phi, psi = residues[f"phi{suffix}"], residues[f"psi{suffix}"]
    known = phi.notna() & psi.notna()
    phi, psi = phi[known], psi[known]
    return {
        "helical": float(((phi < 0) & psi.between(-120, 50)).mean()),
        "extended": float(((phi < 0) & ~psi.between(-120, 50)).mean()),
        "left-handed": float((phi >= 0).mean()),
    }


def ramachandran(run: Run) -> str:
    """Basin populations: native against predicted."""
    residues = run.main.test_residues
    native = basin_shares(residues, "_native")
    words = ", ".join(f"{name} {percent(share)}" for name, share in native.items())
    sentences = [f"Native test residues are {words}."]
    for model in run.models:
        shares = basin_shares(model.test_residues)
        words = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
        excess = shares["helical"] - native["helical"]
        bias = (
            f" Helix is too frequent by {number(100 * excess, 0)} percentage points."
            if excess > 0.05
            else f" Helix is too rare by {number(-100 * excess, 0)} percentage points."
            if excess < -0.05
            else ""
        )
        sentences.append(f"“{model.name}” places {words}.{bias}")
    return " ".join(sentences)


def residues(run: Run) -> str:
    """Residue types with the largest and smallest psi error."""
    table = residue_errors(run)
    known = table[table["n"] >= 10]
    if len(known) < 6:
        return "Too few test residues of most types for a ranking."
    worst = ", ".join(
        f"{residue} ({number(known['estimate'][residue], 0, '°')})" for residue in known.index[:3]
    )
    best = ", ".join(
        f"{residue} ({number(known['estimate'][residue], 0, '°')})" for residue in known.index[:-4:-1]
    )
    return (
        f"Among types with at least 10 test residues, ψ is worst for {worst} and best for {best}; bars are 95 % "
        "cluster intervals, so neighbours in the ranking are usually not different."
    )


def sensitivity(run: Run, curve: pd.DataFrame) -> str:
    """Floor, slope, and the models' place on the curve."""
    floor = curve.loc[curve["sigma"] == 0, "ca_rmsd"].iloc[0]
    clauses = []
    for model in run.models:
        sigma, rmsd = operating_point(model)
        independent = float(np.interp(sigma, curve["sigma"], curve["ca_rmsd"]))
        relation = "below" if rmsd < independent else "above"
        clauses.append(
            f"“{model.name}” has an RMS torsion error of {number(sigma, 0, '°')} and a mean CA-RMSD of "
            f"{number(rmsd, 2, 'Å')}, {relation} the {number(independent, 2, 'Å')} of independent noise of that size"
        )
    return (
        f"Native torsions on ideal bond lengths and angles already cost {number(floor, 2, 'Å')}: the floor of models "
        f"that predict torsions. {'; '.join(clauses)}."
    )


def training(run: Run) -> str:
    """Best epoch and whether validation turned up after it."""
    sentences = []
    for model in run.models:
        if model.history is None:
            continue
        history = training_rows(model)
        best = history.loc[history["validation_loss"].idxmin()]
        last = history.iloc[-1]
        rise = last["validation_loss"] - best["validation_loss"]
        shape = (
            f"by the last epoch ({int(last['epoch'])}) it had risen by {number(rise)}: overfitting, which keeping the "
            "best epoch avoids"
            if rise > 0.02 * abs(best["validation_loss"])
            else f"it had not risen much by the last epoch ({int(last['epoch'])})"
        )
        sentences.append(
            f"“{model.name}” has its lowest validation loss, {number(best['validation_loss'])}, at epoch "
            f"{int(best['epoch'])}; {shape}."
        )
    return " ".join(sentences) + " Losses of different heads are not comparable with each other."


def ensembles(run: Run) -> str:
    """NMR entries: error against first and closest model, beside the spread of the experiment."""
    rows = run.main.test()
    rows = rows[rows["n_models"] > 1]
    if rows.empty:
        return "No test peptide has an NMR ensemble."
    first, closest, spread = (
        mean_interval(rows[name], rows["cluster"])
        for name in ("ca_rmsd_first_model", "ca_rmsd_closest_model", "ensemble_spread")
    )
    inside = (rows["ca_rmsd"] <= rows["ensemble_spread"]).mean()
    return (
        f"{len(rows)} test peptides come from NMR ensembles. Against the first model the main model’s CA-RMSD is "
        f"{interval(first, 2, 'Å')}, against the closest model {interval(closest, 2, 'Å')}; the models of one entry "
        f"differ among themselves by {interval(spread, 2, 'Å')}. For {percent(inside)} of them the prediction is no "
        "farther from the first model than the models are from each other."
    )


def tm_score(run: Run) -> str:
    """What a TM-score means here: the range of d0 over the test peptides."""
    scales = run.main.test()["tm_d0"]
    values = f"{number(scales.min())} to {number(scales.max(), 2, 'Å')}"
    if comparison.has_chains(run):
        return (
            f"TM-score, made for whole chains, has the distance scale d0, here {values}; its mean over chains and short "
            "peptides together says little, the groups below more."
        )
    return (
        f"TM-score is given only for completeness: its distance scale d0 is {values} for these peptides, so that a "
        "displacement of 1 Å already counts as a miss at the shortest lengths."
    )
