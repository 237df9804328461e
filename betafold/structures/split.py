"""Train, validation, calibration and test parts that share no cluster, and the file they stand in.

split.tsv    id, sequence, length, kind, parent, cluster, split; one row per sample
split.json   options, counts, digests of the labels, provenance
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.provenance import file_sha256, provenance
from betafold.structures.clusters import MAX_CHANCE, MAX_CHANCE_PEPTIDES, WORD, cluster_chains
from betafold.structures.labels import SampleText, labels_attrs, read_texts
from betafold.structures.parts import FRACTIONS, PARTS, assign_parts
from betafold.structures.samples import KINDS

COLUMNS = ("id", "sequence", "length", "kind", "parent", "cluster", "split")


def split_samples(
    texts: Sequence[SampleText],
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 7,
    identity: float = 0.5,
    threads: int = 1,
) -> pd.DataFrame:
    """Cluster samples by their chains and deal the clusters out.

    Parameters
    ----------
    texts
        Id, sequence, kind and parent chain of every sample.
    fractions
        Shares for train, validation, calibration and test, see :func:`betafold.structures.parts.deal`;
        they add up to 1.
    seed
        Of the order in which clusters are dealt. Neither the order nor the shards of ``texts`` matter.
    identity
        See :func:`betafold.structures.clusters.cluster_chains`.
    threads
        Threads that align.

    Returns
    -------
    Table with :data:`COLUMNS`, sorted by id.

    Raises
    ------
    BetaFoldError
        No samples, ids that repeat, or fractions or identity out of range.
    """
    _check_options(texts, fractions, identity)
    texts = sorted(texts)
    parents = sorted({text.parent for text in texts})
    index = {parent: i for i, parent in enumerate(parents)}
    # A sample is cut from its parent, so this is empty unless a file maps residues in its own way.
    extra = [(index[text.parent], text.sequence) for text in texts if text.sequence not in text.parent]
    clusters = cluster_chains(parents, identity, extra, threads)
    table = pd.DataFrame(texts, columns=SampleText._fields)
    table["length"] = table["sequence"].str.len()
    table["cluster"] = clusters[table["parent"].map(index).to_numpy()]
    table["split"] = table["cluster"].map(assign_parts(table, fractions, seed))
    return table[list(COLUMNS)]


def _check_options(texts: Sequence[SampleText], fractions: Sequence[float], identity: float) -> None:
    if not texts:
        raise BetaFoldError("no samples to split: 'betafold label' found none")
    repeated = [name for name, count in Counter(text.id for text in texts).items() if count > 1]
    if repeated:
        raise BetaFoldError(f"sample {repeated[0]} stands twice in the labels: name each group once")
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        given = " ".join(f"{fraction:g}" for fraction in fractions)
        raise BetaFoldError(f"--fractions {given}: give four shares ({', '.join(PARTS)}) that add up to 1")
    if not 0 < identity <= 1:
        raise BetaFoldError(f"--identity {identity}: must lie above 0 and up to 1")


def write_split(
    labels: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 7,
    identity: float = 0.5,
    threads: int = 1,
) -> pd.DataFrame:
    """Split the samples of label groups, write the table and its .json sidecar, return the table."""
    texts = [text for path in labels for text in read_texts(path)]
    table = split_samples(texts, fractions, seed, identity, threads)
    about = provenance(
        "split",
        seed=seed,
        identity=identity,
        fractions=dict(zip(PARTS, fractions, strict=True)),
        shared_word=WORD,
        max_chance=MAX_CHANCE,
        max_chance_peptides=MAX_CHANCE_PEPTIDES,
        labels={Path(path).name: labels_attrs(path)["data_sha256"] for path in labels},
        clusters=int(table["cluster"].nunique()),
        counts=count_samples(table).to_dict("index"),
    )
    out = Path(out)
    with write_beside(out) as partial:
        table.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    with write_beside(out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps({**about, "split_sha256": file_sha256(out)}, indent=1) + "\n")
    return table


def count_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Samples of each kind, and clusters, by part."""
    counts = pd.crosstab(table["split"], table["kind"]).reindex(PARTS, fill_value=0)
    counts = counts.reindex(columns=list(KINDS), fill_value=0)
    clusters = table.groupby("split")["cluster"].nunique()
    return counts.assign(samples=counts.sum(axis=1), clusters=clusters.reindex(PARTS, fill_value=0))


def read_split(path: str | os.PathLike) -> pd.DataFrame:
    """Table of a split file, indexed by id.

    Raises
    ------
    BetaFoldError
        No such file, or not a table with :data:`COLUMNS`, one row per id and known parts.
    """
    try:
        # keep_default_na: an id or a sequence may read NA.
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        table = table.astype({"length": int, "cluster": int}).set_index("id")
    except FileNotFoundError as error:
        raise BetaFoldError(f"{path}: no such file: run 'betafold split --out {path}'") from error
    except (ValueError, KeyError, OSError) as error:
        raise BetaFoldError(f"{path}: not a split table written by 'betafold split'") from error
    if list(table.columns) != list(COLUMNS[1:]) or not table.index.is_unique:
        raise BetaFoldError(f"{path}: not a split table with columns {', '.join(COLUMNS)} and unique ids")
    unknown = set(table["split"]) - set(PARTS)
    if unknown:
        raise BetaFoldError(f"{path}: unknown part {min(unknown)!r} (known: {', '.join(PARTS)})")
    return table
