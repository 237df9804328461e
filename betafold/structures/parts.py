"""Which cluster goes to which part: training, validation, calibration or test."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

PARTS = ("train", "validation", "calibration", "test")
FRACTIONS = (0.70, 0.08, 0.12, 0.10)
PEPTIDES = ("free", "bound")
STRATA = (*PEPTIDES, "chain", "fragment")  # the first kind that a cluster holds is its stratum
# Which part comes first where a stratum has too few clusters for all.
PRIORITY = ("train", "test", "calibration", "validation")
# Clusters that may be held out have this many times the sequences that are to be held out, so that
# training sees clusters of every size too.
HEADROOM = 2.0


def assign_parts(table: pd.DataFrame, fractions: Sequence[float], seed: int) -> dict[int, str]:
    """Part of every cluster.

    Clusters fall into strata, so that each part gets its share of what evaluation is about: those with a free
    peptide, those with a bound one, those with a whole chain, those with fragments only. Only a cluster's
    samples of that kind (of both kinds of peptides) count. See :func:`deal`.

    Parameters
    ----------
    table
        One row per sample with columns sequence, kind, parent and cluster.
    fractions
        Share of a stratum's different sequences for each of :data:`PARTS`.
    seed
        Of the order in which clusters are dealt.
    """
    strata = defaultdict(dict)
    names = {}
    for cluster, group in table.groupby("cluster"):
        kind = next(kind for kind in STRATA if (group["kind"] == kind).any())
        counted = group[group["kind"].isin(PEPTIDES if kind in PEPTIDES else (kind,))]
        # The name makes the order independent of how clusters are numbered.
        names[cluster] = group["parent"].min()
        strata[kind][names[cluster]] = counted["sequence"].nunique()
    dealt = {}
    for kind, sizes in strata.items():
        dealt |= deal(sizes, fractions, f"{seed}:{kind}")
    return {cluster: dealt[name] for cluster, name in names.items()}


def deal(sizes: dict[str, int], fractions: Sequence[float], salt: str) -> dict[str, str]:
    """Part of each cluster of one stratum, given its name and number of sequences.

    The largest clusters go to training: held out, they would make a part out of one family. The others
    follow in an order hashed from ``salt`` and the name, each to the part that lacks the largest share of
    what it is to have, provided it fits there; training takes what fits nowhere. A part may always take one
    sequence.
    """
    total = sum(sizes.values())
    wanted = {part: fraction * total for part, fraction in zip(PARTS, fractions, strict=True)}
    largest = _largest_held_out(sizes, HEADROOM * (total - wanted["train"]))
    taken = dict.fromkeys(PARTS, 0)
    parts = {}

    def lack(part: str) -> float:
        return 1 - taken[part] / wanted[part] if wanted[part] else 0.0

    def order(name: str) -> tuple:
        return sizes[name] <= largest, hashlib.sha256(f"{salt}:{name}".encode()).digest()

    for name in sorted(sizes, key=order):
        size = sizes[name]
        open_parts = ["train"]
        if size <= largest:
            open_parts = [
                part
                for part in PRIORITY
                if wanted[part] and (part == "train" or taken[part] + size <= max(wanted[part], 1))
            ]
        part = max(open_parts or ["train"], key=lack)  # the first of equals, so PRIORITY decides
        parts[name] = part
        taken[part] += size
    return parts


def _largest_held_out(sizes: dict[str, int], enough: float) -> int:
    """Size up to which clusters hold ``enough`` sequences together."""
    together = 0
    for size in sorted(sizes.values()):
        together += size
        if together >= enough:
            return size
    return max(sizes.values())
