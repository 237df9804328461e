"""What `betafold predict --model` reads, one folder per model.

inputs:  results/models/{model}/best.pt, results/calibration/{model}
outputs: results/bundles/{model}
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
