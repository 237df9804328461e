"""Which files show which peptide: conformers together, rows of summary.csv, a native for each."""

import csv
import io
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from betafold.errors import BetaFoldError
from betafold.evaluation.matching import group_by_name
from betafold.evaluation.structure_files import read_chains, structure_files
from betafold.structures.naming import SUFFIXES
from betafold.structures.textfile import read_text

CONFORMER = re.compile(r"(.+)_model_(\d+)")
SUMMARY = "summary.csv"
MIN_CONTAINED = 8
"""Residues of a peptide that must lie in a native chain of another name for the two to belong together."""


@dataclass
class Source:
    """Files of one peptide, best rank first, and its row of summary.csv ({} without one)."""

    id: str
    files: list[Path]
    row: dict[str, str] = field(default_factory=dict)


def find_sources(paths: list[Path]) -> list[Source]:
    """Peptides of folders and files: in the order of a folder's summary.csv, then by name.

    ``x.pdb, x_model_2.pdb ...`` are conformers of x. A name that is there in several folders stands with its folder's.

    Raises BetaFoldError for a path that does not exist and a folder without structure files.
    """
    ranked: dict[tuple[Path, str], dict[int, Path]] = {}
    for file in dict.fromkeys(file for path in paths for file in structure_files(path)):
        name = SUFFIXES.sub("", file.name)
        match = CONFORMER.fullmatch(name)
        base, rank = (match[1], int(match[2])) if match else (name, 1)
        ranks = ranked.setdefault((file.parent, base), {})
        # The same conformer in two formats: the file that was written last.
        ranks[rank] = max(ranks.get(rank, file), file, key=os.path.getmtime)
    rows = {folder: read_summary(folder) for folder in {folder for folder, _ in ranked}}
    order = {(folder, name): place for folder in rows for place, name in enumerate(rows[folder])}
    folders = defaultdict(set)
    for folder, name in ranked:
        folders[name].add(folder)
    sources = []
    for folder, name in sorted(ranked, key=lambda key: (key[0], order.get(key, len(order)), key[1])):
        label = name if len(folders[name]) == 1 else f"{folder.name}/{name}"
        ranks = ranked[folder, name]
        sources.append(Source(label, [ranks[rank] for rank in sorted(ranks)], rows[folder].get(name, {})))
    return sources


def read_summary(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of a folder's summary.csv by id; {} if there is none, or another program's."""
    if not (folder / SUMMARY).is_file():
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(folder / SUMMARY))))
    except (BetaFoldError, csv.Error):
        return {}
    return {row["id"]: row for row in rows if row.get("id") and None not in row.values()}


class Natives:
    """Native files, found for a peptide by name, else by sequence."""

    def __init__(self, path: Path, sources: list[Source]):
        self.files = structure_files(path)
        groups, _ = group_by_name(self.files, [source.files[0] for source in sources])
        self._by_name = {file: native for native, group in groups.items() for file in group}
        self.failures: list[tuple[str, str]] = []

    def of(self, source: Source, sequences: list[str]) -> Path | None:
        """The native of a peptide's name; else the first with its very sequence, else with it in a longer chain."""
        if named := self._by_name.get(source.files[0]):
            return named
        for fits in (str.__eq__, str.__contains__):
            for native, chain in self._chains:
                if any(len(s) >= MIN_CONTAINED and fits(chain, s) for s in sequences):
                    return native
        return None

    @cached_property
    def _chains(self) -> list[tuple[Path, str]]:
        """(file, sequence) of each chain of all natives; those that cannot be read go to ``failures``."""
        chains = []
        for file in tqdm(self.files, desc="natives", unit="file", disable=None):
            try:
                chains += [(file, chain.sequence) for chain in read_chains(file)]
            except BetaFoldError as error:
                self.failures.append((file.name, f"unreadable native: {error}"))
        return chains
