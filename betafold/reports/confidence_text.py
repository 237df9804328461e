"""Sentences on confidence. Every claim is conditional on this run's numbers."""

import numpy as np
import pandas as pd

from betafold.reports.confidence_figures import headline_level
from betafold.reports.inputs import ModelResults, Run
from betafold.reports.wording import interval, number, percent


def headline(model: ModelResults) -> str:
    """Calibration error before and after, what the most confident fifth is worth, coverage."""
    summary = model.summary
    before, after = summary.loc["ece_plddt_raw"], summary.loc["ece_plddt_calibrated"]
    change = "fell" if after.estimate < before.estimate else "did not fall"
    text = (
        f"Calibration error of pLDDT {change}: {number(before.estimate, 1)} points raw, "
        f"{number(after.estimate, 1)} after calibration (of 100). "
    )
    top, gain = summary.loc["ca_rmsd_top20_confidence"], summary.loc["ca_rmsd_top20_minus_all"]
    within = summary.loc["ca_rmsd_per_residue_top20_minus_all_within_length"]
    text += f"The most confident 20 % have a mean CA-RMSD of {interval(top, 2, 'Å')}, "
    text += f"all test peptides {number(summary.loc['ca_rmsd_all'].estimate, 2, 'Å')}"
    if gain.high >= 0:
        text += ", a difference that this sample does not establish."
    elif within.high < 0:
        text += "; they are better at equal length too."
    else:
        text += ", but this sample does not show that they are better than others of their length."
    level = headline_level(model)
    if level is not None:
        row = coverage_row(model, level)
        text += (
            f" The {round(100 * level)} % bounds on CA-RMSD hold for {percent(row.estimate)} of the test clusters "
            f"({percent(row.low)} to {percent(row.high)})."
        )
    return text


def coverage_row(model: ModelResults, level: float) -> pd.Series:
    """Macro coverage of one level."""
    table = model.checks["coverage"]
    return table[(table["average"] == "macro") & np.isclose(table["level"], level)].iloc[0]


def reliability(run: Run) -> str:
    """Direction of the raw bias, ECE before and after, rank correlation per residue."""
    sentences = []
    for model in run.models:
        scored = model.test_residues.dropna(subset=["lddt"])
        bias = scored["plddt_raw"].mean() - scored["lddt"].mean()
        summary = model.summary
        before, after = summary.loc["ece_plddt_raw"], summary.loc["ece_plddt_calibrated"]
        rho = summary.loc["spearman_residue_plddt_lddt"]
        tendency = (
            "overconfident" if bias > 1 else "underconfident" if bias < -1 else "about right on average"
        )
        outcome = "lowers" if after.estimate < before.estimate else "does not lower"
        sentences.append(
            f"Raw pLDDT of “{model.name}” is {tendency} ({number(bias, 1)} points against observed lDDT). Calibration "
            f"{outcome} the expected calibration error: {interval(before, 1)} before, {interval(after, 1)} after. "
            f"Per residue, pLDDT and lDDT rank alike with Spearman {interval(rho)}."
        )
    return " ".join(sentences)


def predicted_rmsd(run: Run) -> str:
    """Rank correlation of predicted and true RMSD, compared with length alone."""
    sentences = []
    for model in run.models:
        summary = model.summary
        rho, by_length = summary.loc["spearman_predicted_true_rmsd"], summary.loc["spearman_length_true_rmsd"]
        error = summary.loc["ece_predicted_rmsd"]
        strength = (
            "more than length alone"
            if rho.estimate > by_length.estimate + 0.05
            else "no more than length alone"
        )
        sentences.append(
            f"The confidence of “{model.name}” ranks peptides by true CA-RMSD with Spearman {interval(rho)}, {strength}: "
            f"{interval(by_length)}. Predicted and true means differ by {interval(error, 2, 'Å')} over equal-count "
            "bins."
        )
    return " ".join(sentences)


def risk_coverage(run: Run) -> str:
    """The most confident fifth, overall and within length bands, and areas under the curve."""
    model = run.main
    summary = model.summary
    everyone, top = summary.loc["ca_rmsd_all"], summary.loc["ca_rmsd_top20_confidence"]
    per_residue = summary.loc["ca_rmsd_per_residue_top20_confidence"]
    within = summary.loc["ca_rmsd_per_residue_top20_minus_all_within_length"]
    area = {
        name: summary.loc[f"aurc_ca_rmsd_{name}"].estimate
        for name in ("confidence", "oracle", "random", "length_alone")
    }
    gap = area["random"] - area["oracle"]
    share = (area["random"] - area["confidence"]) / gap if gap > 0 else float("nan")
    established = (
        "which holds beyond the choice of short peptides"
        if within.high < 0
        else "not established: part or all of the gain may be the choice of short peptides"
        if within.estimate < 0
        else "so the gain is the choice of short peptides"
    )
    ahead = area["length_alone"] - area["confidence"]
    relation = (
        "better than" if ahead > 0.1 * gap else "worse than" if ahead < -0.1 * gap else "about as good as"
    )
    return (
        f"The most confident 20 % of the test peptides have a mean CA-RMSD of {interval(top, 2, 'Å')}, all of them "
        f"{interval(everyone, 2, 'Å')}; per residue {number(per_residue.estimate, 3)} against "
        f"{number(summary.loc['ca_rmsd_per_residue_all'].estimate, 3, 'Å')}. Ranked only within bands of equal length, "
        f"the top fifth differs from all by {interval(within, 3, 'Å')} per residue, {established}. The area under the "
        f"curve is {number(area['confidence'], 2)} (oracle {number(area['oracle'], 2)}, random "
        f"{number(area['random'], 2)}, ordering by length {number(area['length_alone'], 2)}): the confidence closes "
        f"{percent(share)} of the gap from random to oracle and is {relation} ordering by length."
    )


def coverage(run: Run) -> str:
    """Whether the bounds keep their promise."""
    sentences = []
    for model in run.models:
        table = model.checks["coverage"]
        table = table[table["average"] == "macro"]
        if table.empty:
            sentences.append(f"“{model.name}” has too few calibration clusters for any bound.")
            continue
        short = table[table["high"] < table["level"]]
        wide = table[table["low"] > table["level"]]
        held = ", ".join(f"{percent(row.level)} → {percent(row.estimate)}" for row in table.itertuples())
        sentences.append(f"Bounds of “{model.name}”, nominal → observed: {held}.")
        for rows, words in (
            (short, "too low (the bounds fail)"),
            (wide, "too high (the bounds are wider than needed)"),
        ):
            if len(rows):
                sentences.append(
                    f"Clearly {words} at {', '.join(percent(level) for level in rows['level'])}."
                )
        if short.empty and wide.empty:
            sentences.append("Every interval contains its nominal level.")
        missing = 0.95 not in set(model.calibration.levels)
        if missing:
            n = model.calibration.counts.get("conformal_clusters")
            sentences.append(f"Its {n} conformal clusters support no bound at 95 %.")
    return " ".join(sentences)
