"""Numbers in words: values with units, intervals, shares, comparisons."""

import numpy as np
import pandas as pd

from betafold.evaluation.intervals import Interval
from betafold.reports import comparison
from betafold.reports.inputs import Evaluated

NO_BREAK = "\u00a0"
FAMILIES = {
    "torsion": "a small Transformer that predicts torsions from frozen ESM-2 features",
    "mtp": "an adapted language model that predicts Cα positions or distances (ProteinMTP)",
}
"""Family of models -> what such a model is."""


def number(value: float, digits: int = 2, unit: str = "") -> str:
    """``1.23 Å``; a dash where there is no number."""
    if value is None or not np.isfinite(value):
        return "–"
    space = NO_BREAK if unit not in ("", "°") else ""
    return f"{value:.{digits}f}{space}{unit}".replace("-", "−")


def interval(cell: Interval | pd.Series, digits: int = 2, unit: str = "") -> str:
    """``1.23 Å (1.01–1.50)``: estimate with its 95 % interval where there is one."""
    text = number(cell.estimate, digits, unit)
    if np.isfinite(cell.low):
        text += f" ({number(cell.low, digits)} to {number(cell.high, digits)})"
    return text


def counted(things: list) -> str:
    """How many they are, in a word."""
    words = ("no", "one", "two", "three", "four")
    return words[len(things)] if len(things) < len(words) else str(len(things))


def percent(share: float, digits: int = 0) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.{digits}f}{NO_BREAK}%"


def amount(difference: Interval, unit: str = "Å", digits: int = 2) -> str:
    """``by 0.35 Å (0.10 to 0.60)``, without a sign."""
    low, high = sorted(map(abs, (difference.low, difference.high)))
    return f"by {number(abs(difference.estimate), digits, unit)} ({number(low, digits)} to {number(high, digits)})"


def against(model: Evaluated, baseline: str, metric: str = "ca_rmsd", group=None) -> str:
    """One clause on a paired comparison with a baseline, with its interval."""
    difference = comparison.paired(model, baseline, metric, group)
    return compared(difference, f"the {comparison.label(baseline)}", metric)


def compared(difference: Interval, other: str, metric: str = "ca_rmsd") -> str:
    """``is better than OTHER by ...``, or that this cannot be said; ``difference`` is ours minus the other's."""
    _, unit, digits, direction = comparison.METRICS[metric]
    text = f"(difference {interval(difference, digits, unit)})"
    if difference.clusters < comparison.MIN_CLUSTERS:
        return f"cannot be judged against {other} from so few clusters as {difference.clusters} {text}"
    result = comparison.verdict(difference, direction == "lower")
    if result == "undecided":
        return f"cannot be told apart from {other} {text}"
    return f"is {result} than {other} {amount(difference, unit, digits)}"


def duration(seconds: float) -> str:
    """``0.02 s``, ``44 s``, ``12.3 min`` or ``1.5 h``."""
    if seconds is None or not np.isfinite(seconds):
        return number(seconds)
    if seconds < 10:
        return number(seconds, 2, "s")
    if seconds < 120:
        return number(seconds, 0, "s")
    return number(seconds / 60, 1, "min") if seconds < 7200 else number(seconds / 3600, 1, "h")
