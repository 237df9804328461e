"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Small real structure files kept in the repository."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's shared folder beside the checkout (a mirror of PDB entries); skips where it is absent."""
    path = ROOT.parent / "shared"
    if not (path / "pdb").is_dir():
        pytest.skip("no shared/pdb mirror beside the checkout")
    return path
