"""A run killed at any moment ends in the same weights as one that was left alone."""

import dataclasses
import pickle
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch

from betafold.errors import BetaFoldError
from betafold.provenance import PACKAGE_ROOT
from betafold.training.train import train

MEASURED = ["seconds", "memory_mb"]  # differ from run to run
KILLED_RUN = """
import os, pickle, signal
from betafold.training.torsion import TorsionTrainer
from betafold.training.train import train

step, taken = TorsionTrainer.add_gradient, 0

def deadly_step(self, *args):
    global taken
    taken += 1
    if taken == {steps}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args)

TorsionTrainer.add_gradient = deadly_step
with open("input.pickle", "rb") as handle:
    spec, world = pickle.load(handle)
train(spec, *world, "run", device="cpu")
"""


def assert_same(a, b):
    """Equal to the last bit, all the way down."""
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a.keys() - set(MEASURED):
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for pair in zip(a, b, strict=True):
            assert_same(*pair)
    else:
        assert a == b


def test_a_killed_run_ends_bit_identical(world, small_spec, tmp_path):
    spec = small_spec()
    # Dropout draws random numbers in every step, so the generator's state matters too.
    spec = dataclasses.replace(spec, model=dataclasses.replace(spec.model, dropout=0.3))
    train(spec, *world, tmp_path / "whole", device="cpu")
    (tmp_path / "input.pickle").write_bytes(pickle.dumps((spec, world)))
    script = KILLED_RUN.format(steps=13)  # 5 steps an epoch: in the middle of the third
    env = {"PYTHONPATH": str(PACKAGE_ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["trainer"]["epoch"] == 2
    train(spec, *world, tmp_path / "run", device="cpu")
    for name in ("best.pt", "last.pt"):
        whole, resumed = (torch.load(tmp_path / run / name, weights_only=True) for run in ("whole", "run"))
        assert_same(whole, resumed)
    tables = [pd.read_csv(tmp_path / run / "history.tsv", sep="\t") for run in ("whole", "run")]
    pd.testing.assert_frame_equal(*(table.drop(columns=MEASURED) for table in tables), check_exact=True)


def test_results_removed_after_the_end_come_back_without_training(world, small_spec, tmp_path, monkeypatch):
    best = train(small_spec(), *world, tmp_path, device="cpu")
    before = torch.load(best, weights_only=True)
    best.unlink()
    (tmp_path / "history.tsv").unlink()
    monkeypatch.setattr("betafold.training.train._one_epoch", None)
    train(small_spec(), *world, tmp_path, device="cpu")
    assert_same(torch.load(best, weights_only=True), before)
    assert (tmp_path / "history.tsv").exists()


@pytest.mark.parametrize("changed", ["spec", "data", "weights", "code"])
def test_a_run_from_other_input_is_refused_or_replaced(world, small_spec, tmp_path, monkeypatch, changed):
    samples, embeddings, attrs, split = world
    spec = small_spec(epochs=1)
    train(spec, *world, tmp_path, device="cpu")
    if changed == "spec":
        spec = small_spec(epochs=1, learning_rate=0.002)
        named = r"spec.training.learning_rate \(0.01, now 0.002\)"
    elif changed == "data":
        split = split.copy()
        split.iloc[0, 0] = "test"
        named = "data_sha256"
    elif changed == "weights":
        attrs = attrs | {"weights_sha256": "e" * 64}
        named = r"weights_sha256 \(ffffffff..., now eeeeeeee...\)"
    else:
        monkeypatch.setattr("betafold.training.train.provenance", lambda step: {"code_digest": "0123"})
        named = "code_digest"
    with pytest.raises(BetaFoldError, match=named + ".*--on-change restart") as error:
        train(spec, samples, embeddings, attrs, split, tmp_path, device="cpu")
    assert "\n" not in str(error.value)
    train(spec, samples, embeddings, attrs, split, tmp_path, device="cpu", on_change="restart")


def test_a_damaged_resume_state_is_refused(world, small_spec, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(BetaFoldError, match="last.pt: damaged"):
        train(small_spec(), *world, tmp_path, device="cpu")
