"""The benchmark page: complete, self-contained, with the numbers of its tables and no others."""

import base64
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from scipy.spatial.distance import pdist

from betafold.cli.__main__ import main
from betafold.reports.benchmark import tables, text
from betafold.reports.benchmark.figures import separation_errors
from betafold.reports.benchmark.inputs import load_benchmark
from betafold.reports.geometry_figures import peptides
from betafold.reports.wording import number
from tests.evaluation.synthetic import tables as synthetic_tables
from tests.reports.conftest import SECONDS, STEPS, TRAINING, write_evaluation

METHODS = (*TRAINING, "helix", "extended", "ramachandran", "nearest")


def arguments(folder, out, models=tuple(TRAINING)):
    files = [str(folder / "evaluation" / f"{name}.tsv") for name in models]
    costs = [str(folder / "benchmarks" / step / f"{name}.tsv") for step in STEPS for name in models]
    return ["report", "--page", "benchmark", "--evaluation", *files, "--benchmarks", *costs, "--sequences",
            str(folder / "test.fasta"), "--out", str(out)]  # fmt: skip


@pytest.fixture(scope="module")
def page(benchmark_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "benchmark.html"
    assert main(arguments(benchmark_folder, out)) == 0
    return BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def run(benchmark_folder):
    return load_benchmark([benchmark_folder / "evaluation" / f"{name}.tsv" for name in TRAINING])


def table_under(page, heading):
    """Rows of the first table after a heading, as lists of cells' first lines."""
    found = page.find(id=heading).find_next("table")
    return [
        [cell.find(string=True) or "" for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")
    ]


def test_nothing_is_loaded_and_nothing_is_missing(page):
    assert (
        "default-src 'none'" in page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    )
    assert not page.find_all(["script", "link", "iframe", "object", "embed"])
    for tag in page.find_all(href=True):
        assert page.find(id=tag["href"][1:]), tag
    figures = page.find_all("figure")
    assert len(figures) == 4
    for figure in figures:
        image = figure.find("img")
        assert len(image["alt"]) > 40
        assert base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).startswith(b"<?xml")
        assert len(figure.find_next("p").text) > 80
    assert not re.search(r"\b(nan|None|inf)\b|\{\{|\}\}|\(\)|  ,", page.get_text())


def test_the_main_table_has_the_means_of_the_evaluation_tables(page, benchmark_folder):
    head, *rows = table_under(page, "accuracy")
    assert len(rows) == len(METHODS)
    columns = tables.SHOWN
    assert len(head) == 1 + len(columns)
    for method, row in zip(METHODS, rows, strict=True):
        name = method if method in TRAINING else "mixture"
        table = pd.read_csv(benchmark_folder / "evaluation" / f"{name}.tsv", sep="\t")
        means = table[(table["split"] == "test") & (table["method"] == method)][list(columns)].mean()
        for value, shown in zip(means, row[1:], strict=True):
            digits = len(shown.partition(".")[2])
            assert shown == number(value, digits)


def test_costs_are_those_of_the_benchmark_files(page, benchmark_folder):
    _, *rows = table_under(page, "cost")
    count = (benchmark_folder / "test.fasta").read_text().count(">")
    for (name, training), row in zip(TRAINING.items(), rows, strict=True):
        assert row[0] == name
        assert row[1] == "4.0\u00a0min" and row[4] == "30\u00a0s"
        assert row[3] == number(SECONDS["predict"] / count, 2, "s")
        assert row[7] == (f"{training['trainable_parameters']:,}" if "parameters" in training else "–")


def test_outputs_of_the_mtp_family_are_a_table(page):
    _, *rows = table_under(page, "outputs")
    assert [row[0] for row in rows] == ["mtp-distances", "mtp-residues"]
    assert [row[2] for row in rows] == ["placeholders", "residues"]
    assert "alike but for the readout" in page.get_text()


def test_diagnostics_are_shown_where_a_model_has_them(page):
    head, *rows = table_under(page, "handedness")
    assert head[3:] == ["eigenvalue mass outside the top three"]
    shown = {row[0]: row[3] for row in rows}
    assert shown["mtp-distances"] == "0.125"
    assert shown["mixture"] == "–"


def test_every_group_has_its_table(page):
    groups = [summary.text.split(":")[0] for summary in page.find_all("summary")]
    assert {"helical", "not helical", "free", "bound", "fragment", "10-14 residues"} <= set(groups)
    assert len(groups) == len(page.find_all("details"))


def test_the_best_of_a_family_is_chosen_on_validation(benchmark_folder):
    run = load_benchmark([benchmark_folder / "evaluation" / f"{name}.tsv" for name in TRAINING])
    rows = run.models[2].evaluation
    validation = (rows["split"] == "validation") & (rows["method"] == "mtp-residues")
    for shift, expected in ((-100, "mtp-residues"), (200, "mtp-distances")):
        rows.loc[validation, "ca_rmsd"] += shift
        assert [model.name for model in run.representatives()] == ["mixture", expected]


@pytest.mark.parametrize(("shift", "word"), [(-50.0, "better"), (50.0, "worse")])
def test_the_families_are_called_better_and_worse_plainly(benchmark_folder, shift, word):
    run = load_benchmark([benchmark_folder / "evaluation" / f"{name}.tsv" for name in list(TRAINING)[:2]])
    rows = run.main.evaluation
    rows.loc[rows["method"] == "mixture", "ca_rmsd"] += shift
    sentences = " ".join(text.headline(run))
    assert f"“mixture” is {word} than “mtp-distances” by" in sentences
    opposite = {"better": "is worse than “mtp", "worse": "is better than “mtp"}[word]
    assert opposite not in sentences


def test_errors_by_separation_agree_with_scipy(run):
    model = run.main
    rows = separation_errors(model)["mixture"]
    (first, *_) = peptides(model)
    native, predicted = (pdist(first[list(names)]) for names in (("native_x", "native_y", "native_z"), "xyz"))
    n = len(first)
    separation = [j - i for i in range(n) for j in range(i + 1, n)]
    expected = pd.Series(abs(predicted - native)).groupby(separation).mean()
    assert rows["error"].to_numpy()[: n - 1] == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_one_model_is_enough(benchmark_folder, tmp_path):
    assert main(arguments(benchmark_folder, tmp_path / "one.html", ["mtp-distances"])) == 0
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "There is one ProteinMTP model in this run" in page
    assert not re.search(r"\bnan\b", BeautifulSoup(page, "html.parser").get_text())


def test_peptides_that_one_model_does_not_take_are_shown_apart(tmp_path):
    for name in ("mixture", "mtp-distances"):
        rows, residues = synthetic_tables(name, clusters=24)
        longer = (rows["split"] == "test") & (rows["length"] > 24)
        if name == "mixture":
            left_out = set(rows[longer]["id"])
            rows, residues = rows[~longer], residues[~residues["id"].isin(left_out)]
        write_evaluation(tmp_path / f"{name}.tsv", rows, residues, TRAINING[name])
    run = load_benchmark([tmp_path / "mixture.tsv", tmp_path / "mtp-distances.tsv"])
    assert [len(model.test()) for model in run.models] == [len(run.main.test())] * 2
    assert set(run.further.main.test()["id"]) == left_out
    assert [model.name for model in run.further.models] == ["mtp-distances"]


def test_mistakes_are_one_line(benchmark_folder, tmp_path, capsys):
    first, second = (benchmark_folder / "evaluation" / f"{name}.tsv" for name in list(TRAINING)[:2])
    rows, residues = synthetic_tables("other", clusters=12)
    write_evaluation(tmp_path / "other.tsv", rows, residues, {}, split="another")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mixture.tsv").write_text("a\tb\n1\t2\n")
    out = ["--out", str(tmp_path / "r.html")]
    for given, words in (
        (["--page", "benchmark", "--evaluation", str(tmp_path / "none.tsv")], "not a readable table"),
        (["--page", "benchmark", "--evaluation", str(first), str(first)], "its own name"),
        (["--page", "benchmark", "--evaluation", str(first), str(tmp_path / "other.tsv")], "the same split"),
        (["--page", "benchmark", "--evaluation", str(first), "--benchmarks", str(tmp_path / "train" / "mixture.tsv")],
         "not a benchmark file"),
        (["--evaluation", str(first), str(second)], "needs --calibration"),
    ):  # fmt: skip
        assert main(["report", *given, *out]) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line
    assert not (tmp_path / "r.html").exists()


def test_a_mirror_image_counts_only_where_distances_are_right():
    rows = pd.DataFrame(
        {
            "ca_rmsd": [3.0, 1.0, 6.0, 3.0],
            "ca_rmsd_mirror_image": [1.0, 3.0, 5.0, 2.5],
            "drmsd": [0.5, 0.5, 5.0, 1.9],
            "cluster": [0, 1, 2, 3],
        }
    )
    share = tables.mirror_share(rows)
    assert share.n == 3
    assert share.estimate == pytest.approx(2 / 3)
