"""The graph of jobs: every configuration plans, profiles parse, the README shows it as it is."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONCE = ("fetch_structures", "fetch_weights", "rejected", "split", "report", "run_config")
PER_SHARD = ("label", "embed")
PER_MODEL = ("train", "evaluate", "calibrate", "bundle")


def expected_jobs(shards: int, models: int) -> dict[str, int]:
    return dict.fromkeys(ONCE, 1) | dict.fromkeys(PER_SHARD, shards) | dict.fromkeys(PER_MODEL, models)


MIRROR_ON_SLURM = ("--configfile", "config/mirror.yaml", "--workflow-profile", "config/profiles/slurm")
LIST_ON_A_WORKSTATION = ("--configfile", "config/rcsb.yaml", "--workflow-profile", "config/profiles/local")


@pytest.mark.parametrize("arguments, shards", [((), 4), (MIRROR_ON_SLURM, 16), (LIST_ON_A_WORKSTATION, 4)])
def test_every_configuration_and_profile_plans(project, arguments, shards):
    assert project.planned(*arguments) == expected_jobs(shards, models=2)


def test_the_report_is_a_target_without_further_options(project):
    jobs = project.planned("reports/calibration.html")
    assert "report" in jobs
    assert "bundle" not in jobs


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
