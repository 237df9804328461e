"""``betafold train`` from files to files, without ESM in sight."""

import subprocess
import sys

import pytest

from betafold.embeddings.store import write_embeddings
from betafold.provenance import PACKAGE_ROOT
from betafold.structures.labels import write_labels

SPEC = """
model: {head: mixture, input_dim: 8, d_model: 16, layers: 1, heads: 2, ffn: 16, components: 3}
training: {epochs: 9, confidence_epochs: 2}
"""
RUN_AND_LIST_MODULES = """
import sys
from betafold.cli.__main__ import main
status = main(sys.argv[1:])
print(*(name for name in ("esm", "prody") if name in sys.modules))
sys.exit(status)
"""


@pytest.fixture
def arguments(world, tmp_path):
    samples, embeddings, attrs, split = world
    halves = samples[::2], samples[1::2]
    for shard, half in enumerate(halves):
        write_labels(tmp_path / f"labels/{shard}", half, {})
        ids = [sample.id for sample in half]
        write_embeddings(tmp_path / f"embeddings/{shard}", ids, [embeddings[i] for i in ids], attrs)
    columns = {name: [getattr(s, name) for s in samples] for name in ("sequence", "length", "kind", "parent")}
    table = split.assign(**columns, cluster=range(len(samples)))
    table[[*columns, "cluster", "split"]].to_csv(tmp_path / "split.tsv", sep="\t")
    (tmp_path / "spec.yaml").write_text(SPEC)
    return [
        "train", "--spec", "spec.yaml", "--labels", "labels/0", "labels/1", "--embeddings", "embeddings/0",
        "embeddings/1", "--split", "split.tsv", "--out", "out", "--epochs", "2", "--device", "cpu",
    ]  # fmt: skip


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, "-c", RUN_AND_LIST_MODULES, *arguments],
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(PACKAGE_ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_training_never_imports_esm_and_names_its_result(arguments, tmp_path):
    done = run(arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    assert "out/best.pt: epoch" in done.stderr and "\r" not in done.stderr  # no progress bar in a log
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"best.pt", "last.pt", "history.tsv"}


def test_mistakes_end_in_one_line(arguments, tmp_path, capsys, monkeypatch):
    from betafold.cli.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("betafold.training.device._available", lambda: {"mps": False, "cpu": True})
    assert main([*arguments, "--device", "mps"]) == 1
    assert "--device mps: not available" in capsys.readouterr().err
    (tmp_path / "spec.yaml").write_text("model: {head: mixture, layers: two}")
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "model.layers: 'two' is not of type 'integer'" in error
    (tmp_path / "spec.yaml").write_text(SPEC)
    start = arguments.index("--embeddings")
    assert main(arguments[:start] + arguments[start + 3 :]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "a torsion model reads embeddings" in error and "--embeddings" in error
    with pytest.raises(SystemExit):
        main([*arguments, "--epochs", "0"])
    assert "invalid positive integer value: '0'" in capsys.readouterr().err
    for threads in ("0", "99999999999"):
        with pytest.raises(SystemExit):
            main([*arguments, "--threads", threads])
        assert f"invalid number of threads value: '{threads}'" in capsys.readouterr().err
    for limit in ("-1", "nan", "inf", "soon"):
        with pytest.raises(SystemExit):
            main([*arguments, "--max-minutes", limit])
        assert f"invalid number of minutes value: '{limit}'" in capsys.readouterr().err
    assert main([*arguments, "--seed", "-1"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--seed: -1 is less than the minimum of 0" in error
