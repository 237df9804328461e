"""Where structures come from, and the table of files that every later step starts from.

results/structures.tsv          entry, path, shard, resolution (if the source knows it); one row per file
results/structures.skipped.tsv  entry, path, reason; what is not used
results/structures.json         source, digests and provenance of the table
results/structures/             the files themselves, where the source is not a folder of the user's
"""

import csv
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.provenance import file_sha256, provenance
from betafold.structures.embedded import ARCHIVE, LICENCE, fetch_embedded
from betafold.structures.entries import Entry
from betafold.structures.exchange import fetch_items
from betafold.structures.mirror import list_mirror, pdb_id
from betafold.structures.naming import entry_name
from betafold.structures.pdbbind import list_pdbbind
from betafold.structures.rcsb import fetch_entries, read_ids

SOURCES = ("embedded", "mirror", "pdbbind", "json", "rcsb")
MAX_SHARDS = 100
DEFAULT_URL = "https://files.wwpdb.org"


def shard_of(entry: str, shards: int) -> str:
    """Shard of an entry, "00" to "99": a fixed hash of its PDB id, so that cuts of an entry stay together."""
    # Chains in the exchange format are named ENTRY_CHAIN_...; other entry names hold no "_".
    entry = entry.split("_")[0]
    digest = hashlib.sha256((pdb_id(entry) or entry).encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') % shards:02d}"


def fetch_structures(
    source: str,
    out: str | os.PathLike,
    shards: int,
    path: str | os.PathLike | None = None,
    ids: str | os.PathLike | None = None,
    base_url: str | None = None,
    rate: float = 10.0,
    retry_seconds: float = 1.0,
) -> int:
    """Get the structure files of ``source`` and write their table; return 0.

    Parameters
    ----------
    source
        ``embedded``, ``mirror`` or ``pdbbind`` (``path``: folder), ``json`` (``path``: file in the exchange
        format) or ``rcsb`` (``ids``: file; ``base_url``; ``rate`` in requests per second; ``retry_seconds``:
        first pause after a failure).
    out
        Table to write; the other files stand beside it under the same stem.
    shards
        Number of shards, 1-100.

    Raises
    ------
    BetaFoldError
        The source is wrong or gives no file at all.
    """
    if not 1 <= shards <= MAX_SHARDS:
        raise BetaFoldError(f"--shards {shards}: must be 1 to {MAX_SHARDS}")
    out = Path(out)
    about = {"source": source, "shards": shards}
    if source == "embedded":
        entries, skipped = _entries(fetch_embedded(out.with_suffix(""))), []
        about |= {"archive": ARCHIVE.filename, "archive_sha256": ARCHIVE.sha256, "licence": LICENCE}
    elif source == "mirror":
        files, left_out = list_mirror(_given(path, "--path", source))
        entries, skipped = (
            _entries(files),
            [(entry_name(file), str(file), reason) for file, reason in left_out],
        )
        about |= {"path": str(path)}
    elif source == "pdbbind":
        entries, skipped = list_pdbbind(_given(path, "--path", source))
        about |= {"path": str(path)}
    elif source == "json":
        entries, skipped = fetch_items(_given(path, "--path", source), out.with_suffix(""))
        about |= {"path": str(path), "path_sha256": file_sha256(path)}
    elif source == "rcsb":
        base_url = base_url or DEFAULT_URL
        files, skipped = _fetch_list(_given(ids, "--ids", source), out, base_url, rate, retry_seconds)
        entries = _entries(files)
        about |= {"base_url": base_url, "ids": str(ids), "ids_sha256": file_sha256(ids)}
    else:
        raise BetaFoldError(f"--source {source}: must be {', '.join(SOURCES[:-1])} or {SOURCES[-1]}")
    _write_tables(out, entries, skipped, about)
    print(f"{out}: {len(entries)} structure files in {shards} shards, {len(skipped)} skipped")
    return 0


def _entries(files: Iterable[Path]) -> list[Entry]:
    return [Entry(entry_name(file), file) for file in files]


def _given(value, option: str, source: str):
    if not value:
        raise BetaFoldError(f"--source {source} needs {option}")
    return value


def _fetch_list(
    ids: str | os.PathLike, out: Path, base_url: str, rate: float, retry_seconds: float
) -> tuple[list[Path], list[tuple[str, str, str]]]:
    """Download a list of entries; one line on stderr for each that fails."""
    if not rate > 0:
        raise BetaFoldError(f"--rate {rate}: must be a positive number of requests per second")
    entries, bad = read_ids(ids)
    files, failures = fetch_entries(entries, out.with_suffix(""), base_url, rate, retry_seconds)
    for entry, reason in bad + failures:
        print(f"{ids}: {entry}: {reason}", file=sys.stderr)
    if not files:
        raise BetaFoldError(f"{ids}: none of its {len(entries)} entries could be fetched from {base_url}")
    return files, [(entry, "", reason) for entry, reason in bad + failures]


def _write_tables(out: Path, entries: list[Entry], skipped: list[tuple[str, str, str]], about: dict) -> None:
    """Write the table of files, the table of skipped ones and the provenance."""
    rows = sorted(
        (
            entry.name,
            str(entry.path),
            shard_of(entry.name, about["shards"]),
            "" if math.isnan(entry.resolution) else f"{entry.resolution:g}",
        )
        for entry in entries
    )
    digest = hashlib.sha256()
    for entry, file, *_ in rows:
        digest.update(f"{entry}\t{file_sha256(file)}\n".encode())
    about = provenance("fetch", **about, entries=len(rows), data_sha256=digest.hexdigest())
    _write_tsv(out.with_suffix(".skipped.tsv"), ("entry", "path", "reason"), skipped)
    with write_beside(out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(about, indent=1) + "\n")
    # The table comes last: it is what the workflow waits for.
    _write_tsv(out, ("entry", "path", "shard", "resolution"), rows)


def _write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with write_beside(path) as partial, open(partial, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        # One line each, whatever a server put into an error message.
        writer.writerows([" ".join(str(value).split()) for value in row] for row in rows)


def read_structures(path: str | os.PathLike, shard: str | int | None = None) -> list[Entry]:
    """The files in a table, of one shard or of all.

    Raises
    ------
    BetaFoldError
        No such table, or not one written here.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
            return [
                Entry(row["entry"], Path(row["path"]), float(row.get("resolution") or "nan"))
                for row in rows
                if shard is None or int(row["shard"]) == int(shard)
            ]
    except OSError as error:
        raise BetaFoldError(
            f"{path}: cannot be read ({error.strerror}): run 'betafold fetch structures'"
        ) from error
    except (KeyError, ValueError, TypeError) as error:
        raise BetaFoldError(f"{path}: not a table of structure files (entry, path, shard)") from error
