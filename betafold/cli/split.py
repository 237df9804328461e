"""``betafold split``: samples to train, validation, calibration and test, disjoint by cluster."""

SUMMARY = "split samples by sequence cluster and containment"
EXAMPLE = "betafold split --labels results/labels.zarr/* --out results/split.tsv --seed 7 --identity 0.5"


def add_arguments(parser):
    parser.add_argument("--labels", nargs="+", required=True, metavar="GROUP", help="all labels groups")
    parser.add_argument("--out", required=True, metavar="TSV", help="table to write, with a .json beside it")
    parser.add_argument(
        "--fractions",
        nargs=4,
        type=float,
        default=(0.70, 0.08, 0.12, 0.10),
        metavar=("TRAIN", "VALIDATION", "CALIBRATION", "TEST"),
        help="shares of peptides, of chains and of fragments in each part [0.70 0.08 0.12 0.10]",
    )
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the draw [%(default)s]")
    parser.add_argument(
        "--identity",
        type=float,
        default=0.5,
        metavar="X",
        help="identity over the shorter chain that makes two chains one cluster [%(default)s]",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads [%(default)s]")


def run(args) -> int:
    from betafold.structures.split import count_samples, write_split

    table = write_split(args.labels, args.out, args.fractions, args.seed, args.identity, args.threads)
    print(count_samples(table).to_string())
    print(f"{args.out}: {len(table)} samples, {table['cluster'].nunique()} clusters")
    return 0
