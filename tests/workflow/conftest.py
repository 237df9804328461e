"""A copy of the project to run Snakemake in, and the means to run it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "config", "profiles", "envs", "betafold", "betafold_ext")


class Project:
    """A copy of the workflow and its package, so that a test may edit both and keep its results apart."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)

    def snakemake(self, *arguments: str, expect: int = 0) -> str:
        """What ``snakemake ARGUMENTS`` printed; fails unless it ended with status ``expect``."""
        # PYTHONPATH makes the copy win over the installed package, in Snakemake and in its jobs.
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout[-8000:]
        return done.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rule -> number of jobs that ``snakemake -n ARGUMENTS`` would run."""
        return job_counts(self.snakemake("-n", *arguments))

    def edit(self, name: str) -> None:
        """Change the text of a file without changing what it does."""
        path = self.folder / name
        path.write_text(path.read_text() + "\n# edited\n")


def job_counts(printed: str) -> dict[str, int]:
    """Rule -> jobs in the first table ``Job stats`` of Snakemake's output, without the target ``all``."""
    if "Nothing to be done" in printed:
        return {}
    table = printed.split("Job stats:")[1].split("\n\n")[0]
    counts = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
    return {name: count for name, count in counts.items() if name not in ("total", "all", "job")}


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path / "betafold")
