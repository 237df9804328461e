"""Numbers in words: values with units, intervals, shares, comparisons."""

import numpy as np
import pandas as pd

from betafold.evaluation.intervals import Interval
from betafold.reports import comparison
from betafold.reports.inputs import ModelResults

NO_BREAK = "\u00a0"


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


def percent(share: float, digits: int = 0) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.{digits}f}{NO_BREAK}%"


def amount(difference: Interval, unit: str = "Å") -> str:
    """``by 0.35 Å (0.10 to 0.60)``, without a sign."""
    ends = sorted(map(abs, (difference.low, difference.high)))
    return f"by {number(abs(difference.estimate), 2, unit)} ({number(ends[0])} to {number(ends[1])})"


def against(model: ModelResults, baseline: str, metric: str = "ca_rmsd", group=None) -> str:
    """One clause on a paired comparison, with its interval; a negative difference favours the model."""
    difference = comparison.paired(model, baseline, metric, group)
    result = comparison.verdict(difference)
    name = comparison.label(baseline)
    if difference.clusters < comparison.MIN_CLUSTERS:
        return (
            f"cannot be judged against the {name} from so few clusters as {difference.clusters} "
            f"(difference {interval(difference, 2, 'Å')})"
        )
    if result == "undecided":
        return f"cannot be told apart from the {name} (difference {interval(difference, 2, 'Å')})"
    return f"is {result} than the {name} {amount(difference)}"
