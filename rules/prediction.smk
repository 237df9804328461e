"""What `betafold predict --model` reads, one folder per model, and what it makes of the test peptides, timed.

inputs:  results/models/{model}/best.pt, results/calibration/{model}, results/split.tsv
outputs: results/bundles/{model}, results/test.fasta, results/predictions/{model}
"""


rule bundle:
    input:
        checkpoint="results/models/{model}/best.pt",
        calibration="results/calibration/{model}",
    output:
        directory("results/bundles/{model}"),
    log:
        "logs/bundle/{model}.log",
    benchmark:
        "logs/benchmarks/bundle/{model}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("bundle"),
    shell:
        "betafold bundle --checkpoint {input.checkpoint} --calibration {input.calibration}"
        " --out {output} > {log} 2>&1"


rule sequences:
    input:
        "results/split.tsv",
    output:
        "results/test.fasta",
    log:
        "logs/sequences.log",
    benchmark:
        "logs/benchmarks/sequences.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_digest("sequences"),
        longest=longest(),
    shell:
        "betafold sequences --split {input} --part test --longest {params.longest} --out {output} > {log} 2>&1"


rule predict:
    input:
        unpack(backbone),
        bundle="results/bundles/{model}",
        sequences="results/test.fasta",
    output:
        directory("results/predictions/{model}"),
    log:
        "logs/predict/{model}.log",
    benchmark:
        "logs/benchmarks/predict/{model}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code_digest("predict"),
        weights=features_options,
        seed=config["seed"],
    shell:
        "betafold predict {input.sequences} --model {input.bundle} {params.weights} --seed {params.seed}"
        " --threads {threads} --quiet --out {output} > {log} 2>&1"
