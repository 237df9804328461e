"""The configuration: its schema, its defaults, and one readable line per mistake."""

from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "config" / "schemas" / "config.schema.yaml").read_text())


def leaves(schema, path=()):
    """(path, schema) of every key that is no section."""
    for key, value in schema["properties"].items():
        if value.get("type") == "object":
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def sections(schema):
    yield schema
    for value in schema["properties"].values():
        if value.get("type") == "object":
            yield from sections(value)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_knows_every_key_and_no_other():
    for section in sections(SCHEMA):
        assert section["additionalProperties"] is False
        assert section["required"] == list(section["properties"])
        assert section["description"]


def test_defaults_in_the_schema_are_those_of_the_config_file():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for path, leaf in leaves(SCHEMA):
        assert leaf["description"], path
        value = config
        for key in path:
            value = value[key]
        assert leaf["default"] == value, path


def test_every_model_of_the_config_has_a_file():
    for name in ("config.yaml", "outputs.yaml"):
        config = yaml.safe_load((ROOT / "config" / name).read_text())
        for model in config["models"]:
            assert (ROOT / "config" / "models" / f"{model}.yaml").is_file()


def test_each_mistake_is_one_line(project):
    (project.folder / "wrong.yaml").write_text(
        "seed: -1\nstructures: {source: mirror, sahrds: 3}\nesm: {weights: 5}\nmodels: []\nextra: 1\n"
    )
    printed = project.snakemake("-n", "--configfile", "wrong.yaml", expect=1)
    report = printed.split("The configuration has mistakes:\n")[1].splitlines()
    report = [line for line in report if not line.startswith("  File")]
    wanted = ("config: unknown key extra", "esm.weights: 5", "models: []", "seed: -1", "structures.path: ''")
    assert len(report) == len(wanted) + 1
    for line, start in zip(report, wanted, strict=False):
        assert line.startswith(start)
    assert report[-1].startswith(
        "structures: unknown key sahrds (known: base_url, ids, path, shards, source)"
    )


@pytest.mark.parametrize("source, key", [("mirror", "path"), ("rcsb", "ids")])
def test_a_source_needs_its_own_key(source, key):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    validator = jsonschema.Draft202012Validator(SCHEMA)
    config["structures"]["source"] = source
    assert [list(error.absolute_path) for error in validator.iter_errors(config)] == [["structures", key]]
    config["structures"][key] = "something"
    assert validator.is_valid(config)
