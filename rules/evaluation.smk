"""Every model on held-out peptides beside trivial baselines, and its calibrated confidence.

inputs:  results/models/{model}/best.pt, labels, split; embeddings or, for the mtp family, the weights it adapts
outputs: results/evaluation/{model}.tsv, results/calibration/{model}
"""


rule evaluate:
    input:
        unpack(features),
        checkpoint="results/models/{model}/best.pt",
        labels=LABELS,
        split="results/split.tsv",
    output:
        table=report(
            "results/evaluation/{model}.tsv",
            category="Evaluation",
            caption="captions/evaluation.rst",
            labels={"model": "{model}", "table": "peptides"},
        ),
        residues="results/evaluation/{model}.residues.tsv.gz",
        record="results/evaluation/{model}.json",
    log:
        "logs/evaluate/{model}.log",
    benchmark:
        "logs/benchmarks/evaluate/{model}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code_digest("evaluate"),
        features=features_options,
        ranking=config["evaluation"]["ranking"],
        seed=config["seed"],
    shell:
        "betafold evaluate --checkpoint {input.checkpoint} --labels {input.labels}"
        " {params.features} --split {input.split} --ranking {params.ranking}"
        " --seed {params.seed} --threads {threads} --out {output.table} > {log} 2>&1"


rule calibrate:
    input:
        table="results/evaluation/{model}.tsv",
        residues="results/evaluation/{model}.residues.tsv.gz",
        record="results/evaluation/{model}.json",
        split="results/split.tsv",
    output:
        directory("results/calibration/{model}"),
    log:
        "logs/calibrate/{model}.log",
    benchmark:
        "logs/benchmarks/calibrate/{model}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("calibrate"),
    shell:
        "betafold calibrate --evaluation {input.table} --residues {input.residues} --split {input.split}"
        " --out {output} > {log} 2>&1"
