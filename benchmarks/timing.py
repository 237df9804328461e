"""Interleaved timing: every candidate in turn, many rounds, so that drift of the machine hits all alike."""

import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of CPU time of a whole task; `scale` tells how much of it was extrapolated."""

    median: float
    low: float  # quartiles
    high: float
    best: float
    scale: float = 1.0


# Short functions are repeated within a sample, so that it outlasts the clock and the caches' memory of the others.
SAMPLE_SECONDS = 0.005


def interleave(candidates, rounds, clock=time.process_time):
    """Times `candidates` (name -> (function, scale)); the time of a subset is multiplied by its scale.

    CPU time of the process is the default clock: on one thread it is what wall time is on an idle machine, and other
    programs disturb it less.
    """
    samples = {name: [] for name in candidates}
    numbers = {}
    for name, (function, _) in candidates.items():
        function()
        begin = clock()
        function()
        numbers[name] = max(1, int(SAMPLE_SECONDS / max(clock() - begin, 1e-6)))
    for _ in range(rounds):
        for name, (function, scale) in candidates.items():
            begin = clock()
            for _ in range(numbers[name]):
                function()
            samples[name].append((clock() - begin) * scale / numbers[name])
    timings = {}
    for name, values in samples.items():
        low, median, high = statistics.quantiles(values, n=4)
        timings[name] = Timing(median, low, high, min(values), candidates[name][1])
    return timings
