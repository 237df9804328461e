"""``betafold calibrate``: fit calibrated confidence and check it on the test split."""

from pathlib import Path

SUMMARY = "calibrate a model's confidence on the calibration split and measure it on the test split"
EXAMPLE = "betafold calibrate --evaluation results/evaluation/mixture.tsv --out results/calibration/mixture"


def add_arguments(parser):
    parser.add_argument(
        "--evaluation", type=Path, required=True, metavar="FILE", help="table of betafold evaluate"
    )
    parser.add_argument(
        "--residues",
        type=Path,
        metavar="FILE",
        help="its residue table (default: NAME.residues.tsv.gz beside it)",
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="refuse an evaluation that was made with another split file",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def run(args) -> int:
    from betafold.evaluation.calibrate import calibrate

    calibrate(args.evaluation, args.out, residues_path=args.residues, split_path=args.split)
    return 0
