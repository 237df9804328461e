"""One checkpoint per model named in the config.

inputs:  config/models/{model}.yaml, labels, split; embeddings or, for the mtp family, the weights it adapts
outputs: results/models/{model}/best.pt (and last.pt, from which a killed training goes on)
"""


rule train:
    input:
        unpack(features),
        spec="config/models/{model}.yaml",
        labels=LABELS,
        split="results/split.tsv",
    output:
        checkpoint="results/models/{model}/best.pt",
        history="results/models/{model}/history.tsv",
    log:
        "logs/train/{model}.log",
    benchmark:
        "logs/benchmarks/train/{model}.tsv"
    # The longest jobs start first.
    priority: 1
    conda:
        "../envs/betafold.yaml"
    # One thread: sums are then made in one order, and a checkpoint does not depend on the number of cores.
    threads: 1
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        code=code_digest("train"),
        epochs=option("epochs", config["training"]["epochs"]),
        seed=config["seed"],
        features=features_options,
        out=subpath(output.checkpoint, parent=True),
    shell:
        "betafold train --spec {input.spec} --labels {input.labels} {params.features}"
        " --split {input.split} {params.epochs} --seed {params.seed} --threads {threads}"
        " --on-change restart --out {params.out} > {log} 2>&1"
