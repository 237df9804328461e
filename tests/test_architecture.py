"""The house stands: a module imports only from the ground floor and from rooms above its own."""

import ast

import pytest

from betafold.provenance import PACKAGE_ROOT, _imported_modules

GROUND = ("betafold.geometry", "betafold.errors", "betafold.files", "betafold.provenance", "betafold_ext")
ROOMS = ("structures", "embeddings", "models", "training", "prediction", "evaluation", "reports", "cli")
SOURCES = sorted((PACKAGE_ROOT / "betafold").rglob("*.py"))


def module_name(source):
    parts = source.relative_to(PACKAGE_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_allowed(importer: str, imported: str) -> bool:
    if imported in ("betafold", "betafold.__version__") or imported.startswith(GROUND):
        return True
    room = importer.split(".")[1] if "." in importer else ""
    target = imported.split(".")[1]
    if room not in ROOMS:  # the ground floor stands on nothing above it
        return False
    return target in ROOMS[: ROOMS.index(room) + 1]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: module_name(source))
def test_imports_point_upstream(source):
    name = module_name(source)
    wrong = [target for target in _imported_modules(name, source) if not is_allowed(name, target)]
    assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: module_name(source))
def test_no_room_knows_snakemake(source):
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not any(name.startswith("snakemake") for name in imported)


def test_the_rule_can_fail():
    assert not is_allowed("betafold.structures.labels", "betafold.models.torsion")
    assert not is_allowed("betafold.geometry.ideal", "betafold.structures.samples")
    assert is_allowed("betafold.models.torsion", "betafold.embeddings.store")
