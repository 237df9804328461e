"""The helical stratum and the length bands."""

import numpy as np
import pytest

from betafold.evaluation.strata import helix_fraction, length_band


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
