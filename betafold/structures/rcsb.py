"""Entries of the PDB over HTTP, from any server in wwPDB divided layout."""

import gzip
import http.client
import io
import os
import re
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tenacity
from tqdm import tqdm

from betafold import __version__
from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.structures.textfile import read_text

LAYOUT = "pub/pdb/data/structures/divided/mmCIF/{mid}/{entry}.cif.gz"
# Both ways of writing an id: 1abc, and the extended form of the same id, pdb_00001abc.
PDB_ID = re.compile(r"(?:pdb_0000)?([1-9][a-z0-9]{3})", re.IGNORECASE)
MMCIF_START = re.compile(rb"(\s|#[^\n]*\n)*data_\S")
MAX_TEXT_BYTES = 2**30
TIMEOUT_SECONDS = 60
ATTEMPTS = 5
CONNECTIONS = 4


class Damaged(Exception):
    """What came is not a whole mmCIF file."""


def read_ids(path: str | os.PathLike) -> tuple[list[str], list[tuple[str, str]]]:
    """PDB ids of a text file (blanks, commas or lines between them, ``#`` comments), and the bad ones.

    Returns
    -------
    (ids, failures)
        Ids in lower case, each once, in file order; ``(word, reason)`` for every other word.
    """
    text = re.sub(r"#.*", "", read_text(path))
    ids, failures = {}, []
    for word in re.split(r"[\s,;]+", text):
        if match := PDB_ID.fullmatch(word):
            ids[match[1].lower()] = None
        elif word:
            failures.append((word[:40], "not a PDB id (a digit and three letters or digits, e.g. 1abc)"))
    if not ids:
        raise BetaFoldError(f"{path}: holds no PDB id")
    return list(ids), failures


class RateLimit:
    """At most ``per_second`` calls of :meth:`wait` return within a second, whatever the thread."""

    def __init__(self, per_second: float):
        self.interval = 1 / per_second
        self.next_slot = 0.0
        self.lock = threading.Lock()

    def wait(self) -> None:
        with self.lock:
            slot = max(self.next_slot, time.monotonic())
            self.next_slot = slot + self.interval
        time.sleep(max(0.0, slot - time.monotonic()))


def fetch_entries(
    ids: list[str],
    folder: str | os.PathLike,
    base_url: str,
    rate: float = 10.0,
    retry_seconds: float = 1.0,
) -> tuple[list[Path], list[tuple[str, str]]]:
    """Download each entry to ``folder/{mid}/{id}.cif.gz`` unless a sound file lies there already.

    Parameters
    ----------
    ids
        PDB ids in lower case.
    folder
        Where the files go, in divided layout; interrupted downloads go on from what is there.
    base_url
        Server; :data:`LAYOUT` is appended.
    rate
        Requests per second at most, over all connections.
    retry_seconds
        First pause after a failure that may pass; it doubles up to a minute. An absent entry
        (404, 410) is not asked for again.

    Returns
    -------
    (paths, failures)
        Files in the order of ``ids``, and ``(id, reason)`` for the others.

    Raises
    ------
    BetaFoldError
        ``base_url`` is not http(s), or the server cannot be reached at all.
    """
    if not re.match(r"https?://", base_url):
        raise BetaFoldError(f"--base-url {base_url}: not an http:// or https:// address")
    limit = RateLimit(rate)

    def fetch(entry: str) -> Path | Exception:
        path = Path(folder, entry[1:3], f"{entry}.cif.gz")
        try:
            _ensure(path, _url(base_url, entry), limit, retry_seconds)
        except (Damaged, OSError, http.client.HTTPException) as error:
            return error
        return path

    # One entry goes ahead: an unreachable server shall not cost every entry its retries.
    first = fetch(ids[0])
    if isinstance(first, urllib.error.URLError) and not isinstance(first, urllib.error.HTTPError):
        raise BetaFoldError(f"cannot reach {base_url} ({first.reason}): check the network or --base-url")
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        rest = tqdm(pool.map(fetch, ids[1:]), total=len(ids), initial=1, unit="entry", disable=None)
        results = dict(zip(ids, [first, *rest], strict=True))
    failures = [(entry, _reason(got)) for entry, got in results.items() if isinstance(got, Exception)]
    return [got for got in results.values() if isinstance(got, Path)], failures


def _url(base_url: str, entry: str) -> str:
    return f"{base_url.rstrip('/')}/{LAYOUT.format(mid=entry[1:3], entry=entry)}"


def _ensure(path: Path, url: str, limit: RateLimit, retry_seconds: float) -> None:
    """Make sure that a sound file lies at ``path``."""
    if path.is_file():
        try:
            return check_mmcif(path.read_bytes())
        except Damaged:
            path.unlink()
    data = _retrying(retry_seconds)(_download, url, limit)
    with write_beside(path) as partial:
        partial.write_bytes(data)
    return None


def _download(url: str, limit: RateLimit) -> bytes:
    """One attempt: the body of ``url``, checked."""
    limit.wait()
    request = urllib.request.Request(url, headers={"User-Agent": f"betafold/{__version__}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        data = response.read()
    check_mmcif(data)
    return data


def check_mmcif(data: bytes) -> None:
    """Raise :class:`Damaged` unless ``data`` is a whole gzip file of an mmCIF text with atoms."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as handle:
            text = handle.read(MAX_TEXT_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        raise Damaged(f"truncated or damaged gzip file ({error})") from error
    if not MMCIF_START.match(text):
        raise Damaged("not an mmCIF file (does not begin with data_)")
    if b"_atom_site." not in text:
        raise Damaged("mmCIF file without atoms")


def _retrying(seconds: float) -> Callable:
    """Exponential back-off for failures that may pass."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=seconds, max=60) + tenacity.wait_random(0, seconds),
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: busy or broken server, lost connection, damaged body."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in (408, 429)
    return isinstance(error, OSError | http.client.HTTPException | Damaged)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        known = {404: "no such entry on the server", 410: "no longer on the server"}
        return f"{known.get(error.code, error.reason)} (HTTP {error.code})"
    return str(getattr(error, "reason", error)) or type(error).__name__
