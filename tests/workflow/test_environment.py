"""The pinned environment: complete, and the same in each of its files."""

import ast
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
# Import name -> name on the package index, where the two differ.
PACKAGES = {
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "PIL": "pillow",
    "esm": "fair-esm",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "Cython": "cython",
}


def pins(name: str) -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in (ENVS / name).read_text().splitlines()]
    return {package.lower(): version for package, version in (line.split("==") for line in lines if line)}


def third_party_imports(*patterns: str) -> set[str]:
    found = set()
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found.update(alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.split(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and not name.startswith("betafold")}


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ENVS / "betafold.yaml").read_text())
    listed = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert dict(entry.split("==") for entry in listed) == pins("requirements.txt")


def test_constraints_hold_every_pin():
    constraints = pins("constraints.txt")
    for name in ("requirements.txt", "requirements-dev.txt"):
        for package, version in pins(name).items():
            assert constraints[package] == version, package


def test_every_import_of_the_package_is_required():
    imported = third_party_imports("betafold/**/*.py", "betafold_ext/**/*.py", "setup.py")
    required = set(pins("requirements.txt"))
    assert {PACKAGES.get(name, name) for name in imported} <= required


def test_every_import_of_the_tests_is_required():
    imported = third_party_imports("tests/**/*.py") - {"tests", "benchmarks"}
    required = set(pins("requirements.txt")) | set(pins("requirements-dev.txt"))
    assert {PACKAGES.get(name, name) for name in imported} <= required


def test_the_installed_package_names_what_it_imports():
    declared = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("]")[0]
    names = {name.lower() for name in re.findall(r'"([A-Za-z0-9_-]+)', declared)}
    imported = third_party_imports("betafold/**/*.py", "betafold_ext/**/*.py")
    assert {PACKAGES.get(name, name) for name in imported} <= names


def test_torch_is_pinned_and_installed_alone_first():
    makefile = (ROOT / "Makefile").read_text()
    assert "torch" in pins("requirements.txt")
    assert makefile.index("grep '^torch=='") < makefile.index("-r envs/requirements.txt")
