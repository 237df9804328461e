"""BetaFold: from wwPDB entries to a peptide structure model with calibrated confidence.

    snakemake --cores 8 all                   everything
    snakemake reports/calibration.html        one report and what it needs

Rules are thin: each one calls a `betafold` sub-command that can be typed by hand (docs/workflow.md).
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/models.smk"
include: "rules/structures.smk"
include: "rules/embeddings.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/prediction.smk"
include: "rules/reports.smk"


# Downloads run where Snakemake runs: compute nodes often reach no network.
localrules:
    fetch_structures,
    fetch_weights,


rule all:
    default_target: True
    input:
        "reports/calibration.html",
        "reports/benchmark.html",
        "results/run_config.yaml",
        "results/rejected.tsv",
        expand("results/bundles/{model}", model=MODELS),
