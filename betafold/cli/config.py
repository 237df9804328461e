"""``betafold config``: the record of a workflow run."""

SUMMARY = "write the configuration of a run with the version, commit and ESM-2 weights that made it"
EXAMPLE = """betafold config --json '{"seed": 1}' --weights results/esm2.safetensors --out results/run_config.yaml"""


def add_arguments(parser):
    parser.add_argument(
        "--json", required=True, metavar="TEXT", help="the merged configuration as a JSON object"
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="written by betafold fetch weights")
    parser.add_argument("--out", required=True, metavar="FILE", help="the YAML file to write")


def run(args) -> int:
    import json

    import yaml

    from betafold.embeddings.layouts import read_metadata
    from betafold.errors import BetaFoldError
    from betafold.files import write_beside
    from betafold.provenance import provenance

    try:
        config = json.loads(args.json)
    except ValueError as error:
        raise BetaFoldError(f"--json: not JSON ({error})") from None
    weights = read_metadata(args.weights)
    if weights is None:
        raise BetaFoldError(f"{args.weights}: not ESM-2 weights of betafold fetch weights")
    record = {"provenance": provenance("config", weights=weights), "config": config}
    with write_beside(args.out) as partial:
        partial.write_text(yaml.safe_dump(record, sort_keys=False))
    return 0
