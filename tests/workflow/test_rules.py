"""Every rule is complete, thin, and calls the command line as it is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from betafold.cli.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
SMK = sorted(ROOT.glob("rules/*.smk"))


@pytest.fixture(scope="module")
def rules():
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1), snakefile=ROOT / "Snakefile", workdir=ROOT
        )._workflow
        return {rule.name: rule for rule in workflow.rules if not rule.norun}


def test_every_rule_has_log_benchmark_threads_resources_and_environment(rules):
    assert len(rules) > 10
    for name, rule in rules.items():
        assert rule.log, name
        assert rule.benchmark, name
        assert {"_cores", "mem_mb", "runtime"} <= set(rule.resources), name
        assert rule.conda_env == "../envs/betafold.yaml", name


def test_threads_are_written_out_in_every_rule():
    for path in SMK:
        text = path.read_text()
        assert len(re.findall(r"^rule ", text, re.MULTILINE)) == len(
            re.findall(r"^    threads: ", text, re.MULTILINE)
        )


def test_rules_are_one_shell_line_and_hold_no_code():
    for path in SMK:
        assert not re.search(r"^    (run|script|notebook|wrapper):|lambda", path.read_text(), re.MULTILINE), (
            path
        )


def test_every_rule_calls_the_command_line_and_carries_the_digest_of_its_code(rules):
    for name, rule in rules.items():
        assert rule.shellcmd.startswith("betafold "), name
        assert re.fullmatch("[0-9a-f]{16}", rule.params.code), name


def test_logs_receive_all_output(rules):
    for name, rule in rules.items():
        assert re.search(r" > \{log\} 2>&1$", rule.shellcmd), name


def test_snakefile_and_common_part_stay_small():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 45
    assert len((ROOT / "rules" / "common.smk").read_text().splitlines()) <= 100


def test_every_command_is_one_the_command_line_accepts(project):
    printed = project.snakemake("-n", "--printshellcmds", "--forceall", "all")
    commands = re.findall(r"^Shell command: (betafold .*?) > logs/", printed, re.MULTILINE)
    assert len(commands) >= 20
    parser = build_parser()
    for command in commands:
        parser.parse_args(shlex.split(command)[1:])


def test_lint_finds_nothing(project):
    assert "Congratulations" in project.snakemake("--lint")


def test_snakefmt_finds_nothing():
    done = subprocess.run(
        [Path(sys.executable).with_name("snakefmt"), "--check", "Snakefile", "rules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
