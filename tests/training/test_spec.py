"""Specs: the shipped ones are valid, mistakes are named one by one."""

from dataclasses import asdict, fields

import jsonschema
import pytest

from betafold.errors import BetaFoldError
from betafold.models.torsion import TorsionConfig
from betafold.provenance import PACKAGE_ROOT
from betafold.structures.samples import KINDS
from betafold.training.spec import read_spec, schema
from betafold.training.torsion import TorsionTraining

SPECS = sorted((PACKAGE_ROOT / "config" / "models").glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_valid(path):
    spec = read_spec(path)
    assert set(spec.training.kind_weights) == set(KINDS)
    if spec.family_name == "torsion":
        assert spec.model.head in path.stem


def test_the_baseline_is_the_documents():
    model = read_spec(PACKAGE_ROOT / "config" / "models" / "sincos.yaml").model
    assert (model.d_model, model.heads, model.ffn, model.dropout) == (320, 8, 1280, 0.1)
    assert model.positions == "learned" and model.max_length == 32 and 2 <= model.layers <= 4


def test_schema_and_dataclasses_have_the_same_keys():
    properties = schema()["properties"]
    assert set(properties["model"]["properties"]) == {field.name for field in fields(TorsionConfig)}
    assert set(properties["training"]["properties"]) == {field.name for field in fields(TorsionTraining)}
    for section in properties.values():
        for name, key in section.get("properties", {}).items():
            assert key.get("description"), name
    jsonschema.Draft202012Validator.check_schema(schema())


def test_defaults_and_overrides(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model: {head: sincos}\ntraining: {kind_weights: {fragment: 0}}\n")
    spec = read_spec(path, epochs=3, seed=None)
    assert spec.training.epochs == 3 and spec.training.seed == TorsionTraining().seed
    assert spec.training.kind_weights == TorsionTraining().kind_weights | {"fragment": 0}
    assert asdict(spec.model) == asdict(TorsionConfig(head="sincos"))


def test_every_mistake_has_its_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "model: {head: linear, dropuot: 0.1, layers: 0}\ntraining: {learning_rate: 1e-3, dropout: 2}\n"
    )
    with pytest.raises(BetaFoldError) as error:
        read_spec(path)
    lines = str(error.value).splitlines()
    assert len(lines) == 5 and all(line.startswith(f"{path}: ") for line in lines)
    text = str(error.value)
    assert "model.head: 'linear' is not one of ['sincos', 'mixture']" in text
    assert "model: " in text and "'dropuot' was unexpected" in text and "known are head, components" in text
    assert "model.layers: 0 is less than the minimum of 1" in text
    assert "training.learning_rate: '1e-3' is not of type 'number'" in text and "write 1.0e-3" in text


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "None is not of type 'object'"),
        ("training: {}", "'model' is a required property"),
        ("family: egnn\nmodel: {}", "family: egnn is not one of torsion, mtp"),
        ("family: [torsion]\nmodel: {}", "is not one of torsion, mtp"),
        ("model: {head: mixture, d_model: 100, heads: 8}", "100 is not a multiple of heads"),
        ("model: [", "line 1.*: not YAML"),
        ("model: {head: mixture}\ntraining: text", "training: 'text' is not of type 'object'"),
    ],
)
def test_other_mistakes(tmp_path, content, message):
    path = tmp_path / "a.yaml"
    path.write_text(content)
    with pytest.raises(BetaFoldError, match=message):
        read_spec(path)


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(BetaFoldError, match="no such file"):
        read_spec(tmp_path / "absent.yaml")
    with pytest.raises(BetaFoldError, match="is a directory"):
        read_spec(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BetaFoldError, match="not YAML"):
        read_spec(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("seed: -1", "seed: -1 is less than the minimum of 0"),
        ("seed: 4294967296", "seed: 4294967296 is greater than the maximum of 4294967295"),
        ("seed: 7.0", "seed: 7.0 is not of type 'integer'"),
        ("epochs: 0", "epochs: 0 is less than the minimum of 1"),
        ("epochs: 3.0", "epochs: 3.0 is not of type 'integer'"),
        ("epochs: true", "epochs: True is not of type 'integer'"),
        ("learning_rate: .nan", "learning_rate: nan is not of type 'number'"),
        ("learning_rate: .inf", "learning_rate: inf is not of type 'number'"),
        ("gradient_clip: .inf", "gradient_clip: inf is not of type 'number'"),
        ("ema: .nan", "ema: nan is not of type 'number'"),
        ("kind_weights: {free: .inf}", "kind_weights.free: inf is not of type 'number'"),
        (
            "kind_weights: {free: 0, bound: 0, fragment: 0.0, chain: 0}",
            "kind_weights: all are 0, which leaves nothing to train on",
        ),
    ],
)
def test_numbers_that_nothing_could_be_trained_with_are_refused(tmp_path, training, message):
    path = tmp_path / "a.yaml"
    path.write_text(f"model: {{head: mixture}}\ntraining: {{{training}}}\n")
    with pytest.raises(BetaFoldError) as error:
        read_spec(path)
    assert str(error.value) == f"{path}: training.{message}"


def test_kinds_that_are_left_out_of_a_spec_keep_their_weight(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model: {head: mixture}\ntraining: {kind_weights: {free: 0, bound: 0}}\n")
    assert read_spec(path).training.kind_weights["fragment"] == 1


def test_overrides_obey_the_schema_too(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model: {head: mixture}\n")
    assert read_spec(path, seed=2**32 - 1, epochs=1).training.seed == 2**32 - 1
    for overrides, message in [
        ({"seed": -1}, "--seed: -1 is less than the minimum of 0"),
        ({"seed": 2**32}, "--seed: 4294967296 is greater than the maximum of 4294967295"),
        ({"epochs": 0, "seed": 3}, "--epochs: 0 is less than the minimum of 1"),
    ]:
        with pytest.raises(BetaFoldError) as error:
            read_spec(path, **overrides)
        assert str(error.value) == message
    path.write_text("model: {head: mixture}\ntraining: {seed: -2}\n")
    with pytest.raises(BetaFoldError, match="a.yaml: training.seed: -2"):
        read_spec(path, seed=-1)
