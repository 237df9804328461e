"""PDBbind folders and JSON files as sources of the workflow."""

import csv
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ("fetch_structures", "label", "rejected", "split")
TARGETS = ("results/rejected.tsv", "results/split.tsv")


@pytest.mark.parametrize("name, shards", [("pdbbind", 16), ("json", 8)])
def test_the_configurations_plan(project, name, shards):
    (project.folder / "chains.json").write_text("[]")
    jobs = project.planned(*TARGETS, "--configfile", f"config/{name}.yaml")
    assert jobs == dict.fromkeys(DATA, 1) | {"label": shards}


@pytest.mark.parametrize("source", ["pdbbind", "json"])
def test_a_source_needs_a_path(source):
    schema = yaml.safe_load((ROOT / "config" / "schemas" / "config.schema.yaml").read_text())
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    config["structures"]["source"] = source
    assert [list(error.absolute_path) for error in validator.iter_errors(config)] == [["structures", "path"]]
    config["structures"]["path"] = "something"
    assert validator.is_valid(config)


def test_chains_of_a_json_file_run_as_far_as_the_split(project):
    """A newer file makes everything stale; bad items stand in the table of what is left out."""
    trace = [[3.8 * i, 0.0, 0.0] for i in range(60)]
    items = [
        {"pdb_code": f"{i}abc_A", "sequence": letter * 60, "coords": trace, "seq_len": 60}
        for i, letter in enumerate("ACDEFGHIKL", start=1)
    ]
    path = project.folder / "chains.json"
    path.write_text(json.dumps([*items[:9], items[9] | {"seq_len": 59}]))
    options = ("--configfile", "config/json.yaml", "--config", "structures={shards: 1}", "--cores", "2")
    project.snakemake(*TARGETS, *options)
    with open(project.folder / "results" / "split.tsv", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert len(rows) == 9 and {row["kind"] for row in rows} == {"chain"}
    rejected = (project.folder / "results" / "rejected.tsv").read_text()
    assert "seq_len is 59, the sequence has 60 letters (item 10)" in rejected
    assert project.planned(*TARGETS, *options) == {}
    path.write_text(json.dumps(items))
    assert project.planned(*TARGETS, *options) == dict.fromkeys(DATA, 1)
