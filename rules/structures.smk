"""Structure files in, labelled samples and their split out.

inputs:  config structures (embedded archive, mirror or PDBbind directory, JSON file or list of PDB ids)
outputs: results/structures.tsv, results/labels.zarr/{shard}, results/rejected.tsv, results/split.tsv
"""


rule fetch_structures:
    input:
        config["structures"]["ids"] or [],
        config["structures"]["path"] if config["structures"]["source"] == "json" else [],
    output:
        table="results/structures.tsv",
        skipped="results/structures.skipped.tsv",
        record="results/structures.json",
    log:
        "logs/fetch_structures.log",
    benchmark:
        "logs/benchmarks/fetch_structures.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        code=module_digest("betafold.structures.sources"),
        source=config["structures"]["source"],
        path=option("path", config["structures"]["path"]),
        ids=option("ids", config["structures"]["ids"]),
        base_url=config["structures"]["base_url"],
        shards=len(SHARDS),
    shell:
        "betafold fetch structures --source {params.source} {params.path} {params.ids}"
        " --base-url {params.base_url:q} --shards {params.shards} --out {output.table} > {log} 2>&1"


rule label:
    input:
        "results/structures.tsv",
    output:
        labels=directory("results/labels.zarr/{shard}"),
        rejected="results/rejected/{shard}.tsv",
    log:
        "logs/label/{shard}.log",
    benchmark:
        "logs/benchmarks/label/{shard}.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=code_digest("label"),
        max_length=config["labels"]["max_length"],
        fragments=config["labels"]["fragments_per_chain"],
        stride=config["labels"]["fragment_stride"],
        duplicate_rmsd=config["labels"]["duplicate_rmsd"],
    shell:
        "betafold label --entries {input} --shard {wildcards.shard} --max-length {params.max_length}"
        " --fragments-per-chain {params.fragments} --fragment-stride {params.stride}"
        " --duplicate-rmsd {params.duplicate_rmsd} --out {output.labels} --rejected {output.rejected} > {log} 2>&1"


rule rejected:
    input:
        "results/structures.skipped.tsv",
        expand("results/rejected/{shard}.tsv", shard=SHARDS),
    output:
        report(
            "results/rejected.tsv",
            category="Data",
            caption="captions/rejected.rst",
        ),
    log:
        "logs/rejected.log",
    benchmark:
        "logs/benchmarks/rejected.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_digest("rejected"),
    shell:
        "betafold rejected {input} --out {output} > {log} 2>&1"


rule split:
    input:
        LABELS,
    output:
        table=report(
            "results/split.tsv",
            category="Data",
            caption="captions/split.rst",
        ),
        record="results/split.json",
    log:
        "logs/split.log",
    benchmark:
        "logs/benchmarks/split.tsv"
    conda:
        "../envs/betafold.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("split"),
        identity=config["split"]["identity"],
        fractions=[
            config["split"][part]
            for part in ("train", "validation", "calibration", "test")
        ],
        seed=config["seed"],
    shell:
        "betafold split --labels {input} --identity {params.identity} --fractions {params.fractions}"
        " --seed {params.seed} --threads {threads} --out {output.table} > {log} 2>&1"
