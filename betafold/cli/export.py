"""``betafold export``: labelled samples for other programs."""

import sys

SUMMARY = "write labelled samples as JSON {pdb_code, sequence, coords, seq_len} or as a PDBbind folder"
EXAMPLE = (
    "betafold export --labels results/labels.zarr/* --format json --out chains.json.gz\n"
    "  betafold export --labels results/labels.zarr/* --format pdbbind --out pdbbind/"
)


def add_arguments(parser):
    parser.add_argument("--labels", nargs="+", required=True, metavar="GROUP", help="labels groups")
    parser.add_argument("--format", choices=("json", "pdbbind"), required=True, help="what to write")
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="json: file, .json (a list) or .jsonl (one object a line), .gz to compress; pdbbind: new folder",
    )
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("free", "bound", "chain", "fragment"),
        default=("free", "bound", "chain"),
        metavar="KIND",
        help="samples to write: free, bound, chain, fragment (json only) [free bound chain]",
    )
    parser.add_argument(
        "--atoms",
        choices=("ca", "backbone"),
        default="ca",
        help="json: CA only, or N, CA and C [%(default)s]",
    )


def run(args) -> int:
    from betafold.structures.export import export_labels

    written, failures = export_labels(args.labels, args.out, args.format, args.kinds, args.atoms)
    for number, name, reason in failures:
        print(f"{args.out}: item {number} ({name}): {reason}", file=sys.stderr)
    print(f"{args.out}: {written} samples, {len(failures)} left out")
    return 2 if failures else 0
