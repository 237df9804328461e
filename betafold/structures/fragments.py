"""Which stretches of a chain become samples."""

import hashlib
from dataclasses import dataclass

import numpy as np

from betafold.structures.quality import Segment
from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH


@dataclass(frozen=True)
class FragmentOptions:
    """How densely longer chains are cut. Both limits hold per chain."""

    per_chain: int = 100  # at most; 0 for none
    stride: int = 3  # residues from one start to the next


def _generator(key: str) -> np.random.Generator:
    """Random numbers that depend on ``key`` only: not on the shard, nor on what else is in it."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]))


def _windows(segment: Segment, stride: int, rng: np.random.Generator) -> list[Segment]:
    """Windows of random length 10-30, the first start random within the first stride, then every stride."""
    last_start = len(segment) - MIN_LENGTH
    first = int(rng.integers(min(stride, last_start + 1)))
    windows = []
    for offset in range(first, last_start + 1, stride):
        longest = min(MAX_LENGTH, len(segment) - offset)
        length = int(rng.integers(MIN_LENGTH, longest + 1))
        windows.append(Segment(segment.start + offset, segment.start + offset + length))
    return windows


def fragments(segments: list[Segment], options: FragmentOptions, key: str) -> list[Segment]:
    """Windows of 10-30 residues over the segments (each of 10 residues or more) of a long chain.

    ``key`` names the chain: the same chain is always cut in the same way. Beyond ``options.per_chain``
    windows a random subset is taken.
    """
    rng = _generator(key)
    windows = [window for segment in segments for window in _windows(segment, options.stride, rng)]
    if len(windows) > options.per_chain:
        kept = rng.choice(len(windows), options.per_chain, replace=False)
        windows = [windows[i] for i in sorted(kept)]
    return windows
