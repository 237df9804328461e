"""The digest of a step changes with the code that step runs, and with no other."""

import shutil
import subprocess
import sys

import pytest

from betafold.provenance import PACKAGE_ROOT, code_digest, file_sha256, imported_sources

STEPS = ("fetch", "label", "split", "embed", "train", "evaluate", "calibrate", "bundle", "predict", "report")
PRINT_DIGESTS = f"from betafold.provenance import code_digest as d; print([d(s) for s in {STEPS}])"


@pytest.fixture
def copied_package(tmp_path):
    for package in ("betafold", "betafold_ext"):
        shutil.copytree(
            PACKAGE_ROOT / package,
            tmp_path / "checkout" / package,
            ignore=shutil.ignore_patterns("__pycache__", "bundles"),
        )
    return tmp_path / "checkout"


def digests(root):
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    return dict(zip(STEPS, eval(printed), strict=True))


def test_an_edit_changes_the_steps_that_import_it(copied_package):
    before = digests(copied_package)
    edited = copied_package / "betafold" / "models" / "transformer.py"
    edited.write_text(edited.read_text() + "\n# edited\n")
    after = digests(copied_package)
    changed = {step for step in STEPS if before[step] != after[step]}
    assert {"train", "evaluate", "predict"} <= changed
    assert not {"fetch", "label", "split", "embed", "report"} & changed


def test_an_edited_kernel_changes_the_steps_that_compute_geometry(copied_package):
    before = digests(copied_package)
    (copied_package / "betafold_ext" / "_added.pyx").write_text("# a kernel\n")
    after = digests(copied_package)
    assert {"label", "train", "evaluate"} <= {step for step in STEPS if before[step] != after[step]}
    assert before["split"] == after["split"] or any(
        source.parent.name == "betafold_ext" for source in imported_sources("betafold.cli.split")
    )


def test_a_script_beside_the_checkout_is_no_part_of_it(copied_package):
    before = digests(copied_package)
    copied_package.with_suffix(".py").write_text("import nothing\n")
    assert digests(copied_package) == before


def test_digest_is_the_same_twice():
    assert code_digest("label") == code_digest("label")


def test_file_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # the first test vector of FIPS 180-2
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_data_beside_a_module_counts(copied_package):
    (copied_package / "betafold" / "models" / "added.yaml").write_text("a: schema\n")
    assert digests(copied_package)["train"] != code_digest("train")
    assert digests(copied_package)["fetch"] == code_digest("fetch")
