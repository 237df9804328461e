"""Which stretches of a chain become samples, of which kind, and why the rest does not."""

from dataclasses import dataclass, field

import numpy as np

from betafold.structures.chains import Chain, Polymer, is_bound
from betafold.structures.fragments import FragmentOptions, fragments
from betafold.structures.quality import Segment, breaks, residue_faults, segments, trace_breaks
from betafold.structures.samples import MAX_LENGTH, MIN_LENGTH

# Part of the observed residues that an unbroken stretch must hold to stand for the whole chain: ends are often
# incomplete, but a chain with a gap inside is not the chain that its sequence says.
WHOLE = 0.9


@dataclass(frozen=True)
class LabelOptions:
    """Choices of the labelling step."""

    fragments: FragmentOptions = field(default_factory=FragmentOptions)
    duplicate_rmsd: float = 1.0  # Angstrom; copies of a sequence in one entry closer than this are one sample
    max_length: int = MAX_LENGTH  # residues of the longest whole chain; chains of up to 30 are peptides


@dataclass(frozen=True)
class Plan:
    """Stretches of a chain to make samples of, with their kinds, and why the rest is left out."""

    rejected: list[tuple[int, int, str]]  # start, stop, reason
    usable: list[Segment] = field(default_factory=list)  # of 10 residues or more
    samples: list[tuple[Segment, str]] = field(default_factory=list)  # stretch, kind


def plan_chain(chain: Chain, polymers: list[Polymer], options: LabelOptions, key: str) -> Plan:
    """Decide what a chain gives: a peptide as a whole, fragments, a whole chain, or nothing.

    ``key`` names the chain for the draw of fragments.
    """
    n = len(chain)
    if n < MIN_LENGTH:
        return Plan([(0, n, f"chain of {n} residues, shorter than {MIN_LENGTH}")])
    if np.isnan(chain.coords[:, (0, 2)]).all():
        return Plan([(0, n, "CA-only chain: N and C atoms are missing")])
    faults, broken = residue_faults(chain), breaks(chain)
    # A chain of which the experiment holds more than is seen is not a peptide.
    is_peptide = n <= MAX_LENGTH and chain.full_length <= MAX_LENGTH
    foreign = [reason for reason in faults.values() if reason.startswith(("D residue", "modified"))]
    if is_peptide and foreign:
        # Beside such a residue the backbone does what the sequence of standard residues would not.
        return Plan([(0, n, f"peptide with {', '.join(foreign)}")])
    found = segments(n, faults, broken)
    rejected = [(i, i + 1, reason) for i, reason in faults.items()]
    rejected += [(i - 1, i + 1, reason) for i, reason in broken.items()]
    rejected += [
        (s.start, s.stop, f"unbroken stretch of {len(s)} residues, shorter than {MIN_LENGTH}")
        for s in found
        if len(s) < MIN_LENGTH
    ]
    usable = [segment for segment in found if len(segment) >= MIN_LENGTH]
    if n <= MAX_LENGTH:
        is_whole = is_peptide and len(found) == 1
        kind = ("bound" if is_bound(chain, polymers) else "free") if is_whole else "fragment"
        return Plan(rejected, usable, [(segment, kind) for segment in usable])
    cut = [(segment, "fragment") for segment in fragments(usable, options.fragments, key)]
    if options.max_length == MAX_LENGTH:
        return Plan(rejected, usable, cut)
    whole, reason = _whole_chain(n, usable, options.max_length)
    return Plan(rejected + reason, usable, cut + whole)


def plan_trace(chain: Chain, options: LabelOptions) -> Plan:
    """What a chain gives of which only CA atoms are known: itself as a whole, or nothing."""
    n = len(chain)
    broken = trace_breaks(chain.coords[:, 1])
    usable = [segment for segment in segments(n, (), broken) if len(segment) >= MIN_LENGTH]
    if n <= MAX_LENGTH:
        if broken:
            return Plan([(0, n, next(iter(broken.values())))])
        return Plan([], usable, [(usable[0], "free")])
    whole, reason = _whole_chain(n, usable, options.max_length)
    return Plan([(i - 1, i + 1, text) for i, text in broken.items()] + reason, usable, whole)


def _whole_chain(
    n: int, usable: list[Segment], max_length: int
) -> tuple[list[tuple[Segment, str]], list[tuple[int, int, str]]]:
    """The stretch that stands for a chain of n > 30 residues as sample, or why none does as rejection."""
    longest = max(usable, key=len, default=Segment(0, 0))
    if len(longest) < max(WHOLE * n, MAX_LENGTH + 1):
        reason = f"chain of {n} residues in pieces: no unbroken stretch holds {WHOLE:.0%} of it"
    elif len(longest) > max_length:
        reason = f"chain of {n} residues, longer than {max_length}"
    else:
        return [(longest, "chain")], []
    return [], [(0, n, reason)]
