"""The report: self-contained, reproducible, complete, and honest in both directions."""

import base64
import json
import re

import pytest
from bs4 import BeautifulSoup

from betafold.cli.__main__ import main
from betafold.evaluation.calibrate import calibrate
from betafold.evaluation.table import residues_path, write_table
from betafold.reports import accuracy_text, comparison
from betafold.reports.inputs import load_run
from tests.evaluation.synthetic import data, tables

MODELS = ("mixture", "sincos")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of two pretended models, their calibration, histories, split and rejections."""
    folder = tmp_path_factory.mktemp("report")
    for seed, name in enumerate(MODELS):
        rows, residues = tables(name, clusters=36)
        table = folder / "evaluation" / f"{name}.tsv"
        table.parent.mkdir(exist_ok=True)
        write_table(rows, table)
        write_table(residues, residues_path(table))
        table.with_suffix(".json").write_text(json.dumps({"git_commit": "abc", "seed": seed, "training": {}}))
        calibrate(table, folder / "calibration" / name)
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "history.tsv").write_text(
            "stage\tepoch\ttrain_loss\tvalidation_loss\tvalidation_ca_rmsd\n"
            "torsions\t1\t3\t3\t6\ntorsions\t2\t2\t2.5\t5\ntorsions\t3\t1\t2.9\t5.5\nconfidence\t1\t9\t\t\n"
        )
    data()[1].reset_index().to_csv(folder / "split.tsv", sep="\t", index=False)
    (folder / "rejected.tsv").write_text(
        "entry\tchain\tresidues\treason\n1abc\tA\t\t<b>odd</b> & wrong\n2abc\tA\t1-5\tchain of 5 residues\n"
    )
    return folder


def report(folder, out):
    arguments = ["report", "--evaluation", *(str(folder / "evaluation" / f"{name}.tsv") for name in MODELS)]
    arguments += ["--calibration", *(str(folder / "calibration" / name) for name in MODELS)]
    arguments += ["--history", *(str(folder / "models" / name / "history.tsv") for name in MODELS)]
    arguments += [
        "--rejected",
        str(folder / "rejected.tsv"),
        "--split",
        str(folder / "split.tsv"),
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    return out.read_bytes()


@pytest.fixture(scope="module")
def html(folder):
    return report(folder, folder / "report.html").decode()


def test_nothing_is_loaded_from_anywhere(html):
    page = BeautifulSoup(html, "html.parser")
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert "default-src 'none'" in policy
    assert not page.find_all(["script", "link", "iframe", "object", "embed"])
    for tag in page.find_all(src=True):
        assert tag["src"].startswith("data:image/")
    for tag in page.find_all(href=True):
        assert tag["href"].startswith("#") and page.find(id=tag["href"][1:])
    assert "url(" not in page.find("style").text and "@import" not in page.find("style").text


def test_same_tables_same_bytes(html, folder):
    assert report(folder, folder / "again.html").decode() == html


def test_figures_have_alternatives_and_sentences(html):
    page = BeautifulSoup(html, "html.parser")
    figures = page.find_all("figure")
    assert len(figures) == 13
    for figure in figures:
        image = figure.find("img")
        assert len(image["alt"]) > 40
        svg = base64.b64decode(image["src"].split(",", 1)[1]).decode()
        # Addresses only in the name spaces and metadata that every SVG has.
        assert not re.search(r"(href|src)=\"https?:", svg)
        assert len(figure.find_next("p").text) > 80
    assert not re.search(r"\bnan\b|\bNone\b|\{\{|\}\}", page.get_text())


def test_every_metric_of_the_contract_is_in_the_tables(html):
    text = BeautifulSoup(html, "html.parser").get_text()
    for words in (
        "CA-RMSD per residue",
        "best of 5",
        "dRMSD",
        "lDDT",
        "GDT-HA",
        "TM-score",
        "ψ error",
        "φ error",
    ):
        assert words in text
    for group in ("helical", "not helical", "free", "bound", "fragment", "10-14 residues", "NMR ensemble"):
        assert group in text
    for section in ("data", "accuracy", "errors", "confidence", "glossary", "methods"):
        assert f'id="{section}"' in html


def test_input_text_is_escaped(html):
    assert "<b>odd</b>" not in html and "&lt;b&gt;odd&lt;/b&gt; &amp; wrong" in html


def load(folder):
    return load_run(
        [folder / "evaluation" / f"{name}.tsv" for name in MODELS],
        [folder / "calibration" / name for name in MODELS],
    )


@pytest.mark.parametrize(("shift", "word"), [(-30.0, "better"), (30.0, "worse")])
def test_headline_says_better_and_worse_plainly(folder, shift, word):
    run = load(folder)
    rows = run.main.evaluation
    rows.loc[rows["method"] == "mixture", "ca_rmsd"] += shift
    sentences = " ".join(accuracy_text.headline(run))
    rival = comparison.label(comparison.strongest_baseline(run.main))
    assert f"the model is {word} than the {rival}" in sentences
    opposite = {"better": "is worse", "worse": "is better"}[word]
    assert opposite not in sentences


def test_a_tie_is_called_a_tie(folder):
    run = load(folder)
    rows = run.main.evaluation
    rival = rows.loc[rows["method"] == "helix"].set_index("id")["ca_rmsd"]
    ours = rows["method"] == "mixture"
    rows.loc[ours, "ca_rmsd"] = rows.loc[ours, "id"].map(rival)
    assert "cannot be told apart from the constant alpha helix" in accuracy_text.accuracy(run)


def test_missing_calibration_is_one_line(folder, tmp_path, capsys):
    arguments = ["report", "--evaluation", str(folder / "evaluation" / "mixture.tsv")]
    arguments += ["--calibration", str(folder / "calibration" / "sincos"), "--out", str(tmp_path / "r.html")]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no calibration folder named mixture" in line
