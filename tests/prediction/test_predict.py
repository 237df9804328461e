import csv
import json
import shutil
from pathlib import Path

import numpy as np
import prody
import pytest

from betafold.cli.__main__ import main
from betafold.models import inputs as inputs_module
from betafold.models.stored import StoredModel
from betafold.prediction import predict as predict_module
from betafold.prediction.bundle import write_bundle
from betafold.prediction.predict import Predictor, predict_folder
from betafold.structures.fasta import Record, read_fasta
from tests.prediction.conftest import PEPTIDES, random_esm, random_model

prody.LOGGER.verbosity = "none"


@pytest.fixture()
def command(bundle_dir, weights, tmp_path):
    """Run ``betafold predict`` with the tiny model into tmp_path/out; returns the exit status."""

    def run(*args):
        # Of an option given twice the last one counts.
        fixed = ["--model", bundle_dir, "--weights", weights, "--out", tmp_path / "out", "--threads", 1]
        return main(["predict", *map(str, [*fixed, *args])])

    return run


@pytest.fixture()
def out(tmp_path):
    return tmp_path / "out"


def summary(out):
    with open(out / "summary.csv", newline="") as handle:
        return {row["id"]: row for row in csv.DictReader(handle)}


def failed(out):
    with open(out / "failed.tsv", newline="") as handle:
        return {row["id"]: row["reason"] for row in csv.DictReader(handle, delimiter="\t")}


def structures(out):
    return sorted(path.name for path in out.iterdir() if path.suffix in (".pdb", ".cif"))


def contents(out):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*.pdb")}


def test_the_contract(command, fasta, out):
    assert command(fasta, "--num-models", 3) == 0
    names = [f"{name}{suffix}.pdb" for name in PEPTIDES for suffix in ("", "_model_2", "_model_3")]
    assert structures(out) == sorted(names)
    assert sorted(path.name for path in out.iterdir() if path.name not in names) == [
        "failed.tsv",
        "prediction.json",
        "summary.csv",
    ]
    assert (out / "failed.tsv").read_text() == "id\treason\n"
    assert "commit c0ffee" in (out / "chignolin.pdb").read_text().replace("\nREMARK   6", "")
    rows = summary(out)
    assert list(rows) == list(PEPTIDES)  # the order of the input
    for name, sequence in PEPTIDES.items():
        row = rows[name]
        assert (row["sequence"], int(row["length"]), row["status"]) == (sequence, len(sequence), "ok")
        atoms = prody.parsePDB(str(out / f"{name}.pdb"))
        assert atoms.ca.getSequence() == sequence
        assert atoms.ca.getBetas().mean() == pytest.approx(float(row["plddt"]), abs=0.02)
        predicted = float(row["predicted_rmsd"])
        bounds = [float(row[f"rmsd_bound_{level}"]) for level in (50, 80, 90)]
        assert bounds == pytest.approx([0.8 * predicted, 1.5 * predicted, 2 * predicted], abs=0.02)


def test_confidence_is_the_calibrated_one(fasta, bundle, weights):
    predictor = Predictor(bundle, weights)
    records, _ = read_fasta(fasta)
    for prediction in predictor.predict(records[:2]):
        raw = predictor.conformers([prediction.record.sequence], 1)
        calibrated = np.interp(raw.plddt[0, 0], (0, 50, 100), (5, 40, 95))
        np.testing.assert_allclose(prediction.structures[0].plddt, calibrated, atol=0.05)
        rmsd = np.interp(raw.expected_rmsd[0, 0], (0, 10), (0.5, 8))
        assert prediction.structures[0].predicted_rmsd == pytest.approx(rmsd, abs=0.01)


def test_without_calibration_the_summary_says_so(command, fasta, out, tmp_path, meta):
    write_bundle(tmp_path / "raw", StoredModel.of(random_model(), meta))
    assert command(fasta, "--model", tmp_path / "raw") == 0
    assert {row["status"] for row in summary(out).values()} == {"uncalibrated"}
    assert {row["rmsd_bound_90"] for row in summary(out).values()} == {""}
    assert "CONFIDENCE: not calibrated" in (out / "chignolin.pdb").read_text()


def test_bad_records_are_skipped_and_named(command, fasta, out, capsys):
    with open(fasta, "a") as handle:
        handle.write(">short\nACDEF\n>x\nACDEFGHIKXLM\n>long\n" + "A" * 31 + "\n>a/b c\nACDEFGHIKL\n")
    assert command(fasta) == 2
    assert set(failed(out)) == {"short", "x", "long"}
    assert set(summary(out)) == {*PEPTIDES, "a_b"}
    error = capsys.readouterr().err
    assert "long: 31 residues, longer than 30; model tiny takes 10-30 residues" in error
    assert "x: 'X' at position 10" in error and "Traceback" not in error


def test_all_bad(command, out, tmp_path):
    bad = tmp_path / "bad.fasta"
    bad.write_text(">a\nAAA\n>b\nACDEFGHIKLJ\n")
    assert command(bad) == 1
    assert set(failed(out)) == {"a", "b"} and structures(out) == []
    assert command("--sequence", "AAA") == 1
    assert set(failed(out)) == {"sequence"}


@pytest.mark.parametrize("text", ["", "<html><body>not found</body></html>", "ACDEFGHIKL\n"])
def test_no_fasta_at_all(command, tmp_path, capsys, text):
    bad = tmp_path / "bad.fasta"
    bad.write_text(text)
    assert command(bad) == 1
    error = capsys.readouterr().err
    assert error.startswith("betafold predict: error: ") and error.count("\n") == 1
    assert command(tmp_path / "absent.fasta") == 1


def test_one_sequence(command, out):
    assert command("--sequence", "gydpetgtwg") == 0
    assert structures(out) == ["GYDPETGTWG.pdb"]
    assert summary(out)["GYDPETGTWG"]["length"] == "10"


def test_input_or_sequence_is_required(command):
    with pytest.raises(SystemExit) as caught:
        command()
    assert caught.value.code == 1


def test_finished_records_are_kept(command, fasta, out, capsys):
    command(fasta, "--num-models", 2)
    before = contents(out)
    (out / "melittin.pdb").unlink()
    capsys.readouterr()
    assert command(fasta, "--num-models", 2) == 0
    assert "1 peptides predicted, 4 finished before" in capsys.readouterr().err
    after = contents(out)
    assert after["melittin.pdb"][1] == before["melittin.pdb"][1]
    assert {name: stamp for name, stamp in after.items() if "melittin" not in name} == {
        name: stamp for name, stamp in before.items() if "melittin" not in name
    }
    assert command(fasta, "--num-models", 2, "--overwrite") == 0
    again = contents(out)
    assert all(again[name][0] > before[name][0] and again[name][1] == before[name][1] for name in before)


def test_more_models_and_another_format_are_added(command, fasta, out):
    command(fasta)
    assert command(fasta, "--num-models", 2) == 0
    assert len(structures(out)) == 2 * len(PEPTIDES)
    assert command(fasta, "--format", "cif") == 0
    assert "chignolin.cif" in structures(out) and "chignolin.pdb" in structures(out)


def test_results_of_another_model_or_seed_are_replaced_with_a_note(command, fasta, out, capsys):
    command(fasta, "--num-models", 3)
    before = contents(out)
    old = next(iter(summary(out).values()))["settings"]
    assert command(fasta, "--seed", 1) == 0
    assert "5 earlier results" in capsys.readouterr().err
    assert structures(out) == sorted(f"{name}.pdb" for name in PEPTIDES)  # nothing of the old ones is left
    assert contents(out)["glucagon.pdb"][1] != before["glucagon.pdb"][1]
    (new,) = {row["settings"] for row in summary(out).values()}
    assert list(json.loads((out / "prediction.json").read_text())["settings"]) == [new] != [old]


def test_the_summary_stays_complete_over_several_inputs(command, fasta, out, tmp_path):
    command(fasta)
    other = tmp_path / "other.fasta"
    other.write_text(">new\nKRIVQRIKDFLR\n>chignolin\nGYDPETGTWA\n")
    assert command(other) == 0
    rows = summary(out)
    assert set(rows) == {*PEPTIDES, "new"} and len(rows) == len(PEPTIDES) + 1
    assert rows["chignolin"]["sequence"] == "GYDPETGTWA"
    assert prody.parsePDB(str(out / "chignolin.pdb")).ca.getSequence() == "GYDPETGTWA"


def test_names_never_collide(command, out, tmp_path):
    path = tmp_path / "names.fasta"
    names = [
        "pep",
        "pep_model_2",
        "pep",
        "PEP",
        "pep/model/2",
        "pep model",
        "../pep",
        "pep_model",
        "pep_model",
    ]
    path.write_text("".join(f">{name}\nGYDPETGTWG{'A' * i}\n" for i, name in enumerate(names)))
    assert command(path, "--num-models", 2) == 0
    assert len({name.lower() for name in structures(out)}) == 2 * len(names)
    assert all(path.parent == out for path in out.rglob("*"))
    for identifier, row in summary(out).items():
        for name in (f"{identifier}.pdb", f"{identifier}_model_2.pdb"):
            assert prody.parsePDB(str(out / name)).ca.getSequence() == row["sequence"]


def test_an_interrupted_run_leaves_whole_files_and_goes_on(fasta, out, bundle, weights, monkeypatch):
    records, _ = read_fasta(fasta)
    predictor = Predictor(bundle, weights)
    whole = Predictor.predict

    def interrupted(self, records, num_models):
        for count, prediction in enumerate(whole(self, records, num_models)):
            if count == 2:
                raise KeyboardInterrupt
            yield prediction

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(predictor, records, [], out, 2)
    assert len(summary(out)) == 2 and len(structures(out)) == 4
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    outcome = predict_folder(predictor, records, [], out, 2)
    assert (outcome.predicted, outcome.kept, outcome.status) == (3, 2, 0)
    assert set(summary(out)) == set(PEPTIDES)


def test_a_result_that_is_not_finite_is_a_failure(fasta, out, bundle, weights, monkeypatch):
    place = predict_module.place_o_cb

    def broken(coords):
        full = place(coords)
        return np.where(full.shape[1] == 10, np.nan, full)

    monkeypatch.setattr(predict_module, "place_o_cb", broken)
    records, _ = read_fasta(fasta)
    outcome = predict_folder(Predictor(bundle, weights), records, [("x", "bad")], out)
    assert set(failed(out)) == {"x", "chignolin"} and "chignolin" not in summary(out)
    assert outcome.status == 2


def test_batches_do_not_matter(bundle, weights, monkeypatch):
    records = [Record(f"r{i}", "", sequence) for i, sequence in enumerate([*PEPTIDES.values()] * 2)]
    predictor = Predictor(bundle, weights)
    one = {p.record.id: p for p in predictor.predict(records, 2)}
    monkeypatch.setattr(inputs_module, "PEPTIDES", 3)
    two = {p.record.id: p for p in predictor.predict(records[::-1], 2)}
    for identifier, prediction in one.items():
        for left, right in zip(prediction.structures, two[identifier].structures, strict=True):
            np.testing.assert_allclose(left.coords, right.coords, atol=5e-3)


def test_other_weights_are_refused(command, fasta, tmp_path, capsys):
    other = random_esm(tmp_path / "other.safetensors", seed=1)
    assert command(fasta, "--weights", other) == 1
    error = capsys.readouterr().err
    assert "do not fit model 'tiny'" in error and error.count("\n") == 1


def test_unknown_model_and_too_many_conformers(command, fasta, capsys):
    assert command(fasta, "--model", "absent") == 1
    assert "absent: no such model; available by name:" in capsys.readouterr().err
    assert command(fasta, "--num-models", 99) == 1
    assert "at most 16" in capsys.readouterr().err


def test_foreign_summary_is_not_overwritten(command, fasta, out):
    out.mkdir()
    (out / "summary.csv").write_text("a,b\n1,2\n")
    assert command(fasta) == 1
    assert (out / "summary.csv").read_text() == "a,b\n1,2\n"


def test_out_must_be_a_folder(command, fasta, out, capsys):
    out.write_text("a file")
    for arguments in ([fasta], ["--sequence", "AAA"]):
        assert command(*arguments) == 1
        assert f"{out}: cannot be made (File exists)" in capsys.readouterr().err


def test_a_moved_bundle_is_the_same_model(command, fasta, out, bundle_dir, tmp_path):
    command(fasta)
    before = contents(out)
    shutil.copytree(bundle_dir, tmp_path / "moved")
    assert command(fasta, "--model", tmp_path / "moved") == 0
    assert contents(out) == before


def test_quiet_and_log_output(command, fasta, capsys):
    assert command(fasta, "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert command(fasta, "--overwrite") == 0
    assert "\r" not in capsys.readouterr().err  # no progress bar when stderr is no terminal


def test_examples_can_all_be_predicted(command, out):
    example = Path(__file__).parents[2] / "examples" / "peptides.fasta"
    assert command(example) == 0
    assert failed(out) == {} and len(summary(out)) >= 10


def test_all_bad_input_leaves_complete_tables(command, tmp_path):
    out = tmp_path / "all_bad"
    assert command("--sequence", "AAA", "--out", str(out)) == 1
    assert (out / "summary.csv").read_text().startswith("id,name,sequence")
    assert len((out / "failed.tsv").read_text().splitlines()) == 2
