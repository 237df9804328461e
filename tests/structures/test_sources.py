"""The three sources of structures, and the table they all write."""

import csv
import gzip
import io
import json
import tarfile
import time
from collections import Counter

import pytest

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.provenance import file_sha256
from betafold.structures import embedded
from betafold.structures.archives import PinnedArchive, download_pinned
from betafold.structures.mirror import list_mirror
from betafold.structures.rcsb import Damaged, RateLimit, check_mmcif, read_ids
from betafold.structures.sources import fetch_structures, read_structures, shard_of

ATOM = b"ATOM      1  N   GLY A   1       0.000   0.000   0.000  1.00  0.00           N\n"
MMCIF = b"# comment\ndata_1ABC\nloop_\n_atom_site.id\n1\n"


def rows(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def put(path, data=ATOM):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# --- shards


def test_shards_are_fixed_and_even():
    assert [shard_of(entry, 8) for entry in ("1a0m", "1crn", "my-model")] == ["05", "07", "02"]
    assert {shard_of("1bha-0", 50), shard_of("1bha-1", 50)} == {shard_of("1bha", 50)}
    counts = Counter(shard_of(f"{i:04d}", 10) for i in range(1000, 9000))
    assert set(counts) == {f"{i:02d}" for i in range(10)}
    assert max(counts.values()) < 1.15 * min(counts.values())


# --- mirror


def test_mirror_takes_one_file_per_entry(tmp_path):
    wanted = [
        put(tmp_path / "divided" / "ab" / "pdb1abc.ent.gz"),
        put(tmp_path / "divided" / "bc" / "2bcd.cif.gz"),
        put(tmp_path / "derived" / "cd" / "3cde_0.ent.gz"),
        put(tmp_path / "derived" / "cd" / "3cde_1.ent.gz"),
        put(tmp_path / "deep" / "er" / "my model.pdb"),
    ]
    put(tmp_path / "divided" / "ab" / "1abc.cif.gz")
    put(tmp_path / "2BCD.pdb")
    put(tmp_path / "derived" / "ab" / "1abc_0.ent.gz")
    put(tmp_path / "derived" / "ab" / "pdb1abc.ent.gz")
    put(tmp_path / "README.md")
    put(tmp_path / ".hidden" / "9xyz.pdb")
    files, skipped = list_mirror(tmp_path)
    assert files == sorted(wanted)
    reasons = {str(path.relative_to(tmp_path)): reason for path, reason in skipped}
    assert set(reasons) == {
        "divided/ab/1abc.cif.gz",
        "2BCD.pdb",
        "derived/ab/1abc_0.ent.gz",
        "derived/ab/pdb1abc.ent.gz",
    }
    assert "cut of entry 1abc" in reasons["derived/ab/1abc_0.ent.gz"]
    assert str(wanted[1]) in reasons["2BCD.pdb"]


def test_mirror_table_and_provenance(tmp_path, capsys):
    put(tmp_path / "pdb" / "ab" / "pdb1abc.ent.gz")
    put(tmp_path / "pdb" / "ab" / "1abc.cif.gz")
    put(tmp_path / "pdb" / "x.pdb")
    out = tmp_path / "results" / "structures.tsv"
    arguments = [
        "fetch",
        "structures",
        "--source",
        "mirror",
        "--path",
        str(tmp_path / "pdb"),
        "--out",
        str(out),
    ]
    assert main([*arguments, "--shards", "3"]) == 0
    assert "2 structure files in 3 shards, 1 skipped" in capsys.readouterr().out
    assert [row["entry"] for row in rows(out)] == ["1abc", "x"]
    assert [row["entry"] for row in rows(out.with_suffix(".skipped.tsv"))] == ["1abc"]
    assert {entry.name for shard in range(3) for entry in read_structures(out, shard)} == {"1abc", "x"}
    about = json.loads(out.with_suffix(".json").read_text())
    assert {"git_commit", "code_digest", "data_sha256", "path"} <= about.keys()
    put(tmp_path / "pdb" / "x.pdb", ATOM * 2)
    assert main(arguments) == 0
    assert json.loads(out.with_suffix(".json").read_text())["data_sha256"] != about["data_sha256"]


def test_wrong_options_are_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    wrong = {
        ("--source", "mirror"): "--path",
        ("--source", "mirror", "--path", str(tmp_path / "absent")): "no such folder",
        ("--source", "mirror", "--path", str(tmp_path / "empty")): "holds no",
        ("--source", "rcsb"): "--ids",
        ("--source", "rcsb", "--ids", str(tmp_path / "absent.txt")): "no such file",
        ("--source", "mirror", "--path", str(tmp_path), "--shards", "0"): "1 to 100",
    }
    for arguments, word in wrong.items():
        assert main(["fetch", "structures", *arguments, "--out", str(tmp_path / "out.tsv")]) == 1
        message = capsys.readouterr().err
        assert word in message
        assert message.count("\n") == 1


@pytest.mark.parametrize("text", [None, "a\tb\n1\t2\n", "entry\tpath\tshard\nx\ty\tz\n"])
def test_table_that_is_none_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "structures.tsv").write_text(text)
    with pytest.raises(BetaFoldError, match=r"structures\.tsv"):
        read_structures(tmp_path / "structures.tsv", 0)


# --- embedded


def nested_archive(path, members, nested_name=embedded.NESTED):
    """An archive like the real one: ``members`` are TarInfo and bytes inside a nested .tar.gz."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(nested_name)
        info.size = len(inner.getvalue())
        tar.addfile(info, io.BytesIO(inner.getvalue()))
    return path


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


def test_embedded_members_stay_inside_the_folder(tmp_path):
    data = gzip.compress(ATOM)
    members = [
        (tarfile.TarInfo("dividedPdb/ab/pdb1abc.ent.gz"), data),
        (tarfile.TarInfo("../../pdb2bcd.ent.gz"), data),
        (tarfile.TarInfo("/etc/pdb3cde.ent.gz"), data),
        (tarfile.TarInfo("dividedPdb/setup.py"), b"raise SystemExit"),
        link("dividedPdb/pdb4def.ent.gz", "/etc/passwd"),
    ]
    archive = nested_archive(tmp_path / "a.tar.gz", members)
    files = embedded.unpack(archive, tmp_path / "in" / "structures")
    names = ["ab/pdb1abc.ent.gz", "bc/pdb2bcd.ent.gz", "cd/pdb3cde.ent.gz"]
    assert files == [tmp_path / "in" / "structures" / name for name in names]
    assert all(gzip.decompress(file.read_bytes()) == ATOM for file in files)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(written) == sorted([archive, *files])


def test_embedded_archive_that_is_wrong_is_refused(tmp_path, monkeypatch):
    member = (tarfile.TarInfo("a/pdb1abc.ent"), ATOM)
    archive = nested_archive(tmp_path / "a.tar.gz", [member])
    (tmp_path / "cut.tar.gz").write_bytes(archive.read_bytes()[:100])
    nested_archive(tmp_path / "other.tar.gz", [member], nested_name="other")
    nested_archive(tmp_path / "none.tar.gz", [(tarfile.TarInfo("a.txt"), b"")])
    for name, word in (("cut", "cannot unpack"), ("other", "cannot unpack"), ("none", "no structure file")):
        with pytest.raises(BetaFoldError, match=word):
            embedded.unpack(tmp_path / f"{name}.tar.gz", tmp_path / "out")
    monkeypatch.setattr(embedded, "MAX_FILE_BYTES", 10)
    with pytest.raises(BetaFoldError, match="more than"):
        embedded.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_embedded_source_writes_the_table(tmp_path, monkeypatch):
    archive = nested_archive(
        tmp_path / "a.tar.gz", [(tarfile.TarInfo("a/pdb1abc.ent.gz"), gzip.compress(ATOM))]
    )
    monkeypatch.setattr(embedded, "download_pinned", lambda pinned, folder: archive)
    out = tmp_path / "structures.tsv"
    assert fetch_structures("embedded", out, 2) == 0
    assert rows(out) == [
        {
            "entry": "1abc",
            "path": str(tmp_path / "structures/ab/pdb1abc.ent.gz"),
            "shard": shard_of("1abc", 2),
            "resolution": "",
        }
    ]
    assert json.loads(out.with_suffix(".json").read_text())["archive_sha256"] == embedded.ARCHIVE.sha256


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index in a folder, with one source archive whose setup.py must not run."""
    info = "Metadata-Version: 1.0\nName: tinydata\nVersion: 1.0\n"
    bomb = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    path = tmp_path / "index" / "tinydata-1.0.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("PKG-INFO", info), ("setup.py", bomb)):
            member = tarfile.TarInfo(f"tinydata-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return PinnedArchive("tinydata", "1.0", path.name, file_sha256(path), 0)


def test_download_checks_the_hash_and_runs_nothing(index, tmp_path):
    path = download_pinned(index, tmp_path / "to")
    assert file_sha256(path) == index.sha256
    assert not (tmp_path / "ran").exists()
    wrong = PinnedArchive(index.project, index.version, index.filename, "0" * 64, 0)
    for archive in (wrong, PinnedArchive("absent", "1.0", "absent-1.0.tar.gz", "0" * 64, 0)):
        with pytest.raises(BetaFoldError, match="check the network") as refused:
            download_pinned(archive, tmp_path / "other")
        assert "\n" not in str(refused.value)


# --- rcsb


def test_ids_in_any_form(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("1ABC, 2bcd\n# 9zzz\n3cde;1abc pdb_00004def\nabcd 12345 0abc\n")
    ids, failures = read_ids(path)
    assert ids == ["1abc", "2bcd", "3cde", "4def"]
    assert [word for word, _ in failures] == ["abcd", "12345", "0abc"]
    path.write_text("# nothing\nword\n")
    with pytest.raises(BetaFoldError, match="no PDB id"):
        read_ids(path)


def test_bodies_that_are_no_mmcif_file():
    check_mmcif(gzip.compress(MMCIF))
    bad = [gzip.compress(MMCIF)[:-4], MMCIF, b"", gzip.compress(b"<html>"), gzip.compress(b"data_1ABC\n")]
    for data in bad:
        with pytest.raises(Damaged):
            check_mmcif(data)


def test_rate_limit_spaces_calls():
    limit = RateLimit(200)
    start = time.monotonic()
    for _ in range(11):
        limit.wait()
    assert time.monotonic() - start >= 10 / 200


@pytest.fixture
def server(serve):
    """A server in wwPDB layout. ``replies[id]`` lists (status, body) before the sound file; ``log`` the ids asked."""
    replies, log = {}, []

    def answer(path):
        entry = path.rsplit("/", 1)[1].split(".")[0]
        assert path == f"/mirror/pub/pdb/data/structures/divided/mmCIF/{entry[1:3]}/{entry}.cif.gz"
        log.append(entry)
        queue = replies.get(entry, [])
        return queue.pop(0) if queue else (200, gzip.compress(MMCIF))

    return f"{serve(answer)}/mirror/", replies, log


def fetch(tmp_path, url, ids):
    (tmp_path / "ids.txt").write_text(ids)
    out = tmp_path / "results" / "structures.tsv"
    fetch_structures("rcsb", out, 4, ids=tmp_path / "ids.txt", base_url=url, rate=1000, retry_seconds=0.001)
    return out


def test_entries_over_http(tmp_path, server, capsys):
    url, replies, log = server
    truncated = gzip.compress(MMCIF)[:-6]
    replies["2bcd"] = [(503, b"busy"), (429, b"")]
    replies["3cde"] = [(404, b"")] * 9
    replies["4def"] = [(200, truncated)]
    replies["5efg"] = [(200, truncated)] * 9
    replies["6fgh"] = [(200, gzip.compress(b"<html>"))] * 9
    out = fetch(tmp_path, url, "1abc 2bcd 3cde 4def 5efg 6fgh bad-id")
    assert [row["entry"] for row in rows(out)] == ["1abc", "2bcd", "4def"]
    assert Counter(log) == {"1abc": 1, "2bcd": 3, "3cde": 1, "4def": 2, "5efg": 5, "6fgh": 5}
    skipped = {row["entry"]: row["reason"] for row in rows(out.with_suffix(".skipped.tsv"))}
    assert skipped.keys() == {"bad-id", "3cde", "5efg", "6fgh"}
    assert "404" in skipped["3cde"]
    assert "truncated" in skipped["5efg"]
    assert "data_" in skipped["6fgh"]
    assert capsys.readouterr().err.count("\n") == 4
    files = [path for path in (tmp_path / "results" / "structures").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["1abc.cif.gz", "2bcd.cif.gz", "4def.cif.gz"]


def test_a_second_run_fetches_only_what_is_missing_or_damaged(tmp_path, server):
    url, _, log = server
    out = fetch(tmp_path, url, "1abc 2bcd 3cde")
    damaged = tmp_path / "results" / "structures" / "bc" / "2bcd.cif.gz"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    log.clear()
    before = out.read_bytes()
    fetch(tmp_path, url, "1abc 2bcd 3cde")
    assert log == ["2bcd"]
    assert out.read_bytes() == before


def test_nothing_fetched_and_nobody_there_are_errors(tmp_path, server):
    url, replies, _ = server
    replies["1abc"] = [(404, b"")]
    with pytest.raises(BetaFoldError, match="none of its 1 entries"):
        fetch(tmp_path, url, "1abc")
    with pytest.raises(BetaFoldError, match="cannot reach"):
        fetch(tmp_path, "http://127.0.0.1:9", "1abc 2bcd")
    with pytest.raises(BetaFoldError, match="http"):
        fetch(tmp_path, "ftp://host", "1abc")
