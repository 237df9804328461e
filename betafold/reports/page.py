"""The calibration report: one self-contained HTML page."""

from collections import Counter
from pathlib import Path

import pandas as pd

from betafold.reports import (
    accuracy_figures,
    accuracy_text,
    comparison,
    confidence_figures,
    confidence_text,
    geometry_figures,
)
from betafold.reports.inputs import Run
from betafold.reports.render import section, write_page
from betafold.reports.style import house_style
from betafold.reports.wording import FAMILIES
from betafold.structures.samples import KINDS

SPLITS = ("train", "validation", "calibration", "test")


def write_report(run: Run, out: Path) -> None:
    """Render the page for ``run`` and write it to ``out``."""
    with house_style():
        write_page("calibration.html.j2", context(run), out)


def context(run: Run) -> dict:
    """Everything the template shows."""
    metrics = comparison.known_metrics(run)
    records, strata = comparison.metric_table(run), comparison.stratum_table(run)
    return {
        "run": run,
        "families": FAMILIES,
        "headline": [*accuracy_text.headline(run), confidence_text.headline(run.main)],
        "data_text": accuracy_text.data(run),
        "split_counts": split_counts(run.split),
        "rejected_counts": rejected_counts(run.rejected),
        "metrics": metrics,
        "records": records,
        "best": {metric: comparison.best(records, metric) for metric in metrics},
        "strata": strata,
        "strata_text": accuracy_text.strata(run, strata),
        "methods": [(method, comparison.short_label(method)) for _, method in comparison.methods(run)],
        "verdict": comparison.verdict,
        "accuracy_figures": _accuracy_sections(run, strata),
        "error_figures": _error_sections(run),
        "confidence_figures": _confidence_sections(run),
        "headline_level": confidence_figures.headline_level,
        "patterns": comparison.pattern_table(run.main),
        "ensembles_text": accuracy_text.ensembles(run),
        "tm_text": accuracy_text.tm_score(run),
    }


def _accuracy_sections(run: Run, strata: list[dict]) -> list[dict]:
    return [
        section(
            "Against the baselines",
            accuracy_figures.by_method(run, strata),
            "Dots with 95 % intervals: mean CA-RMSD of each model and baseline on all, helical and other test peptides.",
            accuracy_text.accuracy(run),
        ),
        section(
            "How many peptides are close",
            accuracy_figures.cumulative(run),
            "Two panels of rising curves: share of test peptides below each CA-RMSD, for one answer and best of five.",
            accuracy_text.cumulative(run),
        ),
    ]


def _error_sections(run: Run) -> list[dict]:
    sections = [
        section(
            "Length",
            accuracy_figures.by_length(run),
            "Scatter of CA-RMSD against number of residues for each model, with mean lines of model and helix.",
            accuracy_text.length(run),
        ),
        section(
            "Along the chain",
            accuracy_figures.along_chain(run),
            "Mean CA deviation from N- to C-terminus after superposing the whole chain, helical and not helical.",
            accuracy_text.chain(run),
        ),
        *(_torsion_sections(run) if comparison.has_torsions(run.main) else []),
        section(
            "Examples",
            geometry_figures.examples(run),
            "CA traces of the best, median and worst test peptide of the main model, predicted over native.",
            f"The main model’s best, median and worst test peptide by {_example_order(run)}, predicted (colour) "
            "superposed on native (grey), seen in the plane that shows most of the native. The large dot is the "
            "N-terminus.",
        ),
    ]
    if any(model.history is not None for model in run.models):
        training = section(
            "Training",
            accuracy_figures.training(run),
            "Training and validation loss, and validation CA-RMSD, by epoch for each model.",
            accuracy_text.training(run),
        )
        sections.append(training)
    return sections


def _example_order(run: Run) -> str:
    return "lDDT" if comparison.has_chains(run) else "CA-RMSD per residue"


def _torsion_sections(run: Run) -> list[dict]:
    """What only natives with torsions can show."""
    curve = geometry_figures.noise_curve(run.main)
    return [
        section(
            "Torsion basins",
            accuracy_figures.ramachandran(run),
            "Ramachandran density maps: native test residues and the predictions of each model.",
            accuracy_text.ramachandran(run),
        ),
        section(
            "Residue types",
            accuracy_figures.by_residue(run),
            "Mean psi error per residue type of the main model with 95 % intervals, worst first.",
            accuracy_text.residues(run),
        ),
        section(
            "From torsion errors to RMSD",
            geometry_figures.sensitivity(run, curve),
            "Curve of CA-RMSD against torsion noise added to native torsions, with a mark for each model.",
            accuracy_text.sensitivity(run, curve),
        ),
    ]


def _confidence_sections(run: Run) -> list[dict]:
    return [
        section(
            "Reliability of pLDDT",
            confidence_figures.reliability(run),
            "Observed lDDT against predicted pLDDT in ten equal-count bins, before and after calibration.",
            confidence_text.reliability(run),
        ),
        section(
            "Predicted and true CA-RMSD",
            confidence_figures.predicted_rmsd(run),
            "Scatter of true against predicted CA-RMSD of each test peptide, with the diagonal and the upper bound.",
            confidence_text.predicted_rmsd(run),
        ),
        section(
            "Risk-coverage",
            confidence_figures.risk_coverage(run),
            "Mean CA-RMSD and CA-RMSD per residue of the most confident share, with oracle, random and length order.",
            confidence_text.risk_coverage(run),
        ),
        section(
            "Coverage of the bounds",
            confidence_figures.coverage(run),
            "Observed share of true CA-RMSD below its bound against the nominal level, with 95 % intervals.",
            confidence_text.coverage(run),
        ),
    ]


def split_counts(split: pd.DataFrame | None) -> list[dict]:
    """Per split: peptides of each kind and clusters."""
    if split is None:
        return []
    records = []
    for name in SPLITS:
        rows = split[split["split"] == name]
        counts = {kind: int((rows["kind"] == kind).sum()) for kind in KINDS}
        records.append({"split": name, **counts, "all": len(rows), "clusters": rows["cluster"].nunique()})
    return records


# What of a reason belongs to one case only: details after a colon or in brackets, residues, chains, numbers.
REASON_DETAILS = (
    (r"\s*[:;(].*", ""),
    (r" of chain \S+ .*", " of another chain of the entry"),
    (r"^peptide with (modified|D) residue.*", r"peptide with a \1 residue"),
    (r"^(modified|D) residue.*", r"\1 residue"),
    (r"^backbone atoms .* missing", "backbone atoms missing"),
    (r"^model \d+", "NMR model"),
    (r"\b(of) \d+\b", r"\1 n"),
)


def rejected_counts(rejected: pd.DataFrame | None, most: int = 12) -> list[tuple[str, int]]:
    """Most frequent reasons for rejection with counts, whatever residue, chain or number they name."""
    if rejected is None or rejected.empty:
        return []
    kinds = rejected["reason"].astype(str)
    for pattern, label in REASON_DETAILS:
        kinds = kinds.str.replace(pattern, label, regex=True)
    common = Counter(kinds.str.strip(" ,")).most_common()
    shown, rest = common[:most], sum(count for _, count in common[most:])
    return [*shown, ("other reasons", rest)] if rest else shown
