"""A still picture of a peptide: its CA trace in the colours of the confidence, near parts over far ones."""

import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from betafold.reports.style import GREEN, GREY, PLDDT_BANDS
from betafold.reports.view.models import Strand
from betafold.reports.view.peptides import Peptide
from betafold.reports.wording import number

WIDTH, HEIGHT = 2.4, 1.8
MAX_STEP = 4.6
"""Angstrom between consecutive CA atoms; more is a gap in the chain (3.8 is a trans peptide bond)."""

POINTS = 7
"""Of the curve per residue."""

NO_CONFIDENCE = GREEN


def colour(plddt: float) -> str:
    """Colour of a residue by its pLDDT, that of the page's 3D view; NaN has its own."""
    if np.isnan(plddt):
        return NO_CONFIDENCE
    return next((shade for above, shade, _ in PLDDT_BANDS if plddt > above), PLDDT_BANDS[-1][1])


def picture(peptide: Peptide) -> Figure:
    """The first model over the native (grey), as the 3D view shows them at first; the dot is the N-terminus."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    pieces = []
    if peptide.native:
        for strand in peptide.native.strands:
            pieces += _pieces(strand, [GREY] * len(strand.sequence))
    for strand in peptide.models[0].strands:
        pieces += _pieces(strand, [colour(value) for value in strand.plddt])
    # Each piece stands on a broader white one, so that what crosses behind it is cut off.
    for order, (_, line, shade) in enumerate(sorted(pieces, key=lambda piece: piece[0])):
        ax.plot(*line.T, color="white", linewidth=5.5, solid_capstyle="butt", zorder=order)
        ax.plot(*line.T, color=shade, linewidth=3.0, solid_capstyle="round", zorder=order + 0.5)
    for strand in peptide.models[0].strands:
        start = np.flatnonzero(np.isfinite(strand.ca[:, 0]))[0]
        ax.plot(
            *strand.ca[start, :2], "o", color=colour(strand.plddt[start]), markersize=7, zorder=len(pieces)
        )
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.07)
    ax.axis("off")
    return figure


def _pieces(strand: Strand, colours: list[str]) -> list[tuple[float, np.ndarray, str]]:
    """(depth, points [n, 2], colour) of a smooth curve through CA: per residue, half way to its neighbours.

    Not over gaps, so a residue without neighbours has no piece.
    """
    ca = strand.ca
    linked = np.linalg.norm(np.diff(ca, axis=0), axis=1) < MAX_STEP  # False where an atom is absent
    pieces = []
    for run in np.split(np.arange(len(ca)), np.flatnonzero(~linked) + 1):
        if len(run) < 2:
            continue
        curve = CubicSpline(run, ca[run])
        for place in run:
            steps = np.linspace(max(place - 0.5, run[0]), min(place + 0.5, run[-1]), POINTS)
            pieces.append((float(ca[place, 2]), curve(steps)[:, :2], colours[place]))
    return pieces


def description(peptide: Peptide) -> str:
    """The picture in words."""
    text = f"CA trace of {peptide.id}, {peptide.length} residues"
    if np.isfinite(peptide.plddt):
        text += f", mean pLDDT {number(peptide.plddt, 0)}"
    if peptide.native:
        text += f", over its native in grey, CA-RMSD {number(peptide.rmsd[0], 2, 'Å')}"
    return text
