"""The JSON exchange format: chains as objects {pdb_code, sequence, coords, seq_len}.

    [{"pdb_code": "1abc_A_1-12", "sequence": "GSHMKRILAVTE", "seq_len": 12, "coords": [[1.0, 2.0, 3.0], ...]}, ...]

A file is a list of such objects or JSON Lines, gzipped or not. ``coords`` are CA coordinates [seq_len][3] or
those of N, CA and C [seq_len][3][3], in Angstrom. ``pdb_code`` may be any name of letters, digits and ``._-``; of
one written here, ENTRY_CHAIN_FIRST-LAST, entry, chain and position are read back.
"""

import gzip
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.structures.chains import Chain, Polymer
from betafold.structures.entries import Entry
from betafold.structures.letters import wrong_character
from betafold.structures.naming import entry_name
from betafold.structures.residues import THREE_LETTER
from betafold.structures.samples import MAX_CHAIN_LENGTH, MIN_LENGTH, Sample
from betafold.structures.textfile import read_text

KEYS = ("pdb_code", "sequence", "coords", "seq_len")
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SAMPLE_ID = re.compile(r"(?P<entry>[^_]+)_(?P<chain>.+)_(?P<first>[1-9]\d*)-(?P<last>\d+)")
ENTRY_AND_CHAIN = re.compile(r"(?P<entry>[^_]+)_(?P<chain>[^_]+)")
BLANK = re.compile(r"\s*")
DECIMALS = 3
SHAPES = "[seq_len][3] (CA) or [seq_len][3][3] (N, CA, C)"


@dataclass(frozen=True, eq=False)
class Item:
    """One sound chain of n residues."""

    code: str  # as in the file
    entry: str
    chain: str
    start: int  # residues of the chain in front of it
    sequence: str
    coords: np.ndarray  # f8 [n, 3, 3] N, CA, C; NaN where only CA is known

    @property
    def ca_only(self) -> bool:
        return bool(np.isnan(self.coords[:, 0]).all())

    def text(self) -> str:
        """The item as a line of JSON."""
        return item_text(self.code, self.sequence, self.coords[:, 1] if self.ca_only else self.coords)

    def as_chain(self) -> Chain:
        """The chain as if it stood alone in a structure file."""
        n = len(self.sequence)
        return Chain(
            id=self.chain,
            sequence=self.sequence,
            names=tuple(THREE_LETTER[letter] for letter in self.sequence),
            numbers=tuple(str(self.start + i + 1) for i in range(n)),
            models=self.coords[None],
            model_numbers=(1,),
            left_out={},
            cb=np.full((n, 3), np.nan),
            sg=np.full((n, 3), np.nan),
            polymer=Polymer(self.sequence, self.coords[:, 1]),
            full_length=0,
        )


def read_items(path: str | os.PathLike) -> Iterator[tuple[int, str, Item | BetaFoldError]]:
    """``(number, name, item)`` of every item of a file, counted from 1; a bad one comes as the error it gives.

    ``name`` is the item's code, "" if it has none. What follows a mistake in the syntax of a list cannot be read.

    Raises BetaFoldError for a file that cannot be read, is no JSON at all or holds no item.
    """
    text = read_text(path)
    if text.lstrip()[0] not in "[{":
        raise BetaFoldError(
            f"{path}: not JSON; give a list of objects or one object a line ({', '.join(KEYS)})"
        )
    number, seen = 0, {}
    for number, value in enumerate(_values(text), start=1):
        name = ""
        try:
            if isinstance(value, BetaFoldError):
                raise value
            item = check_item(value)
            name = item.code
            # The code names a file, on disks that ignore case too; what it stands for names a sample.
            for key in (name.lower(), (item.entry, item.chain, item.start, len(item.sequence))):
                if (first := seen.setdefault(key, number)) != number:
                    raise BetaFoldError(f"the same pdb_code as item {first}")
        except BetaFoldError as error:
            yield number, name or _name(value), error
        else:
            yield number, name, item
    if not number:
        raise BetaFoldError(f"{path}: holds no item")


def _values(text: str) -> Iterator[object]:
    """Values of a JSON list or of JSON Lines one after another; BetaFoldError in place of one with a mistake."""
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    in_list = text[position] == "["
    position = _skip(text, position + in_list)
    comma = False
    while position < len(text):
        if in_list and text[position] == "]" and not comma:
            if _skip(text, position + 1) < len(text):
                yield BetaFoldError("text after the end of the list; give one list or one object a line")
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            if in_list:
                yield BetaFoldError(f"not JSON, nothing after it is read: {_mistake(error)}")
                return
            yield BetaFoldError(f"not JSON: {_mistake(error)}")
            line_end = text.find("\n", position)
            position = _skip(text, line_end) if line_end >= 0 else len(text)
            continue
        yield value
        position = _skip(text, position)
        comma = in_list and text[position : position + 1] == ","
        position = _skip(text, position + comma)
        if in_list and not comma and text[position : position + 1] not in ("]", ""):
            yield BetaFoldError("not JSON, nothing after it is read: no comma between two items")
            return
    if in_list:
        yield BetaFoldError("the file is truncated: the list has no end")


def _skip(text: str, position: int) -> int:
    return BLANK.match(text, position).end()


def _mistake(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno} column {error.colno}"
    return "a number too long or brackets too deep"


def _name(value: object) -> str:
    """The code of a bad item, if it is fit to be shown in a table."""
    code = value.get("pdb_code") if isinstance(value, dict) else None
    return code if isinstance(code, str) and CODE.fullmatch(code) else ""


def check_item(value: object) -> Item:
    """One decoded item; BetaFoldError says what is wrong with it."""
    if not isinstance(value, dict):
        raise BetaFoldError(f"not an object with {', '.join(KEYS)}")
    if missing := [key for key in KEYS if key not in value]:
        raise BetaFoldError(f"lacks {', '.join(missing)}")
    code, sequence, seq_len = value["pdb_code"], value["sequence"], value["seq_len"]
    if not isinstance(code, str) or not CODE.fullmatch(code):
        raise BetaFoldError(f"pdb_code {str(code)[:40]!r}: must be a name of letters, digits and . _ -")
    if not isinstance(sequence, str):
        raise BetaFoldError("sequence: must be text of one-letter codes")
    # As in FASTA: all in lower case is a way of typing.
    sequence = sequence.upper() if sequence.islower() else sequence
    if seq_len != len(sequence):
        raise BetaFoldError(f"seq_len is {str(seq_len)[:20]}, the sequence has {len(sequence)} letters")
    if reason := wrong_character(sequence):
        raise BetaFoldError(f"sequence: {reason}")
    if not MIN_LENGTH <= len(sequence) <= MAX_CHAIN_LENGTH:
        side = (
            f"shorter than {MIN_LENGTH}" if len(sequence) < MIN_LENGTH else f"longer than {MAX_CHAIN_LENGTH}"
        )
        raise BetaFoldError(f"chain of {len(sequence)} residues, {side}")
    return Item(code, *_origin(code, len(sequence)), sequence, _coords(value["coords"], len(sequence)))


def _origin(code: str, n: int) -> tuple[str, str, int]:
    """Entry, chain and start that a code of n residues stands for."""
    match = SAMPLE_ID.fullmatch(code)
    if match and int(match["last"]) - int(match["first"]) == n - 1:
        return entry_name(match["entry"]), match["chain"], int(match["first"]) - 1
    if match := ENTRY_AND_CHAIN.fullmatch(code):
        return entry_name(match["entry"]), match["chain"], 0
    return entry_name(code), "_", 0


def _coords(value: object, n: int) -> np.ndarray:
    """Coordinates f8 [n, 3, 3], NaN for N and C where only CA is given."""
    try:
        coords = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise BetaFoldError(f"coords: not numbers of shape {SHAPES}") from None
    if coords.shape not in ((n, 3), (n, 3, 3)):
        shape = "".join(f"[{size}]" for size in coords.shape) or "a single number"
        raise BetaFoldError(f"coords: of shape {shape}, not {SHAPES} with seq_len {n}")
    bad = np.flatnonzero(~np.isfinite(coords.reshape(n, -1)).all(1))
    if len(bad):
        raise BetaFoldError(f"coords: NaN or infinite at residue {bad[0] + 1}")
    if coords.ndim == 3:
        return coords
    backbone = np.full((n, 3, 3), np.nan)
    backbone[:, 1] = coords
    return backbone


def item_text(code: str, sequence: str, coords: np.ndarray) -> str:
    """One item as a line of JSON, ``coords`` f8 [n, 3] or [n, 3, 3] as they are."""
    return json.dumps(dict(zip(KEYS, (code, sequence, coords.tolist(), len(sequence)), strict=True)))


def fetch_items(
    path: str | os.PathLike, folder: str | os.PathLike
) -> tuple[list[Entry], list[tuple[str, str, str]]]:
    """Write each sound item of ``path`` to a file of its own in ``folder`` (replaced whole).

    Returns the files, and ``(code, path, reason)`` for each bad item, which also is one line on stderr.

    Raises BetaFoldError if the file cannot be read or holds no sound item.
    """
    folder = Path(folder)
    entries, skipped = [], []
    with write_beside(folder) as partial:
        for number, name, item in read_items(path):
            if isinstance(item, BetaFoldError):
                skipped.append((name or Path(path).name, str(path), f"{item} (item {number})"))
                print(f"{path}: item {number}{name and f' ({name})'}: {item}", file=sys.stderr)
                continue
            place = Path(item.entry[1:3].lower(), f"{item.code}.json")
            (partial / place).parent.mkdir(parents=True, exist_ok=True)
            (partial / place).write_text(item.text() + "\n")
            entries.append(Entry(item.code, folder / place))
        if not entries:
            raise BetaFoldError(f"{path}: none of its {len(skipped)} items can be used: {skipped[0][2]}")
    return entries, skipped


def write_items(path: Path, samples: list[Sample], atoms: str = "ca") -> list[tuple[int, str]]:
    """Write samples to a .json file (a list) or a .jsonl file, gzipped if it ends in .gz, first models only.

    Coordinates have three decimals, as in the PDB format. Returns ``(position, reason)`` of samples that cannot be
    written.
    """
    lines, failures = [], []
    for position, sample in enumerate(samples):
        if not CODE.fullmatch(sample.id):
            failures.append((position, "its id holds more than letters, digits and . _ -"))
        elif atoms == "backbone" and sample.ca_only:
            failures.append((position, "only CA atoms are known; use --atoms ca"))
        else:
            coords = sample.coords if atoms == "backbone" else sample.coords[:, 1]
            lines.append(item_text(sample.id, sample.sequence, coords.astype(np.float64).round(DECIMALS)))
    is_list = ".jsonl" not in path.name.lower()
    text = "[\n" + ",\n".join(lines) + "\n]\n" if is_list else "".join(f"{line}\n" for line in lines)
    data = text.encode("ascii")
    # mtime: the same samples give the same bytes.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return failures
