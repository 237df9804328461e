"""Both pages of a run on whole chains of which only CA is known."""

import re

import pytest
from bs4 import BeautifulSoup

from betafold.cli.__main__ import main
from betafold.evaluation.calibrate import calibrate
from betafold.reports import comparison
from betafold.reports.benchmark.inputs import load_benchmark
from tests.evaluation.synthetic import data, tables
from tests.reports.conftest import write_evaluation

NAME = "mtp-esm2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables, calibration and split of a pretended model on chains of up to 300 residues."""
    folder = tmp_path_factory.mktemp("ca_only")
    table = folder / f"{NAME}.tsv"
    training = {"family": "mtp", "spec": {"model": {"output": "distances"}}, "n_training": 42}
    write_evaluation(table, *tables(NAME, clusters=36, longest=300, ca_only=True), training)
    calibrate(table, folder / NAME)
    data(36, longest=300)[1].reset_index().to_csv(folder / "split.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def pages(folder):
    """Text and titles of the figures of each page."""
    found = {}
    for page, options in {
        "calibration": ["--calibration", str(folder / NAME), "--split", str(folder / "split.tsv")],
        "benchmark": [],
    }.items():
        out = folder / f"{page}.html"
        evaluation = ["--evaluation", str(folder / f"{NAME}.tsv")]
        assert main(["report", "--page", page, *evaluation, *options, "--out", str(out)]) == 0
        html = BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")
        titles = [figure.find_previous("h3").get_text() for figure in html.find_all("figure")]
        found[page] = re.sub(r"\s+", " ", html.get_text()), titles
    return found


@pytest.mark.parametrize("page", ["calibration", "benchmark"])
def test_what_is_not_known_is_said_and_not_shown(pages, page):
    text, titles = pages[page]
    assert not re.search(r"\bnan\b|\bNone\b|\{\{|\}\}", text)
    assert not {"Torsion basins", "Residue types", "From torsion errors to RMSD"} & set(titles)
    assert "φ error" not in text and "backbone RMSD (Å)" not in text
    assert "Of the test natives only Cα is known" in text
    assert "missing: sequence-blind Ramachandran prior and nearest training sequence" in text
    assert "the two trivial baselines" in text.lower()
    assert "whole chains of" in text and "101-256 residues" in text


def test_helical_chains_are_told_by_their_trace(pages, folder):
    rows = load_benchmark([folder / f"{NAME}.tsv"]).main.test()
    assert 0 < rows["helical"].sum() < len(rows)
    known = tables(NAME, clusters=36, longest=300)[0]
    known = known[known["method"] == NAME].set_index("id")["helical"]
    assert (rows.set_index("id")["helical"] == known.loc[rows["id"]]).mean() > 0.95


def test_lengths_fall_into_bins_that_grow(folder):
    lengths = load_benchmark([folder / f"{NAME}.tsv"]).main.test()["length"]
    assert comparison.length_bins(lengths).notna().all()
    few = comparison.length_bins(lengths.iloc[:3].mask(lengths.index[:3] >= 0, 12).astype(int))
    assert (few == 13.5).all()


def test_a_run_with_some_torsions_shows_them(tmp_path):
    rows, residues = tables("whole", clusters=24, longest=60)
    without = rows["kind"] == "chain"
    rows.loc[without, ["phi_mae", "psi_mae", "omega_mae", "backbone_rmsd"]] = None
    unknown = residues["id"].isin(rows.loc[without, "id"])
    columns = [f"{angle}{end}" for angle in ("phi", "psi", "omega") for end in ("_native", "_error")]
    residues.loc[unknown, columns] = None
    write_evaluation(tmp_path / "whole.tsv", rows, residues, {})
    calibrate(tmp_path / "whole.tsv", tmp_path / "whole")
    for page, options in {"calibration": ["--calibration", str(tmp_path / "whole")], "benchmark": []}.items():
        out = tmp_path / f"{page}.html"
        evaluation = ["--evaluation", str(tmp_path / "whole.tsv")]
        assert main(["report", "--page", page, *evaluation, *options, "--out", str(out)]) == 0
        text = BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser").get_text()
        assert "φ error" in text and re.search(r"Of \d+.% of the test natives only Cα is known", text)
        assert not re.search(r"\bnan\b", text)
