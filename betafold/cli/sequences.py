"""``betafold sequences``: a part of the split as FASTA."""

SUMMARY = "write the sequences of one part of a split as FASTA, for betafold predict and other programs"
EXAMPLE = "betafold sequences --split results/split.tsv --part test --out results/test.fasta"


def add_arguments(parser):
    parser.add_argument("--split", required=True, metavar="FILE", help="split.tsv")
    parser.add_argument(
        "--part",
        default="test",
        choices=("train", "validation", "calibration", "test"),
        help="which part [%(default)s]",
    )
    parser.add_argument("--longest", type=int, default=30, metavar="N", help="residues at most [%(default)s]")
    parser.add_argument("--most", type=int, default=1000, metavar="N", help="sequences at most [%(default)s]")
    parser.add_argument("--out", required=True, metavar="FILE", help="the FASTA file")


def run(args) -> int:
    from betafold.structures.sequences import write_sequences

    written = write_sequences(args.split, args.part, args.out, longest=args.longest, most=args.most)
    print(f"{args.out}: {written} sequences")
    return 0
