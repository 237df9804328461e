"""``betafold report``: the calibration report as one self-contained page."""

from pathlib import Path

SUMMARY = "write the calibration report: one HTML page with figures, tables and what they show"
EXAMPLE = (
    "betafold report --evaluation results/evaluation/*.tsv --calibration results/calibration/* "
    "--history results/models/*/history.tsv --rejected results/rejected.tsv --split results/split.tsv "
    "--out reports/calibration.html"
)


def add_arguments(parser):
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="tables, the main model's first",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="calibration folders, any order",
    )
    parser.add_argument(
        "--history",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="NAME/history.tsv of betafold train",
    )
    parser.add_argument("--rejected", type=Path, metavar="FILE", help="rejected.tsv, for the data section")
    parser.add_argument("--split", type=Path, metavar="FILE", help="split.tsv, for the data section")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")


def run(args) -> int:
    from betafold.reports.inputs import load_run
    from betafold.reports.page import write_report

    results = load_run(
        args.evaluation, args.calibration, histories=args.history, rejected=args.rejected, split=args.split
    )
    write_report(results, args.out)
    print(args.out)
    return 0
