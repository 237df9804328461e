"""Which code, config, data and weights made a result."""

import ast
import hashlib
import importlib.util
import os
import subprocess
from functools import cache
from pathlib import Path

from betafold import __version__

PACKAGES = ("betafold", "betafold_ext")
PACKAGE_ROOT = Path(__file__).resolve().parent.parent
EXTENSION_SOURCES = ("*.pyx", "*.pxd", "*.c", "*.h")
DATA = ("*.yaml", "*.tsv", "templates/*")


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _module_file(module: str) -> Path | None:
    """Source file of ``module`` if it is a module of this project."""
    base = PACKAGE_ROOT.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imported_modules(module: str, source: Path) -> set[str]:
    """Modules of this project that ``source`` imports, at the top or inside a function."""
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            target = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(target, package) if node.level else target
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] in PACKAGES}


def imported_sources(module: str) -> set[Path]:
    """Source files of this project that ``module`` runs: itself and what it imports, transitively.

    Templates, schemas and tables that lie beside a module count as part of it.
    """
    seen, queue, sources = set(), [module], set()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        source = _module_file(name)
        if source is None:
            continue
        sources.add(source)
        if source.name != "__init__.py":
            sources.update(path for pattern in DATA for path in source.parent.glob(pattern))
        queue.extend(_imported_modules(name, source))
        if "." in name:
            queue.append(name.rpartition(".")[0])
    if any(source.parent.name == "betafold_ext" for source in sources):
        # Compiled kernels leave no import statement behind, so all their sources count.
        for pattern in EXTENSION_SOURCES:
            sources.update(
                path for path in (PACKAGE_ROOT / "betafold_ext").rglob(pattern) if not _is_generated(path)
            )
    return sources


def _is_generated(path: Path) -> bool:
    """Cython's C output lies beside the .pyx of the same name."""
    return path.suffix == ".c" and path.with_suffix(".pyx").exists()


@cache
def code_digest(step: str) -> str:
    """Digest of all code that ``betafold STEP`` runs.

    Snakemake sees an edit of a rule but not one inside the package; this digest stands in the rule's
    ``params`` so that an edited module re-runs exactly the steps that import it.
    """
    return module_digest(f"betafold.cli.{step}")


@cache
def module_digest(module: str) -> str:
    """Digest of all code that ``module`` runs, for a rule that needs one part of a step only."""
    digest = hashlib.sha256()
    for source in sorted(imported_sources(module)):
        digest.update(str(source.relative_to(PACKAGE_ROOT)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def git_commit() -> str:
    """Commit of the checkout the package lies in, with ``+dirty`` after local edits; else ``unknown``."""
    try:
        # --git-dir of an unrelated repository that happens to contain site-packages must not count.
        if not (PACKAGE_ROOT / ".git").exists():
            return "unknown"
        git = ["git", "-C", str(PACKAGE_ROOT)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+dirty" if status.stdout.strip() else "")


def provenance(step: str, **extra) -> dict:
    """What every result file carries: version, commit, digest of the step's code, and ``extra``."""
    return {
        "betafold_version": __version__,
        "git_commit": git_commit(),
        "code_digest": code_digest(step),
        **extra,
    }
