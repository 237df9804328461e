"""``betafold label``."""

import argparse
import sys
from pathlib import Path

from betafold.errors import BetaFoldError

SUMMARY = "structure files in, labelled samples out, and a table of all that is left out"
EXAMPLE = "betafold label structures/ 1abc.cif.gz --out labels.zarr/0 --rejected rejected.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE_OR_DIR", help="PDB, mmCIF or JSON, gzipped or not"
    )
    parser.add_argument("--entries", type=Path, help="table of `betafold fetch structures` instead of files")
    parser.add_argument("--shard", type=int, help="with --entries: only the entries of this shard")
    parser.add_argument("--out", type=Path, required=True, help="Zarr group to write")
    parser.add_argument(
        "--rejected", type=Path, required=True, help="table (.tsv) of what is left out, and why"
    )
    parser.add_argument(
        "--max-length",
        type=int,
        default=30,
        metavar="N",
        help="most residues of a whole chain, 30-512; 30 takes peptides and fragments only; default: %(default)s",
    )
    parser.add_argument(
        "--fragments-per-chain",
        type=int,
        default=100,
        help="most fragments of a longer chain; default: %(default)s",
    )
    parser.add_argument(
        "--fragment-stride",
        type=int,
        default=3,
        help="residues between fragment starts; default: %(default)s",
    )
    parser.add_argument(
        "--duplicate-rmsd",
        type=float,
        default=1.0,
        help="copies of a sequence in an entry closer than this (CA-RMSD, A) are one sample; default: %(default)s",
    )


def _check(args: argparse.Namespace) -> None:
    """Raise BetaFoldError for options that make no sense."""
    for option, least in (("fragments_per_chain", 0), ("fragment_stride", 1), ("duplicate_rmsd", 0)):
        value = getattr(args, option)
        if not value >= least:
            raise BetaFoldError(f"--{option.replace('_', '-')} {value}: must be {least} or more")
    if not 30 <= args.max_length <= 512:
        raise BetaFoldError(f"--max-length {args.max_length}: must be 30 to 512")
    if args.entries and args.files:
        raise BetaFoldError("give either --entries or files, not both")
    if args.shard is not None and not args.entries:
        raise BetaFoldError("--shard needs --entries: only a table says which entries belong to a shard")


def run(args: argparse.Namespace) -> int:
    from betafold.structures.entries import find_structures
    from betafold.structures.fragments import FragmentOptions
    from betafold.structures.plan import LabelOptions
    from betafold.structures.shard import label_shard
    from betafold.structures.sources import read_structures

    _check(args)
    options = LabelOptions(
        fragments=FragmentOptions(args.fragments_per_chain, args.fragment_stride),
        duplicate_rmsd=args.duplicate_rmsd,
        max_length=args.max_length,
    )
    if args.entries:
        entries = read_structures(args.entries, args.shard)
    else:
        entries = find_structures(args.files)
    summary = label_shard(entries, args.out, args.rejected, options)
    print(summary, file=sys.stderr)
    # A shard of a workflow may be empty by chance; files named by hand were meant to give something.
    return 0 if summary.samples or args.shard is not None else 1
