"""The benchmark page: one self-contained HTML page."""

from pathlib import Path

from betafold.reports import accuracy_figures, accuracy_text, comparison
from betafold.reports.benchmark import figures, output_text, tables, text
from betafold.reports.benchmark.inputs import Benchmark
from betafold.reports.render import section, write_page
from betafold.reports.style import house_style
from betafold.reports.wording import FAMILIES


def write_benchmark(run: Benchmark, out: Path) -> None:
    """Render the page for ``run`` and write it to ``out``."""
    with house_style():
        write_page("benchmark.html.j2", context(run), out)


def context(run: Benchmark) -> dict:
    """Everything the template shows."""
    strata = comparison.stratum_table(run)
    return {
        "run": run,
        "families": {model.family: FAMILIES.get(model.family, model.family) for model in run.models},
        "headline": text.headline(run),
        "chosen": run.representatives(),
        "rival": comparison.strongest_baseline(run.main),
        "metrics": tables.metrics(run),
        "labels": comparison.METRICS,
        "label": comparison.label,
        "best": comparison.best,
        "verdict": comparison.verdict,
        "records": comparison.metric_table(run),
        "pairs": tables.pairs(run),
        "methods": methods(run),
        "strata": strata,
        "groups": tables.groups(run),
        "further_methods": methods(run.further) if run.further else [],
        "further_strata": comparison.stratum_table(run.further) if run.further else [],
        "costs": tables.costs(run),
        "outputs": tables.outputs(run),
        "handedness": tables.handedness(run),
        "diagnostics": tables.DIAGNOSTICS,
        "right_distances": tables.RIGHT_DISTANCES,
        "text": text,
        "output_text": output_text,
        "accuracy_figures": _accuracy_sections(run, strata),
        "error_figures": _error_sections(run),
        "tm_text": accuracy_text.tm_score(run),
        "samples_text": " ".join(
            filter(None, [accuracy_text.chains(run), accuracy_text.without_torsions(run)])
        ),
    }


def methods(run: Benchmark) -> list[tuple[str, str]]:
    """Name and column head of every method."""
    return [(method, comparison.short_label(method)) for _, method in comparison.methods(run)]


def _accuracy_sections(run: Benchmark, strata: list[dict]) -> list[dict]:
    return [
        section(
            "All methods",
            accuracy_figures.by_method(run, strata),
            "Dots with 95 % intervals: mean CA-RMSD of every model and baseline on all, helical and other test peptides.",
            text.structures(run, strata),
        )
    ]


def _error_sections(run: Benchmark) -> list[dict]:
    sections = [
        section(
            "Length",
            figures.by_length(run),
            "Curves of CA-RMSD and distance error against the number of residues, for the best models and a baseline.",
            text.lengths(run),
        )
    ]
    chosen = run.representatives()
    errors = {}
    for model in chosen:
        errors |= figures.separation_errors(model)
    # The constant comes last in the legend, as everywhere.
    errors["helix"] = errors.pop("helix")
    sections.append(
        section(
            "Distance along the chain",
            figures.by_separation(run, errors),
            "Curves of the mean distance error against the separation of two residues along the chain.",
            text.separations(errors),
        )
    )
    for index, first in enumerate(chosen):
        for second in chosen[index + 1 :]:
            sections.append(
                section(
                    "Peptide by peptide",
                    figures.head_to_head(first, second),
                    "Scatter of the CA-RMSD of one model against that of the other, a dot per test peptide.",
                    text.head_to_head(first, second),
                )
            )
    return sections
