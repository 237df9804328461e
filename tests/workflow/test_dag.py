"""The graph of jobs: every configuration plans, profiles parse, the README shows it as it is."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONCE = (
    *("fetch_structures", "fetch_weights", "rejected", "split", "sequences"),
    *("report", "compare", "run_config"),
)
PER_SHARD = ("label", "embed")
PER_MODEL = ("train", "evaluate", "calibrate", "bundle", "predict")


def expected_jobs(shards: int, models: int) -> dict[str, int]:
    return dict.fromkeys(ONCE, 1) | dict.fromkeys(PER_SHARD, shards) | dict.fromkeys(PER_MODEL, models)


MIRROR_ON_SLURM = ("--configfile", "config/mirror.yaml", "--workflow-profile", "config/profiles/slurm")
LIST_ON_A_WORKSTATION = ("--configfile", "config/rcsb.yaml", "--workflow-profile", "config/profiles/local")


@pytest.mark.parametrize("arguments, shards", [((), 4), (MIRROR_ON_SLURM, 16), (LIST_ON_A_WORKSTATION, 4)])
def test_every_configuration_and_profile_plans(project, arguments, shards):
    assert project.planned(*arguments) == expected_jobs(shards, models=3)


def test_the_report_is_a_target_without_further_options(project):
    jobs = project.planned("reports/calibration.html")
    assert "report" in jobs
    assert "bundle" not in jobs


TINY_MTP = "family: mtp\nmodel: {output: distances}\n"
TINY_CAUSAL = "family: mtp\nmodel: {output: distances, backbone: {kind: causal, path: some/model}}\n"


def commands(printed: str, rule: str) -> dict[str, str]:
    """Model -> shell command of the jobs of a rule."""
    jobs = re.findall(rf"^rule {rule}:$.*?^Shell command: (.*?)$", printed, re.MULTILINE | re.DOTALL)
    return {re.search(r"logs/\w+/([\w-]+)\.log", job).group(1): job for job in jobs}


def test_each_family_is_given_what_it_reads(project):
    for name, text in (("adapts", TINY_MTP), ("causal", TINY_CAUSAL)):
        (project.folder / "config" / "models" / f"{name}.yaml").write_text(text)
    (project.folder / "both.yaml").write_text("models: [mixture, adapts, causal]\n")
    printed = project.snakemake("-n", "--printshellcmds", "all", "--configfile", "both.yaml")
    for rule in ("train", "evaluate"):
        found = commands(printed, rule)
        assert "--embeddings results/embeddings.zarr/00 results/embeddings.zarr/01" in found["mixture"]
        assert "--weights" not in found["mixture"]
        assert "--weights results/esm2.safetensors" in found["adapts"]
        assert "--embeddings" not in found["adapts"]
        assert "--weights" not in found["causal"] and "--embeddings" not in found["causal"]
    found = commands(printed, "predict")
    assert set(found) == {"mixture", "adapts", "causal"}
    for name, command in found.items():
        assert ("--weights results/esm2.safetensors" in command) == (name != "causal")


def test_the_outputs_of_the_mtp_family_plan(project):
    jobs = project.planned("reports/benchmark.html", "--configfile", "config/outputs.yaml")
    assert jobs["train"] == jobs["predict"] == 6
    assert "embed" not in jobs


def test_only_mtp_models_need_no_embeddings(project):
    (project.folder / "config" / "models" / "adapts.yaml").write_text(TINY_MTP)
    (project.folder / "one.yaml").write_text("models: [adapts]\n")
    jobs = project.planned("all", "--configfile", "one.yaml")
    assert "embed" not in jobs and jobs["train"] == 1


def test_whole_chains_are_predicted_where_all_models_take_them(project):
    (project.folder / "config" / "models" / "adapts.yaml").write_text(TINY_MTP)
    for models, longest in (("adapts", 300), ("adapts, mixture", 30)):
        (project.folder / "chains.yaml").write_text(f"models: [{models}]\nlabels: {{max_length: 300}}\n")
        printed = project.snakemake("-n", "--printshellcmds", "all", "--configfile", "chains.yaml")
        assert f"--part test --longest {longest} --out results/test.fasta" in printed


def test_a_model_without_a_file_is_named(project):
    printed = project.snakemake("-n", "all", "--config", "models=[nowhere]", expect=1)
    assert "config/models/nowhere.yaml" in printed
    assert "Traceback" not in printed


def test_the_benchmark_page_is_a_target_without_further_options(project):
    jobs = project.planned("reports/benchmark.html")
    assert "compare" in jobs and "report" not in jobs


def test_the_readme_shows_the_graph_of_rules(project):
    printed = project.snakemake("--rulegraph", "mermaid-js", "all")
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", printed, re.MULTILINE))
    drawn = {(names[a], names[b]) for a, b in re.findall(r"^\s*(id\d+) --> (id\d+)", printed, re.MULTILINE)}
    diagram = (ROOT / "README.md").read_text().split("```mermaid")[1].split("```")[0]
    shown = set(re.findall(r"^\s*(\w+) --> (\w+)", diagram, re.MULTILINE))
    assert shown == {edge for edge in drawn if edge[1] != "all"}


def test_commands_in_the_documents_name_a_target_and_one_config():
    from snakemake.cli import get_argument_parser

    commands = []
    for path in (ROOT / "README.md", ROOT / "docs" / "workflow.md", *ROOT.glob("config/*.yaml")):
        commands += re.findall(r"(?:^    |: +|#   )snakemake ([^#\n]+)", path.read_text(), re.MULTILINE)
    assert len(commands) > 6
    for command in commands:
        arguments = get_argument_parser().parse_args(shlex.split(command))
        assert arguments.targets or arguments.report, command
        # --configfile takes every word that follows it, a target too.
        assert len(arguments.configfile or []) <= 1, command
