"""``betafold rejected``: one table of everything left out."""

SUMMARY = "join the tables of what fetch and label left out, with reasons, into one"
EXAMPLE = "betafold rejected results/structures.skipped.tsv results/rejected/*.tsv --out results/rejected.tsv"


def add_arguments(parser):
    parser.add_argument(
        "tables", nargs="+", metavar="TABLE", help="written by betafold fetch structures or label"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the joined table (.tsv)")


def run(args) -> int:
    from betafold.structures.rejections import read_rejections, write_rejections

    write_rejections(args.out, [row for table in args.tables for row in read_rejections(table)])
    return 0
