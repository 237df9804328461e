"""The mtp family on the shared training path: what it logs and stores, and that a kill changes nothing."""

import dataclasses
import json
import pickle
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from betafold.errors import BetaFoldError
from betafold.models.mtp.config import MtpConfig
from betafold.provenance import PACKAGE_ROOT
from betafold.training.checkpoint import read_checkpoint
from betafold.training.mtp import MtpTraining, terms_of
from betafold.training.spec import Spec, read_spec
from betafold.training.train import train
from tests.models.mtp.backbones import save_esm2
from tests.training.test_resume import assert_same

KILLED_RUN = """
import os, pickle, signal
from betafold.training.mtp import MtpTrainer
from betafold.training.train import train

update, taken = MtpTrainer.update, 0

def deadly_update(self, rate):
    global taken
    taken += 1
    if taken == {steps}:
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, rate)

MtpTrainer.update = deadly_update
with open("input.pickle", "rb") as handle:
    spec, samples, split, weights = pickle.load(handle)
train(spec, samples, None, None, split, "run", weights=weights, device="cpu")
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return str(save_esm2(tmp_path_factory.mktemp("esm2")))


@pytest.fixture(scope="module")
def data(world):
    samples, _, _, split = world
    return samples, None, None, split


def make_spec(output="distances", **training) -> Spec:
    quick = {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, "ema": 0.9, "confidence_epochs": 2}
    model = {
        "width": 16,
        "heads": 2,
        "pair_width": 8,
        "max_length": 32,
        "confidence_width": 8,
        "dropout": 0.2,
    }
    return Spec(MtpConfig.from_dict({**model, "output": output}), MtpTraining(**(quick | training)), "mtp")


@pytest.mark.parametrize(
    ("output", "terms"),
    [
        ("coordinates", ["coordinates"]),
        ("distances", ["distances", "dihedrals"]),
        ("distances_fape", ["distances", "dihedrals", "fape"]),
        ("egnn", ["distances", "dihedrals", "refined_distances", "fape"]),
    ],
)
def test_every_output_trains_and_logs_its_terms(data, weights, tmp_path, output, terms):
    train(make_spec(output), *data, tmp_path, weights=weights, device="cpu")
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    epochs = history[history["stage"] == "structures"]
    assert len(epochs) == 3 and set(history["stage"]) == {"structures", "confidence", "confidence_tuning"}
    for part in ("train", "validation"):
        assert epochs[[f"{part}_{name}" for name in ("loss", *terms)]].notna().all(axis=None)
    assert epochs["train_loss"].iloc[-1] < epochs["train_loss"].iloc[0]
    assert (epochs[["validation_distance_mae", "validation_ca_rmsd", "memory_mb"]] > 0).all(axis=None)
    config = make_spec().training
    expected = sum(getattr(config, f"{name}_weight") * epochs[f"validation_{name}"] for name in terms)
    np.testing.assert_allclose(epochs["validation_loss"], expected, rtol=1e-4)


def test_coordinates_are_normalised_by_the_training_data(data, weights, tmp_path):
    train(make_spec("coordinates", epochs=1), *data, tmp_path, weights=weights, device="cpu")
    samples, _, _, split = data
    ca = np.concatenate([s.coords[:, 1] for s in samples if split.at[s.id, "split"] == "train"])
    state = read_checkpoint(tmp_path / "best.pt").state
    np.testing.assert_allclose(state["coordinates.mean"], np.nanmean(ca, axis=0), rtol=1e-4)
    assert float(state["coordinates.scale"]) == pytest.approx(
        np.nanstd(ca - np.nanmean(ca, axis=0)), rel=1e-3
    )


def test_the_checkpoint_holds_adapters_and_says_what_it_stands_on(data, weights, tmp_path, capsys):
    best = train(make_spec(epochs=1), *data, tmp_path, weights=weights, device="cpu")
    stored = read_checkpoint(best)
    assert not any("embed_tokens" in name or "fc1" in name for name in stored.state)
    assert any(".lora_A." in name for name in stored.state)
    meta = stored.meta
    assert meta["backbone_kind"] == "esm2" and len(meta["weights_sha256"]) == 64
    assert 0 < meta["trainable_parameters"] < meta["parameters"]
    assert meta["trainable_parameters"] == sum(
        value.numel() for value in stored.state.values() if value.is_floating_point()
    )
    assert f"{meta['trainable_parameters']:,} of {meta['parameters']:,} parameters" in capsys.readouterr().err
    model = stored.build(weights)
    with torch.no_grad():
        output = model(["ACDEFGHIKL"], torch.ones(1, 10, dtype=torch.bool))
    assert output.plddt_logits.isfinite().all()


def test_the_adapter_is_the_checkpoint_as_safetensors(data, weights, tmp_path):
    spec = make_spec("coordinates", epochs=2)
    best = train(spec, *data, tmp_path, weights=weights, device="cpu")
    stored = read_checkpoint(best)
    path = tmp_path / "adapter.safetensors"
    tensors = load_file(path)
    assert tensors.keys() == stored.state.keys()
    for name, value in stored.state.items():
        assert tensors[name].dtype == torch.float32
        assert torch.equal(tensors[name], value)
    with safe_open(path, "pt") as handle:
        metadata = handle.metadata()
    assert metadata.pop("family") == "mtp"
    assert json.loads(metadata.pop("spec")) == json.loads(json.dumps(spec.as_dict()))
    assert metadata == {name: stored.meta[name] for name in ("weights_sha256", "git_commit", "code_digest")}
    path.unlink()
    train(spec, *data, tmp_path, weights=weights, device="cpu")  # nothing left to train
    assert_same(load_file(path), tensors)
    names = {"best.pt", "last.pt", "history.tsv", "adapter.safetensors"}
    assert {file.name for file in tmp_path.iterdir()} == names


def test_accumulated_batches_are_one_step(data, weights, tmp_path):
    """Two halves of a batch, accumulated, give the gradient of the whole where all weights are alike."""
    from betafold.training.dataset import PeptideDataset
    from betafold.training.mtp import MtpTrainer

    spec = make_spec(ema=0.0)
    spec = dataclasses.replace(
        spec, model=MtpConfig.from_dict({**dataclasses.asdict(spec.model), "dropout": 0.0})
    )
    samples = data[0][:8]
    grads = []
    for batches in ([list(range(8))], [list(range(4)), list(range(4, 8))]):
        torch.manual_seed(0)
        dataset = PeptideDataset(samples)
        model = spec.family.build(spec.model, weights, "cpu")
        trainer = MtpTrainer(model, spec.training, dataset, dataset, torch.device("cpu"))
        trainer.model.eval()  # no dropout in the adapters either
        for batch in dataset.loader(batches):
            trainer.add_gradient(batch, len(batches))
        grads.append({name: p.grad for name, p in trainer.parameters.items()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, rtol=1e-3, atol=1e-6)


def test_a_killed_run_ends_bit_identical(data, weights, tmp_path):
    spec = make_spec(accumulation=2)
    train(spec, *data, tmp_path / "whole", weights=weights, device="cpu")
    samples, _, _, split = data
    (tmp_path / "input.pickle").write_bytes(pickle.dumps((spec, samples, split, weights)))
    script = KILLED_RUN.format(steps=8)  # 5 batches, so 3 steps an epoch: in the middle of the third
    env = {"PYTHONPATH": str(PACKAGE_ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=tmp_path, env=env, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["trainer"]["epoch"] == 2
    train(spec, *data, tmp_path / "run", weights=weights, device="cpu")
    for name in ("best.pt", "last.pt"):
        assert_same(*(torch.load(tmp_path / run / name, weights_only=True) for run in ("whole", "run")))
    assert_same(*(load_file(tmp_path / run / "adapter.safetensors") for run in ("whole", "run")))


def test_a_missing_backbone_is_one_line(data, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone = {"kind": "causal", "path": "somebody/no-such-model"}
    spec = dataclasses.replace(make_spec(), model=MtpConfig.from_dict({"backbone": backbone}))
    with pytest.raises(BetaFoldError, match="hf download somebody/no-such-model") as error:
        train(spec, *data, tmp_path, device="cpu")
    assert "\n" not in str(error.value)


def test_the_schema_has_exactly_the_fields_of_the_config():
    from betafold.training.spec import schema

    keys = schema("mtp")["properties"]
    sections = [
        (keys["model"], MtpConfig()),
        (keys["model"]["properties"]["backbone"], MtpConfig().backbone),
        (keys["model"]["properties"]["backbone"]["properties"]["lora"], MtpConfig().backbone.lora),
        (keys["training"], MtpTraining()),
    ]
    for section, config in sections:
        assert set(section["properties"]) == {field.name for field in dataclasses.fields(config)}
        for value in section["properties"].values():
            assert value["description"].strip() or "properties" in value


def test_mistakes_in_a_spec_are_named(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "family: mtp\nmodel: {output: distances, backbone: {kind: causal}, width: 30, heads: 8}\n"
    )
    with pytest.raises(BetaFoldError) as error:
        read_spec(path)
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [
        "model.width",
        "model.backbone.path",
    ]
    path.write_text("family: mtp\nmodel: {output: torsions, backbone: {lora: {rang: 8}}}\n")
    with pytest.raises(BetaFoldError, match=r"model.backbone.lora: .*rang.*\n?.*model.output") as error:
        read_spec(path)


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        (0, "0.0 is less than the minimum of 0.01"),
        (1.0e-7, "1e-07 is less than the minimum of 0.01"),
        (0.95, "0.95 is greater than the maximum of 0.9"),
    ],
)
def test_dropout_that_could_not_draw_conformers_is_refused(tmp_path, dropout, message):
    path = tmp_path / "m.yaml"
    path.write_text(f"family: mtp\nmodel: {{output: distances, dropout: {dropout:.8f}}}\n")
    with pytest.raises(BetaFoldError) as error:
        read_spec(path)
    assert str(error.value) == f"{path}: model.dropout: {message}"


@pytest.mark.parametrize("hand", ["predicted", "prior"])
@pytest.mark.parametrize("output", ["coordinates", "distances", "distances_fape", "egnn"])
def test_a_loss_without_any_weight_is_refused(data, weights, tmp_path, output, hand):
    path = tmp_path / "m.yaml"
    spec = make_spec(output)
    config = dataclasses.replace(spec.model, hand=hand)
    model = spec.family.build(config, weights, "cpu").eval()
    sample = data[0][0]
    with torch.no_grad():
        answer = model([sample.sequence], torch.ones(1, sample.length, dtype=torch.bool), confidence=False)
    terms = terms_of(config)
    assert sorted(terms) == sorted(model.terms(answer, torch.from_numpy(sample.coords[None, :, 1])))

    def write(weight):
        pairs = ", ".join(f"{name}_weight: {weight if name == terms[0] else 0}" for name in terms)
        path.write_text(f"family: mtp\nmodel: {{output: {output}, hand: {hand}}}\ntraining: {{{pairs}}}\n")

    write(0.1)
    read_spec(path)
    write(0)
    with pytest.raises(BetaFoldError, match=f"training: nothing to train with output: {output}") as error:
        read_spec(path)
    assert "\n" not in str(error.value) and all(f"{name}_weight" in str(error.value) for name in terms)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [("width", "32.0", "integer"), ("backbone", "{lora: {rank: 8.0}}", "integer")]
    + [("backbone", "{lora: {alpha: .inf}}", "number"), ("dropout", ".nan", "number")],
)
def test_numbers_that_no_model_can_use_are_refused(tmp_path, key, value, kind):
    path = tmp_path / "m.yaml"
    path.write_text(f"family: mtp\nmodel: {{output: distances, {key}: {value}}}\n")
    with pytest.raises(BetaFoldError, match=rf"model\.{key}.*is not of type '{kind}'$") as error:
        read_spec(path)
    assert "\n" not in str(error.value)
