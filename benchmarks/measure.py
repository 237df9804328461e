"""Runs the tasks in the benchmark environment, prints the table and writes docs/performance.md with its figure."""

import argparse
import functools
import importlib.metadata
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tasks import TASKS, betafold_ext, torsions
from timing import interleave

DOCS = Path(__file__).resolve().parent.parent / "docs"
PEERS = ("numpy", "torch", "numba", "jax", "mdtraj", "MDAnalysis", "biotite", "tmtools")


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine_limits():
    """Bytes per second of a copy (read and write) of arrays of some megabytes, and flops per second of a matrix product."""
    source, target = np.ones(1 << 20, np.float32), np.empty(1 << 20, np.float32)
    a = torch.ones(512, 512)
    times = interleave({"copy": (lambda: np.copyto(target, source), 1), "product": (lambda: a @ a, 1)}, 101)
    return 2 * source.nbytes / times["copy"].median, 2 * 512**3 / times["product"].median


def check(task):
    ours = np.asarray(task.ours(), dtype=float)
    for name, tolerance in task.check.items():
        function, scale = task.peers[name]
        peer = np.asarray(function(), dtype=float)
        error = np.abs(peer - ours[: len(peer)] if scale != 1 else peer - ours).max()
        if not error < tolerance:
            raise SystemExit(f"{task.name}: {name} gives another result (off by {error:.2g})")


def run(task, rounds):
    check(task)
    return interleave({"betafold_ext": (task.ours, 1), **task.peers}, rounds)


def two_threads(rounds):
    """Wall time of one thread over that of two, for a large and a small batch; needs an idle machine."""
    ratios = {}
    for batch in (10_000, 64):
        angles = torsions(batch, 20, np.float32)
        candidates = {n: (functools.partial(betafold_ext.nerf_batch, angles, n_threads=n), 1) for n in (1, 2)}
        times = interleave(candidates, rounds, time.perf_counter)
        ratios[batch] = times[1].median / times[2].median
    return ratios


def milliseconds(seconds):
    return f"{seconds * 1e3:.3g}"


def rows_of(task, timings, limits):
    """One row per peer: task, peer, both times with quartiles, ratio, what is wanted."""
    ours = timings["betafold_ext"]
    bandwidth, flops = limits
    floor = max(task.megabytes * 1e6 / bandwidth, np.nan_to_num(task.megaflops) * 1e6 / flops)
    rows = []
    for name in task.peers:
        peer = timings[name]
        rows.append(
            {
                "task": task.name,
                "ours": f"{milliseconds(ours.median)} ({milliseconds(ours.low)}-{milliseconds(ours.high)})",
                "peer": name + (" (s)" if peer.scale != 1 else ""),
                "time": f"{milliseconds(peer.median)} ({milliseconds(peer.low)}-{milliseconds(peer.high)})",
                "ratio": peer.median / ours.median,
                "best": peer.best / ours.best,
                "must": task.must.get(name),
                "floor": "" if np.isnan(task.megaflops) else f"{100 * floor / ours.median:.0f} %",
            }
        )
    return rows


def table(rows):
    lines = [
        "| task | betafold_ext, ms | peer | peer, ms | ratio | of minima | wanted | of roofline |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        must = "" if row["must"] is None else f"{row['must']:g}x"
        lines.append(
            f"| {row['task']} | {row['ours']} | {row['peer']} | {row['time']} | {row['ratio']:.1f}x "
            f"| {row['best']:.1f}x | {must} | {row['floor']} |"
        )
    return "\n".join(lines)


def conditions(limits, threads, rounds):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    bandwidth, flops = limits
    return (
        f"{processor()}, {betafold_ext.isa()} path, Python {platform.python_version()}, one thread, CPU time, {rounds} "
        f"interleaved rounds after one warm-up, medians with quartiles; (s) = a subset, multiplied. {versions}. "
        f"Measured limits: copy {bandwidth / 1e9:.1f} GB/s, float32 matrix product {flops / 1e9:.0f} GFlop/s. "
        f"Two threads against one (wall time): {threads[10_000]:.2f}x at 10,000 x 20, {threads[64]:.2f}x at 64 x 20."
    )


def figure(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "betafold"
    import matplotlib.pyplot as plt

    labels = [f"{row['task']}\nvs {row['peer']}" for row in rows]
    positions = np.arange(len(rows))[::-1]
    axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 1), layout="constrained")[1]
    axes.barh(positions, [row["ratio"] for row in rows], color="#4477aa", label="measured")
    wanted = [(p, row["must"]) for p, row in zip(positions, rows, strict=True) if row["must"] is not None]
    axes.plot(
        [x for _, x in wanted], [p for p, _ in wanted], "|", color="#cc3311", ms=14, mew=2, label="wanted"
    )
    axes.set(xscale="log", xlabel="times faster than the peer (one thread)", yticks=positions)
    axes.set_yticklabels(labels, fontsize=7)
    axes.axvline(1, color="black", lw=0.8)
    axes.legend(loc="lower right")
    plt.savefig(path, metadata={"Date": None})


def write_docs(markdown):
    page = DOCS / "performance.md"
    begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
    before, rest = page.read_text().split(begin)
    page.write_text(f"{before}{begin}\n{markdown}\n{end}{rest.split(end)[1]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", dest="rounds", action="store_const", const=5)
    parser.add_argument("--full", dest="rounds", action="store_const", const=25)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    limits, rows, notes = machine_limits(), [], []
    for key in [key for key in TASKS if arguments.only in key]:
        task = TASKS[key]()
        found = rows_of(task, run(task, arguments.rounds), limits)
        rows += found
        notes += [f"- {task.name}: {task.note}." for _ in [0] if task.note]
        print(table(found), flush=True)
    text = "\n".join(
        [conditions(limits, two_threads(arguments.rounds), arguments.rounds), "", table(rows), "", *notes]
    )
    print("\n" + text)
    if arguments.write:
        write_docs(text)
        figure(rows, DOCS / "performance.svg")


if __name__ == "__main__":
    main()
