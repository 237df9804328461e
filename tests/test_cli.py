"""What every sub-command keeps to."""

import subprocess
import sys

import pytest

from betafold.cli.__main__ import STEPS, main


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "betafold.cli", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("step", STEPS)
def test_help_has_an_example(step, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([step, "--help"])
    assert stopped.value.code == 0
    assert f"betafold {step}" in capsys.readouterr().out.split("example:")[1]


def test_help_loads_nothing_heavy():
    code = "import sys; from betafold.cli.__main__ import build_parser; build_parser(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"'torch'", "'prody'", "'pandas'", "'zarr'", "'sklearn'"} & set(
        loaded.strip("[]\n").split(", ")
    )


def test_unknown_step_and_no_step_are_usage_errors():
    for arguments in ((), ("fold",)):
        done = run(*arguments)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    peptide = tmp_path / "a.fasta"
    peptide.write_text(">a\nACDEFGHIKLM\n")
    for arguments in (
        ("predict", peptide, "--out"),
        ("evaluate", "--native", tmp_path, "--predicted", tmp_path, "--out"),
    ):
        done = run(*map(str, arguments), str(tmp_path / "file" / "below.csv"))
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_users_mistake_is_one_line():
    done = run("predict", "no-such-file.fasta", "--out", "nowhere")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no-such-file.fasta" in done.stderr
