"""The helical stratum and the length bands."""

import numpy as np
import pytest

from betafold.evaluation import baselines
from betafold.evaluation.strata import ca_helix_fraction, helix_fraction, helix_fraction_of, length_band


def chain(pattern: str) -> np.ndarray:
    """Torsions of a chain: h helix, e strand, ends undefined as they are in a real one."""
    angles = {"h": (-63, -42, 180), "e": (-120, 130, 180)}
    torsions = np.radians([angles[letter] for letter in pattern])
    torsions[0, 0] = torsions[-1, 1] = torsions[-1, 2] = np.nan
    return torsions


@pytest.mark.parametrize(
    ("pattern", "fraction"),
    [
        ("h" * 12, 1.0),
        ("e" * 12, 0.0),
        ("e" + "hhh" + "e" * 8, 0.0),  # three in a row are a turn
        ("e" + "hhhh" + "e" * 7, 0.4),
        ("hehehehehehe", 0.0),
    ],
)
def test_helix_fraction(pattern, fraction):
    assert helix_fraction(chain(pattern)) == pytest.approx(fraction)


def test_no_torsions_no_fraction():
    assert np.isnan(helix_fraction(np.full((5, 3), np.nan)))


@pytest.mark.parametrize("pattern", ["h" * 12, "e" * 12, "e" * 12 + "h" * 14 + "e" * 10])
def test_a_trace_of_ca_tells_nearly_the_same(pattern):
    torsions = chain(pattern)
    coords = baselines.build(np.nan_to_num(torsions, nan=np.pi)[None])[0]
    assert ca_helix_fraction(coords[:, 1]) == pytest.approx(helix_fraction(torsions), abs=0.06)
    assert ca_helix_fraction(coords[:, 1] * [1, 1, -1]) == 0  # the mirror image is no alpha helix
    assert helix_fraction_of(torsions, coords) == helix_fraction(torsions)
    unknown = np.full_like(torsions, np.nan)
    assert helix_fraction_of(unknown, coords) == ca_helix_fraction(coords[:, 1])


def test_unknown_or_too_few_ca_give_no_fraction():
    assert np.isnan(ca_helix_fraction(np.full((9, 3), np.nan)))
    assert np.isnan(ca_helix_fraction(np.zeros((3, 3))))


@pytest.mark.parametrize(
    ("length", "band"),
    [
        (10, "10-14"),
        (14, "10-14"),
        (15, "15-20"),
        (30, "21-30"),
        (31, "31-100"),
        (512, "257-512"),
        (513, "other"),
    ],
)
def test_length_band(length, band):
    assert length_band(length) == band
