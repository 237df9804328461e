"""``betafold bundle``: pack a trained, calibrated model for ``betafold predict --model``."""

SUMMARY = "pack a checkpoint and its calibration into a folder that betafold predict reads"
EXAMPLE = (
    "betafold bundle --checkpoint results/models/mixture/best.pt --calibration results/calibration/mixture "
    "--out results/bundles/mixture"
)


def add_arguments(parser):
    parser.add_argument(
        "--checkpoint", required=True, metavar="FILE", help="best.pt written by betafold train"
    )
    parser.add_argument(
        "--calibration", metavar="DIR|FILE", help="calibration.json, or the folder it lies in; without it the "
        "bundle is uncalibrated",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="bundle folder to write")
    parser.add_argument("--half", action="store_true", help="store float16 weights: half the size")
    parser.add_argument("--note", default="", metavar="TEXT", help="one line about the training data")


def run(args) -> int:
    from pathlib import Path

    from betafold.errors import BetaFoldError
    from betafold.prediction.bundle import CALIBRATION, write_bundle
    from betafold.prediction.confidence import read_calibration
    from betafold.provenance import file_sha256
    from betafold.training.checkpoint import read_checkpoint

    stored = read_checkpoint(args.checkpoint)
    calibration = None
    if args.calibration:
        path = Path(args.calibration)
        calibration = read_calibration(path / CALIBRATION if path.is_dir() else path)
        measured_on = calibration.provenance.get("checkpoint_sha256")
        if measured_on not in (None, file_sha256(args.checkpoint)):
            raise BetaFoldError(
                f"{path}: calibration of another checkpoint than {args.checkpoint}; calibrate again"
            )
    write_bundle(args.out, stored, calibration, args.half, args.note)
    return 0
