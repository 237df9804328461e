"""Long chains are cut reproducibly, within their usable stretches only."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betafold.structures.fragments import FragmentOptions, fragments
from betafold.structures.quality import Segment

LENGTHS = st.lists(st.integers(10, 300), min_size=1, max_size=4)
OPTIONS = st.builds(FragmentOptions, per_chain=st.integers(0, 60), stride=st.integers(1, 40))


def laid_out(lengths):
    """Segments of the given lengths with a gap of three residues between them."""
    segments, start = [], 0
    for length in lengths:
        segments.append(Segment(start, start + length))
        start += length + 3
    return segments


@given(LENGTHS, OPTIONS)
def test_fragments_lie_inside_segments(lengths, options):
    segments = laid_out(lengths)
    found = fragments(segments, options, "1abc_A")
    assert len(found) <= options.per_chain and len(set(found)) == len(found)
    for fragment in found:
        assert 10 <= len(fragment) <= 30
        assert any(s.start <= fragment.start and fragment.stop <= s.stop for s in segments)
    assert found == fragments(segments, options, "1abc_A")


@given(LENGTHS)
def test_every_segment_gives_a_fragment(lengths):
    segments = laid_out(lengths)
    found = fragments(segments, FragmentOptions(per_chain=1000, stride=40), "x")
    for segment in segments:
        assert any(segment.start <= fragment.start < segment.stop for fragment in found)


def test_lengths_spread_over_10_to_30_and_chains_differ():
    options = FragmentOptions(per_chain=1000, stride=3)
    found = fragments([Segment(0, 1000)], options, "1abc_A")
    lengths = [len(fragment) for fragment in found]
    assert min(lengths) == 10 and max(lengths) == 30
    assert sum(lengths) / len(lengths) == pytest.approx(20, abs=1.5)
    starts = [fragment.start for fragment in found]
    assert {b - a for a, b in itertools.pairwise(starts)} == {3}
    assert found != fragments([Segment(0, 1000)], options, "1abc_B")
