"""FASTA in: which records can be predicted, under which file name, and what is wrong with the others."""

import os
import re
import unicodedata
from dataclasses import dataclass

from esm.data import read_alignment_lines

from betafold.errors import BetaFoldError
from betafold.structures.letters import wrong_character
from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH
from betafold.structures.textfile import read_text

MAX_ID_LENGTH = 100


@dataclass(frozen=True)
class Limits:
    """Which lengths a model takes."""

    longest: int = MAX_LENGTH
    model: str = ""  # its name, for messages

    def check(self, length: int) -> None:
        """BetaFoldError that names the limit, and the model where it is known, unless it takes ``length``."""
        if MIN_LENGTH <= length <= self.longest:
            return
        side, limit = ("shorter", MIN_LENGTH) if length < MIN_LENGTH else ("longer", self.longest)
        accepted = f"{MIN_LENGTH}-{self.longest} residues"
        remedy = f"model {self.model} takes {accepted}" if self.model else f"give {accepted}"
        raise BetaFoldError(f"{length} residues, {side} than {limit}; {remedy}")


PEPTIDES = Limits()


@dataclass(frozen=True)
class Record:
    """One sequence that can be predicted."""

    id: str  # safe and unique as a file name
    name: str  # header line without ">"
    sequence: str  # upper case, standard residues
    note: str = ""  # what was changed on the way in, for the user to read


def _normalise(sequence: str) -> tuple[str, list[str]]:
    """Sequence in upper case without a closing stop, and notes on what was changed."""
    notes = []
    sequence = sequence.strip()
    if sequence.endswith("*"):
        sequence = sequence[:-1]
        notes.append("closing '*' (stop) removed")
    # All in lower case is a way of typing; mixed case carries a meaning that would be lost.
    if sequence.islower():
        sequence = sequence.upper()
        notes.append("lower case read as upper case (L residues)")
    return sequence, notes


def check_sequence(sequence: str, limits: Limits = PEPTIDES) -> str:
    """The sequence in upper case, or BetaFoldError that names the character, its position and the remedy.

    Accepted are the 20 standard residues, as many as ``limits`` says; all in lower case and a closing ``*`` are
    forgiven.
    """
    sequence, _ = _normalise(sequence)
    if not sequence:
        raise BetaFoldError("the sequence is empty")
    if reason := wrong_character(sequence):
        raise BetaFoldError(reason)
    limits.check(len(sequence))
    return sequence


def sanitise(name: str) -> str:
    """First word of a FASTA header as a safe file name; "" if nothing of it is left."""
    words = name.split()
    ascii_name = unicodedata.normalize("NFKD", words[0] if words else "").encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_name)[:MAX_ID_LENGTH].strip("._-")
    return _not_a_conformer(safe)


def _not_a_conformer(identifier: str) -> str:
    """ID_model_2.pdb is the second conformer of ID: a record of that name would overwrite it."""
    return re.sub(r"_(model)_(\d+)$", r"_\1-\2", identifier, flags=re.IGNORECASE)


class _Ids:
    """Hands out ids that stay distinct on file systems that ignore case (macOS, Windows)."""

    def __init__(self):
        self.taken = set()

    def new(self, name: str, position: int) -> str:
        wanted = sanitise(name) or f"record_{position}"
        unique, copy = wanted, 1
        while unique.lower() in self.taken:
            copy += 1
            unique = _not_a_conformer(f"{wanted}_{copy}")
        self.taken.add(unique.lower())
        return unique


def _lines(path: str | os.PathLike) -> tuple[list[str], list[tuple[str, str]]]:
    """Lines from the first header on, and a failure for text that stands before it."""
    lines = read_text(path).splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(">")), None)
    if first is None:
        raise BetaFoldError(f"{path}: no FASTA record; each needs a header line that begins with '>'")
    stray = next((i for i, line in enumerate(lines[:first], start=1) if line.strip()), None)
    if stray is None:
        return lines[first:], []
    reason = "text before the first header; put a line that begins with '>' above it or remove it"
    return lines[first:], [(f"line_{stray}", reason)]


def read_fasta(
    path: str | os.PathLike, limits: Limits = PEPTIDES
) -> tuple[list[Record], list[tuple[str, str]]]:
    """Records that can be predicted, and ``(id, reason)`` for each that cannot, in file order.

    Iteration is fair-esm's: unlike Biopython's it keeps blanks inside a sequence, so that they can be
    refused instead of silently dropped. A repeated name gets the suffix ``_2`` (``_3`` ...) and a note.
    Raises BetaFoldError if the file as a whole is missing, empty, binary or holds no record.
    """
    lines, failures = _lines(path)
    records, ids = [], _Ids()
    for position, (name, raw) in enumerate(read_alignment_lines(lines), start=1):
        identifier = ids.new(name, position)
        try:
            sequence = check_sequence(raw, limits)
        except BetaFoldError as error:
            failures.append((identifier, str(error)))
            continue
        notes = _normalise(raw)[1]
        if identifier != (name.split() or [""])[0]:
            notes.insert(0, f"name {name[:MAX_ID_LENGTH]!r} is written as {identifier}")
        records.append(Record(identifier, name, sequence, "; ".join(notes)))
    return records, failures
