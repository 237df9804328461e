"""The 3D viewer comes from an npm registry, is the pinned file or none, and ends in the user's cache."""

import hashlib
import io
import tarfile

import pytest

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.reports import viewer
from betafold.reports.viewer import fetch_viewer, find_viewer, npm_registry, unpack

SCRIPT, LICENCE = b"var $3Dmol = {};", b"a licence\n"
CONTENT = {"package/build/3Dmol-min.js": SCRIPT, "package/LICENSE": LICENCE}


def tarball(members) -> bytes:
    """An npm tarball of (name, bytes), or of (TarInfo, None) for members that are no plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in members:
            if data is None:
                archive.addfile(name)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture(autouse=True)
def pins(monkeypatch):
    """Pins of a small package in the real format."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    monkeypatch.setattr(viewer, "MEMBERS", digests)
    body = tarball([("package/package.json", b"{}"), *CONTENT.items(), ("package/src/x.ts", b"x")])
    monkeypatch.setattr(viewer, "TARBALL_SHA256", hashlib.sha256(body).hexdigest())
    return body


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and cache, and no settings of npm."""
    for name in (
        "npm_config_registry",
        "NPM_CONFIG_REGISTRY",
        "npm_config_userconfig",
        "NPM_CONFIG_USERCONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BETAFOLD_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def registry(serve, pins):
    """A registry that answers the listed statuses first: (address, statuses, bodies, log)."""
    statuses, bodies, log = [], [], []

    def answer(path):
        log.append(path)
        status = statuses.pop(0) if statuses else 200
        return status, (bodies.pop(0) if bodies else pins) if status == 200 else b""

    return serve(answer), statuses, bodies, log


def test_command_puts_the_viewer_into_the_cache_and_asks_once(registry, home, monkeypatch, capsys):
    address, _, _, log = registry
    monkeypatch.setenv("npm_config_registry", f"{address}/npm/")
    assert main(["fetch", "viewer"]) == 0
    folder = home / "cache" / "3dmol-2.5.5"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "3Dmol-min.js": SCRIPT,
        "LICENSE": LICENCE,
    }
    said = capsys.readouterr()
    assert str(folder) in said.out and "BSD-3-Clause" in said.out
    assert said.err.count("\n") == 1 and address in said.err
    assert main(["fetch", "viewer"]) == 0
    assert log == ["/npm/3dmol/-/3dmol-2.5.5.tgz"]
    assert find_viewer().script == SCRIPT.decode() and find_viewer().licence == LICENCE.decode()
    assert [path.name for path in (home / "cache").iterdir()] == ["3dmol-2.5.5"]


def test_registry_is_npms(home, monkeypatch):
    assert npm_registry() == "https://registry.npmjs.org"
    (home / ".npmrc").write_text("; registry=http://no\nregistry = http://${PLACE}/a/\n//a/:_authToken=x\n")
    monkeypatch.setenv("PLACE", "inside")
    assert npm_registry() == "http://inside/a/"
    (home / "other").write_text('fund=false\n registry="http://other/"\n')
    monkeypatch.setenv("npm_config_userconfig", str(home / "other"))
    assert npm_registry() == "http://other/"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://upper/")
    assert npm_registry() == "http://upper/"


def test_a_failure_that_passes_is_tried_again_and_an_absent_file_is_not(registry):
    address, statuses, _, log = registry
    statuses.extend([404])
    with pytest.raises(BetaFoldError, match="Not Found.*--registry"):
        fetch_viewer(address, retry_seconds=0.01)
    assert len(log) == 1
    statuses.extend([503, 503])
    assert fetch_viewer(address, retry_seconds=0.01).is_dir()
    assert len(log) == 4


def test_another_file_is_refused_and_nothing_is_left(registry, home):
    address, _, bodies, _ = registry
    bodies.append(tarball([(name, data + b"// and more") for name, data in CONTENT.items()]))
    with pytest.raises(BetaFoldError, match="not the file that is known.*--registry"):
        fetch_viewer(address)
    assert not (home / "cache").exists() and find_viewer() is None


@pytest.mark.parametrize(
    ("address", "words"), [("http://127.0.0.1:9", "check the network"), ("ftp://here", "not an http")]
)
def test_no_registry_is_one_line(address, words, capsys, monkeypatch):
    monkeypatch.setattr(viewer, "ATTEMPTS", 1)
    assert main(["fetch", "viewer", "--registry", address]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("betafold fetch: error: ") and words in error and address in error


def test_a_damaged_copy_in_the_cache_is_replaced(registry, home):
    folder = fetch_viewer(registry[0])
    (folder / "3Dmol-min.js").write_bytes(b"damaged")
    assert find_viewer() is None
    assert (fetch_viewer(registry[0]) / "3Dmol-min.js").read_bytes() == SCRIPT


def test_a_cache_that_cannot_be_written_is_one_line(registry, home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("BETAFOLD_CACHE", str(home / "file"))
    with pytest.raises(BetaFoldError, match="BETAFOLD_CACHE"):
        fetch_viewer(registry[0])


def test_only_the_two_members_are_taken(home):
    link = tarfile.TarInfo("package/build/link.js")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    extra = [("../evil", b"x"), ("/evil", b"x"), ("package/../../evil", b"x"), (link, None)]
    assert unpack(tarball([*extra, *CONTENT.items()])) == {"3Dmol-min.js": SCRIPT, "LICENSE": LICENCE}
    assert not list(home.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_plain_file_is_refused(kind):
    member = tarfile.TarInfo("package/LICENSE")
    member.type, member.linkname = kind, "package/build/3Dmol-min.js"
    with pytest.raises(BetaFoldError, match="no plain file package/LICENSE"):
        unpack(tarball([("package/build/3Dmol-min.js", SCRIPT), (member, None)]))


def test_a_changed_member_and_a_damaged_tarball_are_refused(pins):
    changed = {**CONTENT, "package/LICENSE": b"another"}
    with pytest.raises(BetaFoldError, match="not the known file"):
        unpack(tarball(changed.items()))
    for damaged in (b"", b"<html>", pins[: len(pins) // 2], pins[:40] + b"?" * 40 + pins[80:]):
        with pytest.raises(BetaFoldError, match="damaged tarball|no plain file"):
            unpack(damaged)
