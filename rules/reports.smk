"""The pages a person reads, and the record of the run that made them.

inputs:  evaluation and calibration of every model; time and memory of its training and prediction
outputs: reports/calibration.html, reports/benchmark.html, results/run_config.yaml
"""


rule report:
    input:
        evaluation=expand("results/evaluation/{model}.tsv", model=MODELS),
        calibration=expand("results/calibration/{model}", model=MODELS),
        history=expand("results/models/{model}/history.tsv", model=MODELS),
        rejected="results/rejected.tsv",
        split="results/split.tsv",
    output:
        report(
            "reports/calibration.html",
            category="Calibration",
            caption="captions/calibration.rst",
        ),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("report"),
    shell:
        "betafold report --evaluation {input.evaluation} --calibration {input.calibration}"
        " --history {input.history} --rejected {input.rejected} --split {input.split}"
        " --out {output} > {log} 2>&1"


rule compare:
    input:
        evaluation=expand("results/evaluation/{model}.tsv", model=MODELS),
        predictions=expand("results/predictions/{model}", model=MODELS),
        benchmarks=expand(
            "logs/benchmarks/{step}/{model}.tsv",
            step=("train", "evaluate", "predict"),
            model=MODELS,
        ),
        sequences="results/test.fasta",
    output:
        report(
            "reports/benchmark.html",
            category="Evaluation",
            caption="captions/benchmark.rst",
        ),
    log:
        "logs/compare.log",
    benchmark:
        "logs/benchmarks/compare.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("report"),
    shell:
        "betafold report --page benchmark --evaluation {input.evaluation} --benchmarks {input.benchmarks}"
        " --sequences {input.sequences} --out {output} > {log} 2>&1"


rule run_config:
    input:
        # The tables are inputs so that the record is written last, by the code that made them.
        tables=expand("results/evaluation/{model}.tsv", model=MODELS),
        weights="results/esm2.safetensors",
    output:
        report(
            "results/run_config.yaml",
            category="Data",
            caption="captions/run_config.rst",
        ),
    log:
        "logs/run_config.log",
    benchmark:
        "logs/benchmarks/run_config.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_digest("config"),
        config=json.dumps(config, sort_keys=True),
    shell:
        "betafold config --json {params.config:q} --weights {input.weights} --out {output} > {log} 2>&1"
