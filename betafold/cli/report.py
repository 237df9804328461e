"""``betafold report``: a page about trained models, self-contained."""

from pathlib import Path

SUMMARY = "write one HTML page: the calibration of models, or the benchmark of all of them with their costs"
EXAMPLE = (
    "betafold report --evaluation results/evaluation/*.tsv --calibration results/calibration/* "
    "--history results/models/*/history.tsv --rejected results/rejected.tsv --split results/split.tsv "
    "--out reports/calibration.html\n"
    "  betafold report --page benchmark --evaluation results/evaluation/*.tsv "
    "--benchmarks logs/benchmarks/{train,evaluate,predict}/*.tsv --sequences results/test.fasta "
    "--out reports/benchmark.html"
)


def add_arguments(parser):
    parser.add_argument(
        "--page",
        choices=("calibration", "benchmark"),
        default="calibration",
        help="which page [%(default)s]",
    )
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="tables, the main model's first",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")
    calibration = parser.add_argument_group("the calibration page")
    calibration.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="calibration folders, any order; required",
    )
    calibration.add_argument(
        "--history",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="NAME/history.tsv of betafold train",
    )
    calibration.add_argument(
        "--rejected", type=Path, metavar="FILE", help="rejected.tsv, for the data section"
    )
    calibration.add_argument("--split", type=Path, metavar="FILE", help="split.tsv, for the data section")
    benchmark = parser.add_argument_group("the benchmark page")
    benchmark.add_argument(
        "--benchmarks",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="Snakemake's benchmark files .../{train,evaluate,predict}/NAME.tsv, for time and memory",
    )
    benchmark.add_argument(
        "--sequences", type=Path, metavar="FILE", help="FASTA that betafold predict was timed on"
    )


def run(args) -> int:
    if args.page == "benchmark":
        from betafold.reports.benchmark.inputs import load_benchmark
        from betafold.reports.benchmark.page import write_benchmark

        write_benchmark(load_benchmark(args.evaluation, args.benchmarks, args.sequences), args.out)
    else:
        from betafold.errors import BetaFoldError
        from betafold.reports.inputs import load_run
        from betafold.reports.page import write_report

        if not args.calibration:
            raise BetaFoldError("--page calibration needs --calibration, the folders of betafold calibrate")
        results = load_run(
            args.evaluation,
            args.calibration,
            histories=args.history,
            rejected=args.rejected,
            split=args.split,
        )
        write_report(results, args.out)
    print(args.out)
    return 0
