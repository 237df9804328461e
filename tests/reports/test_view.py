"""The page of structures: complete, offline, escaped, superposed as it says, and drawn by a real browser."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess

import biotite.structure as struc
import biotite.structure.io.pdb as biotite_pdb
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

import betafold_ext
from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.evaluation.structure_files import read_chains
from betafold.geometry.complete import place_o_cb
from betafold.prediction.folder import COLUMNS, write_rows
from betafold.prediction.writers import PredictedStructure, write_structure
from betafold.reports import viewer
from betafold.reports.view.models import pdb_text, read_models
from betafold.reports.view.pictures import NO_CONFIDENCE, colour

SEQUENCES = {"short": "GYDPETGTWG", "long": "NLYIQWLKDGGPSSGRPPPS", "native": "YYDPETGTWY"}
SCRIPT = "var $3Dmol = {};"


def coordinates(length, seed):
    """A random backbone [L, 5, 3]."""
    torsions = np.random.default_rng(seed).uniform(-np.pi, np.pi, (1, length, 3))
    torsions[..., 2] = np.pi
    return place_o_cb(betafold_ext.nerf_batch(torsions))[0]


def predict(folder, identifier, sequence, conformers=3, suffix="pdb", **changes):
    """What ``betafold predict`` writes of a peptide, and its row of summary.csv."""
    for rank in range(1, conformers + 1):
        structure = PredictedStructure(
            id=identifier,
            name=identifier,
            sequence=sequence,
            coords=coordinates(len(sequence), rank),
            plddt=np.linspace(95, 40, len(sequence)) - rank,
            predicted_rmsd=2.0,
            rank=rank,
            models=conformers,
        )
        stem = identifier if rank == 1 else f"{identifier}_model_{rank}"
        write_structure(folder / f"{stem}.{suffix}", structure)
    row = {"id": identifier, "name": identifier, "sequence": sequence, "length": len(sequence), "plddt": 66.5}
    row |= {"predicted_rmsd": 2.34, "rmsd_bound_90": 4.56, "status": "ok"}
    return dict.fromkeys(COLUMNS, "") | row | changes


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    write_rows(folder, [predict(folder, name, SEQUENCES[name]) for name in ("short", "long", "native")])
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("BETAFOLD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def with_viewer(cache, monkeypatch):
    """A stand-in for the viewer, in the cache."""
    texts = {"3Dmol-min.js": SCRIPT, "LICENSE": "Copyright <someone> & others"}
    members = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    monkeypatch.setattr(viewer, "MEMBERS", members)
    viewer.viewer_folder().mkdir(parents=True)
    for name, text in texts.items():
        (viewer.viewer_folder() / name).write_text(text)


def view(*arguments, status=0):
    """The page, as text and parsed."""
    out = arguments[0].parent / "view.html"
    assert main(["view", *map(str, arguments), "--out", str(out)]) == status
    html = out.read_text(encoding="utf-8")
    return html, BeautifulSoup(html, "html.parser")


def table(page):
    """Cells of the table of peptides, by heading."""
    headings = [th.text for th in page.select("table.peptides th")]
    return [
        dict(zip(headings, (td.get_text(" ") for td in row.find_all("td")), strict=True))
        for row in page.select("tr[data-peptide]")
    ]


def data(page):
    return json.loads(page.find(id="structures").string)


def page_ca(text):
    """CA atoms [L, 3] of PDB text of the page, read by biotite."""
    atoms = biotite_pdb.PDBFile.read(io.StringIO(text)).get_structure(model=1, extra_fields=["b_factor"])
    return atoms[atoms.atom_name == "CA"]


def policy(page):
    return page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]


def test_table_tells_what_the_summary_tells(folder, with_viewer):
    _, page = view(folder)
    rows = table(page)
    assert [row["id"] for row in rows] == list(SEQUENCES)
    assert [row["sequence"] for row in rows] == list(SEQUENCES.values())
    for row in rows:
        assert row["residues"] == str(len(row["sequence"])) and row["conformers"] == "3"
        assert row["predicted CA-RMSDÅ; 90 % bound"] == "2.34 4.56"
        assert row["pLDDT"] == "66.5"
    for image in page.select("tr[data-peptide] img"):
        assert image["src"].startswith("data:image/") and "mean pLDDT" in image["alt"]


def test_only_the_pages_own_scripts_may_run(folder, with_viewer):
    html, page = view(folder)
    assert policy(page).startswith("default-src 'none';")
    assert "unsafe" not in policy(page).replace("style-src 'unsafe-inline'", "")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert scripts[0] == SCRIPT and len(scripts) == 2
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.search(r"script-src ([^;]*)", policy(page))[1].split() == [
        f"'sha256-{text}'" for text in hashes
    ]
    assert not page.find_all(["link", "iframe", "object", "embed"]) and not page.select("script[src]")
    assert "Copyright <someone> & others" in page.find("pre").text


def test_without_the_viewer_there_are_pictures_and_how_to_get_it(folder, capsys):
    _, page = view(folder)
    assert not page.find_all("script") and "script-src" not in policy(page)
    assert len(page.select("tr[data-peptide] img")) == 3
    assert "betafold fetch viewer" in page.get_text()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "betafold fetch viewer" in error


def test_same_files_same_bytes(folder, with_viewer):
    assert view(folder)[0] == view(folder)[0]


def test_names_are_text_whatever_they_hold(folder, with_viewer):
    bad = "</script><img src=x onerror=alert(1)>&amp;<!--"
    row = predict(folder, "plain", SEQUENCES["short"], name=bad)
    write_rows(folder, [row])
    shutil.copy(folder / "plain.pdb", folder / "<b>odd&<!--<script>.pdb")
    html, page = view(folder)
    assert not page.find("b", string="odd") and not page.select("img[onerror]")
    assert bad in page.get_text()
    assert html.count("</script") == html.count("<script") == 3
    assert "<b>odd&<!--<script>" in [peptide["id"] for peptide in data(page)["peptides"]]


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_conformers_are_superposed_on_the_first(tmp_path, with_viewer, suffix):
    predict(tmp_path, "long", SEQUENCES["long"], suffix=suffix)
    _, page = view(tmp_path)
    (peptide,) = data(page)["peptides"]
    first, *others = (page_ca(model["pdb"]) for model in peptide["models"])
    originals = [
        read_chains(tmp_path / f"long{rank}.{suffix}")[0].coords[0, :, 1]
        for rank in ("", "_model_2", "_model_3")
    ]
    for atoms, original in zip(others, originals[1:], strict=True):
        fitted, _ = struc.superimpose(originals[0], original)
        assert struc.rmsd(first, atoms) == pytest.approx(struc.rmsd(originals[0], fitted), abs=2e-3)
    assert [model["label"][:6] for model in peptide["models"]] == ["rank 1", "rank 2", "rank 3"]
    assert first.b_factor[0] == pytest.approx(94) and first.b_factor[-1] == pytest.approx(39)


def test_no_structure_is_shown_as_its_mirror_image(folder, with_viewer):
    _, page = view(folder)
    for peptide in data(page)["peptides"]:
        original = read_chains(folder / f"{peptide['id']}.pdb")[0].coords[0, :, 1]
        shown = page_ca(peptide["models"][0]["pdb"]).coord
        assert struc.rmsd(original, struc.superimpose(original, shown)[0]) < 2e-3
        assert (np.ptp(shown, axis=0)[:2] > np.std(shown[:, 2])).all()


def test_native_is_found_by_sequence_superposed_and_its_rmsd_is_biotites(folder, with_viewer, data_dir):
    _, page = view(folder, "--native", data_dir / "pdb5awl.ent.gz")
    native = read_chains(data_dir / "pdb5awl.ent.gz")[0].coords[0, :, 1]
    predicted = read_chains(folder / "native.pdb")[0].coords[0, :, 1]
    expected = struc.rmsd(native, struc.superimpose(native, predicted)[0])
    row = table(page)[2]
    cell = row["CA-RMSD to nativeÅ"]
    assert cell.startswith(f"{expected:.2f} best of 3: ") and "pdb5awl.ent.gz, chain A, 10 residues" in cell
    peptide = data(page)["peptides"][2]
    shown = struc.rmsd(page_ca(peptide["native"]), page_ca(peptide["models"][0]["pdb"]))
    assert shown == pytest.approx(expected, abs=2e-3)
    assert f"RMSD {expected:.2f}\u00a0Å" in peptide["models"][0]["label"]
    assert [one["native"] is None for one in data(page)["peptides"]] == [True, True, False]


def test_native_of_the_same_name_may_be_longer_and_only_the_shared_part_is_shown(
    tmp_path, with_viewer, data_dir
):
    (chain,) = read_chains(data_dir / "pdb1cbn.ent.gz")
    predict(tmp_path, "1cbn", chain.sequence[5:25], conformers=1)
    natives = tmp_path / "natives"
    natives.mkdir()
    shutil.copy(data_dir / "pdb1cbn.ent.gz", natives)
    _, page = view(tmp_path / "1cbn.pdb", "--native", natives)
    predicted = read_chains(tmp_path / "1cbn.pdb")[0].coords[0, :, 1]
    part = chain.coords[0, 5:25, 1]
    expected = struc.rmsd(part, struc.superimpose(part, predicted)[0])
    assert table(page)[0]["CA-RMSD to nativeÅ"].startswith(f"{expected:.2f} ")
    atoms = page_ca(data(page)["peptides"][0]["native"])
    assert len(atoms) == 20 and atoms.res_id[0] == 6


def test_native_of_another_molecule_is_one_line_and_the_page_is_made(folder, with_viewer, data_dir, capsys):
    natives = folder.parent / "natives"
    natives.mkdir()
    shutil.copy(data_dir / "pdb1cbn.ent.gz", natives / "long.ent.gz")
    (natives / "broken.pdb").write_text("nothing")
    _, page = view(folder, "--native", natives, status=2)
    lines = capsys.readouterr().err.splitlines()
    assert any("long: native long.ent.gz not shown: no chain fits" in line for line in lines)
    assert any("broken.pdb: unreadable native" in line for line in lines)
    assert len(table(page)) == 3


def test_broken_files_are_named_and_the_rest_goes_on(folder, with_viewer, capsys):
    (folder / "broken.pdb").write_text("no structure")
    (folder / "empty.cif").touch()
    text = (folder / "long_model_2.pdb").read_text()
    (folder / "long_model_2.pdb").write_text(text.replace(text.splitlines()[30][30:38], "  oops  "))
    _, page = view(folder, status=2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all("Traceback" not in line and "predictions/" not in line for line in lines)
    assert {line.split(": ")[1] for line in lines} == {"broken.pdb", "empty.cif", "long_model_2.pdb"}
    assert [row["id"] for row in table(page)] == list(SEQUENCES)
    assert table(page)[1]["conformers"] == "2" and "broken.pdb" in page.get_text()


def test_mistakes_are_one_line_and_no_page(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.pdb").write_text("nothing")
    out = tmp_path / "never.html"
    for arguments, words in (
        ([tmp_path / "empty", "--out", out], "no .pdb, .ent or .cif file"),
        ([tmp_path / "absent", "--out", out], "no such file or folder"),
        ([folder, "--native", tmp_path / "absent", "--out", out], "no such file or folder"),
        ([folder, "--out", tmp_path / "view.png"], "must end in .html"),
        ([tmp_path / "bad.pdb", "--out", out], "none of the files can be shown"),
    ):
        assert main(["view", *map(str, arguments)]) == 1
        assert words in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_more_than_max_are_left_out_with_a_line(folder, with_viewer, capsys):
    _, page = view(folder, "--max", "2")
    assert [row["id"] for row in table(page)] == ["short", "long"]
    assert "1 more left out" in page.get_text()
    assert capsys.readouterr().err == "betafold view: 1 more left out; --max shows more\n"


def test_same_names_in_two_folders_stand_apart_and_stale_rows_do_not_count(tmp_path, with_viewer):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        row = predict(tmp_path / name, "x", SEQUENCES["short"], conformers=1)
        write_rows(tmp_path / name, [row | ({"sequence": "AAAAAAAAAA"} if name == "second" else {})])
    _, page = view(tmp_path / "first", tmp_path / "second")
    rows = table(page)
    assert [row["id"] for row in rows] == ["first/x", "second/x"]
    assert [row["predicted CA-RMSDÅ; 90 % bound"] for row in rows] == ["2.34 4.56", "–"]


def test_experimental_structures_have_no_plddt_and_models_of_a_file_are_conformers(
    tmp_path, with_viewer, data_dir
):
    shutil.copy(data_dir / "1v5a.cif.gz", tmp_path)
    _, page = view(tmp_path)
    (row,) = table(page)
    assert row["conformers"] == "3" and "pLDDT" not in row
    (peptide,) = data(page)["peptides"]
    assert not peptide["confidence"] and [one["label"] for one in peptide["models"]] == [
        "model 1",
        "model 2",
        "model 3",
    ]
    assert all(len(page_ca(one["pdb"])) == 28 for one in peptide["models"])
    assert page.find(class_="legend").text.strip() == "no pLDDT in the file"


def test_confidence_on_0_to_1_is_read_as_such_and_a_constant_column_is_none(tmp_path):
    predict(tmp_path, "x", SEQUENCES["short"], conformers=1)
    lines = (tmp_path / "x.pdb").read_text().splitlines()

    def rewritten(value):
        atoms = [
            f"{line[:60]}{value(float(line[60:66])):6.2f}{line[66:]}" for line in lines if line[:4] == "ATOM"
        ]
        (tmp_path / "x.pdb").write_text("\n".join(atoms))
        return read_models(tmp_path / "x.pdb")[0].plddt

    original = read_models(tmp_path / "x.pdb")[0].plddt
    assert rewritten(lambda b: b / 100) == pytest.approx(original, abs=0.5)
    assert np.isnan(rewritten(lambda b: 1.0)) and np.isnan(rewritten(lambda b: 0.0))
    assert np.isnan(rewritten(lambda b: 3 * b))


def test_bands_are_alphafolds():
    values = [90.01, 90, 70, 50, 0, np.nan]
    assert [colour(v) for v in values] == [
        "#0053D6",
        "#65CBF3",
        "#FFDB13",
        "#FF7D45",
        "#FF7D45",
        NO_CONFIDENCE,
    ]


@pytest.mark.parametrize("name", ["pdb1ppe.ent.gz", "pdb1jno.ent.gz", "pdb7f32.ent.gz", "1v5a.cif.gz"])
def test_pdb_text_says_what_the_file_says(data_dir, tmp_path, name):
    model = read_models(data_dir / name)[0]
    (tmp_path / "again.pdb").write_text(pdb_text(model))
    again = read_models(tmp_path / "again.pdb")[0]
    for strand, other in zip(model.strands, again.strands, strict=True):
        assert (strand.id, strand.sequence, strand.numbers) == (other.id, other.sequence, other.numbers)
        np.testing.assert_allclose(strand.coords, other.coords, atol=1e-3)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_a_browser_draws_the_structure(folder, cache, data_dir, tmp_path):
    try:
        viewer.fetch_viewer(retry_seconds=0.1)
    except BetaFoldError as error:
        pytest.skip(f"3Dmol.js cannot be had: {error}")
    view(folder, "--native", data_dir / "pdb5awl.ent.gz")
    options = (
        "--headless=new --no-sandbox --disable-dev-shm-usage --use-gl=angle --use-angle=swiftshader "
        "--enable-unsafe-swiftshader --enable-logging=stderr --window-size=1000,620 --virtual-time-budget=8000"
    )
    shot = tmp_path / "shot.png"
    command = [CHROMIUM, *options.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}"]
    done = subprocess.run(
        [*command, f"file://{folder.parent / 'view.html'}#native"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    pixels = np.asarray(Image.open(shot).convert("HSV")).astype(int)[300:600]
    hue, saturation, value = np.moveaxis(pixels, -1, 0)
    # Blue and sky at the N-terminus, yellow and orange further on, grey for the native.
    assert ((saturation > 80) & (hue > 125) & (hue < 165)).sum() > 300
    assert ((saturation > 80) & (hue > 5) & (hue < 45)).sum() > 300
    assert ((saturation < 20) & (value > 60) & (value < 200)).sum() > 300
