"""The JSON exchange format: what is read, what is refused in which words, and the way there and back."""

import csv
import gzip
import json

import numpy as np
import pytest

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.structures.exchange import Item, read_items
from betafold.structures.labels import labels_attrs, read_labels
from betafold.structures.sources import read_structures

SEQUENCE = "GSHMKRILAVTEDPWY"


def trace(length, seed=0):
    """A CA trace [length, 3] that turns by about 90 degrees at every residue, steps of 3.8 Angstrom."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(length, 3)) + [1.0, 0.0, 0.0]
    return np.cumsum(3.8 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0)


def item(code="1abc", sequence=SEQUENCE, **changes):
    values = {"pdb_code": code, "sequence": sequence, "coords": trace(len(sequence)).tolist()}
    return values | {"seq_len": len(sequence)} | changes


def write(path, items):
    if ".jsonl" in path.name:
        text = "".join(json.dumps(value) + "\n" for value in items)
    else:
        text = json.dumps(items)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path):
    return [(number, name, found) for number, name, found in read_items(path)]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "a.jsonl.gz"])
def test_lists_and_lines_gzipped_or_not(tmp_path, name):
    found = read(write(tmp_path / name, [item("1ABC"), item("2bcd_B", SEQUENCE * 3), item("my.model-3")]))
    items = [sound for _, _, sound in found]
    assert [(number, code) for number, code, _ in found] == [(1, "1ABC"), (2, "2bcd_B"), (3, "my.model-3")]
    assert [(i.entry, i.chain) for i in items] == [("1abc", "_"), ("2bcd", "B"), ("my.model-3", "_")]
    assert all(i.ca_only and np.isnan(i.coords[:, (0, 2)]).all() for i in items)
    np.testing.assert_allclose(items[1].coords[:, 1], trace(len(SEQUENCE) * 3))


def test_objects_may_be_spread_over_lines_and_typed_in_lower_case(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        "\n".join(json.dumps(item(code, SEQUENCE.lower()), indent=2) for code in ("1abc", "2bcd"))
    )
    assert [found.sequence for _, _, found in read(path)] == [SEQUENCE, SEQUENCE]


@pytest.mark.parametrize(
    "code, origin",
    [
        ("1abc_A_5-20", ("1abc", "A", 4)),
        ("1abc_A_5-21", ("1abc-A-5-21", "_", 0)),  # says 17 residues, holds 16
        ("1abc___1-16", ("1abc", "_", 0)),  # a chain without id
        ("1abc__2_1-16", ("1abc", "_2", 0)),
        ("a_b_c", ("a-b-c", "_", 0)),
    ],
)
def test_codes_written_here_are_understood(tmp_path, code, origin):
    ((_, _, found),) = read(write(tmp_path / "a.json", [item(code)]))
    assert (found.entry, found.chain, found.start) == origin


def nan_at(residue):
    coords = trace(len(SEQUENCE))
    coords[residue, 1] = np.nan
    return coords.tolist()


BAD = {
    "seq_len is 15, the sequence has 16 letters": item(seq_len=15),
    "seq_len is None": item(seq_len=None),
    "'X' at position 1 is not one of the 20": item(sequence="X" + SEQUENCE[1:]),
    "lower-case 'g' at position 1": item(sequence="g" + SEQUENCE[1:]),
    "sequence: must be text": item(sequence=list(SEQUENCE)),
    "NaN or infinite at residue 3": item(coords=nan_at(2)),
    "NaN or infinite at residue 1": item(coords=[[None] * 3] * len(SEQUENCE)),
    "of shape [15][3]": item(coords=trace(15).tolist()),
    "of shape [16][2]": item(coords=trace(16)[:, :2].tolist()),
    "of shape [16][4][3]": item(coords=np.zeros((16, 4, 3)).tolist()),
    "of shape a single number": item(coords=1.0),
    "not numbers of shape": item(coords=[[1, 2, 3], [1, 2]] * 8),
    "coords: not numbers": item(coords="text"),
    "chain of 513 residues, longer than 512": item(sequence="A" * 513),
    "chain of 9 residues, shorter than 10": item(sequence="A" * 9),
    "lacks coords, seq_len": {"pdb_code": "1abc", "sequence": SEQUENCE},
    "not an object with pdb_code": [1, 2],
    "pdb_code '../../1abc': must be": item("../../1abc"),
    "pdb_code '': must be": item(""),
    "pdb_code '7': must be": item(7),
    "the same pdb_code as item 1": item("GOOD"),
}


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_each_bad_item_has_its_reason_and_the_others_are_read(tmp_path, name):
    found = read(write(tmp_path / name, [item("good"), *BAD.values(), item("last")]))
    assert [number for number, _, _ in found] == list(range(1, len(BAD) + 3))
    assert isinstance(found[0][2], Item) and isinstance(found[-1][2], Item)
    for words, (_, _, error) in zip(BAD, found[1:-1], strict=True):
        assert isinstance(error, BetaFoldError) and words in str(error), words
        assert "\n" not in str(error)


def test_broken_syntax(tmp_path):
    good, other = json.dumps(item()), json.dumps(item("2bcd"))
    texts = {
        f"[{good}, {other[:-9]}": [True, "not JSON, nothing after it is read"],
        f"[{good},\n{other}": [True, True, "truncated"],
        f"[{good} {other}]": [True, "no comma"],
        f"[{good}] {other}": [True, "text after the end"],
        f"[{good}, ]": [True, "not JSON"],
        f"{good}\nnot json\n{other}\n": [True, "not JSON: Expecting value, line 2 column 1", True],
        f"{good}\n{other[:100]}": [True, "not JSON"],
        f"{good}\n" + "[" * 100_000: [True, "brackets too deep"],
        good.replace('"seq_len": 16', '"seq_len": ' + "9" * 5000): ["number too long"],
    }
    for text, expected in texts.items():
        path = tmp_path / "a.json"
        path.write_text(text)
        for (_, _, result), wanted in zip(read(path), expected, strict=True):
            assert isinstance(result, Item) if wanted is True else wanted in str(result), text[:80]


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b"<html>", "not JSON"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"[]", "holds no item"),
        (b"a\0b", "binary"),
    ],
)
def test_files_that_are_none(tmp_path, data, words):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(BetaFoldError, match=words) as refused:
        read(path)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


# --- to samples


def rejected(path):
    with open(path, newline="") as handle:
        return [(row["entry"], row["reason"]) for row in csv.DictReader(handle, delimiter="\t")]


def label(tmp_path, path, *options, expect=0):
    out = tmp_path / "labels.zarr" / "00"
    assert (
        main(["label", str(path), "--out", str(out), "--rejected", f"{tmp_path}/r.tsv", *options]) == expect
    )
    return read_labels(out), rejected(tmp_path / "r.tsv")


def test_ca_only_chains_become_samples_without_torsions(tmp_path):
    path = write(tmp_path / "a.json", [item("1abc_A_3-18"), item("2bcd", SEQUENCE * 8), {}])
    (peptide, chain), reasons = label(tmp_path, path, "--max-length", "512")
    assert (peptide.id, peptide.kind, peptide.start) == ("1abc_A_3-18", "free", 2)
    assert peptide.parent == "XX" + SEQUENCE and peptide.parent[peptide.start :] == peptide.sequence
    assert (chain.id, chain.kind, chain.length) == ("2bcd___1-128", "chain", 128)
    for sample in (peptide, chain):
        assert sample.ca_only and not sample.mask.any() and np.isnan(sample.torsions).all()
        assert np.isfinite(sample.coords[:, 1]).all() and np.isnan(sample.coords[:, (0, 2)]).all()
        assert not sample.cyclic and len(sample.models) == 1
    assert reasons == [("a.json", "lacks pdb_code, sequence, coords, seq_len (item 3)")]


def test_traces_that_are_impossible_are_said(tmp_path):
    nanometres, gap, clash = trace(16) / 10, trace(16), trace(200)
    gap[8:] += 20
    clash[195:] += 20
    path = write(
        tmp_path / "a.jsonl",
        [
            item("nano", coords=nanometres.tolist()),
            item("gap", coords=gap.tolist()),
            item("tail", "A" * 200, coords=clash.tolist()),
            item("long", "A" * 201),
        ],
    )
    (tail,), reasons = label(tmp_path, path, "--max-length", "200")
    assert (tail.entry, tail.length) == ("tail", 195)
    assert dict(reasons)["nano"] == "chain break: CA-CA 0.38 A between residues 1 and 2 (item 1)"
    assert "between residues 8 and 9" in dict(reasons)["gap"]
    assert dict(reasons)["long"] == "chain of 201 residues, longer than 200 (item 4)"
    samples, reasons = label(tmp_path, path, expect=1)
    assert not samples and sum("longer than 30" in reason for _, reason in reasons) == 2


def test_a_file_that_cannot_be_read_is_one_rejection(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("<html>")
    samples, ((entry, reason),) = label(tmp_path, path, expect=1)
    assert not samples and entry == "a.json" and reason.startswith("not JSON")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, data_dir):
    """Labels of real entries: peptides, chains and fragments."""
    folder = tmp_path_factory.mktemp("labels")
    files = [
        str(data_dir / name) for name in ("pdb5awl.ent.gz", "pdb1ppe.ent.gz", "1v5a.cif.gz", "pdb1cbn.ent.gz")
    ]
    options = ["--max-length", "512", "--fragments-per-chain", "4"]
    assert main(["label", *files, *options, "--out", f"{folder}/00", "--rejected", f"{folder}/r.tsv"]) == 0
    return folder / "00"


@pytest.mark.parametrize("name, atoms", [("a.json", "ca"), ("a.jsonl.gz", "ca"), ("a.json.gz", "backbone")])
def test_labels_to_json_to_labels(tmp_path, labelled, name, atoms):
    originals = {sample.id: sample for sample in read_labels(labelled)}
    out, kinds = tmp_path / name, ["free", "bound", "chain", "fragment"]
    export = ["export", "--labels", str(labelled), "--format", "json", "--atoms", atoms]
    assert main([*export, "--kinds", *kinds, "--out", str(out)]) == 0
    record = json.loads((tmp_path / f"{name}.provenance.json").read_text())
    assert record["labels"] == {str(labelled): labels_attrs(labelled)["data_sha256"]}
    assert record["samples"] == len(originals) and record["code_digest"]
    samples, reasons = label(tmp_path, out, "--max-length", "512", "--fragments-per-chain", "0")
    assert not reasons and {sample.id for sample in samples} == originals.keys()
    for sample in samples:
        original = originals[sample.id]
        assert sample.sequence == original.sequence and sample.start == original.start
        np.testing.assert_allclose(sample.coords[:, 1], original.coords[:, 1], atol=1e-3)
        if atoms == "backbone":
            difference = np.angle(np.exp(1j * (sample.torsions - original.torsions)))
            assert np.nanmax(abs(difference)) < 0.01 and sample.mask.all()


def test_the_written_file_is_plain_json_without_fragments(tmp_path, labelled, capsys):
    for name in ("a.json", "a.json.gz"):
        assert (
            main(["export", "--labels", str(labelled), "--format", "json", "--out", f"{tmp_path}/{name}"])
            == 0
        )
    items = json.loads((tmp_path / "a.json").read_text())
    assert gzip.decompress((tmp_path / "a.json.gz").read_bytes()) == (tmp_path / "a.json").read_bytes()
    assert {i["pdb_code"] for i in items} == {
        "5awl_A_1-10",
        "1ppe_E_1-223",
        "1ppe_I_1-29",
        "1v5a_A_1-28",
        "1cbn_A_1-46",
    }
    for i in items:
        assert list(i) == ["pdb_code", "sequence", "coords", "seq_len"]
        assert i["seq_len"] == len(i["sequence"]) and np.shape(i["coords"]) == (i["seq_len"], 3)
    assert "5 samples, 0 left out" in capsys.readouterr().out


def test_what_export_refuses_is_one_line(tmp_path, labelled, capsys):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.json" / "mine").touch()
    write(tmp_path / "ca.json", [item("1abc", SEQUENCE)])
    label(tmp_path, tmp_path / "ca.json")
    only_ca = str(tmp_path / "labels.zarr" / "00")
    wrong = {
        ("--labels", str(labelled), "--out", "a.txt"): "must end in .json",
        ("--labels", str(labelled), "--out", f"{tmp_path}/folder.json"): "is a folder",
        ("--labels", f"{tmp_path}/none", "--out", f"{tmp_path}/a.json"): "no label group",
        ("--labels", only_ca, "--kinds", "chain", "--out", f"{tmp_path}/a.json"): "no sample of kind chain",
        ("--labels", only_ca, "--atoms", "backbone", "--out", f"{tmp_path}/a.json"): "only CA atoms",
    }
    capsys.readouterr()
    for arguments, words in wrong.items():
        assert main(["export", "--format", "json", *arguments]) == 1
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1
    assert (tmp_path / "folder.json" / "mine").exists() and not (tmp_path / "a.json").exists()
    both = ["--labels", only_ca, str(labelled), "--format", "json", "--atoms", "backbone"]
    assert main(["export", *both, "--out", f"{tmp_path}/a.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "item 1 (1abc___1-16): only CA atoms are known" in line


# --- as a source


def test_the_source_writes_one_file_an_item(tmp_path, capsys):
    path = write(tmp_path / "a.json", [item("1abc_A"), item("../x"), item("1abc_B"), item("2bcd", seq_len=1)])
    out = tmp_path / "results" / "structures.tsv"
    fetch = [
        "fetch",
        "structures",
        "--source",
        "json",
        "--path",
        str(path),
        "--shards",
        "7",
        "--out",
        str(out),
    ]
    assert main(fetch) == 0
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in errors] == ["item 2", "item 4 (2bcd)"]
    entries = read_structures(out)
    assert [entry.name for entry in entries] == ["1abc_A", "1abc_B"]
    assert [entry.path for entry in entries] == [
        tmp_path / f"results/structures/ab/1abc_{c}.json" for c in "AB"
    ]
    shards = [line.split("\t")[2] for line in out.read_text().splitlines()[1:]]
    assert len(set(shards)) == 1  # chains of one entry stay together
    assert rejected(out.with_suffix(".skipped.tsv"))[0][0] == "a.json"
    labels = ["label", "--entries", str(out), "--shard", shards[0], "--out", f"{tmp_path}/0"]
    assert main([*labels, "--rejected", f"{tmp_path}/r.tsv"]) == 0
    assert [sample.id for sample in read_labels(tmp_path / "0")] == ["1abc_A_1-16", "1abc_B_1-16"]
    written = [file for file in tmp_path.rglob("*") if file.name.endswith("x.json")]
    assert not written
    path.write_text("[1]")
    assert main(fetch) == 1
    assert "none of its 1 items can be used" in capsys.readouterr().err
    assert entries[0].path.exists()  # a failed fetch leaves what was there


def test_two_files_with_the_same_chain_give_one_sample(tmp_path):
    for name in ("a.json", "b.json"):
        write(tmp_path / name, [item("1abc_A")])
    out = ["--out", f"{tmp_path}/0", "--rejected", f"{tmp_path}/r.tsv"]
    assert main(["label", f"{tmp_path}/a.json", f"{tmp_path}/b.json", *out]) == 0
    assert len(read_labels(tmp_path / "0")) == 1
    ((_, reason),) = rejected(tmp_path / "r.tsv")
    assert "there is a sample 1abc_A_1-16 already" in reason
