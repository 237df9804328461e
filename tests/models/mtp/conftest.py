"""Backbones that all tests of this folder share."""

from pathlib import Path

import pytest

from tests.models.mtp.backbones import save_esm2, save_qwen3


@pytest.fixture(scope="session")
def esm2_weights(tmp_path_factory) -> Path:
    """Canonical weights of a small random ESM-2."""
    return save_esm2(tmp_path_factory.mktemp("esm2"))


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory) -> Path:
    """A Qwen3-architecture directory as ``save_pretrained`` writes it."""
    return save_qwen3(tmp_path_factory.mktemp("qwen") / "tiny-qwen3")
