import json

import pytest
import torch

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.models.stored import StoredModel
from betafold.prediction import bundle as bundles
from betafold.prediction.bundle import load_model, read_bundle, write_bundle
from betafold.prediction.confidence import write_calibration
from betafold.prediction.predict import Predictor
from betafold.provenance import file_sha256
from betafold.training.checkpoint import save_checkpoint
from tests.prediction.conftest import make_calibration, random_model


def torsions(model):
    x = torch.randn(1, 12, 40, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model(x, torch.ones(1, 12, dtype=torch.bool)).distribution.mode()


@pytest.mark.parametrize("head", ["mixture", "sincos"])
def test_a_bundle_gives_the_same_model(tmp_path, meta, head):
    model = random_model(head=head)
    write_bundle(tmp_path / "b", StoredModel.of(model, meta), make_calibration(), note="ten peptides")
    loaded = read_bundle(tmp_path / "b")
    torch.testing.assert_close(torsions(loaded.stored.build()), torsions(model), rtol=0, atol=0)
    assert loaded.model_sha256 == StoredModel.of(model, meta).sha256
    assert (loaded.name, loaded.meta, loaded.calibration) == ("b", meta, make_calibration())
    assert json.loads((tmp_path / "b/model.json").read_text())["note"] == "ten peptides"


def test_half_precision_is_small_and_close(tmp_path, meta):
    model = random_model()
    write_bundle(tmp_path / "full", StoredModel.of(model, meta))
    write_bundle(tmp_path / "half", StoredModel.of(model, meta), half=True)
    size = {name: (tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")}
    assert size["half"] < 0.65 * size["full"]
    half = read_bundle(tmp_path / "half")
    assert half.model_sha256 != StoredModel.of(model, meta).sha256
    difference = torsions(half.stored.build()) - torsions(model)
    assert torch.atan2(difference.sin(), difference.cos()).abs().max() < 0.02
    assert half.calibration is None and half.conformers.ranking == "medoid"


def test_models_are_found_by_name_folder_and_checkpoint(tmp_path, meta, bundle_dir, monkeypatch):
    monkeypatch.setattr(bundles, "SHIPPED", bundle_dir.parent)
    assert bundles.shipped_bundles() == ["tiny"]
    assert load_model("tiny").model_sha256 == load_model(str(bundle_dir)).model_sha256
    save_checkpoint(tmp_path / "best.pt", random_model(), meta)
    from_checkpoint = load_model(str(tmp_path / "best.pt"))
    assert from_checkpoint.model_sha256 == load_model("tiny").model_sha256
    assert from_checkpoint.calibration is None
    with pytest.raises(BetaFoldError, match="other: no such model; available by name: tiny"):
        load_model("other")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), "not a model bundle"),
        (lambda folder: (folder / "model.safetensors").unlink(), "not a model bundle"),
        (lambda folder: (folder / "model.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "model.json").write_text('{"format": "other"}'), "bundle format 'other'"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "damaged"),
        (lambda folder: (folder / "calibration.json").write_text("{}"), "not a calibration file"),
    ],
)
def test_a_damaged_bundle_is_refused_in_one_line(tmp_path, meta, damage, message):
    write_bundle(tmp_path / "b", StoredModel.of(random_model(), meta), make_calibration())
    damage(tmp_path / "b")
    with pytest.raises(BetaFoldError, match=message) as caught:
        read_bundle(tmp_path / "b")
    assert "\n" not in str(caught.value)


def test_other_esm_weights_are_refused(tmp_path, meta, encoder, weights):
    write_bundle(tmp_path / "b", StoredModel.of(random_model(), meta | {"weights_sha256": "0" * 64}))
    with pytest.raises(BetaFoldError, match=f"{encoder.weights_sha256[:12]} do not fit model 'b'"):
        Predictor(read_bundle(tmp_path / "b"), weights)


def test_the_bundle_command(tmp_path, meta, capsys):
    save_checkpoint(tmp_path / "best.pt", random_model(), meta)
    save_checkpoint(tmp_path / "other.pt", random_model(seed=1), meta)
    provenance = {"checkpoint_sha256": file_sha256(tmp_path / "best.pt")}
    write_calibration(tmp_path / "c" / "calibration.json", make_calibration(provenance=provenance))
    command = ["bundle", "--calibration", str(tmp_path / "c"), "--out", str(tmp_path / "b"), "--checkpoint"]
    assert main([*command, str(tmp_path / "other.pt")]) == 1
    assert "calibration of another checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    assert main([*command, str(tmp_path / "best.pt"), "--half"]) == 0
    assert read_bundle(tmp_path / "b").calibration.provenance == provenance


def test_a_checkpoint_without_weights_digest_is_refused(tmp_path):
    with pytest.raises(BetaFoldError, match="does not say which frozen weights"):
        write_bundle(tmp_path / "b", StoredModel.of(random_model(), {}))
