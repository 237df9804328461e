"""``betafold STEP ...``: parse the arguments, run the step, turn mistakes into one line."""

import argparse
import importlib
import os
import sys
from typing import NoReturn

from betafold import __version__
from betafold.errors import BetaFoldError

STEPS = (
    "predict",
    "view",
    "evaluate",
    "fetch",
    "label",
    "rejected",
    "split",
    "sequences",
    "export",
    "embed",
    "train",
    "calibrate",
    "bundle",
    "report",
    "config",
)


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors exit with 1: 2 says that some records failed and the others are there."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """Parser with one sub-parser per module in this package; no heavy import happens here."""
    parser = Parser(
        prog="betafold",
        description="Backbone structures of peptides of 10-30 residues, with calibrated confidence.",
    )
    parser.add_argument("--version", action="version", version=f"betafold {__version__}")
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name in STEPS:
        module = importlib.import_module(f"betafold.cli.{name}")
        sub = steps.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one step and return its exit status."""
    # Read when torch is first imported. Waiting OpenMP threads otherwise spin, which on a machine with other
    # work to do made two threads seven times slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = build_parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except BetaFoldError as error:
        print(f"betafold {args.step}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"betafold {args.step}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away: not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A path that cannot be read or written; errors without a path are faults of the program.
        if error.filename is None:
            raise
        print(f"betafold {args.step}: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
