"""ESM-2 weights and one embedding group per data shard.

inputs:  config esm.weights, results/labels.zarr/{shard}
outputs: results/esm2.safetensors, results/embeddings.zarr/{shard}
"""


rule fetch_weights:
    input:
        WEIGHTS_FILE,
    output:
        "results/esm2.safetensors",
    log:
        "logs/fetch_weights.log",
    benchmark:
        "logs/benchmarks/fetch_weights.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=module_digest("betafold.embeddings.weights"),
        weights=config["esm"]["weights"],
    shell:
        "betafold fetch weights --weights {params.weights:q} --out {output} > {log} 2>&1"


rule embed:
    input:
        labels="results/labels.zarr/{shard}",
        weights="results/esm2.safetensors",
    output:
        directory("results/embeddings.zarr/{shard}"),
    log:
        "logs/embed/{shard}.log",
    benchmark:
        "logs/benchmarks/embed/{shard}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code_digest("embed"),
    shell:
        "betafold embed --labels {input.labels} --weights {input.weights} --threads {threads}"
        " --out {output} > {log} 2>&1"
