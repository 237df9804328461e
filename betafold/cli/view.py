"""``betafold view``: predicted structures, or any others, in one page to look at."""

import sys
from pathlib import Path

from betafold.cli.predict import positive

SUMMARY = "make one offline HTML page with a 3D view of predicted (or any PDB/mmCIF) structures"
EXAMPLE = (
    "betafold view predictions --out predictions/view.html\n"
    "  betafold view predictions --native natives/ --out view.html\n"
    "  betafold view a.pdb b.cif.gz --out view.html"
)
SHOWN_FAILURES = 20


def add_arguments(parser):
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="DIR|FILE",
        help="folders of betafold predict or of other PDB/mmCIF files (.gz too), or such files",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")
    parser.add_argument(
        "--native", type=Path, metavar="DIR|FILE",
        help="native structures to superpose on, found by file name, else by sequence",
    )  # fmt: skip
    parser.add_argument(
        "--max", type=positive, default=100, metavar="N", dest="most",
        help="peptides in the page, the first of summary.csv or by name [%(default)s]",
    )  # fmt: skip


def run(args) -> int:
    from betafold.errors import BetaFoldError
    from betafold.reports.view.page import write_view
    from betafold.reports.view.peptides import load_peptides
    from betafold.reports.viewer import GET_IT, find_viewer

    if args.out.suffix.lower() not in (".html", ".htm"):
        raise BetaFoldError(f"--out {args.out}: the page's name must end in .html")
    shown = load_peptides(args.paths, args.native, args.most)
    for name, reason in shown.failures[:SHOWN_FAILURES]:
        print(f"betafold view: {name}: {reason}", file=sys.stderr)
    if len(shown.failures) > SHOWN_FAILURES:
        print(f"betafold view: {len(shown.failures) - SHOWN_FAILURES} more failed", file=sys.stderr)
    if not shown.peptides:
        raise BetaFoldError("none of the files can be shown")
    viewer = find_viewer()
    write_view(shown, viewer, args.out)
    without = shown.peptides if args.native is None else [p for p in shown.peptides if p.native is None]
    if args.native and without:
        print(
            f"betafold view: no native for {len(without)} of {len(shown.peptides)}: neither names nor sequences agree",
            file=sys.stderr,
        )
    if shown.left_out:
        print(f"betafold view: {shown.left_out} more left out; --max shows more", file=sys.stderr)
    if viewer is None:
        print(f"betafold view: still pictures only; for a 3D view run `{GET_IT}` once", file=sys.stderr)
    print(args.out)
    none_fits = args.native and len(without) == len(shown.peptides)
    return 2 if shown.failures or none_fits else 0
