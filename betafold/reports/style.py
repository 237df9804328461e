"""How figures look, and how they become part of a page."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import seaborn as sns
from matplotlib.figure import Figure

# Okabe & Ito (2008), distinct for colour-blind readers.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, INK, GREY, PALE = "#CC79A7", "#56B4E9", "#222222", "#8A8A8A", "#D9D9D9"
MODEL_COLOURS = (BLUE, ORANGE, PURPLE, SKY)
BASELINE_COLOURS = {"helix": RED, "extended": GREY, "ramachandran": GREEN, "nearest": INK}
BASELINE_DASHES = {"helix": "--", "extended": ":", "ramachandran": "-.", "nearest": (0, (5, 1, 1, 1, 1, 1))}
STRATUM_COLOURS = {"helical": RED, "not helical": BLUE}
# pLDDT above which a residue has the colour, and how the AlphaFold database, whose colours they are, calls it.
PLDDT_BANDS = (
    (90, "#0053D6", "very high"),
    (70, "#65CBF3", "high"),
    (50, "#FFDB13", "low"),
    (0, "#FF7D45", "very low"),
)

RC = {
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.8,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "savefig.dpi": 170,
    # The ids inside an SVG are then the same in every run.
    "svg.hashsalt": "betafold",
    "svg.fonttype": "path",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Seaborn's white grid with this project's sizes; the caller's settings are restored."""
    with matplotlib.rc_context({**sns.axes_style("whitegrid"), **RC}):
        yield


def canvas(columns: int = 1, *, width: float = 7.6, height: float = 3.0, rows: int = 1, **kwargs):
    """A figure that pyplot does not know of, and its axes as a flat list."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    for ax in axes.flat:
        sns.despine(ax=ax)
    return figure, list(axes.flat)


def data_uri(figure: Figure) -> str:
    """The figure as an SVG data URI: the same bytes for the same data."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
